// Gathers statistics of a room's tracks.

import type { LocalTrack, Participant, RemoteTrack, Room, TrackPublication } from "livekit-client";
import { displayName } from "../call/snapshot";
import { figures, readPath, readReceived, readSent, type Entry, type Figures, type Path, type Sample } from "./read";

/** One line of the panel. */
export interface StatsRow {
  key: string;
  who: string;
  what: string;
  video: boolean;
  figures: Figures;
}

/** Everything the panel shows. */
export interface Stats {
  path: Path | undefined;
  received: StatsRow[];
  sent: StatsRow[];
}

/** Collects; keeps the last samples so that rates can be told. */
export class StatsCollector {
  private before = new Map<string, Sample>();

  constructor(private readonly room: Room) {}

  /** Statistics since the last call. */
  async collect(): Promise<Stats> {
    const now = new Map<string, Sample>();
    const paths: Path[] = [];
    const remote = [...this.room.remoteParticipants.values()];
    const received = await Promise.all(remote.map((participant) => this.rows(participant, readReceived, now, paths)));
    const sent = await this.rows(this.room.localParticipant, readSent, now, paths);
    this.before = now;
    return { path: paths[0], received: received.flat(), sent };
  }

  private async rows(participant: Participant, read: (entries: Entry[]) => Sample[], now: Map<string, Sample>, paths: Path[]): Promise<StatsRow[]> {
    const publications = [...participant.trackPublications.values()];
    const rows = publications.map(async (publication) => {
      const entries = await report(publication);
      const path = readPath(entries);
      if (path !== undefined) paths.push(path);
      return read(entries).map((sample) => {
        const key = `${publication.trackSid}/${sample.rid}`;
        now.set(key, sample);
        const row: StatsRow = {
          key,
          who: displayName(participant),
          what: sourceText(publication),
          video: publication.kind === "video",
          figures: figures(this.before.get(key), sample),
        };
        return row;
      });
    });
    return (await Promise.all(rows)).flat();
  }
}

async function report(publication: TrackPublication): Promise<Entry[]> {
  const track = publication.track as RemoteTrack | LocalTrack | undefined;
  try {
    const stats = await track?.getRTCStatsReport();
    return stats === undefined ? [] : [...(stats as unknown as Map<string, Entry>).values()];
  } catch {
    // The track ended while it was asked.
    return [];
  }
}

function sourceText(publication: TrackPublication): string {
  const names: Record<string, string> = { camera: "camera", microphone: "microphone", screen_share: "screen", screen_share_audio: "screen sound" };
  return names[publication.source] ?? publication.kind;
}

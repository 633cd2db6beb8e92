// The rooms: who is in them, what they publish; and muting, removing, closing.

import { h, show } from "../core/dom";
import type { Api } from "./api";
import { actions, button, mark, row, sureButton, table, time, type Say } from "./parts";

const EVERY_MS = 2_000;

interface Room {
  name: string;
  num_participants?: number;
  numParticipants?: number;
  num_publishers?: number;
  numPublishers?: number;
  creation_time?: string;
  creationTime?: string;
}

interface Track {
  sid: string;
  type?: string | number;
  source?: string | number;
  muted?: boolean;
  width?: number;
  height?: number;
}

interface Participant {
  identity: string;
  name?: string;
  state?: string | number;
  joined_at?: string;
  joinedAt?: string;
  tracks?: Track[];
}

/** The list, and one room beside it. */
export class RoomsView {
  readonly element: HTMLElement;
  private readonly list = table("Rooms", ["Room", "Participants", "Publishers", "Since", ""]);
  private readonly roster = table("Participants", ["Identity", "Name", "State", "Since", "Tracks", ""]);
  private readonly detail = h("div", { class: "detail" });
  private readonly title = h("h2");
  private open: string | undefined;
  private shown = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private drawn = "";

  constructor(
    private readonly api: Api,
    private readonly say: Say,
  ) {
    const close = sureButton("Close the room", "Really close it?", () => this.close(), say);
    this.detail.append(h("header", { class: "detail-head" }, this.title, close), this.roster.element);
    this.element = h("section", { attrs: { "aria-label": "Rooms" } }, this.list.element, this.detail);
    show(this.detail, false);
  }

  /** Begins or ends looking every two seconds. */
  show(on: boolean): void {
    this.shown = on;
    clearTimeout(this.timer);
    if (on) void this.round();
  }

  private async round(): Promise<void> {
    try {
      await this.refresh();
    } catch (error) {
      this.say(error);
    }
    if (this.shown) this.timer = setTimeout(() => void this.round(), EVERY_MS);
  }

  private async refresh(): Promise<void> {
    const { rooms } = await this.api.room<{ rooms?: Room[] }>("ListRooms", {});
    const { open } = this;
    const there = open !== undefined && (rooms ?? []).some(({ name }) => name === open);
    const participants = there ? await this.participants(open) : [];
    const drawn = JSON.stringify([rooms, open, there, participants]);
    if (drawn === this.drawn || this.element.querySelector(".sure") !== null) return;
    this.drawn = drawn;
    this.list.fill((rooms ?? []).map((room) => this.room(room)), "No room is open.");
    show(this.detail, there);
    this.title.textContent = open ?? "";
    this.roster.fill(participants.map((one) => this.participant(open ?? "", one)), "Nobody is in it.");
  }

  private async participants(room: string): Promise<Participant[]> {
    const { participants } = await this.api.room<{ participants?: Participant[] }>("ListParticipants", { room });
    return participants ?? [];
  }

  private room(room: Room): HTMLElement {
    const view = button("Open", async () => this.choose(room.name), this.say);
    view.setAttribute("aria-label", `Open ${room.name}`);
    const count = (value: number | undefined) => String(value ?? 0);
    return row(room.name, [
      room.name,
      count(room.num_participants ?? room.numParticipants),
      count(room.num_publishers ?? room.numPublishers),
      time(Number(room.creation_time ?? room.creationTime ?? 0) * 1_000),
      actions(view),
    ]);
  }

  private async choose(name: string): Promise<void> {
    this.open = this.open === name ? undefined : name;
    await this.refresh();
  }

  private participant(room: string, one: Participant): HTMLElement {
    const { identity, tracks = [] } = one;
    const remove = sureButton("Remove", "Really remove?", () => this.act("RemoveParticipant", { room, identity }), this.say);
    remove.setAttribute("aria-description", identity);
    const list = h("ul", { class: "tracks" }, ...tracks.map((track) => this.track(room, identity, track)));
    return row(identity, [identity, one.name ?? "", stateWord(one.state), time(Number(one.joined_at ?? one.joinedAt ?? 0) * 1_000), list, actions(remove)]);
  }

  private track(room: string, identity: string, track: Track): HTMLElement {
    const size = track.width === undefined || track.width === 0 ? "" : ` ${track.width}×${track.height ?? 0}`;
    const what = sourceWord(track.source, track.type) + size;
    const mute = button("Mute", () => this.act("MutePublishedTrack", { room, identity, track_sid: track.sid, muted: true }), this.say);
    mute.setAttribute("aria-label", `Mute ${what} of ${identity}`);
    return h("li", {}, h("span", { text: what }), track.muted === true ? mark("muted", "neutral") : mute);
  }

  private async act(method: string, body: object): Promise<void> {
    await this.api.room(method, body);
    this.drawn = "";
    await this.refresh();
  }

  private async close(): Promise<void> {
    if (this.open !== undefined) await this.act("DeleteRoom", { room: this.open });
  }
}

function stateWord(state: string | number | undefined): string {
  const words: Record<string, string> = { "0": "joining", "1": "joined", "2": "active", "3": "gone", JOINING: "joining", JOINED: "joined", ACTIVE: "active", DISCONNECTED: "gone" };
  return words[String(state ?? 0)] ?? String(state);
}

function sourceWord(source: string | number | undefined, type: string | number | undefined): string {
  const words: Record<string, string> = {
    "1": "camera", "2": "microphone", "3": "screen", "4": "screen sound",
    CAMERA: "camera", MICROPHONE: "microphone", SCREEN_SHARE: "screen", SCREEN_SHARE_AUDIO: "screen sound",
  };
  const kind = type === undefined || type === 0 || type === "AUDIO" ? "sound" : type === 1 || type === "VIDEO" ? "picture" : "data";
  return words[String(source)] ?? kind;
}

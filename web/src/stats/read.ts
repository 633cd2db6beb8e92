// Reads browsers' statistics reports. Pure: reports in, figures out.

/** One entry of a report; which fields there are depends on its type. */
export type Entry = { id: string; type: string; timestamp: number } & Record<string, unknown>;

/** Counters of one stream at one moment. */
export interface Sample {
  /** Tells streams of one track apart: the layer's rid, or empty. */
  rid: string;
  /** When, in milliseconds. */
  at: number;
  bytes: number;
  packets: number;
  lost: number;
  width: number | undefined;
  height: number | undefined;
  fps: number | undefined;
  /** In milliseconds. */
  jitter: number | undefined;
  /** In milliseconds. */
  roundTrip: number | undefined;
  codec: string | undefined;
  /** Why the encoder holds back, when it does: `cpu` or `bandwidth`. */
  limited: string | undefined;
}

/** What a stream did between two moments. */
export interface Figures {
  rid: string;
  kilobits: number | undefined;
  /** Percent of packets. */
  loss: number | undefined;
  size: string | undefined;
  fps: number | undefined;
  jitter: number | undefined;
  roundTrip: number | undefined;
  codec: string | undefined;
  limited: string | undefined;
}

/** The network path in use. */
export interface Path {
  /** In milliseconds. */
  roundTrip: number | undefined;
  /** `udp` or `tcp`. */
  protocol: string | undefined;
  /** The kinds of the local and remote candidates, such as `host` or `srflx`. */
  candidates: string;
}

/** The streams that a report of a receiver describes. */
export function readReceived(entries: Entry[]): Sample[] {
  return entries
    .filter((entry) => entry.type === "inbound-rtp")
    .map((entry) => ({
      ...common(entries, entry),
      rid: "",
      bytes: number(entry["bytesReceived"]) ?? 0,
      packets: number(entry["packetsReceived"]) ?? 0,
      lost: number(entry["packetsLost"]) ?? 0,
      jitter: milliseconds(entry["jitter"]),
      roundTrip: undefined,
      limited: undefined,
    }));
}

/** The streams that a report of a sender describes: one for each layer that is being sent. */
export function readSent(entries: Entry[]): Sample[] {
  return entries
    .filter((entry) => entry.type === "outbound-rtp" && entry["active"] !== false)
    .map((entry) => {
      const remote = entries.find((other) => other.type === "remote-inbound-rtp" && other["localId"] === entry.id);
      const limited = entry["qualityLimitationReason"];
      return {
        ...common(entries, entry),
        rid: typeof entry["rid"] === "string" ? entry["rid"] : "",
        bytes: number(entry["bytesSent"]) ?? 0,
        packets: number(entry["packetsSent"]) ?? 0,
        lost: number(remote?.["packetsLost"]) ?? 0,
        jitter: milliseconds(remote?.["jitter"]),
        roundTrip: milliseconds(remote?.["roundTripTime"]),
        limited: typeof limited === "string" && limited !== "none" ? limited : undefined,
      };
    });
}

/** The path that a report's transport uses. */
export function readPath(entries: Entry[]): Path | undefined {
  const chosen = entries.find((entry) => entry.type === "transport")?.["selectedCandidatePairId"];
  const pair =
    entries.find((entry) => entry.type === "candidate-pair" && entry.id === chosen) ??
    entries.find((entry) => entry.type === "candidate-pair" && (entry["selected"] === true || (entry["nominated"] === true && entry["state"] === "succeeded")));
  if (pair === undefined) return undefined;
  const local = entries.find((entry) => entry.id === pair["localCandidateId"]);
  const remote = entries.find((entry) => entry.id === pair["remoteCandidateId"]);
  return {
    roundTrip: milliseconds(pair["currentRoundTripTime"]),
    protocol: string(local?.["protocol"]),
    candidates: [local, remote].map((candidate) => string(candidate?.["candidateType"]) ?? "?").join(" → "),
  };
}

/** What happened between two samples of one stream. */
export function figures(before: Sample | undefined, now: Sample): Figures {
  const seconds = before === undefined ? 0 : (now.at - before.at) / 1000;
  const bytes = before === undefined ? 0 : now.bytes - before.bytes;
  const lost = before === undefined ? now.lost : now.lost - before.lost;
  const packets = before === undefined ? now.packets : now.packets - before.packets;
  // Counters start again when a stream is replaced: then there is nothing to say this time.
  const valid = seconds > 0 && bytes >= 0 && packets >= 0;
  return {
    rid: now.rid,
    kilobits: valid ? (bytes * 8) / seconds / 1000 : undefined,
    loss: lossPercent(lost, packets),
    size: now.width === undefined || now.height === undefined ? undefined : `${now.width}×${now.height}`,
    fps: now.fps,
    jitter: now.jitter,
    roundTrip: now.roundTrip,
    codec: now.codec,
    limited: now.limited,
  };
}

/** Percent of packets that were lost. Duplicates can make `lost` negative: that is no loss. */
export function lossPercent(lost: number, received: number): number | undefined {
  const expected = lost + received;
  if (expected <= 0 || received < 0) return undefined;
  return Math.max(0, (lost / expected) * 100);
}

function common(entries: Entry[], entry: Entry) {
  const mime = string(entries.find((other) => other.id === entry["codecId"])?.["mimeType"]);
  return {
    at: entry.timestamp,
    width: number(entry["frameWidth"]),
    height: number(entry["frameHeight"]),
    fps: number(entry["framesPerSecond"]),
    codec: mime?.split("/")[1],
  };
}

function milliseconds(seconds: unknown): number | undefined {
  const value = number(seconds);
  return value === undefined ? undefined : value * 1000;
}

function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function string(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

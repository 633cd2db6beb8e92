// What a call looks like, as plain values. `snapshot` makes them of the SDK's room; the views draw them.

/** Something that plays in a video element. The SDK's video tracks are such. */
export interface Picture {
  attach(element: HTMLMediaElement): unknown;
  detach(element: HTMLMediaElement): unknown;
}

/** How well a participant's connection does. */
export type Quality = "excellent" | "good" | "poor" | "lost" | "unknown";

/** What a tile shows. */
export type TileSource = "camera" | "screen";

/** One picture in the call, or the place of one. */
export interface Tile {
  /** Unique in the call and stable: participant and source. */
  key: string;
  identity: string;
  name: string;
  local: boolean;
  source: TileSource;
  /** Undefined while there is nothing to see. */
  picture: Picture | undefined;
  /** Whether the picture is shown as in a mirror. */
  mirrored: boolean;
  microphoneOn: boolean;
  speaking: boolean;
  /** When the participant spoke last, in milliseconds since the epoch; 0 if never. */
  lastSpokeAt: number;
  quality: Quality;
  /** The server holds the picture back for want of bandwidth. */
  paused: boolean;
}

/** Somebody in the room. */
export interface Person {
  identity: string;
  name: string;
  local: boolean;
  microphoneOn: boolean;
  cameraOn: boolean;
  sharing: boolean;
  speaking: boolean;
  quality: Quality;
}

/** Where the connection stands. */
export type Connection = "connecting" | "connected" | "reconnecting" | "ended";

/** The whole call. */
export interface CallModel {
  room: string;
  connection: Connection;
  /** Own camera first, then the others as they came; screens first of all. */
  tiles: Tile[];
  people: Person[];
  microphoneOn: boolean;
  cameraOn: boolean;
  sharing: boolean;
  /** Whether the token lets us send sound and picture. */
  canPublish: boolean;
  /** The browser plays no sound until somebody touches the page. */
  audioBlocked: boolean;
}

/** Words for a quality. */
export const QUALITY_TEXT: Record<Quality, string> = {
  excellent: "connection excellent",
  good: "connection good",
  poor: "connection poor",
  lost: "connection lost",
  unknown: "connection not measured yet",
};

/** How many of three bars a quality lights. */
export const QUALITY_BARS: Record<Quality, number> = { excellent: 3, good: 2, poor: 1, lost: 0, unknown: 0 };

/** Up to two letters for somebody without a picture. */
export function initials(name: string): string {
  const words = name.split(/[\s._-]+/).filter((word) => word !== "");
  const first = [...(words[0] ?? "?")][0] ?? "?";
  const last = words.length > 1 ? ([...(words[words.length - 1] ?? "")][0] ?? "") : "";
  return (first + last).toUpperCase();
}

/** A hue of 0 to 359 that is always the same for one identity. */
export function hue(identity: string): number {
  let hash = 0x811c9dc5; // FNV-1a
  for (const character of identity) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return (hash >>> 0) % 360;
}

/** One sentence about a tile, for screen readers. */
export function describeTile(tile: Tile): string {
  const who = tile.local ? `${tile.name} (you)` : tile.name;
  if (tile.source === "screen") return `${who}, shared screen`;
  const parts = [who, `microphone ${tile.microphoneOn ? "on" : "off"}`, `camera ${tile.picture === undefined ? "off" : "on"}`, QUALITY_TEXT[tile.quality]];
  return parts.join(", ");
}

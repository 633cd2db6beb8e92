// What the page's address asks for.

/** The longest room or display name the server takes, in bytes of UTF-8. */
export const NAME_BYTES_MAX = 256;

/** Options of the page's address. */
export interface Options {
  /** The room to offer, from `room`. */
  room: string | undefined;
  /** The display name to offer, from `name`. */
  name: string | undefined;
  /** Join without asking, from `join=1`. */
  join: boolean;
  /** Whether to use one PeerConnection instead of two, from `single`; the SDK decides when absent. */
  single: boolean | undefined;
  /** Whether the camera starts on, from `camera`. */
  camera: boolean;
  /** Whether the microphone starts on, from `mic`. */
  microphone: boolean;
}

/** Reads the query part of the page's address. */
export function parseOptions(search: string): Options {
  const query = new URLSearchParams(search);
  return {
    room: text(query.get("room")),
    name: text(query.get("name")),
    join: flag(query.get("join")) ?? false,
    single: flag(query.get("single")),
    camera: flag(query.get("camera")) ?? true,
    microphone: flag(query.get("mic")) ?? true,
  };
}

/** The address that invites others into `room`. */
export function inviteLink(origin: string, room: string): string {
  return `${origin}/?room=${encodeURIComponent(room)}`;
}

/** `name` without outer space, cut so that it fits [`NAME_BYTES_MAX`]. */
export function tidyName(name: string): string {
  let kept = "";
  let bytes = 0;
  for (const character of name.trim().replace(/\s+/g, " ")) {
    bytes += new TextEncoder().encode(character).length;
    if (bytes > NAME_BYTES_MAX) break;
    kept += character;
  }
  return kept;
}

function text(value: string | null): string | undefined {
  const tidy = tidyName(value ?? "");
  return tidy === "" ? undefined : tidy;
}

function flag(value: string | null): boolean | undefined {
  if (value === null) return undefined;
  return value === "1" || value === "true" || value === "";
}

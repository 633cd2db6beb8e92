// Random names. Not secrets: whoever knows a room's name and may have a token can join it.

const QUALITIES = ["amber", "bright", "calm", "clear", "quiet", "early", "golden", "gentle", "shady", "sunny", "open", "marble"];
const PLACES = ["agora", "arcade", "atrium", "cloister", "colonnade", "court", "garden", "gallery", "porch", "portico", "terrace", "theatre"];

/** A room name that is easy to say, such as `quiet-portico-417`. */
export function randomRoomName(): string {
  return `${pick(QUALITIES)}-${pick(PLACES)}-${100 + randomBelow(900)}`;
}

/** `length` characters out of letters and digits. */
export function randomCode(length: number): string {
  const alphabet = "abcdefghijkmnpqrstuvwxyz23456789";
  return Array.from({ length }, () => alphabet[randomBelow(alphabet.length)]).join("");
}

function pick(words: string[]): string {
  return words[randomBelow(words.length)] ?? "stoa";
}

function randomBelow(limit: number): number {
  const value = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  return value % limit;
}

// Names of messages and conversations.

/** A new name for a message: a UUID of version 7, as proto3 JSON has bytes. */
export function newCmid(now: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let index = 0; index < 6; index += 1) bytes[index] = Math.floor(now / 256 ** (5 - index)) % 256;
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  return btoa(String.fromCharCode(...bytes));
}

/** The private conversation of two users. */
export function privateConversation(one: string, other: string): string {
  return one < other ? `c:${one}:${other}` : `c:${other}:${one}`;
}

/** The other one of a private conversation; undefined for a group's. */
export function peerOf(conversation: string, user: string): string | undefined {
  if (!conversation.startsWith("c:")) return undefined;
  const [, low, high] = conversation.split(":");
  return low === user ? high : low;
}

/** The group whose conversation it is; undefined for a private one. */
export function groupOf(conversation: string): string | undefined {
  return conversation.startsWith("g:") ? conversation.slice(2) : undefined;
}

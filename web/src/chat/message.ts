// Chat messages as plain values.

/** The text stream topic that chat goes over; other clients of the SDK use the same. */
export const CHAT_TOPIC = "lk.chat";
/** The longest message that is sent or shown, in characters. */
export const MESSAGE_CHARS_MAX = 2_000;
/** How many messages stay on the page. The oldest go first. */
export const MESSAGES_MAX = 500;
/** Messages of one person closer than this share one heading. */
const GROUP_MS = 120_000;

/** One message. */
export interface Message {
  id: string;
  identity: string;
  name: string;
  local: boolean;
  text: string;
  /** When it was sent, by the sender's clock, in milliseconds since the epoch. */
  sentAt: number;
}

/** A piece of a message: text, or a link. */
export interface Piece {
  text: string;
  /** Where it leads; undefined for plain text. */
  href: string | undefined;
}

/** Whether `message` goes under the heading of `previous`. */
export function continues(previous: Message | undefined, message: Message): boolean {
  return previous !== undefined && previous.identity === message.identity && message.sentAt - previous.sentAt < GROUP_MS;
}

/** Cuts a message into text and web links. Nothing but http and https becomes a link. */
export function splitLinks(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(/https?:\/\/[^\s<>"]+/g)) {
    const url = match[0].replace(/[.,;:!?)\]'"]+$/, "");
    if (!URL.canParse(url)) continue;
    if (match.index > end) pieces.push({ text: text.slice(end, match.index), href: undefined });
    pieces.push({ text: url, href: url });
    end = match.index + url.length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end), href: undefined });
  return pieces;
}

/** `text` as it is sent and shown: without outer space, not longer than allowed; empty is nothing. */
export function tidyMessage(text: string): string | undefined {
  const tidy = text.trim().slice(0, MESSAGE_CHARS_MAX);
  return tidy === "" ? undefined : tidy;
}

/** A number for a badge. */
export function badge(count: number): string {
  return count === 0 ? "" : count > 99 ? "99+" : String(count);
}

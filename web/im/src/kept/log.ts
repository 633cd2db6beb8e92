// The messages of one conversation that are here: a window without gaps, and what came ahead of it.

import { long, type Content, type Options, type WireMessage } from "../wire.js";

/** Messages kept ahead of a gap; those beyond are pulled with it. */
const AHEAD_MAX = 256;

/** A message as it stands. */
export interface Message {
  seq: number;
  at: number;
  /** Empty: the server. */
  sender: string;
  cmid: string;
  /** Undefined: taken away, see `gone`. */
  content: Content | undefined;
  /** Why the content is gone: `GONE_HOW_RECALLED`, `GONE_HOW_DELETED` or `GONE_HOW_EXPIRED`. */
  gone: string | undefined;
  replyTo: number | undefined;
  options: Options;
  revision: number;
  edited: boolean;
  reactions: Record<string, number>;
}

/** Makes plain numbers of the wire's. */
export function readMessage(wire: WireMessage): Message {
  const { options } = wire;
  return {
    seq: long(wire.seq),
    at: long(wire.at),
    sender: wire.sender ?? "",
    cmid: wire.cmid ?? "",
    content: wire.gone === undefined ? wire.content : undefined,
    gone: wire.gone?.how,
    replyTo: options?.replyTo === undefined ? undefined : long(options.replyTo),
    options: options ?? {},
    revision: long(wire.revision),
    edited: (wire.edits ?? 0) > 0,
    reactions: wire.reactions ?? {},
  };
}

/** What `offer` made of a message. */
export type Offered = "added" | "ahead" | "known";

/** A window `low..=high` of sequences that are all accounted for; messages hidden from the user are not in `messages`. */
export class Log {
  /** Ascending. */
  messages: Message[] = [];
  low: number;
  high: number;
  /** The largest revision that is known. */
  revision = 0;
  private readonly ahead = new Map<number, Message>();

  /** A window that is empty, in front of what follows `high`. */
  constructor(high = 0) {
    this.high = high;
    this.low = high + 1;
  }

  /** The largest sequence heard of, here or ahead. */
  get reached(): number {
    return Math.max(this.high, ...this.ahead.keys());
  }

  /** Takes a message that was pushed. */
  offer(message: Message): Offered {
    this.revision = Math.max(this.revision, message.revision);
    if (message.seq <= this.high) return "known";
    if (message.seq > this.high + 1) {
      if (this.ahead.size < AHEAD_MAX) this.ahead.set(message.seq, message);
      return "ahead";
    }
    this.messages.push(message);
    this.high = message.seq;
    this.join();
    return "added";
  }

  /** Takes a page that was pulled upwards from `high + 1`; it accounts for everything up to `to`. */
  extend(page: Message[], to: number): void {
    const fresh = page.filter((message) => message.seq > this.high).sort((a, b) => a.seq - b.seq);
    this.messages.push(...fresh);
    this.high = Math.max(this.high, to);
    this.join();
  }

  /** Takes a page that was pulled downwards from `low - 1`; it accounts for everything from `to`. */
  prepend(page: Message[], to: number): void {
    const fresh = page.filter((message) => message.seq < this.low).sort((a, b) => a.seq - b.seq);
    this.messages.unshift(...fresh);
    this.low = Math.min(this.low, to);
  }

  /** Puts a changed message in the place of the old; false when it is not here or not newer. */
  change(message: Message): boolean {
    this.revision = Math.max(this.revision, message.revision);
    const waiting = this.ahead.get(message.seq);
    if (waiting !== undefined && waiting.revision < message.revision) this.ahead.set(message.seq, message);
    const index = this.messages.findIndex(({ seq }) => seq === message.seq);
    const old = this.messages[index];
    if (old === undefined || old.revision >= message.revision) return false;
    this.messages[index] = message;
    return true;
  }

  /** Takes away what lies before `first`. */
  trim(first: number): void {
    this.messages = this.messages.filter(({ seq }) => seq >= first);
    this.low = Math.max(this.low, Math.min(first, this.high + 1));
  }

  /** Takes single messages away. */
  hide(seq: number): void {
    this.messages = this.messages.filter((message) => message.seq !== seq);
  }

  /** Keeps only the newest `count`. */
  shorten(count: number): void {
    if (this.messages.length <= count) return;
    this.messages = this.messages.slice(-count);
    this.low = this.messages[0]?.seq ?? this.high + 1;
  }

  private join(): void {
    for (let next; (next = this.ahead.get(this.high + 1)) !== undefined; ) {
      this.messages.push(next);
      this.high = next.seq;
    }
    for (const seq of this.ahead.keys()) {
      if (seq <= this.high) this.ahead.delete(seq);
    }
  }
}

/** The text of a message, or words for what else it is. */
export function words(message: Pick<Message, "content" | "gone">): string {
  const { content } = message;
  if (content === undefined) return message.gone === "GONE_HOW_EXPIRED" ? "Message expired" : "Message withdrawn";
  if (content.text !== undefined) return content.text.text ?? "";
  if (content.image !== undefined) return "Picture";
  if (content.voice !== undefined) return "Voice message";
  if (content.video !== undefined) return "Video";
  if (content.file !== undefined) return content.file.file?.name || "File";
  if (content.location !== undefined) return content.location.title || "Place";
  if (content.custom !== undefined) return content.custom.summary ?? "Message";
  return "Message";
}

// One conversation as its user has it.

import { groupOf, peerOf } from "../ids.js";
import { readMessage, type Log, type Message } from "./log.js";
import { long, type Content, type Options, type WireConversation } from "../wire.js";

/** Cursors of others kept for one conversation. */
const CURSORS_MAX = 500;

/** A message of one's own that is not acknowledged yet. */
export interface Outgoing {
  cmid: string;
  content: Content;
  options: Options;
  at: number;
  /** Why it was refused; undefined while it is under way. */
  failure: string | undefined;
}

/** How far somebody has come. */
export interface Cursor {
  read: number;
  delivered: number;
}

/** Where a conversation stands. Everything is kept up to date by the client; take it as read-only. */
export class Conversation {
  /** The other one, in a private conversation. */
  readonly peer: string | undefined;
  /** The group, in a group's. */
  readonly group: string | undefined;
  head = 0;
  first = 1;
  revision = 0;
  at = 0;
  read = 0;
  delivered = 0;
  unread = 0;
  members = 0;
  pinned = false;
  /** Not counted in badges until then, in milliseconds since 1970; 0: it is. */
  mutedUntil = 0;
  /** What was begun to be written, here or on another device. */
  draft = "";
  /** The draft here is newer than what the server tells. */
  drafting = false;
  /** An unread message means the user. */
  mentioned = false;
  listed = true;
  role: string | undefined;
  last: Message | undefined;
  /** The messages; only while it is open, and for some time after. */
  log: Log | undefined;
  outgoing: Outgoing[] = [];
  readonly cursors = new Map<string, Cursor>();

  constructor(
    readonly id: string,
    private readonly me: string,
  ) {
    this.peer = peerOf(id, me);
    this.group = groupOf(id);
  }

  /** Takes what the server says of it. The head never goes back. */
  update(wire: WireConversation): void {
    const head = long(wire.head);
    const older = head < this.head;
    this.first = Math.max(1, long(wire.first));
    this.revision = Math.max(this.revision, long(wire.revision));
    this.read = Math.max(this.read, long(wire.read));
    this.delivered = Math.max(this.delivered, long(wire.delivered));
    this.members = wire.members ?? 0;
    this.pinned = wire.pinned ?? false;
    this.mutedUntil = long(wire.mutedUntil);
    if (!this.drafting) this.draft = wire.draft ?? "";
    this.role = wire.role;
    if (older) return;
    this.listed = wire.listed ?? false;
    this.head = head;
    this.at = Math.max(this.at, long(wire.at));
    this.unread = this.read >= head ? 0 : long(wire.unread);
    if (this.unread === 0) this.mentioned = false;
    if (wire.last !== undefined) this.last = readMessage(wire.last);
  }

  /** Counts a message that was pushed. */
  saw(message: Message): void {
    this.settle(message.sender, message.cmid);
    if (message.seq <= this.head) return;
    this.head = message.seq;
    this.at = message.at;
    this.last = message;
    this.listed = true;
    const own = message.sender === this.me;
    if (own) this.readTo(message.seq);
    else if (message.options.noUnread !== true && message.seq > this.read) this.unread += 1;
    const { mentions, mentionAll } = message.options;
    if (!own && message.seq > this.read && (mentionAll === true || mentions?.includes(this.me) === true)) this.mentioned = true;
  }

  /** Takes a message that was changed. */
  changed(message: Message): void {
    if (this.last?.seq === message.seq && this.last.revision <= message.revision) this.last = message;
    this.revision = Math.max(this.revision, message.revision);
    this.log?.change(message);
  }

  /** The user has read up to `seq`, here or elsewhere. */
  readTo(seq: number): void {
    if (seq <= this.read) return;
    this.read = seq;
    if (seq < this.head) return;
    this.unread = 0;
    this.mentioned = false;
  }

  /** Somebody else has come further. */
  cursor(user: string, cursor: Cursor): void {
    const known = this.cursors.get(user);
    if (known === undefined && this.cursors.size >= CURSORS_MAX) return;
    this.cursors.set(user, {
      read: Math.max(known?.read ?? 0, cursor.read),
      delivered: Math.max(known?.delivered ?? 0, cursor.delivered, cursor.read),
    });
  }

  /** How many others have read, and received, the message. */
  receipts(seq: number): { read: number; delivered: number } {
    let read = 0;
    let delivered = 0;
    for (const [user, cursor] of this.cursors) {
      if (user === this.me) continue;
      if (cursor.read >= seq) read += 1;
      if (cursor.delivered >= seq) delivered += 1;
    }
    return { read, delivered };
  }

  /** An outgoing message has come back or was acknowledged. */
  settle(sender: string, cmid: string): void {
    if (sender === this.me && this.outgoing.length > 0) this.outgoing = this.outgoing.filter((one) => one.cmid !== cmid);
  }
}

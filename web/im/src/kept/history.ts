// Fetching a conversation's messages: the newest, older ones, what is missing and what was changed.

import type { Conversation } from "./conversation.js";
import type { Host } from "../host.js";
import { Log, readMessage } from "./log.js";
import { long, type Body, type Messages, type WireMessage } from "../wire.js";

/** A gap in pushed messages may close by itself for this long. */
const GAP_MS = 300;
/** Messages fetched at first, and with each step back. */
const PAGE = 50;
const PULL_PAGE = 100;
/** Who missed more than this begins with the newest page again. */
const FAR = 500;
/** Messages of one conversation that stay here. */
export const LOG_MAX = 5_000;

/** Keeps logs complete. `told` is called with the conversation whose messages have changed. */
export class History {
  private readonly gaps = new Map<string, () => void>();
  private readonly running = new Map<string, Promise<void>>();

  constructor(
    private readonly host: Host,
    private readonly me: string,
    private readonly ask: <T>(body: Body) => Promise<T>,
    private readonly told: (id: string) => void,
  ) {}

  end(): void {
    for (const cancel of this.gaps.values()) cancel();
    this.gaps.clear();
  }

  /** Something is missing: it may be under way, else it is pulled. */
  gap(conversation: Conversation): void {
    const { id } = conversation;
    if (this.gaps.has(id)) return;
    const look = () => {
      this.gaps.delete(id);
      if (missing(conversation)) this.catchUp(conversation).catch(() => {});
    };
    this.gaps.set(id, this.host.after(GAP_MS, look));
  }

  /** Fetches a page of older messages; false when there are none, or no room for more. */
  async older(conversation: Conversation): Promise<boolean> {
    const { id, log, first } = conversation;
    if (log === undefined || log.low <= first || log.messages.length >= LOG_MAX) return false;
    const page = await this.ask<Messages>({ pull: { conversation: id, from: String(log.low - 1), down: true, limit: PAGE } });
    prepend(conversation, log, page);
    this.told(id);
    return log.low > conversation.first;
  }

  /** Pulls what is missing at the end, and what was changed meanwhile; without a log, the newest page. */
  catchUp(conversation: Conversation): Promise<void> {
    const { id } = conversation;
    const running = this.running.get(id);
    if (running !== undefined) return running;
    const work = this.pull(conversation).finally(() => this.running.delete(id));
    this.running.set(id, work);
    return work;
  }

  /** Fetches the messages that were changed. */
  async revise(conversation: Conversation): Promise<void> {
    const { id, log } = conversation;
    for (let more = log !== undefined; more && log !== undefined; ) {
      const body = { revisionsGet: { conversation: id, after: String(log.revision), limit: PULL_PAGE } };
      const page = await this.ask<{ messages?: WireMessage[]; revision?: string; more?: boolean }>(body);
      for (const wire of page.messages ?? []) conversation.changed(readMessage(wire));
      log.revision = Math.max(log.revision, long(page.revision));
      more = page.more ?? false;
    }
    this.told(id);
  }

  /** Fetches how far the others have come. */
  async cursors(conversation: Conversation): Promise<void> {
    type Page = { cursors?: { user: string; read?: string; delivered?: string }[] };
    const page = await this.ask<Page>({ cursorsGet: { conversation: conversation.id, limit: PULL_PAGE } });
    for (const { user, read, delivered } of page.cursors ?? []) {
      if (user !== this.me) conversation.cursor(user, { read: long(read), delivered: long(delivered) });
    }
    this.told(conversation.id);
  }

  private async pull(conversation: Conversation): Promise<void> {
    const { id, log } = conversation;
    if (log === undefined || conversation.head - log.high > FAR) await this.newest(conversation);
    const current = conversation.log;
    if (current === undefined) return;
    for (let more = missing(conversation); more; ) {
      const page = await this.ask<Messages>({ pull: { conversation: id, from: String(current.high + 1), limit: PULL_PAGE } });
      const next = page.next === undefined ? undefined : long(page.next);
      const messages = (page.messages ?? []).map(readMessage);
      for (const message of messages) conversation.settle(message.sender, message.cmid);
      current.extend(messages, next === undefined ? long(page.head) : next - 1);
      current.shorten(LOG_MAX);
      more = next !== undefined;
      this.told(id);
    }
    if (conversation.revision > current.revision) await this.revise(conversation);
  }

  /** Fetches the newest page as the beginning of a log. */
  private async newest(conversation: Conversation): Promise<void> {
    const { id, head } = conversation;
    if (head === 0) {
      conversation.log = new Log();
      return;
    }
    const page = await this.ask<Messages>({ pull: { conversation: id, from: "0", down: true, limit: PAGE } });
    const log = new Log(long(page.head));
    log.revision = long(page.revision);
    prepend(conversation, log, page);
    for (const { sender, cmid } of log.messages) conversation.settle(sender, cmid);
    conversation.log = log;
    this.told(id);
  }
}

function missing({ log, head }: Conversation): boolean {
  return log !== undefined && Math.max(head, log.reached) > log.high;
}

function prepend(conversation: Conversation, log: Log, page: Messages): void {
  conversation.first = Math.max(1, long(page.first));
  log.prepend((page.messages ?? []).map(readMessage), page.next === undefined ? conversation.first : long(page.next) + 1);
}

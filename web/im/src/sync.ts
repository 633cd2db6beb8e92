// Following what changed, from where the last answer ended.

import { RequestError } from "./link.js";
import { long, type Body, type Change, type Synced, type WireConversation } from "./wire.js";

const PAGE = 100;

/** Where the news go. */
export interface SyncTo {
  change(change: Change): void;
  conversation(wire: WireConversation): void;
  /** Too much was missed: fetches all lists anew. */
  reset(): Promise<void>;
  done(): void;
}

/** Asks for changes: at once after a connect, else at most once a second. */
export class Sync {
  /** Whether it has caught up at least once. */
  finished = false;
  private userSeq = 0;
  private heads = "";
  private running = false;
  private again = false;

  constructor(
    private readonly ask: <T>(body: Body) => Promise<T>,
    private readonly to: SyncTo,
    private readonly pace: (work: () => void) => void,
  ) {}

  /** Something changed; `userSeq` says how far the user's log has come, 0 if that is not told. */
  heard(userSeq: number): void {
    if (userSeq === 0 || userSeq > this.userSeq) this.soon();
  }

  soon(): void {
    this.pace(() => this.now());
  }

  now(): void {
    this.again = true;
    if (!this.running) void this.run();
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      while (this.again) {
        this.again = false;
        await this.catchUp();
      }
      this.finished = true;
      this.to.done();
    } catch (error) {
      // After the end of the link the next connect asks again.
      if (!(error instanceof RequestError && error.code === 0)) this.retry();
    } finally {
      this.running = false;
    }
  }

  /** Asks again after a pause. */
  private retry(): void {
    this.pace(() => {});
    this.soon();
  }

  private async catchUp(): Promise<void> {
    for (let more = true; more; ) {
      const body = { sync: { userSeq: String(this.userSeq), heads: this.heads, limit: PAGE } };
      const synced = await this.ask<Synced>(body);
      if (synced.reset === true) await this.to.reset();
      for (const change of synced.changes ?? []) this.to.change(change);
      for (const wire of synced.conversations ?? []) this.to.conversation(wire);
      this.userSeq = Math.max(this.userSeq, long(synced.userSeq));
      this.heads = synced.heads ?? this.heads;
      more = synced.more ?? false;
    }
  }
}

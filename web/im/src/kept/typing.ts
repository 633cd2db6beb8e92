// Who writes, and telling that the user does.

import type { Host } from "../host.js";

/** Others' typing is forgotten after this long; one's own is repeated. */
const FORGET_MS = 5_000;
const REPEAT_MS = 4_000;

/** Typing in all conversations. */
export class Typing {
  private readonly writers = new Map<string, Map<string, () => void>>();
  private readonly typed = new Map<string, number>();

  constructor(
    private readonly host: Host,
    private readonly changed: (id: string) => void,
    private readonly tell: (id: string, on: boolean) => void,
  ) {}

  /** The user writes, or has stopped. */
  typing(id: string, on: boolean): void {
    const now = this.host.now();
    const told = this.typed.get(id);
    if (on ? told !== undefined && now - told < REPEAT_MS : told === undefined) return;
    if (on) this.typed.set(id, now);
    else this.typed.delete(id);
    this.tell(id, on);
  }

  /** The user has sent what was written: the message tells the rest. */
  sent(id: string): void {
    this.typed.delete(id);
  }

  /** Who writes there now. */
  writing(id: string): string[] {
    return [...(this.writers.get(id)?.keys() ?? [])];
  }

  /** Somebody else writes, or has stopped. */
  wrote(id: string, user: string, on: boolean): void {
    const writers = this.writers.get(id) ?? new Map<string, () => void>();
    const cancel = writers.get(user);
    cancel?.();
    if (on) {
      this.writers.set(id, writers);
      writers.set(user, this.host.after(FORGET_MS, () => this.wrote(id, user, false)));
    } else {
      writers.delete(user);
      if (writers.size === 0) this.writers.delete(id);
    }
    if (on !== (cancel !== undefined)) this.changed(id);
  }

  end(): void {
    for (const writers of this.writers.values()) for (const cancel of writers.values()) cancel();
  }
}

// Doing things at most so often.

import type { Host } from "./host.js";

/** Runs work at once, and what is asked for within the pause once at its end. */
export class Pacer {
  private readonly pauses = new Map<string, { again: (() => void) | undefined; cancel: () => void }>();

  constructor(private readonly host: Host) {}

  run(name: string, everyMs: number, work: () => void): void {
    const pause = this.pauses.get(name);
    if (pause !== undefined) {
      pause.again = work;
      return;
    }
    const cancel = this.host.after(everyMs, () => {
      const again = this.pauses.get(name)?.again;
      this.pauses.delete(name);
      if (again !== undefined) this.run(name, everyMs, again);
    });
    this.pauses.set(name, { again: undefined, cancel });
    work();
  }

  end(): void {
    for (const { cancel } of this.pauses.values()) cancel();
    this.pauses.clear();
  }
}

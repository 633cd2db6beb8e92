// What people are called.

import type { Events } from "../events.js";
import type { Host } from "../host.js";
import type { Body, Profile } from "../wire.js";

const PROFILES_MAX = 2_000;
const PAGE = 100;
/** Names that are wanted within this are asked for together. */
const GATHER_MS = 50;
/** A name that is older is asked for again when it is wanted. */
const KEPT_MS = 300_000;

/** Display names; asked for when they are wanted first. */
export class Profiles {
  private readonly known = new Map<string, { profile: Profile; at: number }>();
  private readonly wanted = new Set<string>();
  private gathering: (() => void) | undefined;

  constructor(
    private readonly host: Host,
    private readonly ask: <T>(body: Body) => Promise<T>,
    private readonly events: Events,
  ) {}

  /** What somebody calls themselves; empty: nothing, or it is not known yet. */
  name(user: string): string {
    return this.of(user)?.name ?? "";
  }

  /** The profile, if it is here. */
  of(user: string): Profile | undefined {
    if (user === "") return undefined;
    const known = this.known.get(user);
    if (known === undefined || this.host.now() - known.at > KEPT_MS) this.want(user);
    return known?.profile;
  }

  /** Asks for a profile, whether it is here or not. */
  want(user: string): void {
    this.wanted.add(user);
    this.gathering ??= this.host.after(GATHER_MS, () => void this.fetch());
  }

  /** Takes a profile that was told. */
  saw(profile: Profile): void {
    if (this.known.size >= PROFILES_MAX && !this.known.has(profile.user)) this.known.clear();
    const before = this.known.get(profile.user)?.profile.name;
    this.known.set(profile.user, { profile, at: this.host.now() });
    if (before !== profile.name) this.events.emit("people", profile.user);
  }

  end(): void {
    this.gathering?.();
  }

  private async fetch(): Promise<void> {
    this.gathering = undefined;
    const users = [...this.wanted].slice(0, PAGE);
    for (const user of users) this.wanted.delete(user);
    if (this.wanted.size > 0) this.gathering = this.host.after(GATHER_MS, () => void this.fetch());
    try {
      const { profiles } = await this.ask<{ profiles?: Profile[] }>({ profileGet: { users } });
      const told = new Map((profiles ?? []).map((profile) => [profile.user, profile]));
      // Who does not exist has no name, and need not be asked for at once again.
      for (const user of users) this.saw(told.get(user) ?? { user });
    } catch {
      // They are shown by their ids; the next look asks again.
    }
  }
}

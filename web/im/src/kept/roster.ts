// People: friends, requests, and how they are.

import type { Events } from "../events.js";
import type { Body, Change, Friend, FriendRequest, Status, WirePresence } from "../wire.js";

const PAGE = 100;
const PEOPLE_MAX = 2_000;
const SUBSCRIPTIONS_MAX = 500;

/** The people a user knows. Kept up to date by the client; take it as read-only. */
export class Roster {
  readonly friends = new Map<string, Friend>();
  /** Who asks the user. */
  readonly incoming = new Map<string, FriendRequest>();
  /** Whom the user asks. */
  readonly outgoing = new Map<string, FriendRequest>();
  /** Whom the user has blocked. */
  readonly blocked = new Map<string, true>();
  private readonly presences = new Map<string, WirePresence>();
  private readonly watched = new Set<string>();
  private watchMax = SUBSCRIPTIONS_MAX;

  constructor(
    private readonly ask: <T>(body: Body) => Promise<T>,
    private readonly events: Events,
  ) {}

  /** How somebody is, as far as it is known. */
  status(user: string): Status {
    return this.presences.get(user)?.status ?? "STATUS_OFFLINE";
  }

  /** What somebody says about how they are. */
  statusText(user: string): string {
    return this.presences.get(user)?.text ?? "";
  }

  /** Asks somebody to be friends; true: they are. */
  async request(user: string, message = ""): Promise<boolean> {
    const { accepted } = await this.ask<{ accepted?: boolean }>({ friendRequest: { user, message } });
    if (accepted !== true) this.outgoing.set(user, { user, message });
    this.events.emit("people");
    return accepted ?? false;
  }

  /** Answers somebody who asks. */
  async answer(user: string, accept: boolean): Promise<void> {
    await this.ask({ friendAnswer: { user, accept } });
    this.incoming.delete(user);
    if (accept) this.friends.set(user, { user });
    this.events.emit("people");
    if (accept) await this.watch([user]);
  }

  async remove(user: string): Promise<void> {
    await this.ask({ friendRemove: { user } });
    this.friends.delete(user);
    this.events.emit("people");
  }

  /** Gives a friend a name of the user's own; empty takes it back. */
  async remark(user: string, remark: string): Promise<void> {
    await this.ask({ friendUpdate: { user, remark } });
    const friend = this.friends.get(user);
    if (friend !== undefined) this.friends.set(user, { ...friend, remark });
    this.events.emit("people", user);
  }

  /** Keeps somebody away, or no longer. */
  async block(user: string, on: boolean): Promise<void> {
    await this.ask({ block: { user, unblock: !on } });
    put(this.blocked, user, on ? true : undefined);
    this.events.emit("people", user);
  }

  /** Begins to follow how they are. */
  async watch(users: string[]): Promise<void> {
    const fresh = [...new Set(users)].filter((user) => !this.watched.has(user)).slice(0, this.watchMax - this.watched.size);
    if (fresh.length === 0) return;
    for (const user of fresh) this.watched.add(user);
    try {
      const { presences } = await this.ask<{ presences?: WirePresence[] }>({ presenceSubscribe: { users: fresh } });
      this.saw(presences ?? []);
    } catch {
      for (const user of fresh) this.watched.delete(user);
    }
  }

  /** A new session: nobody is followed in it. */
  forget(watchMax: number | undefined): void {
    this.watchMax = Math.min(SUBSCRIPTIONS_MAX, watchMax ?? SUBSCRIPTIONS_MAX);
    this.watched.clear();
  }

  saw(presences: WirePresence[]): void {
    for (const presence of presences) {
      if (this.presences.size >= PEOPLE_MAX && !this.presences.has(presence.user)) continue;
      this.presences.set(presence.user, presence);
      this.events.emit("presence", presence.user);
    }
  }

  /** Takes a change; false when it is not about people. */
  change({ entity, id = "", gone, friend, request }: Change): boolean {
    switch (entity) {
      case "ENTITY_FRIEND":
        put(this.friends, id, gone === true ? undefined : (friend ?? { user: id }));
        return true;
      case "ENTITY_REQUEST_IN":
        put(this.incoming, id, gone === true ? undefined : (request ?? { user: id }));
        return true;
      case "ENTITY_REQUEST_OUT":
        put(this.outgoing, id, gone === true ? undefined : (request ?? { user: id }));
        return true;
      case "ENTITY_BLOCK":
        put(this.blocked, id, gone === true ? undefined : true);
        return true;
      default:
        return false;
    }
  }

  /** Fetches everything anew. */
  async fetch(): Promise<void> {
    const friends = await this.pages<Friend>("friends", (after) => ({ friendList: { after, limit: PAGE } }));
    const incoming = await this.pages<FriendRequest>("requests", (after) => ({ friendRequestList: { outgoing: false, after, limit: PAGE } }));
    const outgoing = await this.pages<FriendRequest>("requests", (after) => ({ friendRequestList: { outgoing: true, after, limit: PAGE } }));
    const lists: [Map<string, Friend | FriendRequest>, (Friend | FriendRequest)[]][] = [
      [this.friends, friends],
      [this.incoming, incoming],
      [this.outgoing, outgoing],
    ];
    for (const [map, rows] of lists) {
      map.clear();
      for (const row of rows) put(map, row.user, row);
    }
    const blocked = await this.pages<string>("users", (after) => ({ blockList: { after, limit: PAGE } }));
    this.blocked.clear();
    for (const user of blocked) put(this.blocked, user, true);
  }

  private async pages<T>(field: string, body: (after: string) => Body): Promise<T[]> {
    const rows: T[] = [];
    for (let after = ""; rows.length < PEOPLE_MAX; ) {
      const page = await this.ask<Record<string, unknown>>(body(after));
      rows.push(...((page[field] as T[] | undefined) ?? []));
      after = (page["next"] as string | undefined) ?? "";
      if (after === "") break;
    }
    return rows;
  }
}

function put<T>(map: Map<string, T>, id: string, value: T | undefined): void {
  if (value === undefined) map.delete(id);
  else if (map.has(id) || map.size < PEOPLE_MAX) map.set(id, value);
}

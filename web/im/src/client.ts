// The client: a model of one user's chat that keeps itself up to date.

import { Conversation, type Outgoing } from "./kept/conversation.js";
import { Events, type EventName } from "./events.js";
import { History, LOG_MAX } from "./kept/history.js";
import type { Host } from "./host.js";
import { newCmid, privateConversation } from "./ids.js";
import { Link, RequestError, type LinkState, type TokenSource } from "./link.js";
import { readMessage } from "./kept/log.js";
import { Pacer } from "./pacer.js";
import { Profiles } from "./kept/profiles.js";
import { Roster } from "./kept/roster.js";
import { Settings } from "./kept/settings.js";
import { Sync } from "./sync.js";
import { Typing } from "./kept/typing.js";
import { long, type Body, type Change, type Content, type Group, type Member, type Options, type Push, type Status, type WireConversation, type WireMessage } from "./wire.js";

const PAGE = 100;
/** Conversations whose messages stay here, and how many of one that is not open. */
const LOGS_MAX = 12;
const LOG_CLOSED_MAX = 100;
const CONVERSATIONS_MAX = 1_000;
/** Receipts of one conversation go out at most this often. */
const RECEIPT_EVERY_MS = 1_000;
const SYNC_EVERY_MS = 1_000;
/** Unread groups that are asked at once whether somebody is meant. */
const MENTIONS_MAX = 10;

/** How to reach the server. */
export interface ClientOptions {
  host: Host;
  /** Such as `wss://chat.example`. */
  url: string;
  user: string;
  tokens: TokenSource;
}

/** One user's chat on one device. */
export class Client {
  readonly user: string;
  readonly conversations = new Map<string, Conversation>();
  readonly roster: Roster;
  readonly profiles: Profiles;
  readonly settings: Settings;
  /** Groups that were asked for, by id. */
  readonly groups = new Map<string, Group>();
  private readonly host: Host;
  private readonly events = new Events();
  private readonly link: Link;
  private readonly sync: Sync;
  private readonly history: History;
  private readonly pacer: Pacer;
  private readonly typist: Typing;
  /** Conversations with a log, the longest unused first. */
  private readonly recent: string[] = [];
  private readonly open = new Set<string>();
  private readonly groupsAsked = new Set<string>();
  /** How the user wishes to be seen; told again in each new session. */
  private wish: { status: Status; text: string } | undefined;

  constructor(options: ClientOptions) {
    this.user = options.user;
    this.host = options.host;
    this.pacer = new Pacer(options.host);
    this.link = new Link(options.host, options.url, options.tokens, {
      state: () => this.events.emit("state"),
      connected: (connected) => {
        if (connected.resumed !== true) this.begin(connected.limits?.presenceSubscriptions);
      },
      push: (push) => this.push(push),
    });
    this.history = new History(options.host, options.user, (body) => this.ask(body), (id) => this.told(id));
    this.roster = new Roster((body) => this.ask(body), this.events);
    this.profiles = new Profiles(options.host, (body) => this.ask(body), this.events);
    this.settings = new Settings((body) => this.ask(body), this.pacer, (id) => this.conversation(id), (id) => this.told(id));
    this.typist = new Typing(options.host, (id) => this.events.emit("typing", id), (id, typing) => {
      if (this.conversation(id).head > 0) this.link.tell({ typing: { conversation: id, typing } });
    });
    this.sync = new Sync((body) => this.ask(body), {
      change: (change) => this.profile(change) || this.roster.change(change) || this.changed(change.entity, change.id ?? "", change.conversation, change.gone, long(change.seq)),
      conversation: (wire) => this.listed(wire),
      reset: () => this.reset(),
      done: () => this.synced(),
    }, (work) => this.pacer.run("sync", SYNC_EVERY_MS, work));
  }

  get state(): LinkState {
    return this.link.state;
  }

  /** Whether the first picture of everything has arrived. */
  get ready(): boolean {
    return this.sync.finished;
  }

  /** Listens to changes; what is returned ends it. */
  on(name: EventName, listener: (id: string) => void): () => void {
    return this.events.on(name, listener);
  }

  start(): void {
    this.link.start();
  }

  /** Tries now instead of after the pause. */
  hurry(): void {
    this.link.hurry();
  }

  close(): void {
    this.link.end();
    this.pacer.end();
    this.history.end();
    this.profiles.end();
    this.typist.end();
  }

  /** Asks for anything of the schema that has no method here. */
  ask<T = unknown>(body: Body): Promise<T> {
    return this.link.ask<T>(body);
  }

  /** The listed conversations, pinned ones first, then the newest. */
  list(): Conversation[] {
    const listed = [...this.conversations.values()].filter((one) => one.listed && (one.head > 0 || one.outgoing.length > 0 || one.group !== undefined));
    return listed.sort((a, b) => Number(b.pinned) - Number(a.pinned) || b.at - a.at || (a.id < b.id ? -1 : 1));
  }

  /** Messages not read, in all listed conversations that are not muted. */
  unread(): number {
    return this.list().reduce((sum, one) => sum + (this.muted(one.id) ? 0 : one.unread), 0);
  }

  /** What somebody is called here: by the user's own remark, else as they say, else by id. */
  name(user: string): string {
    const own = this.roster.friends.get(user)?.remark ?? "";
    return own !== "" ? own : this.profiles.name(user) || user;
  }

  muted(id: string): boolean {
    return this.conversation(id).mutedUntil > this.host.now();
  }

  /** A conversation; one that has not begun is empty. */
  conversation(id: string): Conversation {
    const known = this.conversations.get(id);
    if (known !== undefined) return known;
    const fresh = new Conversation(id, this.user);
    this.conversations.set(id, fresh);
    return fresh;
  }

  privateWith(user: string): Conversation {
    return this.conversation(privateConversation(this.user, user));
  }

  /** Keeps the messages of a conversation here until `leave`, and fetches the newest. */
  async enter(id: string): Promise<void> {
    this.open.add(id);
    const conversation = this.conversation(id);
    this.touch(id);
    if (conversation.peer !== undefined) {
      void this.roster.watch([conversation.peer]);
      this.profiles.want(conversation.peer);
    }
    await this.history.catchUp(conversation);
    if (conversation.head > 0) await this.history.cursors(conversation);
  }

  /** The conversation is not shown any more. */
  leave(id: string): void {
    this.open.delete(id);
    this.conversations.get(id)?.log?.shorten(LOG_CLOSED_MAX);
    this.typing(id, false);
  }

  /** Fetches a page of older messages; false when there are none, or no room for more. */
  older(id: string): Promise<boolean> {
    return this.history.older(this.conversation(id));
  }

  /** Sends until it is acknowledged or refused for good; what is refused stays in `outgoing` with the reason. */
  async send(id: string, content: Content, options: Options = {}): Promise<void> {
    const conversation = this.conversation(id);
    const outgoing: Outgoing = { cmid: newCmid(this.host.now()), content, options, at: this.host.now(), failure: undefined };
    conversation.outgoing = [...conversation.outgoing, outgoing];
    conversation.at = Math.max(conversation.at, outgoing.at);
    this.typist.sent(id);
    this.told(id);
    await this.deliver(conversation, outgoing);
  }

  /** Sends what was refused once more, with the same name. */
  async resend(id: string, cmid: string): Promise<void> {
    const conversation = this.conversation(id);
    const outgoing = conversation.outgoing.find((one) => one.cmid === cmid);
    if (outgoing?.failure === undefined) return;
    outgoing.failure = undefined;
    this.told(id);
    await this.deliver(conversation, outgoing);
  }

  /** Gives a refused message up. */
  discard(id: string, cmid: string): void {
    const conversation = this.conversation(id);
    conversation.outgoing = conversation.outgoing.filter((one) => one.cmid !== cmid || one.failure === undefined);
    this.told(id);
  }

  /** Everything here was read. */
  read(id: string): void {
    const conversation = this.conversation(id);
    if (conversation.head <= conversation.read) return;
    conversation.readTo(conversation.head);
    this.events.emit("conversations");
    this.pacer.run(`read ${id}`, RECEIPT_EVERY_MS, () => this.say({ read: { conversation: id, seq: String(conversation.read) } }));
  }

  /** The user writes, or has stopped. Call it with every key; it is told every 4 s. */
  typing(id: string, on: boolean): void {
    this.typist.typing(id, on);
  }

  /** Who writes there now. */
  writing(id: string): string[] {
    return this.typist.writing(id);
  }

  async edit(id: string, seq: number, content: Content): Promise<void> {
    await this.ask({ edit: { conversation: id, seq: String(seq), content } });
    await this.revise(id);
  }

  async recall(id: string, seq: number): Promise<void> {
    await this.ask({ withdraw: { conversation: id, seq: String(seq), how: "GONE_HOW_RECALLED" } });
    await this.revise(id);
  }

  async react(id: string, seq: number, reaction: string, remove = false): Promise<void> {
    await this.ask({ react: { conversation: id, seq: String(seq), reaction, remove } });
    await this.revise(id);
  }

  /** Sets the user's own name. */
  async rename(name: string): Promise<void> {
    await this.ask({ profileSet: { name } });
    this.profiles.saw({ ...this.profiles.of(this.user), user: this.user, name });
  }

  /** Makes a group and tells its conversation. */
  async createGroup(name: string, members: string[], kind = "GROUP_KIND_PRIVATE"): Promise<string> {
    const key = newCmid(this.host.now());
    const group = await this.link.ask<Group>({ groupCreate: { kind, name, members, key } }, true);
    this.groups.set(group.id, group);
    this.conversation(group.conversation);
    this.sync.soon();
    return group.conversation;
  }

  /** What is known of a group; it is fetched if it is not here. */
  group(id: string): Group | undefined {
    if (!this.groups.has(id) && !this.groupsAsked.has(id)) void this.fetchGroup(id);
    return this.groups.get(id);
  }

  /** The first 100 members. */
  async members(group: string): Promise<Member[]> {
    const page = await this.ask<{ members?: Member[] }>({ groupMemberList: { group, limit: PAGE } });
    return page.members ?? [];
  }

  /** How the user wishes to be seen, on all devices. */
  async status(status: Status, text = ""): Promise<void> {
    this.wish = { status, text };
    await this.ask({ presenceSet: { status, text } });
  }

  // --- What the server tells ---

  private push(push: Push): void {
    if (push.message !== undefined) this.message(push.message.conversation, push.message.message);
    if (push.messageChanged !== undefined) {
      this.conversation(push.messageChanged.conversation).changed(readMessage(push.messageChanged.message));
      this.told(push.messageChanged.conversation);
    }
    if (push.hint !== undefined) this.hint(push.hint.conversation, long(push.hint.head), push.hint.changed ?? false);
    if (push.receipt !== undefined) {
      const { conversation, user, read, delivered } = push.receipt;
      this.receipt(conversation, user, long(read), long(delivered));
    }
    if (push.changed !== undefined) this.sync.heard(long(push.changed.userSeq));
    if (push.typing !== undefined) this.wrote(push.typing.conversation, push.typing.user, push.typing.typing ?? false);
    if (push.presence !== undefined) this.roster.saw(push.presence.presences ?? []);
    if (push.membersChanged !== undefined) this.regroup(push.membersChanged.group);
    if (push.groupChanged !== undefined) this.regroup(push.groupChanged.group);
    if (push.trimmed !== undefined) {
      const { conversation, first } = push.trimmed;
      this.conversation(conversation).first = long(first);
      this.conversation(conversation).log?.trim(long(first));
      this.told(conversation);
    }
  }

  private message(id: string, wire: WireMessage): void {
    const message = readMessage(wire);
    const conversation = this.conversation(id);
    conversation.saw(message);
    this.wrote(id, message.sender, false);
    if (conversation.log?.offer(message) === "ahead") this.history.gap(conversation);
    conversation.log?.shorten(LOG_MAX);
    if (message.sender !== this.user) this.received(conversation);
    if (conversation.peer !== undefined) void this.roster.watch([conversation.peer]);
    this.told(id);
  }

  private hint(id: string, head: number, changed: boolean): void {
    const conversation = this.conversation(id);
    if (head > conversation.head) void this.refresh(id);
    if (conversation.log !== undefined && head > conversation.log.high) this.history.gap(conversation);
    if (changed) void this.revise(id).catch(ignore);
  }

  private receipt(id: string, user: string, read: number, delivered: number): void {
    const conversation = this.conversation(id);
    if (user === this.user) conversation.readTo(read);
    else conversation.cursor(user, { read, delivered });
    this.told(id);
  }

  private wrote(id: string, user: string, on: boolean): void {
    if (user !== this.user) this.typist.wrote(id, user, on);
  }

  // --- Fetching ---

  private begin(subscriptions: number | undefined): void {
    this.roster.forget(subscriptions);
    if (this.wish !== undefined) this.say({ presenceSet: this.wish });
    this.sync.now();
  }

  /** The server has no more changes to tell: what is open follows. */
  private synced(): void {
    const peers = this.list().flatMap(({ peer }) => (peer === undefined ? [] : [peer]));
    void this.roster.watch([...this.roster.friends.keys(), ...peers]);
    for (const id of this.open) void this.history.catchUp(this.conversation(id)).catch(ignore);
    for (const conversation of this.conversations.values()) this.received(conversation);
    void this.meant();
    this.events.emit("state");
    this.events.emit("conversations");
    this.events.emit("people");
  }

  /** Asks whether what was missed in groups means the user. */
  private async meant(): Promise<void> {
    const groups = this.list().filter((one) => one.group !== undefined && one.unread > 0 && !one.mentioned);
    for (const conversation of groups.slice(0, MENTIONS_MAX)) {
      try {
        const { seqs } = await this.ask<{ seqs?: string[] }>({ mentionsGet: { conversation: conversation.id } });
        conversation.mentioned = conversation.unread > 0 && (seqs?.length ?? 0) > 0;
      } catch {
        return;
      }
      if (conversation.mentioned) this.events.emit("conversations");
    }
  }

  private profile({ entity, profile, id }: Change): boolean {
    if (entity !== "ENTITY_PROFILE") return false;
    if (profile !== undefined) this.profiles.saw({ ...profile, user: profile.user ?? id ?? this.user });
    return true;
  }

  private async reset(): Promise<void> {
    for (const conversation of this.conversations.values()) conversation.listed = false;
    this.recent.splice(0, this.recent.length, ...this.recent.filter((id) => this.open.has(id)));
    for (let after = ""; this.conversations.size < CONVERSATIONS_MAX; ) {
      const page = await this.ask<{ conversations?: WireConversation[]; next?: string }>({ conversationList: { after, limit: PAGE } });
      for (const wire of page.conversations ?? []) this.listed(wire);
      after = page.next ?? "";
      if (after === "") break;
    }
    for (const conversation of this.conversations.values()) {
      if (conversation.log !== undefined && !this.open.has(conversation.id)) conversation.log = undefined;
    }
    await this.roster.fetch();
  }

  private listed(wire: WireConversation): void {
    if (!this.conversations.has(wire.id) && this.conversations.size >= CONVERSATIONS_MAX) this.evict();
    this.conversation(wire.id).update(wire);
  }

  /** Something of the user's own changed that is about conversations. */
  private changed(entity: string | undefined, id: string, wire: WireConversation | undefined, gone = false, seq = 0): void {
    if (entity === "ENTITY_HIDDEN_MESSAGE") {
      this.conversations.get(id)?.log?.hide(seq);
      this.events.emit("messages", id);
    }
    if (entity !== "ENTITY_CONVERSATION") return;
    if (wire !== undefined) this.listed({ ...wire, id: wire.id ?? id });
    else if (gone && !this.open.has(id)) this.conversations.delete(id);
    else if (gone) this.conversation(id).listed = false;
  }

  private async refresh(id: string): Promise<void> {
    try {
      this.listed(await this.ask<WireConversation>({ conversationGet: { conversation: id } }));
      this.told(id);
    } catch {
      // The next sync tells.
    }
  }

  /** Fetches what was changed: the messages here, or the last one. */
  private async revise(id: string): Promise<void> {
    const conversation = this.conversation(id);
    if (conversation.log === undefined) await this.refresh(id);
    else await this.history.revise(conversation);
  }

  private regroup(id: string): void {
    if (this.groups.has(id)) void this.fetchGroup(id);
    this.events.emit("group", id);
  }

  private async fetchGroup(id: string): Promise<void> {
    this.groupsAsked.add(id);
    try {
      const group = await this.ask<Group>({ groupGet: { group: id } });
      if (this.groups.size >= CONVERSATIONS_MAX) this.groups.clear();
      this.groups.set(id, group);
      this.events.emit("group", id);
      this.events.emit("conversations");
    } catch {
      // It is shown by its id.
    } finally {
      this.groupsAsked.delete(id);
    }
  }

  // --- Sending ---

  private async deliver(conversation: Conversation, outgoing: Outgoing): Promise<void> {
    const { cmid, content, options } = outgoing;
    const to = conversation.peer === undefined ? { conversation: conversation.id } : { user: conversation.peer };
    try {
      const sent = await this.link.ask<{ seq: string; at: string }>({ send: { ...to, cmid, content, options } }, true);
      const message = readMessage({ seq: sent.seq, at: sent.at, sender: this.user, cmid, content, options });
      conversation.saw(message);
      if (conversation.log?.offer(message) === "ahead") this.history.gap(conversation);
    } catch (error) {
      outgoing.failure = error instanceof RequestError ? error.message : "It was not sent.";
    }
    this.told(conversation.id);
  }

  private received(conversation: Conversation): void {
    if (conversation.delivered >= conversation.head) return;
    conversation.delivered = conversation.head;
    const { id } = conversation;
    this.pacer.run(`delivered ${id}`, RECEIPT_EVERY_MS, () => this.say({ delivered: { conversation: id, seq: String(conversation.head) } }));
  }

  /** Asks for what needs no attention if it fails: the next one says more. */
  private say(body: Body): void {
    this.ask(body).catch(ignore);
  }

  private touch(id: string): void {
    const at = this.recent.indexOf(id);
    if (at >= 0) this.recent.splice(at, 1);
    this.recent.push(id);
    while (this.recent.length > LOGS_MAX) {
      const oldest = this.recent.find((one) => !this.open.has(one));
      if (oldest === undefined) return;
      this.recent.splice(this.recent.indexOf(oldest), 1);
      const conversation = this.conversations.get(oldest);
      if (conversation !== undefined) conversation.log = undefined;
    }
  }

  /** Forgets the conversation that has been quiet the longest. */
  private evict(): void {
    const idle = [...this.conversations.values()].filter((one) => !this.open.has(one.id) && one.outgoing.length === 0);
    const oldest = idle.sort((a, b) => a.at - b.at)[0];
    if (oldest !== undefined) this.conversations.delete(oldest.id);
  }

  private told(id: string): void {
    this.events.emit("messages", id);
    this.events.emit("conversations");
  }
}

function ignore(): void {
  // Whatever failed is asked for again by the next sync or push.
}

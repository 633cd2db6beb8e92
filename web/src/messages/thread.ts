// One conversation: its messages and the field to write in.

import type { Client, Conversation, Message } from "@stoa/im";
import { h, setText, show } from "../core/dom";
import { inviteLink } from "../core/options";
import { randomRoomName } from "../core/random";
import { PersonView } from "./about";
import { bubble, outgoingBubble, signature, type BubbleActions } from "./bubble";
import { Compose } from "./write/compose";
import { day, statusLine, title, together, writingText } from "./format";
import { MembersView } from "./members";
import { arrange, avatar, iconButton, textButton } from "./parts";

/** How far from its end the log may be and still follow new messages, in pixels. */
const FOLLOW_PX = 80;
/** Pages that are fetched to show a message that was found. */
const REVEAL_PAGES = 40;
/** How near to its top it fetches older messages. */
const OLDER_PX = 240;

/** A conversation on the page. `back` leaves it, on a phone. */
export class ThreadView {
  readonly element: HTMLElement;
  private readonly conversation: Conversation;
  private readonly log = h("ol", { class: "said-log", attrs: { role: "log", "aria-label": "Messages", tabindex: "0" } });
  private readonly compose: Compose;
  private readonly name = h("h2");
  private readonly about = h("span", { class: "talk-line", attrs: { role: "status" } });
  private readonly face = h("span", { class: "face" });
  private readonly failure = h("p", { class: "chat-failure", attrs: { role: "alert" } });
  private readonly drawn = new Map<string, { signature: string; element: HTMLElement }>();
  private readonly members: MembersView | undefined;
  private readonly person: PersonView | undefined;
  private readonly join = h("div", { class: "join-group" });
  private readonly joinText = h("span");
  private unfolded = 0;
  private fetching = false;
  private readonly entering: Promise<void>;
  private asked = false;
  private more = true;
  private following = true;
  private readonly actions: BubbleActions = {
    reply: (message) => this.take(() => this.compose.answer(message)),
    edit: (message) => this.take(() => this.compose.change(message)),
    recall: (message) => void this.carry(this.client.recall(this.id, message.seq)),
    react: (message, reaction) => void this.react(message, reaction),
    resend: ({ cmid }) => void this.client.resend(this.id, cmid),
    discard: ({ cmid }) => this.client.discard(this.id, cmid),
    unfold: ({ seq }) => {
      this.unfolded = this.unfolded === seq ? 0 : seq;
      this.render();
    },
  };

  constructor(
    private readonly client: Client,
    readonly id: string,
    back: () => void,
  ) {
    this.conversation = client.conversation(id);
    const { group, peer } = this.conversation;
    const carry = (work: Promise<void>) => void this.carry(work);
    this.members = group === undefined ? undefined : new MembersView(client, group, (text) => this.fail(text), back);
    this.person = peer === undefined ? undefined : new PersonView(client, peer, carry, back);
    this.compose = new Compose(client, this.conversation, {
      send: (content, options) => {
        this.following = true;
        void client.send(id, content, options);
      },
      edit: ({ seq }, content) => carry(client.edit(id, seq, content)),
      fail: (text) => this.fail(text),
    });
    const ask = textButton("Come in", "primary", () => carry(this.comeIn()));
    this.join.append(this.joinText, ask);
    const panel = this.members?.element ?? this.person?.element;
    this.element = h("section", { class: "thread", attrs: { "aria-label": "Conversation" } }, this.header(back), panel, this.log, this.failure, this.join, this.compose.element);
    show(this.failure, false);
    this.log.addEventListener("scroll", () => this.onScroll());
    this.render();
    this.refreshMembers();
    this.entering = this.client.enter(id);
    void this.carry(this.entering);
  }

  /** Takes it away. */
  close(): void {
    this.client.settings.flush();
    this.client.leave(this.id);
    this.element.remove();
  }

  focus(): void {
    if (matchMedia("(min-width: 44rem)").matches) this.compose.focus();
  }

  /** The group has changed. */
  regroup(): void {
    this.renderHead();
    this.refreshMembers();
  }

  /** Somebody is called otherwise, or is a friend no longer. */
  repeople(): void {
    this.render();
  }

  /** Draws what there is now. */
  render(): void {
    this.renderHead();
    this.person?.render();
    const before = this.log.scrollHeight - this.log.scrollTop;
    arrange(this.log, this.items());
    if (this.following) this.log.scrollTop = this.log.scrollHeight;
    else if (this.log.scrollTop < OLDER_PX) this.log.scrollTop = this.log.scrollHeight - before;
    this.markRead();
  }

  /** Shows one message, however long ago; what lies too far back stays there. */
  async reveal(seq: number): Promise<void> {
    this.following = false;
    try {
      await this.entering;
      for (let pages = 0; pages < REVEAL_PAGES && (this.conversation.log?.low ?? 0) > seq; pages += 1) await this.client.older(this.id);
    } catch (error) {
      return this.fail(error instanceof Error ? error.message : "It did not work.");
    }
    this.following = false;
    this.render();
    const found = this.log.querySelector(`[data-seq="${seq}"]`);
    if (found === null) return this.fail("The message lies too far back.");
    found.scrollIntoView({ block: "center" });
    found.classList.add("found");
  }

  /** The head alone: how they are, and whether they write. */
  renderHead(): void {
    const { client, conversation } = this;
    const { peer, group } = conversation;
    const info = group === undefined ? undefined : client.group(group);
    const called = (user: string) => client.name(user);
    const name = title(conversation, info?.name, called);
    const status = peer === undefined ? undefined : client.roster.status(peer);
    this.renderDoor(info?.member === undefined && info !== undefined);
    setText(this.name, name);
    if (this.face.dataset["for"] !== `${name} ${status}`) {
      this.face.dataset["for"] = `${name} ${status}`;
      this.face.replaceChildren(avatar(name, status, peer ?? name));
    }
    const writing = writingText(client.writing(this.id), group !== undefined, called);
    const count = info?.members ?? 0;
    const about = status === undefined ? (count === 0 ? "" : count === 1 ? "1 member" : `${count} members`) : statusLine(status, client.roster.statusText(peer ?? ""));
    setText(this.about, writing === "" ? about : writing);
  }

  /** Tells that what is in sight was read. */
  markRead(): void {
    if (this.following && document.visibilityState === "visible" && this.conversation.log !== undefined) this.client.read(this.id);
  }

  private items(): HTMLElement[] {
    const { client, conversation } = this;
    const items: HTMLElement[] = [];
    const used = new Set<string>();
    const put = (key: string, sign: string, draw: () => HTMLElement) => {
      const known = this.drawn.get(key);
      const element = known?.signature === sign ? known.element : draw();
      this.drawn.set(key, { signature: sign, element });
      used.add(key);
      items.push(element);
    };
    let previous: { sender: string; at: number } | undefined;
    let heading = "";
    const now = Date.now();
    const date = (at: number) => {
      const text = day(at, now);
      if (text === heading) return;
      heading = text;
      previous = undefined;
      put(`day ${text}`, text, () => h("li", { class: "day", text }));
    };
    for (const message of conversation.log?.messages ?? []) {
      if (message.gone === "GONE_HOW_DELETED") continue;
      date(message.at);
      const place = { joined: together(previous, message) && message.content?.tip === undefined, unfolded: this.unfolded === message.seq };
      const key = message.cmid === "" ? `seq ${message.seq}` : message.cmid;
      put(key, signature(client, conversation, message, place), () => bubble(client, conversation, message, place, this.actions));
      previous = message.content?.tip === undefined ? message : undefined;
    }
    for (const outgoing of conversation.outgoing) {
      date(outgoing.at);
      const joined = together(previous, { sender: client.user, at: outgoing.at });
      put(outgoing.cmid, `out ${outgoing.failure} ${joined}`, () => outgoingBubble(outgoing, joined, this.actions));
      previous = { sender: client.user, at: outgoing.at };
    }
    for (const key of this.drawn.keys()) if (!used.has(key)) this.drawn.delete(key);
    return items;
  }

  private refreshMembers(): void {
    const info = this.conversation.group === undefined ? undefined : this.client.group(this.conversation.group);
    if (this.members === undefined || info?.member === undefined) return;
    this.members.refresh((users) => (this.compose.members = users));
  }

  private header(back: () => void): HTMLElement {
    const leave = iconButton("back", "All conversations", back);
    leave.classList.add("narrow-only");
    const call = iconButton("camera", "Call", () => void this.call());
    const members = this.members && iconButton("people", "Members", () => this.members?.toggle());
    const about = this.person && iconButton("people", "About", () => this.person?.toggle());
    return h("header", { class: "thread-head" }, leave, this.face, h("div", { class: "person" }, this.name, this.about), members, about, call);
  }

  /** Who is not in the group may ask to be. */
  private renderDoor(outside: boolean): void {
    show(this.join, outside);
    show(this.compose.element, !outside);
    if (!outside) return;
    const { group = "" } = this.conversation;
    const rule = this.client.group(group)?.rules?.join ?? "JOIN_RULE_FREE";
    const asks = rule === "JOIN_RULE_APPROVAL";
    const text = rule === "JOIN_RULE_CLOSED" ? "You are not in this group; members bring others in." : asks ? "You are not in this group. Somebody there lets you in." : "You are not in this group yet.";
    if (!this.asked) setText(this.joinText, text);
  }

  private async comeIn(): Promise<void> {
    const { group = "" } = this.conversation;
    const { accepted } = await this.client.ask<{ accepted?: boolean }>({ groupJoin: { group } });
    this.asked = accepted !== true;
    if (this.asked) setText(this.joinText, "You asked to come in; wait for an answer.");
    else await this.client.enter(this.id);
  }

  /** Closes what is unfolded, and takes a message up. */
  private take(work: () => void): void {
    this.unfolded = 0;
    this.render();
    work();
  }

  /** Invites to a call in a new room, and goes there. */
  private async call(): Promise<void> {
    const room = randomRoomName();
    await this.client.send(this.id, { text: { text: `Let us talk: ${inviteLink(location.origin, room)}` } });
    window.open(inviteLink("", room), "_blank", "noopener");
  }

  private async react(message: Message, reaction: string): Promise<void> {
    this.unfolded = 0;
    await this.carry(this.toggle(message.seq, reaction));
    this.render();
  }

  /** Gives a reaction, or takes it back if it was given. */
  private async toggle(seq: number, reaction: string): Promise<void> {
    const asked = { reactionsGet: { conversation: this.id, seq: String(seq), reaction, limit: 100 } };
    const { users } = await this.client.ask<{ users?: string[] }>(asked);
    await this.client.react(this.id, seq, reaction, users?.includes(this.client.user) ?? false);
  }

  private onScroll(): void {
    this.following = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < FOLLOW_PX;
    this.markRead();
    if (this.log.scrollTop < OLDER_PX && this.more && !this.fetching && this.conversation.log !== undefined) void this.older();
  }

  private async older(): Promise<void> {
    this.fetching = true;
    await this.carry(this.client.older(this.id).then((more) => void (this.more = more)));
    this.fetching = false;
  }

  private async carry(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.fail(error instanceof Error ? error.message : "It did not work.");
    }
  }

  private fail(text: string): void {
    setText(this.failure, text);
    show(this.failure, text !== "");
  }
}

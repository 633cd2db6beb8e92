// One conversation: its messages and the field to write in.

import { words, type Client, type Conversation, type Message } from "@stoa/im";
import { h, setText, show } from "../core/dom";
import { setIcon } from "../core/icons";
import { inviteLink } from "../core/options";
import { randomRoomName } from "../core/random";
import { bubble, outgoingBubble, signature, type BubbleActions } from "./bubble";
import { day, statusText, title, together, writingText } from "./format";
import { MembersView } from "./members";
import { arrange, avatar, iconButton } from "./parts";

/** The longest message that can be written, in characters. */
const CHARS_MAX = 4_000;
/** How far from its end the log may be and still follow new messages, in pixels. */
const FOLLOW_PX = 80;
/** How near to its top it fetches older messages. */
const OLDER_PX = 240;

/** A conversation on the page. `back` leaves it, on a phone. */
export class ThreadView {
  readonly element: HTMLElement;
  private readonly conversation: Conversation;
  private readonly log = h("ol", { class: "said-log", attrs: { role: "log", "aria-label": "Messages", tabindex: "0" } });
  private readonly input: HTMLTextAreaElement;
  private readonly name = h("h2");
  private readonly about = h("span", { class: "talk-line", attrs: { role: "status" } });
  private readonly face = h("span", { class: "face" });
  private readonly aside = h("div", { class: "aside" });
  private readonly asideText = h("span", { class: "talk-line" });
  private readonly failure = h("p", { class: "chat-failure", attrs: { role: "alert" } });
  private readonly drawn = new Map<string, { signature: string; element: HTMLElement }>();
  private readonly members: MembersView | undefined;
  private unfolded = 0;
  private replying: Message | undefined;
  private editing: Message | undefined;
  private fetching = false;
  private more = true;
  private following = true;
  private readonly actions: BubbleActions = {
    reply: (message) => this.answer(message),
    edit: (message) => this.change(message),
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
    const { group } = this.conversation;
    this.members = group === undefined ? undefined : new MembersView(client, group, (text) => this.fail(text), back);
    this.input = h("textarea", {
      attrs: { rows: "1", placeholder: "Message", "aria-label": "Message", maxlength: String(CHARS_MAX), enterkeyhint: "send" },
      on: { input: () => this.onInput(), keydown: (event) => this.onKey(event) },
    });
    this.element = h("section", { class: "thread", attrs: { "aria-label": "Conversation" } }, this.header(back), this.members?.element, this.log, this.failure, this.aside, this.form());
    this.aside.append(this.asideText, iconButton("close", "Cancel", () => this.plain()));
    show(this.failure, false);
    show(this.aside, false);
    this.log.addEventListener("scroll", () => this.onScroll());
    this.render();
    void this.carry(this.client.enter(id));
  }

  /** Takes it away. */
  close(): void {
    this.client.leave(this.id);
    this.element.remove();
  }

  focus(): void {
    if (matchMedia("(min-width: 44rem)").matches) this.input.focus();
  }

  /** The group has changed. */
  regroup(): void {
    this.members?.refresh();
    this.renderHead();
  }

  /** Draws what there is now. */
  render(): void {
    this.renderHead();
    const before = this.log.scrollHeight - this.log.scrollTop;
    arrange(this.log, this.items());
    if (this.following) this.log.scrollTop = this.log.scrollHeight;
    else if (this.log.scrollTop < OLDER_PX) this.log.scrollTop = this.log.scrollHeight - before;
    this.markRead();
  }

  /** The head alone: how they are, and whether they write. */
  renderHead(): void {
    const { client, conversation } = this;
    const { peer, group } = conversation;
    const info = group === undefined ? undefined : client.group(group);
    const name = title(conversation, info?.name);
    const status = peer === undefined ? undefined : client.roster.status(peer);
    setText(this.name, name);
    if (this.face.dataset["for"] !== `${name} ${status}`) {
      this.face.dataset["for"] = `${name} ${status}`;
      this.face.replaceChildren(avatar(name, status));
    }
    const writing = writingText(client.writing(this.id), group !== undefined);
    const count = info?.members ?? 0;
    const about = status === undefined ? (count === 0 ? "" : count === 1 ? "1 member" : `${count} members`) : statusText(status);
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

  private header(back: () => void): HTMLElement {
    const leave = iconButton("back", "All conversations", back);
    leave.classList.add("narrow-only");
    const call = iconButton("camera", "Call", () => void this.call());
    const members = this.members && iconButton("people", "Members", () => this.members?.toggle());
    return h("header", { class: "thread-head" }, leave, this.face, h("div", { class: "person" }, this.name, this.about), members, call);
  }

  private form(): HTMLFormElement {
    const button = h("button", { class: "primary square", attrs: { type: "submit", "aria-label": "Send", title: "Send" } });
    setIcon(button, "send");
    const form = h("form", { class: "chat-form" }, this.input, button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    return form;
  }

  private submit(): void {
    const text = this.input.value.trim();
    if (text === "") return;
    const { editing, replying } = this;
    this.input.value = "";
    this.plain();
    this.onInput(false);
    this.following = true;
    this.fail("");
    if (editing !== undefined) void this.carry(this.client.edit(this.id, editing.seq, { text: { text } }));
    else void this.client.send(this.id, { text: { text } }, replying === undefined ? {} : { replyTo: String(replying.seq) });
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

  private answer(message: Message): void {
    this.plain();
    this.replying = message;
    this.note(`Answer to ${message.sender}: ${words(message).slice(0, 80)}`);
  }

  private change(message: Message): void {
    this.plain();
    this.editing = message;
    this.input.value = words(message);
    this.note("Change your message");
    this.onInput(false);
  }

  private note(text: string): void {
    this.unfolded = 0;
    setText(this.asideText, text);
    show(this.aside, true);
    this.render();
    this.input.focus();
  }

  /** Neither an answer nor a change any more. */
  private plain(): void {
    if (this.editing !== undefined) this.input.value = "";
    this.editing = undefined;
    this.replying = undefined;
    show(this.aside, false);
  }

  private onInput(tell = true): void {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight + 2, 140)}px`;
    if (tell) this.client.typing(this.id, this.input.value !== "");
  }

  private onKey(event: KeyboardEvent): void {
    if (event.key === "Escape") this.plain();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.submit();
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

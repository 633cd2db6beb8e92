// Writing: the field, whom it answers or what it changes, mentions, attachments, and the draft.

import { words, type Client, type Content, type Conversation, type Message, type Options } from "@stoa/im";
import { h, setText, show } from "../../core/dom";
import { setIcon } from "../../core/icons";
import { attachForm } from "./attach";
import { mentionAt, mentionsIn } from "./mention";
import { avatar, iconButton } from "../parts";

/** The longest message that can be written, in characters. */
const CHARS_MAX = 4_000;
const MATCHES_MAX = 6;

/** What becomes of what is written. */
export interface ComposeActions {
  send: (content: Content, options: Options) => void;
  edit: (message: Message, content: Content) => void;
  fail: (text: string) => void;
}

/** The lower end of a conversation. */
export class Compose {
  readonly element: HTMLElement;
  /** Members that can be meant; empty in private conversations. */
  members: string[] = [];
  private readonly input: HTMLTextAreaElement;
  private readonly aside = h("div", { class: "aside" });
  private readonly asideText = h("span", { class: "talk-line" });
  private readonly matches = h("ul", { class: "matches", attrs: { role: "listbox", id: "mention-matches", "aria-label": "People" } });
  private readonly attach: HTMLElement;
  private replying: Message | undefined;
  private editing: Message | undefined;
  private chosen = 0;
  private found: string[] = [];

  constructor(
    private readonly client: Client,
    private readonly conversation: Conversation,
    private readonly actions: ComposeActions,
  ) {
    this.input = h("textarea", {
      attrs: { rows: "1", placeholder: "Message", "aria-label": "Message", "aria-autocomplete": "list", "aria-controls": "mention-matches", maxlength: String(CHARS_MAX), enterkeyhint: "send" },
      on: { input: () => this.onInput(), keydown: (event) => this.onKey(event), blur: () => this.offer([]) },
    });
    this.aside.append(this.asideText, iconButton("close", "Cancel", () => this.plain()));
    const send = (content: Content) => {
      show(this.attach, false);
      this.actions.send(content, this.answering());
      this.plain();
    };
    this.attach = attachForm(send, actions.fail);
    this.element = h("div", { class: "compose" }, this.aside, this.matches, this.attach, this.form());
    for (const part of [this.aside, this.matches, this.attach]) show(part, false);
    this.input.value = conversation.draft;
  }

  focus(): void {
    this.input.focus();
  }

  /** Answers a message. */
  answer(message: Message): void {
    this.plain();
    this.replying = message;
    this.note(`Answer to ${this.client.name(message.sender)}: ${words(message).slice(0, 80)}`);
  }

  /** Changes a message of one's own. */
  change(message: Message): void {
    this.plain();
    this.editing = message;
    this.input.value = words(message);
    this.note("Change your message");
  }

  private form(): HTMLFormElement {
    const button = h("button", { class: "primary square", attrs: { type: "submit", "aria-label": "Send", title: "Send" } });
    setIcon(button, "send");
    const more = iconButton("attach", "Attach", () => show(this.attach, this.attach.hidden));
    const form = h("form", { class: "chat-form" }, more, this.input, button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    return form;
  }

  private submit(): void {
    const text = this.input.value.trim();
    if (text === "") return;
    const { editing } = this;
    const options = { ...this.answering(), ...mentionsIn(text, this.members) };
    this.input.value = "";
    this.plain();
    this.grow();
    this.client.settings.draft(this.conversation.id, "");
    this.actions.fail("");
    if (editing !== undefined) this.actions.edit(editing, { text: { text } });
    else this.actions.send({ text: { text } }, options);
  }

  private answering(): Options {
    return this.replying === undefined ? {} : { replyTo: String(this.replying.seq) };
  }

  private note(text: string): void {
    setText(this.asideText, text);
    show(this.aside, true);
    this.grow();
    this.input.focus();
  }

  /** Neither an answer nor a change any more. */
  private plain(): void {
    if (this.editing !== undefined) this.input.value = "";
    this.editing = undefined;
    this.replying = undefined;
    show(this.aside, false);
    this.offer([]);
  }

  private grow(): void {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight + 2, 140)}px`;
  }

  private onInput(): void {
    this.grow();
    const { value } = this.input;
    this.client.typing(this.conversation.id, value !== "");
    if (this.editing === undefined) this.client.settings.draft(this.conversation.id, value.trim() === "" ? "" : value);
    const begun = mentionAt(value, this.input.selectionStart)?.toLowerCase();
    if (begun === undefined || this.members.length === 0) return this.offer([]);
    const fits = (user: string) => user.toLowerCase().startsWith(begun) || this.client.name(user).toLowerCase().startsWith(begun);
    this.offer([...this.members.filter((user) => user !== this.client.user && fits(user)), ...("all".startsWith(begun) ? ["all"] : [])].slice(0, MATCHES_MAX));
  }

  /** Shows whom an @ may mean. */
  private offer(users: string[]): void {
    this.found = users;
    this.chosen = 0;
    const option = (user: string) => {
      const label = user === "all" ? "Everybody here" : this.client.name(user);
      const element = h("li", { attrs: { role: "option", id: `mention-${user}` } }, avatar(label, undefined, user), h("span", { text: label }), h("span", { class: "talk-line", text: `@${user}` }));
      // Before the field loses its focus.
      element.addEventListener("mousedown", (event) => {
        event.preventDefault();
        this.mention(user);
      });
      return element;
    };
    this.matches.replaceChildren(...users.map(option));
    show(this.matches, users.length > 0);
    this.choose(0);
  }

  private choose(by: number): void {
    if (this.found.length > 0) this.chosen = (this.chosen + by + this.found.length) % this.found.length;
    [...this.matches.children].forEach((option, index) => option.setAttribute("aria-selected", String(index === this.chosen)));
    const user = this.found[this.chosen];
    if (user === undefined) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", `mention-${user}`);
  }

  /** Writes the name out. */
  private mention(user: string): void {
    const { value, selectionStart } = this.input;
    const before = value.slice(0, selectionStart).replace(/@[^\s@]*$/, `@${user} `);
    this.input.value = before + value.slice(selectionStart);
    this.input.setSelectionRange(before.length, before.length);
    this.offer([]);
    this.onInput();
  }

  private onKey(event: KeyboardEvent): void {
    if (event.isComposing) return;
    const user = this.found[this.chosen];
    if (user !== undefined && this.onMatchKey(event, user)) return event.preventDefault();
    if (event.key === "Escape") this.plain();
    if (event.key === "ArrowUp" && this.input.value === "") this.changeLast(event);
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    this.submit();
  }

  private onMatchKey(event: KeyboardEvent, user: string): boolean {
    if (event.key === "ArrowDown") this.choose(1);
    else if (event.key === "ArrowUp") this.choose(-1);
    else if (event.key === "Enter" || event.key === "Tab") this.mention(user);
    else if (event.key === "Escape") this.offer([]);
    else return false;
    return true;
  }

  /** The arrow upwards in an empty field takes up one's last message. */
  private changeLast(event: KeyboardEvent): void {
    const own = [...(this.conversation.log?.messages ?? [])].reverse().find(({ sender, content }) => sender === this.client.user && content?.text !== undefined);
    if (own === undefined) return;
    event.preventDefault();
    this.change(own);
  }
}

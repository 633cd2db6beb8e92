// The chat panel.

import { h, setText, show } from "../core/dom";
import { setIcon } from "../core/icons";
import { hue } from "../call/model";
import { continues, MESSAGE_CHARS_MAX, MESSAGES_MAX, splitLinks, tidyMessage, type Message } from "./message";

/** How far from its end the log may be and still follow new messages, in pixels. */
const FOLLOW_PX = 60;

/** The panel: a log and a field. */
export class ChatView {
  readonly element: HTMLElement;
  private readonly log = h("div", { class: "chat-log", attrs: { role: "log", "aria-live": "polite", "aria-label": "Messages", tabindex: "0" } });
  private readonly empty = h("p", { class: "empty", text: "No messages yet. They go to everybody who is here now, and are kept nowhere." });
  private readonly input: HTMLTextAreaElement;
  private readonly failure = h("p", { class: "chat-failure", attrs: { role: "alert" } });
  private previous: Message | undefined;

  /** `send` settles when the message is on its way. */
  constructor(private readonly send: (text: string) => Promise<void>) {
    this.input = h("textarea", {
      attrs: { rows: "1", placeholder: "Message to everybody", "aria-label": "Message", maxlength: String(MESSAGE_CHARS_MAX), enterkeyhint: "send" },
      on: { input: () => this.grow(), keydown: (event) => this.onKey(event) },
    });
    const button = h("button", { class: "primary square", attrs: { type: "submit", "aria-label": "Send", title: "Send" } });
    setIcon(button, "send");
    const form = h("form", { class: "chat-form" }, this.input, button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.submit();
    });
    this.failure.hidden = true;
    this.element = h("div", { class: "chat" }, this.empty, this.log, this.failure, form);
  }

  /** Shows a message. */
  add(message: Message): void {
    const follow = message.local || this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < FOLLOW_PX;
    this.log.append(messageItem(message, continues(this.previous, message)));
    this.previous = message;
    while (this.log.childElementCount > MESSAGES_MAX) this.log.firstElementChild?.remove();
    show(this.empty, false);
    if (follow) this.scrollToEnd();
  }

  /** Shows what was said before, above all else; from here on messages are known to be kept for a while. */
  addEarlier(messages: Message[]): void {
    setText(this.empty, "No messages yet. They go to everybody here; who comes later sees the newest of them.");
    let previous: Message | undefined;
    const items = messages.map((message) => {
      const item = messageItem(message, continues(previous, message));
      previous = message;
      return item;
    });
    this.log.prepend(...items);
    this.previous ??= previous;
    if (items.length > 0) show(this.empty, false);
    this.scrollToEnd();
  }

  /** Called when the panel has come into sight. */
  opened(): void {
    this.scrollToEnd();
    this.input.focus();
  }

  private scrollToEnd(): void {
    this.log.scrollTop = this.log.scrollHeight;
  }

  private onKey(event: KeyboardEvent): void {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    void this.submit();
  }

  private async submit(): Promise<void> {
    const text = tidyMessage(this.input.value);
    if (text === undefined) return;
    this.input.value = "";
    this.grow();
    try {
      await this.send(text);
      show(this.failure, false);
    } catch {
      // Give the words back, unless new ones were begun.
      if (this.input.value === "") this.input.value = text;
      setText(this.failure, "The message was not sent. Try again.");
      show(this.failure, true);
    }
    this.grow();
  }

  private grow(): void {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight + 2, 120)}px`;
  }
}

function messageItem(message: Message, continued: boolean): HTMLElement {
  const sent = new Date(message.sentAt);
  const time = h("time", { text: clock(sent), attrs: { datetime: sent.toISOString() } });
  const head = h("div", { class: continued ? "chat-head hidden" : "chat-head" }, h("span", { class: "chat-name", text: message.local ? "You" : message.name }), time);
  const body = h("p", { class: "chat-text" }, ...splitLinks(message.text).map(({ text, href }) => (href === undefined ? document.createTextNode(text) : link(text, href))));
  const item = h("article", { class: message.local ? "own" : "" }, head, body);
  item.style.setProperty("--hue", String(hue(message.identity)));
  return item;
}

function link(text: string, href: string): HTMLElement {
  return h("a", { text, attrs: { href, target: "_blank", rel: "noopener noreferrer nofollow" } });
}

function clock(time: Date): string {
  return time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

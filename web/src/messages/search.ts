// Finding messages by words, in all conversations of the user.

import { readMessage, type Client } from "@stoa/im";
import { h, setText, show } from "../core/dom";
import { preview, title, when } from "./format";
import { avatar, textButton } from "./parts";

const PAGE = 30;

interface Found {
  messages?: { conversation: string; message: Parameters<typeof readMessage>[0] }[];
  next?: string;
}

/** The field and what was found. `open` is called with a conversation and the place in it. */
export class SearchView {
  readonly element: HTMLElement;
  private readonly field = h("input", { attrs: { type: "search", "aria-label": "Search messages", placeholder: "Search messages", maxlength: "60", autocomplete: "off", enterkeyhint: "search" } });
  private readonly rows = h("ul", { class: "talks", attrs: { "aria-label": "Found" } });
  private readonly note = h("p", { class: "empty", attrs: { role: "status" } });
  private readonly more: HTMLButtonElement;
  private words = "";
  private next = "";

  constructor(
    private readonly client: Client,
    private readonly open: (id: string, seq: number) => void,
    private readonly changed: () => void,
  ) {
    this.more = textButton("More", "quiet", () => void this.page());
    const form = h("form", { class: "search-form", attrs: { role: "search" } }, this.field);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.begin();
    });
    this.field.addEventListener("input", () => {
      if (this.field.value.trim() === "") void this.begin();
    });
    this.element = h("div", { class: "search-pane" }, form, this.note, this.rows, this.more);
    this.tell("");
    show(this.more, false);
  }

  /** Whether it stands in the place of the list. */
  get active(): boolean {
    return this.words !== "";
  }

  private async begin(): Promise<void> {
    this.words = this.field.value.trim();
    this.next = "";
    this.rows.replaceChildren();
    this.tell("");
    show(this.more, false);
    this.changed();
    if (this.active) await this.page();
  }

  private async page(): Promise<void> {
    const { words } = this;
    this.tell("Looking…");
    try {
      const found = await this.client.ask<Found>({ search: { words, after: this.next, limit: PAGE } });
      if (words !== this.words) return;
      this.rows.append(...(found.messages ?? []).map(({ conversation, message }) => this.row(conversation, message)));
      this.next = found.next ?? "";
      show(this.more, this.next !== "");
      this.tell(this.rows.childElementCount > 0 ? "" : this.next !== "" ? "Nothing yet; there is more to look through." : `Nothing found for “${words}”.`);
    } catch (error) {
      if (words === this.words) this.tell(error instanceof Error ? error.message : "It did not work.");
    }
  }

  private row(id: string, wire: Parameters<typeof readMessage>[0]): HTMLElement {
    const { client } = this;
    const conversation = client.conversation(id);
    const called = (user: string) => client.name(user);
    const message = readMessage(wire);
    const { group, peer } = conversation;
    const name = title(conversation, group === undefined ? undefined : client.group(group)?.name, called);
    const button = h(
      "button",
      { class: "talk", attrs: { type: "button" }, on: { click: () => this.open(id, message.seq) } },
      avatar(name, undefined, peer ?? name),
      h("span", { class: "talk-name", text: name }),
      h("time", { text: when(message.at, Date.now()) }),
      h("span", { class: "talk-line", text: preview(message, client.user, true, called) }),
    );
    return h("li", {}, button);
  }

  private tell(text: string): void {
    setText(this.note, text);
    show(this.note, text !== "");
  }
}

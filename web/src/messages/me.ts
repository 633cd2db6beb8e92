// Oneself: one's name, and how one wishes to be seen.

import type { Client, Status } from "@stoa/im";
import { h, setText } from "../core/dom";
import { field } from "../core/parts";

const KEPT = "stoa.presence";
const CHOICES: [Status, string][] = [
  ["STATUS_ONLINE", "Online"],
  ["STATUS_AWAY", "Away"],
  ["STATUS_BUSY", "Busy"],
  ["STATUS_INVISIBLE", "Invisible: others see you offline"],
];

/** The panel. */
export class MeView {
  readonly element: HTMLElement;
  private readonly name = h("input", { attrs: { type: "text", maxlength: "64", autocomplete: "nickname" } });
  private readonly status = h("select", {}, ...CHOICES.map(([value, text]) => h("option", { text, attrs: { value } })));
  private readonly text = h("input", { attrs: { type: "text", maxlength: "40", placeholder: "In the hills until Monday", autocomplete: "off" } });
  private readonly note = h("p", { class: "empty", attrs: { role: "status" } });
  private shown = "";

  constructor(private readonly client: Client) {
    const form = h("form", { class: "find" }, field("Your name", this.name, `People find you as ${client.user}.`), field("How you are seen", this.status), field("In your own words", this.text), h("button", { class: "primary small", text: "Save", attrs: { type: "submit" } }), this.note);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.save();
    });
    this.element = h("div", { class: "pane people-pane" }, form);
    const { status, text } = kept();
    this.status.value = status;
    this.text.value = text;
    // Which others see is set by each new session; a wish is kept for this browser.
    if (status !== "STATUS_ONLINE" || text !== "") void client.status(status, text).catch(() => {});
  }

  /** Draws what is known now. */
  render(): void {
    const name = this.client.profiles.name(this.client.user);
    if (name === this.shown) return;
    this.shown = name;
    this.name.value = name;
  }

  private async save(): Promise<void> {
    const [status, text] = [this.status.value as Status, this.text.value.trim()];
    try {
      const name = this.name.value.trim();
      if (name !== this.shown) await this.client.rename(name);
      await this.client.status(status, text);
      keep({ status, text });
      setText(this.note, "Saved.");
    } catch (error) {
      setText(this.note, error instanceof Error ? error.message : "It did not work.");
    }
  }
}

function kept(): { status: Status; text: string } {
  try {
    const { status, text } = JSON.parse(localStorage.getItem(KEPT) ?? "{}") as { status?: Status; text?: string };
    return { status: CHOICES.some(([known]) => known === status) && status !== undefined ? status : "STATUS_ONLINE", text: text ?? "" };
  } catch {
    return { status: "STATUS_ONLINE", text: "" };
  }
}

function keep(wish: { status: Status; text: string }): void {
  try {
    localStorage.setItem(KEPT, JSON.stringify(wish));
  } catch {
    // Without storage a reload shows one online again.
  }
}

// Short notices that come and go without moving anything.

import { h } from "../core/dom";

/** How long a notice stays. */
const SHOWN_MS = 5_000;
/** How many are shown at once; the oldest gives way. */
const TOASTS_MAX = 2;

/** The corner of the page for notices. */
export class Toasts {
  readonly element = h("div", { class: "toasts", attrs: { role: "status", "aria-live": "polite" } });

  /** Takes all notices away. */
  clear(): void {
    this.element.replaceChildren();
  }

  /** Shows a notice. */
  say(text: string, onClick?: () => void): void {
    const toast = onClick === undefined ? h("p", { class: "toast", text }) : h("button", { class: "toast", text, attrs: { type: "button" }, on: { click: onClick } });
    this.element.append(toast);
    while (this.element.childElementCount > TOASTS_MAX) this.element.firstElementChild?.remove();
    setTimeout(() => toast.remove(), SHOWN_MS);
  }
}

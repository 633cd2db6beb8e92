// Small parts of the messages view.

import { h, setText, show } from "../core/dom";
import { setIcon, type IconName } from "../core/icons";
import { badge } from "../chat/message";
import { hue, initials } from "../call/model";

/** A round with somebody's letters, and a dot when they are there. The colour goes with `id`, which stays when names change. */
export function avatar(name: string, status?: string, id = name): HTMLElement {
  const element = h("span", { class: "person-avatar", text: initials(name), attrs: { "aria-hidden": "true", "data-status": status } });
  element.style.setProperty("--hue", String(hue(id)));
  return element;
}

/** A button that is an icon; `label` is for screen readers and as a tip. */
export function iconButton(name: IconName, label: string, click: () => void): HTMLButtonElement {
  const button = h("button", { class: "plain", attrs: { type: "button", "aria-label": label, title: label }, on: { click } });
  setIcon(button, name);
  return button;
}

/** A button with words. */
export function textButton(text: string, look: "primary" | "quiet", click: () => void): HTMLButtonElement {
  return h("button", { class: `${look} small`, text, attrs: { type: "button" }, on: { click } });
}

/** How long a button waits for its second press. */
const SURE_MS = 5_000;

/** A button for what cannot be taken back: it wants a second press. */
export function sureButton(text: string, question: string, click: () => void): HTMLButtonElement {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const calm = () => {
    clearTimeout(timer);
    timer = undefined;
    setText(button, text);
  };
  const button = textButton(text, "quiet", () => {
    if (timer !== undefined) {
      calm();
      return click();
    }
    timer = setTimeout(calm, SURE_MS);
    setText(button, question);
  });
  return button;
}

/** A button that unfolds others under it; both go into one row. */
export function fold(text: string, label: string, buttons: HTMLElement[]): HTMLElement[] {
  const deeds = h("div", { class: "deeds" }, ...buttons);
  const toggle = textButton(text, "quiet", () => {
    show(deeds, deeds.hidden);
    toggle.setAttribute("aria-expanded", String(!deeds.hidden));
  });
  toggle.setAttribute("aria-label", label);
  toggle.setAttribute("aria-expanded", "false");
  show(deeds, false);
  return [toggle, deeds];
}

/** A count that hides when it is zero. */
export function counter(): { element: HTMLElement; set: (count: number) => void } {
  const element = h("span", { class: "unread" });
  const set = (count: number) => {
    setText(element, badge(count));
    show(element, count > 0);
  };
  set(0);
  return { element, set };
}

/** Runs `draw` soon, once for however often it is asked for. */
export function soon(draw: () => void): () => void {
  let due = false;
  return () => {
    if (due) return;
    due = true;
    setTimeout(() => {
      due = false;
      draw();
    }, 10);
  };
}

/** Puts `elements` into `parent` in order, moving as few as possible. */
export function arrange(parent: HTMLElement, elements: HTMLElement[]): void {
  const wanted = new Set<Element>(elements);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  elements.forEach((element, index) => {
    const there = parent.children[index];
    if (there !== element) parent.insertBefore(element, there ?? null);
  });
}

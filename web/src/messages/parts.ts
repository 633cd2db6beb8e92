// Small parts of the messages view.

import { h, setText, show } from "../core/dom";
import { setIcon, type IconName } from "../core/icons";
import { badge } from "../chat/message";
import { hue, initials } from "../call/model";

/** A round with somebody's letters, and a dot when they are there. */
export function avatar(name: string, status?: string): HTMLElement {
  const element = h("span", { class: "person-avatar", text: initials(name), attrs: { "aria-hidden": "true", "data-status": status } });
  element.style.setProperty("--hue", String(hue(name)));
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

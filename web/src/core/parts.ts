// Parts that more than one view shows.

import { h, setText, show } from "./dom";
import { logo } from "./icons";
import type { Problem } from "./problem";

/** The logo and the name. */
export function brand(): HTMLElement {
  return h("a", { class: "brand", attrs: { href: "/", "aria-label": "Stoa, start page" } }, logo(), h("span", { text: "Stoa" }));
}

/** A labelled field. */
export function field(label: string, control: HTMLElement, note?: string): HTMLElement {
  return h("label", { class: "field" }, h("span", { class: "label", text: label }), control, note === undefined ? undefined : h("span", { class: "note", text: note }));
}

/** The page's foot. */
export function footer(): HTMLElement {
  return h(
    "footer",
    { class: "foot" },
    h("span", { text: "Works with LiveKit client SDKs; not affiliated with LiveKit, Inc." }),
    h("a", { text: "Licences", attrs: { href: document.body.dataset["licences"] ?? "#", target: "_blank", rel: "noopener" } }),
  );
}

/** An empty place for a problem. */
export function problemBox(): HTMLElement {
  const box = h("div", { class: "problem", attrs: { role: "alert" } }, h("strong"), h("span"), h("code"));
  box.hidden = true;
  return box;
}

/** Shows a problem in its box, or hides the box. */
export function showProblem(box: HTMLElement, problem: Problem | undefined): void {
  const [title, advice, code] = box.children;
  if (title === undefined || advice === undefined || !(code instanceof HTMLElement)) return;
  setText(title, problem?.title ?? "");
  setText(advice, problem?.advice ?? "");
  setText(code, problem?.code ?? "");
  show(code, problem?.code !== undefined);
  show(box, problem !== undefined);
}

// Looking for what begins with some letters, in lists that come in pages by id.

import { h } from "../core/dom";
import type { Say } from "./parts";

/** A field that looks for what begins with what is typed. */
export function searchForm(label: string, search: (begin: string) => Promise<void>, say: Say): HTMLFormElement {
  const field = h("input", { attrs: { type: "search", "aria-label": `${label} begins with`, placeholder: `${label} begins with …`, autocapitalize: "none", autocomplete: "off", spellcheck: "false", maxlength: "64" } });
  const form = h("form", { class: "search", attrs: { role: "search" } }, field, h("button", { class: "quiet small", text: "Find", attrs: { type: "submit" } }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void search(field.value.trim()).then(() => say(undefined), say);
  });
  return form;
}

/** Those of a page, in ascending order, that begin so; `over`: no later page has any. */
export function rowsFrom<T>(page: T[], id: (one: T) => string, begin: string): { rows: T[]; over: boolean } {
  const rows = page.filter((one) => id(one).startsWith(begin));
  return { rows, over: rows.length < page.length };
}

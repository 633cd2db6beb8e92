// Parts of the console.

import { h, setText } from "../core/dom";
import { Refusal } from "./api";

/** How long a button waits for its second press. */
const SURE_MS = 5_000;

/** A button that does `work`, with its outcome told by `say`. */
export function button(text: string, work: () => Promise<void>, say: Say): HTMLButtonElement {
  const element = h("button", { class: "quiet small", text, attrs: { type: "button" } });
  element.addEventListener("click", () => void run(element, work, say));
  return element;
}

/** A button for what cannot be taken back: it wants a second press. */
export function sureButton(text: string, question: string, work: () => Promise<void>, say: Say): HTMLButtonElement {
  const element = h("button", { class: "quiet small", text, attrs: { type: "button" } });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const calm = () => {
    clearTimeout(timer);
    timer = undefined;
    setText(element, text);
    element.classList.remove("sure");
  };
  element.addEventListener("click", () => {
    if (timer !== undefined) {
      calm();
      return void run(element, work, say);
    }
    timer = setTimeout(calm, SURE_MS);
    setText(element, question);
    element.classList.add("sure");
  });
  return element;
}

/** Tells what went wrong, or that it went well. */
export type Say = (problem: unknown) => void;

async function run(element: HTMLButtonElement, work: () => Promise<void>, say: Say): Promise<void> {
  element.disabled = true;
  try {
    await work();
    say(undefined);
  } catch (error) {
    say(error);
  } finally {
    element.disabled = false;
  }
}

/** What went wrong, for people. */
export function problemOf(error: unknown): { title: string; advice: string; code?: string } {
  if (!(error instanceof Refusal)) return { title: "Something went wrong.", advice: String(error) };
  const told = { title: error.message, advice: error.advice };
  return error.code === undefined ? told : { ...told, code: error.code };
}

/** A table with headings; `rows` are put in by `fill`. */
export function table(label: string, headings: string[]): { element: HTMLElement; fill: (rows: HTMLElement[], none: string) => void } {
  const body = h("tbody");
  const head = h("tr", {}, ...headings.map((text) => h("th", { text, attrs: { scope: "col" } })));
  const element = h("div", { class: "table" }, h("table", { attrs: { "aria-label": label } }, h("thead", {}, head), body));
  const fill = (rows: HTMLElement[], none: string) => {
    const empty = h("tr", {}, h("td", { class: "none", text: none, attrs: { colspan: String(headings.length) } }));
    body.replaceChildren(...(rows.length === 0 ? [empty] : rows));
  };
  return { element, fill };
}

/** A row; strings become text. */
export function row(key: string, cells: (string | HTMLElement)[]): HTMLElement {
  const made = cells.map((cell) => (typeof cell === "string" ? h("td", { text: cell }) : h("td", {}, cell)));
  return h("tr", { attrs: { "data-key": key } }, ...made);
}

/** Buttons side by side. */
export function actions(...buttons: (HTMLElement | undefined)[]): HTMLElement {
  return h("div", { class: "actions" }, ...buttons);
}

/** A word on a coloured ground. */
export function mark(text: string, look: "good" | "bad" | "neutral"): HTMLElement {
  return h("span", { class: `mark ${look}`, text });
}

/** A time, for people. */
export function time(at: number | string | undefined): string {
  const ms = Number(at ?? 0);
  return ms === 0 ? "" : new Date(ms).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/** A size, for people. */
export function bytes(value: number | undefined): string {
  if (value === undefined) return "";
  const steps: [number, string][] = [
    [2 ** 30, "GiB"],
    [2 ** 20, "MiB"],
    [2 ** 10, "KiB"],
  ];
  for (const [step, unit] of steps) if (value >= step) return `${(value / step).toFixed(value / step >= 100 ? 0 : 1)} ${unit}`;
  return `${value} B`;
}

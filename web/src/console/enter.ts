// Coming in with a token. It stays in this tab's session storage, and goes nowhere but to the nodes.

import { h, setText } from "../core/dom";
import { brand, field, footer, problemBox, showProblem } from "../core/parts";
import { problemOf } from "./parts";

const KEPT = "stoa.console";

/** The token of this tab, if there is one. */
export function keptToken(): string | undefined {
  try {
    return sessionStorage.getItem(KEPT) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps the token for reloads of this tab, or forgets it. */
export function keepToken(token: string | undefined): void {
  try {
    if (token === undefined) sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, token);
  } catch {
    // Without storage a reload asks for it again.
  }
}

/** A token of a node started with --dev; undefined: it hands out none. */
export async function devToken(): Promise<string | undefined> {
  try {
    const answer = await fetch("/v1/token", { method: "POST", headers: { "content-type": "application/json" }, body: '{"console":true}' });
    const { token } = answer.ok ? ((await answer.json()) as { token?: unknown }) : {};
    return typeof token === "string" ? token : undefined;
  } catch {
    return undefined;
  }
}

/** The form. `enter` tries a token. */
export function enterView(enter: (token: string) => Promise<void>, problem: unknown): HTMLElement {
  const token = h("textarea", { attrs: { name: "token", rows: "4", required: "", autocomplete: "off", spellcheck: "false", autocapitalize: "none" } });
  const box = problemBox();
  if (problem !== undefined) showProblem(box, problemOf(problem));
  const go = h("button", { class: "primary", text: "Open the console", attrs: { type: "submit" } });
  const command = h("code", { class: "command", text: "stoa token --identity YOU --grants list,admin,create,nodes,chat" });
  const how = h("p", { class: "note" });
  how.append("On a node, or wherever its API key is configured, make one with", command);
  const form = h("form", { class: "enter-form" }, h("h2", { text: "Operators’ console" }), field("Token", token), how, box, go);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go.disabled = true;
    setText(go, "One moment…");
    const failed = (error: unknown) => {
      showProblem(box, problemOf(error));
      go.disabled = false;
      setText(go, "Open the console");
    };
    void enter(token.value.trim()).catch(failed);
  });
  return h("div", { class: "enter" }, h("header", { class: "join-header" }, brand()), h("main", { class: "enter-main" }, form), footer());
}

// The page after a call.

import { h, setText, show } from "./core/dom";
import { brand, footer } from "./core/parts";
import type { Problem } from "./core/problem";

/** What the person wants next. */
export interface EndedActions {
  rejoin: () => void;
  home: () => void;
}

/** The mounted page. */
export interface EndedView {
  element: HTMLElement;
  /** Says in how many seconds the page joins again by itself; undefined while it is trying. */
  setCountdown: (seconds: number | undefined) => void;
}

/** Builds the page. `problem` is absent when the person left by choice. */
export function endedView(room: string, problem: Problem | undefined, actions: EndedActions): EndedView {
  const countdown = h("p", { class: "note", attrs: { role: "status" } });
  countdown.hidden = true;
  const rejoin = h("button", { class: "primary", text: "Join again", attrs: { type: "button" }, on: { click: () => actions.rejoin() } });
  const home = h("button", { class: "quiet", text: "Start page", attrs: { type: "button" }, on: { click: () => actions.home() } });
  const card = h(
    "main",
    { class: "ended-card" },
    h("h1", { text: problem?.title ?? "You left the room." }),
    h("p", { text: problem?.advice ?? `The room “${room}” stays open while others are in it.` }),
    problem?.code === undefined ? undefined : h("code", { text: problem.code }),
    countdown,
    h("div", { class: "ended-actions" }, rejoin, home),
  );
  return {
    element: h("div", { class: "ended" }, h("header", { class: "join-header" }, brand()), card, footer()),
    setCountdown: (seconds) => {
      setText(countdown, seconds === undefined ? "Joining again…" : `Joining again in ${seconds} s.`);
      show(countdown, true);
    },
  };
}

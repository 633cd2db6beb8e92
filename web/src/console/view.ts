// The console of who has a token.

import { h, setAttr, setText, show } from "../core/dom";
import { brand, problemBox, showProblem } from "../core/parts";
import { AccountsView } from "./accounts";
import { Refusal, type Api } from "./api";
import { combine, short } from "./figures";
import { GroupsView } from "./groups";
import { NodesView } from "./nodes";
import { problemOf } from "./parts";
import { RoomsView } from "./rooms";
import { Watch } from "./watch";

const TABS = ["nodes", "rooms", "accounts", "groups"] as const;
type Tab = (typeof TABS)[number];

interface Pane {
  element: HTMLElement;
  show?: (on: boolean) => void;
}

/** The page. `gone` is called when the token is not good any more, with why. */
export class ConsoleView {
  readonly element: HTMLElement;
  private readonly watch: Watch;
  private readonly nodes: NodesView;
  private readonly panes: Record<Tab, Pane>;
  private readonly tabs: Record<Tab, HTMLAnchorElement>;
  private readonly sums = h("dl", { class: "sums" });
  private readonly sumTexts = new Map<string, HTMLElement>();
  private readonly problem = problemBox();
  private tab: Tab | undefined;
  /** The problem is about watching: it goes when that works again. */
  private watching = false;

  constructor(
    api: Api,
    private readonly gone: (problem: unknown) => void,
  ) {
    this.watch = new Watch(api, () => this.render());
    this.nodes = new NodesView(this.watch);
    const say = (problem: unknown) => this.say(problem);
    this.panes = { nodes: this.nodes, rooms: new RoomsView(api, say), accounts: new AccountsView(api, say), groups: new GroupsView(api, say) };
    const link = (name: Tab) => h("a", { class: "tab", text: name.charAt(0).toUpperCase() + name.slice(1), attrs: { href: `#${name}` } });
    this.tabs = { nodes: link("nodes"), rooms: link("rooms"), accounts: link("accounts"), groups: link("groups") };
    for (const name of ["Leader", "Nodes", "Rooms", "Participants", "Connections", "Messages/s"]) {
      const value = h("dd", { text: "–" });
      this.sumTexts.set(name, value);
      this.sums.append(h("div", {}, h("dt", { text: name }), value));
    }
    const out = h("button", { class: "quiet small", text: "Leave", attrs: { type: "button" }, on: { click: () => this.gone(undefined) } });
    const head = h("header", { class: "console-head" }, brand(), h("h1", { text: "Console" }), this.sums, out);
    const nav = h("nav", { class: "tabs", attrs: { "aria-label": "Parts" } }, ...TABS.map((name) => this.tabs[name]));
    const main = h("main", { class: "console-main" }, this.problem, ...TABS.map((name) => this.panes[name].element));
    this.element = h("div", { class: "console" }, head, nav, main);
    this.route();
    this.watch.start();
  }

  /** Shows the part that the address names. */
  route(): void {
    const named = TABS.find((name) => location.hash === `#${name}`) ?? "nodes";
    if (named === this.tab) return;
    this.tab = named;
    this.say(undefined);
    for (const name of TABS) {
      const on = name === named;
      show(this.panes[name].element, on);
      setAttr(this.tabs[name], "aria-current", on ? "page" : undefined);
      this.panes[name].show?.(on);
    }
  }

  close(): void {
    this.watch.close();
    for (const pane of Object.values(this.panes)) pane.show?.(false);
  }

  private render(): void {
    const { problem, state } = this.watch;
    if (problem !== undefined || this.watching) {
      this.say(problem);
      this.watching = problem !== undefined;
    }
    this.nodes.render();
    if (state === undefined) return;
    const reachable = state.nodes.filter((node) => node.state === "up");
    const figure = (names: string[], together: "sum" | "max") => {
      const values = reachable.map(({ node }) => this.watch.figures.get(node)).map((figures) => figures && names.reduce((sum, name) => sum + (figures.get(name) ?? 0), 0));
      const value = combine(values, together);
      return value === undefined ? "–" : short(value);
    };
    const messages = combine(reachable.map(({ node }) => this.watch.tracks.get(node)?.[0]?.points.at(-1)?.value), "max");
    this.sum("Leader", state.leader === undefined ? "none" : `node ${state.leader}`);
    this.sum("Nodes", `${state.nodes.filter((node) => node.state !== "gone").length} of ${state.nodes.length}`);
    this.sum("Rooms", figure(["livekit_room_total"], "max"));
    this.sum("Participants", figure(["livekit_participant_total"], "sum"));
    this.sum("Connections", figure(["stoa_im_sockets", "stoa_gateway_sessions"], "sum"));
    this.sum("Messages/s", messages === undefined ? "–" : short(messages));
  }

  private sum(name: string, value: string): void {
    const element = this.sumTexts.get(name);
    if (element !== undefined) setText(element, value);
  }

  private say(problem: unknown): void {
    if (problem instanceof Refusal && problem.status === 401 && isToken(problem.code)) return this.gone(problem);
    showProblem(this.problem, problem === undefined ? undefined : problemOf(problem));
  }
}

/** Whether the token itself is not good any more; a right that is missing is another matter. */
function isToken(code: string | undefined): boolean {
  const number = Number(code);
  return number >= 1001 && number <= 1005;
}

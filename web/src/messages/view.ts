// Messages: conversations on one side, one of them on the other; on a phone one at a time.

import { Client, platform, type LinkState, type LogIn } from "@stoa/im";
import { h, setAttr, setText, show } from "../core/dom";
import { brand } from "../core/parts";
import { enterView } from "./enter";
import { ListView } from "./list";
import { MeView } from "./me";
import { enter, keptLogIn, leave, tokenSource } from "./login";
import { counter, iconButton, soon, textButton } from "./parts";
import { PeopleView } from "./people";
import { SearchView } from "./search";
import { ThreadView } from "./thread";

/** Where the page's address says so. */
export const MESSAGES_HASH = "#messages";

/** The page: the form, or the messages of who is logged in. */
export class MessagesView {
  readonly element = h("div", { class: "messages-page" });
  private desk: Desk | undefined;

  constructor() {
    const login = keptLogIn();
    if (login === undefined) this.ask();
    else this.show(login);
  }

  /** The page's address has changed. */
  route(): void {
    this.desk?.route();
  }

  close(): void {
    this.desk?.close();
    this.element.remove();
  }

  private ask(): void {
    this.desk?.close();
    this.desk = undefined;
    document.title = "Stoa";
    this.element.replaceChildren(enterView(enter, (login) => this.show(login)));
  }

  private show(login: LogIn): void {
    this.desk = new Desk(login.user, () => this.ask());
    this.element.replaceChildren(this.desk.element);
  }
}

/** What stands beside the conversation. */
type Side = "chats" | "people" | "me";

/** The messages of one user. */
class Desk {
  readonly element: HTMLElement;
  private readonly client: Client;
  private readonly list: ListView;
  private readonly people: PeopleView;
  private readonly search: SearchView;
  private readonly me: MeView;
  private readonly who = h("span", { class: "who" });
  private readonly notice = h("div", { class: "notice", attrs: { role: "status" } });
  private readonly noticeText = h("span");
  private readonly noticeButton: HTMLButtonElement;
  private readonly place = h("div", { class: "desk-thread" });
  private readonly hint = h("p", { class: "empty", text: "Choose a conversation." });
  private readonly unread = counter();
  private readonly asking = counter();
  private readonly tabs: Record<Side, HTMLButtonElement>;
  private readonly endings: (() => void)[] = [];
  private thread: ThreadView | undefined;
  private tab: Side = "chats";
  private sought: { id: string; seq: number } | undefined;

  constructor(
    user: string,
    private readonly gone: () => void,
  ) {
    this.client = new Client({ host: platform(), url: location.origin.replace(/^http/, "ws"), user, tokens: tokenSource() });
    this.list = new ListView(this.client, go);
    this.people = new PeopleView(this.client, go);
    this.me = new MeView(this.client);
    const found = (id: string, seq: number) => {
      go(id);
      this.sought = { id, seq };
      this.route();
    };
    this.search = new SearchView(this.client, found, () => this.renderLists());
    this.tabs = { chats: this.tabButton("chats", "Chats", this.unread.element), people: this.tabButton("people", "People", this.asking.element), me: this.tabButton("me", "Me") };
    this.noticeButton = textButton("Use here", "quiet", () => this.client.start());
    this.notice.append(this.noticeText, this.noticeButton);
    const out = iconButton("out", "Log out", () => void leave().then(this.gone));
    const calls = h("a", { class: "quiet small", text: "Calls", attrs: { href: "#" } });
    const sides = h("nav", { class: "tabs" }, this.tabs.chats, this.tabs.people, this.tabs.me);
    const side = h("aside", { class: "desk-side" }, h("header", { class: "desk-head" }, brand(), this.who, calls, out), sides, this.search.element, this.list.element, this.people.element, this.me.element);
    this.place.append(this.hint);
    this.element = h("div", { class: "desk" }, this.notice, side, this.place);
    this.listen();
    this.client.start();
    this.renderAll();
  }

  close(): void {
    for (const end of this.endings) end();
    this.thread?.close();
    this.client.close();
  }

  /** Shows the conversation that the address names, once it is known what there is. */
  route(): void {
    const id = this.client.ready ? named(location.hash) : undefined;
    setAttr(this.element, "data-open", id === undefined ? undefined : "");
    if (id !== undefined && id === this.thread?.id) return this.reveal();
    if (id === this.thread?.id) return;
    this.thread?.close();
    this.thread = id === undefined ? undefined : new ThreadView(this.client, id, () => go(undefined));
    this.place.replaceChildren(this.thread?.element ?? this.hint);
    this.thread?.focus();
    this.reveal();
    this.renderLists();
  }

  /** Shows the message that was sought, if it is in the conversation that is open. */
  private reveal(): void {
    if (this.sought === undefined || this.sought.id !== this.thread?.id) return;
    const { seq } = this.sought;
    this.sought = undefined;
    void this.thread.reveal(seq);
  }

  private listen(): void {
    const lists = soon(() => this.renderLists());
    const thread = soon(() => this.thread?.render());
    const people = soon(() => this.thread?.repeople());
    const { client } = this;
    this.endings.push(
      client.on("state", () => this.renderState()),
      client.on("conversations", lists),
      client.on("people", () => {
        lists();
        people();
      }),
      client.on("presence", () => {
        lists();
        this.thread?.renderHead();
      }),
      client.on("typing", (id) => {
        lists();
        if (id === this.thread?.id) this.thread.renderHead();
      }),
      client.on("messages", (id) => {
        if (id === this.thread?.id) thread();
      }),
      client.on("group", (id) => {
        if (this.thread?.id === `g:${id}`) this.thread.regroup();
      }),
    );
    const seen = () => {
      this.thread?.markRead();
      if (document.visibilityState === "hidden") client.settings.flush();
    };
    const hurry = () => client.hurry();
    document.addEventListener("visibilitychange", seen);
    window.addEventListener("online", hurry);
    this.endings.push(
      () => document.removeEventListener("visibilitychange", seen),
      () => window.removeEventListener("online", hurry),
    );
  }

  private renderAll(): void {
    this.renderLists();
    this.renderState();
  }

  private renderState(): void {
    const { state, ready } = this.client;
    if (state.kind === "ended" && (state.reason === "loggedOut" || state.reason === "disabled")) return void leave().then(this.gone);
    const text = stateText(state, ready);
    setText(this.noticeText, text);
    show(this.notice, text !== "");
    show(this.noticeButton, state.kind === "ended");
    this.route();
  }

  private renderLists(): void {
    const { client } = this;
    this.list.render(this.thread?.id);
    this.people.render();
    this.me.render();
    setText(this.who, client.name(client.user));
    show(this.me.element, this.tab === "me");
    show(this.search.element, this.tab === "chats");
    show(this.list.element, this.tab === "chats" && !this.search.active);
    show(this.people.element, this.tab === "people");
    for (const [name, button] of Object.entries(this.tabs)) setAttr(button, "aria-pressed", String(name === this.tab));
    const unread = client.unread();
    this.unread.set(unread);
    this.asking.set(client.roster.incoming.size);
    document.title = unread > 0 ? `(${unread}) Messages · Stoa` : "Messages · Stoa";
  }

  private tabButton(name: Side, text: string, count?: HTMLElement): HTMLButtonElement {
    const click = () => {
      this.tab = name;
      this.renderLists();
    };
    return h("button", { class: "tab", attrs: { type: "button" }, on: { click } }, h("span", { text }), count);
  }
}

/** The conversation that an address names. */
function named(hash: string): string | undefined {
  try {
    const id = decodeURIComponent(hash.slice(MESSAGES_HASH.length + 1));
    return /^[cg]:./.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}

function go(id: string | undefined): void {
  location.hash = id === undefined ? MESSAGES_HASH : `${MESSAGES_HASH}/${encodeURIComponent(id)}`;
}

function stateText(state: LinkState, ready: boolean): string {
  switch (state.kind) {
    case "idle":
      return "";
    case "connecting":
      return state.tries === 0 && !ready ? "" : "Connecting…";
    case "online":
      return "";
    case "ended":
      return state.reason === "replaced" ? "Your messages are open in another window." : "The connection ended.";
  }
}

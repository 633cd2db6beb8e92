// The page during a call.

import { ChatView } from "../chat/view";
import type { Message } from "../chat/message";
import { h, isTyping, setAttr, setText, show } from "../core/dom";
import { setIcon } from "../core/icons";
import { brand } from "../core/parts";
import { StatsView } from "../stats/view";
import type { CallActions, Panel } from "./actions";
import { Bar } from "./bar";
import { Grid } from "./grid";
import { inviteButton } from "./invite";
import type { CallModel } from "./model";
import { PeopleView } from "./people";
import { SettingsDialog } from "./settings";
import { Toasts } from "./toasts";

const PANEL_TITLES: Record<Panel, string> = { people: "People", chat: "Chat", stats: "Statistics" };

/** The mounted page. */
export class CallView {
  readonly element: HTMLElement;
  readonly toasts = new Toasts();
  private readonly grid = new Grid();
  private readonly bar: Bar;
  private readonly chat: ChatView;
  private readonly people: PeopleView;
  private readonly stats: StatsView;
  private readonly settings: SettingsDialog;
  private readonly count = h("span", { class: "count" });
  private readonly countButton = h("button", { class: "plain count-button", attrs: { type: "button", title: "People" }, on: { click: () => this.togglePanel("people") } }, this.count);
  private readonly reconnecting = h("p", { class: "banner", attrs: { role: "alert" } }, h("span", { class: "spinner" }), h("span", { text: "Reconnecting…" }));
  private readonly audioButton: HTMLButtonElement;
  private readonly alone: HTMLElement;
  private readonly sharing: HTMLElement;
  private readonly panelTitle = h("h2");
  private readonly panel: HTMLElement;
  private readonly onKey = (event: KeyboardEvent) => this.handleKey(event);
  private model: CallModel | undefined;
  private open: Panel | undefined;
  private unread = 0;

  constructor(private readonly actions: CallActions, private readonly room: string) {
    this.chat = new ChatView(actions.sendChat);
    this.people = new PeopleView(inviteButton(room, "quiet"));
    this.stats = new StatsView(actions.collectStats);
    this.settings = new SettingsDialog(actions, () => this.openPanel("stats"));
    this.bar = new Bar(actions, (panel) => this.togglePanel(panel), () => this.settings.open());
    this.audioButton = h("button", { class: "primary floating", attrs: { type: "button" }, on: { click: () => actions.startAudio() } }, h("span", { text: "Turn on sound" }));
    setIcon(this.audioButton, "sound");
    this.alone = h("div", { class: "alone" }, h("p", { text: "Nobody else is here yet." }), inviteButton(room, "primary"));
    const stop = h("button", { class: "quiet", text: "Stop", attrs: { type: "button" }, on: { click: () => actions.toggleScreen() } });
    this.sharing = h("p", { class: "banner sharing" }, h("span", { text: "You are sharing your screen." }), stop);
    this.panel = this.buildPanel();
    const overlays = h("div", { class: "overlays" }, this.reconnecting, this.sharing, this.audioButton);
    const main = h("main", { class: "call-main" }, h("div", { class: "stage-area" }, this.grid.element, overlays, this.alone, this.toasts.element), this.panel);
    this.element = h("div", { class: "call" }, this.buildHeader(), main, this.bar.element, this.settings.element);
    document.addEventListener("keydown", this.onKey);
    document.title = `${room} · Stoa`;
  }

  /** Draws the call. */
  render(model: CallModel): void {
    this.model = model;
    this.grid.render(model.tiles);
    this.people.render(model.people);
    setText(this.count, String(model.people.length));
    setAttr(this.countButton, "aria-label", `${model.people.length} in the room`);
    show(this.reconnecting, model.connection === "reconnecting");
    show(this.sharing, model.sharing);
    show(this.audioButton, model.audioBlocked && model.people.length > 1);
    show(this.alone, model.people.length === 1 && model.connection === "connected");
    this.renderBar();
  }

  /** Shows what was said before one came. */
  addEarlier(messages: Message[]): void {
    this.chat.addEarlier(messages);
  }

  /** Shows a chat message, with a notice when the chat is closed. */
  addMessage(message: Message): void {
    this.chat.add(message);
    const seen = this.open === "chat" && !document.hidden;
    if (message.local || seen) return;
    this.unread += 1;
    if (this.open !== "chat") this.toasts.say(`${message.name}: ${preview(message.text)}`, () => this.openPanel("chat"));
    this.renderBar();
  }

  /** Takes the page away. */
  remove(): void {
    document.removeEventListener("keydown", this.onKey);
    this.stats.setOpen(false);
    this.grid.render([]);
    this.settings.remove();
    this.element.remove();
    document.title = "Stoa";
  }

  private buildHeader(): HTMLElement {
    setIcon(this.countButton, "people");
    return h("header", { class: "call-header" }, brand(), h("h1", { text: this.room, attrs: { title: this.room } }), this.countButton, inviteButton(this.room, "quiet"));
  }

  private buildPanel(): HTMLElement {
    const close = h("button", { class: "plain", attrs: { type: "button", "aria-label": "Close panel", title: "Close (Esc)" }, on: { click: () => this.openPanel(undefined) } });
    setIcon(close, "close");
    const panel = h("aside", { class: "panel" }, h("header", {}, this.panelTitle, close), this.people.element, this.chat.element, this.stats.element);
    panel.hidden = true;
    return panel;
  }

  private togglePanel(panel: Panel): void {
    this.openPanel(this.open === panel ? undefined : panel);
  }

  private openPanel(panel: Panel | undefined): void {
    const focused = this.panel.contains(document.activeElement);
    if (panel === undefined && focused && this.open !== undefined) this.bar.focus(this.open);
    this.open = panel;
    show(this.panel, panel !== undefined);
    show(this.people.element, panel === "people");
    show(this.chat.element, panel === "chat");
    show(this.stats.element, panel === "stats");
    this.stats.setOpen(panel === "stats");
    if (panel !== undefined) {
      setText(this.panelTitle, PANEL_TITLES[panel]);
      this.panel.setAttribute("aria-label", PANEL_TITLES[panel]);
    }
    if (panel === "chat") {
      this.unread = 0;
      this.toasts.clear();
      this.chat.opened();
    }
    this.renderBar();
  }

  private renderBar(): void {
    if (this.model !== undefined) this.bar.render(this.model, this.open, this.unread);
    document.title = `${this.unread > 0 ? `(${this.unread}) ` : ""}${this.room} · Stoa`;
  }

  private handleKey(event: KeyboardEvent): void {
    if (event.key === "Escape" && this.open !== undefined && !this.settings.element.open) {
      this.openPanel(undefined);
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping(event)) return;
    const keys: Record<string, () => void> = {
      m: () => this.actions.toggleMicrophone(),
      v: () => this.actions.toggleCamera(),
      s: () => this.actions.toggleScreen(),
      c: () => this.togglePanel("chat"),
      p: () => this.togglePanel("people"),
    };
    const action = keys[event.key.toLowerCase()];
    if (action === undefined) return;
    event.preventDefault();
    action();
  }
}

/** The beginning of a message, for a notice. */
function preview(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

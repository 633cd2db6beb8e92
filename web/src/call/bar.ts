// The bar of buttons under the tiles.

import { badge } from "../chat/message";
import { canShareScreen } from "../core/devices";
import { h, setAttr, setText, show } from "../core/dom";
import { setIcon, type IconName } from "../core/icons";
import type { CallActions, Panel } from "./actions";
import type { CallModel } from "./model";

/** The bar. */
export class Bar {
  readonly element: HTMLElement;
  private readonly microphone = barButton("Microphone", "mic", "M");
  private readonly camera = barButton("Camera", "camera", "V");
  private readonly screen = barButton("Share screen", "screen", "S");
  private readonly people = barButton("People", "people", "P");
  private readonly chat = barButton("Chat", "chat", "C");
  private readonly stats = barButton("Statistics", "stats");
  private readonly settings = barButton("Settings", "settings");
  private readonly leave = barButton("Leave", "leave");
  private readonly unread = h("span", { class: "badge", attrs: { "aria-hidden": "true" } });

  constructor(actions: CallActions, togglePanel: (panel: Panel) => void, openSettings: () => void) {
    this.leave.classList.add("danger");
    this.stats.classList.add("wide-only");
    this.chat.append(this.unread);
    const clicks: [HTMLElement, () => void][] = [
      [this.microphone, actions.toggleMicrophone],
      [this.camera, actions.toggleCamera],
      [this.screen, actions.toggleScreen],
      [this.people, () => togglePanel("people")],
      [this.chat, () => togglePanel("chat")],
      [this.stats, () => togglePanel("stats")],
      [this.settings, openSettings],
      [this.leave, actions.leave],
    ];
    for (const [button, action] of clicks) button.addEventListener("click", () => action());
    this.screen.hidden = !canShareScreen();
    const media = h("div", { class: "bar-group" }, this.microphone, this.camera, this.screen);
    const panels = h("div", { class: "bar-group" }, this.people, this.chat, this.stats, this.settings);
    this.element = h("nav", { class: "bar", attrs: { "aria-label": "Call" } }, media, panels, this.leave);
  }

  /** Moves the focus to the button of a panel. */
  focus(panel: Panel): void {
    this[panel].focus();
  }

  /** Draws what is on and what is not. */
  render(model: CallModel, panel: Panel | undefined, unread: number): void {
    const live = model.connection === "connected" && model.canPublish;
    // Turning off must work at any time; turning on needs the server.
    renderSwitch(this.microphone, model.microphoneOn, live || model.microphoneOn, ["mic", "micOff"], "Microphone", "M");
    renderSwitch(this.camera, model.cameraOn, live || model.cameraOn, ["camera", "cameraOff"], "Camera", "V");
    setAttr(this.screen, "aria-pressed", String(model.sharing));
    setAttr(this.screen, "aria-label", model.sharing ? "Stop sharing your screen" : "Share your screen");
    setAttr(this.screen, "title", model.sharing ? "Stop sharing (S)" : "Share your screen (S)");
    this.screen.disabled = !live;
    const panels: [HTMLElement, Panel][] = [[this.people, "people"], [this.chat, "chat"], [this.stats, "stats"]];
    for (const [button, name] of panels) setAttr(button, "aria-expanded", String(panel === name));
    setText(this.unread, badge(unread));
    show(this.unread, unread > 0);
    setAttr(this.chat, "aria-label", unread > 0 ? `Chat, ${unread} unread` : "Chat");
  }
}

function barButton(label: string, name: IconName, key?: string): HTMLButtonElement {
  const title = key === undefined ? label : `${label} (${key})`;
  const button = h("button", { class: "round", attrs: { type: "button", "aria-label": label, title, "aria-keyshortcuts": key } });
  setIcon(button, name);
  return button;
}

function renderSwitch(button: HTMLButtonElement, on: boolean, enabled: boolean, icons: [IconName, IconName], what: string, key: string): void {
  setIcon(button, on ? icons[0] : icons[1]);
  setAttr(button, "aria-pressed", String(on));
  setAttr(button, "title", `Turn ${what.toLowerCase()} ${on ? "off" : "on"} (${key})`);
  button.classList.toggle("off", !on);
  button.disabled = !enabled;
}

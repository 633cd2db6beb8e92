// The dialog for devices, reachable during the call.

import { canChooseSpeaker, fillDeviceSelect, listDevices, watchDevices } from "../core/devices";
import { h, show } from "../core/dom";
import { setIcon } from "../core/icons";
import { field } from "../core/parts";
import type { CallActions } from "./actions";

const KINDS: MediaDeviceKind[] = ["videoinput", "audioinput", "audiooutput"];

/** The dialog. */
export class SettingsDialog {
  readonly element: HTMLDialogElement;
  private readonly selects: Record<MediaDeviceKind, HTMLSelectElement> = { videoinput: h("select"), audioinput: h("select"), audiooutput: h("select") };
  private readonly flip = h("button", { class: "quiet", attrs: { type: "button" } }, h("span", { text: "Turn to the other camera" }));
  private readonly unwatch: () => void;

  constructor(private readonly actions: CallActions, showStats: () => void) {
    const close = h("button", { class: "plain", attrs: { type: "button", "aria-label": "Close", title: "Close" }, on: { click: () => this.element.close() } });
    setIcon(close, "close");
    setIcon(this.flip, "flip");
    this.flip.addEventListener("click", () => actions.flipCamera());
    const stats = h("button", { class: "quiet", attrs: { type: "button" } }, h("span", { text: "Connection statistics" }));
    setIcon(stats, "stats");
    stats.addEventListener("click", () => {
      this.element.close();
      showStats();
    });
    this.element = h(
      "dialog",
      { class: "settings", attrs: { "aria-label": "Settings" } },
      h("header", {}, h("h2", { text: "Settings" }), close),
      field("Camera", this.selects.videoinput),
      field("Microphone", this.selects.audioinput),
      canChooseSpeaker() ? field("Speaker", this.selects.audiooutput) : undefined,
      h("div", { class: "settings-actions" }, this.flip, stats),
      h("p", { class: "note wide-only", text: "Keys: M microphone, V camera, S share screen, C chat, P people. Double-click a picture to put it on the stage." }),
    );
    this.element.addEventListener("click", (event) => {
      if (event.target === this.element) this.element.close();
    });
    for (const kind of KINDS) {
      this.selects[kind].addEventListener("change", () => actions.chooseDevice(kind, this.selects[kind].value));
    }
    this.unwatch = watchDevices(() => void this.refresh());
  }

  /** Shows the dialog. */
  open(): void {
    void this.refresh();
    this.element.showModal();
  }

  /** Ends listening to devices. */
  remove(): void {
    this.unwatch();
    this.element.remove();
  }

  private async refresh(): Promise<void> {
    const devices = await listDevices();
    for (const kind of KINDS) fillDeviceSelect(this.selects[kind], devices[kind], this.actions.activeDevice(kind));
    show(this.flip, devices.videoinput.length > 1 && matchMedia("(pointer: coarse)").matches);
  }
}

// The list of everybody in the room.

import { h, setAttr, setText, show } from "../core/dom";
import { setIcon } from "../core/icons";
import { hue, initials, type Person } from "./model";
import { qualityBars, renderBars } from "./tile";

/** The panel. */
export class PeopleView {
  readonly element: HTMLElement;
  private readonly list = h("ul", { class: "people-list", attrs: { "aria-label": "Participants" } });
  private readonly rows = new Map<string, PersonRow>();

  constructor(invite: HTMLElement) {
    this.element = h("div", { class: "people" }, this.list, invite);
  }

  /** Draws everybody, in the given order. */
  render(people: Person[]): void {
    const present = new Set(people.map((person) => person.identity));
    for (const [identity, row] of this.rows) {
      if (present.has(identity)) continue;
      row.element.remove();
      this.rows.delete(identity);
    }
    for (const person of people) {
      const row = this.rows.get(person.identity) ?? new PersonRow();
      if (!this.rows.has(person.identity)) this.list.append(row.element);
      this.rows.set(person.identity, row);
      row.render(person);
    }
  }
}

class PersonRow {
  readonly element: HTMLElement;
  private readonly avatar = h("span", { class: "person-avatar", attrs: { "aria-hidden": "true" } });
  private readonly name = h("span", { class: "person-name" });
  private readonly screen = mark("screen", "shares a screen");
  private readonly camera = mark("cameraOff", "camera off");
  private readonly microphone = h("span", { class: "mark", attrs: { role: "img" } });
  private readonly bars = qualityBars();

  constructor() {
    this.element = h("li", {}, this.avatar, this.name, this.screen, this.camera, this.microphone, this.bars);
  }

  render(person: Person): void {
    setText(this.avatar, initials(person.name));
    this.element.style.setProperty("--hue", String(hue(person.identity)));
    this.element.classList.toggle("speaking", person.speaking);
    setText(this.name, person.local ? `${person.name} (you)` : person.name);
    setAttr(this.name, "title", person.name);
    show(this.screen, person.sharing);
    show(this.camera, !person.cameraOn);
    setIcon(this.microphone, person.microphoneOn ? "mic" : "micOff");
    this.microphone.classList.toggle("off", !person.microphoneOn);
    setAttr(this.microphone, "aria-label", `microphone ${person.microphoneOn ? "on" : "off"}`);
    renderBars(this.bars, person.quality);
  }
}

function mark(name: "screen" | "cameraOff", label: string): HTMLElement {
  const element = h("span", { class: name === "cameraOff" ? "mark off" : "mark", attrs: { role: "img", "aria-label": label } });
  setIcon(element, name);
  return element;
}

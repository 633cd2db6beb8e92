// Beside a conversation: who it is with, and how the user wishes to have it.

import type { Client, Conversation } from "@stoa/im";
import { h, setText, show } from "../core/dom";
import { statusLine } from "./format";
import { sureButton, textButton } from "./parts";

/** Buttons for how the user has a conversation. */
export class OwnSettings {
  readonly element: HTMLElement;
  private readonly pin: HTMLButtonElement;
  private readonly mute: HTMLButtonElement;

  constructor(
    private readonly client: Client,
    private readonly conversation: Conversation,
    carry: (work: Promise<void>) => void,
    left: () => void,
  ) {
    const { id } = conversation;
    this.pin = textButton("", "quiet", () => carry(client.settings.pin(id, !conversation.pinned)));
    this.mute = textButton("", "quiet", () => carry(client.settings.mute(id, !client.muted(id))));
    const hide = textButton("Take off the list", "quiet", () => carry(client.settings.hide(id).then(left)));
    this.element = h("div", { class: "deeds" }, this.pin, this.mute, hide);
    this.render();
  }

  render(): void {
    setText(this.pin, this.conversation.pinned ? "Unpin" : "Pin");
    setText(this.mute, this.client.muted(this.conversation.id) ? "Unmute" : "Mute");
  }
}

/** The other one of a private conversation. */
export class PersonView {
  readonly element: HTMLElement;
  private readonly settings: OwnSettings;
  private readonly line = h("p", { class: "talk-line" });
  private readonly remark = h("input", { attrs: { type: "text", "aria-label": "Your name for this friend", placeholder: "Your name for this friend", maxlength: "40", autocomplete: "off" } });
  private readonly remarkForm: HTMLFormElement;
  private readonly ask: HTMLButtonElement;
  private readonly remove: HTMLButtonElement;
  private readonly block: HTMLButtonElement;

  constructor(
    private readonly client: Client,
    private readonly user: string,
    carry: (work: Promise<void>) => void,
    left: () => void,
  ) {
    const { roster } = client;
    this.settings = new OwnSettings(client, client.privateWith(user), carry, left);
    this.remarkForm = h("form", { class: "invite" }, this.remark, h("button", { class: "quiet small", text: "Save", attrs: { type: "submit" } }));
    this.remarkForm.addEventListener("submit", (event) => {
      event.preventDefault();
      carry(roster.remark(user, this.remark.value.trim()));
    });
    this.ask = textButton("Add friend", "quiet", () => carry(roster.request(user).then(() => {})));
    this.remove = sureButton("Remove friend", "Really remove?", () => carry(roster.remove(user)));
    this.block = textButton("", "quiet", () => carry(roster.block(user, !roster.blocked.has(user))));
    const people = h("div", { class: "deeds" }, this.ask, this.remove, this.block);
    this.element = h("div", { class: "members" }, this.line, this.remarkForm, people, this.settings.element);
    show(this.element, false);
    this.render();
  }

  toggle(): void {
    show(this.element, this.element.hidden);
    this.render();
  }

  render(): void {
    const { client, user } = this;
    const { friends, outgoing, blocked } = client.roster;
    const friend = friends.get(user);
    const named = client.profiles.name(user);
    const status = statusLine(client.roster.status(user), client.roster.statusText(user));
    setText(this.line, [named === "" ? user : `${named} (${user})`, status, friend !== undefined ? "friend" : outgoing.has(user) ? "asked to be friends" : "not a friend", blocked.has(user) ? "blocked" : ""].filter(Boolean).join(" · "));
    if (document.activeElement !== this.remark) this.remark.value = friend?.remark ?? "";
    show(this.remarkForm, friend !== undefined);
    show(this.ask, friend === undefined && !outgoing.has(user));
    show(this.remove, friend !== undefined);
    setText(this.block, blocked.has(user) ? "Unblock" : "Block");
    this.settings.render();
  }
}

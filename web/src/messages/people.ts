// People: finding them, friends and their requests, and new groups.

import type { Client } from "@stoa/im";
import { h, setText, show } from "../core/dom";
import { statusText } from "./format";
import { avatar, textButton } from "./parts";

/** The panel. `open` is called with a conversation to show. */
export class PeopleView {
  readonly element: HTMLElement;
  private readonly requests = h("ul", { class: "people-rows", attrs: { "aria-label": "Requests" } });
  private readonly friends = h("ul", { class: "people-rows", attrs: { "aria-label": "Friends" } });
  private readonly note = h("p", { class: "empty", attrs: { role: "status" } });
  private readonly noFriends = h("p", { class: "empty", text: "Nobody yet. Ask somebody above." });
  private readonly chosen = new Set<string>();
  private readonly groupForm: HTMLFormElement;
  private signature = "";
  /** Whom the note is about. */
  private asked = "";

  constructor(
    private readonly client: Client,
    private readonly open: (id: string) => void,
  ) {
    this.groupForm = this.newGroup();
    this.element = h(
      "div",
      { class: "pane people-pane" },
      this.find(),
      this.note,
      this.requests,
      h("h3", { text: "Friends" }),
      this.noFriends,
      this.friends,
      this.groupForm,
    );
    this.say("");
  }

  /** Draws what there is now. */
  render(): void {
    const { friends, incoming, outgoing } = this.client.roster;
    const signature = JSON.stringify([[...friends.keys()].map((user) => [user, this.client.roster.status(user)]), [...incoming.keys()], [...outgoing.keys()]]);
    if (signature === this.signature) return;
    this.signature = signature;
    const asking = [...incoming.values()].map(({ user, message }) =>
      this.row(user, message !== undefined && message !== "" ? message : "wants to be friends", [
        textButton("Accept", "primary", () => void this.carry(this.client.roster.answer(user, true))),
        textButton("Decline", "quiet", () => void this.carry(this.client.roster.answer(user, false))),
      ]),
    );
    const asked = [...outgoing.keys()].map((user) => this.row(user, "was asked; waits for an answer", []));
    this.requests.replaceChildren(...asking, ...asked);
    if (friends.has(this.asked)) this.say("");
    const names = [...friends.keys()].sort((a, b) => a.localeCompare(b));
    this.friends.replaceChildren(...names.map((user) => this.friend(user)));
    show(this.noFriends, names.length === 0);
    show(this.groupForm, names.length > 0);
  }

  private find(): HTMLFormElement {
    const name = h("input", { attrs: { type: "text", "aria-label": "User name", placeholder: "User name", autocapitalize: "none", autocomplete: "off", spellcheck: "false", maxlength: "64", required: "" } });
    const ask = h("button", { class: "quiet small", text: "Add friend", attrs: { type: "submit", value: "ask" } });
    const chat = h("button", { class: "primary small", text: "Chat", attrs: { type: "submit" } });
    const form = h("form", { class: "find" }, name, h("div", { class: "find-actions" }, chat, ask));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const user = name.value.trim();
      if (user === this.client.user) return this.say("That is you.");
      void this.carry(event.submitter === ask ? this.ask(user) : this.chat(user)).then((done) => {
        if (done) name.value = "";
      });
    });
    return form;
  }

  private async ask(user: string): Promise<void> {
    const friends = await this.client.roster.request(user);
    this.asked = user;
    this.say(friends ? `You and ${user} are friends.` : `${user} was asked.`);
  }

  /** Opens a chat with somebody who exists. */
  private async chat(user: string): Promise<void> {
    const { profiles } = await this.client.ask<{ profiles?: { user?: string }[] }>({ profileGet: { users: [user] } });
    if (profiles === undefined || profiles.length === 0) return this.say(`There is nobody called ${user}.`);
    this.say("");
    this.open(this.client.privateWith(user).id);
  }

  private friend(user: string): HTMLElement {
    const tick = h("input", { attrs: { type: "checkbox", "aria-label": `${user} into the group` } });
    tick.checked = this.chosen.has(user);
    tick.addEventListener("change", () => (tick.checked ? this.chosen.add(user) : this.chosen.delete(user)));
    return this.row(user, statusText(this.client.roster.status(user)), [textButton("Chat", "quiet", () => this.open(this.client.privateWith(user).id)), tick]);
  }

  private newGroup(): HTMLFormElement {
    const name = h("input", { attrs: { type: "text", "aria-label": "Name of the group", placeholder: "Name of a new group", maxlength: "64", required: "" } });
    const make = h("button", { class: "quiet small", text: "Make group", attrs: { type: "submit" } });
    const form = h("form", { class: "find" }, h("h3", { text: "A group with those ticked" }), name, make);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const work = async () => {
        const id = await this.client.createGroup(name.value.trim(), [...this.chosen]);
        this.chosen.clear();
        this.signature = "";
        name.value = "";
        this.open(id);
      };
      void this.carry(work());
    });
    return form;
  }

  private row(user: string, line: string, actions: HTMLElement[]): HTMLElement {
    return h(
      "li",
      {},
      avatar(user, this.client.roster.status(user)),
      h("span", { class: "person" }, h("span", { class: "talk-name", text: user }), h("span", { class: "talk-line", text: line })),
      ...actions,
    );
  }

  private async carry(work: Promise<void>): Promise<boolean> {
    try {
      await work;
      return true;
    } catch (error) {
      this.say(error instanceof Error ? error.message : "It did not work.");
      return false;
    }
  }

  private say(text: string): void {
    setText(this.note, text);
    show(this.note, text !== "");
  }
}

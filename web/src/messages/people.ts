// People: finding them, friends and their requests, and new groups.

import type { Client } from "@stoa/im";
import { h, setText, show } from "../core/dom";
import { statusLine } from "./format";
import { avatar, fold, sureButton, textButton } from "./parts";

const KINDS: [string, string][] = [
  ["GROUP_KIND_PRIVATE", "Private: members bring members in"],
  ["GROUP_KIND_PUBLIC", "Public: people ask to come in"],
];

/** The panel. `open` is called with a conversation to show. */
export class PeopleView {
  readonly element: HTMLElement;
  private readonly requests = h("ul", { class: "people-rows", attrs: { "aria-label": "Requests" } });
  private readonly friends = h("ul", { class: "people-rows", attrs: { "aria-label": "Friends" } });
  private readonly blocked = h("ul", { class: "people-rows", attrs: { "aria-label": "Blocked" } });
  private readonly blockedHead = h("h3", { text: "Blocked" });
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
      this.joinGroup(),
      this.blockedHead,
      this.blocked,
    );
    this.say("");
  }

  /** Draws what there is now. */
  render(): void {
    const { client } = this;
    const { friends, incoming, outgoing, blocked } = client.roster;
    const look = (user: string) => [user, client.name(user), client.roster.status(user), client.roster.statusText(user)];
    const signature = JSON.stringify([friends, incoming, outgoing, blocked].map((people) => [...people.keys()].map(look)));
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
    const names = [...friends.keys()].sort((a, b) => client.name(a).localeCompare(client.name(b)));
    this.friends.replaceChildren(...names.map((user) => this.friend(user)));
    this.blocked.replaceChildren(...[...blocked.keys()].map((user) => this.row(user, "cannot reach you", [textButton("Unblock", "quiet", () => void this.carry(client.roster.block(user, false)))])));
    show(this.blockedHead, blocked.size > 0);
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
    const { roster } = this.client;
    const chat = textButton("Chat", "quiet", () => this.open(this.client.privateWith(user).id));
    const remove = sureButton("Remove", "Really remove?", () => void this.carry(roster.remove(user)));
    const block = sureButton("Block", "Really block?", () => void this.carry(roster.block(user, true)));
    const [more, deeds] = fold("⋯", `More about ${user}`, [remove, block]);
    const actions = [chat, more, tick, deeds].filter((one) => one !== undefined);
    return this.row(user, statusLine(roster.status(user), roster.statusText(user)), actions);
  }

  private newGroup(): HTMLFormElement {
    const name = h("input", { attrs: { type: "text", "aria-label": "Name of the group", placeholder: "Name of a new group", maxlength: "64", required: "" } });
    const make = h("button", { class: "quiet small", text: "Make group", attrs: { type: "submit" } });
    const kind = h("select", { attrs: { "aria-label": "Kind of group" } }, ...KINDS.map(([value, text]) => h("option", { text, attrs: { value } })));
    const form = h("form", { class: "find" }, h("h3", { text: "A group with those ticked" }), name, kind, make);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const work = async () => {
        const id = await this.client.createGroup(name.value.trim(), [...this.chosen], kind.value);
        this.chosen.clear();
        this.signature = "";
        name.value = "";
        this.open(id);
      };
      void this.carry(work());
    });
    return form;
  }

  /** Looks at a group by its id; its conversation says how to come in. */
  private joinGroup(): HTMLFormElement {
    const id = h("input", { attrs: { type: "text", "aria-label": "Id of a group", placeholder: "Id of a group", autocapitalize: "none", autocomplete: "off", spellcheck: "false", maxlength: "64", required: "" } });
    const form = h("form", { class: "find" }, h("h3", { text: "A group that is there already" }), h("div", { class: "invite" }, id, h("button", { class: "quiet small", text: "Look", attrs: { type: "submit" } })));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const group = id.value.trim();
      const look = async () => {
        await this.client.ask({ groupGet: { group } });
        id.value = "";
        this.open(`g:${group}`);
      };
      void this.carry(look());
    });
    return form;
  }

  private row(user: string, line: string, actions: HTMLElement[]): HTMLElement {
    const name = this.client.name(user);
    return h(
      "li",
      {},
      avatar(name, this.client.roster.status(user), user),
      h("span", { class: "person" }, h("span", { class: "talk-name", text: name }), h("span", { class: "talk-line", text: name === user ? line : `${user} · ${line}` })),
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

// Who is in a group, and what its owner and administrators can do.

import type { Client, Group, JoinRequest, Member } from "@stoa/im";
import { h, setText, show } from "../core/dom";
import { OwnSettings } from "./about";
import { avatar, fold, sureButton, textButton } from "./parts";

/** How long a member is silenced by a press. */
const SILENCE_MS = 3_600_000;

/** The panel, folded away until it is asked for. */
export class MembersView {
  readonly element: HTMLElement;
  private readonly list = h("ul", { class: "people-rows", attrs: { "aria-label": "Members" } });
  private readonly joins = h("ul", { class: "people-rows", attrs: { "aria-label": "Requests to come in" } });
  private readonly settings: OwnSettings;
  private readonly notice = h("p", { class: "talk-line" });
  private readonly rename: HTMLFormElement;
  private readonly name = h("input", { attrs: { type: "text", "aria-label": "Name of the group", maxlength: "64", required: "" } });
  private readonly invite: HTMLFormElement;
  private readonly silence: HTMLButtonElement;
  private readonly leave: HTMLButtonElement;
  private readonly dismiss: HTMLButtonElement;

  constructor(
    private readonly client: Client,
    private readonly group: string,
    private readonly fail: (text: string) => void,
    private readonly left: () => void,
  ) {
    const carry = (work: Promise<unknown>) => void this.carry(work);
    this.settings = new OwnSettings(client, client.conversation(`g:${group}`), carry, left);
    this.invite = this.inviteForm();
    this.rename = h("form", { class: "invite" }, this.name, h("button", { class: "quiet small", text: "Rename", attrs: { type: "submit" } }));
    this.rename.addEventListener("submit", (event) => {
      event.preventDefault();
      carry(client.ask({ groupUpdate: { group, name: this.name.value.trim() } }));
    });
    this.silence = textButton("", "quiet", () => carry(client.ask({ groupMuteAll: { group, on: this.info?.mutedAll !== true } })));
    this.leave = sureButton("Leave the group", "Really leave?", () => void this.go({ groupLeave: { group } }));
    this.dismiss = sureButton("Dismiss the group", "Really dismiss?", () => void this.go({ groupDismiss: { group } }));
    const ends = h("div", { class: "deeds" }, this.silence, this.leave, this.dismiss);
    this.element = h("div", { class: "members" }, this.notice, this.joins, this.list, this.invite, this.rename, ends, this.settings.element);
    show(this.element, false);
  }

  toggle(): void {
    show(this.element, this.element.hidden);
    this.refresh();
  }

  /** Draws what is known, and fetches who is in it; `told` gets them. */
  refresh(told: (users: string[]) => void = () => {}): void {
    this.render();
    void this.carry(this.fetch(told));
  }

  render(): void {
    const { info } = this;
    const { leads, owns } = this.rank();
    const isPrivate = (info?.kind ?? "GROUP_KIND_PRIVATE") === "GROUP_KIND_PRIVATE";
    setText(this.notice, `Its id is ${this.group}.${isPrivate ? " Members bring others in." : " Others can ask to come in with it."}`);
    if (document.activeElement !== this.name) this.name.value = info?.name ?? "";
    show(this.rename, leads || isPrivate);
    show(this.invite, leads || isPrivate || info?.rules?.invite === undefined || info.rules.invite === "INVITE_RULE_MEMBERS");
    show(this.silence, leads && !isPrivate);
    setText(this.silence, info?.mutedAll === true ? "Let all write" : "Silence all");
    show(this.leave, !owns || isPrivate);
    show(this.dismiss, owns && !isPrivate);
    this.settings.render();
  }

  private get info(): Group | undefined {
    return this.client.group(this.group);
  }

  /** What the user may do here. */
  private rank(): { leads: boolean; owns: boolean } {
    const role = this.info?.member?.role;
    return { leads: role === "ROLE_OWNER" || role === "ROLE_ADMIN", owns: role === "ROLE_OWNER" };
  }

  private async fetch(tell: (users: string[]) => void): Promise<void> {
    const members = await this.client.members(this.group);
    tell(members.map(({ user }) => user));
    if (this.element.hidden) return;
    this.list.replaceChildren(...members.map((member) => this.row(member)));
    const { joins } = this.rank().leads ? await this.client.ask<{ joins?: JoinRequest[] }>({ groupJoinList: { group: this.group, limit: 100 } }) : { joins: [] };
    this.joins.replaceChildren(...(joins ?? []).map((join) => this.join(join)));
  }

  private join({ user, message }: JoinRequest): HTMLElement {
    const answer = (accept: boolean) => void this.carry(this.client.ask({ groupJoinAnswer: { group: this.group, user, accept } }).then(() => this.refresh()));
    const line = message !== undefined && message !== "" ? message : "asks to come in";
    return this.person(user, line, [textButton("Accept", "primary", () => answer(true)), textButton("Decline", "quiet", () => answer(false))]);
  }

  private row({ user, role, mutedUntil }: Member): HTMLElement {
    const { leads, owns } = this.rank();
    const part = role === "ROLE_OWNER" ? "owner" : role === "ROLE_ADMIN" ? "admin" : "member";
    const silenced = Number(mutedUntil ?? 0) > Date.now();
    const below = user !== this.client.user && part !== "owner" && (owns || (leads && part === "member"));
    return this.person(user, silenced ? `${part} · silenced` : part, below ? this.powers(user, part, silenced, owns) : []);
  }

  /** What can be done with a member, folded away. */
  private powers(user: string, part: string, silenced: boolean, owns: boolean): HTMLElement[] {
    const { client, group } = this;
    const act = (body: Record<string, unknown>) => void this.carry(client.ask(body).then(() => this.refresh()));
    const hasAdmins = (this.info?.kind ?? "GROUP_KIND_PRIVATE") !== "GROUP_KIND_PRIVATE";
    const buttons: HTMLElement[] = [];
    if (owns && hasAdmins) {
      const role = part === "admin" ? "ROLE_MEMBER" : "ROLE_ADMIN";
      buttons.push(textButton(part === "admin" ? "Make member" : "Make admin", "quiet", () => act({ groupRole: { group, user, role } })));
    }
    if (owns) buttons.push(sureButton("Hand over", "Really hand over?", () => act({ groupTransfer: { group, to: user } })));
    if (hasAdmins) buttons.push(textButton(silenced ? "Let write" : "Silence for 1 h", "quiet", () => act({ groupMute: { group, user, until: silenced ? "0" : String(Date.now() + SILENCE_MS) } })));
    buttons.push(sureButton("Remove", "Really remove?", () => void this.carry(this.remove(user))));
    return fold("Manage", `Manage ${user}`, buttons);
  }

  private async remove(user: string): Promise<void> {
    const { failed } = await this.client.ask<{ failed?: Failed[] }>({ groupRemove: { group: this.group, users: [user] } });
    this.fail(told(failed));
    this.refresh();
  }

  private person(user: string, line: string, actions: HTMLElement[]): HTMLElement {
    const name = this.client.name(user);
    const words = h("span", { class: "person" }, h("span", { class: "talk-name", text: name }), h("span", { class: "talk-line", text: name === user ? line : `${user} · ${line}` }));
    return h("li", {}, avatar(name, undefined, user), words, ...actions);
  }

  private inviteForm(): HTMLFormElement {
    const name = h("input", { attrs: { type: "text", "aria-label": "User name to bring in", placeholder: "User name", autocapitalize: "none", autocomplete: "off", spellcheck: "false", required: "" } });
    const form = h("form", { class: "invite" }, name, h("button", { class: "quiet small", text: "Bring in", attrs: { type: "submit" } }));
    const invite = async (users: string[]) => {
      const { failed } = await this.client.ask<{ failed?: Failed[] }>({ groupInvite: { group: this.group, users } });
      this.fail(told(failed));
      name.value = "";
      this.refresh();
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.carry(invite([name.value.trim()]));
    });
    return form;
  }

  private async go(body: Record<string, unknown>): Promise<void> {
    if (await this.carry(this.client.ask(body))) this.left();
  }

  private async carry(work: Promise<unknown>): Promise<boolean> {
    try {
      await work;
      return true;
    } catch (error) {
      this.fail(error instanceof Error ? error.message : "It did not work.");
      return false;
    }
  }
}

interface Failed {
  user: string;
  message?: string;
}

function told(failed: Failed[] | undefined): string {
  return (failed ?? []).map(({ user, message }) => `${user}: ${message ?? "refused"}`).join(" ");
}

// Who is in a group, and bringing more people in.

import type { Client, Member } from "@stoa/im";
import { h, show } from "../core/dom";
import { avatar, textButton } from "./parts";

/** The list, folded away until it is asked for. */
export class MembersView {
  readonly element: HTMLElement;
  private readonly list = h("ul", { class: "people-rows", attrs: { "aria-label": "Members" } });

  constructor(
    private readonly client: Client,
    private readonly group: string,
    private readonly fail: (text: string) => void,
    private readonly left: () => void,
  ) {
    const name = h("input", { attrs: { type: "text", "aria-label": "User name to bring in", placeholder: "User name", autocapitalize: "none", autocomplete: "off", spellcheck: "false", required: "" } });
    const invite = h("form", { class: "invite" }, name, h("button", { class: "quiet small", text: "Bring in", attrs: { type: "submit" } }));
    invite.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.invite(name.value.trim()).then(() => (name.value = ""));
    });
    const leave = textButton("Leave the group", "quiet", () => void this.leave());
    this.element = h("div", { class: "members" }, this.list, invite, leave);
    show(this.element, false);
  }

  toggle(): void {
    show(this.element, this.element.hidden);
    this.refresh();
  }

  /** Fetches the members, if they are shown. */
  refresh(): void {
    if (this.element.hidden) return;
    void this.client.members(this.group).then(
      (members) => this.list.replaceChildren(...members.map((member) => row(member))),
      (error: Error) => this.fail(error.message),
    );
  }

  private async leave(): Promise<void> {
    try {
      await this.client.ask({ groupLeave: { group: this.group } });
      this.left();
    } catch (error) {
      this.fail(error instanceof Error ? error.message : "It did not work.");
    }
  }

  private async invite(user: string): Promise<void> {
    try {
      const { failed } = await this.client.ask<{ failed?: { user: string; message?: string }[] }>({ groupInvite: { group: this.group, users: [user] } });
      this.fail((failed ?? []).map(({ user, message }) => `${user}: ${message ?? "refused"}`).join(" "));
    } catch (error) {
      this.fail(error instanceof Error ? error.message : "It did not work.");
    }
    this.refresh();
  }
}

function row({ user, role }: Member): HTMLElement {
  const part = role === "ROLE_OWNER" ? "owner" : role === "ROLE_ADMIN" ? "admin" : "member";
  return h("li", {}, avatar(user), h("span", { class: "person" }, h("span", { class: "talk-name", text: user }), h("span", { class: "talk-line", text: part })));
}

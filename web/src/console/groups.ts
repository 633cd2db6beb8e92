// The groups: who is in them, removing members, dismissing.

import { h, setText, show } from "../core/dom";
import { Refusal, type Api } from "./api";
import { actions, button, mark, row, sureButton, table, time, type Say } from "./parts";
import { rowsFrom, searchForm } from "./search";

interface Group {
  id: string;
  name?: string;
  kind?: string;
  owner?: string;
  createdAt?: string;
  dismissed?: boolean;
  members?: number;
}

interface Member {
  user: string;
  role?: string;
  joinedAt?: string;
}

/** The list, and one group beside it. */
export class GroupsView {
  readonly element: HTMLElement;
  private readonly list = table("Groups", ["Group", "Name", "Kind", "Owner", "Since", ""]);
  private readonly members = table("Members", ["User", "Role", "Since", ""]);
  private readonly detail = h("div", { class: "detail" });
  private readonly title = h("h2");
  private readonly more: HTMLButtonElement;
  private readonly moreMembers: HTMLButtonElement;
  private rows: Group[] = [];
  private crowd: Member[] = [];
  private next = "";
  private nextMember = "";
  private begin = "";
  private open: string | undefined;

  constructor(
    private readonly api: Api,
    private readonly say: Say,
  ) {
    this.more = button("More", () => this.page(this.next), say);
    this.moreMembers = button("More members", () => this.memberPage(this.nextMember), say);
    const dismiss = sureButton("Dismiss the group", "Really dismiss it?", () => this.dismiss(), say);
    this.detail.append(h("header", { class: "detail-head" }, this.title, dismiss), this.members.element, this.moreMembers);
    const form = searchForm("Group", (text) => this.search(text), say);
    this.element = h("section", { attrs: { "aria-label": "Groups" } }, form, this.list.element, this.more, this.detail);
    for (const one of [this.detail, this.more]) show(one, false);
  }

  show(on: boolean): void {
    if (on) void this.search(this.begin).then(() => this.say(undefined), this.say);
  }

  private async search(begin: string): Promise<void> {
    this.begin = begin;
    this.rows = begin === "" ? [] : await this.one(begin);
    await this.page(begin);
  }

  private async one(group: string): Promise<Group[]> {
    try {
      return [await this.api.get<Group>(`/v1/groups/${encodeURIComponent(group)}`)];
    } catch (error) {
      if (error instanceof Refusal && (error.status === 404 || error.status === 400)) return [];
      throw error;
    }
  }

  private async page(after: string): Promise<void> {
    const { groups, next } = await this.api.get<{ groups?: Group[]; next?: string }>(`/v1/groups?limit=50&after=${encodeURIComponent(after)}`);
    const { rows, over } = rowsFrom(groups ?? [], ({ id }) => id, this.begin);
    this.rows.push(...rows);
    this.next = over ? "" : (next ?? "");
    show(this.more, this.next !== "");
    this.render();
  }

  private render(): void {
    this.list.fill(this.rows.map((group) => this.group(group)), this.begin === "" ? "No groups." : `No group begins with ${this.begin}.`);
  }

  private group(group: Group): HTMLElement {
    const look = button("Members", () => this.choose(group.id), this.say);
    look.setAttribute("aria-description", group.id);
    const kind = (group.kind ?? "GROUP_KIND_PRIVATE").replace("GROUP_KIND_", "").toLowerCase();
    return row(group.id, [group.id, group.name ?? "", kind, group.owner ?? "", time(group.createdAt), group.dismissed === true ? mark("dismissed", "bad") : actions(look)]);
  }

  private async choose(group: string): Promise<void> {
    const info = await this.api.get<Group>(`/v1/groups/${encodeURIComponent(group)}`);
    this.open = group;
    this.crowd = [];
    setText(this.title, `${info.name === undefined || info.name === "" ? group : info.name} · ${info.members ?? 0} members`);
    await this.memberPage("");
    show(this.detail, true);
  }

  private async memberPage(after: string): Promise<void> {
    const group = this.open ?? "";
    const { members, next } = await this.api.get<{ members?: Member[]; next?: string }>(`/v1/groups/${encodeURIComponent(group)}/members?limit=100&after=${encodeURIComponent(after)}`);
    this.crowd.push(...(members ?? []));
    this.nextMember = next ?? "";
    show(this.moreMembers, this.nextMember !== "");
    this.members.fill(this.crowd.map((member) => this.member(group, member)), "Nobody.");
  }

  private member(group: string, { user, role, joinedAt }: Member): HTMLElement {
    const word = (role ?? "ROLE_MEMBER").replace("ROLE_", "").toLowerCase();
    const remove = sureButton("Remove", "Really remove?", () => this.remove(group, user), this.say);
    remove.setAttribute("aria-description", user);
    return row(user, [user, word, time(joinedAt), word === "owner" ? "" : actions(remove)]);
  }

  private async remove(group: string, user: string): Promise<void> {
    const path = `/v1/groups/${encodeURIComponent(group)}/members/remove`;
    const { failed } = await this.api.ask<{ failed?: { message?: string; code?: number }[] }>("POST", path, { users: [user] });
    const [refused] = failed ?? [];
    if (refused !== undefined) throw new Refusal(409, String(refused.code), refused.message ?? "It was refused.", "Load the members again.");
    await this.choose(group);
  }

  private async dismiss(): Promise<void> {
    if (this.open === undefined) return;
    await this.api.ask("DELETE", `/v1/groups/${encodeURIComponent(this.open)}`);
    this.open = undefined;
    show(this.detail, false);
    await this.search(this.begin);
  }
}

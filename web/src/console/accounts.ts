// The accounts: finding one, switching it off, ending its log-ins.

import { h, setText, show } from "../core/dom";
import { Refusal, type Api } from "./api";
import { actions, button, mark, row, sureButton, table, time, type Say } from "./parts";
import { rowsFrom, searchForm } from "./search";

interface Account {
  user: string;
  state?: string;
  createdAt?: string;
}

interface Device {
  id: string;
  session: string;
  platform?: string;
  name?: string;
  since?: string;
  refreshedAt?: string;
}

/** The list, and one account beside it. */
export class AccountsView {
  readonly element: HTMLElement;
  private readonly list = table("Accounts", ["User", "State", "Since", ""]);
  private readonly sessions = table("Log-ins", ["Device", "Platform", "Name", "Since", "Last renewed", ""]);
  private readonly detail = h("div", { class: "detail" });
  private readonly title = h("h2");
  private readonly about = h("p", { class: "about" });
  private readonly more: HTMLButtonElement;
  private rows: Account[] = [];
  private next = "";
  private begin = "";
  private open: string | undefined;

  constructor(
    private readonly api: Api,
    private readonly say: Say,
  ) {
    this.more = button("More", () => this.page(this.next), say);
    const end = sureButton("End all log-ins", "Really end all?", () => this.endAll(), say);
    this.detail.append(h("header", { class: "detail-head" }, this.title, end), this.about, this.sessions.element);
    const form = searchForm("User", (text) => this.search(text), say);
    this.element = h("section", { attrs: { "aria-label": "Accounts" } }, form, this.list.element, this.more, this.detail);
    show(this.detail, false);
    show(this.more, false);
  }

  show(on: boolean): void {
    if (on) void this.search(this.begin).then(() => this.say(undefined), this.say);
  }

  private async search(begin: string): Promise<void> {
    this.begin = begin;
    this.rows = begin === "" ? [] : await this.one(begin);
    await this.page(begin);
  }

  /** The account that is called just so, if there is one. */
  private async one(user: string): Promise<Account[]> {
    try {
      return [await this.api.get<Account>(`/v1/accounts/${encodeURIComponent(user)}`)];
    } catch (error) {
      if (error instanceof Refusal && (error.status === 404 || error.status === 400)) return [];
      throw error;
    }
  }

  private async page(after: string): Promise<void> {
    const { accounts, next } = await this.api.get<{ accounts?: Account[]; next?: string }>(`/v1/accounts?limit=50&after=${encodeURIComponent(after)}`);
    const { rows, over } = rowsFrom(accounts ?? [], ({ user }) => user, this.begin);
    this.rows.push(...rows);
    this.next = over ? "" : (next ?? "");
    this.render();
  }

  private render(): void {
    show(this.more, this.next !== "");
    this.list.fill(this.rows.map((account) => this.account(account)), this.begin === "" ? "No accounts." : `No account begins with ${this.begin}.`);
  }

  private account(account: Account): HTMLElement {
    const { user, state } = account;
    const gone = state === "ACCOUNT_STATE_DELETED";
    const off = state === "ACCOUNT_STATE_DISABLED";
    const look = button("Log-ins", () => this.choose(user), this.say);
    const turn = off ? button("Enable", () => this.set(account, false), this.say) : sureButton("Disable", "Really disable?", () => this.set(account, true), this.say);
    for (const one of [look, turn]) one.setAttribute("aria-description", user);
    return row(user, [user, mark(gone ? "deleted" : off ? "disabled" : "active", gone || off ? "bad" : "good"), time(account.createdAt), gone ? "" : actions(look, turn)]);
  }

  private async set(account: Account, disabled: boolean): Promise<void> {
    await this.api.ask("PATCH", `/v1/accounts/${encodeURIComponent(account.user)}/state`, { disabled });
    account.state = disabled ? "ACCOUNT_STATE_DISABLED" : "ACCOUNT_STATE_ACTIVE";
    this.render();
    if (this.open === account.user) await this.choose(account.user);
  }

  private async choose(user: string): Promise<void> {
    const as = encodeURIComponent(user);
    const [{ devices }, { profiles }, { presences }] = await Promise.all([
      this.api.get<{ devices?: Device[] }>(`/v1/devices?as=${as}`),
      this.api.get<{ profiles?: { name?: string }[] }>(`/v1/profiles?users=${as}&as=${as}`),
      this.api.get<{ presences?: { status?: string }[] }>(`/v1/presence?users=${as}`),
    ]);
    this.open = user;
    show(this.detail, true);
    setText(this.title, user);
    const name = profiles?.[0]?.name;
    const status = (presences?.[0]?.status ?? "STATUS_OFFLINE").replace("STATUS_", "").toLowerCase();
    setText(this.about, `${name === undefined || name === "" ? "No name set" : name} · ${status}`);
    this.sessions.fill((devices ?? []).map((device) => this.session(user, device)), "Nobody is logged in.");
  }

  private session(user: string, device: Device): HTMLElement {
    const end = button("End", () => this.end(user, device.session), this.say);
    end.setAttribute("aria-label", `End the log-in of ${device.id}`);
    const platform = (device.platform ?? "PLATFORM_WEB").replace("PLATFORM_", "").toLowerCase();
    return row(device.session, [device.id, platform, device.name ?? "", time(device.since), time(device.refreshedAt), actions(end)]);
  }

  private async end(user: string, session: string): Promise<void> {
    await this.api.ask("DELETE", `/v1/sessions/${encodeURIComponent(session)}?as=${encodeURIComponent(user)}`);
    await this.choose(user);
  }

  private async endAll(): Promise<void> {
    if (this.open === undefined) return;
    await this.api.ask("DELETE", `/v1/sessions?as=${encodeURIComponent(this.open)}`);
    await this.choose(this.open);
  }
}

// The operators' console in a real browser, over three real nodes.

import { strict as assert } from "node:assert";
import { after, before } from "node:test";

import { backendToken, Chatter, logIn, ok, rest, signUp } from "../harness/chat.mjs";
import { Cluster, stoa } from "../harness/cluster.mjs";
import { StoaNode } from "../harness/node.mjs";
import { scenario, stage } from "../harness/scenario.mjs";
import { until } from "../harness/wait.mjs";

const shared = stage({ node: false, chromium: true });
const PHONE = { width: 360, height: 740 };
let cluster;

before(async () => {
  cluster = await Cluster.start();
});
after(() => cluster?.close());

/** A token as an operator makes it. */
const operatorToken = async (...grants) => (await stoa("token", "--identity", "operator", "--grants", grants.join(","))).trim();

/** What is shown of the one that was chosen from a list. */
const detail = (list) => `section[aria-label=${list}] .detail`;

/** Somebody at the console. Everything is looked for as a person does: by words. */
class Operator {
  static async at(node, later, size) {
    const page = await shared.chromium.open(`${node.http}/console`, size);
    const operator = new Operator();
    Object.assign(operator, { page });
    later({ page, identity: "operator", close: () => page.close() });
    return operator;
  }

  /** With every right. */
  static async enters(node, later, size) {
    const operator = await Operator.at(node, later, size);
    await operator.enter(await operatorToken("list", "admin", "create", "nodes", "chat"));
    await operator.reads("Leader");
    return operator;
  }

  async enter(token) {
    await this.page.waitForSelector("textarea");
    await this.page.$eval("textarea", (field) => (field.value = ""));
    await this.page.type("textarea", token);
    await this.press("Open the console");
  }

  text(selector = "body") {
    return this.page.$eval(selector, (element) => element.innerText);
  }

  async reads(words, selector = "body") {
    await until(`the operator to read ${words}`, async () => (await this.text(selector)).includes(words));
  }

  /** Presses what is in sight and called so, within what `selector` finds. */
  async press(label, selector = "body") {
    await until(`the operator to press ${label}`, () =>
      this.page.evaluate((selector, label) => {
        const roots = [...document.querySelectorAll(selector)];
        const called = (b) => b.getAttribute("aria-label") ?? b.innerText;
        const all = roots.flatMap((root) => [...root.querySelectorAll("button, nav a")]);
        const button = all.find((b) => b.checkVisibility() && !b.disabled && called(b).startsWith(label));
        button?.click();
        return Boolean(button);
      }, selector, label));
  }

  /** Presses what wants to be pressed twice. */
  async pressSurely(label, selector) {
    await this.press(label, selector);
    await this.press("Really", selector);
  }

  row(key, table) {
    return `table[aria-label="${table}"] tr[data-key="${key}"]`;
  }

  /** Waits for a row of a table to say something. */
  async rowReads(key, table, words) {
    const selector = this.row(key, table);
    await until(`${table} to say ${words} of ${key}`, () => this.page.evaluate((selector, words) => document.querySelector(selector)?.innerText.includes(words), selector, words));
  }

  /** The node that leads, as the table has it. */
  leader() {
    return this.page.$$eval('table[aria-label="Nodes"] tbody tr', (rows) => {
      const row = rows.find((row) => row.innerText.includes("leader"));
      return row && Number(row.dataset.key);
    });
  }

  assertSound() {
    assert.deepEqual(this.page.lines.filter((line) => line.startsWith("page error")), []);
  }
}

scenario("nothing is shown without a token, and whoever brings a wrong one is told what to do", shared, async ({ later }) => {
  const operator = await Operator.at(cluster.nodes.get(1), later);
  await operator.page.waitForSelector("textarea");
  assert.ok(!(await operator.text()).includes("Leader"));
  await operator.enter("not a token");
  await operator.reads("Make the token with a server SDK or `stoa token`.");
  await operator.enter(await operatorToken("list", "admin"));
  await operator.reads("nodeAdmin");
  await operator.reads("Issue a token with the grant");
  assert.equal(await operator.page.evaluate(() => sessionStorage.length + localStorage.length), 0);
  await operator.enter(await operatorToken("list", "admin", "nodes"));
  await operator.reads("Leader");
  assert.equal(await operator.page.evaluate(() => localStorage.length), 0, "the token stays in this tab");
  await operator.press("Accounts", "nav");
  await operator.reads("does not grant");
  await operator.press("Leave");
  await operator.page.waitForSelector("textarea");
  await operator.page.reload({ waitUntil: "load" });
  await operator.page.waitForSelector("textarea");
});

scenario("an operator sees three nodes and their figures", shared, async ({ later }) => {
  const operator = await Operator.enters(cluster.nodes.get(2), later);
  await operator.reads("3 of 3", ".sums");
  const leader = await cluster.leader();
  await until("the table to say who leads", async () => (await operator.leader()) === leader);
  for (const id of cluster.nodes.keys()) await operator.rowReads(id, "Nodes", id === leader ? "leader" : "voter");
  await signUp(cluster.nodes.get(1), "figure-1");
  await signUp(cluster.nodes.get(1), "figure-2");
  const from = (await logIn(cluster.nodes.get(1), "figure-1")).accessToken;
  await until("messages to be counted", async () => {
    await ok(cluster.nodes.get(3), "POST", "/messages", { token: from, body: { user: "figure-2", content: { text: { text: "hello" } } } });
    return operator.page.$$eval(".plot", (plots) => !/\b0\/s/.test(plots[0].innerText) && /\d\/s/.test(plots[0].innerText));
  });
  assert.equal(await operator.page.$$eval(".plot", (plots) => plots.length), 6);
  await until("a line for each node", () => operator.page.$eval(".plot:nth-child(4) svg", (svg) => svg.children.length === 3));
  operator.assertSound();
});

scenario("an operator disables an account, whose socket closes, and ends single log-ins", shared, async ({ later }) => {
  const [one, other] = [cluster.nodes.get(1), cluster.nodes.get(3)];
  await signUp(one, "disabled");
  const tokens = await logIn(one, "disabled", "laptop");
  await logIn(one, "disabled", "phone");
  const chatter = later(await Chatter.connect(other, "disabled", { token: tokens.accessToken, device: "laptop" }));
  const operator = await Operator.enters(cluster.nodes.get(2), later);
  await operator.press("Accounts", "nav");
  await operator.page.type("input[type=search]", "disab");
  await operator.press("Find");
  const row = operator.row("disabled", "Accounts");
  await operator.press("Log-ins", row);
  await operator.reads("laptop", detail("Accounts"));
  await operator.press("End the log-in of phone");
  await until("the phone's log-in to go", async () => !(await operator.text(detail("Accounts"))).includes("phone"));
  assert.equal(chatter.closed, undefined, "the other device stays");
  await operator.pressSurely("Disable", row);
  await operator.rowReads("disabled", "Accounts", "disabled");
  assert.equal(await chatter.ends(), 4403);
  const refused = await rest(one, "POST", "/sessions", { body: { user: "disabled", password: "password of disabled", device: "laptop" } });
  assert.equal(refused.status, 403);
  await operator.press("Enable", row);
  await operator.rowReads("disabled", "Accounts", "active");
  await logIn(one, "disabled", "laptop");
  operator.assertSound();
});

scenario("an operator mutes and removes a participant, whichever node carries the call", shared, async ({ later, room }) => {
  const ada = later(await shared.chromium.join(cluster.nodes.get(3), room, "ada", { publish: ["microphone"] }));
  later(await shared.chromium.join(cluster.nodes.get(3), room, "bob"));
  const operator = await Operator.enters(cluster.nodes.get(1), later);
  await operator.page.bringToFront();
  await operator.press("Rooms", "nav");
  await operator.press(`Open ${room}`);
  await operator.rowReads("bob", "Participants", "active");
  await operator.press("Mute microphone of ada");
  await operator.rowReads("ada", "Participants", "muted");
  await ada.event("trackMuted");
  await operator.pressSurely("Remove", operator.row("ada", "Participants"));
  await ada.event("disconnected");
  await until("ada to leave the table", async () => !(await operator.text(detail("Rooms"))).includes("ada"));
  await operator.pressSurely("Close the room");
  await until("the room to leave the table", async () => !(await operator.text("section[aria-label=Rooms]")).includes(room));
  operator.assertSound();
});

scenario("an operator removes a member from a group and dismisses it", shared, async ({ later }) => {
  const node = cluster.nodes.get(1);
  for (const user of ["owner", "member", "nuisance"]) await signUp(node, user);
  const token = backendToken();
  await ok(node, "POST", "/groups?as=owner", { token, body: { id: "hikers", name: "Hikers", kind: "GROUP_KIND_PUBLIC", members: ["member", "nuisance"] } });
  const operator = await Operator.enters(cluster.nodes.get(2), later);
  await operator.press("Groups", "nav");
  await operator.press("Members", operator.row("hikers", "Groups"));
  await operator.reads("3 members", detail("Groups"));
  await operator.pressSurely("Remove", operator.row("nuisance", "Members"));
  await operator.reads("2 members", detail("Groups"));
  const { members } = await ok(node, "GET", "/groups/hikers/members", { token });
  assert.deepEqual(members.map(({ user }) => user).sort(), ["member", "owner"]);
  await operator.pressSurely("Dismiss the group", detail("Groups"));
  await until("the group to be gone", async () => {
    const { status, body } = await rest(node, "GET", "/groups/hikers", { token });
    return status === 404 || body.dismissed === true;
  });
  operator.assertSound();
});

scenario("the console fits a phone", shared, async ({ later }) => {
  const operator = await Operator.enters(cluster.nodes.get(1), later, PHONE);
  for (const tab of ["Nodes", "Rooms", "Accounts", "Groups"]) {
    await operator.press(tab, "nav");
    const wide = await operator.page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= PHONE.width, `${tab} is ${wide} wide`);
  }
});

scenario("a node started with --dev opens the console by itself", shared, async ({ later }) => {
  const node = await StoaNode.start();
  later({ log: node.log, close: () => node.stop() });
  const operator = await Operator.at(node, later);
  await operator.reads("1 of 1", ".sums");
  await operator.rowReads(1, "Nodes", "leader");
});

scenario("when the leader is killed, the console of that very node says so and shows who leads now", shared, async ({ later }) => {
  const first = await cluster.leader();
  const node = cluster.nodes.get(first);
  const operator = await Operator.enters(node, later);
  await operator.reads("3 of 3", ".sums");
  await until("the table to say who leads", async () => (await operator.leader()) === first);
  await node.end("SIGKILL");
  await operator.rowReads(first, "Nodes", "not reachable");
  await operator.reads(`Node ${first} cannot be reached`, ".alarm");
  const next = await until("another leader", async () => {
    const leader = await operator.leader();
    return leader !== first && leader;
  });
  assert.equal(next, await cluster.leader(cluster.all.filter((one) => one !== node)));
  await operator.reads("2 of 3", ".sums");
  await node.spawn();
  await operator.reads("3 of 3", ".sums");
  operator.assertSound();
});

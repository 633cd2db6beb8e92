// A community is brought in by REST while others chat: how long it takes, what it holds, and whether the others notice.
// `node bench/import.mjs [MEMBERS] [ONLINE]`; the program is found as the tests find it.

import { Chatter, backendToken, enroll, ok, text } from "../harness/chat.mjs";
import { StoaNode } from "../harness/node.mjs";
import { until } from "../harness/wait.mjs";

const MEMBERS = Number(process.argv[2] ?? 100_000);
const ONLINE = Math.min(Number(process.argv[3] ?? 1_000), MEMBERS);
const BATCH = 500;
const AT_ONCE = 50;
const GROUP = "everybody";
const CONFIG = "[limit]\njoins_per_second = 100000\n[chat.limits]\nsends_per_second = 1000\nsends_burst = 1000\nframes_per_second = 1000\nframes_burst = 1000\n";

const name = (n) => `m${`${n}`.padStart(6, "0")}`;
const range = (from, to) => Array.from({ length: to - from }, (_, n) => name(from + n));
const seconds = (since) => ((performance.now() - since) / 1_000).toFixed(2);
const mib = (bytes) => Math.round(bytes / (1 << 20));
const percentile = (sorted, part) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))].toFixed(1) : "-");

/** Somebody who writes one message after the other, and how long each took to be stored. */
class Neighbour {
  static async begin(node) {
    await enroll(node, ["ada", "bob"]);
    const neighbour = new Neighbour();
    neighbour.ada = await Chatter.connect(node, "ada", {});
    neighbour.took = [];
    neighbour.running = neighbour.write();
    return neighbour;
  }

  async write() {
    while (!this.ended) {
      const since = performance.now();
      await this.ada.send("bob", "still here");
      this.took.push(performance.now() - since);
    }
  }

  /** What was seen since the last time. */
  told() {
    const sorted = this.took.splice(0).sort((a, b) => a - b);
    return `${sorted.length} sends, p50 ${percentile(sorted, 0.5)}, p99 ${percentile(sorted, 0.99)}, max ${percentile(sorted, 1)} ms`;
  }

  async close() {
    this.ended = true;
    await this.running;
    await this.ada.close();
  }
}

const node = await StoaNode.start({ config: CONFIG });
const backend = { token: backendToken() };
const neighbour = await Neighbour.begin(node);

async function phase(what, work) {
  neighbour.told();
  const [since, cpu] = [performance.now(), await node.cpu()];
  const note = await work();
  const used = ((await node.cpu()) - cpu).toFixed(2);
  console.log(`${what}: ${seconds(since)} s, ${used} s of processor, ${mib(await node.memory())} MiB; neighbour ${neighbour.told()}${note ? `; ${note}` : ""}`);
}

async function batches(send) {
  for (let from = 0; from < MEMBERS; from += BATCH) {
    const done = await send(range(from, Math.min(from + BATCH, MEMBERS)));
    const bad = done.find((one) => one.outcome !== "created");
    if (bad) throw new Error(`was not imported: ${JSON.stringify(bad)}`);
  }
}

await phase("nothing else", () => until("some seconds of quiet", () => neighbour.took.length >= 500).then(() => ""));
await phase(`${MEMBERS} accounts`, () =>
  batches(async (users) => (await ok(node, "POST", "/accounts/import", { ...backend, body: { accounts: users.map((user) => ({ user })) } })).accounts));
await ok(node, "POST", "/groups/import", { ...backend, body: { groups: [{ id: GROUP, owner: "ada", kind: "GROUP_KIND_COMMUNITY", name: "Everybody" }] } });
// The owner is a member, too, and no community has more than so many.
const last = MEMBERS === 100_000 ? name(MEMBERS - 1) : undefined;
await phase(`${MEMBERS} members`, () =>
  batches(async (users) => {
    const members = users.filter((user) => user !== last).map((user) => ({ user }));
    return (await ok(node, "POST", `/groups/${GROUP}/members/import`, { ...backend, body: { members } })).rows;
  }));
const online = [];
await phase(`${ONLINE} members connect`, async () => {
  for (let from = 0; from < ONLINE; from += AT_ONCE) {
    const some = range(from, Math.min(from + AT_ONCE, ONLINE));
    online.push(...(await Promise.all(some.map((user) => Chatter.connect(node, user, {})))));
  }
});
const conversation = `g:${GROUP}`;
await phase("a message to all", async () => {
  const since = performance.now();
  const sent = await neighbour.ada.ask({ send: { conversation, cmid: Buffer.alloc(16, 1).toString("base64"), content: text("hello, everybody") } });
  const acked = performance.now() - since;
  const has = (one) => one.pushed.has(`${conversation}/${sent.seq}`);
  await until("everybody to have it", () => online.every(has), 120_000);
  return `acknowledged after ${acked.toFixed(1)} ms, with all ${online.length} within ${(performance.now() - since).toFixed(0)} ms`;
});
await phase("all members by pages of 100", async () => {
  let [after, pages, members, slowest] = ["", 0, 0, 0];
  do {
    const since = performance.now();
    const page = await ok(node, "GET", `/groups/${GROUP}/members?limit=100&after=${after}`, backend);
    slowest = Math.max(slowest, performance.now() - since);
    [after, pages, members] = [page.next, pages + 1, members + page.members.length];
  } while (after);
  return `${members} in ${pages} pages, the slowest ${slowest.toFixed(1)} ms`;
});
await neighbour.close();
for (const one of online) one.socket.terminate();
await node.stop();
process.exit(0);

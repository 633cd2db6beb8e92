// Three real processes whose network, disks and clocks fail while people chat through all of them: what was acknowledged stays.

import { strict as assert } from "node:assert";
import { readdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Chatter, backendToken, chatToken, enroll, logIn, ok, rest, signUp, words } from "../harness/chat.mjs";
import { Cluster } from "../harness/cluster.mjs";
import { CLUB, Crowd, unacknowledged } from "../harness/crowd.mjs";
import { faults } from "../harness/history.mjs";
import { Network } from "../harness/network.mjs";
import { scenario } from "../harness/scenario.mjs";
import { until } from "../harness/wait.mjs";
import { Volume } from "../harness/volume.mjs";

const MB = 1 << 20;
const HOUR_S = 3_600;
const HOUR_MS = HOUR_S * 1_000;

scenario("the checker of histories finds what it is to find", {}, async () => {
  const c = "c:ada:bob";
  const message = (seq, sender, said) => ({ seq, sender, said });
  const good = [message(1, "ada", "ada 0"), message(2, "bob", "bob 0"), message(3, "ada", "ada 1"), message(4, undefined, undefined)];
  const shown = (...logs) => logs.map((messages, index) => ({ by: `device ${index}`, conversation: c, messages }));
  const acknowledged = good.slice(0, 3).map((one) => ({ ...one, conversation: c }));
  const friends = { ada: ["bob"], bob: ["ada"] };
  const unread = [{ user: "bob", conversation: c, read: 2, unread: 1 }];
  const find = (change = {}) => faults({ shown: shown(good, good), acknowledged, friends, unread, ...change });
  assert.deepEqual(find(), []);
  const seen = (what, change, words) => assert.ok(find(change).some((line) => line.includes(words)), `${what}: ${find(change)}`);

  const lost = [good[0], good[1], message(3, undefined, undefined)];
  seen("a message that is lost everywhere", { shown: shown(lost, lost) }, "acknowledged in c:ada:bob as 3 ada: ada 1, shown 3");
  seen("a message that is lost at the end", { shown: shown(good.slice(0, 2), good.slice(0, 2)) }, "shown nothing");
  seen("a message that one device lacks", { shown: shown(good, good.slice(0, 3)) }, "device 1 has nothing");
  const copied = [...good, message(5, "ada", "ada 1")];
  seen("a message that is there twice", { shown: shown(copied, copied) }, 'has "ada 1" twice');
  const swapped = [message(1, "ada", "ada 1"), good[1], message(3, "ada", "ada 0"), good[3]];
  seen("two messages in the wrong order", { shown: shown(swapped, swapped), acknowledged: [] }, 'has "ada 0" after 1 of ada');
  seen("two orders", { shown: shown(good, [message(1, "bob", "bob 0"), message(2, "ada", "ada 0"), ...good.slice(2)]), acknowledged: [] }, "device 1 has 1 bob");
  seen("a gap", { shown: shown([good[0], ...good.slice(2)]), acknowledged: [] }, "place 2 of c:ada:bob has number 3");
  seen("another sender", { shown: shown([message(1, "bob", "ada 0"), ...good.slice(1)]) }, "as 1 ada: ada 0, shown 1 bob");
  seen("a friendship of one side", { friends: { ada: ["bob"], bob: [] } }, "bob is a friend of ada");
  seen("a wrong count of unread messages", { unread: [{ ...unread[0], unread: 2 }] }, "told 2 unread");
});

/** A cluster of three, each in a network of its own, with people who write. */
async function town(later, place = () => ({})) {
  const network = later(await Network.create(3));
  const cluster = later(await Cluster.start(3, async (id) => ({ host: network.host(id), under: network.under(id), ...(await place(id)) })));
  const crowd = later(await Crowd.gather(cluster));
  await crowd.progress("with three nodes");
  const leader = async (asked) => {
    const id = await cluster.leader(asked);
    const node = cluster.nodes.get(id);
    return { id, node, others: cluster.all.filter((one) => one !== node), otherIds: network.ids.filter((one) => one !== id) };
  };
  return { network, cluster, crowd, leader };
}

/** Nobody is acknowledged anything by a node that has no majority, while the others go on. */
async function alone(crowd, { node, others }) {
  const [cut, free] = [crowd.of(node), crowd.of(...others)];
  await crowd.progress("without the node that is cut off", free);
  const before = cut.map(({ written }) => written);
  const { status, name } = await unacknowledged(node, cut[0], free[0].user);
  assert.ok(status === 503 || name === "OutcomeUnknown", `a node without a majority answered ${status} ${name}`);
  await crowd.progress("on while it is cut off", free);
  assert.deepEqual(cut.map(({ written }) => written), before, "a node without a majority acknowledged something");
}

scenario("networks part and heal while people write, and nothing acknowledged is lost", {}, async ({ later }) => {
  const { network, cluster, crowd, leader } = await town(later);
  await signUp(cluster.all[0], "eve");
  const eve = await logIn(cluster.all[0], "eve", "d1");

  const first = await leader();
  await network.isolate(first.id);
  await alone(crowd, first);
  // Somebody's tokens are voided where that one node cannot hear of it.
  await ok(first.others[0], "DELETE", "/sessions?as=eve", { token: backendToken() });
  await network.heal();
  await crowd.progress("after the leader was cut off from both");

  const second = await leader();
  for (const other of second.otherIds) await network.cut(second.id, other);
  await alone(crowd, second);
  await network.heal();
  await crowd.progress("after the others did not hear the leader");

  const third = await leader();
  for (const other of third.otherIds) await network.cut(other, third.id);
  await alone(crowd, third);
  await network.heal();
  await crowd.progress("after the leader did not hear the others");

  const fourth = await leader();
  const [left, right] = fourth.otherIds;
  await Promise.all([network.cut(left, right), network.cut(right, left)]);
  await crowd.progress("while two followers do not reach each other");
  await network.isolate(left);
  await crowd.progress("without a follower", crowd.of(fourth.node, cluster.nodes.get(right)));
  await network.heal();
  await crowd.progress("after a follower was cut off");

  await Promise.all(cluster.all.map((node) => node.end("SIGKILL")));
  await Promise.all(cluster.all.map((node) => node.spawn()));
  await crowd.progress("after all were killed");

  for (const node of cluster.all) {
    const body = { user: "a0", cmid: Buffer.alloc(16, 7).toString("base64"), content: { text: { text: "eve 0" } } };
    const { status } = await rest(node, "POST", "/messages", { token: eve.accessToken, body });
    assert.equal(status, 401, "a token that was voided");
    const device = later(new Chatter(node, "eve", { token: eve.accessToken, device: "d1" }));
    await device.open().then(() => assert.fail("a voided token opened a socket"), () => device.ends());
    assert.equal(device.closed, 4401);
  }
  const { messages, unread } = await crowd.check();
  assert.ok(messages > 200 && unread > 6, `${messages} messages, ${unread} counts`);
});

scenario("a disk fills up: its node stops acknowledging and ends, the others go on, and with room it comes back", {}, async ({ later }) => {
  const volumes = new Map();
  const { cluster, crowd, leader } = await town(later, async (id) => {
    volumes.set(id, later(await Volume.create(256 * MB)));
    return { data: volumes.get(id).path };
  });
  const { id, node, others } = await leader();
  const ended = until("the node without room to end", () => node.child.exitCode ?? node.child.signalCode);
  await volumes.get(id).fill();
  assert.notEqual(await ended, 0);
  await crowd.progress("while one disk is full", crowd.of(...others));
  await volumes.get(id).makeSpace();
  await node.spawn();
  await crowd.progress("when there is room again");
  await Promise.all(cluster.all.map((one) => one.end("SIGTERM")));
  await Promise.all(cluster.all.map((one) => one.spawn()));
  await crowd.progress("after all were stopped and started");
  await crowd.check();
});

/** The library that shifts a program's clock; Debian's package is `libfaketime`. */
function faketime() {
  const found = readdirSync("/usr/lib").map((folder) => join("/usr/lib", folder, "faketime"));
  for (const folder of found) {
    try {
      if (readdirSync(folder).includes("libfaketimeMT.so.1")) return join(folder, "libfaketimeMT.so.1");
    } catch {
      // Not there.
    }
  }
  throw new Error("this test needs the package libfaketime");
}

scenario("the leader's clock jumps an hour and back, and time in a conversation does not", {}, async ({ later }) => {
  const dir = await mkdtemp(join(tmpdir(), "stoa-clocks-"));
  later({ close: () => rm(dir, { recursive: true }) });
  const clocks = new Map();
  const set = (id, seconds) => writeFileSync(clocks.get(id), `${seconds < 0 ? "" : "+"}${seconds}`);
  const { cluster, crowd, leader } = await town(later, async (id) => {
    const clock = join(dir, `${id}`);
    clocks.set(id, clock);
    set(id, 0);
    const env = { LD_PRELOAD: faketime(), FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1", DONT_FAKE_MONOTONIC: "1" };
    return { env };
  });
  const { id, node, others } = await leader();
  const [here] = crowd.of(node);
  const short = chatToken({ sub: here.user });
  const may = async (where) => (await rest(where, "GET", "/accounts/a0", { token: short })).status;
  for (const one of cluster.all) assert.equal(await may(one), 200);
  await enroll(node, ["keeper"]);
  const keeper = later(await Chatter.connect(others[0], "keeper", { auto: true }));
  const [brief, long] = await Promise.all([HOUR_MS / 2, 2 * HOUR_MS].map((ms) =>
    keeper.send(here.user, `for ${ms} ms`, { options: { ttlMs: `${ms}` } })));
  const stands = async ({ conversation, seq }) => {
    const { messages } = await keeper.ask({ pull: { conversation, from: seq, limit: 1 } });
    return Boolean(words(messages[0]));
  };

  set(id, HOUR_S);
  await crowd.progress("an hour ahead");
  await until("what was to stand for half an hour to be gone", async () => !(await stands(brief)));
  assert.equal(await may(node), 401, "a token of ten minutes where it is an hour later");
  assert.equal(await may(others[0]), 200);
  set(id, -HOUR_S);
  await crowd.progress("an hour behind");
  set(id, 0);
  await crowd.progress("at the right time again");
  assert.equal(await may(node), 200);
  assert.ok(await stands(long), "a message that has another hour to go");
  await crowd.check();
  // Time stood still where clocks went back.
  const times = crowd.people[0].reader.messages(CLUB).map(({ at }) => Number(at));
  assert.deepEqual(times.toSorted((a, b) => a - b), times);
  assert.ok(times.at(-1) > Date.now() + 0.9 * HOUR_MS && times[0] < Date.now());
});

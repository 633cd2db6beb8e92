// Live rooms and presence on three real processes: one node orders a room for people on all, and another goes on when it dies.

import { strict as assert } from "node:assert";
import { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { RoomServiceClient } from "livekit-server-sdk";

import { backendToken, Chatter, ChatError, enroll, ok, rest, text, words } from "../harness/chat.mjs";
import { Cluster } from "../harness/cluster.mjs";
import { KEY, SECRET } from "../harness/node.mjs";
import { scenario, stage } from "../harness/scenario.mjs";
import { joinToken } from "../harness/token.mjs";
import { until } from "../harness/wait.mjs";

const shared = stage({ node: false });
/** A node is missed after 2.5 s without a word from it, its rooms are taken over after half a second more; the rest is for a busy machine. */
const MISSED_WITHIN_MS = 15_000;

before(async () => {
  shared.cluster = await Cluster.start();
});
after(() => shared.cluster?.close());

let people = 0;

/** Somebody new on a node. */
async function somebody(later, id, options = {}) {
  const node = shared.cluster.nodes.get(id);
  const user = `live-${process.pid}-${(people += 1)}`;
  await enroll(node, [user]);
  const chatter = later(new Chatter(node, user, options));
  await chatter.open();
  return chatter;
}

/** What a person shows of a room, as docs/im.md says: a greater epoch begins anew, a smaller one is ignored. */
function shown(person, room) {
  const state = { epoch: 0n, messages: new Map(), likes: 0, audience: 0 };
  const batches = person.pushes.map(({ live }) => live).filter((live) => live?.room === room);
  for (const batch of [...(person.joined?.[room] ?? []), ...batches]) {
    const epoch = BigInt(batch.epoch);
    if (epoch < state.epoch) continue;
    if (epoch > state.epoch) {
      state.epoch = epoch;
      state.messages.clear();
    }
    for (const message of batch.messages ?? []) state.messages.set(Number(message.offset), message);
    Object.assign(state, { likes: Number(batch.likes ?? 0), audience: Number(batch.audience ?? 0) });
  }
  state.said = [...state.messages].sort(([a], [b]) => a - b).map(([offset, message]) => [offset, words(message)]);
  return state;
}

async function join(person, room) {
  const { state } = await person.ask({ liveJoin: { room } });
  ((person.joined ??= {})[room] ??= []).push(state);
  return state;
}

const say = (person, room, said, priority) => person.ask({ liveSend: { room, content: text(said), priority } });

/** Says something again and again while the answer is to wait; returns it and how long that took. */
async function insist(person, room, said) {
  const start = Date.now();
  for (;;) {
    try {
      return { ...(await say(person, room, said)), ms: Date.now() - start };
    } catch (error) {
      if (!(error instanceof ChatError) || error.retryAfterMs === undefined) throw error;
      assert.ok(["LiveUnavailable", "LiveThrottled"].includes(error.name), error.message);
      assert.ok(Date.now() - start < MISSED_WITHIN_MS, `nobody orders the room after ${Date.now() - start} ms`);
      await pause(100);
    }
  }
}

scenario("people on three nodes are told the same in one order, and too much is refused with the time to wait", shared, async ({ room, later }) => {
  const [ana, ben, cat] = [await somebody(later, 1), await somebody(later, 2, { encoding: "pb" }), await somebody(later, 3)];
  for (const one of [ana, ben, cat]) await join(one, room);
  const accepted = [];
  const refused = [];
  await Promise.all([ana, ben, cat].flatMap((who) => Array.from({ length: 14 }, async (_, n) => {
    try {
      const { offset } = await say(who, room, `${who.user} ${n}`);
      accepted.push([Number(offset), `${who.user} ${n}`]);
    } catch (error) {
      refused.push(error);
    }
  })));
  assert.ok(refused.length > 0 && accepted.length >= 20, `${accepted.length} accepted, ${refused.length} refused`);
  for (const { name, retryAfterMs } of refused) assert.ok(name === "LiveThrottled" && retryAfterMs > 0, `${name} ${retryAfterMs}`);
  accepted.sort(([a], [b]) => a - b);
  assert.deepEqual(accepted.map(([offset]) => offset), accepted.map((_, index) => index + 1), "offsets are dense");
  for (const one of [ana, ben, cat]) {
    await until(`${one.user} to be told all`, () => shown(one, room).said.length >= accepted.length);
    assert.deepEqual(shown(one, room).said, accepted);
  }
  const late = await somebody(later, 2);
  const state = await join(late, room);
  assert.deepEqual(shown(late, room).said, accepted, "who comes late is told what was said");
  assert.equal(BigInt(state.epoch), shown(ana, room).epoch);
  ben.tell({ liveLike: { room, count: 40 } });
  cat.tell({ liveLike: { room, count: 2 } });
  await until("the likes of all nodes", () => [ana, ben, cat].every((one) => shown(one, room).likes === 42 && shown(one, room).audience === 4));
  cat.cut();
  await until("one to be gone", () => shown(ana, room).audience === 3);
  assert.deepEqual([...ana.faults, ...ben.faults, ...late.faults], []);
});

/** Kills the node that orders a room; `which` of leader and others it is to be, because the leader's death costs an election as well. */
const killed = (which) => async ({ room, later }) => {
  const { cluster } = shared;
  const leader = await cluster.leader();
  const order = (id) => (id === leader) !== (which === "leader");
  const [holder, other, third] = [1, 2, 3].toSorted((a, b) => order(a) - order(b));
  const owner = await somebody(later, holder);
  await join(owner, room);
  const [ana, ben] = [await somebody(later, other), await somebody(later, third)];
  for (const one of [ana, ben]) await join(one, room);
  await say(ana, room, "one");
  await say(ben, room, "two");
  ana.tell({ liveLike: { room, count: 5 } });
  await until("what was said", () => shown(ben, room).said.length === 2 && shown(ben, room).likes === 5);
  const before = shown(ben, room).epoch;
  await ben.ask({ presenceSubscribe: { users: [owner.user] } });
  const isOwner = (status) => ({ presences }) => presences.some((one) => one.user === owner.user && (one.status ?? "STATUS_OFFLINE") === status);
  await until("the owner to be online", async () => isOwner("STATUS_ONLINE")(await ben.ask({ presenceSubscribe: { users: [owner.user] } })));

  const since = Date.now();
  await cluster.nodes.get(holder).end("SIGKILL");
  const offline = ben.push("presence", isOwner("STATUS_OFFLINE"), MISSED_WITHIN_MS).then(() => Date.now() - since);
  const { ms, epoch } = await insist(ana, room, "three");
  assert.ok(BigInt(epoch) > before, "another epoch");
  for (const one of [ana, ben]) {
    await until(`${one.user} to begin anew`, () => shown(one, room).said.length >= 3);
    const state = shown(one, room);
    assert.deepEqual(state.said.map(([, said]) => said).filter((said) => said !== "three"), ["one", "two"]);
    assert.equal(state.said.at(-1)[1], "three");
    assert.equal(state.epoch, BigInt(epoch));
    await until("the audience that is left", () => shown(one, room).audience === 2);
    assert.equal(shown(one, room).likes, 5, "likes are kept");
  }
  console.log(`killed (${which}): the room took messages again after ${ms} ms, its person was offline after ${await offline} ms`);

  await cluster.nodes.get(holder).spawn();
  const back = await somebody(later, holder);
  await join(back, room);
  assert.deepEqual(shown(back, room).said, shown(ana, room).said, "who comes in where it was is told what was said");
  await insist(back, room, "four");
  await until("the others to be told", () => [ana, ben].every((one) => shown(one, room).said.at(-1)[1] === "four"));
  assert.deepEqual([...ana.faults, ...ben.faults, ...back.faults], []);
};
scenario("a killed holder's room goes on within seconds under a new epoch, and its people are offline", shared, killed("another"));
scenario("so does the room of a killed leader", shared, killed("leader"));

scenario("a token of a call lets its person into the call's live room, and nowhere else", shared, async ({ room, later }) => {
  const node = shared.cluster.nodes.get(2);
  const guest = async (identity, grants = {}, options = {}) => {
    const token = await joinToken(room, identity, grants, options);
    const chatter = later(new Chatter(node, identity, { token }));
    await chatter.open();
    return chatter;
  };
  const ana = await guest("Ana of the call", {}, { name: "Ana" });
  assert.equal(ana.connected.user, "Ana of the call");
  await join(ana, room);
  const mute = await guest("listener", { canPublishData: false });
  await join(mute, room);
  assert.equal((await mute.refused({ liveSend: { room, content: text("may I") } })).name, "GrantMissing");
  await say(ana, room, "hello");
  await until("the listener to hear", () => shown(mute, room).said.length === 1);
  const [message] = [...shown(mute, room).messages.values()];
  assert.deepEqual([message.sender, message.name, message.guest], ["Ana of the call", "Ana", true]);
  assert.equal((await ana.refused({ liveJoin: { room: `${room}-other` } })).name, "WrongRoom");
  for (const body of [{ sync: {} }, { send: { user: "somebody", cmid: Buffer.alloc(16).toString("base64"), content: text("x") } }, { presenceSubscribe: { users: ["somebody"] } }]) {
    assert.equal((await ana.refused(body)).name, "GrantMissing");
  }
  const rooms = new RoomServiceClient(node.http, KEY, SECRET);
  await rooms.createRoom({ name: room });
  await rooms.deleteRoom(room);
  await ana.push("liveEnded", (ended) => ended.room === room);
  assert.equal((await ana.refused({ liveSend: { room, content: text("anybody there?") } })).name, "LiveNotJoined");
  assert.deepEqual([...ana.faults, ...mute.faults], []);
});

scenario("a back end says something, mutes and sends people away, and ends a room, on all nodes", shared, async ({ room, later }) => {
  const [one, two, three] = [1, 2, 3].map((id) => shared.cluster.nodes.get(id));
  const token = backendToken();
  const path = `/rooms/${room}/live`;
  const nobody = await rest(one, "PUT", `${path}/restraints`, { token, body: { who: "eve", forMs: "60000" } });
  assert.equal(nobody.status, 404);
  // Where nobody is yet; any node does.
  assert.equal((await ok(two, "POST", `${path}/messages`, { token, body: { content: text("soon") } })).offset, "1");
  const [ana, eve] = [await somebody(later, 1), await somebody(later, 3)];
  for (const who of [ana, eve]) await join(who, room);
  await ok(three, "POST", `${path}/messages`, { token, body: { content: text("now"), priority: "PRIORITY_HIGH" } });
  await until("both announcements", () => [ana, eve].every((who) => shown(who, room).said.length === 2));
  assert.ok([...shown(eve, room).messages.values()].every(({ system }) => system));
  await ok(two, "PUT", `${path}/restraints`, { token, body: { who: eve.user, forMs: "600000" } });
  await until("eve to be muted", async () => (await eve.refusedOr({ liveSend: { room, content: text("boo") } })).name === "Muted");
  await ok(two, "PUT", `${path}/restraints`, { token, body: { who: eve.user, forMs: "0" } });
  await until("eve to be heard again", async () => (await eve.refusedOr({ liveSend: { room, content: text("sorry") } })).offset !== undefined);
  await ok(one, "PUT", `${path}/restraints`, { token, body: { who: eve.user, out: true, forMs: "600000" } });
  await eve.push("liveEnded", (ended) => ended.room === room && ended.removed);
  assert.equal((await eve.refused({ liveJoin: { room } })).name, "Banned");
  await until("eve to be gone", () => shown(ana, room).audience === 1);
  const own = await rest(one, "DELETE", path, { token: ana.token });
  assert.equal(own.status, 403);
  await ok(three, "DELETE", path, { token });
  await ana.push("liveEnded", (ended) => ended.room === room && !ended.removed);
  assert.equal(shown(ana, room).said.some(([, said]) => said === "boo"), false);
  await join(ana, room);
  assert.deepEqual(shown(ana, room).said, [], "a room that begins anew is empty");
  assert.deepEqual([...ana.faults, ...eve.faults], []);
});

// Three real processes that keep chat together: whichever dies, what was acknowledged stays, once and in one order everywhere.

import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";

import { DataPacket_Kind, RoomServiceClient } from "livekit-server-sdk";

import { Cluster, stoa } from "../harness/cluster.mjs";
import { KEY, SECRET, StoaNode } from "../harness/node.mjs";
import { scenario, stage } from "../harness/scenario.mjs";
import { until } from "../harness/wait.mjs";

const shared = stage({ node: false, chromium: true });
const PASSWORD = "correct horse battery";
const CONVERSATION = "c:ada:bob";

/** Asks one node; throws for a refusal, with its code. */
async function ask(node, method, path, { token, body, signal = AbortSignal.timeout(8_000) } = {}) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(node.http + path, { method, headers, body: body && JSON.stringify(body), signal });
  const text = await answer.text();
  if (!answer.ok) throw Object.assign(new Error(`${method} ${path}: ${answer.status} ${text}`), { status: answer.status });
  return text ? JSON.parse(text) : undefined;
}

async function person(node, user) {
  await ask(node, "POST", "/v1/accounts", { body: { user, password: PASSWORD } });
  const body = { user, password: PASSWORD, device: `${user}-1`, platform: "PLATFORM_WEB" };
  return ask(node, "POST", "/v1/sessions", { body });
}

/** Sends numbered messages, each with one key until a node acknowledges it, to whichever node answers. */
function writer(cluster, token, to, name) {
  const acknowledged = [];
  let stopped = false;
  const work = (async () => {
    for (let n = 0; !stopped; n += 1) {
      const body = { user: to, cmid: randomBytes(16).toString("base64"), content: { text: { text: `${name} ${n}` } } };
      for (let tries = n; ; tries += 1) {
        const node = cluster.all[tries % cluster.all.length];
        try {
          const sent = await ask(node, "POST", "/v1/messages", { token, body });
          acknowledged.push({ seq: Number(sent.seq), text: `${name} ${n}` });
          break;
        } catch (error) {
          if (error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
        }
      }
    }
  })();
  return {
    acknowledged,
    finish: async () => {
      stopped = true;
      await work;
    },
  };
}

async function history(node, token) {
  const all = [];
  for (;;) {
    const from = all.length + 1;
    const page = await ask(node, "GET", `/v1/conversations/${CONVERSATION}/messages?from=${from}&limit=100`, { token });
    all.push(...(page.messages ?? []).map((m) => ({ seq: Number(m.seq), text: m.content.text.text })));
    if (!page.messages?.length || all.length >= Number(page.head)) return all;
  }
}

/** What must hold of what a node shows. Returns what is wrong. */
export function faults(shown, writers) {
  const wrong = [];
  shown.forEach((m, index) => m.seq === index + 1 || wrong.push(`place ${index + 1} has number ${m.seq}`));
  const texts = shown.map((m) => m.text);
  if (new Set(texts).size !== texts.length) wrong.push("a message is there twice");
  for (const { acknowledged } of writers) {
    for (const { seq, text } of acknowledged) {
      if (texts[seq - 1] !== text) wrong.push(`acknowledged as ${seq}: ${text}, shown: ${texts[seq - 1]}`);
    }
  }
  for (const name of new Set(texts.map((text) => text.split(" ")[0]))) {
    const own = texts.filter((text) => text.startsWith(`${name} `)).map((text) => Number(text.split(" ")[1]));
    own.forEach((n, index) => n === index || wrong.push(`${name}'s message ${n} is in place ${index}`));
  }
  return wrong;
}

scenario("the checker of histories finds what it is to find", {}, async () => {
  const shown = [{ seq: 1, text: "ada 0" }, { seq: 2, text: "ada 1" }];
  const said = [{ acknowledged: [{ seq: 1, text: "ada 0" }, { seq: 2, text: "ada 1" }] }];
  assert.deepEqual(faults(shown, said), []);
  assert.notDeepEqual(faults(shown.slice(0, 1), said), [], "lost");
  assert.notDeepEqual(faults([...shown, { seq: 3, text: "ada 1" }], said), [], "twice");
  assert.notDeepEqual(faults([{ seq: 1, text: "ada 1" }, { seq: 2, text: "ada 0" }], said), [], "swapped");
  assert.notDeepEqual(faults([shown[0], { seq: 3, text: "ada 1" }], said), [], "a gap");
});

scenario("nodes are killed, paused and started again while people write, and nothing acknowledged is lost", {}, async ({ later }) => {
  const cluster = later(await Cluster.start(3));
  const [one, two, three] = cluster.all;
  const ada = (await person(one, "ada")).accessToken;
  const bob = (await person(two, "bob")).accessToken;
  const writers = [writer(cluster, ada, "bob", "ada"), writer(cluster, bob, "ada", "bob")];
  const progress = (what) => {
    const before = writers.map((w) => w.acknowledged.length);
    return until(`both to write on ${what}`, () => writers.every((w, i) => w.acknowledged.length > before[i] + 5));
  };
  await progress("with three nodes");
  const others = (dead) => cluster.all.filter((node) => node !== dead);

  const first = cluster.nodes.get(await cluster.leader());
  await first.end("SIGKILL");
  await progress("without the first leader");
  await first.spawn();

  const second = cluster.nodes.get(await cluster.leader(others(first)));
  second.child.kill("SIGSTOP");
  await progress("while the second leader is paused");
  second.child.kill("SIGCONT");
  await progress("after it went on");

  const follower = cluster.all.find((node) => node !== second);
  await follower.end("SIGKILL");
  await rm(join(follower.data, "data/cluster/store"), { recursive: true });
  await progress("with two nodes");
  await follower.spawn();
  await progress("after its rows were lost");

  await Promise.all(cluster.all.map((node) => node.end("SIGKILL")));
  await Promise.all(cluster.all.map((node) => node.spawn()));
  await progress("after all were killed");
  await Promise.all(writers.map((w) => w.finish()));

  const shown = await Promise.all([one, two, three].map((node, i) => until("the node to catch up", async () => {
    const all = await history(node, i % 2 ? bob : ada);
    return all.length >= writers.reduce((sum, w) => sum + w.acknowledged.length, 0) && all;
  })));
  for (const all of shown) assert.deepEqual(faults(all, writers), []);
  assert.deepEqual(shown[1], shown[0]);
  assert.deepEqual(shown[2], shown[0]);
});

scenario("a call on one node is in the roster of every node and can be moderated from any", shared, async ({ room, later }) => {
  const cluster = later(await Cluster.start(3));
  const [one, two, three] = cluster.all;
  const ana = later(await shared.chromium.join(one, room, "ana", { publish: ["camera"] }));
  const api = (node) => new RoomServiceClient(node.http, KEY, SECRET);
  const seen = (node) => api(node).listParticipants(room);
  for (const node of [one, two, three]) {
    await until("ana and her camera in the roster", async () => (await seen(node))[0]?.tracks.length === 1);
  }
  const [{ sid, tracks: [track] }] = await seen(three);
  assert.equal((await seen(one))[0].sid, sid);
  await api(three).mutePublishedTrack(room, "ana", track.sid, true);
  await ana.event("trackMuted", (e) => e.identity === "ana");
  await api(two).updateRoomMetadata(room, "from the second node");
  await ana.event("roomMetadataChanged", (e) => e.metadata === "from the second node");
  await api(three).sendData(room, new TextEncoder().encode("hello"), DataPacket_Kind.RELIABLE, { destinationIdentities: ["ana"] });
  await ana.event("dataReceived", (e) => e.text === "hello");
  await api(two).removeParticipant(room, "ana");
  await ana.event("disconnected");
  for (const node of [one, two, three]) {
    await until("an empty roster", async () => (await seen(node)).length === 0);
  }
});

scenario("those whom a killed node carried leave every roster, and the others hear of it", shared, async ({ room, later }) => {
  const cluster = later(await Cluster.start(3));
  const [one, two, three] = cluster.all;
  const api = (node) => new RoomServiceClient(node.http, KEY, SECRET);
  const dead = cluster.nodes.get(await cluster.leader());
  const [alive, other] = [one, two, three].filter((node) => node !== dead);
  const ana = later(await shared.chromium.join(alive, room, "ana"));
  later(await shared.chromium.join(dead, room, "bob"));
  await ana.event("participantConnected", (e) => e.identity === "bob");
  await dead.end("SIGKILL");
  await ana.event("participantDisconnected", (e) => e.identity === "bob");
  assert.deepEqual((await api(other).listParticipants(room)).map((p) => p.identity), ["ana"]);
});

scenario("a node that reaches no leader is alive but not ready", {}, async ({ later }) => {
  const cluster = later(await Cluster.start(3));
  const [one, ...others] = cluster.all;
  const status = async (path) => (await fetch(one.http + path)).status;
  await until("the node to be ready", async () => (await status("/readyz")) === 200);
  await Promise.all(others.map((node) => node.end("SIGKILL")));
  await until("the node not to be ready", async () => (await status("/readyz")) === 503);
  assert.equal(await status("/healthz"), 200);
  await Promise.all(others.map((node) => node.spawn()));
  await until("the node to be ready again", async () => (await status("/readyz")) === 200);
});

scenario("a leader that is told to stop hands over first, a node is taken out, and a new one takes its place", {}, async ({ later }) => {
  const cluster = later(await Cluster.start(3));
  const ada = (await person(cluster.nodes.get(1), "ada")).accessToken;
  await person(cluster.nodes.get(1), "bob");
  const send = (node, text) =>
    ask(node, "POST", "/v1/messages", {
      token: ada, body: { user: "bob", cmid: randomBytes(16).toString("base64"), content: { text: { text } } },
    });
  await send(cluster.nodes.get(1), "ada 0");
  const leader = await cluster.leader();
  const leaving = cluster.nodes.get(leader);
  assert.equal(await leaving.end("SIGTERM"), 0);
  const left = cluster.all.filter((node) => node !== leaving);
  assert.notEqual(await cluster.leader(left), leader);
  await stoa("cluster", "remove", "--url", left[0].http, "--node", `${leader}`);
  const status = await cluster.status(left[1]);
  assert.ok(!new RegExp(`^ +${leader} `, "m").test(status), status);
  await send(left[0], "ada 1");
  const shown = await until("the other to have both", async () => {
    const all = await history(left[1], ada);
    return all.length === 2 && all;
  });
  assert.deepEqual(shown.map((m) => m.text), ["ada 0", "ada 1"]);
});

scenario("a backup of a running node becomes a node of its own with everything in it", {}, async ({ later }) => {
  const node = await StoaNode.start();
  later({ close: () => node.stop() });
  const ada = await person(node, "ada");
  await person(node, "bob");
  const body = { user: "bob", cmid: randomBytes(16).toString("base64"), content: { text: { text: "ada 0" } } };
  await ask(node, "POST", "/v1/messages", { token: ada.accessToken, body });
  const file = join(node.data, "backup.stoa");
  await stoa("backup", "--dev", "--url", node.http, file);
  await ask(node, "POST", "/v1/messages", { token: ada.accessToken, body: { ...body, cmid: randomBytes(16).toString("base64") } });
  await stoa("restore", "--dev", file, "--data", join(node.data, "restored"));
  await node.end("SIGTERM");
  node.args[node.args.indexOf("--data") + 1] = join(node.data, "restored");
  await node.spawn();
  const login = { user: "ada", password: PASSWORD, device: "ada-2", platform: "PLATFORM_WEB" };
  const again = await ask(node, "POST", "/v1/sessions", { body: login });
  assert.deepEqual(await history(node, again.accessToken), [{ seq: 1, text: "ada 0" }]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { jitter } from "../src/host";
import { Link, type LinkState } from "../src/link";
import type { Push } from "../src/wire";
import { FakeHost, settle } from "./fake";

async function linked() {
  const host = new FakeHost();
  const pushes: Push[] = [];
  const states: LinkState[] = [];
  const asked: boolean[] = [];
  const tokens = async (fresh: boolean) => {
    asked.push(fresh);
    return { token: fresh ? "fresh" : "token", device: "d1" };
  };
  const link = new Link(host, "ws://x", tokens, { state: (s) => states.push(s), connected: () => {}, push: (p) => pushes.push(p) });
  link.start();
  await host.pass(0);
  return { host, link, pushes, states, asked };
}

test("a pause is random and its bound doubles up to half a minute", () => {
  assert.equal(jitter(0, 0.5), 250);
  assert.equal(jitter(3, 1), 4_000);
  assert.equal(jitter(40, 1), 30_000);
  assert.equal(jitter(40, 0), 0);
});

test("requests asked for before there is a connection go out after connect, in order", async () => {
  const { host, link } = await linked();
  const answer = link.ask({ accountGet: {} });
  void link.ask({ unreadGet: {} });
  host.socketNow.enter();
  assert.deepEqual(host.socketNow.heard.map((frame) => Object.keys(frame)[1]), ["connect", "accountGet", "unreadGet"]);
  host.socketNow.answer("accountGet", { account: { user: "ada" } });
  assert.deepEqual(await answer, { user: "ada" });
});

test("after a break the session is resumed from the last push, and what was not answered is asked again", async () => {
  const { host, link, pushes } = await linked();
  host.socketNow.enter();
  const sent = link.ask({ send: { user: "bob", cmid: "one" } }, true);
  host.socketNow.tell({ batch: { frames: [{ push: "1", hint: { conversation: "a" } }, { push: "2", hint: { conversation: "b" } }] } });
  host.socketNow.drop();
  await host.pass(10_000);
  const again = host.socketNow;
  again.onopen?.();
  assert.deepEqual(again.last("connect")["connect"].resume, { session: "s1", push: "2" });
  again.answer("connect", { connected: { session: "s1", user: "ada", resumed: true } });
  assert.equal(again.last("send")["send"].cmid, "one");
  again.answer("send", { sent: { seq: "7" } });
  assert.deepEqual(await sent, { seq: "7" });
  assert.equal(pushes.length, 2);
});

test("a message is repeated for as long as its fate is unknown; another request fails", async () => {
  const { host, link } = await linked();
  host.socketNow.enter();
  const sent = link.ask({ send: { cmid: "one" } }, true);
  for (let turn = 1; turn <= 8; turn += 1) {
    host.socketNow.answer("send", { error: { code: 1, unknown: true } });
    await host.pass(1_000);
    assert.equal(host.socketNow.got("send").length, turn + 1);
  }
  host.socketNow.answer("send", { sent: { seq: "1", duplicate: true } });
  assert.deepEqual(await sent, { seq: "1", duplicate: true });
  const refused = link.ask({ groupGet: { group: "x" } });
  host.socketNow.answer("groupGet", { error: { code: 9, name: "Gone", message: "no such group" } });
  await assert.rejects(refused, { message: "no such group", code: 9 });
});

test("a request that is refused for a while is repeated after it", async () => {
  const { host, link } = await linked();
  host.socketNow.enter();
  const answer = link.ask({ pull: {} });
  host.socketNow.answer("pull", { error: { code: 2, retryAfterMs: 3_000 } });
  await host.pass(2_900);
  assert.equal(host.socketNow.got("pull").length, 1);
  await host.pass(500);
  assert.equal(host.socketNow.got("pull").length, 2);
  host.socketNow.answer("pull", { messages: {} });
  await answer;
});

test("pushes are acknowledged after fifty, or two seconds", async () => {
  const { host } = await linked();
  host.socketNow.enter();
  for (let push = 1; push <= 51; push += 1) host.socketNow.tell({ push: String(push), hint: { conversation: "a" } });
  assert.deepEqual(host.socketNow.got("ack").map((frame) => frame["ack"].push), ["50"]);
  await host.pass(2_000);
  assert.deepEqual(host.socketNow.got("ack").map((frame) => frame["ack"].push), ["50", "51"]);
});

test("a line that does not answer a ping is given up", async () => {
  const { host } = await linked();
  host.socketNow.enter();
  await host.pass(25_000);
  assert.equal(host.socketNow.got("ping").length, 1);
  await host.pass(11_000);
  assert.ok(host.sockets[0]?.closed);
  assert.equal(host.sockets.length, 2);
});

test("a refused token is changed before coming back", async () => {
  const { host, asked } = await linked();
  host.socketNow.enter();
  host.socketNow.drop(4401);
  await host.pass(1_000);
  assert.deepEqual(asked, [false, true]);
  host.socketNow.onopen?.();
  assert.equal(host.socketNow.last("connect")["connect"].token, "fresh");
});

test("who was replaced by another window does not come back, and what it asked fails", async () => {
  const { host, link, states } = await linked();
  host.socketNow.enter();
  const request = link.ask({ unreadGet: {} });
  host.socketNow.drop(4409);
  await assert.rejects(request);
  await host.pass(60_000);
  assert.equal(host.sockets.length, 1);
  assert.deepEqual(states.at(-1), { kind: "ended", reason: "replaced" });
});

test("requests in flight are as many as the server allows", async () => {
  const { host, link } = await linked();
  host.socketNow.enter(false, { limits: { requestsInFlight: 2 } });
  for (let n = 0; n < 5; n += 1) void link.ask({ pull: { n } });
  assert.equal(host.socketNow.got("pull").length, 2);
  host.socketNow.answer("pull", { messages: {} });
  await settle();
  assert.equal(host.socketNow.got("pull").length, 3);
});

test("what waits is bounded", async () => {
  const { link } = await linked();
  const all = Array.from({ length: 513 }, () => link.ask({ pull: {} }).catch((error: Error) => error.message));
  assert.equal(await all[512], "Too much waits to be sent.");
});

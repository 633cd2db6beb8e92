import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../src/client";
import { FakeHost } from "./fake";

const ROOM = "c:ada:bob";

async function synced(more: Record<string, unknown> = {}) {
  const host = new FakeHost();
  const client = new Client({ host, url: "ws://x", user: "ada", tokens: async () => ({ token: "t", device: "d" }) });
  client.start();
  await host.pass(0);
  const socket = host.socketNow;
  socket.enter();
  const conversation = { id: ROOM, head: "3", first: "1", read: "2", unread: "1", listed: true, ...more };
  const changes = [{ entity: "ENTITY_FRIEND", id: "bob", friend: { user: "bob" } }];
  socket.answer("sync", { synced: { userSeq: "4", heads: "h1", conversations: [conversation], changes } });
  await host.pass(0);
  return { host, client, socket };
}

test("names are asked for together, once, and a remark of one's own goes before", async () => {
  const { client, socket, host } = await synced();
  assert.deepEqual(["bob", "cleo", "bob"].map((user) => client.name(user)), ["bob", "cleo", "bob"]);
  await host.pass(50);
  assert.deepEqual(socket.last("profileGet")["profileGet"], { users: ["bob", "cleo"] });
  socket.answer("profileGet", { profiles: { profiles: [{ user: "bob", name: "Robert" }] } });
  await host.pass(1_000);
  assert.deepEqual(["bob", "cleo"].map((user) => client.name(user)), ["Robert", "cleo"]);
  assert.equal(socket.got("profileGet").length, 1);
  const remarked = client.roster.remark("bob", "Bobby");
  socket.answer("friendUpdate", { done: {} });
  await remarked;
  assert.equal(client.name("bob"), "Bobby");
});

test("a name that is old is asked for again, and shown meanwhile", async () => {
  const { client, socket, host } = await synced();
  client.name("bob");
  await host.pass(50);
  socket.answer("profileGet", { profiles: { profiles: [{ user: "bob", name: "Robert" }] } });
  for (let passed = 0; passed < 400_000; passed += 20_000) {
    await host.pass(20_000);
    socket.tell({ presence: {} });
  }
  assert.equal(client.name("bob"), "Robert");
  await host.pass(50);
  assert.equal(socket.got("profileGet").length, 2);
});

test("a new name of one's own comes from other devices too", async () => {
  const { client, socket, host } = await synced();
  socket.tell({ push: "1", changed: { userSeq: "5" } });
  await host.pass(1_000);
  socket.answer("sync", { synced: { userSeq: "5", heads: "h1", changes: [{ entity: "ENTITY_PROFILE", id: "ada", profile: { user: "ada", name: "Ada L." } }] } });
  await host.pass(0);
  assert.equal(client.name("ada"), "Ada L.");
});

test("who is blocked is known, here and from other devices", async () => {
  const { client, socket, host } = await synced();
  const blocking = client.roster.block("bob", true);
  assert.deepEqual(socket.last("block")["block"], { user: "bob", unblock: false });
  socket.answer("block", { done: {} });
  await blocking;
  assert.ok(client.roster.blocked.has("bob"));
  socket.tell({ push: "1", changed: {} });
  await host.pass(1_000);
  socket.answer("sync", { synced: { userSeq: "9", heads: "h1", changes: [{ entity: "ENTITY_BLOCK", id: "bob", gone: true }] } });
  await host.pass(0);
  assert.equal(client.roster.blocked.size, 0);
});

test("what is muted counts in no badge", async () => {
  const { client, socket } = await synced();
  assert.equal(client.unread(), 1);
  const muting = client.settings.mute(ROOM, true);
  assert.equal(socket.last("conversationSet")["conversationSet"].mutedUntil, "18446744073709551615");
  socket.answer("conversationSet", { done: {} });
  await muting;
  assert.equal(client.unread(), 0);
  assert.ok(client.muted(ROOM));
});

test("a draft is told now and then, and comes from other devices", async () => {
  const { client, socket, host } = await synced({ draft: "half a" });
  assert.equal(client.conversation(ROOM).draft, "half a");
  for (const text of ["half a t", "half a thou", "half a thought"]) client.settings.draft(ROOM, text);
  socket.answer("conversationSet", { done: {} });
  socket.tell({ push: "1", changed: { userSeq: "5" } });
  await host.pass(1_000);
  const told = { id: ROOM, head: "3", first: "1", read: "2", listed: true, draft: "half a t" };
  socket.answer("sync", { synced: { userSeq: "5", heads: "h1", changes: [{ entity: "ENTITY_CONVERSATION", id: ROOM, conversation: told }] } });
  await host.pass(1_000);
  assert.equal(client.conversation(ROOM).draft, "half a thought", "what is written here is newer");
  assert.deepEqual(socket.got("conversationSet").map((frame) => frame["conversationSet"].draft), ["half a t", "half a thought"]);
  client.settings.draft(ROOM, "");
  client.settings.draft(ROOM, "another");
  client.settings.flush();
  assert.equal(socket.last("conversationSet")["conversationSet"].draft, "another");
  await host.pass(2_000);
  assert.equal(socket.got("conversationSet").length, 3, "what was told is not told again");
});

test("a conversation says that somebody means the user until it was read", async () => {
  const { client, socket } = await synced();
  socket.tell({ push: "1", message: { conversation: ROOM, message: { seq: "4", sender: "bob", content: { text: { text: "@ada" } }, options: { mentions: ["ada"] } } } });
  assert.ok(client.conversation(ROOM).mentioned);
  client.read(ROOM);
  assert.ok(!client.conversation(ROOM).mentioned);
});

test("groups with unread messages are asked whether the user is meant", async () => {
  const { client, socket, host } = await synced({ id: "g:walk" });
  socket.answer("mentionsGet", { sequences: { seqs: ["3"] } });
  await host.pass(0);
  assert.ok(client.conversation("g:walk").mentioned);
});

test("how the user wishes to be seen holds in the next session", async () => {
  const { client, socket, host } = await synced();
  const setting = client.status("STATUS_BUSY", "in the hills");
  socket.answer("presenceSet", { done: {} });
  await setting;
  socket.drop();
  await host.pass(60_000);
  const next = host.socketNow;
  next.enter();
  assert.deepEqual(next.last("presenceSet")["presenceSet"], { status: "STATUS_BUSY", text: "in the hills" });
});

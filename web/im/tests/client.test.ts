import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../src/client";
import { words } from "../src/kept/log";
import { FakeHost } from "./fake";

const ROOM = "c:ada:bob";
const says = (seq: number, text = `m${seq}`, more = {}) => ({ seq: String(seq), at: String(1_000 + seq), sender: "bob", content: { text: { text } }, ...more });
const pushed = (seq: number, more = {}) => ({ push: String(seq), message: { conversation: ROOM, message: says(seq, undefined, more) } });

/** A client that has synced: one conversation with `head` messages of which `unread` are new. */
async function synced({ head = 2, unread = 1 } = {}) {
  const host = new FakeHost();
  const client = new Client({ host, url: "ws://x", user: "ada", tokens: async () => ({ token: "t", device: "d" }) });
  client.start();
  await host.pass(0);
  const socket = host.socketNow;
  socket.enter();
  const conversation = { id: ROOM, head: String(head), first: "1", read: String(head - unread), unread: String(unread), listed: true, last: says(head) };
  socket.answer("sync", { synced: { userSeq: "4", heads: "h1", conversations: head > 0 ? [conversation] : [], changes: [{ entity: "ENTITY_FRIEND", id: "bob", friend: { user: "bob" } }] } });
  await host.pass(0);
  return { host, client, socket };
}

/** The same with the conversation open and all its messages here. */
async function entered(head = 2) {
  const all = await synced({ head });
  const entering = all.client.enter(ROOM);
  await all.host.pass(0);
  const messages = Array.from({ length: head }, (_, index) => says(head - index));
  all.socket.answer("pull", { messages: { messages, first: "1", head: String(head), revision: "0" } });
  await all.host.pass(0);
  all.socket.answer("cursorsGet", { cursors: { cursors: [{ user: "bob", read: "1", delivered: "2" }] } });
  await entering;
  return all;
}

const texts = (client: Client) => client.conversation(ROOM).log?.messages.map(words);

test("the first sync brings the list, the unread and the friends", async () => {
  const { client, socket } = await synced();
  assert.equal(client.list()[0]?.peer, "bob");
  assert.equal(client.unread(), 1);
  assert.ok(client.roster.friends.has("bob"));
  assert.deepEqual(socket.last("presenceSubscribe")["presenceSubscribe"].users, ["bob"]);
});

test("an open conversation follows what is pushed, and reading it clears the count", async () => {
  const { client, socket, host } = await entered();
  assert.deepEqual(texts(client), ["m1", "m2"]);
  socket.tell(pushed(3));
  assert.deepEqual(texts(client), ["m1", "m2", "m3"]);
  assert.equal(client.unread(), 2);
  client.read(ROOM);
  assert.equal(client.unread(), 0);
  await host.pass(0);
  assert.equal(socket.last("read")["read"].seq, "3");
  assert.equal(socket.last("delivered")["delivered"].conversation, ROOM);
});

test("a gap is pulled after 300 ms, and not at all when it closes by itself", async () => {
  const { client, socket, host } = await entered();
  const before = socket.got("pull").length;
  socket.tell(pushed(4));
  socket.tell(pushed(3));
  await host.pass(400);
  assert.equal(socket.got("pull").length, before);
  socket.tell(pushed(6));
  await host.pass(299);
  assert.equal(socket.got("pull").length, before);
  await host.pass(2);
  assert.equal(socket.last("pull")["pull"].from, "5");
  socket.answer("pull", { messages: { messages: [says(5), says(6)], first: "1", head: "6" } });
  await host.pass(0);
  assert.deepEqual(texts(client), ["m1", "m2", "m3", "m4", "m5", "m6"]);
});

test("a message of one's own shows at once, once, and says why it was refused", async () => {
  const { client, socket, host } = await entered();
  void client.send(ROOM, { text: { text: "hi" } });
  assert.equal(client.conversation(ROOM).outgoing.length, 1);
  const { send } = socket.last("send") as any;
  socket.tell({ push: "1", message: { conversation: ROOM, message: { ...says(3, "hi"), sender: "ada", cmid: send.cmid } } });
  assert.equal(client.conversation(ROOM).outgoing.length, 0);
  socket.answer("send", { sent: { conversation: ROOM, seq: "3", at: "5" } });
  await host.pass(0);
  assert.deepEqual(texts(client), ["m1", "m2", "hi"]);
  void client.send(ROOM, { text: { text: "no" } });
  socket.answer("send", { error: { code: 3, message: "bob has blocked you" } });
  await host.pass(0);
  const [refused] = client.conversation(ROOM).outgoing;
  assert.equal(refused?.failure, "bob has blocked you");
  void client.resend(ROOM, refused?.cmid ?? "");
  assert.equal(socket.last("send")["send"].cmid, refused?.cmid);
});

test("after a session that could not be resumed, sync goes on from where it was and gaps are pulled", async () => {
  const { client, socket, host } = await entered();
  socket.drop();
  await host.pass(5_000);
  const again = host.socketNow;
  again.enter(false);
  assert.deepEqual(again.last("sync")["sync"], { userSeq: "4", heads: "h1", limit: 100 });
  again.answer("sync", { synced: { userSeq: "4", heads: "h2", conversations: [{ id: ROOM, head: "3", first: "1", revision: "1", listed: true, unread: "2" }] } });
  await host.pass(0);
  assert.equal(again.last("pull")["pull"].from, "3");
  again.answer("pull", { messages: { messages: [says(3)], first: "1", head: "3" } });
  await host.pass(0);
  assert.equal(again.last("revisionsGet")["revisionsGet"].after, "0");
  again.answer("revisionsGet", { revisions: { messages: [says(1, "edited", { revision: "1", edits: 1 })], revision: "1" } });
  await host.pass(0);
  assert.deepEqual(texts(client), ["edited", "m2", "m3"]);
});

test("changes are synced at most once a second", async () => {
  const { socket, host } = await synced();
  const before = socket.got("sync").length;
  for (let n = 5; n < 15; n += 1) socket.tell({ push: String(n), changed: { userSeq: String(n), entity: "ENTITY_FRIEND", id: "x" } });
  assert.equal(socket.got("sync").length, before + 1);
  socket.answer("sync", { synced: { userSeq: "14", heads: "h1" } });
  await host.pass(1_000);
  assert.equal(socket.got("sync").length, before + 2);
  socket.answer("sync", { synced: { userSeq: "14", heads: "h1" } });
  socket.tell({ push: "16", changed: { userSeq: "14" } });
  await host.pass(2_000);
  assert.equal(socket.got("sync").length, before + 2);
});

test("typing is told every four seconds and forgotten after five", async () => {
  const { client, socket, host } = await entered();
  client.typing(ROOM, true);
  client.typing(ROOM, true);
  assert.equal(socket.got("typing").length, 1);
  await host.pass(4_000);
  client.typing(ROOM, true);
  assert.equal(socket.got("typing").length, 2);
  socket.tell({ typing: { conversation: ROOM, user: "bob", typing: true } });
  assert.deepEqual(client.writing(ROOM), ["bob"]);
  await host.pass(5_000);
  assert.deepEqual(client.writing(ROOM), []);
});

test("receipts move the ticks of one's own messages", async () => {
  const { client, socket } = await entered();
  assert.deepEqual(client.conversation(ROOM).receipts(2), { read: 0, delivered: 1 });
  socket.tell({ push: "1", receipt: { conversation: ROOM, user: "bob", read: "2", delivered: "2" } });
  assert.deepEqual(client.conversation(ROOM).receipts(2), { read: 1, delivered: 1 });
});

test("who missed very much begins with the newest page", async () => {
  const { client, socket, host } = await entered();
  socket.tell({ push: "1", hint: { conversation: ROOM, head: "9000" } });
  socket.answer("conversationGet", { conversation: { id: ROOM, head: "9000", first: "1", listed: true, unread: "8998" } });
  await host.pass(400);
  assert.deepEqual(socket.last("pull")["pull"], { conversation: ROOM, from: "0", down: true, limit: 50 });
  socket.answer("pull", { messages: { messages: [says(9_000), says(8_999)], first: "1", head: "9000", next: "8998" } });
  await host.pass(0);
  assert.deepEqual(texts(client), ["m8999", "m9000"]);
  const older = client.older(ROOM);
  assert.equal(socket.last("pull")["pull"].from, "8998");
  socket.answer("pull", { messages: { messages: [says(8_998)], first: "8998", head: "9000" } });
  assert.equal(await older, false);
});

test("after a reset all lists are fetched anew, and sync goes on from there", async () => {
  const { client, socket, host } = await synced();
  socket.tell({ push: "1", changed: {} });
  socket.answer("sync", { synced: { reset: true, userSeq: "90", heads: "h9" } });
  await host.pass(0);
  socket.answer("conversationList", { conversations: { conversations: [{ id: "g:walk", head: "1", listed: true }] } });
  for (const list of ["friendList", "friendRequestList", "friendRequestList"]) {
    await host.pass(0);
    socket.answer(list, list === "friendList" ? { friends: { friends: [{ user: "cleo" }] } } : { friendRequests: {} });
  }
  await host.pass(0);
  socket.answer("blockList", { users: { users: ["dan"] } });
  await host.pass(0);
  assert.deepEqual([...client.roster.blocked.keys()], ["dan"]);
  assert.deepEqual(client.list().map(({ id }) => id), ["g:walk"]);
  assert.deepEqual([...client.roster.friends.keys()], ["cleo"]);
  socket.tell({ push: "2", changed: {} });
  await host.pass(1_000);
  assert.deepEqual(socket.last("sync")["sync"], { userSeq: "90", heads: "h9", limit: 100 });
});

test("a sync that was refused is asked for again", async () => {
  const { socket, host } = await synced();
  const before = socket.got("sync").length;
  socket.tell({ push: "1", changed: {} });
  socket.answer("sync", { error: { code: 9, message: "not now" } });
  await host.pass(3_000);
  assert.equal(socket.got("sync").length, before + 2);
});

test("few conversations keep their messages", async () => {
  const { client } = await synced({ head: 0 });
  for (let n = 0; n < 30; n += 1) {
    await client.enter(`c:ada:user${n}`);
    client.leave(`c:ada:user${n}`);
  }
  assert.equal([...client.conversations.values()].filter(({ log }) => log !== undefined).length, 12);
});

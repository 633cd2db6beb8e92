import assert from "node:assert/strict";
import { test } from "node:test";
import { newCmid, peerOf, privateConversation } from "../src/ids";
import { Log, readMessage } from "../src/kept/log";

const message = (seq: number, revision = 0) => readMessage({ seq, revision, sender: "bob", content: { text: { text: `m${seq}` } } });
const seqs = (log: Log) => log.messages.map(({ seq }) => seq);

test("messages that come out of order are shown in order, once", () => {
  const log = new Log();
  assert.equal(log.offer(message(1)), "added");
  assert.equal(log.offer(message(3)), "ahead");
  assert.equal(log.offer(message(4)), "ahead");
  assert.equal(log.offer(message(1)), "known");
  assert.deepEqual(seqs(log), [1]);
  assert.equal(log.offer(message(2)), "added");
  assert.deepEqual(seqs(log), [1, 2, 3, 4]);
});

test("a page accounts for sequences that the user may not see", () => {
  const log = new Log(10);
  log.prepend([message(10), message(8)], 7);
  log.offer(message(14));
  log.extend([message(11)], 13);
  assert.deepEqual(seqs(log), [8, 10, 11, 14]);
  assert.deepEqual([log.low, log.high], [7, 14]);
});

test("only a newer form of a message takes its place", () => {
  const log = new Log();
  log.offer(message(1, 5));
  assert.equal(log.change(message(1, 4)), false);
  assert.equal(log.change(message(1, 6)), true);
  assert.equal(log.change(message(2, 7)), false);
  assert.equal(log.revision, 7);
});

test("a log stays as short as it is told to", () => {
  const log = new Log();
  for (let seq = 1; seq <= 20; seq += 1) log.offer(message(seq));
  log.shorten(5);
  assert.deepEqual([log.low, log.high, log.messages.length], [16, 20, 5]);
  log.trim(18);
  assert.deepEqual(seqs(log), [18, 19, 20]);
});

test("what comes ahead of a gap is bounded", () => {
  const log = new Log();
  for (let seq = 2; seq < 1_000; seq += 1) log.offer(message(seq));
  assert.equal(log.reached, 257);
});

test("a private conversation is named by both in ascending order", () => {
  assert.equal(privateConversation("bob", "ada"), "c:ada:bob");
  assert.equal(peerOf("c:ada:bob", "ada"), "bob");
  assert.equal(peerOf("g:team", "ada"), undefined);
});

test("names of messages are UUIDs of version 7 and differ", () => {
  const bytes = Uint8Array.from(atob(newCmid(1_800_000_000_000)), (c) => c.charCodeAt(0));
  assert.equal(bytes.length, 16);
  assert.equal((bytes[6] ?? 0) >> 4, 7);
  assert.equal((bytes[8] ?? 0) >> 6, 2);
  assert.notEqual(newCmid(5), newCmid(5));
});

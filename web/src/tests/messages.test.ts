import assert from "node:assert/strict";
import { test } from "node:test";
import { readMessage, type Conversation } from "@stoa/im";
import { day, preview, statusText, tipText, title, together, when, writingText } from "../messages/format";

const said = (sender: string, text: string) => readMessage({ seq: 1, sender, content: { text: { text } } });

test("the list shows one line of the last message, and whose it is where that is not plain", () => {
  assert.equal(preview(said("bob", "one\n two"), "ada", false), "one two");
  assert.equal(preview(said("bob", "hi"), "ada", true), "bob: hi");
  assert.equal(preview(said("ada", "hi"), "ada", true), "You: hi");
  assert.equal(preview(readMessage({ seq: 1, sender: "bob", gone: { how: "GONE_HOW_RECALLED" } }), "ada", false), "Message withdrawn");
  assert.equal(preview(undefined, "ada", false), "");
});

test("what happened in a group is told in words", () => {
  assert.equal(tipText({ kind: "created", by: "ada" }, "ada"), "You made the group");
  assert.equal(tipText({ kind: "joined", by: "ada", users: ["bob", "cleo"], count: 5 }, "bob"), "Ada brought in you, cleo, 3 more");
  assert.equal(tipText({ kind: "joined", by: "bob", users: ["bob"] }, "ada"), "Bob came in");
  assert.equal(tipText({ kind: "renamed", value: "Hills" }, "ada"), "The service named the group “Hills”");
});

test("a conversation is called after the other one, or the group", () => {
  const one = (peer?: string, group?: string) => ({ peer, group }) as Conversation;
  assert.equal(title(one("bob"), undefined), "bob");
  assert.equal(title(one(undefined, "g1"), "Walkers"), "Walkers");
  assert.equal(title(one(undefined, "g1"), ""), "Group g1");
});

test("days have names when they are near", () => {
  const now = new Date(2026, 4, 10, 9).getTime();
  assert.equal(day(new Date(2026, 4, 10, 1).getTime(), now), "Today");
  assert.equal(day(new Date(2026, 4, 9, 23).getTime(), now), "Yesterday");
  assert.match(day(new Date(2024, 4, 9).getTime(), now), /2024/);
  assert.equal(when(0, now), "");
});

test("messages of one person within five minutes stand together", () => {
  assert.ok(together({ sender: "bob", at: 0 }, { sender: "bob", at: 299_999 }));
  assert.ok(!together({ sender: "bob", at: 0 }, { sender: "bob", at: 300_000 }));
  assert.ok(!together({ sender: "ada", at: 0 }, { sender: "bob", at: 1 }));
  assert.ok(!together(undefined, { sender: "bob", at: 1 }));
});

test("who writes and how they are is said in words", () => {
  assert.equal(writingText([], false), "");
  assert.equal(writingText(["bob"], false), "writing…");
  assert.equal(writingText(["bob"], true), "bob is writing…");
  assert.equal(writingText(["bob", "cleo"], true), "2 are writing…");
  assert.equal(statusText("STATUS_INVISIBLE"), "offline");
});

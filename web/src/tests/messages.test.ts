import assert from "node:assert/strict";
import { test } from "node:test";
import { readMessage, type Conversation } from "@stoa/im";
import { contentAt } from "../messages/write/attach";
import { day, preview, statusLine, statusText, tipText, title, together, when, writingText } from "../messages/format";
import { isOwn } from "../messages/media";
import { mentionAt, mentionsIn } from "../messages/write/mention";

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

test("people go by their names where these are known", () => {
  const called = (user: string) => (user === "bob" ? "Robert" : user);
  assert.equal(preview(said("bob", "hi"), "ada", true, called), "Robert: hi");
  assert.equal(tipText({ kind: "joined", by: "ada", users: ["bob"] }, "ada", called), "You brought in Robert");
  assert.equal(title({ peer: "bob" } as Conversation, undefined, called), "Robert");
  assert.equal(writingText(["bob"], true, called), "Robert is writing…");
  assert.equal(statusLine("STATUS_BUSY", "in the hills"), "busy · in the hills");
  assert.equal(statusLine("STATUS_OFFLINE", "in the hills"), "offline");
});

test("an @ is looked for where one is being written", () => {
  assert.equal(mentionAt("hello @bo", 9), "bo");
  assert.equal(mentionAt("@", 1), "");
  assert.equal(mentionAt("hello @bob and", 14), undefined);
  assert.equal(mentionAt("mail bob@example", 16), undefined);
});

test("members are meant by name, everybody by all, and nobody by an address", () => {
  const members = ["ada", "bob.b", "cleo"];
  assert.deepEqual(mentionsIn("@ada and (@cleo), @bob.b. and @dan", members), { mentions: ["ada", "cleo", "bob.b"] });
  assert.deepEqual(mentionsIn("@all", members), { mentionAll: true });
  assert.deepEqual(mentionsIn("mail ada@ada", members), {});
  assert.deepEqual(mentionsIn("@all @ada", []), {});
});

test("an address becomes what its ending says, and two numbers a place", () => {
  assert.deepEqual(contentAt("https://example.org/a/cat%20one.PNG?x"), { image: { file: { url: "https://example.org/a/cat%20one.PNG?x", name: "cat one.PNG" } } });
  assert.deepEqual(contentAt("https://example.org/"), { file: { file: { url: "https://example.org/", name: "example.org" } } });
  assert.ok(contentAt("http://example.org/a.mp4")?.video);
  assert.deepEqual(contentAt("48.2082, -16.5"), { location: { latitudeE6: 48_208_200, longitudeE6: -16_500_000 } });
  for (const wrong of ["91, 0", "javascript:alert(1)", "cat.png", "https://"]) assert.equal(contentAt(wrong), undefined, wrong);
});

test("only pictures of the message itself and of this node are shown at once", () => {
  assert.ok(isOwn("data:image/jpeg;base64,AAAA", "https://chat.example"));
  assert.ok(isOwn("https://chat.example/files/1", "https://chat.example"));
  for (const other of ["https://elsewhere.example/1.png", "data:image/svg+xml;base64,AAAA", "data:text/html;base64,AAAA", "javascript:1"]) assert.ok(!isOwn(other, "https://chat.example"), other);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { hue, initials } from "../call/model";
import { badge, continues, splitLinks, tidyMessage, type Message } from "../chat/message";
import { groupDevices } from "../core/devices";
import { inviteLink, parseOptions, tidyName } from "../core/options";
import { retryDelay } from "../core/retry";
import { tokenRoom } from "../core/token";
import { meterLevel } from "../join/meter";

test("the address says room, name, joining, and how many connections to use", () => {
  const options = parseOptions("?room=blue%20hall&name=Ana&join=1&single=0&mic=0");
  assert.deepEqual(options, { room: "blue hall", name: "Ana", join: true, single: false, camera: true, microphone: false });
});

test("an empty address asks for nothing", () => {
  assert.deepEqual(parseOptions(""), { room: undefined, name: undefined, join: false, single: undefined, camera: true, microphone: true });
});

test("a name is cut at the server's limit without breaking a character", () => {
  const cut = tidyName(`  ${"é".repeat(200)} `);
  assert.equal(new TextEncoder().encode(cut).length, 256);
  assert.equal(tidyName(" a \n b "), "a b");
});

test("an invite link brings the room back", () => {
  const link = inviteLink("https://example.org", "a&b ü/?");
  assert.equal(parseOptions(new URL(link).search).room, "a&b ü/?");
});

test("links become links, and nothing else does", () => {
  assert.deepEqual(splitLinks("see https://example.org/a?b=1, ok"), [
    { text: "see ", href: undefined },
    { text: "https://example.org/a?b=1", href: "https://example.org/a?b=1" },
    { text: ", ok", href: undefined },
  ]);
  assert.deepEqual(splitLinks("javascript:alert(1) <b>"), [{ text: "javascript:alert(1) <b>", href: undefined }]);
  assert.deepEqual(splitLinks(""), []);
});

test("a message is trimmed and bounded; empty is none", () => {
  assert.equal(tidyMessage("  \n "), undefined);
  assert.equal(tidyMessage(` ${"x".repeat(5000)}`)?.length, 2000);
});

test("messages of one person in a row share a heading", () => {
  const message: Message = { id: "1", identity: "a", name: "A", local: false, text: "", sentAt: 0 };
  assert.equal(continues(undefined, message), false);
  assert.equal(continues(message, { ...message, sentAt: 1000 }), true);
  assert.equal(continues(message, { ...message, identity: "b" }), false);
  assert.equal(continues(message, { ...message, sentAt: 600_000 }), false);
});

test("a badge stays short", () => {
  assert.deepEqual([0, 7, 100].map(badge), ["", "7", "99+"]);
});

test("initials come from the first and the last word, whatever the script", () => {
  assert.deepEqual(["Ana Souza", "bo", "web-k3x", "グエン", "", "😀 x"].map(initials), ["AS", "B", "WK", "グ", "?", "😀X"]);
});

test("a hue is stable and on the circle", () => {
  assert.equal(hue("ana"), hue("ana"));
  assert.ok(["", "a", "zoë", "x".repeat(300)].every((identity) => hue(identity) >= 0 && hue(identity) < 360));
});

test("devices without an id are left out, those without a name get one", () => {
  const devices = groupDevices([
    { kind: "videoinput", deviceId: "", label: "" },
    { kind: "videoinput", deviceId: "v1", label: "" },
    { kind: "audioinput", deviceId: "a1", label: "Headset" },
  ]);
  assert.deepEqual(devices, { videoinput: [{ id: "v1", label: "Camera 1" }], audioinput: [{ id: "a1", label: "Headset" }], audiooutput: [] });
});

test("the pause before joining again grows, up to a limit", () => {
  assert.deepEqual([0, 1, 2, 20].map(retryDelay), [3, 6, 12, 30]);
});

test("a token names its room; anything else names none", () => {
  const payload = Buffer.from(JSON.stringify({ video: { room: "zoë" } })).toString("base64url");
  assert.equal(tokenRoom(` x.${payload}.y `), "zoë");
  assert.deepEqual(["", "abc", "a.b.c", `x.${Buffer.from("{}").toString("base64url")}.y`].map(tokenRoom), [undefined, undefined, undefined, undefined]);
});

test("the meter lifts quiet sound and stays within its scale", () => {
  assert.equal(meterLevel(0), 0);
  assert.ok(meterLevel(0.05) > 0.2);
  assert.equal(meterLevel(5), 1);
});

// What people do in a room beside looking and listening.

import { strict as assert } from "node:assert";

import { RoomServiceClient } from "livekit-server-sdk";

import { KEY, SECRET } from "../harness/node.mjs";
import { PythonParticipant } from "../harness/puppet.mjs";
import { scenario, stage } from "../harness/scenario.mjs";
import { until } from "../harness/wait.mjs";

const shared = stage({ chromium: true });
const service = () => new RoomServiceClient(shared.node.http, KEY, SECRET);

/** A browser and Python in one room, both publishing. */
async function pair(room, later, { publish = [], ...options } = {}) {
  const ana = later(await shared.chromium.join(shared.node, room, "ana", { publish, ...options }));
  const py = later(await PythonParticipant.join(shared.node, room, "py", { publish, ...options }));
  await ana.event("participantConnected", (e) => e.identity === "py");
  return { ana, py };
}

scenario("a microphone that is muted falls silent and one that is unmuted is heard", shared, async ({ room, later }) => {
  const { ana, py } = await pair(room, later, { publish: ["microphone"] });
  await py.hears("ana");
  await ana.hears("py");
  await ana.run(() => window.room.localParticipant.setMicrophoneEnabled(false).then(() => {}));
  await py.event("trackMuted", (e) => e.identity === "ana");
  await ana.run(() => window.room.localParticipant.setMicrophoneEnabled(true).then(() => {}));
  await py.event("trackUnmuted", (e) => e.identity === "ana");
  await py.hears("ana");
  await py.ask("mute", { source: "microphone", muted: true });
  await ana.event("trackMuted", (e) => e.identity === "py");
  await py.ask("mute", { source: "microphone", muted: false });
  await ana.event("trackUnmuted", (e) => e.identity === "py");
  await ana.hears("py");
});

scenario("metadata, names and attributes reach the others", shared, async ({ room, later }) => {
  const { ana, py } = await pair(room, later, { grants: { canUpdateOwnMetadata: true } });
  await ana.run(async () => {
    const me = window.room.localParticipant;
    await me.setMetadata("from the browser");
    await me.setName("Ana B.");
    await me.setAttributes({ mood: "fine", gone: "soon" });
    await me.setAttributes({ gone: "" });
  });
  await py.event("participantMetadataChanged", (e) => e.metadata === "from the browser");
  await until("the name and attributes to arrive", async () => {
    const { name, attributes } = (await py.ask("people")).ana;
    return name === "Ana B." && attributes.mood === "fine" && !attributes.gone;
  });
  await py.ask("update", { metadata: "from Python", attributes: { snake: "yes" } });
  await ana.event("participantMetadataChanged", (e) => e.identity === "py" && e.metadata === "from Python");
  await ana.event("participantAttributesChanged", (e) => e.identity === "py" && e.changed.snake === "yes");
});

scenario("who may not change its own metadata is told so", shared, async ({ room, later }) => {
  const { ana } = await pair(room, later);
  const refusal = await ana.run(() => window.room.localParticipant.setMetadata("x").then(() => "done", (e) => e.message));
  assert.notEqual(refusal, "done");
});

for (const reliable of [true, false]) {
  const how = reliable ? "reliably" : "lossily";
  scenario(`data sent ${how} arrives both ways, to all or to those named`, shared, async ({ room, later }) => {
    const { ana, py } = await pair(room, later);
    const cleo = later(await PythonParticipant.join(shared.node, room, "cleo"));
    // A lossy message may be lost while a channel opens: it is sent until one arrives.
    const send = (text, to = []) =>
      ana.run((text, options) => {
        const bytes = new TextEncoder().encode(text);
        return window.room.localParticipant.publishData(bytes, options);
      }, text, { reliable, topic: "t", destinationIdentities: to });
    const arrives = (who, from, text, again) =>
      until(`${text} to arrive`, async () => {
        await again();
        const all = Array.isArray(who.log) ? await who.ask("events", { name: "dataReceived" }) : await who.events("dataReceived");
        return all.find((e) => e.identity === from && e.text === text && e.topic === "t");
      });
    const once = (work) => {
      let done;
      return () => (reliable ? (done ??= work()) : work());
    };
    await arrives(py, "ana", "to all", once(() => send("to all")));
    await arrives(cleo, "ana", "to all", () => {});
    await arrives(py, "ana", "to py", once(() => send("to py", ["py"])));
    await arrives(ana, "py", "back", once(() => py.ask("send", { text: "back", topic: "t", reliable })));
    const heard = await cleo.ask("events", { name: "dataReceived" });
    assert.ok(!heard.some((e) => e.text === "to py"), "who was not named heard it");
  });
}

scenario("a long text arrives as a stream in both directions", shared, async ({ room, later }) => {
  const { ana, py } = await pair(room, later);
  const long = "lorem ipsum ".repeat(8_000);
  await ana.run((text) => window.room.localParticipant.sendText(text, { topic: "stream" }).then(() => {}), long);
  await py.event("textStream", (e) => e.identity === "ana" && e.text === long);
  await py.ask("text", { text: long });
  await ana.event("textStream", (e) => e.identity === "py" && e.text === long);
});

scenario("the browser calls Python and Python calls the browser", shared, async ({ room, later }) => {
  const { ana, py } = await pair(room, later);
  await ana.run(() => window.room.registerRpcMethod("reverse", async (call) => [...call.payload].reverse().join("")));
  const call = (method) =>
    ana.run((method) =>
      window.room.localParticipant
        .performRpc({ destinationIdentity: "py", method, payload: "hello" })
        .catch((error) => `error ${error.code}`), method);
  assert.equal(await call("shout"), "HELLO");
  // RpcError UNSUPPORTED_METHOD comes from the other side, not from the node.
  assert.equal(await call("unknown"), "error 1400");
  assert.equal(await py.ask("call", { to: "ana", method: "reverse", payload: "abc" }), "cba");
});

scenario("who speaks is told to the others, and who falls silent too", shared, async ({ room, later }) => {
  const { ana, py } = await pair(room, later, { publish: ["microphone"] });
  await ana.event("activeSpeakersChanged", (e) => e.identities.includes("py"));
  await py.event("activeSpeakersChanged", (e) => e.identities.includes("ana"));
  await py.ask("mute", { source: "microphone", muted: true });
  await until("py to be no longer a speaker", () =>
    ana.run(() => !window.room.activeSpeakers.some((p) => p.identity === "py")));
});

scenario("connection quality is told", shared, async ({ room, later }) => {
  const { ana } = await pair(room, later, { publish: ["microphone"] });
  await ana.event("connectionQualityChanged", (e) => e.identity === "ana" && e.quality === "excellent");
});

scenario("a moderator takes the right to publish away and gives it back", shared, async ({ room, later }) => {
  const { ana, py } = await pair(room, later, { publish: ["microphone"] });
  await py.hears("ana");
  const rights = (canPublish) => ({ permission: { canPublish, canSubscribe: true, canPublishData: true } });
  await service().updateParticipant(room, "ana", rights(false));
  await ana.event("participantPermissionsChanged", (e) => e.identity === "ana" && e.canPublish === false);
  await ana.event("localTrackUnpublished");
  await py.event("trackUnsubscribed", (e) => e.identity === "ana");
  await service().updateParticipant(room, "ana", rights(true));
  await ana.event("participantPermissionsChanged", (e) => e.identity === "ana" && e.canPublish === true);
  await ana.publish("microphone");
  await until("ana to be heard again", async () => (await py.ask("events", { name: "trackSubscribed" })).length > 1);
  await py.hears("ana");
});

scenario("a publisher chooses who may subscribe", shared, async ({ room, later }) => {
  const { node, chromium } = shared;
  const ana = later(await chromium.join(node, room, "ana", { publish: ["microphone"] }));
  const ben = later(await chromium.join(node, room, "ben"));
  const cleo = later(await PythonParticipant.join(node, room, "cleo"));
  await ben.hears("ana");
  await cleo.hears("ana");
  await ana.run(() =>
    window.room.localParticipant.setTrackSubscriptionPermissions(false, [{ participantIdentity: "cleo", allowAll: true }]));
  await ben.event("trackSubscriptionPermissionChanged", (e) => e.status === "not_allowed");
  await ben.event("trackUnsubscribed", (e) => e.identity === "ana");
  await cleo.hears("ana");
  await ana.run(() => window.room.localParticipant.setTrackSubscriptionPermissions(true));
  await until("ben to be subscribed again", async () => (await ben.events("trackSubscribed")).length > 1);
  await ben.hears("ana");
});

scenario("a subscriber unsubscribes and subscribes again", shared, async ({ room, later }) => {
  const { node, chromium } = shared;
  later(await chromium.join(node, room, "ana", { publish: ["camera"] }));
  const ben = later(await chromium.join(node, room, "ben"));
  await ben.sees("ana");
  const subscribe = (subscribed) =>
    ben.run((on) => window.room.remoteParticipants.get("ana").getTrackPublication("camera").setSubscribed(on), subscribed);
  await subscribe(false);
  await ben.event("trackUnsubscribed");
  await subscribe(true);
  await until("a second subscription", async () => (await ben.events("trackSubscribed")).length > 1);
  await ben.sees("ana");
});

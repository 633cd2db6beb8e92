// Back ends: the public server SDKs drive every call, and their receivers verify our webhooks.

import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { RoomServiceClient, DataPacket_Kind } from "livekit-server-sdk";

import { KEY, ROOT, SECRET } from "../harness/node.mjs";
import { PYTHON, PythonParticipant } from "../harness/puppet.mjs";
import { scenario, stage } from "../harness/scenario.mjs";
import { token } from "../harness/token.mjs";
import { rests, until } from "../harness/wait.mjs";
import { Webhooks } from "../harness/webhook.mjs";

const shared = stage({
  node: async (shared) => {
    shared.webhooks = await Webhooks.listen();
    return { config: `[webhook]\nurls = ["${shared.webhooks.url}"]\napi_key = "${KEY}"\n` };
  },
});
const service = () => new RoomServiceClient(shared.node.http, KEY, SECRET);

const track = async (room) => {
  const people = await service().listParticipants(room);
  return people.find((p) => p.identity === "py")?.tracks[0]?.sid;
};

scenario("the JavaScript server SDK drives every call of the room service", shared, async ({ room, later }) => {
  const rooms = service();
  const opened = await rooms.createRoom({ name: room, metadata: "m", maxParticipants: 5, emptyTimeout: 60, departureTimeout: 9 });
  assert.equal(opened.name, room);
  assert.match(opened.sid, /^RM_/);
  assert.equal(opened.maxParticipants, 5);
  assert.equal((await rooms.createRoom({ name: room })).sid, opened.sid, "creating twice finds the open room");
  assert.deepEqual((await rooms.listRooms([room])).map((r) => r.name), [room]);
  assert.ok((await rooms.listRooms()).length >= 1);

  const py = later(await PythonParticipant.join(shared.node, room, "py", { publish: ["microphone"] }));
  const sid = await until("the track to be listed", () => track(room));
  assert.equal((await rooms.getParticipant(room, "py")).identity, "py");

  await rooms.updateRoomMetadata(room, "new metadata");
  await py.event("roomMetadataChanged", (e) => e.metadata === "new metadata");
  const updated = await rooms.updateParticipant(room, "py", { name: "Py", metadata: "x", attributes: { a: "1" } });
  assert.equal(updated.name, "Py");
  assert.equal(updated.attributes.a, "1");
  await py.event("participantMetadataChanged", (e) => e.metadata === "x");
  const cleo = later(await PythonParticipant.join(shared.node, room, "cleo"));
  await cleo.hears("py");
  // The Python SDK tells nothing when a back end unsubscribes it; nothing more arrives.
  await rooms.updateSubscriptions(room, "cleo", [sid], false);
  await rests("sound for cleo", () => cleo.received());
  await rooms.updateSubscriptions(room, "cleo", [sid], true);
  await cleo.hears("py");
  const muted = await rooms.mutePublishedTrack(room, "py", sid, true);
  assert.equal(muted.muted, true);
  await assert.rejects(rooms.mutePublishedTrack(room, "py", sid, false), /unmute|precondition/i);
  await rooms.sendData(room, new TextEncoder().encode("hello"), DataPacket_Kind.RELIABLE, { topic: "news", destinationIdentities: ["cleo"] });
  await cleo.event("dataReceived", (e) => e.text === "hello" && e.topic === "news");
  const heard = await py.ask("events", { name: "dataReceived" });
  assert.deepEqual(heard, [], "who was not named heard nothing");

  await rooms.moveParticipant(room, "cleo", `${room}-b`);
  await until("cleo to be in the other room", async () =>
    (await rooms.listParticipants(`${room}-b`)).some((p) => p.identity === "cleo"));
  await rooms.removeParticipant(room, "py");
  // DisconnectReason PARTICIPANT_REMOVED.
  await py.event("disconnected", (e) => e.reason === 4);
  await assert.rejects(rooms.getParticipant(room, "py"), /not_found|no such|not exist/i);
  await rooms.deleteRoom(`${room}-b`);
  // DisconnectReason ROOM_DELETED.
  await cleo.event("disconnected", (e) => e.reason === 5);
  await rooms.deleteRoom(room);
  assert.deepEqual(await rooms.listRooms([room]), []);
});

scenario("the Python server SDK drives every call of the room service", shared, async ({ room, later }) => {
  later(await PythonParticipant.join(shared.node, room, "py", { publish: ["microphone"] }));
  const sid = await until("the track to be listed", () => track(room));
  const script = join(ROOT, "tests/python/server_api.py");
  const done = spawnSync(PYTHON, [script, shared.node.http, room, "py", sid], { encoding: "utf8", timeout: 60_000 });
  assert.equal(done.status, 0, done.stderr + done.stdout);
});

scenario("a call without the grant it needs is refused", shared, async ({ room }) => {
  const call = async (grants, method, body) => {
    const authorization = `Bearer ${await token(grants, { identity: "backend" })}`;
    const headers = { "content-type": "application/json", authorization };
    const url = `${shared.node.http}/twirp/livekit.RoomService/${method}`;
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: response.status, ...(await response.json()) };
  };
  await service().createRoom({ name: room });
  assert.equal((await call({ roomList: true }, "CreateRoom", { name: "x" })).status, 401);
  assert.equal((await call({ roomAdmin: true, room: "other" }, "ListParticipants", { room })).status, 401);
  assert.equal((await call({ roomJoin: true, room }, "DeleteRoom", { room })).status, 401);
  assert.equal((await call({ roomAdmin: true, room }, "NoSuchCall", { room })).code, "bad_route");
  assert.equal((await call({ roomCreate: true }, "CreateRoom", { name: 5 })).status, 400);
});

scenario("webhooks come in order and both public receivers verify them", shared, async ({ room, later }) => {
  const { webhooks } = shared;
  const py = later(await PythonParticipant.join(shared.node, room, "py", { publish: ["microphone"] }));
  await until("the track to be told", () => webhooks.of("track_published", room).length > 0);
  await py.ask("leave");
  await until("the leaving to be told", () => webhooks.of("participant_left", room).length > 0);
  await service().deleteRoom(room);
  await until("the end to be told", () => webhooks.of("room_finished", room).length > 0);
  const names = webhooks.events.filter((e) => e.room?.name === room).map((e) => e.event);
  assert.equal(names[0], "room_started");
  assert.equal(names[1], "participant_joined");
  assert.equal(names[2], "track_published");
  assert.equal(names.at(-1), "room_finished");
  assert.ok(names.includes("track_unpublished") && names.includes("participant_left"), names.join(" "));
  assert.deepEqual(webhooks.refused, []);
  const [joined] = webhooks.of("participant_joined", room);
  assert.equal(joined.participant.identity, "py");
  assert.ok(joined.id && joined.createdAt > 0n);
  assert.equal(webhooks.raw[0].type, "application/webhook+json");
  const input = webhooks.raw.map((hook) => JSON.stringify(hook)).join("\n");
  const done = spawnSync(PYTHON, [join(ROOT, "tests/python/webhook_check.py")], { encoding: "utf8", input });
  assert.equal(done.status, 0, done.stderr);
  assert.equal(JSON.parse(done.stdout).length, webhooks.raw.length);
});

scenario("health, readiness and figures are told", shared, async ({ room, later }) => {
  const { node } = shared;
  later(await PythonParticipant.join(node, room, "py", { publish: ["microphone"] }));
  assert.equal((await fetch(`${node.http}/healthz`)).status, 200);
  assert.equal((await fetch(`${node.http}/readyz`)).status, 200);
  await until("packets to be counted", async () => {
    const text = await (await fetch(`${node.http}/metrics`)).text();
    const value = (name) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(text)?.[1] ?? 0);
    return value("livekit_room_total") >= 1 && value("livekit_participant_total") >= 1 && value("livekit_packet_total") > 0;
  });
});

// Bad input of every kind, beside a call that must not notice.

import { strict as assert } from "node:assert";
import { createHmac, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect } from "node:net";

import { AddTrackRequest, SessionDescription, TrickleRequest } from "@livekit/protocol";

import { KEY, SECRET, StoaNode } from "../harness/node.mjs";
import { PythonParticipant } from "../harness/puppet.mjs";
import { scenario, stage } from "../harness/scenario.mjs";
import { Signal } from "../harness/signal.mjs";
import { joinToken } from "../harness/token.mjs";
import { until } from "../harness/wait.mjs";

const shared = stage({ chromium: true });
/** What a node may grow by under any attack of these tests. */
const GROWTH_BYTES_MAX = 96 << 20;
/** Share of a call's packets that may be lost beside a flood on a machine of two cores. */
const LOSS_MAX = 0.02;

/** A call whose undisturbed course is proved after `attack`. */
async function besideACall(room, later, attack) {
  const { node, chromium } = shared;
  const py = later(await PythonParticipant.join(node, room, "py", { publish: ["camera", "microphone"] }));
  const ana = later(await chromium.join(node, room, "ana", { publish: ["microphone"] }));
  await ana.sees("py");
  await ana.hears("py");
  await py.hears("ana");
  const [before, memory, pid] = [await ana.received(), await node.memory(), node.pid];
  await attack();
  await ana.sees("py");
  await ana.hears("py");
  await py.hears("ana");
  const after = await ana.received();
  for (const source of ["camera", "microphone"]) {
    const packets = after.py[source].packets - before.py[source].packets;
    const lost = after.py[source].lost - before.py[source].lost;
    assert.ok(lost <= packets * LOSS_MAX, `${source}: ${lost} of ${packets} packets were lost`);
  }
  assert.deepEqual(await ana.events("signalReconnecting"), []);
  assert.deepEqual(await ana.events("reconnecting"), []);
  const grown = (await node.memory()) - memory;
  assert.ok(grown < GROWTH_BYTES_MAX, `the node grew by ${grown >> 20} MiB`);
  assert.equal(node.pid, pid);
  assert.equal(node.child.exitCode, null, node.tail());
  const panics = node.log.filter((line) => line.includes("panicked"));
  assert.deepEqual(panics, []);
}

const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const jwt = (claims, { secret = SECRET, alg = "HS256" } = {}) => {
  const body = `${part({ alg, typ: "JWT" })}.${part(claims)}`;
  const signature = alg === "none" ? "" : createHmac("sha256", secret).update(body).digest("base64url");
  return `${body}.${signature}`;
};
const now = Math.floor(Date.now() / 1000);
const claims = (room) => ({ iss: KEY, sub: "eve", exp: now + 600, nbf: now - 10, video: { roomJoin: true, room } });

scenario("bad tokens are refused before the upgrade, each with its reason", shared, async ({ room, later }) => {
  const good = claims(room);
  const cases = [
    ["none", undefined, 401],
    ["garbage", "garbage", 401],
    ["half a token", jwt(good).slice(0, 40), 401],
    ["expired", jwt({ ...good, exp: now - 3_600, nbf: now - 7_200 }), 401],
    ["not valid yet", jwt({ ...good, nbf: now + 3_600, exp: now + 7_200 }), 401],
    ["without end", jwt({ ...good, exp: undefined }), 401],
    ["forged", jwt(good, { secret: "another secret" }), 401],
    ["unsigned", jwt(good, { alg: "none" }), 401],
    ["of an unknown key", jwt({ ...good, iss: "nobody" }), 401],
    ["oversized", jwt({ ...good, metadata: "x".repeat(40_000) }), [400, 401, 413, 414, 431]],
    ["without the right to join", jwt({ ...good, video: { room } }), 401],
    ["without identity", jwt({ ...good, sub: undefined }), 400],
    ["without room", jwt({ ...good, video: { roomJoin: true } }), 400],
    ["with a name that is too long", jwt({ ...good, sub: "x".repeat(2_000) }), 400],
    ["with claims of other types", jwt({ ...good, video: "all of it" }), 401],
  ];
  await besideACall(room, later, async () => {
    for (const [what, token, expected] of cases) {
      const accepted = [expected].flat();
      const upgrade = await Signal.open(shared.node, token);
      assert.ok(accepted.includes(upgrade.status), `a token ${what}: upgrade ${upgrade.status} ${upgrade.body}`);
      const query = token === undefined ? "" : `?access_token=${token}`;
      const validate = await fetch(`${shared.node.http}/rtc/validate${query}`);
      const told = await validate.text();
      assert.ok(accepted.includes(validate.status), `a token ${what}: validate ${validate.status} ${told}`);
      assert.equal(validate.headers.get("access-control-allow-origin"), "*", what);
      assert.ok(!told.includes("another secret") && !told.includes(SECRET + '"'), what);
    }
  });
  const leaked = shared.node.log.filter((line) => line.includes(jwt(good).split(".")[2]));
  assert.deepEqual(leaked, [], "a token reached the log");
});

scenario("no token, secret or password reaches the log, however much is logged", shared, async ({ room, later }) => {
  const node = await StoaNode.start({ config: '[log]\nlevel = "trace"\n' });
  later({ close: () => node.stop() });
  const token = await joinToken(room, "py", {}, { metadata: "known only to the token" });
  const py = later(await PythonParticipant.join(node, room, "py", { token, publish: ["microphone"] }));
  const ana = later(await shared.chromium.join(node, room, "ana"));
  await ana.hears("py");
  const sdp = await ana.run(() => window.room.engine.pcManager.publisher.getLocalDescription().sdp);
  const password = /a=ice-pwd:(\S+)/.exec(sdp)[1];
  for (const [what, secret] of [["token", token.split(".")[2]], ["claims", token.split(".")[1]], ["password", password]]) {
    const leaks = node.log.filter((line) => line.includes(secret));
    assert.deepEqual(leaks.map((line) => line.slice(0, 120)), [], `a ${what} reached the log`);
  }
});

scenario("frames that are no messages end at most their own session", shared, async ({ room, later }) => {
  const token = () => joinToken(room, `eve-${randomBytes(3).toString("hex")}`);
  await besideACall(room, later, async () => {
    const frames = [
      Buffer.alloc(0),
      Buffer.from([0xff]),
      Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f]),
      randomBytes(1_000),
      randomBytes(60_000),
      Buffer.alloc(100_000, 0x0a),
      // Text, an unknown field, and groups within groups.
      "hello",
      "{}",
      '{"offer":{}}',
      Buffer.from([0xfa, 0xff, 0x03, 0x01, 0x00]),
      Buffer.alloc(5_000, 0x0b),
    ];
    for (const frame of frames) {
      const eve = later(await Signal.open(shared.node, await token()));
      await eve.told("join");
      eve.raw(frame);
      eve.say({ case: "pingReq", value: { timestamp: 7n, rtt: 0n } });
      await until("an answer or an end", () =>
        eve.closed !== undefined || eve.messages.some((m) => m.case === "pongResp" || m.case === "leave"));
    }
    const eve = later(await Signal.open(shared.node, await token()));
    await eve.told("join");
    eve.raw(Buffer.alloc(8 << 20, 0x20));
    await until("a frame beyond the limit to end the session", () => eve.closed !== undefined);
  });
});

scenario("messages out of order, for strangers' tracks and with broken descriptions are survived", shared, async ({ room, later }) => {
  const sdp = (lines) => ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", ...lines, ""].join("\r\n");
  const offer = (text, id = 1) => ({ case: "offer", value: new SessionDescription({ type: "offer", sdp: text, id }) });
  const answer = (text, id = 1) => ({ case: "answer", value: new SessionDescription({ type: "answer", sdp: text, id }) });
  const trickle = (init, target = 0) => ({ case: "trickle", value: new TrickleRequest({ candidateInit: init, target }) });
  const messages = [
    answer(sdp([])),
    answer("", 99),
    trickle("not json"),
    trickle("{}"),
    trickle('{"candidate":"candidate:x","sdpMid":"0","sdpMLineIndex":0}', 1),
    trickle('{"candidate":"candidate:1 1 udp 1 256.1.1.1 99999 typ host","sdpMid":"0","sdpMLineIndex":0}'),
    offer(""),
    offer("v=0"),
    offer("\0\0\0"),
    offer(sdp(["m=video 9 UDP/TLS/RTP/SAVPF"])),
    offer(sdp(["m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=rtpmap:111 opus/48000/2"])),
    offer(sdp(Array.from({ length: 3_000 }, (_, n) => `m=audio 9 UDP/TLS/RTP/SAVPF ${n}`))),
    offer("a=".repeat(300_000)),
    { case: "mute", value: { sid: "TR_nobody", muted: true } },
    { case: "subscription", value: { trackSids: ["TR_nobody", ""], subscribe: true, participantTracks: [] } },
    { case: "trackSetting", value: { trackSids: ["TR_nobody"], width: 4_000_000_000, height: 1, fps: 0, priority: 9 } },
    { case: "addTrack", value: new AddTrackRequest({ cid: "", name: "x".repeat(100_000), type: 1 }) },
    { case: "addTrack", value: new AddTrackRequest({ cid: "c", type: 77, source: 55 }) },
    { case: "updateMetadata", value: { metadata: "x".repeat(1 << 20), name: "x".repeat(10_000), attributes: {}, requestId: 1 } },
    { case: "subscriptionPermission", value: { allParticipants: false, trackPermissions: [{ participantSid: "PA_x", participantIdentity: "", allTracks: false, trackSids: ["y"] }] } },
    { case: "syncState", value: { publishTracks: [], dataChannels: [], offer: undefined, answer: undefined } },
    { case: "leave", value: { reason: 99, action: 99, canReconnect: true } },
  ];
  await besideACall(room, later, async () => {
    for (const [index, message] of messages.entries()) {
      const eve = later(await Signal.open(shared.node, await joinToken(room, `eve-${index}`)));
      await eve.told("join");
      eve.say(message);
      eve.say(message);
      eve.say({ case: "pingReq", value: { timestamp: 7n, rtt: 0n } });
      await until(`an answer or an end after ${message.case} ${index}`, () =>
        eve.closed !== undefined || eve.messages.some((m) => m.case === "pongResp" || m.case === "leave"));
      await eve.close();
    }
    const eve = later(await Signal.open(shared.node, await joinToken(room, "eve-all")));
    await eve.told("join");
    for (let n = 0; n < 2_000; n += 1) eve.say({ case: "addTrack", value: new AddTrackRequest({ cid: `c${n}`, type: 1 }) });
    eve.say({ case: "pingReq", value: { timestamp: 7n, rtt: 0n } });
    await until("an answer or an end after too many tracks", () =>
      eve.closed !== undefined || eve.messages.some((m) => m.case === "pongResp" || m.case === "leave"));
  });
});

scenario("broken join requests are refused", shared, async ({ room, later }) => {
  const token = await joinToken(room, "eve");
  await besideACall(room, later, async () => {
    const bomb = "CAESIGpvaW4";
    for (const request of ["", "%%%", "AAAA", randomBytes(300).toString("base64url"), bomb, "A".repeat(60_000)]) {
      const query = `join_request=${encodeURIComponent(request)}`;
      const refused = await Signal.open(shared.node, token, { path: "/rtc/v1", query });
      assert.ok([400, 404, 413, 414, 431].includes(refused.status), `${request.slice(0, 20)}: ${refused.status}`);
    }
  });
});

scenario("connections that send half of something and stay are survived", shared, async ({ room, later }) => {
  const sockets = [];
  const half = (port, data) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(data);
    sockets.push(socket);
  };
  await besideACall(room, later, async () => {
    for (let n = 0; n < 100; n += 1) {
      half(shared.node.base, "GET /rtc?access_token=");
      half(shared.node.base, "POST /twirp/livekit.RoomService/CreateRoom HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{");
      // Framed media over TCP: a length without its packet, a packet of nothing, garbage.
      half(shared.node.base + 1, Buffer.from([0xff, 0xff, 0x00]));
      half(shared.node.base + 1, Buffer.alloc(3_000));
      half(shared.node.base + 1, randomBytes(70_000));
    }
    const health = await fetch(`${shared.node.http}/healthz`);
    assert.equal(health.status, 200);
  });
  sockets.forEach((socket) => socket.destroy());
});

const be16 = (value) => Buffer.from([value >> 8, value & 255]);

/** A STUN binding request with a user name of the right form and a message integrity that is not. */
function stun(username) {
  const name = Buffer.from(username);
  const padded = Buffer.concat([be16(0x0006), be16(name.length), name, Buffer.alloc((4 - (name.length % 4)) % 4)]);
  const integrity = Buffer.concat([be16(0x0008), be16(20), randomBytes(20)]);
  const body = Buffer.concat([padded, integrity]);
  return Buffer.concat([be16(0x0001), be16(body.length), Buffer.from("2112a442", "hex"), randomBytes(12), body]);
}

const FLOODS = {
  "STUN requests for strangers": (n) => stun(`${randomBytes(4).toString("hex")}:${n}`),
  "STUN requests with huge or empty names": (n) => stun(n % 2 ? "" : "x".repeat(1_000)),
  "STUN that ends early": () => stun("aaaa:bbbb").subarray(0, 24),
  "RTP of strangers": (n) => Buffer.concat([Buffer.from([0x80, 96]), be16(n & 0xffff), randomBytes(8), randomBytes(1_100)]),
  "RTCP of strangers": () => Buffer.concat([Buffer.from([0x81, 206, 0, 2]), randomBytes(8)]),
  "DTLS hellos of strangers": () => Buffer.concat([Buffer.from("16fefd0000000000000000", "hex"), be16(200), randomBytes(200)]),
  "noise of every length": (n) => randomBytes(1 + (n % 1_400)),
};

/** Sends `count` packets from one stranger's socket; each send is awaited, which sets the pace. */
async function flood(ports, packet, count) {
  const socket = createSocket("udp4");
  socket.on("error", () => {});
  for (let n = 0; n < count; n += 1) {
    await new Promise((sent) => socket.send(packet(n), ports[n % ports.length], "127.0.0.1", sent));
  }
  socket.close();
}

/** Datagrams that the node has read so far. */
async function datagrams() {
  const text = await (await fetch(`${shared.node.http}/metrics`)).text();
  const lines = text.matchAll(/^livekit_packet_total\{[^}]*direction="incoming"[^}]*\} (\d+)$/gm);
  return [...lines].reduce((sum, line) => sum + Number(line[1]), 0);
}

for (const [what, packet] of Object.entries(FLOODS)) {
  scenario(`a flood of ${what} does not disturb a call`, shared, async ({ room, later }) => {
    const count = 12_000;
    await besideACall(room, later, async () => {
      const before = await datagrams();
      await flood(shared.node.udp, packet, count);
      // The flood must have been one: most of it was read.
      await until("the flood to be read", async () => (await datagrams()) - before > count * 0.7);
    });
  });
}

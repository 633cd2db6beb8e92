// Writes fuzz/corpus from real clients: what browsers, SDKs and other stacks really send, and a few hand-made oddities.
// Run by hand: `node corpus/collect.mjs` in tests/. The results are committed; fuzzing starts from them.

import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import * as pb from "@livekit/protocol";

import { Browser } from "../harness/browser.mjs";
import { joinToken } from "../harness/token.mjs";

const CORPUS = join(dirname(fileURLToPath(import.meta.url)), "../../fuzz/corpus");

function write(target, name, data) {
  mkdirSync(join(CORPUS, target), { recursive: true });
  writeFileSync(join(CORPUS, target, name), data);
}

/** A local offer of a page with the given transceivers, candidates included. */
function offer(page, kinds, simulcast) {
  return page.evaluate(async (kinds, simulcast) => {
    const pc = new RTCPeerConnection();
    pc.createDataChannel("_reliable");
    for (const [kind, direction] of kinds) {
      const layers = [["q", 4], ["h", 2], ["f", 1]].map(([rid, scale]) => ({ rid, scaleResolutionDownBy: scale }));
      const encodings = simulcast && kind === "video" && direction !== "recvonly" ? { sendEncodings: layers } : {};
      pc.addTransceiver(kind, { direction, ...encodings });
    }
    const gathered = new Promise((done) => (pc.onicecandidate = (event) => event.candidate ?? done()));
    await pc.setLocalDescription(await pc.createOffer());
    await gathered;
    const { sdp } = pc.localDescription;
    pc.close();
    return sdp;
  }, kinds, simulcast);
}

async function descriptions() {
  const offers = {};
  for (const [kind, launch] of [["chromium", Browser.chromium], ["firefox", Browser.firefox]]) {
    const browser = await launch();
    const page = await browser.open(`${browser.pages.origin}/index.html`);
    const send = [["audio", "sendonly"], ["video", "sendonly"]];
    const receive = ["audio", "audio", "audio", "video", "video", "video"].map((media) => [media, "recvonly"]);
    offers[`${kind}-publish`] = await offer(page, send, true);
    offers[`${kind}-single`] = await offer(page, [...receive, ...send], true);
    offers[`${kind}-watch`] = await offer(page, receive.slice(2, 4), false);
    offers[`${kind}-data`] = await offer(page, [], false);
    await browser.close();
  }
  for (const [name, sdp] of Object.entries(offers)) {
    write("description", name, sdp);
    write("whip_offer", name, sdp);
    const lines = sdp.split("\r\n").filter((line) => /^a=(candidate|ice-|mid|end-of|group)|^m=/.test(line));
    write("whip_fragment", name, `${lines.slice(0, 12).join("\r\n")}\r\n`);
  }
  const line = Object.values(offers).join("\r\n").split("\r\n").find((text) => text.startsWith("a=candidate:"));
  const candidate = line.slice(2);
  write("candidate", "browser", JSON.stringify({ candidate, sdpMid: "0", sdpMLineIndex: 0, usernameFragment: "abcd" }));
  write("candidate", "end", JSON.stringify({ candidate: "", sdpMid: "0", sdpMLineIndex: 0 }));
  write("candidate", "bare", JSON.stringify({ candidate }));
  return offers;
}

async function tokens() {
  const now = 1_800_000_000;
  const sign = (claims, alg = "HS256", secret = "secret") => {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const body = `${part({ alg, typ: "JWT" })}.${part(claims)}`;
    return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
  };
  const video = { roomJoin: true, room: "r", canPublish: true, canPublishSources: ["camera"], hidden: false };
  const claims = { iss: "devkey", sub: "ana", nbf: now - 10, exp: now + 600, name: "Ana", metadata: "{}", attributes: { a: "b" }, video };
  write("token", "valid", sign(claims));
  write("token", "expired", sign({ ...claims, exp: now - 600 }));
  write("token", "unsigned", sign(claims, "none"));
  write("token", "forged", sign(claims, "HS256", "other"));
  write("token", "unknown-key", sign({ ...claims, iss: "nobody" }));
  write("token", "room-config", sign({ ...claims, kind: "agent", roomConfig: { name: "r", maxParticipants: 5, tags: {} }, sha256: "x" }));
  write("token", "odd-types", sign({ ...claims, video: { ...video, canPublish: "yes" }, exp: "soon" }));
}

/** The query with which a browser's SDK really joins, taken from a door that answers nothing. */
async function joins() {
  const door = createServer((_, response) => response.writeHead(404).end());
  const queries = [];
  door.on("upgrade", (request, socket) => {
    queries.push(new URL(request.url, "http://x").search.slice(1));
    socket.destroy();
  });
  door.listen(0, "127.0.0.1");
  await once(door, "listening");
  for (const [kind, launch] of [["chromium", Browser.chromium], ["firefox", Browser.firefox]]) {
    const browser = await launch();
    for (const single of [true, false]) {
      const participant = await browser.participant(kind);
      const token = await joinToken("r", kind);
      await participant.connect(`ws://127.0.0.1:${door.address().port}`, token, { single }).catch(() => {});
      await participant.close();
    }
    await browser.close();
    queries.splice(0).forEach((query, index) => write("join_request", `${kind}-${index}`, query.replace(/access_token=[^&]*&?/, "")));
  }
  door.close();
  write("join_request", "v0", "auto_subscribe=1&sdk=js&version=2.23.0&protocol=17&client_protocol=2&attributes=eyJhIjoiYiJ9&capabilities=1,2");
  write("join_request", "resume", "reconnect=1&sid=PA_abcdefghijkl&reconnect_reason=2&protocol=17");
  const request = new pb.JoinRequest({ metadata: "m", participantAttributes: { a: "b" }, reconnect: true, participantSid: "PA_abcdefghijkl" });
  const wrap = (compression, bytes) =>
    Buffer.from(new pb.WrappedJoinRequest({ compression, joinRequest: bytes }).toBinary()).toString("base64url");
  write("join_request", "plain", `join_request=${wrap(0, request.toBinary())}`);
  write("join_request", "gzip", `join_request=${wrap(1, gzipSync(request.toBinary()))}`);
  write("join_request", "gzip-of-much", `join_request=${wrap(1, gzipSync(Buffer.alloc(3 << 20)))}`);
}

function frames(offers) {
  const description = (type, sdp) => new pb.SessionDescription({ type, sdp, id: 1 });
  const init = JSON.stringify({ candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host", sdpMid: "0", sdpMLineIndex: 0 });
  const layers = [0, 1, 2].map((quality) => ({ quality, width: 320 << quality, height: 180 << quality, bitrate: 150_000 << quality }));
  const messages = {
    "offer-single": { case: "offer", value: description("offer", offers["chromium-single"]) },
    "offer-firefox": { case: "offer", value: description("offer", offers["firefox-publish"]) },
    answer: { case: "answer", value: description("answer", offers["chromium-watch"]) },
    trickle: { case: "trickle", value: new pb.TrickleRequest({ candidateInit: init, target: 1, final: true }) },
    "add-camera": { case: "addTrack", value: new pb.AddTrackRequest({ cid: "c1", name: "cam", type: 1, source: 1, width: 1280, height: 720, layers, simulcastCodecs: [{ codec: "vp8", cid: "c1" }] }) },
    "add-microphone": { case: "addTrack", value: new pb.AddTrackRequest({ cid: "c2", type: 0, source: 2, disableDtx: false }) },
    mute: { case: "mute", value: { sid: "TR_VCabcdefghij", muted: true } },
    subscription: { case: "subscription", value: { trackSids: ["TR_VCabcdefghij"], subscribe: true, participantTracks: [{ participantSid: "PA_x", trackSids: ["TR_AMx"] }] } },
    setting: { case: "trackSetting", value: { trackSids: ["TR_VCabcdefghij"], disabled: false, quality: 1, width: 640, height: 360, fps: 15, priority: 1 } },
    permission: { case: "subscriptionPermission", value: { allParticipants: false, trackPermissions: [{ participantIdentity: "b", allTracks: true, trackSids: [] }] } },
    metadata: { case: "updateMetadata", value: { metadata: "m", name: "n", attributes: { a: "b" }, requestId: 3 } },
    sync: { case: "syncState", value: { answer: description("answer", "v=0\r\n"), publishTracks: [], trackSidsDisabled: ["TR_x"], datachannelReceiveStates: [] } },
    simulate: { case: "simulate", value: { scenario: { case: "speakerUpdate", value: 3 } } },
    ping: { case: "pingReq", value: { timestamp: 1n, rtt: 2n } },
    audio: { case: "updateAudioTrack", value: { trackSid: "TR_AMabcdefghij", features: [1, 2] } },
    leave: { case: "leave", value: { reason: 1, canReconnect: false } },
  };
  const coded = Object.entries(messages).map(([name, message]) => [name, Buffer.from(new pb.SignalRequest({ message }).toBinary())]);
  for (const [name, bytes] of coded) write("signal_frame", name, bytes);
  const framed = (names) =>
    Buffer.concat(names.flatMap((name, index) => {
      const bytes = coded.find(([other]) => other === name)[1].subarray(0, 0xfff);
      const flags = (index % 5 === 4 ? 0x80 : 0x10) | (bytes.length >> 8);
      return [Buffer.from([flags, bytes.length & 0xff]), bytes];
    }));
  write("signal_session", "publish", framed(["add-microphone", "add-camera", "trickle", "mute", "ping", "metadata"]));
  write("signal_session", "watch", framed(["answer", "subscription", "setting", "permission", "sync", "leave"]));
  write("signal_session", "all", framed(Object.keys(messages).filter((name) => !name.startsWith("offer"))));
}

function dataPackets() {
  const user = { case: "user", value: { payload: new TextEncoder().encode("hello"), topic: "t", destinationIdentities: ["ben"], participantSid: "PA_forged" } };
  const packets = {
    user: new pb.DataPacket({ value: user, destinationIdentities: ["ben"], participantIdentity: "forged" }),
    "rpc-request": new pb.DataPacket({ value: { case: "rpcRequest", value: { id: "i", method: "m", payload: "p", responseTimeoutMs: 1_000 } }, destinationIdentities: ["ben"], sequence: 7 }),
    "stream-header": new pb.DataPacket({ value: { case: "streamHeader", value: { streamId: "s", topic: "t", timestamp: 1n, mimeType: "text/plain" } } }),
    "stream-chunk": new pb.DataPacket({ value: { case: "streamChunk", value: { streamId: "s", chunkIndex: 1n, content: new Uint8Array(40) } } }),
    speaker: new pb.DataPacket({ value: { case: "speaker", value: { speakers: [] } } }),
  };
  for (const [name, packet] of Object.entries(packets)) write("data_packet", name, packet.toBinary());
}

function packets() {
  const be16 = (value) => Buffer.from([value >> 8, value & 255]);
  const stun = (name) => {
    const text = Buffer.from(name);
    const user = Buffer.concat([be16(6), be16(text.length), text, Buffer.alloc((4 - (text.length % 4)) % 4)]);
    const body = Buffer.concat([be16(0x24), be16(4), Buffer.alloc(4, 1), user, be16(8), be16(20), Buffer.alloc(20, 7)]);
    return Buffer.concat([be16(1), be16(body.length), Buffer.from("2112a442", "hex"), Buffer.alloc(12, 9), body]);
  };
  write("stun", "request", stun("aaaaaaaaaxiagaev:abcd"));
  write("stun", "other-name", stun("x:y"));
  write("stun", "no-name", stun(""));
  const frame = (bytes) => Buffer.concat([be16(bytes.length), bytes]);
  write("framing", "three", Buffer.concat([frame(stun("aaaaaaaaaxiagaev:abcd")), frame(Buffer.alloc(0)), frame(Buffer.alloc(1_200, 0x80))]));
  write("framing", "half", frame(Buffer.alloc(100)).subarray(0, 50));
  write("framing", "large", Buffer.from([0xff, 0xff, 1, 2, 3]));
  const payloads = {
    "vp8-key": "90e08123054f100000009d012a4001b400",
    "vp8-delta": "80e081240540d10001",
    "vp8-short-id": "90801000",
    "vp8-none": "1000000000",
    "vp9-key": "88812300820100",
    "vp9-layers": "a8812344071234",
    "vp9-flexible": "b8812344021234",
    "vp9-structure": "8a81231a0140b401020380",
    "h264-sps": "6742c01f",
    "h264-stap": "78000867 42c01f0000000000 0004 68ce3c80",
    "h264-fu": "7c8700112233",
    "av1-key": "28 0a 0b 00000024",
    opus: "fcfffe",
  };
  for (const [name, hex] of Object.entries(payloads)) write("payload_descriptor", name, Buffer.from(hex.replaceAll(" ", ""), "hex"));
}

/** Scripts for the forwarding core: set up four tracks and viewers, then packets in a pattern. */
function scripts() {
  const setUp = [];
  for (let n = 0; n < 4; n += 1) setUp.push(12, n, 0, 7);
  for (let n = 0; n < 4; n += 1) setUp.push(16, 0, n);
  for (let viewer = 0; viewer < 4; viewer += 1) for (let track = 0; track < 4; track += 1) setUp.push(18, track, viewer);
  const patterns = {
    steady: (n) => [n % 12, n % 4, n % 3, 5, 3, n % 3, 200, n % 10 === 0 ? 0xfe : 0xf6, n & 255, 1],
    lossy: (n) => [n % 12, 0, 2, n % 16, 4, 1, 240, n % 30 === 0 ? 0xfe : 0xe6, n & 255, n % 4],
    viewing: (n) => (n % 6 === 0 ? [20, n % 4, n % 4, n & 7, n % 3, 40, 20] : [1, n % 4, n % 3, 9, 2, 0, 180, n % 8 === 0 ? 0x0f : 0x07, n & 255, 0]),
    squeezed: (n) => (n % 9 === 0 ? [21, 0, n % 4, 1, (n * 7) & 255] : n % 7 === 0 ? [23, 0, 0, 90] : [2, n % 4, n % 3, 3, 1, 0, 250, 0xfa, n & 255, 0]),
    coming: (n) => (n % 11 === 0 ? [14 + (n % 6), n % 4, n % 4, 1] : [3, n % 4, n % 3, 7, 1, 0, 99, 0xfb, n & 255, 0]),
  };
  for (const [name, pattern] of Object.entries(patterns)) {
    const steps = Array.from({ length: 250 }, (_, n) => pattern(n)).flat();
    write("rtp_rewriting", name, Buffer.from([...setUp, ...steps]));
  }
}

const offers = await descriptions();
await tokens();
await joins();
frames(offers);
dataPackets();
packets();
scripts();

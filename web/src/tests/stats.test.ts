import assert from "node:assert/strict";
import { test } from "node:test";
import { figures, lossPercent, readPath, readReceived, readSent, type Entry } from "../stats/read";
import { bitrateText } from "../stats/view";

const RECEIVED: Entry[] = [
  { id: "C", type: "codec", timestamp: 0, mimeType: "video/VP8" },
  { id: "I", type: "inbound-rtp", timestamp: 1000, codecId: "C", bytesReceived: 1000, packetsReceived: 90, packetsLost: 10, jitter: 0.012, frameWidth: 640, frameHeight: 360, framesPerSecond: 24 },
  { id: "T", type: "transport", timestamp: 0, selectedCandidatePairId: "P" },
  { id: "Q", type: "candidate-pair", timestamp: 0, nominated: true, state: "succeeded", currentRoundTripTime: 9 },
  { id: "P", type: "candidate-pair", timestamp: 0, localCandidateId: "L", remoteCandidateId: "R", currentRoundTripTime: 0.025 },
  { id: "L", type: "local-candidate", timestamp: 0, protocol: "udp", candidateType: "prflx" },
  { id: "R", type: "remote-candidate", timestamp: 0, protocol: "udp", candidateType: "host" },
];

test("a receiver's report tells rate, size, loss, jitter and codec", () => {
  const [before] = readReceived(RECEIVED);
  assert.ok(before);
  const after = { ...before, at: 3000, bytes: 501_000, packets: 190, lost: 10 };
  assert.deepEqual(figures(before, after), {
    rid: "", kilobits: 2000, loss: 0, size: "640×360", fps: 24, jitter: 12, roundTrip: undefined, codec: "VP8", limited: undefined,
  });
});

test("the first sample knows no rate but the loss so far", () => {
  const [sample] = readReceived(RECEIVED);
  assert.ok(sample);
  const first = figures(undefined, sample);
  assert.equal(first.kilobits, undefined);
  assert.equal(first.loss, 10);
});

test("counters that start again give no rate rather than a negative one", () => {
  const [sample] = readReceived(RECEIVED);
  assert.ok(sample);
  const next = figures({ ...sample, at: 0, bytes: 9_999_999 }, sample);
  assert.equal(next.kilobits, undefined);
});

test("the path in use is the transport's choice", () => {
  assert.deepEqual(readPath(RECEIVED), { roundTrip: 25, protocol: "udp", candidates: "prflx → host" });
  assert.equal(readPath([]), undefined);
});

test("a sender's report has one line for each layer that is sent", () => {
  const sent = readSent([
    { id: "O1", type: "outbound-rtp", timestamp: 5, rid: "q", bytesSent: 10, packetsSent: 3, qualityLimitationReason: "none" },
    { id: "O2", type: "outbound-rtp", timestamp: 5, rid: "f", active: false, bytesSent: 0, packetsSent: 0 },
    { id: "R1", type: "remote-inbound-rtp", timestamp: 5, localId: "O1", packetsLost: 2, jitter: 0.004, roundTripTime: 0.03 },
  ]);
  assert.equal(sent.length, 1);
  assert.equal(sent[0]?.rid, "q");
  assert.equal(sent[0]?.lost, 2);
  assert.equal(sent[0]?.roundTrip, 30);
  assert.equal(sent[0]?.limited, undefined);
});

test("loss is a share of what was sent; duplicates are no loss", () => {
  assert.equal(lossPercent(1, 99), 1);
  assert.equal(lossPercent(-3, 100), 0);
  assert.equal(lossPercent(0, 0), undefined);
});

test("bit rates read well", () => {
  assert.deepEqual([0, 64.4, 1500].map(bitrateText), ["0 kbit/s", "64 kbit/s", "1.50 Mbit/s"]);
});

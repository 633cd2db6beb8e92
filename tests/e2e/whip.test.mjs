// Standard doors: WHIP in by GStreamer, WHEP out to aiortc. Neither shares code with the browsers.

import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { ROOT } from "../harness/node.mjs";
import { DEBIAN_PYTHON, PYTHON, Puppet } from "../harness/puppet.mjs";
import { scenario, stage } from "../harness/scenario.mjs";
import { joinToken } from "../harness/token.mjs";
import { grows, until } from "../harness/wait.mjs";

const shared = stage({ chromium: true });

async function gstreamer(room, identity, later) {
  const token = await joinToken(room, identity);
  const made = spawnSync(PYTHON, [join(ROOT, "tests/python/certificate.py")], { encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
  const options = { python: DEBIAN_PYTHON, env: { CERTIFICATE: made.stdout } };
  return later(new Puppet("whip_gstreamer.py", [`${shared.node.http}/whip/${room}`, token], options));
}

async function aiortc(room, identity, later) {
  const token = await joinToken(room, identity, { canPublish: false });
  const puppet = later(new Puppet("whep_aiortc.py", [`${shared.node.http}/whep/${room}`, token]));
  const started = await puppet.ask("start");
  assert.equal(started.status, 201, JSON.stringify(started));
  return puppet;
}

scenario("a browser sees and hears what GStreamer sends by WHIP, until it ends", shared, async ({ room, later }) => {
  const ana = later(await shared.chromium.join(shared.node, room, "ana"));
  const sender = await gstreamer(room, "gst", later);
  await ana.sees("gst");
  await ana.hears("gst");
  assert.equal(await sender.ask("delete"), 200);
  await ana.event("participantDisconnected", (e) => e.identity === "gst");
});

scenario("aiortc receives by WHEP what a browser publishes", shared, async ({ room, later }) => {
  const publish = ["camera", "microphone"];
  later(await shared.chromium.join(shared.node, room, "ana", { publish }));
  const viewer = await aiortc(room, "viewer", later);
  await grows("frames by WHEP", async () => (await viewer.ask("received")).frames, 20);
  await until("sound by WHEP", async () => (await viewer.ask("received")).energy > 0);
  assert.equal(await viewer.ask("delete"), 200);
  await until("the viewer to be told the end", async () => (await viewer.ask("received")).state === "closed");
});

scenario("WHIP in and WHEP out need no browser", shared, async ({ room, later }) => {
  await gstreamer(room, "gst", later);
  const { RoomServiceClient } = await import("livekit-server-sdk");
  const service = new RoomServiceClient(shared.node.http, "devkey", "secret");
  await until("two tracks to be published", async () => {
    const people = await service.listParticipants(room);
    return people.find((p) => p.identity === "gst")?.tracks.length === 2;
  });
  const viewer = await aiortc(room, "viewer", later);
  await grows("frames by WHEP", async () => (await viewer.ask("received")).frames, 20);
});

scenario("WHIP refuses what it must with a problem document", shared, async ({ room }) => {
  const url = `${shared.node.http}/whip/${room}`;
  const token = await joinToken(room, "gst");
  const other = await joinToken("elsewhere", "gst");
  const post = async (token, body, type = "application/sdp") => {
    const headers = { "content-type": type, ...(token && { authorization: `Bearer ${token}` }) };
    const response = await fetch(url, { method: "POST", headers, body });
    const text = await response.text();
    return { status: response.status, type: response.headers.get("content-type"), text };
  };
  for (const [what, status, answer] of [
    ["no token", 401, await post(undefined, "v=0\r\n")],
    ["a token for another room", 403, await post(other, "v=0\r\n")],
    ["another media type", 415, await post(token, "{}", "application/json")],
    ["no SDP at all", 400, await post(token, "hello")],
    ["an SDP without media", 400, await post(token, "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n")],
    ["more than it takes", 413, await post(token, "v=0\r\n".padEnd(3 << 20, "a=x\r\n"))],
  ]) {
    const accepted = Array.isArray(status) ? status : [status, ...(status === 400 ? [422] : []), ...(status === 403 ? [401] : [])];
    assert.ok(accepted.includes(answer.status), `${what}: ${answer.status} ${answer.text}`);
    assert.match(answer.type ?? "", /problem\+json/, what);
    assert.ok(JSON.parse(answer.text).code > 0, what);
  }
});

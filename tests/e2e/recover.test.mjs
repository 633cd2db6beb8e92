// Sockets are cut, nodes are killed; people stay in their room.

import { strict as assert } from "node:assert";

import { Proxy } from "../harness/proxy.mjs";
import { PythonParticipant } from "../harness/puppet.mjs";
import { scenario, stage } from "../harness/scenario.mjs";
import { until } from "../harness/wait.mjs";

const shared = stage({ chromium: true });
const publish = ["camera", "microphone"];

for (const [mode, single] of [["single", true], ["dual", false]]) {
  scenario(`a client whose socket is cut resumes without losing its media in ${mode} mode`, shared, async ({ room, later }) => {
    const { node, chromium } = shared;
    const proxy = later(await Proxy.to(node.base));
    const ana = later(await chromium.join(node, room, "ana", { publish, single, url: proxy.ws }));
    const ben = later(await chromium.join(node, room, "ben", { publish, single }));
    await ben.sees("ana");
    await ana.sees("ben");
    const before = await ana.run(() => window.room.localParticipant.sid);
    proxy.cut();
    await ana.event("signalReconnecting");
    await until("ana to be connected", async () => (await ana.state()) === "connected" && proxy.accepted > 1);
    assert.equal(await ana.run(() => window.room.localParticipant.sid), before, "a resumed session keeps its sid");
    await ben.sees("ana");
    await ana.sees("ben");
    await ana.hears("ben");
    assert.deepEqual(await ben.events("participantDisconnected"), [], "the others noticed nothing");
    // Signalling works on the new socket.
    await ana.run(() => window.room.localParticipant.setMicrophoneEnabled(false).then(() => {}));
    await ben.event("trackMuted", (e) => e.identity === "ana");
  });

  scenario(`a client that starts all over is back with its tracks in ${mode} mode`, shared, async ({ room, later }) => {
    const { node, chromium } = shared;
    const ana = later(await chromium.join(node, room, "ana", { publish, single }));
    const ben = later(await chromium.join(node, room, "ben", { publish, single }));
    await ben.sees("ana");
    await ana.run(() => window.room.simulateScenario("full-reconnect"));
    await ana.event("reconnecting");
    await ana.event("reconnected");
    await until("ana's camera to be published anew", async () => (await ben.events("trackSubscribed")).length > 2);
    await ben.sees("ana");
    await ana.sees("ben");
  });
}

for (const what of ["signal-reconnect", "resume-reconnect", "disconnect-signal-on-resume", "node-failure", "server-leave", "leave-full-reconnect"]) {
  scenario(`the client survives the simulated fault ${what}`, shared, async ({ room, later }) => {
    const { node, chromium } = shared;
    const ana = later(await chromium.join(node, room, "ana", { publish }));
    const ben = later(await chromium.join(node, room, "ben", { publish }));
    await ben.sees("ana");
    await ana.run((what) => window.room.simulateScenario(what), what);
    if (what === "server-leave") {
      await ana.event("disconnected");
      await ben.event("participantDisconnected", (e) => e.identity === "ana");
      return;
    }
    await until("ana to notice", async () =>
      (await ana.events("signalReconnecting")).length + (await ana.events("reconnecting")).length > 0);
    await until("ana to be connected again", async () => (await ana.state()) === "connected");
    await ben.sees("ana");
    await ana.sees("ben");
  });
}

scenario("a Python client whose socket is cut resumes without losing its media", shared, async ({ room, later }) => {
  const { node, chromium } = shared;
  const proxy = later(await Proxy.to(node.base));
  const ana = later(await chromium.join(node, room, "ana", { publish }));
  const py = later(await PythonParticipant.join(node, room, "py", { publish, url: proxy.ws }));
  await ana.sees("py");
  await py.sees("ana");
  proxy.cut();
  await until("py to be back", () => proxy.accepted > 1);
  await py.event("reconnected");
  await ana.sees("py");
  await ana.hears("py");
  await py.sees("ana");
  assert.deepEqual(await ana.events("participantDisconnected"), [], "the others noticed nothing");
  await py.ask("mute", { source: "microphone", muted: true });
  await ana.event("trackMuted", (e) => e.identity === "py");
});

scenario("people whose node is killed and started again are back in the room by themselves", shared, async ({ room, later }) => {
  const { node, chromium } = shared;
  const ana = later(await chromium.join(node, room, "ana", { publish }));
  const py = later(await PythonParticipant.join(node, room, "py", { publish }));
  await ana.sees("py");
  await py.sees("ana");
  await node.killAndStartAgain();
  await ana.event("reconnected");
  await py.event("reconnected");
  const fresh = async () => (await ana.received()).py?.camera?.frames > 0;
  await until("ana to see py anew", fresh);
  await ana.sees("py");
  await ana.hears("py");
  await until("py to be subscribed anew", async () => (await py.ask("events", { name: "trackSubscribed" })).length > 2);
  await py.sees("ana");
  await py.hears("ana");
});

scenario("a node that is told to stop tells its clients and ends by itself", { ...shared, get node() { return undefined; } }, async ({ later, room }) => {
  const { StoaNode } = await import("../harness/node.mjs");
  const node = await StoaNode.start({ config: "drain_s = 2\n" });
  later({ close: () => node.stop() });
  const py = later(await PythonParticipant.join(node, room, "py", { publish: ["microphone"] }));
  assert.equal(await node.end("SIGTERM"), 0, node.tail());
  await until("py to notice", async () =>
    (await py.ask("events", { name: "reconnecting" })).length + (await py.ask("events", { name: "disconnected" })).length > 0);
});

// Browsers of two makes and the Python SDK in one room.

import { PythonParticipant } from "../harness/puppet.mjs";
import { scenario, stage } from "../harness/scenario.mjs";

// Firefox reaches a node of its own machine by the machine's address, never by loopback.
const shared = stage({ node: { args: ["--bind", "0.0.0.0"] }, chromium: true, firefox: true });
const publish = ["camera", "microphone"];

for (const [mode, single] of [["one peer connection", true], ["two peer connections", false]]) {
  scenario(`Chromium, Firefox and Python see and hear each other over ${mode}`, shared, async ({ room, later }) => {
    const { node, chromium, firefox } = shared;
    const ana = later(await chromium.join(node, room, "ana", { publish, single }));
    const ben = later(await firefox.join(node, room, "ben", { publish, single }));
    const py = later(await PythonParticipant.join(node, room, "py", { publish, single }));
    const all = [ana, ben, py];
    for (const one of all) {
      for (const other of all.filter((other) => other !== one)) {
        await one.sees(other.identity);
        await one.hears(other.identity);
      }
    }
  });
}

scenario("a client in single mode and one in dual mode are in one room", shared, async ({ room, later }) => {
  const { node, chromium } = shared;
  const ana = later(await chromium.join(node, room, "ana", { publish, single: true }));
  const ben = later(await chromium.join(node, room, "ben", { publish, single: false }));
  await ana.sees("ben");
  await ben.sees("ana");
  await ana.hears("ben");
  await ben.hears("ana");
});

scenario("who comes late sees who was there, and who goes is told gone", shared, async ({ room, later }) => {
  const { node, chromium } = shared;
  const ana = later(await chromium.join(node, room, "ana", { publish }));
  const ben = later(await chromium.join(node, room, "ben"));
  await ben.sees("ana");
  await ana.event("participantConnected", (e) => e.identity === "ben");
  await ben.run(() => window.room.disconnect());
  await ana.event("participantDisconnected", (e) => e.identity === "ben");
});

scenario("a screen is shared beside the camera and taken back", shared, async ({ room, later }) => {
  const { node, chromium } = shared;
  const ana = later(await chromium.join(node, room, "ana", { publish: ["camera"] }));
  const ben = later(await chromium.join(node, room, "ben"));
  await ben.sees("ana");
  // A canvas stands in for the screen: choosing one needs a person.
  await ana.run(async () => {
    const canvas = document.createElement("canvas");
    const paint = canvas.getContext("2d");
    let hue = 0;
    setInterval(() => {
      paint.fillStyle = `hsl(${(hue += 7)} 80% 50%)`;
      paint.fillRect(0, 0, canvas.width, canvas.height);
    }, 100);
    const [track] = canvas.captureStream(10).getVideoTracks();
    const source = window.sdk.Track.Source.ScreenShare;
    window.screen_ = await window.room.localParticipant.publishTrack(track, { source, simulcast: false });
  });
  await ben.sees("ana", "screen_share");
  await ben.sees("ana", "camera");
  await ana.run(() => window.room.localParticipant.unpublishTrack(window.screen_.track).then(() => {}));
  await ben.event("trackUnpublished", (e) => e.source === "screen_share");
  await ben.sees("ana", "camera");
});

scenario("a second join with the same identity replaces the first", shared, async ({ room, later }) => {
  const { node, chromium } = shared;
  const first = later(await chromium.join(node, room, "ana"));
  const second = later(await chromium.join(node, room, "ana", { publish: ["microphone"] }));
  // DisconnectReason DUPLICATE_IDENTITY.
  await first.event("disconnected", (e) => e.reason === 2);
  const ben = later(await chromium.join(node, room, "ben"));
  await ben.hears("ana");
  await second.event("participantConnected", (e) => e.identity === "ben");
});

// Simulcast: layers are switched, paused and resumed by what viewers want.

import { strict as assert } from "node:assert";

import { scenario, stage } from "../harness/scenario.mjs";
import { until } from "../harness/wait.mjs";

const shared = stage({ chromium: true });
const publish = ["camera"];

const width = async (viewer, of = "ana") => (await viewer.received())[of]?.camera?.width ?? 0;

/** Asks for a layer: 0 low, 1 medium, 2 high. */
const want = (viewer, quality, of = "ana") =>
  viewer.run(
    (of, quality) => window.room.remoteParticipants.get(of).getTrackPublication("camera").setVideoQuality(quality),
    of,
    quality,
  );

for (const [mode, single] of [["single", true], ["dual", false]]) {
  scenario(`layers switch up and down on request in ${mode} mode`, shared, async ({ room, later }) => {
    const { node, chromium } = shared;
    const ana = later(await chromium.join(node, room, "ana", { publish, single }));
    const ben = later(await chromium.join(node, room, "ben", { single }));
    await ben.sees("ana");
    await until("all three layers to be sent", async () => Object.values(await ana.sent()).every((l) => l.frames > 5));
    for (const [quality, wide] of [[0, 320], [2, 1280], [1, 640], [2, 1280], [0, 320]]) {
      await want(ben, quality);
      await until(`the picture to be ${wide} wide`, async () => (await width(ben)) === wide);
      await ben.sees("ana");
    }
  });
}

scenario("two viewers of one camera get the layer that each asked for", shared, async ({ room, later }) => {
  const { node, chromium } = shared;
  later(await chromium.join(node, room, "ana", { publish }));
  const ben = later(await chromium.join(node, room, "ben"));
  const cleo = later(await chromium.join(node, room, "cleo"));
  await ben.sees("ana");
  await cleo.sees("ana");
  await want(ben, 0);
  await want(cleo, 2);
  await until("ben's picture to be small", async () => (await width(ben)) === 320);
  await until("cleo's picture to be large", async () => (await width(cleo)) === 1280);
  assert.equal(await width(ben), 320);
});

scenario("an adaptive viewer gets a layer that fits its element, and none while it is hidden", shared, async ({ room, later }) => {
  const { node, chromium } = shared;
  later(await chromium.join(node, room, "ana", { publish }));
  const ben = later(await chromium.join(node, room, "ben", { adaptive: true }));
  const style = (change) => ben.run((change) => Object.assign(document.querySelector("video").style, change), change);
  await ben.sees("ana");
  await until("a small layer for a small element", async () => (await width(ben)) === 320);
  await style({ width: "1280px", height: "720px" });
  await until("a large layer for a large element", async () => (await width(ben)) === 1280);
  await style({ display: "none" });
  const frames = async () => (await ben.received()).ana.camera.frames;
  let last = -1;
  let rested = 0;
  await until("frames to stop while nobody looks", async () => {
    const now = await frames();
    rested = now === last ? rested + 1 : 0;
    last = now;
    return rested > 15;
  });
  await style({ display: "block" });
  await ben.sees("ana");
});

scenario("layers that nobody watches are not sent, and are sent again when somebody does", shared, async ({ room, later }) => {
  const { node, chromium } = shared;
  const ana = later(await chromium.join(node, room, "ana", { publish, dynacast: true }));
  const ben = later(await chromium.join(node, room, "ben"));
  await ben.sees("ana");
  const layers = async () => {
    const sent = await ana.sent();
    return ["q", "h", "f"].map((rid) => (sent[rid]?.active ? rid : "")).join("");
  };
  await want(ben, 0);
  await until("only the smallest layer to be sent", async () => (await layers()) === "q");
  await ben.sees("ana");
  await want(ben, 2);
  await until("all layers to be sent again", async () => (await layers()) === "qhf");
  // On a machine without time packets are lost, and the estimator holds its estimate for up to a minute after losses.
  await until("the largest to arrive", async () => (await width(ben)) === 1280, 150_000);
});

scenario("a viewer whose bandwidth shrinks gets a smaller layer, and the large one when it grows again", shared, async ({ room, later }) => {
  const { node, chromium } = shared;
  later(await chromium.join(node, room, "ana", { publish }));
  const ben = later(await chromium.join(node, room, "ben"));
  await until("the large layer", async () => (await width(ben)) === 1280);
  await ben.run(() => window.room.simulateScenario("subscriber-bandwidth", 250_000));
  await until("the small layer", async () => (await width(ben)) === 320);
  await ben.sees("ana");
  await ben.run(() => window.room.simulateScenario("subscriber-bandwidth", 0));
  await until("the large layer again", async () => (await width(ben)) === 1280);
});

// Ways through the network, and media that the node cannot read.

import { strict as assert } from "node:assert";

import { Browser } from "../harness/browser.mjs";
import { scenario, stage } from "../harness/scenario.mjs";
import { until } from "../harness/wait.mjs";

const shared = stage({ chromium: true });
/** The policy of networks that let no UDP through; the switch had two names. */
const WITHOUT_UDP = ["webrtc-ip-handling-policy", "force-webrtc-ip-handling-policy"].map(
  (name) => `--${name}=disable_non_proxied_udp`,
);
const publish = ["camera", "microphone"];

for (const [mode, single] of [["single", true], ["dual", false]]) {
  scenario(`a browser that may not use UDP calls over TCP in ${mode} mode`, shared, async ({ room, later }) => {
    const { node, chromium } = shared;
    const walled = later(await Browser.chromium(WITHOUT_UDP));
    const ana = later(await walled.join(node, room, "ana", { publish, single }));
    const ben = later(await chromium.join(node, room, "ben", { publish }));
    await ben.sees("ana");
    await ana.sees("ben");
    await ana.hears("ben");
    await ben.hears("ana");
    const routes = await until("a route", async () => {
      const routes = await ana.run(() => window.routes());
      return routes.length > 0 && routes;
    });
    for (const route of routes) assert.equal(route.protocol, "tcp");
    for (const route of await ben.run(() => window.routes())) assert.equal(route.protocol, "udp");
  });
}

scenario("media encrypted from end to end passes, and only who has the key sees it", shared, async ({ room, later }) => {
  const { node, chromium } = shared;
  const ana = later(await chromium.join(node, room, "ana", { publish, e2ee: "our secret" }));
  const ben = later(await chromium.join(node, room, "ben", { publish, e2ee: "our secret" }));
  await ben.sees("ana");
  await ana.sees("ben");
  await ana.hears("ben");
  const eve = later(await chromium.join(node, room, "eve", { e2ee: "a wrong secret" }));
  await until("packets to reach eve", async () => ((await eve.received()).ana?.camera?.packets ?? 0) > 50);
  assert.equal((await eve.received()).ana.camera.frames, 0, "eve decoded what she must not");
});

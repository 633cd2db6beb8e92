// Time from join to the first decoded frame in Chromium, over many joins of a room in which somebody publishes.
// Arguments: [joins, default 30] [single|dual, default both]

import { Browser } from "../harness/browser.mjs";
import { StoaNode } from "../harness/node.mjs";
import { until } from "../harness/wait.mjs";

const joins = Number(process.argv[2] ?? 30);
const modes = process.argv[3] ? [process.argv[3]] : ["single", "dual"];

const node = await StoaNode.start();
const chromium = await Browser.chromium();
try {
  const publisher = await chromium.join(node, "bench", "publisher", { publish: ["camera", "microphone"] });
  await until("the publisher to send", async () => Object.values(await publisher.sent()).some((l) => l.frames > 30));
  for (const mode of modes) console.log(await measure(mode));
} finally {
  await chromium.close();
  await node.stop();
}

async function measure(mode) {
  const times = { joined: [], connected: [], frame: [] };
  for (let n = 0; n < joins; n += 1) {
    const viewer = await chromium.join(node, "bench", `viewer-${mode}-${n}`, { single: mode === "single" });
    const first = await viewer.event("firstFrame");
    const beganAt = await viewer.run(() => window.joinBeganAt);
    const [signal] = await viewer.events("signalConnected");
    const [connected] = await viewer.events("connected");
    times.joined.push(signal.at - beganAt);
    times.connected.push(connected.at - beganAt);
    times.frame.push(first.at - beganAt);
    await viewer.run(() => window.room.disconnect());
    await viewer.close();
  }
  const part = (name) => `${name} p50 ${quantile(times[name], 0.5)} p99 ${quantile(times[name], 0.99)}`;
  return `${mode}: ${joins} joins, milliseconds: ${part("joined")}; ${part("connected")}; first decoded ${part("frame")}`;
}

function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]);
}

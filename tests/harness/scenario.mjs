// A test with a node and browsers that are shared by the scenarios of one file, and evidence kept when it fails.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Browser } from "./browser.mjs";
import { StoaNode } from "./node.mjs";

const OUT = join(dirname(fileURLToPath(import.meta.url)), "../out");
/** No scenario may hang the run. */
const SCENARIO_MS = 240_000;

/** Declares what the scenarios of a file share: `{node, chromium, firefox}` as asked for. */
export function stage({ node = {}, chromium = false, firefox = false } = {}) {
  const shared = {};
  before(async () => {
    if (node) shared.node = await StoaNode.start(typeof node === "function" ? await node(shared) : node);
    if (chromium) shared.chromium = await Browser.chromium();
    if (firefox) shared.firefox = await Browser.firefox();
  });
  after(async () => {
    await shared.chromium?.close();
    await shared.firefox?.close();
    await shared.node?.stop();
    shared.webhooks?.close();
  });
  return shared;
}

let roomsMade = 0;

/** A sentence that must be true. `work` gets a room name of its own and `later`, for what must be closed at the end. */
export function scenario(sentence, shared, work) {
  test(sentence, { timeout: SCENARIO_MS }, async () => {
    const closing = [];
    const later = (thing) => {
      closing.push(thing);
      return thing;
    };
    const room = `room-${(roomsMade += 1)}-${process.pid}`;
    try {
      await work({ room, later });
    } catch (error) {
      await keepEvidence(sentence, shared, closing);
      throw error;
    } finally {
      for (const thing of closing.reverse()) await thing.close().catch(() => {});
    }
  });
}

async function keepEvidence(sentence, shared, closing) {
  mkdirSync(OUT, { recursive: true });
  const name = sentence.replaceAll(/[^a-z0-9]+/gi, "-").slice(0, 80);
  const parts = [];
  if (shared.node) parts.push("== node", shared.node.tail(2000));
  for (const thing of closing) {
    if (thing.page) parts.push(`== page of ${thing.identity}`, ...thing.page.lines);
    if (thing.log) parts.push(`== ${thing.script ?? "process"} ${thing.identity ?? ""}`, ...thing.log);
  }
  writeFileSync(join(OUT, `${name}.log`), parts.join("\n"));
  await shared.chromium?.screenshots(name).catch(() => {});
  await shared.firefox?.screenshots(name).catch(() => {});
}

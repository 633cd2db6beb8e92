// Real processes, broken at random from a seed for as long as asked, while people write through all of them.
// `cargo xtask sweep --processes` runs this; it is no part of the tests that gate.

import { Cluster } from "../harness/cluster.mjs";
import { Crowd } from "../harness/crowd.mjs";
import { Network } from "../harness/network.mjs";
import { scenario } from "../harness/scenario.mjs";
import { protocolTimer } from "../harness/wait.mjs";

const SECONDS = Number(process.env.SWEEP_SECONDS ?? 60);
const SEED = BigInt(process.env.SWEEP_SEED ?? 1);
/** A cluster is broken for so long, then it is checked and the next one comes, with the next seed. */
const ROUND_S = 60;
const REST_MS = 3_000;
const MASK = (1n << 64n) - 1n;

/** SplitMix64, as in chaos/src/dice.rs. */
function dice(seed) {
  let state = seed;
  return (end) => {
    state = (state + 0x9e3779b97f4a7c15n) & MASK;
    let bits = ((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    bits = ((bits ^ (bits >> 27n)) * 0x94d049bb133111ebn) & MASK;
    return Number((bits ^ (bits >> 31n)) % BigInt(end));
  };
}

async function sweep(seed, seconds, later) {
  const throwDice = dice(seed);
  const network = later(await Network.create(3));
  const cluster = later(await Cluster.start(3, (id) => ({ host: network.host(id), under: network.under(id) })));
  const crowd = later(await Crowd.gather(cluster));
  const paused = new Set();
  const ended = (node) => node.child.exitCode !== null || node.child.signalCode !== null;
  const steps = [
    async (node) => node.end("SIGKILL"),
    async (node) => ended(node) || (node.child.kill("SIGSTOP"), paused.add(node)),
    async (_, id) => network.isolate(id),
    async (_, id) => network.cut(id, (id % 3) + 1),
    async () => network.heal(),
    async () => mend(),
    async () => mend(),
  ];
  const mend = async () => {
    await network.heal();
    for (const node of paused) node.child.kill("SIGCONT");
    paused.clear();
    // None is ready before a majority is there.
    await Promise.all(cluster.all.filter(ended).map((node) => node.spawn()));
  };
  const over = performance.now() + seconds * 1_000;
  while (performance.now() < over) {
    const id = 1 + throwDice(3);
    const step = throwDice(steps.length);
    console.log(`${["kill", "pause", "isolate", "cut", "heal", "mend", "mend"][step]} ${id}`);
    await steps[step](cluster.nodes.get(id), id);
    await new Promise((done) => protocolTimer(throwDice(REST_MS), done));
  }
  await mend();
  await crowd.progress("when all is well");
  const { messages } = await crowd.check();
  console.log(`${messages} messages were acknowledged and are there`);
}

for (let round = 0; round * ROUND_S < SECONDS; round += 1) {
  const seed = SEED + BigInt(round);
  const seconds = Math.min(ROUND_S, SECONDS - round * ROUND_S);
  scenario(`processes are broken at random from seed ${seed}, and nothing acknowledged is lost`, {}, ({ later }) => sweep(seed, seconds, later));
}

// Three node processes of one cluster, made with the commands an operator uses.

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { KEY, SECRET, STOA, StoaNode } from "./node.mjs";
import { until } from "./wait.mjs";

const run = promisify(execFile);
const env = { ...process.env, STOA_KEYS: `${KEY}: ${SECRET}` };

/** Runs `stoa` as an operator does and returns what it printed. */
export async function stoa(...args) {
  const { stdout } = await run(STOA, args, { env });
  return stdout;
}

export class Cluster {
  /** Starts nodes 1 to `size`, and has 1 take in the others. `place` says where each is to run, if not on loopback as it is. */
  static async start(size = 3, place = () => ({})) {
    const cluster = new Cluster();
    cluster.dir = await mkdtemp(join(tmpdir(), "stoa-cluster-"));
    cluster.nodes = new Map();
    const ids = Array.from({ length: size }, (_, index) => index + 1);
    const certificates = join(cluster.dir, "certificates");
    await stoa("cluster", "init", "--out", certificates, "--nodes", ids.join(","));
    for (const id of ids) {
      const { host = "127.0.0.1", env: own = {}, ...where } = await place(id);
      const config = [
        `bind = "${host}"`, "drain_s = 0", "[rtc]", "shards = 1", 'bind = "0.0.0.0"', `node_ips = ["${host}"]`, "[chat]", "sign_up = true",
        "[cluster]", `node = ${id}`, `certificates = "${join(certificates, `node-${id}`)}"`, `join = ${id > 1}`,
      ].join("\n");
      const options = { ...where, host, config, dev: false, env: { STOA_KEYS: `${KEY}: ${SECRET}`, ...own }, ready: id === 1 };
      cluster.nodes.set(id, await StoaNode.start(options));
    }
    for (const id of ids.slice(1)) await cluster.add(id);
    return cluster;
  }

  async add(id) {
    const node = this.nodes.get(id);
    await stoa("cluster", "add", "--url", this.nodes.get(1).http, "--node", `${id}`, "--address", `${node.host}:${node.base + 10}`, "--http", node.http);
  }

  get all() {
    return [...this.nodes.values()];
  }

  /** Lines of `stoa cluster status`, asked of one node. */
  status(node) {
    return stoa("cluster", "status", "--url", node.http);
  }

  /** The id of the node that leads, as soon as one of `asked` knows. */
  leader(asked = this.all) {
    return until("a leader", async () => {
      for (const node of asked) {
        const line = (await this.status(node)).split("\n").find((line) => line.includes(" leads "));
        if (line) return Number(line.trim().split(/\s+/)[0]);
      }
      return false;
    });
  }

  async close() {
    await Promise.all(this.all.map((node) => node.stop()));
    await rm(this.dir, { recursive: true, force: true });
  }
}

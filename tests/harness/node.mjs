// A real node process: started on free ports, waited for, killed, started again.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { until } from "./wait.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = resolve(HERE, "../..");
export const STOA = process.env.STOA ?? join(ROOT, "target/debug/stoa");
export const KEY = "devkey";
export const SECRET = "secret";
/** Distance between the port bases of two nodes: HTTP, ICE over TCP, and media ports behind it. */
const PORTS_EACH = 20;
const FIRST_BASE = 20_000 + (process.pid % 500) * PORTS_EACH;
const LOG_LINES_MAX = 20_000;

let nextBase = FIRST_BASE;
const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

export class StoaNode {
  /** Starts a node with its own data folder; `config` is TOML. `host` is where it is reached, `under` a command that runs it. */
  static async start({ config = "", env = {}, args = [], dev = true, ready = true, host = "127.0.0.1", under = [], data } = {}) {
    if (!existsSync(STOA)) throw new Error(`${STOA} is not built: run cargo build -p node`);
    const node = new StoaNode();
    node.data = data ?? await mkdtemp(join(tmpdir(), "stoa-e2e-"));
    node.base = await freeBase();
    Object.assign(node, { env, host, under });
    node.args = ["serve", ...(dev ? ["--dev"] : []), "--port-base", `${node.base}`, "--data", join(node.data, "data")];
    if (config) {
      await writeFile(join(node.data, "stoa.toml"), config);
      node.args.push("--config", join(node.data, "stoa.toml"));
    }
    node.args.push(...args);
    node.log = [];
    await node.spawn(ready);
    return node;
  }

  get http() {
    return `http://${this.host}:${this.base}`;
  }

  get ws() {
    return `ws://${this.host}:${this.base}`;
  }

  /** The UDP media ports: one per shard. */
  get udp() {
    return [this.base + 2, this.base + 3];
  }

  get pid() {
    return this.child.pid;
  }

  /** Starts the process; one that is not part of a cluster yet is not `ready` but answers. */
  async spawn(ready = true) {
    const env = { ...process.env, ...this.env };
    const [program, ...args] = [...this.under, STOA, ...this.args];
    this.child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"], cwd: this.data });
    running.add(this.child);
    this.child.once("exit", () => running.delete(this.child));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        this.log.push(...text.split("\n").filter(Boolean));
        this.log.splice(0, this.log.length - LOG_LINES_MAX);
      });
    }
    await until("the node to be ready", async () => {
      if (this.child.exitCode !== null || this.child.signalCode) {
        throw Object.assign(new Error(`the node ended by itself:\n${this.tail()}`), { fatal: true });
      }
      return (await fetch(`${this.http}/${ready ? "readyz" : "healthz"}`)).ok;
    });
  }

  /** Ends the process by a signal and waits for its end; returns its exit code. */
  async end(signal = "SIGKILL") {
    const ended = once(this.child, "exit");
    if (this.child.exitCode === null && !this.child.signalCode) {
      this.child.kill(signal);
      await ended;
    }
    return this.child.exitCode;
  }

  async killAndStartAgain() {
    await this.end("SIGKILL");
    await this.spawn();
  }

  async stop() {
    await this.end("SIGKILL");
    await rm(this.data, { recursive: true, force: true });
  }

  /** Resident memory in bytes. */
  async memory() {
    const status = await readFile(`/proc/${this.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]) * 1024;
  }

  /** CPU seconds used so far. */
  async cpu() {
    const stat = await readFile(`/proc/${this.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  tail(lines = 60) {
    return this.log.slice(-lines).join("\n");
  }
}

/** A port base whose HTTP and ICE ports are free. */
async function freeBase() {
  for (; nextBase < 60_000; ) {
    const base = nextBase;
    nextBase += PORTS_EACH;
    if ((await isFree(base)) && (await isFree(base + 1))) return base;
  }
  throw new Error("no free ports");
}

async function isFree(port) {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

// A network of its own for every node: a namespace, a cable to one bridge, and rules that lose packets. Needs root, iproute2
// and iptables; where namespaces are not allowed the tests that use it fail and say so.

import { execFile, execFileSync } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Names carry the process that made them, so that what a killed run left behind is known and removed. */
const NAME = /^stoa(\d+)n\d+$/;

const quietly = (command, ...args) => {
  try {
    execFileSync(command, args, { stdio: "ignore" });
  } catch {
    // It is gone already.
  }
};

// A test runner that gives up ends this process by a signal; what was made goes with it all the same.
process.once("SIGTERM", () => process.exit(143));

const isAlive = (pid) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

export class Network {
  /** Makes a bridge and `count` namespaces on it, 1 to `count`. */
  static async create(count) {
    const network = new Network();
    network.ids = Array.from({ length: count }, (_, index) => index + 1);
    network.bridge = `stoa${process.pid}`;
    network.subnet = `10.${64 + (process.pid % 128)}.${Math.floor(process.pid / 128) % 256}`;
    network.atExit = () => network.remove();
    process.once("exit", network.atExit);
    try {
      await network.lay();
    } catch (error) {
      network.remove();
      throw new Error(`this test needs root, iproute2, iptables and leave to make network namespaces: ${error.stderr ?? error.message}`);
    }
    return network;
  }

  async lay() {
    const { stdout } = await run("ip", ["netns", "list"]);
    for (const [name, pid] of stdout.split("\n").map((line) => line.split(" ")[0].match(NAME) ?? []).filter(([name]) => name)) {
      if (Number(pid) !== process.pid && !isAlive(Number(pid))) removeNamespace(name, `stoa${pid}`);
    }
    await run("ip", ["link", "add", this.bridge, "type", "bridge"]);
    await run("ip", ["address", "add", `${this.subnet}.254/24`, "dev", this.bridge]);
    await run("ip", ["link", "set", this.bridge, "up"]);
    for (const id of this.ids) {
      const [name, near] = [this.name(id), `st${process.pid}.${id}`];
      await run("ip", ["netns", "add", name]);
      await run("ip", ["link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", name]);
      await run("ip", ["link", "set", near, "master", this.bridge, "up"]);
      await run("ip", ["-n", name, "address", "add", `${this.host(id)}/24`, "dev", "eth0"]);
      await run("ip", ["-n", name, "link", "set", "lo", "up"]);
      await run("ip", ["-n", name, "link", "set", "eth0", "up"]);
      await this.inside(id, "iptables", "-w", "-L", "-n");
    }
  }

  name(id) {
    return `stoa${process.pid}n${id}`;
  }

  host(id) {
    return `${this.subnet}.${id}`;
  }

  /** What runs a program in a namespace. */
  under(id) {
    return ["ip", "netns", "exec", this.name(id)];
  }

  inside(id, ...command) {
    const [program, ...args] = [...this.under(id), ...command];
    return run(program, args);
  }

  /** Nothing that `from` sends reaches `to`; the other way still works. */
  async cut(from, to) {
    await this.inside(to, "iptables", "-w", "-A", "INPUT", "-s", this.host(from), "-j", "DROP");
  }

  /** `id` and the other nodes do not reach each other. Clients still reach all. */
  async isolate(id) {
    for (const other of this.ids.filter((one) => one !== id)) await Promise.all([this.cut(id, other), this.cut(other, id)]);
  }

  async heal() {
    await Promise.all(this.ids.map((id) => this.inside(id, "iptables", "-w", "-F", "INPUT")));
  }

  remove() {
    for (const id of this.ids) removeNamespace(this.name(id), this.bridge);
    quietly("ip", "link", "delete", this.bridge);
  }

  async close() {
    process.removeListener("exit", this.atExit);
    this.remove();
  }
}

function removeNamespace(name, bridge) {
  // Its cable goes with it.
  quietly("ip", "netns", "delete", name);
  quietly("ip", "link", "delete", bridge);
}

// Children that speak lines of JSON: the Python SDK's participant and the independent WHIP and WHEP ends.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { joinToken } from "./token.mjs";
import { until, within } from "./wait.mjs";

const TESTS = join(dirname(fileURLToPath(import.meta.url)), "..");
/** The Python of the clone, with the client and server SDKs. */
export const PYTHON = join(TESTS, ".venv/bin/python3");
/** Debian's Python, which alone has its bindings of GStreamer. */
export const DEBIAN_PYTHON = "/usr/bin/python3";

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

export class Puppet {
  constructor(script, args = [], { python = PYTHON, env = {} } = {}) {
    if (!existsSync(python)) throw new Error(`${python} is missing: run cargo xtask test`);
    Object.assign(this, { script, waiting: new Map(), nextId: 1, log: [], ended: false });
    const options = { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, PYTHONUNBUFFERED: "1", ...env } };
    this.child = spawn(python, [join(TESTS, "python", script), ...args], options);
    running.add(this.child);
    this.exit = new Promise((done) => {
      this.child.once("exit", (code) => {
        running.delete(this.child);
        this.ended = true;
        this.waiting.forEach(({ fail }) => fail(new Error(`${script} ended with ${code}:\n${this.tail()}`)));
        done(code);
      });
    });
    createInterface({ input: this.child.stdout }).on("line", (line) => this.read(line));
    createInterface({ input: this.child.stderr }).on("line", (line) => this.log.push(line));
  }

  read(line) {
    if (!line.startsWith("{")) return void this.log.push(line);
    const answer = JSON.parse(line);
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if (answer.error) waiting?.fail(new Error(`${this.script}: ${answer.error}`));
    else waiting?.done(answer.result);
  }

  /** Asks the child to do something and waits for its answer. */
  ask(what, args = {}) {
    if (this.ended) throw new Error(`${this.script} has ended:\n${this.tail()}`);
    const id = this.nextId++;
    const answer = new Promise((done, fail) => this.waiting.set(id, { done, fail }));
    this.child.stdin.write(`${JSON.stringify({ id, do: what, ...args })}\n`);
    return within(`${this.script} to ${what}`, answer);
  }

  tail(lines = 30) {
    return this.log.slice(-lines).join("\n");
  }

  async close() {
    this.child.kill("SIGKILL");
    await this.exit;
  }
}

/** A participant by the public Python SDK, with the same questions as one in a browser. */
export class PythonParticipant extends Puppet {
  static async join(node, room, identity, { publish = [], grants, single, auto = true, url, token } = {}) {
    const participant = new PythonParticipant("participant.py");
    participant.identity = identity;
    const access = token ?? (await joinToken(room, identity, grants));
    await participant.ask("join", { url: url ?? node.ws, token: access, single, auto });
    for (const source of publish) await participant.ask("publish", { source });
    return participant;
  }

  received() {
    return this.ask("received");
  }

  event(name, test = () => true) {
    return until(`${this.identity} to be told ${name}`, async () => (await this.ask("events", { name })).find(test));
  }

  async sees(other, source = "camera", frames = 5) {
    const read = async () => (await this.received())[other]?.[source]?.frames ?? 0;
    const seen = await until(`${this.identity} to see ${other}`, async () => (await read()) > 0 && read());
    return until(`${this.identity} to go on seeing ${other}`, async () => (await read()) >= seen + frames);
  }

  async hears(other) {
    const read = async () => (await this.received())[other]?.microphone?.energy ?? 0;
    const heard = await until(`${this.identity} to hear ${other}`, async () => (await read()) > 0 && read());
    return until(`${this.identity} to go on hearing ${other}`, async () => (await read()) > heard);
  }
}

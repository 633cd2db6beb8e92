// A chat client written from docs/im.md alone, and the requests of a back end. Both encodings, the same frames.

import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import protobuf from "protobufjs";
import WebSocket from "ws";

import { KEY, ROOT, SECRET } from "./node.mjs";
import { protocolTimer, until, within } from "./wait.mjs";

const SCHEMA = join(ROOT, "gateway/schema");
const ACK_EVERY_PUSHES = 50;
const ACK_EVERY_MS = 2_000;
const GAP_MS = 300;
const LOG_FRAMES_MAX = 200;
/** Close codes after which docs/im.md says not to come back by oneself. */
const FINAL = new Set([4400, 4401, 4403, 4409]);

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token signed with an API key, as a back end signs it. */
export function chatToken(claims, secret = SECRET) {
  const exp = Math.floor(Date.now() / 1000) + 600;
  const body = `${part({ alg: "HS256", typ: "JWT" })}.${part({ iss: KEY, exp, im: true, ...claims })}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}

/** The token of the back end itself. */
export const backendToken = () => chatToken({ sub: "backend", im: undefined, imAdmin: true });

/** Sixteen bytes that are new, as proto3 JSON has them. */
export const newCmid = () => randomBytes(16).toString("base64");

export const text = (words) => ({ text: { text: words } });
export const words = (message) => message.content?.text?.text;
export const privately = (a, b) => `c:${[a, b].sort().join(":")}`;

/** One request of the REST API: `{status, body}`. */
export async function rest(node, method, path, { token, body, key, headers = {} } = {}) {
  const all = { ...headers };
  if (token) all.authorization = `Bearer ${token}`;
  if (key) all["idempotency-key"] = key;
  if (body !== undefined) all["content-type"] = "application/json";
  const init = { method, headers: all, body: body === undefined ? undefined : JSON.stringify(body) };
  const answer = await fetch(`${node.http}/v1${path}`, init);
  const told = await answer.text();
  return { status: answer.status, body: told ? JSON.parse(told) : undefined };
}

/** Like `rest`, for a request that must succeed. */
export async function ok(node, method, path, options) {
  const { status, body } = await rest(node, method, path, options);
  if (status !== 200) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(body)}`);
  return body;
}

export const signUp = (node, user) => ok(node, "POST", "/accounts", { body: { user, password: `password of ${user}` } });

export const logIn = (node, user, device = "d1") =>
  ok(node, "POST", "/sessions", { body: { user, password: `password of ${user}`, device, platform: "PLATFORM_WEB" } });

/** Accounts made by the back end. They log in with tokens that the back end signs. */
export async function enroll(node, users) {
  const accounts = users.map((user) => ({ user }));
  const done = await ok(node, "POST", "/accounts/import", { token: backendToken(), body: { accounts } });
  const bad = done.accounts.filter((one) => one.outcome !== "created");
  if (bad.length) throw new Error(`accounts were not made: ${JSON.stringify(bad)}`);
}

/** An `error` frame. */
export class ChatError extends Error {
  constructor(what, error) {
    super(`${what}: ${JSON.stringify(error)}`);
    Object.assign(this, error, { text: error.message, message: `${what}: ${JSON.stringify(error)}` });
  }
}

let schema;
function protobufCodec() {
  schema ??= (() => {
    const root = new protobuf.Root();
    root.resolvePath = (_, target) => join(SCHEMA, target);
    root.loadSync("stoa/im/v1/im.proto");
    return { client: root.lookupType("stoa.im.v1.ClientFrame"), server: root.lookupType("stoa.im.v1.ServerFrame") };
  })();
  const { client, server } = schema;
  return {
    protocol: "stoa.im.v1.pb",
    encode: (frame) => client.encode(client.fromObject(frame)).finish(),
    decode: (data, binary) => {
      if (!binary) throw new Error("a text frame on a protobuf socket");
      return server.toObject(server.decode(data), { longs: String, enums: String, bytes: String });
    },
  };
}

const jsonCodec = () => ({
  protocol: "stoa.im.v1.json",
  encode: (frame) => JSON.stringify(frame),
  decode: (data, binary) => {
    if (binary) throw new Error("a binary frame on a JSON socket");
    return JSON.parse(data);
  },
});

/** Somebody with one device. */
export class Chatter {
  /** Opens a socket and says `connect`. `auto`: comes back by itself as docs/im.md says. */
  static async connect(node, user, options = {}) {
    const chatter = new Chatter(node, user, options);
    await chatter.open();
    return chatter;
  }

  constructor(node, user, { token, device = `dev-${user}`, url = node.ws, encoding = "json", auto = false } = {}) {
    Object.assign(this, { user, device, url, auto, token: token ?? chatToken({ sub: user }) });
    this.codec = encoding === "pb" ? protobufCodec() : jsonCodec();
    Object.assign(this, { rid: 0, waiting: new Map(), unanswered: [], pushes: [], logs: new Map(), handled: 0, acked: 0, tries: 0 });
    /** How often each message was pushed, by `conversation/seq`. */
    this.pushed = new Map();
    this.faults = [];
    /** The last frames, for evidence. */
    this.log = [];
    this.identity = user;
    this.ended = false;
  }

  /** The open socket, before `connect`. */
  async dial() {
    const socket = new WebSocket(`${this.url}/im/v1/ws`, [this.codec.protocol]);
    this.socket = socket;
    this.closed = undefined;
    socket.on("message", (data, binary) => this.hear(socket, data, binary));
    socket.on("error", (error) => (this.broken = error));
    socket.on("close", (code) => this.lost(socket, code));
    await within(`${this.user}'s socket to open`, Promise.race([once(socket, "open"), once(socket, "close").then(() => {
      throw new Error(`the socket of ${this.user} did not open: ${this.broken?.message}`);
    })]));
    if (socket.protocol !== this.codec.protocol) throw new Error(`the server chose ${socket.protocol}`);
  }

  /** Opens a socket; goes on with the session of the last one if there was one. */
  async open({ resume = true } = {}) {
    await this.dial();
    const connect = { token: this.token, device: this.device, platform: "PLATFORM_WEB" };
    if (resume && this.session) connect.resume = { session: this.session, push: `${this.handled}` };
    const connected = await this.ask({ connect });
    clearInterval(this.acking);
    this.acking = setInterval(() => this.ack(), ACK_EVERY_MS).unref();
    for (const one of this.unanswered.splice(0)) this.put(one);
    if (!connected.resumed && this.logs.size) await this.catchUp();
    return connected;
  }

  entered(connected) {
    this.entry = true;
    this.connected = connected;
    this.session = connected.session;
    this.tries = 0;
    if (!connected.resumed) Object.assign(this, { handled: 0, acked: 0 });
  }

  lost(socket, code) {
    if (socket !== this.socket) return;
    this.closed = code;
    this.entry = false;
    clearInterval(this.acking);
    const comesBack = this.auto && !this.ended && !FINAL.has(code);
    const failed = new Error(`${this.user}'s socket was closed with ${code}`);
    for (const one of this.waiting.values()) {
      if (comesBack && !one.body.connect) this.unanswered.push(one);
      else one.fail(failed);
    }
    this.waiting.clear();
    if (comesBack) this.comeBack();
  }

  comeBack() {
    const most = Math.min(30_000, 500 * 2 ** this.tries);
    this.tries += 1;
    protocolTimer(Math.random() * most, () => {
      if (!this.ended) this.open().catch(() => this.closed === undefined && this.socket.terminate());
    });
  }

  hear(socket, data, binary) {
    if (socket !== this.socket) return;
    try {
      const frame = this.codec.decode(data, binary);
      this.wrote("<-", frame);
      this.take(frame);
    } catch (error) {
      this.faults.push(error);
    }
  }

  take(frame) {
    if (frame.batch) return frame.batch.frames.forEach((one) => this.take(one));
    if (frame.rid) return this.answered(frame);
    if (frame.push) {
      const number = Number(frame.push);
      if (number !== this.handled + 1) this.faults.push(new Error(`push ${number} after ${this.handled}`));
      this.handled = number;
      if (this.handled - this.acked >= ACK_EVERY_PUSHES) this.ack();
    }
    this.pushes.push(frame);
    if (frame.message) this.noted(frame.message);
    if (frame.hint) this.behind(frame.hint.conversation, Number(frame.hint.head));
    if (frame.closing) this.closing = frame.closing;
  }

  answered({ rid, push, error, ...body }) {
    const waiting = this.waiting.get(rid);
    if (!waiting) return void this.faults.push(new Error(`an answer to ${rid}, which was not asked`));
    this.waiting.delete(rid);
    if (error) waiting.fail(new ChatError(Object.keys(waiting.body)[0], error));
    else {
      if (body.connected) this.entered(body.connected);
      waiting.done(Object.values(body)[0]);
    }
  }

  ack() {
    if (this.handled === this.acked || this.closed !== undefined) return;
    this.acked = this.handled;
    this.tell({ ack: { push: `${this.handled}` } });
  }

  /** The messages of a conversation, without gaps from the first one known. */
  held(conversation) {
    if (!this.logs.has(conversation)) this.logs.set(conversation, { messages: [], ahead: new Map(), head: 0, last: 0 });
    return this.logs.get(conversation);
  }

  messages(conversation) {
    return this.held(conversation).messages;
  }

  said(conversation) {
    return this.messages(conversation).map(words);
  }

  noted({ conversation, message }) {
    const seq = Number(message.seq);
    const id = `${conversation}/${seq}`;
    this.pushed.set(id, (this.pushed.get(id) ?? 0) + 1);
    this.keep(conversation, message);
    if (this.held(conversation).ahead.size) this.behind(conversation, seq);
  }

  keep(conversation, message) {
    const log = this.held(conversation);
    const seq = Number(message.seq);
    if (seq <= log.last) return;
    log.ahead.set(seq, message);
    for (let next; (next = log.ahead.get(log.last + 1)); ) {
      log.last += 1;
      log.ahead.delete(log.last);
      log.messages.push(next);
    }
  }

  /** There is more than what is here: it may be under way, else it is pulled. */
  behind(conversation, head) {
    const log = this.held(conversation);
    log.head = Math.max(log.head, head);
    log.soon ??= protocolTimer(GAP_MS, () => {
      log.soon = undefined;
      if (log.last < log.head) this.pull(conversation).catch((error) => this.faults.push(error));
    });
  }

  /** Pulls what is missing at the end of a conversation. */
  async pull(conversation) {
    const log = this.held(conversation);
    for (let from = log.last + 1; from; ) {
      const page = await this.ask({ pull: { conversation, from: `${from}`, limit: 100 } });
      // What was said before one could see it, or is gone.
      log.last = Math.max(log.last, Number(page.first ?? 1) - 1);
      for (const message of page.messages ?? []) this.keep(conversation, message);
      from = page.next === undefined ? 0 : Number(page.next);
    }
  }

  /** What changed since the last time; all conversations that moved are pulled. */
  async catchUp() {
    const changes = [];
    for (let more = true; more; ) {
      const { userSeq, heads } = this.synced ?? {};
      this.synced = await this.ask({ sync: { userSeq, heads } });
      changes.push(...(this.synced.changes ?? []));
      for (const { id, head } of this.synced.conversations ?? []) {
        if (Number(head ?? 0) > this.held(id).last) await this.pull(id);
      }
      more = this.synced.more;
    }
    return changes;
  }

  wrote(which, frame) {
    this.log.push(`${which} ${JSON.stringify(frame).slice(0, 500)}`);
    if (this.log.length > LOG_FRAMES_MAX) this.log.shift();
  }

  /** Says what is not answered. */
  tell(body) {
    this.say({ rid: (this.rid += 1), ...body });
  }

  say(frame) {
    this.wrote("->", frame);
    this.socket.send(this.codec.encode(frame));
  }

  put(one) {
    // While the line is being made anew it waits.
    if (this.auto && !this.entry && !one.body.connect) return void this.unanswered.push(one);
    const rid = (this.rid += 1);
    this.waiting.set(rid, one);
    this.say({ rid, ...one.body });
  }

  /** Asks and waits; an `error` is thrown. */
  ask(body) {
    const what = Object.keys(body)[0];
    const answer = new Promise((done, fail) => this.put({ body, done, fail }));
    return within(`${this.user} to be answered ${what}`, answer);
  }

  /** Asks for what may be refused; returns the answer or the error. */
  async refusedOr(body) {
    try {
      return await this.ask(body);
    } catch (error) {
      if (error instanceof ChatError) return error;
      throw error;
    }
  }

  /** Asks for what must be refused; returns the error. */
  async refused(body) {
    const answer = await this.refusedOr(body);
    if (answer instanceof ChatError) return answer;
    throw new Error(`${this.user} was not refused ${JSON.stringify(body).slice(0, 200)}`);
  }

  /** Sends, again with the same cmid while the answer is to wait, until it is stored. */
  async send(to, said, { cmid = newCmid(), options } = {}) {
    const where = /^[cg]:/.test(to) ? { conversation: to } : { user: to };
    const send = { ...where, cmid, content: typeof said === "string" ? text(said) : said, options };
    for (;;) {
      try {
        return await this.ask({ send });
      } catch (error) {
        if (error.retryAfterMs === undefined && !error.unknown) throw error;
        await pause(error.retryAfterMs ?? 0);
      }
    }
  }

  /** The first push of a kind, already here or coming, that passes the test. */
  push(kind, test = () => true, withinMs) {
    return until(`${this.user} to be pushed ${kind}`, () => this.pushes.map((frame) => frame[kind]).find((one) => one && test(one)), withinMs);
  }

  async has(conversation, count) {
    await until(`${this.user} to have ${count} messages of ${conversation}`, () => {
      const { length } = this.messages(conversation);
      return length >= count || (this.faults[0] && Promise.reject(Object.assign(this.faults[0], { fatal: true })));
    });
    return this.messages(conversation);
  }

  ends(withinMs) {
    return until(`${this.user}'s socket to be closed`, () => this.closed, withinMs);
  }

  /** The line breaks; nothing is said before. */
  cut() {
    this.socket.terminate();
    return this.ends();
  }

  async close() {
    this.ended = true;
    clearInterval(this.acking);
    for (const { soon } of this.logs.values()) clearTimeout(soon);
    this.socket?.close(1000);
    if (this.closed === undefined) await this.ends(5_000).catch(() => this.socket.terminate());
  }
}

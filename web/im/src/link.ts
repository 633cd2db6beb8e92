// The socket: connect, resume, reconnect, requests and their answers.

import { jitter, type Host, type SocketLike } from "./host.js";
import { long, type Body, type Closing, type Connected, type Push, type ServerFrame, type WireError } from "./wire.js";

const PROTOCOL = "stoa.im.v1.json";
const ACK_EVERY_PUSHES = 50;
const ACK_EVERY_MS = 2_000;
/** How long a dead line may go unnoticed after a ping. */
const PONG_WITHIN_MS = 10_000;
const PING_EVERY_MS = 25_000;
/** A session that held this long counts as good: waiting begins anew. */
const STEADY_MS = 5_000;
/** Requests that wait at most, in flight or for a connection. */
const REQUESTS_MAX = 512;
/** Requests under way at most, unless the server says less. */
const IN_FLIGHT_MAX = 32;
const RETRY_MIN_MS = 200;
/** How often a refused request is repeated when the server invites to; messages are repeated for ever. */
const REPEATS_MAX = 5;
/** Tokens are renewed this long before they end. */
const RENEW_EARLY_MS = 60_000;
const RENEW_MIN_MS = 10_000;

/** Close codes that are not followed by coming back, and what they mean. */
const FINAL: Record<number, EndReason> = { 4400: "broken", 4403: "disabled", 4409: "replaced" };
const TOKEN_BAD = 4401;
const TOO_MUCH = 4429;
const UNREAD = 4430;
const STOPS = 4503;

/** Why the link ended for good. */
export type EndReason = "closed" | "broken" | "disabled" | "replaced" | "loggedOut";

/** Where the link stands. */
export type LinkState = { kind: "idle" } | { kind: "connecting"; tries: number } | { kind: "online" } | { kind: "ended"; reason: EndReason };

/** An `error` answer, or the end of the link before an answer came. */
export class RequestError extends Error {
  constructor(
    readonly code: number,
    readonly errorName: string,
    message: string,
  ) {
    super(message);
  }
}

/** Gives access tokens. `fresh`: the last one was not taken. Undefined: the log-in ended. Rejects when it cannot tell now. */
export type TokenSource = (fresh: boolean) => Promise<{ token: string; device: string } | undefined>;

/** What the link tells. */
export interface LinkEvents {
  state(state: LinkState): void;
  connected(connected: Connected): void;
  push(push: Push): void;
}

interface Request {
  body: Body;
  rid: number;
  /** Repeated until it is answered for good. */
  stubborn: boolean;
  repeats: number;
  done: (answer: unknown) => void;
  fail: (error: Error) => void;
}

/** One session with the server, over as many sockets as it takes. */
export class Link {
  state: LinkState = { kind: "idle" };
  private socket: SocketLike | undefined;
  private session: string | undefined;
  private rid = 0;
  private handled = 0;
  private acked = 0;
  private tries = 0;
  private heardAt = 0;
  private inFlightMax = IN_FLIGHT_MAX;
  private closing: Closing | undefined;
  private tokenRefused = false;
  private readonly waiting: Request[] = [];
  private readonly flying = new Map<number, Request>();
  private readonly timers = new Map<string, () => void>();

  constructor(
    private readonly host: Host,
    private readonly url: string,
    private readonly tokens: TokenSource,
    private readonly events: LinkEvents,
  ) {}

  /** Connects, and stays connected until `end`. After an end it begins a new session. */
  start(): void {
    if (this.state.kind === "connecting" || this.state.kind === "online") return;
    this.session = undefined;
    this.tries = 0;
    this.comeBack(0);
  }

  /** Ends it. What was not answered fails. */
  end(reason: EndReason = "closed"): void {
    for (const cancel of this.timers.values()) cancel();
    this.timers.clear();
    const { socket } = this;
    this.socket = undefined;
    socket?.close(1000);
    this.become({ kind: "ended", reason });
    const failed = new RequestError(0, "Ended", "The connection ended.");
    for (const request of [...this.flying.values(), ...this.waiting.splice(0)]) request.fail(failed);
    this.flying.clear();
  }

  /** Asks. `stubborn`: again and again until an answer that is final, for what may be repeated, such as messages. */
  ask<T>(body: Body, stubborn = false): Promise<T> {
    return new Promise((done, fail) => {
      if (this.state.kind === "ended") return fail(new RequestError(0, "Ended", "The connection ended."));
      if (this.waiting.length + this.flying.size >= REQUESTS_MAX) return fail(new RequestError(0, "TooMuch", "Too much waits to be sent."));
      this.waiting.push({ body, rid: 0, stubborn, repeats: 0, done: (answer) => done(answer as T), fail });
      this.flow();
    });
  }

  /** Says what is not answered; nothing happens while there is no connection. */
  tell(body: Body): void {
    if (this.state.kind === "online") this.put(this.nextRid(), body);
  }

  /** Tries now instead of after the pause, as when the network is back. */
  hurry(): void {
    if (this.state.kind === "connecting" && this.socket === undefined) this.comeBack(0);
  }

  private comeBack(ms: number): void {
    this.become({ kind: "connecting", tries: this.tries });
    this.later("reconnect", ms, () => void this.open());
  }

  private async open(): Promise<void> {
    this.tries += 1;
    let access: Awaited<ReturnType<TokenSource>>;
    try {
      access = await this.tokens(this.tokenRefused);
    } catch {
      if (this.state.kind === "connecting") this.comeBack(jitter(this.tries, this.host.random()));
      return;
    }
    if (this.state.kind !== "connecting" || this.socket !== undefined) return;
    if (access === undefined) return this.end("loggedOut");
    this.tokenRefused = false;
    this.dial(access.token, access.device);
  }

  private dial(token: string, device: string): void {
    const socket = this.host.socket(`${this.url}/im/v1/ws`, PROTOCOL);
    this.socket = socket;
    this.closing = undefined;
    socket.onopen = () => {
      if (socket !== this.socket) return;
      const resume = this.session === undefined ? {} : { resume: { session: this.session, push: String(this.handled) } };
      this.put(this.nextRid(), { connect: { token, device, platform: "PLATFORM_WEB", ...resume } });
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.socket && typeof data === "string") this.hear(data);
    };
    socket.onclose = ({ code }) => {
      if (socket === this.socket) this.lost(code);
    };
    this.later("watch", PING_EVERY_MS, () => this.drop());
  }

  /** Gives a line up that does not answer. */
  private drop(): void {
    const { socket } = this;
    this.lost(0);
    socket?.close();
  }

  private lost(code: number): void {
    this.socket = undefined;
    for (const name of ["watch", "ack", "renew", "steady"]) this.cancel(name);
    const unanswered = [...this.flying.values()].sort((a, b) => a.rid - b.rid);
    this.flying.clear();
    this.waiting.unshift(...unanswered);
    const final = FINAL[code];
    if (final !== undefined) return this.end(final);
    if (code === TOKEN_BAD) this.tokenRefused = true;
    if (code === UNREAD) this.session = undefined;
    if (code === TOO_MUCH) this.tries = Math.max(this.tries, 4);
    const within = this.closing?.reconnectWithinMs;
    if (within !== undefined && this.tries <= 1) return this.comeBack(this.host.random() * within);
    this.comeBack(code === STOPS && this.tries <= 1 ? 0 : jitter(this.tries, this.host.random()));
  }

  private hear(data: string): void {
    this.heardAt = this.host.now();
    let frame: ServerFrame;
    try {
      frame = JSON.parse(data) as ServerFrame;
    } catch {
      return this.end("broken");
    }
    this.take(frame);
  }

  private take(frame: ServerFrame): void {
    if (frame.batch !== undefined) {
      for (const one of frame.batch.frames ?? []) this.take(one);
      return;
    }
    if (frame.rid) return this.answered(frame.rid, frame);
    if (frame.closing !== undefined) this.closing = frame.closing;
    this.events.push(frame);
    const number = long(frame.push);
    if (number > this.handled) this.handled = number;
    if (this.handled - this.acked >= ACK_EVERY_PUSHES) this.ack();
  }

  private answered(rid: number, frame: ServerFrame): void {
    if (frame.connected !== undefined) return this.entered(frame.connected);
    const request = this.flying.get(rid);
    if (request === undefined) return;
    this.flying.delete(rid);
    if (frame.error !== undefined) this.refused(request, frame.error);
    else request.done(answerOf(frame));
    this.flow();
  }

  private refused(request: Request, error: WireError): void {
    const again = error.retryAfterMs !== undefined || (error.unknown === true && request.stubborn);
    if (!again || (!request.stubborn && request.repeats >= REPEATS_MAX)) {
      return request.fail(new RequestError(error.code ?? 0, error.name ?? "", error.message ?? "The server refused."));
    }
    request.repeats += 1;
    // It waits as one in flight does, so that it is repeated after a reconnect too, and counted.
    const rid = this.nextRid();
    request.rid = rid;
    this.flying.set(rid, request);
    const pause = Math.max(error.retryAfterMs ?? 0, RETRY_MIN_MS) + this.host.random() * RETRY_MIN_MS;
    this.host.after(pause, () => {
      if (this.flying.get(rid) === request && this.state.kind === "online") this.put(rid, request.body);
    });
  }

  private entered(connected: Connected): void {
    if (connected.resumed !== true) {
      this.handled = 0;
      this.acked = 0;
    }
    this.session = connected.session;
    this.inFlightMax = Math.min(IN_FLIGHT_MAX, connected.limits?.requestsInFlight ?? IN_FLIGHT_MAX);
    this.become({ kind: "online" });
    this.later("steady", STEADY_MS, () => (this.tries = 0));
    this.watch(connected.pingEveryMs ?? PING_EVERY_MS);
    this.ackSoon();
    const ends = long(connected.tokenExpiresAt) * 1_000;
    if (ends > 0) this.renewAt(ends);
    this.events.connected(connected);
    this.flow();
  }

  private watch(every: number): void {
    this.later("watch", every, () => {
      if (this.host.now() - this.heardAt < every) return this.watch(every);
      this.tell({ ping: {} });
      const asked = this.host.now();
      this.later("watch", PONG_WITHIN_MS, () => (this.heardAt < asked ? this.drop() : this.watch(every)));
    });
  }

  private renewAt(ends: number): void {
    this.later("renew", Math.max(RENEW_MIN_MS, ends - RENEW_EARLY_MS - this.host.now()), () => void this.renew());
  }

  private async renew(): Promise<void> {
    try {
      const access = await this.tokens(true);
      if (access === undefined) return this.end("loggedOut");
      await this.ask({ renew: { token: access.token } });
      this.renewAt(expiry(access.token) ?? this.host.now() + 5 * RENEW_EARLY_MS);
    } catch {
      // The server closes with 4401 in time, and the link comes back with another token.
    }
  }

  private ackSoon(): void {
    this.later("ack", ACK_EVERY_MS, () => {
      this.ack();
      this.ackSoon();
    });
  }

  private ack(): void {
    if (this.handled === this.acked) return;
    this.acked = this.handled;
    this.tell({ ack: { push: String(this.handled) } });
  }

  private flow(): void {
    while (this.state.kind === "online" && this.waiting.length > 0 && this.flying.size < this.inFlightMax) {
      const request = this.waiting.shift();
      if (request === undefined) return;
      request.rid = this.nextRid();
      this.flying.set(request.rid, request);
      this.put(request.rid, request.body);
    }
  }

  private put(rid: number, body: Body): void {
    this.socket?.send(JSON.stringify({ rid, ...body }));
  }

  private nextRid(): number {
    this.rid = this.rid >= 2 ** 31 - 1 ? 1 : this.rid + 1;
    return this.rid;
  }

  private become(state: LinkState): void {
    this.state = state;
    this.events.state(state);
  }

  private later(name: string, ms: number, work: () => void): void {
    this.cancel(name);
    this.timers.set(name, this.host.after(ms, work));
  }

  private cancel(name: string): void {
    this.timers.get(name)?.();
    this.timers.delete(name);
  }
}

function answerOf(frame: ServerFrame): unknown {
  for (const [name, value] of Object.entries(frame)) {
    if (name !== "rid" && name !== "push") return value;
  }
  return {};
}

/** When a JWT ends, in milliseconds since 1970. */
function expiry(token: string): number | undefined {
  try {
    const part = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const { exp } = JSON.parse(atob(part)) as { exp?: number };
    return exp === undefined ? undefined : exp * 1_000;
  } catch {
    return undefined;
  }
}

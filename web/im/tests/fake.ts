// A world without time or network: the test says when time passes and what the server answers.

import type { Host, SocketLike } from "../src/host";
import type { Body, ServerFrame } from "../src/wire";

type Frame = { rid: number } & Record<string, any>;

/** One socket, seen from the server. */
export class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  readonly heard: Frame[] = [];
  closed = false;

  send(data: string): void {
    this.heard.push(JSON.parse(data) as Frame);
  }

  close(): void {
    this.closed = true;
  }

  /** The frames of one kind that the client sent. */
  got(kind: string): Frame[] {
    return this.heard.filter((frame) => kind in frame);
  }

  last(kind: string): Frame {
    const frame = this.got(kind).at(-1);
    if (frame === undefined) throw new Error(`no ${kind} among ${JSON.stringify(this.heard)}`);
    return frame;
  }

  tell(frame: ServerFrame): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  answer(kind: string, body: Body): void {
    this.tell({ rid: this.last(kind).rid, ...body });
  }

  enter(resumed = false, more: Body = {}): void {
    this.onopen?.();
    this.answer("connect", { connected: { session: "s1", user: "ada", pingEveryMs: 25_000, resumed, ...more } });
  }

  drop(code = 1006): void {
    this.onclose?.({ code });
  }
}

export class FakeHost implements Host {
  readonly sockets: FakeSocket[] = [];
  chance = 0.5;
  private time = 1_000_000;
  private timers: { at: number; work: () => void }[] = [];

  get socketNow(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("no socket was opened");
    return socket;
  }

  fetch(): never {
    throw new Error("nothing is fetched here");
  }

  socket(): SocketLike {
    const socket = new FakeSocket();
    this.sockets.push(socket);
    return socket;
  }

  now(): number {
    return this.time;
  }

  random(): number {
    return this.chance;
  }

  after(ms: number, work: () => void): () => void {
    const timer = { at: this.time + ms, work };
    this.timers.push(timer);
    return () => (this.timers = this.timers.filter((one) => one !== timer));
  }

  /** Lets time pass, and all that waits for nothing but a promise happen. */
  async pass(ms: number): Promise<void> {
    const until = this.time + ms;
    await settle();
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.timers = this.timers.filter((one) => one !== next);
      this.time = Math.max(this.time, next.at);
      next.work();
      await settle();
    }
    this.time = until;
  }
}

/** Lets promises that are ready go on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

// What the client needs of the world around it. Tests bring their own.

/** The part of a WebSocket that is used. */
export interface SocketLike {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

/** Network, clock and chance. */
export interface Host {
  fetch(url: string, init: { method: string; headers: Record<string, string>; body?: string }): Promise<{ ok: boolean; status: number; text(): Promise<string> }>;
  socket(url: string, protocol: string): SocketLike;
  /** Milliseconds since 1970. */
  now(): number;
  /** In [0, 1). */
  random(): number;
  /** Calls `work` once after `ms`; what is returned prevents it. */
  after(ms: number, work: () => void): () => void;
}

/** The browser, or Node 22 and later. */
export function platform(): Host {
  return {
    fetch: (url, init) => fetch(url, init),
    socket: (url, protocol) => new WebSocket(url, protocol) as unknown as SocketLike,
    now: () => Date.now(),
    random: () => Math.random(),
    after: (ms, work) => {
      const timer = setTimeout(work, ms);
      return () => clearTimeout(timer);
    },
  };
}

const DELAY_FIRST_MS = 500;
const DELAY_MAX_MS = 30_000;

/** Full jitter: a random time below a bound that doubles with each try. */
export function jitter(tries: number, random: number): number {
  return random * Math.min(DELAY_MAX_MS, DELAY_FIRST_MS * 2 ** Math.min(tries, 16));
}

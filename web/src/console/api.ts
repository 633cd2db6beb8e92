// The public REST API, asked of this page's node, or of another one when it is gone.

/** No answer within this: the node counts as not reachable. */
const ANSWER_MS = 4_000;

/** A request that was not served, in words for people. */
export class Refusal extends Error {
  constructor(
    /** The HTTP status; 0 when no node was reached. */
    readonly status: number,
    /** The code of docs/errors.md, if there is one. */
    readonly code: string | undefined,
    title: string,
    /** What to do about it. */
    readonly advice: string,
  ) {
    super(title);
  }
}

/** What an operator may ask. */
export class Api {
  /** Where nodes answer; the first one is asked. */
  private bases = [""];

  constructor(private readonly token: string) {}

  /** Other nodes that may be asked when the one that is asked is gone. */
  know(bases: string[]): void {
    const fresh = bases.filter((base) => !this.bases.includes(base));
    this.bases.push(...fresh);
  }

  get<T>(path: string): Promise<T> {
    return this.ask<T>("GET", path);
  }

  /** Asks one node, and no other. */
  of<T>(base: string, path: string): Promise<T> {
    return this.once<T>(base, "GET", path);
  }

  /** A method of the room service. */
  room<T>(method: string, body: object): Promise<T> {
    return this.ask<T>("POST", `/twirp/livekit.RoomService/${method}`, body);
  }

  /** Asks the first node that answers. What the console changes may be asked twice. */
  async ask<T>(method: string, path: string, body?: object): Promise<T> {
    for (let tries = this.bases.length; ; tries -= 1) {
      const [base = "", ...others] = this.bases;
      try {
        return await this.once<T>(base, method, path, body);
      } catch (error) {
        if (!(error instanceof Refusal) || error.status !== 0 || tries <= 1) throw error;
        this.bases = [...others, base];
      }
    }
  }

  private async once<T>(base: string, method: string, path: string, body?: object): Promise<T> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.token}` };
    if (body !== undefined) headers["content-type"] = "application/json";
    let status: number;
    let text: string;
    try {
      const init = { method, headers, cache: "no-store" as const, signal: AbortSignal.timeout(ANSWER_MS) };
      const answer = await fetch(base + path, body === undefined ? init : { ...init, body: JSON.stringify(body) });
      status = answer.status;
      text = await answer.text();
    } catch {
      throw new Refusal(0, undefined, "No node answers.", "Check that the nodes run and that this browser reaches them; it is tried again by itself.");
    }
    if (status < 200 || status >= 300) throw refusal(status, text);
    return (path.endsWith("/metrics") ? text : parse(text)) as T;
  }
}

/** Makes words of an error body: RFC 9457, or that of the room service. */
export function refusal(status: number, text: string): Refusal {
  const told = parse(text) as { title?: string; detail?: string; action?: string; code?: number | string; msg?: string; meta?: { code?: string } };
  const code = told.meta?.code ?? (told.code === undefined ? undefined : String(told.code));
  const title = sentence(told.detail ?? told.msg ?? told.title ?? `The node answered with HTTP ${status}`);
  return new Refusal(status, code, title, told.action ?? advice(status));
}

function advice(status: number): string {
  if (status === 401 || status === 403) return "Use a token with the rights that are missing.";
  if (status === 404) return "It is not there any more; load the list again.";
  return status >= 500 ? "Try again; if it stays so, the log of the node says more." : "";
}

function parse(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

// Accounts and log-ins, over REST.

import type { Host } from "./host.js";
import { long, type Long } from "./wire.js";

/** A log-in of this installation. Keep it: it comes back after a reload. */
export interface LogIn {
  user: string;
  device: string;
  accessToken: string;
  /** In milliseconds since 1970. */
  accessExpiresAt: number;
  /** Good for one use. */
  refreshToken: string;
}

/** A refusal of the REST API, in the server's words. */
export class ApiError extends Error {
  constructor(
    /** The HTTP status; 0 when the server was not reached. */
    readonly status: number,
    /** The code of docs/errors.md, if there is one. */
    readonly code: number | undefined,
    readonly title: string,
    readonly action: string,
  ) {
    super(title);
  }
}

interface TokenPair {
  user: string;
  accessToken: string;
  accessExpiresAt: Long;
  refreshToken: string;
}

/** Makes an account; refused where sign-up is closed. */
export async function signUp(host: Host, origin: string, user: string, password: string): Promise<void> {
  await post(host, `${origin}/v1/accounts`, { user, password });
}

/** Logs a device in. */
export async function logIn(host: Host, origin: string, who: { user: string; password: string; device: string; name?: string }): Promise<LogIn> {
  const pair = await post<TokenPair>(host, `${origin}/v1/sessions`, { ...who, platform: "PLATFORM_WEB" });
  return fromPair(pair, who.device);
}

/** Changes the refresh token for new tokens. The old one must never be used again. */
export async function refresh(host: Host, origin: string, login: LogIn): Promise<LogIn> {
  const pair = await post<TokenPair>(host, `${origin}/v1/sessions/refresh`, { refreshToken: login.refreshToken });
  return fromPair(pair, login.device);
}

/** Ends the log-in on the server. */
export async function logOut(host: Host, origin: string, login: LogIn): Promise<void> {
  await ask(host, "DELETE", `${origin}/v1/sessions/current`, undefined, login.accessToken);
}

function fromPair(pair: TokenPair, device: string): LogIn {
  const { user, accessToken, refreshToken } = pair;
  return { user, device, accessToken, refreshToken, accessExpiresAt: long(pair.accessExpiresAt) * 1_000 };
}

function post<T>(host: Host, url: string, body: unknown): Promise<T> {
  return ask<T>(host, "POST", url, body);
}

async function ask<T>(host: Host, method: string, url: string, body?: unknown, token?: string): Promise<T> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
  let status: number;
  let text: string;
  try {
    const answer = await host.fetch(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    status = answer.status;
    text = await answer.text();
  } catch {
    throw new ApiError(0, undefined, "The server cannot be reached.", "Check your connection, then try again.");
  }
  const told = parse(text);
  if (status >= 200 && status < 300) return told as T;
  const { code, detail, title, action } = told as { code?: number; detail?: string; title?: string; action?: string };
  throw new ApiError(status, code, detail ?? title ?? `HTTP ${status}`, action ?? "");
}

function parse(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

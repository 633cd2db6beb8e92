// The log-in that this browser keeps. Its refresh token is good for one use, so tabs take turns.

import { ApiError, logIn, logOut, platform, refresh, signUp, type LogIn, type TokenSource } from "@stoa/im";
import { randomCode } from "../core/random";

const LOGIN = "stoa.login";
const DEVICE = "stoa.device";
/** A token that ends sooner than this is not begun with. */
const SPARE_MS = 30_000;

const host = platform();

/** The kept log-in, if any. */
export function keptLogIn(): LogIn | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(LOGIN) ?? "null") as LogIn | null;
    return typeof kept?.refreshToken === "string" ? kept : undefined;
  } catch {
    return undefined;
  }
}

/** Logs in, after making the account if it is `fresh`. */
export async function enter(user: string, password: string, fresh: boolean): Promise<LogIn> {
  if (fresh) await signUp(host, location.origin, user, password);
  const login = await logIn(host, location.origin, { user, password, device: device() });
  keep(login);
  return login;
}

/** Ends the log-in, on the server too if it is reached. */
export async function leave(): Promise<void> {
  const login = keptLogIn();
  keep(undefined);
  if (login !== undefined) await logOut(host, location.origin, login).catch(() => {});
}

/** Access tokens out of the kept log-in. */
export function tokenSource(): TokenSource {
  let given = "";
  return (fresh) =>
    inTurn(async () => {
      const login = keptLogIn();
      if (login === undefined) return undefined;
      const stale = fresh && login.accessToken === given;
      const current = stale || login.accessExpiresAt < Date.now() + SPARE_MS ? await renewed(login) : login;
      given = current?.accessToken ?? "";
      return current && { token: current.accessToken, device: current.device };
    });
}

async function renewed(login: LogIn): Promise<LogIn | undefined> {
  try {
    const next = await refresh(host, location.origin, login);
    keep(next);
    return next;
  } catch (error) {
    if (!(error instanceof ApiError) || (error.status !== 401 && error.status !== 403)) throw error;
    keep(undefined);
    return undefined;
  }
}

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  return "locks" in navigator ? (navigator.locks.request("stoa.login", work) as Promise<T>) : work();
}

function keep(login: LogIn | undefined): void {
  try {
    if (login === undefined) localStorage.removeItem(LOGIN);
    else localStorage.setItem(LOGIN, JSON.stringify(login));
  } catch {
    // Without storage a reload asks for the password again.
  }
}

/** This browser's name, chosen once. */
function device(): string {
  try {
    const kept = localStorage.getItem(DEVICE) ?? `web-${randomCode(12)}`;
    localStorage.setItem(DEVICE, kept);
    return kept;
  } catch {
    return `web-${randomCode(12)}`;
  }
}

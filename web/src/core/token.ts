// Access tokens. A node started with --dev hands them out to anybody; otherwise a person brings one.

import { tokenProblem, type Problem } from "./problem";

/** What opens a room. */
export interface Ticket {
  /** Where signalling connects to. */
  url: string;
  /** The access token. */
  token: string;
}

/** The answer to a request for a token. */
export type TicketAnswer =
  | { kind: "ticket"; ticket: Ticket }
  /** This node hands out no tokens: one must be pasted. */
  | { kind: "none" }
  | { kind: "problem"; problem: Problem };

/** Asks this page's node for a token. */
export async function requestTicket(room: string, identity: string, name: string): Promise<TicketAnswer> {
  let response: Response;
  let body: string;
  try {
    response = await fetch("/v1/token", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ room, identity, name }),
    });
    body = await response.text();
  } catch {
    const advice = "Check your connection and whether the server runs, then try again.";
    return { kind: "problem", problem: { title: "The server cannot be reached.", advice } };
  }
  if (response.status === 404 || response.status === 405) return { kind: "none" };
  const ticket = response.ok ? parseTicket(body) : undefined;
  if (ticket === undefined) return { kind: "problem", problem: tokenProblem(response.status, body) };
  return { kind: "ticket", ticket };
}

/** The ticket for a token that somebody pasted. */
export function pastedTicket(token: string): Ticket {
  return { url: ownUrl(), token: token.trim() };
}

/** The room a token is for, or undefined when the text is no token or names none. */
export function tokenRoom(token: string): string | undefined {
  try {
    const middle = token.trim().split(".")[1] ?? "";
    const bytes = Uint8Array.from(atob(middle.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as { video?: { room?: unknown } };
    return typeof claims.video?.room === "string" && claims.video.room !== "" ? claims.video.room : undefined;
  } catch {
    return undefined;
  }
}

function parseTicket(body: string): Ticket | undefined {
  try {
    const answer = JSON.parse(body) as Partial<Ticket>;
    if (typeof answer.token !== "string") return undefined;
    return { token: answer.token, url: typeof answer.url === "string" && answer.url !== "" ? answer.url : ownUrl() };
  } catch {
    return undefined;
  }
}

/** This page's own server, as a WebSocket address. */
function ownUrl(): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;
}

// The page: before the call, the call, after it.

import { DisconnectReason, LogLevel, Room, setLogLevel } from "livekit-client";
import { joinCall, roomOptions, type Call, type Ending } from "./call/call";
import { parseOptions } from "./core/options";
import { endProblem, endsForGood, joinProblem, type Problem } from "./core/problem";
import { claimIdentity } from "./core/remember";
import { pastedTicket, requestTicket, tokenRoom, type Ticket } from "./core/token";
import { endedView } from "./ended";
import { JoinView, type JoinRequest } from "./join/view";
import { retryDelay } from "./core/retry";
import { MESSAGES_HASH, MessagesView } from "./messages/view";

declare global {
  interface Window {
    /** For tests and for looking into a call from the browser's console. */
    stoa: { room: Room | undefined };
  }
}

setLogLevel(LogLevel.warn);
window.stoa = { room: undefined };
const options = parseOptions(location.search);
const identity = claimIdentity();
const app = document.getElementById("app") ?? document.body;

/** Why there is no call. */
type JoinFailure = { kind: "problem"; problem: Problem } | { kind: "token" };

/** What is on the page while there is no call: the page before it, or messages. */
let lobby: { close: () => void } | undefined;

/** Shows what the address says, unless there is a call. */
function showLobby(): void {
  if (location.hash.startsWith(MESSAGES_HASH)) showMessages();
  else showJoin();
}

function showMessages(): void {
  lobby?.close();
  const view = new MessagesView();
  const route = () => (location.hash.startsWith(MESSAGES_HASH) ? view.route() : showJoin());
  window.addEventListener("hashchange", route);
  lobby = {
    close: () => {
      window.removeEventListener("hashchange", route);
      view.close();
    },
  };
  mount(view.element, "messages");
}

function showJoin(): void {
  lobby?.close();
  let joining = false;
  const view: JoinView = new JoinView(options, (request) => {
    if (joining) return;
    joining = true;
    view.setBusy(true);
    view.showProblem(undefined);
    void join(request).then((result) => {
      joining = false;
      view.setBusy(false);
      if ("room" in result) {
        window.removeEventListener("hashchange", route);
        lobby = undefined;
        view.unmount();
        showCall(result, request);
      } else if (result.kind === "token") {
        view.askForToken();
      } else {
        view.showProblem(result.problem);
      }
    });
  });
  const route = () => {
    if (!joining && location.hash.startsWith(MESSAGES_HASH)) showMessages();
  };
  window.addEventListener("hashchange", route);
  lobby = {
    close: () => {
      window.removeEventListener("hashchange", route);
      view.discard();
    },
  };
  document.title = "Stoa";
  mount(view.element, "join");
  if (options.join) {
    options.join = false;
    void view.ready.then(() => view.submit());
  }
}

/** Gets a token and joins. */
async function join(request: JoinRequest): Promise<Call | JoinFailure> {
  const ticket = await ticketFor(request);
  if ("kind" in ticket) return ticket;
  const room = new Room(roomOptions(request, options.single));
  window.stoa.room = room;
  try {
    return await joinCall(room, ticket, request);
  } catch (error) {
    return { kind: "problem", problem: joinProblem(error) };
  }
}

async function ticketFor(request: JoinRequest): Promise<Ticket | JoinFailure> {
  if (request.token !== undefined) return pastedTicket(request.token);
  const answer = await requestTicket(request.room, await identity, request.name);
  switch (answer.kind) {
    case "ticket":
      return answer.ticket;
    case "none":
      return { kind: "token" };
    case "problem":
      return answer;
  }
}

function showCall(call: Call, request: JoinRequest): void {
  const room = (request.token && tokenRoom(request.token)) || request.room;
  rememberInAddress(room);
  options.room = room;
  options.name = request.name;
  mount(call.view.element, "call");
  void call.ended.then((ending) => showEnded(ending, { ...request, room, camera: ending.cameraOn, microphone: ending.microphoneOn }));
}

/** After a call that broke off the page joins again by itself, with longer and longer pauses. */
function showEnded(ending: Ending, request: JoinRequest): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let over = false;
  const problem = ending.reason !== DisconnectReason.CLIENT_INITIATED ? endProblem(ending.reason) : undefined;
  const view = endedView(request.room, problem, {
    rejoin: () => void rejoin(0),
    home: () => {
      stop();
      showJoin();
    },
  });

  function stop(): void {
    over = true;
    clearTimeout(timer);
  }

  function countDown(attempt: number, seconds: number): void {
    if (over) return;
    if (seconds === 0) return void rejoin(attempt);
    view.setCountdown(seconds);
    timer = setTimeout(() => countDown(attempt, seconds - 1), 1_000);
  }

  async function rejoin(attempt: number): Promise<void> {
    clearTimeout(timer);
    view.setCountdown(undefined);
    const result = await join(request);
    if (over) {
      if ("room" in result) void result.room.disconnect();
      return;
    }
    if ("room" in result) {
      stop();
      showCall(result, request);
    } else if (result.kind === "token") {
      stop();
      showJoin();
    } else {
      countDown(attempt + 1, retryDelay(attempt + 1));
    }
  }

  mount(view.element, "ended");
  if (!endsForGood(ending.reason)) countDown(0, retryDelay(0));
}

function mount(element: HTMLElement, name: "join" | "call" | "ended" | "messages"): void {
  document.body.dataset["view"] = name;
  app.replaceChildren(element);
}

/** Puts the room into the address, so that a reload finds it and the address can be handed on. */
function rememberInAddress(room: string): void {
  const query = new URLSearchParams(location.search);
  query.set("room", room);
  query.delete("join");
  history.replaceState(null, "", `?${query}`);
}

showLobby();

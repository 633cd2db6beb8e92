// A page for looking at the call with invented people, through the very same views. Built by `npm run harness` into
// build/harness/; no part of what a node serves. `?n=12&share=1&panel=chat` and so on.

import { CallView } from "./call/view";
import type { CallActions } from "./call/actions";
import type { CallModel, Picture, Quality, Tile } from "./call/model";

const NAMES = ["Ana Souza", "Bo", "Chidi Okafor-Abernathy the Third", "Дарья", "Émile", "Farah", "グエン", "Hugo", "Ines", "Jun"];
const QUALITIES: Quality[] = ["excellent", "good", "poor", "lost", "unknown"];

const query = new URLSearchParams(location.search);
const count = Number(query.get("n") ?? "4");
const sharing = query.get("share") === "1";

/** A still drawing that can be attached like a track. */
function drawing(index: number, width: number, height: number, text: string): Picture {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const draw = () => {
    if (context === null) return;
    context.fillStyle = `hsl(${(index * 47) % 360} 35% 42%)`;
    context.fillRect(0, 0, width, height);
    context.fillStyle = "#fff8";
    context.beginPath();
    context.arc(width / 2, height * 0.45, height * 0.2, 0, Math.PI * 2);
    context.arc(width / 2, height * 1.05, height * 0.36, 0, Math.PI * 2);
    context.fill();
    context.fillStyle = "#fff";
    context.font = `${height / 12}px sans-serif`;
    context.fillText(text, width * 0.05, height * 0.12);
  };
  draw();
  setInterval(draw, 200);
  const stream = canvas.captureStream(5);
  return {
    attach: (element) => {
      element.srcObject = stream;
    },
    detach: (element) => {
      element.srcObject = null;
    },
  };
}

function tile(index: number): Tile {
  const local = index === 0;
  return {
    key: `p${index}/camera`,
    identity: `p${index}`,
    name: local ? "Mara" : (NAMES[index % NAMES.length] ?? "Nobody"),
    local,
    source: "camera",
    picture: index % 4 === 3 ? undefined : drawing(index, index % 5 === 4 ? 480 : 640, index % 5 === 4 ? 640 : 360, `camera ${index}`),
    mirrored: local,
    microphoneOn: index % 3 !== 1,
    speaking: index === 2,
    lastSpokeAt: index === 2 ? 5 : 0,
    quality: QUALITIES[index % QUALITIES.length] ?? "unknown",
    paused: index === 5,
  };
}

const tiles = Array.from({ length: count }, (_, index) => tile(index));
const screen: Tile = { ...tile(1), key: "p1/screen", source: "screen", picture: drawing(7, 1280, 720, "A shared screen") };
const model: CallModel = {
  room: "quiet-portico-417",
  connection: query.get("connection") === "reconnecting" ? "reconnecting" : "connected",
  tiles: sharing ? [screen, ...tiles] : tiles,
  people: tiles.map(({ identity, name, local, microphoneOn, speaking, quality, picture }) => ({
    identity,
    name,
    local,
    microphoneOn,
    cameraOn: picture !== undefined,
    sharing: sharing && identity === "p1",
    speaking,
    quality,
  })),
  microphoneOn: true,
  cameraOn: query.get("camera") !== "0",
  sharing: query.get("own") === "1",
  canPublish: true,
  audioBlocked: query.get("blocked") === "1",
};

const nothing = () => {};
const actions: CallActions = {
  toggleMicrophone: nothing,
  toggleCamera: nothing,
  toggleScreen: nothing,
  flipCamera: nothing,
  startAudio: nothing,
  leave: nothing,
  sendChat: async (text) => say("p0", "Mara", text, true),
  chooseDevice: nothing,
  activeDevice: () => undefined,
  collectStats: async () => ({
    path: { roundTrip: 23, protocol: "udp", candidates: "host → host" },
    received: tiles.slice(1).map(({ key, name }) => ({
      key,
      who: name,
      what: "camera",
      video: true,
      figures: { rid: "", kilobits: 1234, loss: 0.42, size: "1280×720", fps: 30, jitter: 12, roundTrip: undefined, codec: "VP8", limited: undefined },
    })),
    sent: [{ key: "own", who: "Mara", what: "camera", video: true, figures: { rid: "h", kilobits: 310, loss: 0, size: "640×360", fps: 20, jitter: 3, roundTrip: 23, codec: "VP8", limited: "cpu" } }],
  }),
};

const view = new CallView(actions, model.room);
let sentAt = Date.now() - 600_000;

function say(identity: string, name: string, text: string, local = false): void {
  sentAt += 40_000;
  view.addMessage({ id: String(sentAt), identity, name, local, text, sentAt });
}

document.getElementById("app")?.replaceChildren(view.element);
document.body.dataset["view"] = "call";
view.render(model);
if (query.get("messages") === "1") {
  say("p1", "Bo", "Hi! Slides are at https://example.org/slides?deck=3, second page.");
  say("p1", "Bo", "<b>not bold</b> <img src=x onerror=alert(1)>");
  say("p0", "Mara", "Thanks, looking.", true);
  say("p2", "Chidi Okafor-Abernathy the Third", "A rather long message that goes over several lines, so that one can see how the panel wraps words and averylongwordthatdoesnotfitanywhere".repeat(2));
}
const panel = query.get("panel");
if (panel !== null) view.element.querySelector<HTMLButtonElement>(`.bar [aria-label^="${panel}"]`)?.click();
if (query.get("toast") === "1") view.toasts.say("Émile joined");

// The page before the call: who are you, which room, how do you look and sound.

import type { LocalAudioTrack, LocalVideoTrack } from "livekit-client";
import { canChooseSpeaker, fillDeviceSelect, listDevices, NO_DEVICES, watchDevices, type Devices } from "../core/devices";
import { h, setAttr, setText, show } from "../core/dom";
import { setIcon, type IconName } from "../core/icons";
import { NAME_BYTES_MAX, tidyName, type Options } from "../core/options";
import type { Problem } from "../core/problem";
import { randomRoomName } from "../core/random";
import { recall, remember } from "../core/remember";
import { brand, field, footer, problemBox, showProblem } from "../core/parts";
import { newCaptures, startCaptures, type CaptureState } from "./capture";
import { runMeter } from "./meter";

/** Whom and what to bring into which room. */
export interface JoinRequest {
  room: string;
  name: string;
  /** A token the person pasted, when the node hands out none. */
  token: string | undefined;
  /** An open camera, or whether to open one. */
  camera: LocalVideoTrack | boolean;
  /** An open microphone, or whether to open one. */
  microphone: LocalAudioTrack | boolean;
  devices: DeviceChoice;
}

/** Chosen devices, by id; the system's default where undefined. */
export type DeviceChoice = Record<MediaDeviceKind, string | undefined>;

/** The mounted page. */
export interface JoinView {
  element: HTMLElement;
  /** Settles when camera and microphone are open or will not open. */
  ready: Promise<void>;
  /** Presses the button. */
  submit: () => void;
  /** While joining, nothing can be changed. */
  setBusy: (busy: boolean) => void;
  /** Shows why joining failed. */
  showProblem: (problem: Problem | undefined) => void;
  /** Shows the field for a token. */
  askForToken: () => void;
  /** Ends the preview. Tracks that were handed over go on. */
  unmount: () => void;
}

/** Builds the page. `onJoin` gets the request; the view keeps the devices open until then. */
export function joinView(options: Options, onJoin: (request: JoinRequest) => void): JoinView {
  const chosen: DeviceChoice = {
    videoinput: recall("videoinput"),
    audioinput: recall("audioinput"),
    audiooutput: recall("audiooutput"),
  };
  let devices: Devices = NO_DEVICES;
  const parts = joinParts(options);
  const captures = newCaptures(render);
  let meter: { track: LocalAudioTrack; end: () => void } | undefined;
  let shown: LocalVideoTrack | undefined;

  function render(): void {
    const camera = captures.camera.state;
    const microphone = captures.microphone.state;
    renderToggle(parts.cameraToggle, "Camera", camera, ["camera", "cameraOff"]);
    renderToggle(parts.microphoneToggle, "Microphone", microphone, ["mic", "micOff"]);
    renderPreview(camera);
    renderMeter(microphone);
    const failed = [camera, microphone].flatMap((state) => (state.kind === "failed" ? [state.problem] : []));
    setText(parts.hint, hintText(failed));
    show(parts.hint, failed.length > 0);
    fillDeviceSelect(parts.selects.videoinput, devices.videoinput, activeId(camera) ?? chosen.videoinput);
    fillDeviceSelect(parts.selects.audioinput, devices.audioinput, activeId(microphone) ?? chosen.audioinput);
    fillDeviceSelect(parts.selects.audiooutput, devices.audiooutput, chosen.audiooutput);
  }

  function renderPreview(state: CaptureState<LocalVideoTrack>): void {
    const track = state.kind === "on" ? state.track : undefined;
    if (track !== shown) {
      shown?.detach(parts.video);
      track?.attach(parts.video);
      shown = track;
    }
    setAttr(parts.preview, "data-state", state.kind);
    setText(parts.previewText, previewText(state));
  }

  function renderMeter(state: CaptureState<LocalAudioTrack>): void {
    const track = state.kind === "on" ? state.track : undefined;
    show(parts.meter, track !== undefined);
    if (track === meter?.track) return;
    meter?.end();
    meter = track && { track, end: runMeter(track, parts.meter) };
  }

  async function refreshDevices(): Promise<void> {
    devices = await listDevices();
    render();
  }

  function toggle(use: "camera" | "microphone"): void {
    const capture = captures[use];
    const kind = use === "camera" ? "videoinput" : "audioinput";
    if (capture.state.kind === "on" || capture.state.kind === "starting") capture.stop();
    else void capture.start(chosen[kind]).then(refreshDevices);
  }

  function choose(kind: MediaDeviceKind, id: string): void {
    chosen[kind] = id;
    remember(kind, id);
    if (kind === "videoinput" && captures.camera.state.kind !== "off") void captures.camera.start(id);
    if (kind === "audioinput" && captures.microphone.state.kind !== "off") void captures.microphone.start(id);
  }

  function submit(): void {
    const name = tidyName(parts.name.value);
    const room = tidyName(parts.room.value);
    if (name === "" || room === "") {
      (name === "" ? parts.name : parts.room).focus();
      parts.form.reportValidity();
      return;
    }
    remember("name", name);
    const token = parts.tokenField.hidden ? "" : parts.token.value.trim();
    onJoin({
      room,
      name,
      token: token === "" ? undefined : token,
      camera: captures.camera.state.kind === "on" && captures.camera.state.track,
      microphone: captures.microphone.state.kind === "on" && captures.microphone.state.track,
      devices: { ...chosen },
    });
  }

  parts.form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  parts.cameraToggle.addEventListener("click", () => toggle("camera"));
  parts.microphoneToggle.addEventListener("click", () => toggle("microphone"));
  for (const [kind, select] of Object.entries(parts.selects)) {
    select.addEventListener("change", () => choose(kind as MediaDeviceKind, select.value));
  }
  const unwatch = watchDevices(() => void refreshDevices());
  render();
  const ready = startCaptures(
    captures,
    { camera: options.camera, microphone: options.microphone },
    { camera: chosen.videoinput, microphone: chosen.audioinput },
  ).then(refreshDevices);

  return {
    element: parts.element,
    ready,
    submit,
    setBusy: (busy) => {
      parts.fields.disabled = busy;
      setText(parts.joinLabel, busy ? "Joining…" : "Join");
      setAttr(parts.join, "aria-busy", String(busy));
    },
    showProblem: (problem) => showProblem(parts.problem, problem),
    askForToken: () => {
      show(parts.tokenField, true);
      parts.token.required = true;
      parts.token.focus();
    },
    unmount: () => {
      unwatch();
      meter?.end();
      shown?.detach(parts.video);
      parts.element.remove();
      captures.camera.take();
      captures.microphone.take();
    },
  };
}

function joinParts(options: Options) {
  const video = h("video", { attrs: { playsinline: "", muted: "", "aria-label": "Your camera's picture" } });
  video.muted = true;
  const previewText = h("p", { class: "preview-text", attrs: { role: "status" } });
  const cameraToggle = h("button", { class: "round", attrs: { type: "button" } });
  const microphoneToggle = h("button", { class: "round", attrs: { type: "button" } });
  const meter = h("div", { class: "meter", attrs: { "aria-hidden": "true" } });
  for (let bar = 0; bar < 5; bar += 1) meter.append(h("span"));
  const preview = h("div", { class: "preview" }, video, previewText, h("div", { class: "preview-bar" }, microphoneToggle, cameraToggle, meter));
  const hint = h("p", { class: "hint", attrs: { role: "status" } });

  const name = h("input", {
    attrs: { type: "text", name: "name", autocomplete: "name", maxlength: String(NAME_BYTES_MAX), required: "", placeholder: "How others see you" },
  });
  name.value = options.name ?? recall("name") ?? (options.join ? "Guest" : "");
  const room = h("input", {
    attrs: { type: "text", name: "room", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: String(NAME_BYTES_MAX), required: "" },
  });
  room.value = options.room ?? randomRoomName();
  const selects: Record<MediaDeviceKind, HTMLSelectElement> = { videoinput: h("select"), audioinput: h("select"), audiooutput: h("select") };
  const token = h("textarea", { attrs: { name: "token", rows: "3", spellcheck: "false", autocomplete: "off", placeholder: "eyJ…" } });
  const tokenField = field("Access token", token, "This server hands out no tokens by itself. Paste one made with “stoa token” or by your back end.");
  tokenField.hidden = true;

  const problem = problemBox();
  const joinLabel = h("span", { text: "Join" });
  const join = h("button", { class: "primary", attrs: { type: "submit" } }, joinLabel);
  const deviceFields = h(
    "details",
    { class: "devices" },
    h("summary", { text: "Devices" }),
    field("Camera", selects.videoinput),
    field("Microphone", selects.audioinput),
    canChooseSpeaker() ? field("Speaker", selects.audiooutput) : undefined,
  );
  deviceFields.open = matchMedia("(min-width: 60rem)").matches;
  const fields = h("fieldset", {}, h("legend", { class: "hidden", text: "Join a room" }), field("Your name", name), field("Room", room), tokenField, deviceFields, problem, join);
  const form = h("form", { class: "join-form", attrs: { novalidate: undefined } }, fields);

  const element = h(
    "div",
    { class: "join" },
    h("header", { class: "join-header" }, brand(), h("h1", { class: "tagline", text: "A room to meet in." })),
    h("main", { class: "join-main" }, h("section", { class: "join-preview", attrs: { "aria-label": "Preview" } }, preview, hint), form),
    footer(),
  );
  return { element, video, preview, previewText, cameraToggle, microphoneToggle, meter, hint, name, room, selects, token, tokenField, problem, join, joinLabel, fields, form };
}

function renderToggle(button: HTMLButtonElement, what: string, state: CaptureState<unknown>, icons: [IconName, IconName]): void {
  const on = state.kind === "on" || state.kind === "starting";
  setIcon(button, on ? icons[0] : icons[1]);
  setAttr(button, "aria-pressed", String(on));
  setAttr(button, "aria-label", what);
  setAttr(button, "title", `${what} is ${on ? "on" : "off"}`);
}

function previewText(state: CaptureState<unknown>): string {
  switch (state.kind) {
    case "on":
      return "";
    case "starting":
      return "Starting your camera…";
    case "off":
      return "Camera is off";
    case "failed":
      return state.problem.title;
  }
}

/** One hint for all that failed: the same thing is said once. */
function hintText(problems: Problem[]): string {
  return [...new Set([...problems.map(({ title }) => title), ...problems.map(({ advice }) => advice)])].join(" ");
}

function activeId(state: CaptureState<LocalVideoTrack | LocalAudioTrack>): string | undefined {
  return state.kind === "on" ? state.track.mediaStreamTrack.getSettings().deviceId : undefined;
}

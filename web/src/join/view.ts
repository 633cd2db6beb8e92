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

/** The page. It keeps the devices open until they are handed over or it is unmounted. */
export class JoinView {
  readonly element: HTMLElement;
  /** Settles when camera and microphone are open or will not open. */
  readonly ready: Promise<void>;
  private readonly chosen: DeviceChoice = {
    videoinput: recall("videoinput"),
    audioinput: recall("audioinput"),
    audiooutput: recall("audiooutput"),
  };
  private readonly captures = newCaptures(() => this.render());
  private readonly parts: ReturnType<typeof joinParts>;
  private readonly unwatch: () => void;
  private devices: Devices = NO_DEVICES;
  private meter: { track: LocalAudioTrack; end: () => void } | undefined;
  private shown: LocalVideoTrack | undefined;

  /** `onJoin` gets the request when the person asks to join. */
  constructor(options: Options, private readonly onJoin: (request: JoinRequest) => void) {
    this.parts = joinParts(options);
    this.element = this.parts.element;
    this.listen();
    this.unwatch = watchDevices(() => void this.refreshDevices());
    this.render();
    const { camera, microphone } = options;
    const prefer = { camera: this.chosen.videoinput, microphone: this.chosen.audioinput };
    this.ready = startCaptures(this.captures, { camera, microphone }, prefer).then(() => this.refreshDevices());
  }

  /** Presses the button. */
  submit(): void {
    const { name, room, form } = this.parts;
    const request = this.request();
    if (request.name === "" || request.room === "") {
      (request.name === "" ? name : room).focus();
      form.reportValidity();
      return;
    }
    remember("name", request.name);
    this.onJoin(request);
  }

  /** While joining, nothing can be changed. */
  setBusy(busy: boolean): void {
    this.parts.fields.disabled = busy;
    setText(this.parts.joinLabel, busy ? "Joining…" : "Join");
    setAttr(this.parts.join, "aria-busy", String(busy));
  }

  /** Shows why joining failed. */
  showProblem(problem: Problem | undefined): void {
    showProblem(this.parts.problem, problem);
  }

  /** Shows the field for a token. */
  askForToken(): void {
    show(this.parts.tokenField, true);
    this.parts.token.required = true;
    this.parts.token.focus();
  }

  /** Takes the page away. Its tracks go on: they were handed over with the request. */
  unmount(): void {
    this.unwatch();
    this.captures.camera.take();
    this.captures.microphone.take();
    this.element.remove();
  }

  /** Takes the page away for something other than a call. */
  discard(): void {
    this.captures.camera.stop();
    this.captures.microphone.stop();
    this.unmount();
  }

  private listen(): void {
    const { form, cameraToggle, microphoneToggle, selects } = this.parts;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    cameraToggle.addEventListener("click", () => this.toggle("camera"));
    microphoneToggle.addEventListener("click", () => this.toggle("microphone"));
    for (const [kind, select] of Object.entries(selects)) {
      select.addEventListener("change", () => this.choose(kind as MediaDeviceKind, select.value));
    }
  }

  private request(): JoinRequest {
    const { camera, microphone } = this.captures;
    const token = this.parts.tokenField.hidden ? "" : this.parts.token.value.trim();
    return {
      room: tidyName(this.parts.room.value),
      name: tidyName(this.parts.name.value),
      token: token === "" ? undefined : token,
      camera: camera.state.kind === "on" && camera.state.track,
      microphone: microphone.state.kind === "on" && microphone.state.track,
      devices: { ...this.chosen },
    };
  }

  private toggle(use: "camera" | "microphone"): void {
    const capture = this.captures[use];
    const kind = use === "camera" ? "videoinput" : "audioinput";
    if (capture.state.kind === "on" || capture.state.kind === "starting") capture.stop();
    else void capture.start(this.chosen[kind]).then(() => this.refreshDevices());
  }

  private choose(kind: MediaDeviceKind, id: string): void {
    const { camera, microphone } = this.captures;
    this.chosen[kind] = id;
    remember(kind, id);
    if (kind === "videoinput" && camera.state.kind !== "off") void camera.start(id);
    if (kind === "audioinput" && microphone.state.kind !== "off") void microphone.start(id);
  }

  private async refreshDevices(): Promise<void> {
    this.devices = await listDevices();
    this.render();
  }

  private render(): void {
    const { parts, devices, chosen } = this;
    const camera = this.captures.camera.state;
    const microphone = this.captures.microphone.state;
    renderToggle(parts.cameraToggle, "Camera", camera, ["camera", "cameraOff"]);
    renderToggle(parts.microphoneToggle, "Microphone", microphone, ["mic", "micOff"]);
    this.renderPreview(camera);
    this.renderMeter(microphone);
    const failed = [camera, microphone].flatMap((state) => (state.kind === "failed" ? [state.problem] : []));
    setText(parts.hint, hintText(failed));
    show(parts.hint, failed.length > 0);
    fillDeviceSelect(parts.selects.videoinput, devices.videoinput, activeId(camera) ?? chosen.videoinput);
    fillDeviceSelect(parts.selects.audioinput, devices.audioinput, activeId(microphone) ?? chosen.audioinput);
    fillDeviceSelect(parts.selects.audiooutput, devices.audiooutput, chosen.audiooutput);
  }

  private renderPreview(state: CaptureState<LocalVideoTrack>): void {
    const track = state.kind === "on" ? state.track : undefined;
    if (track !== this.shown) {
      this.shown?.detach(this.parts.video);
      track?.attach(this.parts.video);
      this.shown = track;
    }
    setAttr(this.parts.preview, "data-state", state.kind);
    setText(this.parts.previewText, previewText(state));
  }

  private renderMeter(state: CaptureState<LocalAudioTrack>): void {
    const track = state.kind === "on" ? state.track : undefined;
    show(this.parts.meter, track !== undefined);
    if (track === this.meter?.track) return;
    this.meter?.end();
    this.meter = track && { track, end: runMeter(track, this.parts.meter) };
  }
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
    h("header", { class: "join-header" }, brand(), h("h1", { class: "tagline", text: "A room to meet in." }), messagesLink()),
    h("main", { class: "join-main" }, h("section", { class: "join-preview", attrs: { "aria-label": "Preview" } }, preview, hint), form),
    footer(),
  );
  return { element, video, preview, previewText, cameraToggle, microphoneToggle, meter, hint, name, room, selects, token, tokenField, problem, join, joinLabel, fields, form };
}

function messagesLink(): HTMLElement {
  const link = h("a", { class: "quiet", attrs: { href: "#messages" } }, h("span", { text: "Messages" }));
  setIcon(link, "chat");
  return link;
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

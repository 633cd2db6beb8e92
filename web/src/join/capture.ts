// Camera and microphone before the call: opened, shown, and handed over to it.

import {
  createLocalAudioTrack,
  createLocalTracks,
  createLocalVideoTrack,
  LocalAudioTrack,
  LocalVideoTrack,
  MediaDeviceFailure,
  VideoPresets,
} from "livekit-client";
import { canCapture } from "../core/devices";
import { captureProblem, deviceProblem, type DeviceUse, type Problem } from "../core/problem";

/** One device on its way to a track. */
export type CaptureState<T> =
  | { kind: "off" }
  | { kind: "starting" }
  | { kind: "on"; track: T }
  | { kind: "failed"; problem: Problem };

/** The resolution the camera is asked for. Simulcast makes smaller layers of it. */
export const CAMERA_RESOLUTION = VideoPresets.h720.resolution;

type LocalTrack = LocalVideoTrack | LocalAudioTrack;

/** Owns at most one local track, and whatever is happening to get it. */
export class Capture<T extends LocalTrack> {
  /** Where it stands. */
  state: CaptureState<T> = { kind: "off" };
  /** Counts starts and stops, so that a late answer to an outdated start is noticed. */
  private turn = 0;

  constructor(
    private readonly use: DeviceUse,
    private readonly open: (deviceId: string | undefined) => Promise<T>,
    private readonly changed: () => void,
  ) {}

  /** Opens the device, in place of what was open. */
  async start(deviceId: string | undefined): Promise<void> {
    await this.adopt(() => this.open(deviceId));
  }

  /** Waits for a track that somebody else opens, in place of what was open. */
  async adopt(opening: () => Promise<T>): Promise<void> {
    this.stop();
    const turn = this.turn;
    this.set({ kind: "starting" });
    try {
      const track = await opening();
      if (turn === this.turn) this.set({ kind: "on", track });
      else track.stop();
    } catch (error) {
      if (turn === this.turn) this.set({ kind: "failed", problem: deviceProblem(error, this.use) });
    }
  }

  /** Closes the device. */
  stop(): void {
    this.turn += 1;
    if (this.state.kind === "on") this.state.track.stop();
    this.set({ kind: "off" });
  }

  /** Says why there will be no track. */
  refuse(problem: Problem): void {
    this.turn += 1;
    this.set({ kind: "failed", problem });
  }

  /** Hands the track over; whoever takes it stops it. */
  take(): T | undefined {
    const taken = this.state.kind === "on" ? this.state.track : undefined;
    if (taken !== undefined) this.set({ kind: "off" });
    return taken;
  }

  private set(state: CaptureState<T>): void {
    this.state = state;
    this.changed();
  }
}

/** What is captured before the call. */
export interface Captures {
  camera: Capture<LocalVideoTrack>;
  microphone: Capture<LocalAudioTrack>;
}

/** Neither camera nor microphone open. `changed` is called whenever either's state does. */
export function newCaptures(changed: () => void): Captures {
  return {
    camera: new Capture("camera", openCamera, changed),
    microphone: new Capture("microphone", openMicrophone, changed),
  };
}

/** The devices to prefer. */
export interface Preferred {
  camera: string | undefined;
  microphone: string | undefined;
}

/** Starts what is wanted, with a single question to the person where that is possible. */
export async function startCaptures(captures: Captures, wanted: { camera: boolean; microphone: boolean }, prefer: Preferred): Promise<void> {
  const missing = captureProblem(window.isSecureContext, canCapture());
  if (missing !== undefined) {
    captures.camera.refuse(missing);
    captures.microphone.refuse(missing);
    return;
  }
  if (wanted.camera && wanted.microphone) {
    const both = openBoth(prefer);
    await Promise.all([
      captures.camera.adopt(async () => (await both).camera()),
      captures.microphone.adopt(async () => (await both).microphone()),
    ]);
    return;
  }
  if (wanted.camera) await captures.camera.start(prefer.camera);
  if (wanted.microphone) await captures.microphone.start(prefer.microphone);
}

interface Opened {
  camera: () => Promise<LocalVideoTrack>;
  microphone: () => Promise<LocalAudioTrack>;
}

/** Asks for both at once; when that fails for want of one of them, asks for each. */
async function openBoth(prefer: Preferred): Promise<Opened> {
  try {
    const tracks = await createLocalTracks({ video: cameraOptions(prefer.camera), audio: deviceOptions(prefer.microphone) });
    const camera = tracks.find((track): track is LocalVideoTrack => track instanceof LocalVideoTrack);
    const microphone = tracks.find((track): track is LocalAudioTrack => track instanceof LocalAudioTrack);
    return {
      camera: async () => camera ?? openCamera(prefer.camera),
      microphone: async () => microphone ?? openMicrophone(prefer.microphone),
    };
  } catch (error) {
    if (MediaDeviceFailure.getFailure(error) === MediaDeviceFailure.PermissionDenied) throw error;
    return { camera: () => openCamera(prefer.camera), microphone: () => openMicrophone(prefer.microphone) };
  }
}

function openCamera(deviceId: string | undefined): Promise<LocalVideoTrack> {
  return createLocalVideoTrack(cameraOptions(deviceId));
}

function openMicrophone(deviceId: string | undefined): Promise<LocalAudioTrack> {
  return createLocalAudioTrack(deviceOptions(deviceId));
}

function cameraOptions(deviceId: string | undefined) {
  return { ...deviceOptions(deviceId), resolution: CAMERA_RESOLUTION };
}

function deviceOptions(deviceId: string | undefined) {
  return deviceId === undefined ? {} : { deviceId: { ideal: deviceId } };
}

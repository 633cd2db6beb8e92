// Carries out what a person asks for, on the SDK's room.

import { LocalVideoTrack, Track, type Room } from "livekit-client";
import { CHAT_TOPIC, type Message } from "../chat/message";
import { deviceProblem, type DeviceUse } from "../core/problem";
import { randomCode } from "../core/random";
import { remember } from "../core/remember";
import { StatsCollector } from "../stats/collect";
import type { CallActions } from "./actions";
import { displayName } from "./snapshot";

/** What the controls tell the page. */
export interface Listener {
  /** Something the room gives no event for has changed. */
  changed: () => void;
  /** Something to say to the person. */
  say: (text: string) => void;
  /** An own message is on its way. */
  sent: (message: Message) => void;
}

/** The controls of `room`. */
export function controls(room: Room, listener: Listener): CallActions {
  const local = room.localParticipant;
  const collector = new StatsCollector(room);
  /** Devices that are being switched: a second click must wait for the first. */
  const busy = new Set<DeviceUse>();

  async function change(use: DeviceUse, action: () => Promise<unknown>): Promise<void> {
    if (busy.has(use) || local.permissions?.canPublish === false) return;
    busy.add(use);
    try {
      await action();
    } catch (error) {
      const { title, advice } = deviceProblem(error, use);
      if (!dismissed(error, use)) listener.say(`${title} ${advice}`);
    } finally {
      busy.delete(use);
      listener.changed();
    }
  }

  return {
    toggleMicrophone: () => void change("microphone", () => local.setMicrophoneEnabled(!local.isMicrophoneEnabled)),
    toggleCamera: () => void change("camera", () => local.setCameraEnabled(!local.isCameraEnabled)),
    toggleScreen: () => void change("screen", () => local.setScreenShareEnabled(!local.isScreenShareEnabled, { audio: true, contentHint: "detail" })),
    flipCamera: () => void change("camera", () => flipCamera(room)),
    startAudio: () => void room.startAudio().then(listener.changed).catch(() => {}),
    leave: () => void room.disconnect(),
    sendChat: async (text) => {
      const info = await local.sendText(text, { topic: CHAT_TOPIC });
      listener.sent({ id: info?.id ?? randomCode(8), identity: local.identity, name: displayName(local), local: true, text, sentAt: Date.now() });
    },
    chooseDevice: (kind, id) => {
      remember(kind, id);
      const use = kind === "videoinput" ? "camera" : "microphone";
      void change(use, () => room.switchActiveDevice(kind, id));
    },
    activeDevice: (kind) => room.getActiveDevice(kind),
    collectStats: () => collector.collect(),
  };
}

/** Turns to the camera that looks the other way. */
async function flipCamera(room: Room): Promise<void> {
  const track = room.localParticipant.getTrackPublication(Track.Source.Camera)?.videoTrack;
  if (!(track instanceof LocalVideoTrack)) return;
  const away = track.mediaStreamTrack.getSettings().facingMode === "environment";
  await track.restartTrack({ facingMode: away ? "user" : "environment" });
}

/** Whether the person simply closed the browser's question which screen to share. */
function dismissed(error: unknown, use: DeviceUse): boolean {
  return use === "screen" && error instanceof Error && error.name === "NotAllowedError";
}

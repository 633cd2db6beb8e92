// A call: joins the room, keeps the page in step with it, says how it ended.

import {
  RoomEvent,
  Room,
  Track,
  type DisconnectReason,
  type RemoteTrack,
  type RoomOptions,
  type TextStreamReader,
} from "livekit-client";
import { LiveChat } from "../chat/live";
import { CHAT_TOPIC, MESSAGE_CHARS_MAX, type Message } from "../chat/message";
import { keepAwake } from "../core/awake";
import { deviceProblem, type DeviceUse } from "../core/problem";
import type { Ticket } from "../core/token";
import { CAMERA_RESOLUTION } from "../join/capture";
import type { JoinRequest } from "../join/view";
import { controls } from "./controls";
import { displayName, snapshot } from "./snapshot";
import { CallView } from "./view";

/** The largest incoming stream of data, in bytes. More than a chat message, for tests and for who plays in the console. */
const STREAM_BYTES_MAX = 4 * 1024 * 1024;

/** Events after which the page is drawn anew. */
const REDRAW_EVENTS = [
  RoomEvent.ConnectionStateChanged,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.TrackPublished,
  RoomEvent.TrackUnpublished,
  RoomEvent.TrackSubscribed,
  RoomEvent.TrackUnsubscribed,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
  RoomEvent.TrackStreamStateChanged,
  RoomEvent.LocalTrackPublished,
  RoomEvent.LocalTrackUnpublished,
  RoomEvent.ActiveSpeakersChanged,
  RoomEvent.ConnectionQualityChanged,
  RoomEvent.ParticipantNameChanged,
  RoomEvent.ParticipantPermissionsChanged,
  RoomEvent.AudioPlaybackStatusChanged,
  RoomEvent.ActiveDeviceChanged,
] as const;

/** How a call ended, and what to bring into the next one. */
export interface Ending {
  reason: DisconnectReason | undefined;
  cameraOn: boolean;
  microphoneOn: boolean;
}

/** A call that goes on. */
export interface Call {
  room: Room;
  view: CallView;
  /** Settles when the call is over and its page is gone. */
  ended: Promise<Ending>;
}

/** The room's options for `request`. */
export function roomOptions(request: JoinRequest, single: boolean | undefined): RoomOptions {
  const { videoinput, audioinput, audiooutput } = request.devices;
  return {
    adaptiveStream: true,
    dynacast: true,
    videoCaptureDefaults: { resolution: CAMERA_RESOLUTION, ...(videoinput !== undefined && { deviceId: videoinput }) },
    ...(audioinput !== undefined && { audioCaptureDefaults: { deviceId: audioinput, echoCancellation: true, noiseSuppression: true, autoGainControl: true } }),
    ...(audiooutput !== undefined && { audioOutput: { deviceId: audiooutput } }),
    ...(single !== undefined && { singlePeerConnection: single }),
    dataStream: { maxPayloadByteLength: STREAM_BYTES_MAX },
  };
}

/** Joins; throws the SDK's error when that fails. `room` has not been connected before. */
export async function joinCall(room: Room, ticket: Ticket, request: JoinRequest): Promise<Call> {
  const sounds = playSounds(room);
  try {
    await room.connect(ticket.url, ticket.token);
  } catch (error) {
    sounds.remove();
    throw error;
  }
  const call = startCall(room, ticket, request, sounds);
  void publish(call, request);
  return call;
}

function startCall(room: Room, ticket: Ticket, request: JoinRequest, sounds: HTMLElement): Call {
  const actions = controls(room, {
    changed: () => redraw(),
    say: (text) => view.toasts.say(text),
    sent: (message) => {
      live.streamed(message);
      live.say(room.name, message.text);
      view.addMessage(message);
    },
  });
  const view = new CallView(actions, room.name === "" ? request.room : room.name);
  const live = new LiveChat(
    { ...ticket, room: room.name, identity: room.localParticipant.identity },
    { earlier: (messages) => view.addEarlier(messages), message: (message) => view.addMessage(message) },
  );
  const show = (message: Message) => {
    if (live.streamed(message)) view.addMessage(message);
  };
  const redraw = coalesce(() => view.render(snapshot(room, request.room)));
  for (const event of REDRAW_EVENTS) room.on(event, redraw);
  room.on(RoomEvent.ParticipantConnected, (participant) => view.toasts.say(`${displayName(participant)} joined`));
  room.on(RoomEvent.ParticipantDisconnected, (participant) => view.toasts.say(`${displayName(participant)} left`));
  room.registerTextStreamHandler(CHAT_TOPIC, (reader, from) => void receive(room, show, reader, from.identity));
  view.render(snapshot(room, request.room));

  const ended = new Promise<Ending>((resolve) => {
    let last = { cameraOn: false, microphoneOn: false };
    const keep = () => {
      const { cameraOn, microphoneOn } = snapshot(room, request.room);
      last = { cameraOn, microphoneOn };
    };
    for (const event of [RoomEvent.LocalTrackPublished, RoomEvent.LocalTrackUnpublished, RoomEvent.TrackMuted, RoomEvent.TrackUnmuted] as const) {
      // The SDK unpublishes everything on its way out: that was not the person's wish.
      room.on(event, () => room.state === "connected" && keep());
    }
    const endAwake = keepAwake();
    room.once(RoomEvent.Disconnected, (reason) => {
      endAwake();
      live.close();
      for (const event of REDRAW_EVENTS) room.off(event, redraw);
      sounds.remove();
      view.remove();
      resolve({ reason, ...last });
    });
  });
  return { room, view, ended };
}

/** Sends the camera and the microphone, as far as they are wanted and work. */
async function publish({ room, view }: Call, request: JoinRequest): Promise<void> {
  const local = room.localParticipant;
  const { camera, microphone } = request;
  const attempt = async (use: DeviceUse, action: () => Promise<unknown>) => {
    try {
      await action();
    } catch (error) {
      const { title, advice } = deviceProblem(error, use);
      if (room.state !== "disconnected") view.toasts.say(`${title} ${advice}`);
    }
  };
  if (local.permissions?.canPublish === false) {
    for (const track of [camera, microphone]) if (typeof track !== "boolean") track.stop();
    view.toasts.say("You can watch and listen here; your token lets you send nothing.");
    return;
  }
  await Promise.all([
    typeof microphone === "boolean"
      ? microphone && attempt("microphone", () => local.setMicrophoneEnabled(true))
      : attempt("microphone", () => local.publishTrack(microphone, { source: Track.Source.Microphone })),
    typeof camera === "boolean"
      ? camera && attempt("camera", () => local.setCameraEnabled(true))
      : attempt("camera", () => local.publishTrack(camera, { source: Track.Source.Camera })),
  ]);
}

/** Plays everybody's sound, apart from the tiles: whom one does not see one still hears. */
function playSounds(room: Room): HTMLElement {
  const holder = document.createElement("div");
  holder.hidden = true;
  document.body.append(holder);
  room.on(RoomEvent.TrackSubscribed, (track: RemoteTrack) => {
    if (track.kind === Track.Kind.Audio) holder.append(track.attach());
  });
  room.on(RoomEvent.TrackUnsubscribed, (track: RemoteTrack) => {
    if (track.kind === Track.Kind.Audio) for (const element of track.detach()) element.remove();
  });
  return holder;
}

async function receive(room: Room, show: (message: Message) => void, reader: TextStreamReader, identity: string): Promise<void> {
  try {
    const text = await readUpTo(reader, MESSAGE_CHARS_MAX);
    const participant = room.remoteParticipants.get(identity);
    const name = participant === undefined ? identity : displayName(participant);
    show({ id: reader.info.id, identity, name, local: false, text, sentAt: reader.info.timestamp });
  } catch {
    // Too long, or its sender left in the middle of it: there is no message.
  }
}

/** The beginning of a text, without collecting the rest. */
async function readUpTo(reader: TextStreamReader, limit: number): Promise<string> {
  let text = "";
  for await (const chunk of reader) {
    text += chunk;
    if (text.length >= limit) break;
  }
  return text.slice(0, limit);
}

/** Calls `action` once after any number of calls in a row. A timer, because frames stand still in hidden tabs. */
function coalesce(action: () => void): () => void {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      action();
    }, 0);
  };
}

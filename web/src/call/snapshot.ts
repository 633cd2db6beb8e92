// Reads the SDK's room into plain values.

import { ConnectionState, Track, type LocalParticipant, type Participant, type Room, type TrackPublication } from "livekit-client";
import type { CallModel, Connection, Person, Picture, Tile } from "./model";

const CONNECTIONS: Record<ConnectionState, Connection> = {
  [ConnectionState.Connecting]: "connecting",
  [ConnectionState.Connected]: "connected",
  [ConnectionState.Reconnecting]: "reconnecting",
  [ConnectionState.SignalReconnecting]: "reconnecting",
  [ConnectionState.Disconnected]: "ended",
};

/** The call as it is now. `roomName` is what the person asked for, until the server has said it. */
export function snapshot(room: Room, roomName: string): CallModel {
  const local = room.localParticipant;
  const everybody: Participant[] = [local, ...[...room.remoteParticipants.values()].sort(byArrival)];
  const cameras = everybody.map(cameraTile);
  const screens = everybody.flatMap((participant) => screenTiles(participant));
  return {
    room: room.name === "" ? roomName : room.name,
    connection: CONNECTIONS[room.state],
    tiles: [...screens, ...cameras],
    people: everybody.map(person),
    microphoneOn: local.isMicrophoneEnabled,
    cameraOn: local.isCameraEnabled,
    sharing: local.isScreenShareEnabled,
    canPublish: canPublish(local),
    audioBlocked: !room.canPlaybackAudio,
  };
}

/** What to call a participant. */
export function displayName(participant: Participant): string {
  return participant.name === undefined || participant.name === "" ? participant.identity : participant.name;
}

function cameraTile(participant: Participant): Tile {
  const camera = cameraPublication(participant);
  return {
    ...common(participant),
    key: `${participant.identity}/camera`,
    source: "camera",
    picture: camera && picture(camera),
    mirrored: participant.isLocal && !facesAway(camera),
    microphoneOn: microphoneOn(participant),
    speaking: participant.isSpeaking,
    paused: camera !== undefined && isPaused(camera),
  };
}

/** The screens of others; showing somebody their own screen makes a hall of mirrors. */
function screenTiles(participant: Participant): Tile[] {
  if (participant.isLocal) return [];
  const screens = videos(participant).filter(isScreen);
  return screens.map((screen) => ({
    ...common(participant),
    key: `${participant.identity}/screen/${screen.trackSid}`,
    source: "screen",
    picture: picture(screen),
    mirrored: false,
    microphoneOn: true,
    speaking: false,
    paused: isPaused(screen),
  }));
}

function common(participant: Participant) {
  return {
    identity: participant.identity,
    name: displayName(participant),
    local: participant.isLocal,
    lastSpokeAt: participant.lastSpokeAt?.getTime() ?? 0,
    quality: participant.connectionQuality,
  };
}

function person(participant: Participant): Person {
  return {
    identity: participant.identity,
    name: displayName(participant),
    local: participant.isLocal,
    microphoneOn: microphoneOn(participant),
    cameraOn: cameraPublication(participant)?.isMuted === false,
    sharing: videos(participant).some(isScreen),
    speaking: participant.isSpeaking,
    quality: participant.connectionQuality,
  };
}

/** The camera's publication. Senders that name no source, such as encoders over WHIP, count as cameras. */
function cameraPublication(participant: Participant): TrackPublication | undefined {
  const candidates = videos(participant).filter((publication) => !isScreen(publication));
  return candidates.find((publication) => publication.source === Track.Source.Camera) ?? candidates[0];
}

function microphoneOn(participant: Participant): boolean {
  return [...participant.audioTrackPublications.values()].some(
    (publication) => publication.source !== Track.Source.ScreenShareAudio && !publication.isMuted,
  );
}

function picture(publication: TrackPublication): Picture | undefined {
  return publication.isMuted ? undefined : publication.videoTrack;
}

function isPaused(publication: TrackPublication): boolean {
  return !publication.isMuted && publication.track?.streamState === Track.StreamState.Paused;
}

function isScreen(publication: TrackPublication): boolean {
  return publication.source === Track.Source.ScreenShare;
}

function videos(participant: Participant): TrackPublication[] {
  return [...participant.videoTrackPublications.values()];
}

/** Whether a phone's camera looks away from its owner: then a mirrored picture would confuse. */
function facesAway(camera: TrackPublication | undefined): boolean {
  return camera?.track?.mediaStreamTrack.getSettings().facingMode === "environment";
}

function canPublish(local: LocalParticipant): boolean {
  return local.permissions?.canPublish ?? true;
}

function byArrival(a: Participant, b: Participant): number {
  return (a.joinedAt?.getTime() ?? 0) - (b.joinedAt?.getTime() ?? 0) || (a.identity < b.identity ? -1 : 1);
}

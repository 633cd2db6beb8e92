// A participant in a page: the unmodified public SDK with its events written down.

import * as sdk from "./livekit-client.esm.mjs";

window.sdk = sdk;
window.events = [];

const told = (name, detail = {}) => window.events.push({ name, at: performance.now(), ...detail });
const text = new TextDecoder();

window.connect = async (url, token, { single = true, adaptive = false, dynacast = false, e2ee, ...rest } = {}) => {
  const options = { singlePeerConnection: single, adaptiveStream: adaptive, dynacast, ...rest.room };
  if (e2ee) {
    const keyProvider = new sdk.ExternalE2EEKeyProvider();
    await keyProvider.setKey(e2ee);
    options.encryption = { keyProvider, worker: new Worker("livekit-client.e2ee.worker.mjs", { type: "module" }) };
  }
  const room = new sdk.Room(options);
  window.room = room;
  listen(room);
  if (e2ee) await room.setE2EEEnabled(true);
  window.joinBeganAt = performance.now();
  await room.connect(url, token, { autoSubscribe: true, maxRetries: 1, ...rest.connect });
};

window.publish = (source) => {
  const local = window.room.localParticipant;
  // A steady voice would be taken for noise and removed.
  const raw = { noiseSuppression: false, echoCancellation: false, autoGainControl: false };
  if (source === "microphone") return local.setMicrophoneEnabled(true, raw).then(() => {});
  const publish = { simulcast: true, videoCodec: "vp8" };
  return local.setCameraEnabled(true, { resolution: sdk.VideoPresets.h720.resolution }, publish).then(() => {});
};

function listen(room) {
  const E = sdk.RoomEvent;
  room.on(E.TrackSubscribed, (track, publication, participant) => {
    const element = track.attach();
    document.body.append(element);
    if (track.kind === "video") watch(track, element, participant.identity);
    else listenTo(track);
    told("trackSubscribed", { identity: participant.identity, source: publication.source, sid: publication.trackSid });
  });
  room.on(E.TrackUnsubscribed, (track, publication, participant) => {
    track.detach().forEach((element) => element.remove());
    told("trackUnsubscribed", { identity: participant.identity, source: publication.source, sid: publication.trackSid });
  });
  const person = (participant) => ({ identity: participant?.identity });
  room.on(E.ParticipantConnected, (p) => told("participantConnected", person(p)));
  room.on(E.ParticipantDisconnected, (p) => told("participantDisconnected", person(p)));
  room.on(E.TrackPublished, (t, p) => told("trackPublished", { ...person(p), source: t.source }));
  room.on(E.TrackUnpublished, (t, p) => told("trackUnpublished", { ...person(p), source: t.source }));
  room.on(E.LocalTrackUnpublished, (t) => told("localTrackUnpublished", { source: t.source }));
  room.on(E.TrackMuted, (t, p) => told("trackMuted", { ...person(p), source: t.source }));
  room.on(E.TrackUnmuted, (t, p) => told("trackUnmuted", { ...person(p), source: t.source }));
  room.on(E.ParticipantMetadataChanged, (was, p) => told("participantMetadataChanged", { ...person(p), metadata: p.metadata }));
  room.on(E.ParticipantNameChanged, (name, p) => told("participantNameChanged", { ...person(p), value: name }));
  room.on(E.ParticipantAttributesChanged, (changed, p) => told("participantAttributesChanged", { ...person(p), changed }));
  room.on(E.ParticipantPermissionsChanged, (was, p) =>
    told("participantPermissionsChanged", { ...person(p), canPublish: p.permissions?.canPublish }));
  room.on(E.RoomMetadataChanged, (metadata) => told("roomMetadataChanged", { metadata }));
  room.on(E.DataReceived, (data, p, kind, topic) => told("dataReceived", { ...person(p), kind, topic, text: text.decode(data) }));
  room.on(E.ActiveSpeakersChanged, (speakers) => told("activeSpeakersChanged", { identities: speakers.map((p) => p.identity) }));
  room.on(E.ConnectionQualityChanged, (quality, p) => told("connectionQualityChanged", { ...person(p), quality }));
  room.on(E.TrackStreamStateChanged, (t, state, p) => told("trackStreamStateChanged", { ...person(p), state }));
  room.on(E.TrackSubscriptionPermissionChanged, (t, status, p) => told("trackSubscriptionPermissionChanged", { ...person(p), status }));
  room.on(E.SignalReconnecting, () => told("signalReconnecting"));
  room.on(E.Reconnecting, () => told("reconnecting"));
  room.on(E.Reconnected, () => told("reconnected"));
  room.on(E.SignalConnected, () => told("signalConnected"));
  room.on(E.Connected, () => told("connected"));
  room.on(E.Moved, (name) => told("moved", { value: name }));
  room.on(E.Disconnected, (reason) => told("disconnected", { reason }));
  room.on(E.EncryptionError, (error) => told("encryptionError", { text: String(error) }));
  room.registerTextStreamHandler("stream", async (reader, from) => {
    told("textStream", { identity: from.identity, text: await reader.readAll() });
  });
}

/** Frames that reached the screen and sound that reached the speakers: a decoder may work for nobody. */
const shown = new WeakMap();
const ears = new WeakMap();
const heard = new WeakMap();
/** Two thirds of a second at 48 kHz: the fake microphone beeps twice a second. */
const EAR_SAMPLES = 32_768;
let audio;

function watch(track, video, identity) {
  const onFrame = () => {
    if (!shown.has(track)) told("firstFrame", { identity });
    shown.set(track, (shown.get(track) ?? 0) + 1);
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
}

function listenTo(track) {
  if (navigator.userAgent.includes("Firefox")) return;
  audio ??= new AudioContext();
  const ear = audio.createAnalyser();
  ear.fftSize = EAR_SAMPLES;
  audio.createMediaStreamSource(new MediaStream([track.mediaStreamTrack])).connect(ear);
  ears.set(track, ear);
}

/** Adds up how loud a track is at each look. Without a sound device Firefox starts no audio context: its decoder tells. */
function listenNow(track, inbound) {
  if (navigator.userAgent.includes("Firefox")) return inbound.totalAudioEnergy ?? 0;
  const ear = ears.get(track);
  if (!ear) return 0;
  const samples = new Float32Array(EAR_SAMPLES);
  ear.getFloatTimeDomainData(samples);
  const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  heard.set(track, (heard.get(track) ?? 0) + (loudest > 0.01 ? loudest : 0));
  return heard.get(track);
}

/** What is received, by identity and source. */
window.received = async () => {
  const seen = {};
  for (const participant of window.room?.remoteParticipants.values() ?? []) {
    const tracks = (seen[participant.identity] = {});
    for (const publication of participant.trackPublications.values()) {
      const receiver = publication.track?.receiver;
      const report = receiver ? [...(await receiver.getStats()).values()] : [];
      const inbound = report.find((stat) => stat.type === "inbound-rtp") ?? {};
      tracks[publication.source] = {
        sid: publication.trackSid,
        muted: publication.isMuted,
        subscribed: publication.isSubscribed,
        frames: shown.get(publication.track) ?? 0,
        loudness: listenNow(publication.track, inbound),
        decoded: inbound.framesDecoded ?? 0,
        width: inbound.frameWidth ?? 0,
        height: inbound.frameHeight ?? 0,
        energy: inbound.totalAudioEnergy ?? 0,
        level: inbound.audioLevel ?? 0,
        packets: inbound.packetsReceived ?? 0,
        lost: inbound.packetsLost ?? 0,
        freezes: inbound.freezeCount ?? 0,
      };
    }
  }
  return seen;
};

/** What the camera's track sends, by rid. */
window.sent = async () => {
  const camera = window.room.localParticipant.getTrackPublication("camera");
  const report = camera?.track?.sender ? [...(await camera.track.sender.getStats()).values()] : [];
  const layers = report.filter((stat) => stat.type === "outbound-rtp" && stat.kind === "video");
  return Object.fromEntries(
    layers.map((stat) => [
      stat.rid ?? "f",
      { frames: stat.framesSent ?? 0, width: stat.frameWidth ?? 0, active: stat.active, packets: stat.packetsSent },
    ]),
  );
};

/** The candidate pairs in use: `{protocol, port}` of the node's side. */
window.routes = async () => {
  const manager = window.room.engine.pcManager;
  const routes = [];
  for (const transport of [manager.publisher, manager.subscriber].filter(Boolean)) {
    const report = await transport.getStats();
    for (const stat of report.values()) {
      if (stat.type !== "candidate-pair" || !stat.nominated || stat.state !== "succeeded") continue;
      const remote = report.get(stat.remoteCandidateId);
      routes.push({ protocol: remote?.protocol, port: remote?.port });
    }
  }
  return routes;
};

window.ready = true;

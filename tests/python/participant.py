"""A participant by the public Python SDK, driven by lines of JSON."""

import asyncio
import math
from array import array

import lines
from livekit import rtc
from wait import ticks

WIDTH, HEIGHT = 640, 360
FRAMES_PER_SECOND = 15
SAMPLES_PER_SECOND = 48_000
TONE_HERTZ = 440
SOURCES = {
    "camera": rtc.TrackSource.SOURCE_CAMERA,
    "microphone": rtc.TrackSource.SOURCE_MICROPHONE,
}


class Participant:
    """One room, what happened in it, and what is sent and received."""

    def __init__(self):
        self.room = rtc.Room()
        self.events = []
        self.received = {}
        self.pictures = {}
        self.tasks = set()
        self.tracks = []
        self.streams = {}
        self.published = {}
        self._listen()

    def told(self, name, **detail):
        self.events.append({"name": name, **detail})

    def _listen(self):
        on = self.room.on
        person = lambda name: lambda p, *_: self.told(name, identity=p.identity)
        on("participant_connected", person("participantConnected"))
        on("participant_disconnected", person("participantDisconnected"))
        on("track_subscribed", self._subscribed)
        on("track_unsubscribed", self._unsubscribed)
        on("track_muted", lambda p, pub: self.told("trackMuted", identity=p.identity, sid=pub.sid))
        on("track_unmuted", lambda p, pub: self.told("trackUnmuted", identity=p.identity, sid=pub.sid))
        on("data_received", self._data)
        on("participant_metadata_changed", lambda p, was, now: self.told("participantMetadataChanged", identity=p.identity, metadata=now))
        on("participant_attributes_changed", lambda changed, p: self.told("participantAttributesChanged", identity=p.identity, changed=dict(changed)))
        on("room_metadata_changed", lambda was, now: self.told("roomMetadataChanged", metadata=now))
        on("active_speakers_changed", lambda all: self.told("activeSpeakersChanged", identities=[p.identity for p in all]))
        on("reconnecting", lambda: self.told("reconnecting"))
        on("reconnected", lambda: self.told("reconnected"))
        on("disconnected", lambda reason: self.told("disconnected", reason=int(reason)))
        self.room.register_text_stream_handler("stream", lambda reader, who: self._spawn(self._text(reader, who)))

    def _spawn(self, work):
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _unsubscribed(self, track, publication, participant):
        self.told("trackUnsubscribed", identity=participant.identity, sid=publication.sid)
        self.pictures.pop(publication.sid, None)
        if stream := self.streams.pop(publication.sid, None):
            self._spawn(stream.aclose())

    def _stream(self, stream, seen):
        self.streams[seen["sid"]] = stream
        return stream

    def _data(self, packet):
        identity = packet.participant.identity if packet.participant else ""
        text = packet.data.decode("utf-8", "replace")
        reliable = packet.kind == rtc.DataPacketKind.KIND_RELIABLE
        self.told("dataReceived", identity=identity, text=text, topic=packet.topic, reliable=reliable)

    async def _text(self, reader, identity):
        self.told("textStream", identity=identity, text=await reader.read_all())

    def _subscribed(self, track, publication, participant):
        source = next((name for name, value in SOURCES.items() if value == publication.source), "other")
        self.told("trackSubscribed", identity=participant.identity, source=source, sid=publication.sid)
        seen = {"frames": 0, "width": 0, "energy": 0.0, "sid": publication.sid}
        self.received.setdefault(participant.identity, {})[source] = seen
        self.tracks.append(track)
        if track.kind == rtc.TrackKind.KIND_VIDEO:
            self.pictures[publication.sid] = seen
            self._spawn(self._watch(track, seen))
        else:
            self._spawn(self._hear(track, seen))

    async def _watch(self, track, seen):
        async for _ in self._stream(rtc.VideoStream(track), seen):
            seen["shown"] = seen.get("shown", 0) + 1

    async def _hear(self, track, seen):
        async for event in self._stream(rtc.AudioStream(track), seen):
            samples = array("h", bytes(event.frame.data))
            seen["energy"] += sum((s / 32768) ** 2 for s in samples[::16]) / max(1, len(samples))

    async def join(self, ask):
        options = rtc.RoomOptions(auto_subscribe=ask.get("auto", True))
        options.single_peer_connection = ask.get("single")
        await self.room.connect(ask["url"], ask["token"], options)

        @self.room.local_participant.register_rpc_method("shout")
        async def shout(call):
            return call.payload.upper()

    async def publish(self, ask):
        source = ask["source"]
        options = rtc.TrackPublishOptions(source=SOURCES[source])
        if source == "camera":
            options.video_codec = rtc.VideoCodec.VP8
            options.simulcast = ask.get("simulcast", True)
            feed = rtc.VideoSource(WIDTH, HEIGHT)
            track = rtc.LocalVideoTrack.create_video_track(source, feed)
            self._spawn(self._film(feed))
        else:
            feed = rtc.AudioSource(SAMPLES_PER_SECOND, 1)
            track = rtc.LocalAudioTrack.create_audio_track(source, feed)
            self._spawn(self._sing(feed))
        publication = await self.room.local_participant.publish_track(track, options)
        self.published[source] = track
        return {"sid": publication.sid}

    async def _film(self, feed):
        luma, chroma = WIDTH * HEIGHT, WIDTH * HEIGHT // 2
        async for count in ticks(FRAMES_PER_SECOND):
            shade = 32 + (count * 3) % 192
            frame = bytes([shade]) * (luma // 2) + bytes([255 - shade]) * (luma // 2) + bytes([128]) * chroma
            feed.capture_frame(rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.I420, frame))

    async def _sing(self, feed):
        length = SAMPLES_PER_SECOND // 100
        step = 2 * math.pi * TONE_HERTZ / SAMPLES_PER_SECOND
        tone = array("h", (int(12_000 * math.sin(step * n)) for n in range(SAMPLES_PER_SECOND)))
        at = 0
        while True:
            # Waits by itself while its queue is full.
            await feed.capture_frame(rtc.AudioFrame(tone[at : at + length].tobytes(), SAMPLES_PER_SECOND, 1, length))
            at = (at + length) % SAMPLES_PER_SECOND

    async def mute(self, ask):
        track = self.published[ask["source"]]
        track.mute() if ask["muted"] else track.unmute()

    async def send(self, ask):
        local = self.room.local_participant
        await local.publish_data(ask["text"], reliable=ask.get("reliable", True), topic=ask.get("topic", ""),
                                 destination_identities=ask.get("to", []))

    async def text(self, ask):
        await self.room.local_participant.send_text(ask["text"], topic="stream")

    async def call(self, ask):
        return await self.room.local_participant.perform_rpc(
            destination_identity=ask["to"], method=ask["method"], payload=ask["payload"], response_timeout=20)

    async def update(self, ask):
        local = self.room.local_participant
        if "metadata" in ask:
            await local.set_metadata(ask["metadata"])
        if "attributes" in ask:
            await local.set_attributes(ask["attributes"])
        if "name" in ask:
            await local.set_name(ask["name"])

    async def people(self, _):
        return {p.identity: {"name": p.name, "metadata": p.metadata, "attributes": dict(p.attributes)}
                for p in self.room.remote_participants.values()}

    async def seen(self, _):
        await self._count_pictures()
        return self.received

    async def _count_pictures(self):
        """Counts what was decoded. The SDK's VideoStream now and then stops handing pictures over on a busy machine (its queue
        "overflows" once and its reader is never woken again) while its decoder goes on without a freeze."""
        for track in list(self.tracks):
            seen = self.pictures.get(track.sid)
            for stat in await track.get_stats() if seen else []:
                if stat.HasField("inbound_rtp"):
                    inbound = stat.inbound_rtp.inbound
                    seen["frames"] = max(seen["frames"], inbound.frames_decoded)
                    seen["width"], seen["height"] = inbound.frame_width, inbound.frame_height

    async def stats(self, _):
        """Raw figures of every received track, for reports of failures."""
        told = {}
        for track in self.tracks:
            told[track.sid] = [str(stat) for stat in await track.get_stats() if stat.HasField("inbound_rtp")]
        return told

    async def told_of(self, ask):
        return [event for event in self.events if event["name"] == ask["name"]]

    async def state(self, _):
        return int(self.room.connection_state)

    async def leave(self, _):
        await self.room.disconnect()


async def main():
    it = Participant()
    await lines.serve({
        "join": it.join, "publish": it.publish, "mute": it.mute, "send": it.send, "text": it.text, "call": it.call,
        "update": it.update, "people": it.people, "received": it.seen, "events": it.told_of, "state": it.state, "stats": it.stats,
        "leave": it.leave,
    })


asyncio.run(main())

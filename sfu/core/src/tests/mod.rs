//! Tests of the whole core: a publisher is a few [`Sender`]s, time is a number.

mod bandwidth;
mod forwarding;
mod random;

use alloc::vec::Vec;
use core::time::Duration;

use proto::{
    id::TrackKey,
    media::{Codec, Encoding, MediaKind, Quality, RtpTime, SeqNo, Source, ViewSettings},
    time::Instant,
    unit::Bitrate,
};

use super::*;

pub(crate) const CAMERA: TrackKey = TrackKey(7);
pub(crate) const VOICE: TrackKey = TrackKey(9);
pub(crate) const ADA: SubscriberId = SubscriberId(0);
pub(crate) const BOB: SubscriberId = SubscriberId(1);
pub(crate) const FRAME: Duration = Duration::from_micros(33_333);

/// A core with a clock that a test turns.
pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) now: Instant,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { core: Core::new(Config::default()), now: Instant(1_000_000) }
    }

    /// One camera with three encodings, watched by Ada on slot 0.
    pub(crate) fn with_camera() -> Self {
        let mut world = Self::new();
        world.add_camera(CAMERA, Source::Camera);
        world.put(Input::AddSubscriber { subscriber: ADA });
        world.subscribe(ADA, 0, CAMERA);
        world
    }

    pub(crate) fn put(&mut self, input: Input<'_>) -> Vec<Output> {
        self.core.handle_input(self.now, input);
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        loop {
            match self.core.poll_output() {
                Output::Timeout(..) => return outputs,
                output => outputs.push(output),
            }
        }
    }

    pub(crate) fn add_camera(&mut self, track: TrackKey, source: Source) {
        let encoding = |quality, width, height, kbps| {
            Some(Encoding { quality, width, height, bitrate: Bitrate::from_kbps(kbps) })
        };
        let encodings = [
            encoding(Quality::Low, 320, 180, 100),
            encoding(Quality::Medium, 640, 360, 300),
            encoding(Quality::High, 1280, 720, 900),
        ];
        let spec = Track { kind: MediaKind::Video, source, encodings, muted: false, home: true };
        self.put(Input::AddTrack { track, spec });
    }

    pub(crate) fn add_voice(&mut self) {
        let spec = Track {
            kind: MediaKind::Audio,
            source: Source::Microphone,
            encodings: [None; 3],
            muted: false,
            home: true,
        };
        self.put(Input::AddTrack { track: VOICE, spec });
    }

    pub(crate) fn subscribe(
        &mut self,
        subscriber: SubscriberId,
        slot: u32,
        track: TrackKey,
    ) -> Vec<Output> {
        self.put(Input::Subscribe { subscriber, slot: SlotId(slot), track })
    }

    pub(crate) fn view(&mut self, slot: u32, settings: ViewSettings) -> Vec<Output> {
        self.put(Input::View { slot: SlotId(slot), settings })
    }

    pub(crate) fn estimate(&mut self, subscriber: SubscriberId, kbps: u64) -> Vec<Output> {
        self.put(Input::Estimate { subscriber, estimate: Some(Bitrate::from_kbps(kbps)) })
    }

    pub(crate) fn burst(&mut self, packets: &[(TrackKey, Quality, Packet)]) -> Vec<Output> {
        for (track, quality, packet) in packets {
            self.core
                .handle_input(self.now, Input::Rtp { track: *track, quality: *quality, packet });
        }
        self.drain()
    }

    /// Lets time pass, waking the core whenever it asks.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Output> {
        let end = self.now + time;
        let mut outputs = Vec::new();
        loop {
            outputs.extend(self.drain());
            let Output::Timeout(at, _) = self.core.poll_output() else { unreachable!() };
            if at > end {
                self.now = end;
                return outputs;
            }
            self.now = self.now.max(at);
            outputs.extend(self.put(Input::Timeout));
        }
    }

    /// Sends a frame on every sender each 33 ms for a while, waking the core in between.
    pub(crate) fn play(&mut self, senders: &mut [Sender], time: Duration) -> Vec<Output> {
        let end = self.now + time;
        let mut outputs = Vec::new();
        while self.now < end {
            let mut packets = Vec::new();
            for sender in &mut *senders {
                packets.extend(sender.frame(self.now, false));
            }
            for chunk in packets.chunks(BURST_MAX) {
                outputs.extend(self.burst(chunk));
            }
            outputs.extend(self.pass(FRAME));
        }
        outputs
    }
}

/// One encoding of a publisher.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) track: TrackKey,
    pub(crate) quality: Quality,
    pub(crate) seq: u64,
    pub(crate) offset: u32,
    pub(crate) picture: u16,
    pub(crate) tl0: u8,
    pub(crate) packets: u16,
    pub(crate) bytes: u16,
    pub(crate) temporal: bool,
    pub(crate) reports: bool,
    frames: usize,
}

impl Sender {
    pub(crate) fn new(track: TrackKey, quality: Quality) -> Self {
        let n = quality as u16 + 1;
        Self {
            track,
            quality,
            seq: 40_000 + 1_000 * u64::from(n),
            offset: 0xfff0_0000_u32.wrapping_mul(u32::from(n)),
            picture: 32_700 + 20 * n,
            tl0: 250,
            packets: n,
            bytes: 400,
            temporal: false,
            reports: false,
            frames: 0,
        }
    }

    /// All three encodings of a camera.
    pub(crate) fn simulcast(track: TrackKey) -> [Self; 3] {
        Quality::ALL.map(|quality| Self::new(track, quality))
    }

    fn rtp_time(&self, at: Instant) -> RtpTime {
        RtpTime(u32::try_from(at.0 * 9 / 100).unwrap()).wrapping_add(self.offset)
    }

    /// The packets of the next frame.
    pub(crate) fn frame(
        &mut self,
        at: Instant,
        keyframe: bool,
    ) -> Vec<(TrackKey, Quality, Packet)> {
        if keyframe {
            self.frames = 0;
        }
        let layer = if self.temporal { [0, 2, 1, 2][self.frames % 4] } else { 0 };
        self.frames += 1;
        self.picture = (self.picture + 1) & 0x7fff;
        if layer == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        let time = self.rtp_time(at);
        let clock = SenderClock { wallclock_us: at.0 + 77_000_000, time };
        (0..self.packets)
            .map(|nth| {
                self.seq += 1;
                let picture = Picture::Vp8(Vp8 {
                    keyframe,
                    start: nth == 0,
                    picture_id: Some(PictureId::Long(self.picture)),
                    tl0: Some(self.tl0),
                    temporal: self.temporal.then_some(layer),
                    sync: layer > 0,
                    key_index: Some(3),
                });
                let packet = Packet {
                    arrived_at: at,
                    seq: SeqNo(self.seq),
                    time,
                    marker: nth + 1 == self.packets,
                    codec: Codec::Vp8,
                    payload_len: self.bytes,
                    picture,
                    audio_level: None,
                    sender_clock: self.reports.then_some(clock),
                };
                (self.track, self.quality, packet)
            })
            .collect()
    }
}

pub(crate) fn voice(at: Instant, seq: u64, level: u8) -> (TrackKey, Quality, Packet) {
    let packet = Packet {
        arrived_at: at,
        seq: SeqNo(seq),
        time: RtpTime(u32::try_from(at.0 * 48 / 1000).unwrap()),
        marker: false,
        codec: Codec::Opus,
        payload_len: 80,
        picture: Picture::Opaque { keyframe: true },
        audio_level: Some(level),
        sender_clock: None,
    };
    (VOICE, Quality::Low, packet)
}

pub(crate) fn forwards(outputs: &[Output]) -> Vec<Forward> {
    let forward = |output: &Output| match output {
        Output::Forward(forward) => Some(*forward),
        _ => None,
    };
    outputs.iter().filter_map(forward).collect()
}

pub(crate) fn keyframe_requests(outputs: &[Output]) -> Vec<Quality> {
    let request = |output: &Output| match output {
        Output::RequestKeyframe { quality, .. } => Some(*quality),
        _ => None,
    };
    outputs.iter().filter_map(request).collect()
}

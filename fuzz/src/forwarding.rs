//! The forwarding core, driven by bytes: any order of packets and commands must keep its promises.

use std::collections::{BTreeMap, BTreeSet};

use proto::{
    id::TrackKey,
    media::{Codec, Encoding, MediaKind, Quality, RtpTime, SeqNo, Source, ViewSettings},
    time::Instant,
    unit::Bitrate,
};
use sfu_core::{
    BURST_MAX, Config, Core, Input, LinkId, Output, Packet, Picture, PictureId, SlotId,
    SubscriberId, Track, Vp8, Vp9,
};

/// Steps taken of one input.
const STEPS_MAX: usize = 2_000;
/// Outputs of one drain: every packet of a burst to every subscriber, and room for the rest.
const OUTPUTS_MAX: usize = BURST_MAX * 16 + 4_096;
const QUALITIES: [Quality; 3] = [Quality::Low, Quality::Medium, Quality::High];

/// Bytes as a source of choices; zeros when they are used up.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, count: u8) -> u8 {
        self.byte() % count
    }

    fn quality(&mut self) -> Quality {
        QUALITIES[usize::from(self.below(3))]
    }
}

/// What is remembered of the world around the core.
struct World {
    core: Core,
    now: Instant,
    burst: usize,
    /// Highest sequence number sent by (track, quality).
    sent: BTreeMap<(u64, Quality), u64>,
    /// Who owns each slot, and the numbers it got.
    slots: BTreeMap<SlotId, (SubscriberId, BTreeSet<u64>)>,
}

/// Tracks, viewers, packets and time in any order.
pub fn rewriting(data: &[u8]) {
    let mut choices = Choices(data);
    let mut world = World {
        core: Core::new(Config::default()),
        now: Instant(1_000_000),
        burst: 0,
        sent: BTreeMap::new(),
        slots: BTreeMap::new(),
    };
    for _ in 0..STEPS_MAX {
        if choices.0.is_empty() {
            break;
        }
        world.step(&mut choices);
    }
    world.drain();
}

impl World {
    fn step(&mut self, choices: &mut Choices<'_>) {
        let kind = choices.below(24);
        if kind < 12 {
            return self.packet(choices);
        }
        self.drain();
        let track = TrackKey(u64::from(choices.below(4)));
        let subscriber = SubscriberId(u32::from(choices.below(4)));
        let slot = SlotId(subscriber.0 * 4 + u32::try_from(track.0).unwrap_or(0));
        let input = match kind {
            12 | 13 => Input::AddTrack { track, spec: spec(track, choices) },
            14 => Input::RemoveTrack { track },
            15 => Input::Mute { track, muted: choices.below(2) == 1 },
            16 => Input::AddSubscriber { subscriber },
            17 => Input::RemoveSubscriber { subscriber },
            18 => Input::Subscribe { subscriber, slot, track },
            19 => Input::Unsubscribe { slot },
            20 => Input::View { slot, settings: view(choices) },
            21 => Input::Estimate { subscriber, estimate: estimate(choices) },
            22 => match choices.below(3) {
                0 => Input::KeyframeRequest { slot },
                1 => Input::LinkKeyframeRequest { track, quality: choices.quality() },
                _ => {
                    let quality_max = (choices.below(2) == 1).then(|| choices.quality());
                    Input::Link { link: LinkId(u32::from(choices.below(2))), track, quality_max }
                }
            },
            _ => {
                self.now = Instant(self.now.0 + u64::from(choices.byte()) * 10_000);
                Input::Timeout
            }
        };
        self.forget(&input);
        let woken = matches!(input, Input::Timeout);
        self.core.handle_input(self.now, input);
        let next = self.drain();
        assert!(!woken || next > self.now, "woken, and woken again at once");
    }

    /// A slot that begins anew counts anew.
    fn forget(&mut self, input: &Input<'_>) {
        match input {
            Input::Subscribe { subscriber, slot, .. } => {
                self.slots.insert(*slot, (*subscriber, BTreeSet::new()));
            }
            Input::Unsubscribe { slot } => {
                self.slots.remove(slot);
            }
            Input::RemoveSubscriber { subscriber } => {
                self.slots.retain(|_, (owner, _)| owner != subscriber)
            }
            _ => {}
        }
    }

    fn packet(&mut self, choices: &mut Choices<'_>) {
        let track = u64::from(choices.below(4));
        let quality = choices.quality();
        let last = self.sent.entry((track, quality)).or_insert(0);
        // Mostly the next number; sometimes one again, one from before, or a jump.
        let seq = match choices.below(16) {
            0 => last.saturating_sub(u64::from(choices.byte())),
            1 => *last + u64::from(choices.byte()) * 300,
            _ => *last + 1,
        };
        *last = seq.max(*last);
        self.now = Instant(self.now.0 + u64::from(choices.below(8)) * 1_000);
        let codec =
            [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Opus][usize::try_from(track).unwrap_or(0)];
        let packet = Packet {
            arrived_at: self.now,
            seq: SeqNo(seq),
            time: RtpTime(u32::try_from(seq & 0xffff_ffff).unwrap_or(0).wrapping_mul(3_000)),
            marker: choices.below(3) == 0,
            codec,
            payload_len: u16::from(choices.byte()) * 5,
            picture: picture(codec, choices),
            audio_level: (codec == Codec::Opus).then(|| choices.byte() & 0x7f),
            sender_clock: None,
        };
        self.core.handle_input(
            self.now,
            Input::Rtp { track: TrackKey(track), quality, packet: &packet },
        );
        self.burst += 1;
        if self.burst == BURST_MAX || choices.below(4) == 0 {
            self.drain();
        }
    }

    /// Takes all outputs; returns when the core wants to be woken.
    fn drain(&mut self) -> Instant {
        let burst = std::mem::take(&mut self.burst);
        let mut served: Vec<SubscriberId> = Vec::new();
        let mut others = false;
        for _ in 0..OUTPUTS_MAX {
            match self.core.poll_output() {
                Output::Forward(forward) => {
                    assert!(!others, "a forward came after something else");
                    assert!(
                        usize::from(forward.packet) < burst,
                        "a packet that is not in the burst"
                    );
                    if served.last() != Some(&forward.subscriber) {
                        assert!(
                            !served.contains(&forward.subscriber),
                            "a subscriber is served twice"
                        );
                        served.push(forward.subscriber);
                    }
                    let Some((owner, numbers)) = self.slots.get_mut(&forward.slot) else {
                        panic!("a forward to a slot that is not there");
                    };
                    assert_eq!(*owner, forward.subscriber, "a forward to somebody else's slot");
                    assert!(
                        !numbers.is_empty() || forward.seq.0 < 65_536,
                        "a slot begins beyond its first cycle"
                    );
                    assert!(numbers.insert(forward.seq.0), "a number was given twice");
                }
                Output::Relay { packet, .. } => {
                    others = true;
                    assert!(
                        usize::from(packet) < burst,
                        "a relayed packet that is not in the burst"
                    );
                }
                Output::Timeout(at, _) => return at,
                _ => others = true,
            }
        }
        panic!("a drain without end");
    }
}

fn spec(track: TrackKey, choices: &mut Choices<'_>) -> Track {
    let kind = if track.0 == 3 { MediaKind::Audio } else { MediaKind::Video };
    let announced = choices.byte();
    let encoding = |quality: Quality| {
        let step = u32::try_from(quality.index()).unwrap_or(0);
        let known = announced & (1 << step) != 0;
        known.then(|| Encoding {
            quality,
            width: 320 << step,
            height: 180 << step,
            bitrate: Bitrate::from_kbps(150 << (2 * step)),
        })
    };
    Track {
        kind,
        source: Source::Camera,
        encodings: QUALITIES.map(encoding),
        muted: announced & 0x10 != 0,
        home: announced & 0x20 == 0,
    }
}

fn view(choices: &mut Choices<'_>) -> ViewSettings {
    let flags = choices.byte();
    ViewSettings {
        quality_max: choices.quality(),
        size: (flags & 1 != 0)
            .then(|| (u32::from(choices.byte()) * 16, u32::from(choices.byte()) * 16)),
        fps_max: (flags & 2 != 0).then(|| u32::from(choices.byte())),
        disabled: flags & 4 != 0,
        priority: u32::from(flags >> 4),
    }
}

fn estimate(choices: &mut Choices<'_>) -> Option<Bitrate> {
    (choices.below(8) != 0).then(|| Bitrate::from_kbps(u64::from(choices.byte()) * 40))
}

fn picture(codec: Codec, choices: &mut Choices<'_>) -> Picture {
    let flags = choices.byte();
    let id = u16::from(choices.byte());
    let picture_id = match flags & 3 {
        0 => None,
        1 => Some(PictureId::Short((id & 0x7f) as u8)),
        _ => Some(PictureId::Long(id * 100)),
    };
    let tl0 = (flags & 4 != 0).then_some((id & 0xff) as u8);
    let keyframe = flags & 8 != 0;
    match codec {
        Codec::Vp8 => Picture::Vp8(Vp8 {
            keyframe,
            start: keyframe || flags & 16 != 0,
            picture_id,
            tl0,
            temporal: (flags & 32 != 0).then_some(flags >> 6),
            sync: flags & 64 != 0,
            key_index: (flags & 128 != 0).then_some((id & 31) as u8),
        }),
        Codec::Vp9 => {
            let temporal = (flags >> 5) & 3;
            Picture::Vp9(Vp9 { keyframe, picture_id, tl0, temporal, spatial: flags >> 7 })
        }
        _ => Picture::Opaque { keyframe: keyframe || codec == Codec::Opus },
    }
}

//! What the shard tells the core.

use proto::{
    id::TrackKey,
    media::{Codec, Encoding, MediaKind, Quality, RtpTime, SeqNo, Source, ViewSettings},
    time::Instant,
    unit::Bitrate,
};

/// A subscriber, dense, chosen and reused by the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId(pub u32);

/// One subscription (subscriber x track), dense per core, chosen and reused by the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub u32);

/// A way to another shard or node that takes packets unrewritten, dense, chosen by the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// What the core is told. After any number of `Rtp` inputs (at most [`crate::BURST_MAX`]) or one other input,
/// the outputs must be drained.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A packet arrived on an encoding of a track. It gets the next index of the burst, from 0 after each drain.
    Rtp {
        /// Of which track.
        track: TrackKey,
        /// Which encoding.
        quality: Quality,
        /// Everything but the payload.
        packet: &'a Packet,
    },
    /// A track begins here.
    AddTrack {
        /// Its key.
        track: TrackKey,
        /// What is known of it.
        spec: Track,
    },
    /// A track ends, with its subscriptions and links.
    RemoveTrack {
        /// Which.
        track: TrackKey,
    },
    /// A track is muted: nothing is forwarded, nothing is allocated.
    Mute {
        /// Which.
        track: TrackKey,
        /// The new state.
        muted: bool,
    },
    /// A subscriber comes.
    AddSubscriber {
        /// Who.
        subscriber: SubscriberId,
    },
    /// A subscriber goes, with its slots.
    RemoveSubscriber {
        /// Who.
        subscriber: SubscriberId,
    },
    /// A subscriber is to receive a track.
    Subscribe {
        /// Who.
        subscriber: SubscriberId,
        /// The slot's id.
        slot: SlotId,
        /// What.
        track: TrackKey,
    },
    /// A slot ends.
    Unsubscribe {
        /// Which.
        slot: SlotId,
    },
    /// What a slot's viewer wants.
    View {
        /// Which.
        slot: SlotId,
        /// How.
        settings: ViewSettings,
    },
    /// A link is to receive a track's encodings up to a quality; `None`: no longer any.
    Link {
        /// Which link.
        link: LinkId,
        /// What.
        track: TrackKey,
        /// Up to which encoding.
        quality_max: Option<Quality>,
    },
    /// A subscriber's bandwidth estimate.
    Estimate {
        /// Whose.
        subscriber: SubscriberId,
        /// Estimate of everything that can be sent to it; `None`: unknown, send what is wanted.
        estimate: Option<Bitrate>,
    },
    /// A subscriber asks for a key frame on a slot (PLI or FIR).
    KeyframeRequest {
        /// Which.
        slot: SlotId,
    },
    /// A link asks for a key frame of an encoding.
    LinkKeyframeRequest {
        /// Of which track.
        track: TrackKey,
        /// Which encoding.
        quality: Quality,
    },
    /// Time passed.
    Timeout,
}

/// What the core knows of a track.
#[derive(Clone, Debug)]
pub struct Track {
    /// What it carries.
    pub kind: MediaKind,
    /// Where it comes from; decides default priority.
    pub source: Source,
    /// Announced encodings by quality; `None` where not announced.
    pub encodings: [Option<Encoding>; 3],
    /// Whether it is muted.
    pub muted: bool,
    /// Whether speakers are detected on it here (its home) or elsewhere (it came over a link).
    pub home: bool,
}

/// A packet without its payload, as the core sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it arrived.
    pub arrived_at: Instant,
    /// Extended sequence number.
    pub seq: SeqNo,
    /// RTP timestamp.
    pub time: RtpTime,
    /// RTP marker bit.
    pub marker: bool,
    /// Codec of the payload.
    pub codec: Codec,
    /// Payload length in bytes.
    pub payload_len: u16,
    /// What the payload says of its picture.
    pub picture: Picture,
    /// Audio level (RFC 6464), 0..=127 in -dBov, 127 is silence.
    pub audio_level: Option<u8>,
    /// Latest sender report of this encoding, if one came.
    pub sender_clock: Option<SenderClock>,
}

/// A pair of clocks from a sender report (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderClock {
    /// The sender's wall clock, in microseconds since any fixed epoch.
    pub wallclock_us: u64,
    /// The same moment in RTP time.
    pub time: RtpTime,
}

/// What the payload descriptor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Sound, or a codec whose descriptor is not rewritten.
    Opaque {
        /// First packet of a key frame. Always true for sound.
        keyframe: bool,
    },
    /// VP8 (RFC 7741 section 4.2).
    Vp8(Vp8),
    /// VP9 (RFC 9628 section 4.2), flexible or not.
    Vp9(Vp9),
}

/// The fields of a VP8 payload descriptor that must be continuous for a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8 {
    /// First packet of a key frame.
    pub keyframe: bool,
    /// First packet of a frame.
    pub start: bool,
    /// Picture id as carried (7 or 15 bits), if there is one.
    pub picture_id: Option<PictureId>,
    /// TL0PICIDX, if there is one.
    pub tl0: Option<u8>,
    /// Temporal layer, if there is one.
    pub temporal: Option<u8>,
    /// Whether the temporal layer may be switched to here (the Y bit).
    pub sync: bool,
    /// KEYIDX, 5 bits, if there is one.
    pub key_index: Option<u8>,
}

/// The fields of a VP9 payload descriptor that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp9 {
    /// First packet of a key frame (P clear, B set, base spatial layer).
    pub keyframe: bool,
    /// Picture id as carried, if there is one.
    pub picture_id: Option<PictureId>,
    /// TL0PICIDX, if there is one.
    pub tl0: Option<u8>,
    /// Temporal layer.
    pub temporal: u8,
    /// Spatial layer.
    pub spatial: u8,
}

/// A picture id and its width on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureId {
    /// 0..=127.
    Short(u8),
    /// 0..=32767.
    Long(u16),
}

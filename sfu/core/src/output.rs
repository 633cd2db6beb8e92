//! What the core tells the shard.

use proto::{
    id::TrackKey,
    media::{Quality, RtpTime, SeqNo},
    time::Instant,
    unit::Bitrate,
};

use crate::input::{LinkId, PictureId, SlotId, SubscriberId};

/// What the shard is to do. Polled until [`Output::Timeout`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Output {
    /// Send a packet of the burst to a subscriber. All packets of one subscriber come in a row, in order.
    Forward(Forward),
    /// Hand a packet of the burst to a link, unchanged.
    Relay {
        /// Which link.
        link: LinkId,
        /// Index in the burst.
        packet: u16,
    },
    /// Ask the publisher (or the home shard) for a key frame; already throttled.
    RequestKeyframe {
        /// Of which track.
        track: TrackKey,
        /// Which encoding.
        quality: Quality,
    },
    /// A slot was paused by congestion, or goes on.
    StreamState {
        /// Which.
        slot: SlotId,
        /// Whether it is paused.
        paused: bool,
    },
    /// The encodings of a track that anybody here (slots and links) wants changed.
    Wanted {
        /// Which track.
        track: TrackKey,
        /// The largest wanted; `None`: nobody wants any.
        quality_max: Option<Quality>,
    },
    /// What a subscriber's estimator should aim at.
    Bitrates {
        /// Whose.
        subscriber: SubscriberId,
        /// Rate to sustain with padding, so that the next layer can start.
        minimum: Bitrate,
        /// Rate that everything wanted would take.
        desired: Bitrate,
    },
    /// Loudness of a speaking track changed.
    Speaker {
        /// Which.
        track: TrackKey,
        /// Loudness, 0..=8 eighths of full scale.
        eighths: u8,
        /// Whether it counts as speaking.
        active: bool,
    },
    /// Nothing more; call again at this time or with the next input.
    Timeout(Instant, Reason),
}

/// Why the core wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is pending.
    Idle,
    /// Speakers are measured.
    Speakers,
    /// A key frame did not come and must be asked for again.
    Keyframe,
    /// Bandwidth is shared out again.
    Allocate,
}

/// One packet to one subscriber, in its own sequence, time and picture space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// To whom.
    pub subscriber: SubscriberId,
    /// On which slot.
    pub slot: SlotId,
    /// Index in the burst.
    pub packet: u16,
    /// Extended sequence number towards the subscriber; the first of a slot is below 65536.
    pub seq: SeqNo,
    /// RTP timestamp towards the subscriber.
    pub time: RtpTime,
    /// Marker bit (set on the last packet of what the subscriber gets of a picture).
    pub marker: bool,
    /// New picture fields to write into the payload descriptor.
    pub rewrite: Rewrite,
}

/// Picture fields to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// The payload goes out as it came.
    None,
    /// VP8 or VP9 descriptor fields; each has the width it came with.
    Picture {
        /// New picture id, if the descriptor has one.
        picture_id: Option<PictureId>,
        /// New TL0PICIDX, if the descriptor has one.
        tl0: Option<u8>,
        /// New KEYIDX (VP8), if the descriptor has one.
        key_index: Option<u8>,
    },
}

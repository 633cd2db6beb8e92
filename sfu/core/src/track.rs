//! What is remembered of a track and of each of its encodings.
//!
//! Hot path: constant work per arriving packet.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use proto::{
    id::TrackKey,
    media::{Encoding, MediaKind, Quality, Source},
    time::Instant,
    unit::Bitrate,
};

use crate::{
    input::{self, LinkId, Packet, Picture, SenderClock},
    keyframe::Asking,
    rate::RateMeter,
    speaker::Loudness,
    table::PerQuality,
};

/// An encoding that is silent this long while another one flows is dead.
pub(crate) const DEAD_AFTER: Duration = Duration::from_secs(1);

/// How long nobody must want an encoding before its publisher hears of it: people scroll back.
pub(crate) const UNWANTED_AFTER: Duration = Duration::from_secs(3);

/// A jump of the sequence number beyond this is a new stream under the old name.
const RESTART_DISTANCE: u64 = 8_192;

/// Packets that are further behind the newest are dropped: duplicates can no longer be told.
const REORDER_MAX: u64 = 1_024;

/// Temporal layers that are measured apart.
pub(crate) const TEMPORAL_LAYERS: usize = 4;

/// Rates assumed of encodings that were neither announced with one nor measured, by quality.
const RATES_ASSUMED: [u64; 3] = [150, 500, 1_700];

/// A track as the core keeps it.
#[derive(Debug)]
pub(crate) struct TrackState {
    pub(crate) key: TrackKey,
    pub(crate) kind: MediaKind,
    pub(crate) source: Source,
    pub(crate) muted: bool,
    pub(crate) home: bool,
    pub(crate) encodings: PerQuality<EncodingState>,
    pub(crate) slots: Vec<u32>,
    pub(crate) links: Vec<(LinkId, Quality)>,
    /// Its packets in the burst, in order.
    pub(crate) burst: Vec<Entry>,
    pub(crate) asking: PerQuality<Asking>,
    pub(crate) wanted: Wanted,
    pub(crate) loudness: Loudness,
}

/// A packet of the burst, small enough to be looked at once per slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) index: u16,
    pub(crate) quality: Quality,
    /// A key frame begins here and nothing of it went by already.
    pub(crate) starts: bool,
    pub(crate) generation: u32,
}

impl TrackState {
    pub(crate) fn new(now: Instant, key: TrackKey, spec: &input::Track) -> Self {
        let mut track = Self {
            key,
            kind: spec.kind,
            source: spec.source,
            muted: spec.muted,
            home: spec.home,
            encodings: PerQuality::default(),
            slots: Vec::new(),
            links: Vec::new(),
            burst: Vec::new(),
            asking: PerQuality::default(),
            wanted: Wanted::Unsaid { since: now },
            loudness: Loudness::default(),
        };
        track.announce(spec);
        track
    }

    /// Takes what is announced of the track.
    pub(crate) fn announce(&mut self, spec: &input::Track) {
        self.kind = spec.kind;
        self.source = spec.source;
        self.muted = spec.muted;
        self.home = spec.home;
        for (quality, announced) in Quality::ALL.into_iter().zip(spec.encodings) {
            self.encodings.at_mut(quality).announced = announced;
        }
    }

    /// Whether an encoding can be forwarded: it flows, or nothing flows and it may come.
    pub(crate) fn is_usable(&self, now: Instant, quality: Quality) -> bool {
        let newest =
            self.encodings.iter().filter_map(|(_, e)| Some(e.flow.as_ref()?.last_at)).max();
        let encoding = self.encodings.at(quality);
        let Some(newest) = newest else {
            let announced = self.encodings.iter().any(|(_, e)| e.announced.is_some());
            return encoding.announced.is_some() || (!announced && quality == Quality::Low);
        };
        let since = if now.since(newest) < DEAD_AFTER { now } else { newest };
        encoding.flow.as_ref().is_some_and(|flow| since.since(flow.last_at) < DEAD_AFTER)
    }

    /// Returns the smallest known encoding that covers what a viewer shows, at most `quality_max`.
    pub(crate) fn covering(&self, size: Option<(u32, u32)>, quality_max: Quality) -> Quality {
        let Some((width, height)) = size else {
            return quality_max;
        };
        let (long, short) = (u64::from(width.max(height)), u64::from(width.min(height)));
        self.encodings
            .iter()
            .filter_map(|(quality, encoding)| Some((quality, encoding.announced?)))
            .filter(|(_, announced)| announced.width > 0 && announced.height > 0)
            .find(|(_, announced)| {
                let (w, h) = (u64::from(announced.width), u64::from(announced.height));
                // A tenth too small is not seen.
                w.max(h) * 10 >= long * 9 && w.min(h) * 10 >= short * 9
            })
            .map_or(quality_max, |(quality, _)| quality.min(quality_max))
    }
}

/// What is known of one encoding.
#[derive(Debug, Default)]
pub(crate) struct EncodingState {
    pub(crate) announced: Option<Encoding>,
    /// `None` until the first packet.
    pub(crate) flow: Option<Box<Flow>>,
}

impl EncodingState {
    /// Returns the rate it takes, measured if it flows, else announced, else assumed.
    pub(crate) fn bitrate(&self, now: Instant, quality: Quality) -> Bitrate {
        let announced = self.announced.map(|a| a.bitrate).filter(|rate| *rate > Bitrate::ZERO);
        let assumed = RATES_ASSUMED.get(quality.index()).copied().unwrap_or(0);
        let prior = announced.unwrap_or_else(|| Bitrate::from_kbps(assumed));
        match &self.flow {
            Some(flow) if now.since(flow.last_at) < DEAD_AFTER => {
                let measured = flow.smoothed.max(flow.rate.bitrate(now).percent(80));
                // An encoder that just began has not reached its rate.
                if now.since(flow.first_at) < Duration::from_secs(2) {
                    measured.max(prior)
                } else {
                    measured
                }
            }
            Some(_) | None => prior,
        }
    }
}

/// What arrives on an encoding.
#[derive(Debug)]
pub(crate) struct Flow {
    newest: u64,
    seen: [u64; 16],
    pub(crate) generation: u32,
    pub(crate) first_at: Instant,
    pub(crate) last_at: Instant,
    pub(crate) clock: Option<SenderClock>,
    pub(crate) rate: RateMeter,
    /// Bytes and pictures by temporal layer.
    pub(crate) layers: [(RateMeter, RateMeter); TEMPORAL_LAYERS],
    pub(crate) smoothed: Bitrate,
    /// As of the last tick: bytes and pictures of the last second up to each temporal layer.
    pub(crate) up_to: [(u64, u64); TEMPORAL_LAYERS],
}

/// Whether and how a packet counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Nothing newer came before it.
    Newest,
    /// It was overtaken.
    Late,
    /// It was seen before, or is too old to tell.
    Repeated,
}

impl Flow {
    pub(crate) fn new(packet: &Packet) -> Self {
        Self {
            newest: packet.seq.0.wrapping_sub(1),
            seen: [u64::MAX; 16],
            generation: 0,
            first_at: packet.arrived_at,
            last_at: packet.arrived_at,
            clock: None,
            rate: RateMeter::default(),
            layers: <[(RateMeter, RateMeter); TEMPORAL_LAYERS]>::default(),
            smoothed: Bitrate::ZERO,
            up_to: [(0, 0); TEMPORAL_LAYERS],
        }
    }

    /// Takes notice of a packet.
    pub(crate) fn arrive(&mut self, packet: &Packet) -> Arrival {
        let arrival = self.place(packet.seq.0);
        if arrival == Arrival::Repeated {
            return arrival;
        }
        self.last_at = self.last_at.max(packet.arrived_at);
        self.clock = packet.sender_clock.or(self.clock);
        let bytes = u32::from(packet.payload_len) + 12;
        self.rate.add(packet.arrived_at, bytes);
        if let Picture::Vp8(vp8) = packet.picture {
            let layer = usize::from(vp8.temporal.unwrap_or(0)).min(TEMPORAL_LAYERS - 1);
            if let Some((rate, pictures)) = self.layers.get_mut(layer) {
                rate.add(packet.arrived_at, bytes);
                pictures.add(packet.arrived_at, u32::from(vp8.start));
            }
        }
        arrival
    }

    /// Follows the measured rates: quickly up, slowly down.
    pub(crate) fn smooth(&mut self, now: Instant) {
        let measured = self.rate.bitrate(now);
        self.smoothed = if measured > self.smoothed {
            (self.smoothed + measured).percent(50)
        } else {
            self.smoothed - (self.smoothed - measured).percent(25)
        };
        let (mut bytes, mut pictures) = (0, 0);
        for (sum, layer) in self.up_to.iter_mut().zip(&self.layers) {
            bytes += layer.0.total(now);
            pictures += layer.1.per_second(now);
            *sum = (bytes, pictures);
        }
    }

    fn place(&mut self, seq: u64) -> Arrival {
        let ahead = seq.wrapping_sub(self.newest).cast_signed();
        if ahead.unsigned_abs() > RESTART_DISTANCE {
            self.generation = self.generation.wrapping_add(1);
            self.newest = seq;
            self.seen = [u64::MAX; 16];
            self.clock = None;
            return Arrival::Newest;
        }
        if ahead.unsigned_abs() >= REORDER_MAX && ahead > 0 {
            self.seen = [0; 16];
            self.newest = seq;
        } else if ahead > 0 {
            for skipped in self.newest.wrapping_add(1)..=seq {
                let (word, bit) = self.cell(skipped);
                *word &= !bit;
            }
            self.newest = seq;
        } else if ahead.unsigned_abs() >= REORDER_MAX {
            return Arrival::Repeated;
        }
        let (word, bit) = self.cell(seq);
        let repeated = *word & bit != 0;
        *word |= bit;
        match (repeated, ahead > 0) {
            (true, _) => Arrival::Repeated,
            (false, true) => Arrival::Newest,
            (false, false) => Arrival::Late,
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the remainder by 1024, divided by 64, is below 16"
    )]
    const fn cell(&mut self, seq: u64) -> (&mut u64, u64) {
        let at = seq % REORDER_MAX;
        (&mut self.seen[(at / 64) as usize], 1 << (at % 64))
    }
}

/// What has been said about the encodings that somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing yet: the publisher sends all.
    Unsaid { since: Instant },
    /// This is wanted.
    Said { max: Option<Quality> },
    /// Said, but less has been wanted since a while.
    Falling { max: Option<Quality>, since: Instant },
}

impl Wanted {
    /// Returns the state after `want` was found, and whether `want` is to be said.
    pub(crate) fn on_want(self, now: Instant, want: Option<Quality>) -> (Self, bool) {
        let said = (Self::Said { max: want }, true);
        match self {
            Self::Unsaid { since } if want.is_some() || now.since(since) >= UNWANTED_AFTER => said,
            Self::Said { max } | Self::Falling { max, .. } if want > max => said,
            Self::Said { max } | Self::Falling { max, .. } if want == max => {
                (Self::Said { max }, false)
            }
            Self::Said { max } => (Self::Falling { max, since: now }, false),
            Self::Falling { since, .. } if now.since(since) >= UNWANTED_AFTER => said,
            Self::Unsaid { .. } | Self::Falling { .. } => (self, false),
        }
    }
}

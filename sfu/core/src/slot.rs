//! What is remembered of a subscriber and of each of its slots.

use alloc::vec::Vec;

use proto::{media::ViewSettings, time::Instant, unit::Bitrate};

use crate::{allocate::Grant, knock::Knock, rewrite::Rewriter, switcher::Switch};

/// One subscription.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) subscriber: u32,
    /// Dense id of its track.
    pub(crate) track: u32,
    pub(crate) switch: Switch,
    pub(crate) rewriter: Rewriter,
    pub(crate) view: ViewSettings,
    pub(crate) grant: Grant,
    pub(crate) climb: Climb,
    pub(crate) shortage: Shortage,
}

/// Whether bandwidth for the smallest encoding has been missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// It is there.
    #[default]
    None,
    /// It has been missing since then.
    Since(Instant),
}

/// Whether bandwidth for more than the grant has been there for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Climb {
    /// There is none.
    #[default]
    Level,
    /// Since then.
    Since(Instant),
}

/// One subscriber.
#[derive(Debug, Default)]
pub(crate) struct SubscriberState {
    pub(crate) slots: Vec<u32>,
    /// Its slots whose track has packets in the burst.
    pub(crate) burst: Vec<u32>,
    pub(crate) estimate: Option<Bitrate>,
    pub(crate) said: Option<(Bitrate, Bitrate)>,
    pub(crate) knock: Knock,
    /// When its bandwidth was last shared out.
    pub(crate) shared_at: Option<Instant>,
    /// It is listed for sharing out.
    pub(crate) dirty: bool,
}

impl Slot {
    /// A slot that forwards nothing yet.
    pub(crate) fn new(id: u32, subscriber: u32, track: u32) -> Self {
        // Spread over the lower half of the space, so that the first packets never wrap (SRTP guesses from them).
        let first = (id.wrapping_mul(0x9e37_79b1) >> 17) & 0x7fff;
        Self {
            subscriber,
            track,
            switch: Switch::Paused,
            rewriter: Rewriter::new(u16::try_from(first).unwrap_or(1)),
            view: ViewSettings::default(),
            grant: Grant::Idle,
            climb: Climb::Level,
            shortage: Shortage::None,
        }
    }
}

//! Shares one subscriber's bandwidth among its pictures. A pure function over wishes.
//!
//! First everybody gets the smallest encoding, in order of class; then classes are raised one after the other, all of a class
//! in turns. Going down is at once, going up needs headroom for a while: each change of encoding costs a key frame.

use core::time::Duration;

use proto::{media::Quality, unit::Bitrate};

/// Headroom for a step up, in percent of what would then be used. Less oscillates, more wastes.
pub(crate) const HEADROOM_PERCENT: u64 = 112;

/// How long the headroom must have been there.
pub(crate) const CLIMB_AFTER: Duration = Duration::from_millis(1_500);

/// How long the smallest encoding flows although there seems to be no bandwidth for it. Estimators dive for a moment when a
/// connection or a track starts, and only media that flows lets them rise again; a longer overload delays everything else.
pub(crate) const PAUSE_AFTER: Duration = Duration::from_secs(5);

/// Steps of one slot: four temporal layers of the smallest encoding and two more encodings.
pub(crate) const RUNGS_MAX: usize = 6;

/// What a slot may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Nothing is wanted.
    Idle,
    /// Something is wanted and there is no bandwidth for it.
    Starved,
    /// This encoding, up to this temporal layer.
    Granted { quality: Quality, temporal: u8 },
}

/// One step of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rung {
    pub(crate) quality: Quality,
    pub(crate) temporal: u8,
    pub(crate) rate: Bitrate,
}

/// The steps of a slot, smallest first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rungs {
    rungs: [Option<Rung>; RUNGS_MAX],
    len: usize,
}

impl Rungs {
    pub(crate) fn push(&mut self, rung: Rung) {
        if let Some(place) = self.rungs.get_mut(self.len) {
            *place = Some(rung);
            self.len += 1;
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Rung> {
        self.rungs.get(index).copied().flatten()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = Rung> {
        self.rungs.into_iter().flatten()
    }

    pub(crate) fn top(&self) -> Option<Rung> {
        self.get(self.len.checked_sub(1)?)
    }

    fn rate(&self, index: usize) -> u64 {
        self.get(index).map_or(0, |rung| rung.rate.as_bps())
    }
}

/// What a slot had until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It is new: it need not wait to start.
    Fresh,
    /// It was paused for want of bandwidth.
    Starved,
    /// It had this rung.
    At(usize),
}

/// One slot's part in the sharing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) slot: u32,
    /// Larger goes first.
    pub(crate) class: u64,
    /// Within a class, larger goes first.
    pub(crate) pixels: u64,
    pub(crate) rungs: Rungs,
    pub(crate) held: Held,
    /// Headroom has been there long enough.
    pub(crate) ready: bool,
    /// A shortage has not lasted for [`PAUSE_AFTER`] yet: the first rung is kept although it does not fit.
    pub(crate) patient: bool,
    /// What everything wanted would take.
    pub(crate) desired: Bitrate,
    /// Result: the rung; `None`: paused.
    pub(crate) rung: Option<usize>,
    /// Result: there is headroom for more, but not yet for long enough.
    pub(crate) climbing: bool,
    /// Result: the first rung does not fit.
    pub(crate) short: bool,
}

impl Wish {
    fn rate(&self) -> u64 {
        self.rung.map_or(0, |rung| self.rungs.rate(rung))
    }

    /// Returns the rate of the next step up, if there is one.
    pub(crate) fn next_rate(&self) -> Option<Bitrate> {
        self.rungs.get(self.rung.map_or(0, |rung| rung + 1)).map(|rung| rung.rate)
    }

    /// Returns the rate of the result.
    pub(crate) fn granted(&self) -> Bitrate {
        Bitrate::from_bps(self.rate())
    }
}

/// Shares `budget` (`None`: without end) among the wishes; sorts them and writes their results.
pub(crate) fn share(budget: Option<Bitrate>, wishes: &mut [Wish]) {
    wishes.sort_unstable_by_key(|wish| {
        (core::cmp::Reverse(wish.class), core::cmp::Reverse(wish.pixels), wish.slot)
    });
    let Some(budget) = budget else {
        for wish in wishes {
            wish.rung = wish.rungs.len.checked_sub(1);
            wish.climbing = false;
            wish.short = false;
        }
        return;
    };
    let mut purse = Purse { budget: budget.as_bps(), used: 0 };
    start(&mut purse, wishes);
    for class in wishes.chunk_by_mut(|a, b| a.class == b.class) {
        while raise(&mut purse, class) {}
    }
}

struct Purse {
    budget: u64,
    used: u64,
}

impl Purse {
    fn after(&self, gives: u64, takes: u64) -> u64 {
        self.used.saturating_sub(gives).saturating_add(takes)
    }

    fn fits(&self, after: u64) -> bool {
        after <= self.budget
    }

    fn fits_with_headroom(&self, after: u64) -> bool {
        after.saturating_mul(HEADROOM_PERCENT) / 100 <= self.budget
    }
}

/// Gives everybody the first rung. Where it does not fit, lower classes get nothing either.
fn start(purse: &mut Purse, wishes: &mut [Wish]) {
    let mut blocked = None;
    for wish in wishes {
        wish.rung = None;
        wish.climbing = false;
        wish.short = false;
        if blocked.is_some_and(|class| wish.class < class) {
            continue;
        }
        let after = purse.after(0, wish.rungs.rate(0));
        let may = match wish.held {
            Held::Fresh | Held::At(_) => {
                wish.short = !purse.fits(after);
                !wish.short || wish.patient
            }
            Held::Starved => {
                let fits = purse.fits_with_headroom(after);
                wish.climbing = fits && !wish.ready;
                fits && wish.ready
            }
        };
        if may {
            wish.rung = Some(0);
            purse.used = after;
        } else {
            blocked = Some(wish.class);
        }
    }
}

/// Raises each of a class by one rung where it fits; returns whether any was raised.
fn raise(purse: &mut Purse, class: &mut [Wish]) -> bool {
    let mut raised = false;
    for wish in class {
        let Some(next) = wish.rung.map(|rung| rung + 1).filter(|next| *next < wish.rungs.len)
        else {
            continue;
        };
        let after = purse.after(wish.rate(), wish.rungs.rate(next));
        let may = match wish.held {
            Held::At(held) if next <= held => purse.fits(after),
            Held::At(_) | Held::Starved => {
                let fits = purse.fits_with_headroom(after);
                wish.climbing |= fits && !wish.ready;
                fits && wish.ready
            }
            Held::Fresh => purse.fits_with_headroom(after),
        };
        if may {
            wish.rung = Some(next);
            purse.used = after;
            raised = true;
        }
    }
    raised
}

#[cfg(test)]
mod tests;

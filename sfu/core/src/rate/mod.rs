//! Measures rates over a sliding second.
//!
//! Hot path: constant work per packet.

use core::time::Duration;

use proto::{time::Instant, unit::Bitrate};

const BUCKETS: usize = 8;
const BUCKET_US: u64 = 125_000;

/// A sum over the last second, in steps of an eighth.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RateMeter {
    buckets: [u32; BUCKETS],
    /// Number of the newest bucket since the epoch of [`Instant`].
    newest: u64,
    /// When the first amount came after silence.
    since: Instant,
}

impl RateMeter {
    /// Adds an amount that came at `now`.
    pub(crate) fn add(&mut self, now: Instant, amount: u32) {
        let number = now.0 / BUCKET_US;
        if number >= self.newest.saturating_add(BUCKETS as u64) {
            self.buckets = [0; BUCKETS];
            self.newest = number;
            self.since = now;
        }
        while self.newest < number {
            self.newest += 1;
            *self.bucket(self.newest) = 0;
        }
        let bucket = self.bucket(self.newest);
        *bucket = bucket.saturating_add(amount);
    }

    /// Returns what came in the last second.
    pub(crate) fn total(&self, now: Instant) -> u64 {
        let stale = (now.0 / BUCKET_US).saturating_sub(self.newest);
        let keep = (BUCKETS as u64).saturating_sub(stale);
        (0..keep)
            .filter_map(|age| {
                let number = self.newest.checked_sub(age)?;
                self.buckets.get(Self::index(number)).map(|amount| u64::from(*amount))
            })
            .sum()
    }

    /// Returns the mean rate of the last second, the amounts being bytes.
    pub(crate) fn bitrate(&self, now: Instant) -> Bitrate {
        Bitrate::from_bytes(self.total(now), self.span(now))
    }

    /// Returns how many times a second something was added, the amounts being 1.
    pub(crate) fn per_second(&self, now: Instant) -> u64 {
        let micros = u64::try_from(self.span(now).as_micros()).unwrap_or(u64::MAX);
        (self.total(now).saturating_mul(1_000_000) + micros / 2).checked_div(micros).unwrap_or(0)
    }

    /// Time that the sum covers: at least two buckets, so that the first packets do not look like a flood.
    fn span(&self, now: Instant) -> Duration {
        let full = (BUCKETS as u64 - 1) * BUCKET_US + now.0 % BUCKET_US;
        let known = now.0.saturating_sub(self.since.0).max(2 * BUCKET_US);
        Duration::from_micros(full.min(known))
    }

    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below BUCKETS")]
    const fn index(number: u64) -> usize {
        (number % BUCKETS as u64) as usize
    }

    #[expect(clippy::indexing_slicing, reason = "index() is below BUCKETS")]
    const fn bucket(&mut self, number: u64) -> &mut u32 {
        &mut self.buckets[Self::index(number)]
    }
}

#[cfg(test)]
mod tests;

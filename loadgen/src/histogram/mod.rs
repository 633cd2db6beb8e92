//! Latencies, counted in buckets of which each is at most 1/32 wide.

use std::time::Duration;

#[cfg(test)]
mod tests;

/// Buckets of one power of two.
const PER_POWER: usize = 32;
const POWERS: usize = 40;

/// Counts of latencies in microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; PER_POWER * POWERS], count: 0, max_us: 0 }
    }
}

fn bucket(us: u64) -> usize {
    let width = PER_POWER as u64;
    if us < width {
        return usize::try_from(us).unwrap_or(0);
    }
    let power = us.ilog2() - width.ilog2();
    let within = usize::try_from((us >> power) - width).unwrap_or(0);
    let power = usize::try_from(power).unwrap_or(0);
    ((power + 1) * PER_POWER + within).min(PER_POWER * POWERS - 1)
}

/// The largest latency of a bucket.
fn upper(bucket: usize) -> u64 {
    let (power, within) = (bucket / PER_POWER, (bucket % PER_POWER) as u64);
    match power.checked_sub(1) {
        None => within,
        Some(power) => ((within + PER_POWER as u64 + 1) << power) - 1,
    }
}

impl Histogram {
    /// Counts one.
    pub(crate) fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.buckets.get_mut(bucket(us)) {
            *count += 1;
        }
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    /// Takes another one's counts in.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, others) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += others;
        }
        self.count += other.count;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// How many were counted.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The latency, in milliseconds, that a share in a thousand does not exceed.
    pub(crate) fn ms(&self, per_mille: u64) -> f64 {
        let rank = (self.count * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return us_to_ms(upper(bucket).min(self.max_us));
            }
        }
        0.0
    }

    /// The largest, in milliseconds.
    pub(crate) fn max_ms(&self) -> f64 {
        us_to_ms(self.max_us)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn us_to_ms(us: u64) -> f64 {
    us as f64 / 1e3
}

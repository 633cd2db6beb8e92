//! The one clock of this program.

use std::{
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::time::{Duration, Instant};

/// Reads the clock.
#[must_use]
pub(crate) fn now() -> Instant {
    Instant::now()
}

static BEGAN: OnceLock<Instant> = OnceLock::new();

/// Nanoseconds since the program first asked.
#[must_use]
pub(crate) fn stamp(at: Instant) -> u64 {
    let began = *BEGAN.get_or_init(now);
    u64::try_from(at.saturating_duration_since(began).as_nanos()).unwrap_or(u64::MAX)
}

/// The time of a stamp.
#[must_use]
pub(crate) fn at(stamp: u64) -> Instant {
    *BEGAN.get_or_init(now) + Duration::from_nanos(stamp)
}

/// Seconds since 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place of this program that reads the clock")]
pub(crate) fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

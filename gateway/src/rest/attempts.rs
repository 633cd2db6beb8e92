//! How often something was tried by somebody: log-ins of an account, sign-ups of an address, requests of a bearer.
//!
//! Each kind has an [`Attempts`] of its own, so that a flood of one does not make another forget.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{error::Error, limit::Buckets};

/// Most that are counted at once.
const COUNTED_MAX: usize = 65_536;

/// Buckets by who and what.
#[derive(Debug)]
pub(crate) struct Attempts(Mutex<Buckets<String>>);

impl Default for Attempts {
    fn default() -> Self {
        Self(Mutex::new(Buckets::new(COUNTED_MAX)))
    }
}

impl Attempts {
    /// Counts one try, of `per_minute` on average and at once.
    pub(crate) fn minute(&self, now: Instant, who: String, per_minute: u32) -> Result<(), Error> {
        // A bucket knows seconds: time passes sixty times slower for those that know minutes.
        self.take(now, who, per_minute, 60)
    }

    /// Counts one request, of `per_second` on average and some seconds' worth at once.
    pub(crate) fn second(&self, now: Instant, who: String, per_second: u32) -> Result<(), Error> {
        self.take(now, who, per_second.saturating_mul(4), 4)
    }

    fn take(&self, now: Instant, who: String, burst: u32, seconds: u32) -> Result<(), Error> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = f64::from(burst) / f64::from(seconds);
        buckets.take(now, who, rate, burst).map_err(|after| {
            metrics::counter!("stoa_rest_requests_limited_total").increment(1);
            Error::RateLimited { after: after.max(Duration::from_millis(1)) }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Attempts;
    use crate::error::Error;

    #[test]
    fn tries_are_counted_by_the_minute_for_each_alone() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let attempt = |now, who: &str| attempts.minute(now, who.to_owned(), 2);
        assert_eq!(attempt(now, "ada"), Ok(()));
        assert_eq!(attempt(now, "ada"), Ok(()));
        let refused = attempt(now, "ada");
        assert_eq!(refused, Err(Error::RateLimited { after: Duration::from_secs(30) }));
        assert_eq!(attempt(now, "bob"), Ok(()));
        assert_eq!(attempt(now + Duration::from_secs(31), "ada"), Ok(()));
    }
}

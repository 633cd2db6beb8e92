//! When to have the estimator look for more than it believes in.
//!
//! An estimate grows with what is sent, so below the demand it can stand still for a minute although the way is wide.
//! A rise of the demand makes the estimator probe: a subscriber that stays short has its demand lowered for a moment and raised
//! again, ever more rarely while that finds nothing.

use core::time::Duration;

use proto::time::Instant;

/// A subscriber must have been short for this long. Shorter disturbs an estimate that is climbing by itself.
const FIRST_AFTER: Duration = Duration::from_secs(3);

/// Between attempts at most; a narrow link pays one burst of probes in this time.
const EVERY_MAX: Duration = Duration::from_secs(12);

/// How long the demand stays low: longer than the estimator's own steps of 25 ms, unnoticed otherwise.
const LOWERED_FOR: Duration = Duration::from_millis(200);

/// How far one subscriber has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Knock {
    /// It gets what it wants.
    #[default]
    Content,
    /// It is short; the next attempt is made then.
    Waiting { until: Instant, every: Duration },
    /// Its demand is low until then.
    Lowered { until: Instant, every: Duration },
}

impl Knock {
    /// Returns the state after its bandwidth was shared out, `short` of what it wants or not.
    #[must_use]
    pub(crate) fn on_share(self, now: Instant, short: bool) -> Self {
        match self {
            _ if !short => Self::Content,
            Self::Content => Self::Waiting { until: now + FIRST_AFTER, every: FIRST_AFTER },
            Self::Waiting { until, every } if until <= now => {
                Self::Lowered { until: now + LOWERED_FOR, every }
            }
            Self::Lowered { until, every } if until <= now => {
                let every = (every * 2).min(EVERY_MAX);
                Self::Waiting { until: now + every, every }
            }
            Self::Waiting { .. } | Self::Lowered { .. } => self,
        }
    }

    /// Whether the demand is to be told as no more than what is used.
    #[must_use]
    pub(crate) const fn is_lowered(self) -> bool {
        matches!(self, Self::Lowered { .. })
    }
}

//! The only place that reads a clock. A moment is kept twice: as str0m wants it and as the core wants it.

use std::time::{Duration, Instant as StdInstant};

use proto::time::Instant;

/// The clock of a shard; all shards of a node share one start, so that their times can be compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: StdInstant,
}

/// One moment in both forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Now {
    /// For str0m.
    pub(crate) std: StdInstant,
    /// For the core.
    pub(crate) us: Instant,
}

impl Clock {
    /// A clock that starts here.
    #[expect(clippy::disallowed_methods, reason = "the shard's only clock")]
    pub(crate) fn start() -> Self {
        Self { start: StdInstant::now() }
    }

    /// Reads the clock.
    #[expect(clippy::disallowed_methods, reason = "the shard's only clock")]
    pub(crate) fn now(&self) -> Now {
        self.at(StdInstant::now())
    }

    /// A moment of str0m in both forms.
    pub(crate) fn at(&self, std: StdInstant) -> Now {
        let micros = std.saturating_duration_since(self.start).as_micros();
        Now { std, us: Instant(u64::try_from(micros).unwrap_or(u64::MAX)) }
    }

    /// A moment of the core in str0m's form.
    pub(crate) fn std_at(&self, us: Instant) -> StdInstant {
        self.start.checked_add(Duration::from_micros(us.0)).unwrap_or(self.start)
    }
}

//! Wall time as an argument: the only module of the doors that reads a clock.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use proto::time::LogTime;

/// Tells wall time. Timers run on the runtime's own clock.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> LogTime + Send + Sync>);

impl Clock {
    /// A clock that answers what `read` answers.
    pub fn new(read: impl Fn() -> LogTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|| {
            #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            LogTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
        })
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> LogTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now().0)
    }
}

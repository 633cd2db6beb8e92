//! The only place where the node reads a clock.

use proto::time::LogTime;

/// Milliseconds since the Unix epoch, by the machine's wall clock.
#[expect(clippy::disallowed_methods, reason = "the node's one clock")]
pub(crate) fn log_time() -> LogTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    LogTime(since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

//! `[chat.limits]`: what an operator may set of what chat's clients may use.

use anyhow::bail;
use gateway::im::{Limits, RestLimits};
use serde::{Deserialize, Serialize};

/// Bounds of chat. What is absent is as it always is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ChatLimits {
    /// Largest frame of a client, in bytes.
    pub(crate) frame_bytes: Option<usize>,
    /// Frames a second of one socket, on average.
    pub(crate) frames_per_second: Option<u32>,
    /// Frames of one socket at once.
    pub(crate) frames_burst: Option<u32>,
    /// Messages a second of one socket, on average.
    pub(crate) sends_per_second: Option<u32>,
    /// Messages of one socket at once.
    pub(crate) sends_burst: Option<u32>,
    /// Questions a second of one socket, on average.
    pub(crate) pulls_per_second: Option<u32>,
    /// Questions of one socket at once.
    pub(crate) pulls_burst: Option<u32>,
    /// Requests of one socket that wait for the node.
    pub(crate) requests_in_flight: Option<usize>,
    /// REST requests a second of one user.
    pub(crate) rest_per_second: Option<u32>,
    /// REST requests a second of all back ends.
    pub(crate) backend_per_second: Option<u32>,
    /// Log-ins tried a minute for one account.
    pub(crate) logins_per_minute: Option<u32>,
    /// Accounts made a minute from one address.
    pub(crate) sign_ups_per_minute: Option<u32>,
}

/// Most a second or a minute: beyond it a limit limits nothing.
const RATE_MAX: u32 = 1_000_000;
/// The smallest largest frame: a connect with its token.
const FRAME_BYTES_MIN: usize = 4 * 1024;
/// The largest largest frame.
const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Most requests in flight: the node's queue is shared by all sockets.
const IN_FLIGHT_MAX: usize = 1_024;

impl ChatLimits {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// A bound is zero, or so large that it bounds nothing.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let rates = [
            ("frames_per_second", self.frames_per_second),
            ("frames_burst", self.frames_burst),
            ("sends_per_second", self.sends_per_second),
            ("sends_burst", self.sends_burst),
            ("pulls_per_second", self.pulls_per_second),
            ("pulls_burst", self.pulls_burst),
            ("rest_per_second", self.rest_per_second),
            ("backend_per_second", self.backend_per_second),
            ("logins_per_minute", self.logins_per_minute),
            ("sign_ups_per_minute", self.sign_ups_per_minute),
        ];
        for (name, rate) in rates {
            if let Some(rate) = rate.filter(|rate| !(1..=RATE_MAX).contains(rate)) {
                bail!("chat.limits.{name} is {rate}, allowed are 1 to {RATE_MAX}");
            }
        }
        let frames = FRAME_BYTES_MIN..=FRAME_BYTES_MAX;
        if let Some(bytes) = self.frame_bytes.filter(|bytes| !frames.contains(bytes)) {
            bail!(
                "chat.limits.frame_bytes is {bytes}, allowed are {FRAME_BYTES_MIN} to {FRAME_BYTES_MAX}"
            );
        }
        let in_flight = 1..=IN_FLIGHT_MAX;
        if let Some(count) = self.requests_in_flight.filter(|count| !in_flight.contains(count)) {
            bail!("chat.limits.requests_in_flight is {count}, allowed are 1 to {IN_FLIGHT_MAX}");
        }
        Ok(())
    }

    /// The bounds with what the operator set.
    #[must_use]
    pub(crate) fn over(&self, base: Limits) -> Limits {
        let rest = base.rest;
        Limits {
            frame_bytes_max: self.frame_bytes.unwrap_or(base.frame_bytes_max),
            frames_per_second: self.frames_per_second.unwrap_or(base.frames_per_second),
            frames_burst: self.frames_burst.unwrap_or(base.frames_burst),
            sends_per_second: self.sends_per_second.unwrap_or(base.sends_per_second),
            sends_burst: self.sends_burst.unwrap_or(base.sends_burst),
            pulls_per_second: self.pulls_per_second.unwrap_or(base.pulls_per_second),
            pulls_burst: self.pulls_burst.unwrap_or(base.pulls_burst),
            in_flight_max: self.requests_in_flight.unwrap_or(base.in_flight_max),
            rest: RestLimits {
                user_per_second: self.rest_per_second.unwrap_or(rest.user_per_second),
                backend_per_second: self.backend_per_second.unwrap_or(rest.backend_per_second),
                logins_per_minute: self.logins_per_minute.unwrap_or(rest.logins_per_minute),
                sign_ups_per_minute: self.sign_ups_per_minute.unwrap_or(rest.sign_ups_per_minute),
            },
            ..base
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway::im::Limits;

    use super::ChatLimits;

    #[test]
    fn what_is_set_holds_and_what_is_not_stays() {
        let base = Limits::default();
        let set = ChatLimits {
            sends_burst: Some(7),
            logins_per_minute: Some(3),
            ..ChatLimits::default()
        };
        let limits = set.over(base);
        assert_eq!((limits.sends_burst, limits.rest.logins_per_minute), (7, 3));
        assert_eq!(limits.frames_burst, base.frames_burst);
        assert_eq!(ChatLimits::default().over(base), base);
    }

    #[test]
    fn bounds_that_bound_nothing_or_everything_are_refused_by_name() {
        let refused = |limits: ChatLimits| limits.check().unwrap_err().to_string();
        assert!(ChatLimits::default().check().is_ok());
        let none = ChatLimits { pulls_per_second: Some(0), ..ChatLimits::default() };
        assert!(refused(none).contains("chat.limits.pulls_per_second is 0"));
        let tiny = ChatLimits { frame_bytes: Some(10), ..ChatLimits::default() };
        assert!(refused(tiny).contains("4096 to 1048576"));
        let huge = ChatLimits { requests_in_flight: Some(1 << 20), ..ChatLimits::default() };
        assert!(refused(huge).contains("requests_in_flight"));
    }
}

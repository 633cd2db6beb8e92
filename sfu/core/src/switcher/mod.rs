//! What a slot forwards, as values and transitions between them.
//!
//! Hot path: every transition is a value to a value.

use core::time::Duration;

use proto::{media::Quality, time::Instant};

/// Gives up waiting for a key frame of the other encoding after this long: a way up is abandoned, a way down stops the too
/// large encoding. Longer keeps a congested viewer congested, shorter gives up on publishers that are merely far away.
pub const SWITCH_AFTER_MAX: Duration = Duration::from_millis(1_500);

/// What one slot forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    /// Nothing: muted, out of sight, or no bandwidth.
    Paused,
    /// Nothing, until a key frame of `to` or of a smaller encoding arrives.
    Starting { to: Quality },
    /// Packets of `quality`.
    Forwarding { quality: Quality },
    /// Still `from`, until a key frame of `to` arrives or [`SWITCH_AFTER_MAX`] passes.
    Switching { from: Quality, to: Quality, since: Instant },
}

impl Switch {
    /// Returns the slot after the allocator chose `target`.
    #[must_use]
    pub(crate) fn on_target(self, now: Instant, target: Option<Quality>) -> Self {
        let Some(to) = target else {
            return Self::Paused;
        };
        match self {
            Self::Paused | Self::Starting { .. } => Self::Starting { to },
            Self::Forwarding { quality } if quality == to => self,
            Self::Forwarding { quality } => Self::Switching { from: quality, to, since: now },
            Self::Switching { from, .. } if from == to => Self::Forwarding { quality: to },
            Self::Switching { to: same, .. } if same == to => self,
            Self::Switching { from, .. } => Self::Switching { from, to, since: now },
        }
    }

    /// Returns the slot after a key frame of `quality` began.
    #[must_use]
    pub(crate) fn on_keyframe(self, now: Instant, quality: Quality) -> Self {
        match self {
            Self::Starting { to } if quality == to => Self::Forwarding { quality },
            Self::Starting { to } if quality < to => {
                Self::Switching { from: quality, to, since: now }
            }
            Self::Switching { to, .. } if quality == to => Self::Forwarding { quality },
            Self::Paused
            | Self::Starting { .. }
            | Self::Forwarding { .. }
            | Self::Switching { .. } => self,
        }
    }

    /// Returns the slot after time passed.
    #[must_use]
    pub(crate) fn on_time(self, now: Instant) -> Self {
        match self {
            Self::Switching { from, to, since } if now.since(since) >= SWITCH_AFTER_MAX => {
                if to > from { Self::Forwarding { quality: from } } else { Self::Starting { to } }
            }
            Self::Paused
            | Self::Starting { .. }
            | Self::Forwarding { .. }
            | Self::Switching { .. } => self,
        }
    }

    /// Returns the encoding whose packets go out.
    pub(crate) const fn current(self) -> Option<Quality> {
        match self {
            Self::Paused | Self::Starting { .. } => None,
            Self::Forwarding { quality } => Some(quality),
            Self::Switching { from, .. } => Some(from),
        }
    }

    /// Returns the encoding of which a key frame is waited for.
    pub(crate) const fn waits_for(self) -> Option<Quality> {
        match self {
            Self::Paused | Self::Forwarding { .. } => None,
            Self::Starting { to } | Self::Switching { to, .. } => Some(to),
        }
    }
}

#[cfg(test)]
mod tests;

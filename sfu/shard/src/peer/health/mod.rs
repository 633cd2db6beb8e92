//! How good a peer's connection is, from loss, round trip time and silence.

use std::time::Duration;

use proto::media::ConnectionQuality;
use proto::time::Instant;

/// How often a peer's quality is judged.
const JUDGE_EVERY: Duration = Duration::from_secs(5);

/// A peer is lost when nothing at all came from it for this long. Clients check their path every few seconds even when
/// they send no media, so this is certain; a false alarm makes some clients start over.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Weight of the newest report in the running means, in percent.
const NEWEST_PERCENT: f32 = 40.0;

/// One report of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Health {
    /// Round trip time, if it was measured.
    pub(crate) rtt: Option<Duration>,
    /// Largest share of packets lost in either direction, 0.0..=1.0.
    pub(crate) loss: f32,
}

/// Judges a peer's connection over time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    loss: f32,
    rtt_ms: f32,
    judge_at: Instant,
    told: Option<ConnectionQuality>,
}

impl Meter {
    pub(crate) fn new(now: Instant) -> Self {
        Self { loss: 0.0, rtt_ms: 0.0, judge_at: now + JUDGE_EVERY, told: None }
    }

    pub(crate) fn on_health(&mut self, health: Health) {
        let blend = |old: f32, new: f32| old + (new - old) * NEWEST_PERCENT / 100.0;
        self.loss = blend(self.loss, health.loss.clamp(0.0, 1.0));
        if let Some(rtt) = health.rtt {
            self.rtt_ms = blend(self.rtt_ms, rtt.as_secs_f32() * 1000.0);
        }
    }

    /// When [`Self::judge`] is due.
    pub(crate) fn due_at(&self) -> Instant {
        self.judge_at
    }

    /// Returns quality and score when the quality changed since the last time.
    pub(crate) fn judge(
        &mut self,
        now: Instant,
        heard_at: Instant,
    ) -> Option<(ConnectionQuality, f32)> {
        if now < self.judge_at {
            return None;
        }
        self.judge_at = now + JUDGE_EVERY;
        let score = score(self.loss, self.rtt_ms);
        let quality = if now.since(heard_at) >= SILENCE_MAX {
            ConnectionQuality::Lost
        } else if score >= 4.0 {
            ConnectionQuality::Excellent
        } else if score >= 3.2 {
            ConnectionQuality::Good
        } else {
            ConnectionQuality::Poor
        };
        let changed = self.told.replace(quality) != Some(quality);
        let score = if quality == ConnectionQuality::Lost { 1.0 } else { score };
        changed.then_some((quality, score))
    }
}

/// A mean opinion score, 1.0..=5.0, after the E-model (ITU-T G.107) reduced to delay and loss.
fn score(loss: f32, rtt_ms: f32) -> f32 {
    let delay_ms = rtt_ms / 2.0 + 20.0;
    let delay = if delay_ms < 160.0 { delay_ms / 40.0 } else { (delay_ms - 120.0) / 10.0 };
    let r = (93.2 - delay - loss * 250.0).clamp(0.0, 100.0);
    (1.0 + 0.035 * r + 0.000_007 * r * (r - 60.0) * (100.0 - r)).clamp(1.0, 5.0)
}

#[cfg(test)]
mod tests;

//! How good a peer's connection is, from loss, round trip time and silence.

use std::time::Duration;

use proto::{media::ConnectionQuality, time::Instant};
use str0m::{
    Event,
    media::{Mid, Rid},
};

use crate::counters::Feedback;

/// How often a peer's quality is judged.
const JUDGE_EVERY: Duration = Duration::from_secs(5);

/// A peer is lost when nothing at all came from it for this long. Clients check their path every few seconds even when
/// they send no media, so this is certain; a false alarm makes some clients start over.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Weight of the newest report in the running means, in percent.
const NEWEST_PERCENT: f32 = 40.0;

/// Encodings of one connection whose sums are remembered at most.
const FLOWS_MAX: usize = 1024;

/// One report of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Health {
    /// Round trip time, if it was measured.
    pub(crate) rtt: Option<Duration>,
    /// Largest share of packets lost in either direction, 0.0..=1.0.
    pub(crate) loss: f32,
}

/// One direction of one encoding.
type Flow = (Mid, Option<Rid>, bool);

/// Reads the library's statistics of one connection: sums become what is new since the last report.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    loss: f32,
    rtt: Option<Duration>,
    /// NACKs and packets of each flow by its last report.
    seen: Vec<(Flow, u64, u64)>,
}

impl Statistics {
    /// Takes a report; the last of a round brings the connection's health.
    pub(crate) fn on_event(&mut self, event: &Event, feedback: &Feedback) -> Option<Health> {
        match event {
            Event::MediaIngressStats(stats) => {
                let flow = (stats.mid, stats.rid, true);
                let (nacks, packets) = self.grown(flow, stats.nacks, stats.packets);
                feedback.nacks_out.add(nacks);
                let loss = stats.loss.unwrap_or(0.0).clamp(0.0, 1.0);
                feedback.lost.add(lost(packets, loss));
                self.note(loss, stats.rtt);
                None
            }
            Event::MediaEgressStats(stats) => {
                let flow = (stats.mid, stats.rid, false);
                let (nacks, _) = self.grown(flow, stats.nacks, stats.packets);
                feedback.nacks_in.add(nacks);
                self.note(stats.loss.unwrap_or(0.0), stats.rtt);
                None
            }
            Event::PeerStats(stats) => {
                let losses = [stats.egress_loss_fraction, stats.ingress_loss_fraction];
                losses.into_iter().flatten().for_each(|loss| self.note(loss, stats.rtt));
                let health = Health { rtt: stats.rtt.or(self.rtt), loss: self.loss };
                if let Some(rtt) = health.rtt {
                    feedback.rtt_us_sum.add(u64::try_from(rtt.as_micros()).unwrap_or(0));
                    feedback.rtt_count.add(1);
                }
                (self.loss, self.rtt) = (0.0, None);
                Some(health)
            }
            _ => None,
        }
    }

    fn note(&mut self, loss: f32, rtt: Option<Duration>) {
        self.loss = self.loss.max(loss);
        self.rtt = self.rtt.or(rtt);
    }

    fn grown(&mut self, flow: Flow, nacks: u64, packets: u64) -> (u64, u64) {
        let found = self.seen.iter_mut().find(|(other, ..)| *other == flow);
        let Some((_, nacks_before, packets_before)) = found else {
            if self.seen.len() < FLOWS_MAX {
                self.seen.push((flow, nacks, packets));
            }
            return (nacks, packets);
        };
        let grown = (nacks.saturating_sub(*nacks_before), packets.saturating_sub(*packets_before));
        (*nacks_before, *packets_before) = (nacks, packets);
        grown
    }
}

/// Packets that were lost when this many came and this share did not.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share of a count, rounded"
)]
fn lost(packets: u64, loss: f32) -> u64 {
    if loss >= 1.0 { 0 } else { (packets as f32 * loss / (1.0 - loss)) as u64 }
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

//! How much may be said in a room: token buckets of users, priorities and bytes.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::LiveError;
use crate::im::wire::pb;

/// Messages a second of one user.
const USER_PER_SECOND: u32 = 5;
/// Messages of one user at once.
const USER_BURST: u32 = 10;
/// Messages a second of a room, by priority: high, normal, low.
const ROOM_PER_SECOND: [u32; 3] = [40, 30, 10];
/// Bytes a second that a room tells each of its audience.
const BYTES_PER_SECOND: u32 = 8 * 1024;
/// Bytes at once.
const BYTES_BURST: u32 = 4 * BYTES_PER_SECOND;
/// Users whose rate is remembered in a room; they are forgotten together.
const SENDERS_MAX: usize = 4_096;

/// Who speaks: an account, a guest, or the back end.
pub(super) type SpeakerKey = (bool, String);

/// The level of a token bucket, in thousandths.
#[derive(Clone, Copy, Debug)]
struct Level {
    thousandths: u64,
    at: Instant,
}

impl Level {
    fn full(now: Instant, burst: u32) -> Self {
        Self { thousandths: u64::from(burst) * 1000, at: now }
    }

    /// How long until `amount` can be taken; zero: now.
    fn wait(&mut self, now: Instant, amount: u32, per_second: u32, burst: u32) -> Duration {
        let passed = now.saturating_duration_since(self.at).as_millis();
        let gained = u64::try_from(passed).unwrap_or(u64::MAX).saturating_mul(per_second.into());
        self.thousandths = self.thousandths.saturating_add(gained).min(u64::from(burst) * 1000);
        self.at = now;
        let lacking = (u64::from(amount) * 1000).saturating_sub(self.thousandths);
        Duration::from_millis(lacking.div_ceil(per_second.into()))
    }

    const fn take(&mut self, amount: u32) {
        self.thousandths = self.thousandths.saturating_sub(amount as u64 * 1000);
    }
}

/// All buckets of a room.
#[derive(Debug)]
pub(super) struct Rates {
    senders: BTreeMap<SpeakerKey, Level>,
    levels: [Level; 3],
    bytes: Level,
}

impl Rates {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            senders: BTreeMap::new(),
            levels: ROOM_PER_SECOND.map(|burst| Level::full(now, burst)),
            bytes: Level::full(now, BYTES_BURST),
        }
    }

    /// Takes from every bucket, or from none.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        speaker: SpeakerKey,
        priority: pb::Priority,
        bytes: u32,
    ) -> Result<(), LiveError> {
        if self.senders.len() >= SENDERS_MAX && !self.senders.contains_key(&speaker) {
            self.senders.clear();
        }
        let [high, normal, low] = &mut self.levels;
        let [per_high, per_normal, per_low] = ROOM_PER_SECOND;
        let (level, per_second) = match priority {
            pb::Priority::High => (high, per_high),
            pb::Priority::Normal => (normal, per_normal),
            pb::Priority::Low => (low, per_low),
        };
        let sender = self.senders.entry(speaker).or_insert_with(|| Level::full(now, USER_BURST));
        let wait = sender
            .wait(now, 1, USER_PER_SECOND, USER_BURST)
            .max(level.wait(now, 1, per_second, per_second))
            .max(self.bytes.wait(now, bytes, BYTES_PER_SECOND, BYTES_BURST));
        if !wait.is_zero() {
            metrics::counter!("stoa_im_live_throttled_total").increment(1);
            return Err(LiveError::Throttled(wait));
        }
        sender.take(1);
        level.take(1);
        self.bytes.take(bytes);
        Ok(())
    }
}

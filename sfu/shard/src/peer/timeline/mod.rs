//! One SSRC carries one track after another: sequence numbers and times go on without a break.

use std::time::Duration;

use proto::{
    media::{RtpTime, SeqNo},
    time::Instant,
};
use sfu_core::input::SlotId;

/// Numbers of one outgoing stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timeline {
    current: Option<Current>,
    /// The largest number sent so far; `None` before the first packet.
    seq_max: Option<u64>,
    last_time: RtpTime,
    last_at: Instant,
}

/// How the numbers of the slot that is sent map to the stream's.
#[derive(Clone, Copy, Debug)]
struct Current {
    slot: SlotId,
    seq_shift: u64,
    /// Numbers below belong to a former slot.
    seq_min: u64,
    time_shift: u32,
}

impl Timeline {
    /// Maps a packet's number and time; `None` when it would fall into the time of a former slot.
    pub(crate) fn map(
        &mut self,
        slot: SlotId,
        (seq, time): (SeqNo, RtpTime),
        at: Instant,
        clock_hz: u32,
    ) -> Option<(SeqNo, RtpTime)> {
        let current = match self.current {
            Some(current) if current.slot == slot => current,
            Some(_) | None => self.begin(slot, seq, time, at, clock_hz),
        };
        self.current = Some(current);
        let out = seq.0.wrapping_add(current.seq_shift);
        if out < current.seq_min || out > current.seq_min.saturating_add(u64::from(u32::MAX)) {
            return None;
        }
        let time = time.wrapping_add(current.time_shift);
        if self.seq_max.is_none_or(|max| out > max) {
            (self.seq_max, self.last_time, self.last_at) = (Some(out), time, at);
        }
        Some((SeqNo(out), time))
    }

    /// The first packet of another slot follows the last of the former by as much time as passed.
    fn begin(
        &self,
        slot: SlotId,
        seq: SeqNo,
        time: RtpTime,
        at: Instant,
        clock_hz: u32,
    ) -> Current {
        let Some(max) = self.seq_max else {
            return Current { slot, seq_shift: 0, seq_min: 0, time_shift: 0 };
        };
        let seq_min = max + 1;
        let passed = at.since(self.last_at).max(Duration::from_millis(1));
        let ticks = passed.as_micros().saturating_mul(u128::from(clock_hz)) / 1_000_000;
        // RTP time wraps: the low 32 bits are what is carried.
        let ticks = u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(0);
        Current {
            slot,
            seq_shift: seq_min.wrapping_sub(seq.0),
            seq_min,
            time_shift: self.last_time.0.wrapping_add(ticks).wrapping_sub(time.0),
        }
    }
}

#[cfg(test)]
mod tests;

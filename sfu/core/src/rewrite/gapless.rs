//! A map from numbers that come in to numbers that go out: left-out numbers leave no gap, lost ones do.
//!
//! Hot path: allocates once, when the first number is left out.

use alloc::collections::VecDeque;

/// How many runs of left-out numbers are remembered for late arrivals: two seconds of the upper half of 30 pictures a second.
/// Later packets than that are of no use to a viewer.
const SKIPS_MAX: usize = 32;

/// A run of numbers left out by choice.
#[derive(Clone, Copy, Debug)]
struct Skip {
    start: u64,
    end: u64,
    /// In minus out before the run, wrapping.
    shift_before: u64,
}

/// The map. Numbers are extended, so that order needs no wrap rules.
#[derive(Clone, Debug)]
pub(crate) struct Gapless {
    /// Below this no number is mapped.
    floor: u64,
    /// Highest number that came in.
    newest: u64,
    /// In minus out at `newest`, wrapping.
    shift: u64,
    /// Highest number that went out.
    last: u64,
    skips: VecDeque<Skip>,
}

impl Gapless {
    /// A map whose first number out is `first`, which must not be 0.
    pub(crate) const fn starting_at(first: u64) -> Self {
        Self { floor: 0, newest: 0, shift: 0, last: first - 1, skips: VecDeque::new() }
    }

    /// Begins a new source at `first`: it goes out right after the highest number so far.
    pub(crate) fn rebase(&mut self, first: u64) {
        self.floor = first;
        self.newest = first.saturating_sub(1);
        self.shift = first.wrapping_sub(self.last.saturating_add(1));
        self.skips.clear();
    }

    /// Maps a number; `None` when it is from before the source began, or was left out.
    pub(crate) fn pass(&mut self, number: u64) -> Option<u64> {
        if number < self.floor {
            return None;
        }
        let shift = if number > self.newest {
            self.newest = number;
            self.shift
        } else {
            self.shift_at(number)?
        };
        let out = number.wrapping_sub(shift);
        self.last = self.last.max(out);
        Some(out)
    }

    /// Leaves a number out. A late one has its gap already and changes nothing.
    pub(crate) fn skip(&mut self, number: u64) {
        if number < self.floor || number <= self.newest {
            return;
        }
        self.newest = number;
        match self.skips.back_mut() {
            Some(last) if last.end == number => last.end += 1,
            Some(_) | None => self.remember(number),
        }
        self.shift = self.shift.wrapping_add(1);
    }

    pub(crate) const fn newest(&self) -> u64 {
        self.newest
    }

    fn remember(&mut self, number: u64) {
        if self.skips.len() >= SKIPS_MAX
            && let Some(oldest) = self.skips.pop_front()
        {
            self.floor = self.floor.max(oldest.end);
        }
        self.skips.push_back(Skip { start: number, end: number + 1, shift_before: self.shift });
    }

    fn shift_at(&self, number: u64) -> Option<u64> {
        for skip in self.skips.iter().rev() {
            if number >= skip.end {
                return Some(skip.shift_before.wrapping_add(skip.end - skip.start));
            }
            if number >= skip.start {
                return None;
            }
        }
        Some(self.skips.front().map_or(self.shift, |oldest| oldest.shift_before))
    }
}

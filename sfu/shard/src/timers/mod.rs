//! The deadlines of connections: only those that are due are touched.

use std::{cmp::Reverse, collections::BinaryHeap, time::Instant};

/// A heap with at most one live entry for each connection; entries that were overtaken are skipped.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    queued: Vec<Option<Instant>>,
}

impl Timers {
    /// Makes sure a connection is looked at no later than `at`.
    pub(crate) fn set(&mut self, slot: usize, at: Instant) {
        if slot >= self.queued.len() {
            self.queued.resize(slot + 1, None);
        }
        let Some(queued) = self.queued.get_mut(slot) else { return };
        if queued.is_none_or(|earlier| at < earlier) {
            *queued = Some(at);
            self.heap.push(Reverse((at, slot)));
        }
    }

    /// Forgets a connection.
    pub(crate) fn remove(&mut self, slot: usize) {
        if let Some(queued) = self.queued.get_mut(slot) {
            *queued = None;
        }
    }

    /// When the next connection is to be looked at.
    pub(crate) fn next(&mut self) -> Option<Instant> {
        while let Some(Reverse((at, slot))) = self.heap.peek() {
            if self.queued.get(*slot).copied().flatten() == Some(*at) {
                return Some(*at);
            }
            self.heap.pop();
        }
        None
    }

    /// Takes the next connection that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<usize> {
        self.next().filter(|at| *at <= now)?;
        let Reverse((_, slot)) = self.heap.pop()?;
        self.remove(slot);
        Some(slot)
    }
}

#[cfg(test)]
mod tests;

//! Tells cheaply that a key was never written to disk: most keys that are looked for and absent are client keys of new messages.
//!
//! A Bloom filter of fixed size: what it says is absent is absent, what it does not may be. It learns what is written; what was on
//! disk before is read in the background, and until that is done it knows nothing.

#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Words of the filter, a power of two: 16 MB. With thirty million keys it is wrong about once in three times, and costs a search then.
const WORDS: usize = 1 << 21;
/// Words of one line of the processor's cache: all bits of a key are in one.
const LINE_WORDS: usize = 8;

/// The filter of one generation of rows.
pub(super) struct Filter {
    words: Vec<AtomicU64>,
    hasher: RandomState,
    is_complete: AtomicBool,
}

impl Filter {
    /// A filter of nothing; complete when there are no rows yet.
    pub(super) fn new(is_complete: bool) -> Self {
        let mut words = Vec::new();
        words.resize_with(WORDS, AtomicU64::default);
        Self { words, hasher: RandomState::new(), is_complete: AtomicBool::new(is_complete) }
    }

    /// From now on everything there is was shown to it.
    pub(super) fn complete(&self) {
        self.is_complete.store(true, Ordering::Release);
    }

    /// Notes a key that is, or is about to be, on disk.
    pub(super) fn add(&self, key: &[u8]) {
        for (word, bit) in self.places(key) {
            if let Some(word) = self.words.get(word)
                && word.load(Ordering::Acquire) & bit == 0
            {
                word.fetch_or(bit, Ordering::AcqRel);
            }
        }
    }

    /// Whether a key is certainly not on disk.
    pub(super) fn is_absent(&self, key: &[u8]) -> bool {
        self.is_complete.load(Ordering::Acquire)
            && self.places(key).any(|(word, bit)| {
                self.words.get(word).is_some_and(|word| word.load(Ordering::Acquire) & bit == 0)
            })
    }

    /// Three bits of one line, by parts of the hash that do not overlap.
    fn places(&self, key: &[u8]) -> impl Iterator<Item = (usize, u64)> {
        let hash = usize::try_from(self.hasher.hash_one(key)).unwrap_or(0);
        let line = hash % (WORDS / LINE_WORDS);
        let bits = [hash >> 24, hash >> 36, hash >> 48];
        bits.into_iter()
            .map(move |bit| (line * LINE_WORDS + (bit / 64) % LINE_WORDS, 1 << (bit % 64)))
    }
}

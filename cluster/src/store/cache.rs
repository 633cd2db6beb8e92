//! Clean copies of rows that were read or written lately. A read of sled costs about ten microseconds, a hit here a fraction of one.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

const SHARDS: usize = 16;
/// Larger values are not worth their place.
const VALUE_BYTES_MAX: usize = 4096;
/// What a row costs beside its bytes.
const ROW_OVERHEAD: usize = 96;

type Generation = HashMap<Vec<u8>, Option<Vec<u8>>>;

/// Two generations: a row that is asked for again moves to the young one, the old one is dropped whole.
#[derive(Default)]
struct Shard {
    young: Generation,
    young_bytes: usize,
    old: Generation,
}

/// A bounded cache in which absent rows are remembered, too.
pub(super) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    /// Of one generation of one shard.
    bytes_max: usize,
}

impl Cache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            shards: Default::default(),
            hasher: RandomState::new(),
            bytes_max: bytes_max / SHARDS / 2,
        }
    }

    /// What is known of a row; `Some(None)` is known to be absent.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let mut shard = self.shard(key)?;
        if let Some(value) = shard.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = shard.old.remove_entry(key)?;
        shard.put(key, value.clone(), self.bytes_max);
        Some(value)
    }

    pub(super) fn put(&self, key: &[u8], value: Option<&[u8]>) {
        let Some(mut shard) = self.shard(key) else { return };
        shard.old.remove(key);
        if value.is_some_and(|value| value.len() > VALUE_BYTES_MAX) {
            shard.young.remove(key);
            return;
        }
        shard.put(key.to_vec(), value.map(<[u8]>::to_vec), self.bytes_max);
    }

    /// Follows a row that changed; one that nobody has read is not taken in.
    pub(super) fn refresh(&self, key: &[u8], value: Option<&[u8]>) {
        let Some(mut shard) = self.shard(key) else { return };
        let too_large = value.is_some_and(|value| value.len() > VALUE_BYTES_MAX);
        if too_large {
            shard.young.remove(key);
            shard.old.remove(key);
            return;
        }
        let Shard { young, young_bytes, old } = &mut *shard;
        let bytes = |value: Option<&[u8]>| value.map_or(0, <[u8]>::len);
        if let Some(known) = young.get_mut(key) {
            *young_bytes = young_bytes.saturating_sub(bytes(known.as_deref()));
            *young_bytes = young_bytes.saturating_add(bytes(value));
            *known = value.map(<[u8]>::to_vec);
        } else if let Some(known) = old.get_mut(key) {
            *known = value.map(<[u8]>::to_vec);
        }
    }

    pub(super) fn clear(&self) {
        for shard in &self.shards {
            *shard.lock().unwrap_or_else(PoisonError::into_inner) = Shard::default();
        }
    }

    fn shard(&self, key: &[u8]) -> Option<MutexGuard<'_, Shard>> {
        let hash = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).ok()?;
        Some(self.shards.get(hash)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>, bytes_max: usize) {
        let bytes = key.len() + value.as_ref().map_or(0, Vec::len) + ROW_OVERHEAD;
        if self.young_bytes.saturating_add(bytes) > bytes_max {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes = self.young_bytes.saturating_add(bytes);
        self.young.insert(key, value);
    }
}

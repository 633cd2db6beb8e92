//! Client keys: what was done for one is known for a while, so that doing it again does nothing twice. Keys lie in
//! buckets of time; the present one and the one before are looked into, older ones are thrown away whole.

use alloc::vec::Vec;

use proto::{
    im::{
        UserId,
        id::{ClientKey, ConversationId, Sequence},
        limit::KEYS_KEPT,
    },
    store::{Direction, Scan, View},
    time::LogTime,
};
use serde::{Deserialize, Serialize};

use crate::{
    key::{self, Key, table},
    tx::Tx,
};

/// What was done for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Done {
    /// A message was sent.
    Sent { seq: Sequence, at: LogTime },
    /// A counter was counted to this.
    Counted { value: i64 },
}

/// The bucket of a time.
pub(crate) fn bucket(at: LogTime) -> u64 {
    at.0 / u64::try_from(KEYS_KEPT.as_millis()).unwrap_or(u64::MAX)
}

/// What was done for a key, if it is known.
pub(crate) fn find(
    tx: &Tx<'_>,
    conversation: &ConversationId,
    user: &UserId,
    key: ClientKey,
) -> Option<Done> {
    let bucket = bucket(tx.at);
    let look = |bucket| tx.read(&key::done(bucket, conversation, user, key));
    look(bucket).or_else(|| bucket.checked_sub(1).and_then(look))
}

/// Remembers what was done for a key.
pub(crate) fn remember(
    tx: &mut Tx<'_>,
    conversation: &ConversationId,
    user: &UserId,
    key: ClientKey,
    done: &Done,
) {
    tx.put(key::done(bucket(tx.at), conversation, user, key), done);
}

/// When the keys of a bucket are forgotten.
pub(crate) fn forgotten_at(bucket: u64) -> LogTime {
    let length = u64::try_from(KEYS_KEPT.as_millis()).unwrap_or(u64::MAX);
    LogTime(bucket.saturating_add(2).saturating_mul(length))
}

/// Forgets up to `budget` keys whose time is over; returns how many.
pub(crate) fn forget(tx: &mut Tx<'_>, budget: usize) -> usize {
    let prefix = Key::of(table::DONE).bytes();
    let oldest_kept = bucket(tx.at).saturating_sub(1);
    let end = Key::of(table::DONE).number(oldest_kept).bytes();
    let mut keys = Vec::new();
    if budget > 0 {
        tx.scan(&prefix, &end, Direction::Up, &mut |key, _| {
            keys.push(key.to_vec());
            if keys.len() < budget { Scan::More } else { Scan::Enough }
        });
    }
    let forgotten = keys.len();
    keys.into_iter().for_each(|key| tx.remove_key(key));
    forgotten
}

//! Remembers the nonces of recent data messages, so that a back end may safely send one again.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use proto::id::RoomName;

/// Length of a nonce that is looked at, in bytes; others are not remembered.
pub(super) const NONCE_BYTES: usize = 16;
/// Most nonces remembered; the oldest is forgotten first.
pub(super) const NONCES_MAX: usize = 8192;

type Key = (RoomName, [u8; NONCE_BYTES]);

#[derive(Debug, Default)]
struct Window {
    seen: BTreeSet<Key>,
    order: VecDeque<Key>,
}

/// The last [`NONCES_MAX`] nonces.
#[derive(Debug, Default)]
pub(super) struct Nonces {
    window: Mutex<Window>,
}

impl Nonces {
    /// Whether the nonce is new; it is remembered from here on. One of another length always is.
    pub(super) fn claim(&self, room: &RoomName, nonce: &[u8]) -> bool {
        let Ok(nonce) = <[u8; NONCE_BYTES]>::try_from(nonce) else { return true };
        let key = (room.clone(), nonce);
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if !window.seen.insert(key.clone()) {
            return false;
        }
        window.order.push_back(key);
        if window.order.len() > NONCES_MAX {
            let Window { seen, order } = &mut *window;
            if let Some(oldest) = order.pop_front() {
                seen.remove(&oldest);
            }
        }
        true
    }

    /// Forgets a nonce whose message was not sent, so that it may be tried again.
    pub(super) fn release(&self, room: &RoomName, nonce: &[u8]) {
        let Ok(nonce) = <[u8; NONCE_BYTES]>::try_from(nonce) else { return };
        let key = (room.clone(), nonce);
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.seen.remove(&key) {
            window.order.retain(|other| *other != key);
        }
    }
}

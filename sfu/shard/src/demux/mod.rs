//! Which connection a datagram belongs to, by where it came from.
//!
//! An address is learned only from a STUN request that carried the connection's password, and is not taken from a
//! connection that is still heard on it: nobody can divert a stranger's packets.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use proto::time::Instant;

/// Addresses of all connections of a shard at most.
const ADDRESSES_MAX: usize = 131_072;

/// Addresses of one connection at most; browsers use one, or a few while they look for a better path.
const ADDRESSES_EACH_MAX: usize = 16;

/// An address on which its connection was heard within this time stays with it.
const OWNED_FOR: Duration = Duration::from_secs(3);

/// A remote transport address; TCP and UDP ports are different things.
pub(crate) type Remote = (bool, SocketAddr);

#[derive(Clone, Copy, Debug)]
struct Owner {
    slot: usize,
    heard_at: Instant,
}

/// The map of a shard.
#[derive(Debug, Default)]
pub(crate) struct Demux {
    owners: HashMap<Remote, Owner>,
    addresses: HashMap<usize, VecDeque<Remote>>,
}

impl Demux {
    /// The connection that owns an address; it was heard there just now.
    pub(crate) fn hear(&mut self, remote: Remote, now: Instant) -> Option<usize> {
        let owner = self.owners.get_mut(&remote)?;
        owner.heard_at = now;
        Some(owner.slot)
    }

    /// The connection that owns an address.
    pub(crate) fn owner(&self, remote: Remote) -> Option<usize> {
        self.owners.get(&remote).map(|owner| owner.slot)
    }

    /// Gives an address to a connection that proved itself on it; `false` when it stays with another or no room is left.
    pub(crate) fn learn(&mut self, remote: Remote, slot: usize, now: Instant) -> bool {
        let full = self.owners.len() >= ADDRESSES_MAX;
        match self.owners.get_mut(&remote) {
            Some(owner) if owner.slot == slot => {
                owner.heard_at = now;
                return true;
            }
            Some(owner) if now.since(owner.heard_at) < OWNED_FOR => return false,
            Some(owner) => {
                let former = owner.slot;
                *owner = Owner { slot, heard_at: now };
                if let Some(addresses) = self.addresses.get_mut(&former) {
                    addresses.retain(|other| *other != remote);
                }
            }
            None if full => return false,
            None => {
                self.owners.insert(remote, Owner { slot, heard_at: now });
            }
        }
        let addresses = self.addresses.entry(slot).or_default();
        addresses.push_back(remote);
        if addresses.len() > ADDRESSES_EACH_MAX
            && let Some(oldest) = addresses.pop_front()
        {
            self.owners.remove(&oldest);
        }
        true
    }

    /// Forgets a connection.
    pub(crate) fn forget(&mut self, slot: usize) {
        for remote in self.addresses.remove(&slot).unwrap_or_default() {
            self.owners.remove(&remote);
        }
    }
}

#[cfg(test)]
mod tests;

//! Proposals that have no outcome yet. Each ends exactly once: applied here, refused, or unknown.
//!
//! A batch is sent for one leadership and a leader takes it only in that leadership. So when an entry of a later leadership is
//! applied here, a batch of an earlier one that has not been applied never will be, and may be sent again.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};

use crate::raft::Origin;

/// What proposals without an outcome may weigh; a command weighs one and its KiB.
pub(crate) const WEIGHT_MAX: usize = 65_536;

/// One node's time as the leader. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Leadership {
    pub(crate) term: u64,
    pub(crate) node: u64,
}

/// Commands proposed together.
pub(crate) struct Proposal {
    pub(crate) tags: Vec<u64>,
    /// As [`crate::raft::Commands::encode`] writes it.
    pub(crate) batch: Bytes,
    pub(crate) weight: usize,
    pub(crate) until: Instant,
    /// To whom it was sent; `None` when it is certainly in no log.
    pub(crate) sent: Option<Leadership>,
}

/// Every proposal of this life of the node, by its number.
pub(crate) struct Pending {
    node: u16,
    life: u64,
    proposals: Mutex<BTreeMap<u64, Proposal>>,
    pub(crate) room: Semaphore,
    /// Something was settled, or may be sent again.
    pub(crate) changed: Notify,
}

impl Pending {
    pub(crate) fn new(node: u16, life: u64) -> Self {
        Self {
            node,
            life,
            proposals: Mutex::default(),
            room: Semaphore::new(WEIGHT_MAX),
            changed: Notify::new(),
        }
    }

    pub(crate) const fn origin(&self, batch: u64) -> Origin {
        Origin { node: self.node, life: self.life, batch }
    }

    fn get(&self) -> MutexGuard<'_, BTreeMap<u64, Proposal>> {
        self.proposals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, number: u64, proposal: Proposal) {
        self.get().insert(number, proposal);
    }

    /// Ends a proposal; returns its tags unless it has ended before or is another node's or another life's.
    pub(crate) fn settle(&self, origin: Origin) -> Option<Vec<u64>> {
        if origin.node != self.node || origin.life != self.life {
            return None;
        }
        let proposal = self.get().remove(&origin.batch)?;
        self.room.add_permits(proposal.weight);
        self.changed.notify_one();
        Some(proposal.tags)
    }

    /// An entry of `leadership` was applied: what was sent to earlier leaders and is not applied is lost.
    pub(crate) fn led_by(&self, leadership: Leadership) {
        let mut lost = false;
        for proposal in self.get().values_mut() {
            if proposal.sent.is_some_and(|sent| sent < leadership) {
                proposal.sent = None;
                lost = true;
            }
        }
        if lost {
            self.changed.notify_one();
        }
    }

    /// The leader certainly did not take it.
    pub(crate) fn refused(&self, number: u64, by: Leadership) {
        if let Some(proposal) = self.get().get_mut(&number)
            && proposal.sent == Some(by)
        {
            proposal.sent = None;
        }
    }

    /// The next batch to send to a leader, which counts as sent from now on. None while batches of an earlier
    /// leadership have no outcome, so that order is kept, or while `max` are with the leader.
    pub(crate) fn next_for(&self, leadership: Leadership, max: usize) -> Option<(u64, Bytes)> {
        let mut proposals = self.get();
        let mut sent = 0;
        for (number, proposal) in proposals.iter_mut() {
            match proposal.sent {
                Some(to) if to == leadership => sent += 1,
                Some(_) => return None,
                None if sent < max => {
                    proposal.sent = Some(leadership);
                    return Some((*number, proposal.batch.clone()));
                }
                None => return None,
            }
        }
        None
    }

    /// Whether another batch would only wait here.
    pub(crate) fn is_full(&self, max: usize) -> bool {
        self.get().len() >= max
    }

    /// Ends what has waited too long; returns tags and whether they are certainly in no log.
    pub(crate) fn expire(&self, now: Instant) -> Vec<(Vec<u64>, bool)> {
        let mut expired = Vec::new();
        let mut proposals = self.get();
        while let Some(oldest) = proposals.first_entry().filter(|oldest| oldest.get().until <= now)
        {
            let proposal = oldest.remove();
            self.room.add_permits(proposal.weight);
            expired.push((proposal.tags, proposal.sent.is_none()));
        }
        expired
    }
}

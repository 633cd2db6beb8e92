//! A room that this node orders: it numbers what is said, keeps the newest, limits rates, counts the nodes' audiences.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use prost::Message as _;
use proto::id::NodeId;
use tokio::time::Instant;

use super::{EMPTY_KEPT, LiveError, MESSAGE_BYTES_MAX, NAMES_BYTES_MAX, rates::Rates, ring::Ring};
use crate::im::wire::pb;

/// Nodes with an audience of one room.
const NODES_MAX: usize = 256;
/// A node's audience is believed in for this long.
const ATTENDS_FOR: Duration = Duration::from_secs(30);
/// A lease is renewed this often; it is forgotten after an hour.
const RENEW_EVERY: Duration = Duration::from_mins(20);

/// The audience at a node.
#[derive(Clone, Copy, Debug)]
struct Attendance {
    life: u64,
    audience: u64,
    likes: u64,
    until: Instant,
}

/// What is due at a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HoldDue {
    Nothing,
    Renew,
    /// Nobody has been there for a while.
    End,
}

/// A room that this node orders.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) epoch: u64,
    /// A quorum has said that the lease is ours since it was last in doubt.
    pub(super) confirmed: bool,
    /// When the lease is renewed next.
    pub(super) renew_at: Instant,
    offset: u64,
    told: u64,
    ring: Ring,
    rates: Rates,
    nodes: BTreeMap<NodeId, Attendance>,
    /// Of earlier epochs and earlier lives of nodes.
    likes_before: u64,
    came: u32,
    went: u32,
    empty_since: Option<Instant>,
}

impl Hold {
    /// A room that begins with what was known of it here.
    pub(super) fn new(now: Instant, epoch: u64, known: Option<(&Ring, u64)>) -> Self {
        let (ring, offset) = known.map(|(ring, _)| ring.renumbered()).unwrap_or_default();
        Self {
            epoch,
            confirmed: true,
            renew_at: now + RENEW_EVERY,
            offset,
            told: offset,
            ring,
            rates: Rates::new(now),
            nodes: BTreeMap::new(),
            likes_before: known.map_or(0, |(_, likes)| likes),
            came: 0,
            went: 0,
            empty_since: Some(now),
        }
    }

    fn audience(&self) -> u64 {
        self.nodes.values().map(|at| at.audience).fold(0, u64::saturating_add)
    }

    fn likes(&self) -> u64 {
        self.nodes.values().map(|at| at.likes).fold(self.likes_before, u64::saturating_add)
    }

    fn note_empty(&mut self, now: Instant) {
        if self.audience() > 0 {
            self.empty_since = None;
        } else {
            self.empty_since.get_or_insert(now);
        }
    }

    /// A node tells its audience. Whether that changed anything, and the answer if it asks for one.
    pub(super) fn attend(
        &mut self,
        now: Instant,
        node: NodeId,
        attend: &pb::LiveAttend,
    ) -> (bool, Option<pb::LiveTold>) {
        if self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(&node) {
            return (false, None);
        }
        let before = (self.audience(), self.likes());
        let fresh =
            Attendance { life: attend.life, audience: 0, likes: 0, until: now + ATTENDS_FOR };
        let at = self.nodes.entry(node).or_insert(fresh);
        if at.life != attend.life {
            self.likes_before = self.likes_before.saturating_add(at.likes);
            *at = fresh;
        }
        at.audience = attend.audience;
        at.likes = at.likes.max(attend.likes);
        at.until = now + ATTENDS_FOR;
        self.came = self.came.saturating_add(attend.came);
        self.went = self.went.saturating_add(attend.went);
        self.note_empty(now);
        let moved = attend.came > 0 || attend.went > 0;
        let changed = moved || before != (self.audience(), self.likes());
        let told = attend.have.map(|have| pb::LiveTold {
            from: have,
            head: self.told,
            messages: self.ring.between(have, self.told),
            likes: self.likes(),
            audience: self.audience(),
            whole: true,
            ..pb::LiveTold::default()
        });
        (changed, told)
    }

    /// Somebody says something: its offset.
    pub(super) fn say(
        &mut self,
        now: Instant,
        mut message: pb::LiveMessage,
    ) -> Result<u64, LiveError> {
        if !self.confirmed {
            return Err(LiveError::Unavailable);
        }
        let bytes = message.encoded_len();
        if bytes > MESSAGE_BYTES_MAX + NAMES_BYTES_MAX {
            return Err(LiveError::TooLarge);
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if !message.system {
            let speaker = (message.guest, message.sender.clone());
            self.rates.admit(now, speaker, message.priority(), bytes)?;
        }
        self.offset += 1;
        message.offset = self.offset;
        self.ring.push(Arc::new(message));
        Ok(self.offset)
    }

    /// What happened since it was asked last, and the nodes to be told.
    pub(super) fn tell(&mut self) -> (pb::LiveTold, Vec<NodeId>) {
        let told = pb::LiveTold {
            from: self.told,
            head: self.offset,
            // What does not fit into the ring any more was too much for anybody.
            messages: self.ring.between(self.told, self.offset),
            likes: self.likes(),
            audience: self.audience(),
            came: std::mem::take(&mut self.came),
            went: std::mem::take(&mut self.went),
            whole: false,
        };
        self.told = self.offset;
        let with_audience = self.nodes.iter().filter(|(_, at)| at.audience > 0);
        (told, with_audience.map(|(node, _)| *node).collect())
    }

    /// A node is gone, and its audience with it. True: it had one.
    pub(super) fn lose(&mut self, now: Instant, node: NodeId) -> bool {
        let Some(at) = self.nodes.get_mut(&node).filter(|at| at.audience > 0) else { return false };
        self.went = self.went.saturating_add(u32::try_from(at.audience).unwrap_or(u32::MAX));
        at.audience = 0;
        self.note_empty(now);
        true
    }

    /// Forgets audiences that were not told again. True: there was one.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let old = |at: &Attendance| at.audience > 0 && at.until <= now;
        let gone: Vec<NodeId> =
            self.nodes.iter().filter(|(_, at)| old(at)).map(|(node, _)| *node).collect();
        let mut any = false;
        for node in gone {
            any |= self.lose(now, node);
        }
        any
    }

    /// What is due; a renewal is due again after a while.
    pub(super) fn due(&mut self, now: Instant) -> HoldDue {
        if self.empty_since.is_some_and(|since| since + EMPTY_KEPT <= now) {
            return HoldDue::End;
        }
        if self.renew_at <= now {
            self.renew_at = now + RENEW_EVERY;
            return HoldDue::Renew;
        }
        HoldDue::Nothing
    }

    /// When something is due.
    pub(super) fn wake_at(&self) -> Instant {
        let empty = self.empty_since.map(|since| since + EMPTY_KEPT);
        let lost = self.nodes.values().filter(|at| at.audience > 0).map(|at| at.until);
        lost.chain(empty).fold(self.renew_at, Instant::min)
    }
}

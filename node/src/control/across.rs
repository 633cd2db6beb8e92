//! The other nodes: data messages for those whom they carry, and what to do when one is gone.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cluster::link::Peers;
use proto::{
    id::{Identity, NodeId, ParticipantSid, RoomName},
    media::Delivery,
    room::Command,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use super::{Continuation, Control, Replica};

/// The leader looks at whom it does not reach every so many ticks of 250 ms.
const LOOK_EVERY: u32 = 4;
/// A node that the leader did not reach at this many looks is gone, and with it those whom it carries. Counted and not
/// timed: a leader that was stopped for a while must not take everybody else for dead. 10 s are long: clients of a dead
/// node come back by themselves much sooner, to any node, and those of a node that is only cut off go on meanwhile.
const LOST_AFTER: u32 = 10;
/// A node that knew no leader for so many ticks is not ready: 5 s, many times what an election takes.
const LEADERLESS_MAX: u32 = 20;

/// What the control loop needs of the other nodes.
pub(crate) struct Across {
    /// The nodes a link is up to.
    pub(crate) peers: watch::Receiver<Peers>,
    /// Frames for their control loops. May be lost.
    pub(crate) out: mpsc::Sender<(NodeId, Bytes)>,
    /// Frames of their control loops.
    pub(crate) incoming: mpsc::Receiver<(NodeId, Bytes)>,
}

/// What is known of the other nodes.
pub(super) struct Others {
    peers: watch::Receiver<Peers>,
    out: mpsc::Sender<(NodeId, Bytes)>,
    /// For how many ticks no leader is known.
    leaderless: u32,
    /// Ticks so far.
    ticks: u32,
    /// At how many looks each was out of reach, while this node leads.
    silent: BTreeMap<NodeId, u32>,
}

impl Others {
    pub(super) const fn new(
        peers: watch::Receiver<Peers>,
        out: mpsc::Sender<(NodeId, Bytes)>,
    ) -> Self {
        Self { peers, out, leaderless: LEADERLESS_MAX, ticks: 0, silent: BTreeMap::new() }
    }

    /// Whether no leader has been known for longer than an election takes, or since the start.
    pub(super) const fn leaderless(&self) -> bool {
        self.leaderless >= LEADERLESS_MAX
    }

    fn is_time(&mut self) -> bool {
        self.ticks = self.ticks.wrapping_add(1);
        self.ticks.is_multiple_of(LOOK_EVERY)
    }

    /// Looks which of `carriers` are out of reach, and returns those that are gone.
    fn count(&mut self, carriers: BTreeSet<NodeId>) -> Vec<NodeId> {
        let peers = self.peers.borrow();
        let silent = carriers.into_iter().filter(|node| !peers.contains_key(node));
        let counted =
            silent.map(|node| (node, self.silent.get(&node).map_or(1, |looks| looks + 1)));
        let (lost, silent): (BTreeMap<_, _>, _) =
            counted.partition(|(_, looks)| *looks >= LOST_AFTER);
        drop(peers);
        self.silent = silent;
        lost.into_keys().collect()
    }
}

/// A data message, as nodes pass it on.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Data {
    /// In which room.
    pub(super) room: RoomName,
    /// How.
    pub(super) delivery: Delivery,
    /// For whom; with `to_sids` empty as well: for everybody.
    pub(super) to: Vec<Identity>,
    /// For which sessions.
    pub(super) to_sids: Vec<ParticipantSid>,
    /// What.
    pub(super) payload: Bytes,
}

impl Data {
    /// Whether it is meant for a participant.
    pub(super) fn is_for(&self, identity: &Identity, sid: &ParticipantSid) -> bool {
        let everybody = self.to.is_empty() && self.to_sids.is_empty();
        everybody || self.to.contains(identity) || self.to_sids.contains(sid)
    }
}

impl<R: Replica> Control<R> {
    /// Counts for how long there has been no leader.
    pub(super) fn look_for_leader(&mut self) {
        let led = self.replica.is_led();
        let ticks = &mut self.others.leaderless;
        *ticks = if led { 0 } else { ticks.saturating_add(1) };
    }

    /// While this node leads: has the log forget whom nodes carried that are gone.
    pub(super) fn look_for_lost_nodes(&mut self) {
        if !self.replica.leads() {
            self.others.silent.clear();
            return;
        }
        if !self.others.is_time() {
            return;
        }
        let mut carriers = self.replica.state().carriers();
        carriers.remove(&self.replica.node());
        for node in self.others.count(carriers) {
            self.lose(node);
        }
    }

    /// Has the log forget whom a node carries.
    pub(super) fn lose(&mut self, node: NodeId) {
        let losses: Vec<Command> = self.replica.state().losses(node).collect();
        if losses.is_empty() {
            return;
        }
        tracing::warn!(node = node.0, rooms = losses.len(), "those whom a lost node carried leave");
        for loss in losses {
            self.submit(&loss, Continuation::None);
        }
    }

    /// Sends a data message to the nodes that carry somebody it is for. A node that does not keep up misses it.
    pub(super) fn send_across(&self, data: &Data) {
        let me = self.replica.node();
        let nodes: BTreeSet<NodeId> = self
            .replica
            .state()
            .participants(&data.room)
            .filter(|who| who.node != me && data.is_for(&who.identity, &who.sid))
            .map(|who| who.node)
            .collect();
        if nodes.is_empty() {
            return;
        }
        let Ok(frame) = postcard::to_stdvec(data).map(Bytes::from) else { return };
        for node in nodes {
            if self.others.out.try_send((node, frame.clone())).is_err() {
                metrics::counter!("stoa_data_relays_lost_total").increment(1);
            }
        }
    }

    /// What another node's control loop sent.
    pub(super) fn on_frame(&self, frame: &[u8]) {
        match postcard::from_bytes::<Data>(frame) {
            Ok(data) => self.send_here(&data, None),
            Err(error) => tracing::warn!(%error, "a frame of another node does not read"),
        }
    }
}

//! Links in memory, for tests: nodes that share a [`Hub`] reach each other unless they are cut off.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::BoxFuture;
use proto::id::NodeId;
use tokio::{
    io,
    sync::{mpsc, watch},
};

use super::{INCOMING_MAX, Incoming, Lane, LinkError, Peers, Stream, Transport};

/// What a stream in memory holds before its writer waits.
const STREAM_BYTES: usize = 1 << 20;

#[derive(Default)]
struct Nodes {
    incoming: BTreeMap<NodeId, mpsc::Sender<(NodeId, Stream)>>,
    cut_off: BTreeSet<NodeId>,
    /// Which connection of each node it is.
    lives: BTreeMap<NodeId, u64>,
    peers: BTreeMap<NodeId, watch::Sender<Peers>>,
}

impl Nodes {
    fn tell(&self) {
        let there =
            |node: &NodeId| !self.cut_off.contains(node) && self.incoming.contains_key(node);
        for (me, peers) in &self.peers {
            let others = self.lives.iter().filter(|(node, _)| *node != me && there(node));
            let seen: Peers =
                if there(me) { others.map(|(n, l)| (*n, *l)).collect() } else { Peers::new() };
            peers.send_if_modified(|known| {
                let changed = *known != seen;
                *known = seen;
                changed
            });
        }
    }
}

/// Where nodes in one process meet.
#[derive(Clone, Default)]
pub struct Hub {
    nodes: Arc<Mutex<Nodes>>,
}

impl Hub {
    fn nodes(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects a node; a second connection of the same node replaces the first.
    #[must_use]
    pub fn connect(&self, node: NodeId) -> (MemoryTransport, Incoming) {
        let (sender, incoming) = mpsc::channel(INCOMING_MAX);
        let mut nodes = self.nodes();
        nodes.incoming.insert(node, sender);
        *nodes.lives.entry(node).or_default() += 1;
        let (peers, seen) = watch::channel(Peers::new());
        nodes.peers.insert(node, peers);
        nodes.tell();
        drop(nodes);
        (MemoryTransport { hub: self.clone(), node, peers: seen }, incoming)
    }

    /// Lets new streams to and from a node fail, or work again.
    pub fn cut_off(&self, node: NodeId, cut_off: bool) {
        let mut nodes = self.nodes();
        if cut_off {
            nodes.cut_off.insert(node);
        } else {
            nodes.cut_off.remove(&node);
        }
        nodes.tell();
    }
}

/// One node's end of a [`Hub`].
pub struct MemoryTransport {
    hub: Hub,
    node: NodeId,
    peers: watch::Receiver<Peers>,
}

/// A pair of streams that are connected.
pub(super) fn pair() -> (Stream, Stream) {
    let (near, far) = io::duplex(STREAM_BYTES);
    let stream = |end| {
        let (reading, writing) = io::split(end);
        Stream { writing: Box::new(writing), reading: Box::new(reading) }
    };
    (stream(near), stream(far))
}

impl Transport for MemoryTransport {
    fn open(&self, node: NodeId, _lane: Lane) -> BoxFuture<'_, Result<Stream, LinkError>> {
        Box::pin(async move {
            let unreachable = || LinkError::Unreachable { node, reason: "cut off".into() };
            let sender = {
                let nodes = self.hub.nodes();
                let is_cut = |node| node != self.node && nodes.cut_off.contains(&node);
                if is_cut(node) || (node != self.node && nodes.cut_off.contains(&self.node)) {
                    return Err(unreachable());
                }
                nodes.incoming.get(&node).cloned().ok_or(LinkError::UnknownNode(node))?
            };
            let (near, far) = pair();
            sender.send((self.node, far)).await.map_err(|_| unreachable())?;
            Ok(near)
        })
    }

    fn set_nodes(&self, _nodes: BTreeMap<NodeId, String>) {}

    fn peers(&self) -> watch::Receiver<Peers> {
        self.peers.clone()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut nodes = self.hub.nodes();
            nodes.incoming.remove(&self.node);
            nodes.tell();
        })
    }
}

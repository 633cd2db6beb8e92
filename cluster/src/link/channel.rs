//! Messages of other planes between nodes: ordered, soft, and dropped rather than kept waiting.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use proto::id::NodeId;
use tokio::sync::{mpsc, watch};

use super::{
    Lane, LinkError, Peers,
    wire::{FrameReceiver, Service},
};
use crate::links::Links;

/// Messages that wait for one node, or for one listener here.
const WAITING_MAX: usize = 4096;
/// The largest message.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Which plane a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Channel(pub u8);

/// Why a message was not sent. None is certain to arrive: what must not be lost belongs in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The node does not drain its messages.
    #[error("too many messages wait for the node")]
    Full,
    /// The message is larger than [`MESSAGE_BYTES_MAX`].
    #[error("the message is too large")]
    TooLarge,
}

#[derive(Default)]
struct Ends {
    outgoing: BTreeMap<NodeId, mpsc::Sender<(Channel, Bytes)>>,
    listeners: BTreeMap<Channel, mpsc::Sender<(NodeId, Bytes)>>,
}

/// The channels of this node.
pub(crate) struct Channels {
    links: Arc<Links>,
    ends: Mutex<Ends>,
    dropped: AtomicU64,
}

impl Channels {
    pub(crate) fn new(links: Arc<Links>) -> Self {
        Self { links, ends: Mutex::default(), dropped: AtomicU64::new(0) }
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages that were lost here: nobody listened, or did not drain, or the node could not be reached.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn listen(&self, channel: Channel) -> mpsc::Receiver<(NodeId, Bytes)> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        self.ends().listeners.insert(channel, sender);
        receiver
    }

    pub(crate) fn send(
        self: &Arc<Self>,
        node: NodeId,
        channel: Channel,
        message: Bytes,
    ) -> Result<(), ChannelError> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(ChannelError::TooLarge);
        }
        let sender = {
            let mut ends = self.ends();
            match ends.outgoing.get(&node).filter(|sender| !sender.is_closed()) {
                Some(sender) => sender.clone(),
                None => {
                    let (sender, waiting) = mpsc::channel(WAITING_MAX);
                    ends.outgoing.insert(node, sender.clone());
                    tokio::spawn(Arc::clone(self).deliver(node, waiting));
                    sender
                }
            }
        };
        sender.try_send((channel, message)).map_err(|_| {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            ChannelError::Full
        })
    }

    /// Sends what waits for one node over one stream; ends when the stream does, and begins anew with the next message.
    async fn deliver(self: Arc<Self>, node: NodeId, mut waiting: mpsc::Receiver<(Channel, Bytes)>) {
        let begun = self.links.begin(u64::from(node.0), Lane::Main, Service::Channel).await;
        let Ok((mut sender, _receiver)) = begun else {
            waiting.close();
            while waiting.recv().await.is_some() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            return;
        };
        while let Some((channel, message)) = waiting.recv().await {
            if sender.send(&[&[channel.0], &message]).await.is_err() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }

    /// Begins anew with each node whose link is another one: what was given to the old one goes there, or nowhere.
    pub(crate) async fn follow(self: Arc<Self>, mut peers: watch::Receiver<Peers>) {
        let mut known = Peers::new();
        loop {
            let seen = peers.borrow_and_update().clone();
            let same = |node: &NodeId| seen.get(node) == known.get(node);
            // Who was not linked before has streams that the first message began: they are good.
            self.ends().outgoing.retain(|node, _| same(node) || !known.contains_key(node));
            known = seen;
            if peers.changed().await.is_err() {
                return;
            }
        }
    }

    /// Hands messages of another node to who listens.
    pub(crate) async fn serve(
        &self,
        from: NodeId,
        mut receiver: FrameReceiver,
    ) -> Result<(), LinkError> {
        while let Some(mut frame) = receiver.receive().await? {
            if frame.is_empty() {
                continue;
            }
            let channel = frame.split_to(1).first().copied().map(Channel);
            let listener = channel.and_then(|channel| self.ends().listeners.get(&channel).cloned());
            let delivered =
                listener.is_some_and(|listener| listener.try_send((from, frame)).is_ok());
            if !delivered {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Lets streams to other nodes end.
    pub(crate) fn close(&self) {
        *self.ends() = Ends::default();
    }
}

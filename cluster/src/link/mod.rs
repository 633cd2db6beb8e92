//! Streams between nodes: ordered bytes both ways, opened by either side, over QUIC or in memory.

pub mod channel;
pub mod memory;
pub mod pki;
pub mod quic;
pub(crate) mod wire;

use std::{collections::BTreeMap, io, sync::Arc};

use futures_util::future::BoxFuture;
use proto::id::NodeId;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, watch},
};

/// Streams that other nodes opened and nobody has taken yet.
pub(crate) const INCOMING_MAX: usize = 1024;

/// Which connection a stream goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Everything that must be quick.
    Main,
    /// Snapshots, which would hold up the others.
    Bulk,
}

/// Both directions of a stream.
pub struct Stream {
    /// Towards the other node. Shutting it down ends the direction.
    pub writing: Box<dyn AsyncWrite + Send + Unpin>,
    /// From the other node.
    pub reading: Box<dyn AsyncRead + Send + Unpin>,
}

/// Why a stream cannot be opened or broke.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No address is known for the node.
    #[error("node {} is not a member", .0.0)]
    UnknownNode(NodeId),
    /// The connection does not come up.
    #[error("node {} cannot be reached: {reason}", .node.0)]
    Unreachable {
        /// Which node.
        node: NodeId,
        /// What the transport said.
        reason: String,
    },
    /// The stream broke.
    #[error("a stream broke")]
    Broken(#[from] io::Error),
    /// The other side said something that cannot be read.
    #[error("a message cannot be read")]
    Malformed(#[from] postcard::Error),
    /// No answer came in time.
    #[error("no answer came in time")]
    Timeout,
}

/// The nodes a link is up to. The number is another one whenever a new connection took over: the node may have started
/// anew in between.
pub type Peers = BTreeMap<NodeId, u64>;

/// Opens streams to nodes, by whatever means.
pub trait Transport: Send + Sync + 'static {
    /// Opens a stream to a node; a node reaches itself, too.
    fn open(&self, node: NodeId, lane: Lane) -> BoxFuture<'_, Result<Stream, LinkError>>;

    /// Says where nodes are, and thereby who may connect. Empty means that this is not known yet.
    fn set_nodes(&self, nodes: BTreeMap<NodeId, String>);

    /// Which nodes a link is up to.
    fn peers(&self) -> watch::Receiver<Peers>;

    /// Ends every connection.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Connects nodes by means of its own, such as a network that is simulated.
pub trait Connect: Send + Sync + 'static {
    /// Connects a node: what it opens streams with, and the streams that others open to it.
    fn connect(&self, node: NodeId) -> (Arc<dyn Transport>, Incoming);
}

/// Streams opened by others, with who opened them.
pub type Incoming = mpsc::Receiver<(NodeId, Stream)>;

//! What chat asks of the node and what it hears back.
//!
//! Requests go over one bounded queue, in order: the node proposes commands of one queue in the order it takes them.
//! Notices come over another bounded queue in the order of the log. The gateway knows neither the log nor the cluster.

use bytes::Bytes;
use proto::{
    id::NodeId,
    im::{Answer, Command, Event, Query, Reply, reject::Reject},
};
use tokio::sync::{mpsc, oneshot};

use crate::{error::Error, node::Refusal};

/// The queue towards the node.
pub type Requests = mpsc::Sender<Request>;

/// The queue from the node.
pub type Notices = mpsc::Receiver<Notice>;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Chat itself said no; nothing was changed.
    #[error(transparent)]
    Rejected(#[from] Reject),
    /// The node or cluster said no; nothing was changed.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// The change was proposed, and it is not known whether it was made.
    #[error("it is not known whether the request had its effect")]
    Unknown,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Rejected(reject) => Self::Rejected(reject),
            Refused::Refusal(refusal) => Self::Refused(refusal),
            Refused::Unknown => Self::OutcomeUnknown,
        }
    }
}

/// The answer's way back. Dropped without an answer: the node is stopping.
pub type Back<T> = oneshot::Sender<Result<T, Refused>>;

/// Anything chat asks of the node.
#[derive(Debug)]
pub enum Request {
    /// A change. Answered when it has been applied on this node, after its events were put into the notices.
    Propose {
        /// What is asked, and by whom.
        command: Box<Command>,
        /// The way back.
        back: Back<Reply>,
    },
    /// A question. Answered from a state that has all events in the notices so far, and every change that was answered on this node.
    Query {
        /// What is asked, and by whom.
        query: Box<Query>,
        /// The way back.
        back: Back<Box<Answer>>,
    },
    /// Soft state for other nodes. May be lost.
    Relay(Relay),
}

/// Soft state between the gateways of a cluster: opaque to everybody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// To which node; `None`: to all others.
    pub to: Option<NodeId>,
    /// The frame.
    pub frame: Bytes,
}

/// What the node tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Events of one command, in the order of the log.
    Applied(Vec<Event>),
    /// Part of the log was skipped, because a snapshot was installed: nobody knows what was missed.
    Skipped,
    /// A frame of another node's gateway.
    Relayed {
        /// From which node.
        from: NodeId,
        /// The frame.
        frame: Bytes,
    },
    /// A link to another node came up.
    NodeUp(NodeId),
    /// A link to another node broke: its soft state is void.
    NodeDown(NodeId),
    /// Whether this node has links to a majority of those who vote. Until it is told, it has.
    Quorum(bool),
}

//! Why a node does not start, and why a command is refused.

use std::{io, path::PathBuf};

use crate::{link::quic::QuicError, log::LogError, raft::Types, store::StoreError};

/// Why a command has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is larger than a command may be. Never send it again.
    #[error("the command has {bytes} bytes, more than {limit}")]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// What it may have.
        limit: usize,
    },
    /// Too much has been proposed and has no outcome yet. It is in no log: send it again after a while.
    #[error("too many commands are waiting")]
    Overloaded,
    /// No leader took it in time. It is in no log: send it again here or elsewhere.
    #[error("no leader was found in time")]
    NoLeader,
    /// A leader took it and no outcome came in time. It may yet be applied: send it again only if that does no harm.
    #[error("the outcome is not known")]
    Unknown,
    /// This node is stopping. It is in no log: send it to another node.
    #[error("the node is stopping")]
    Stopping,
}

impl Refusal {
    /// Whether the command is certainly in no log.
    #[must_use]
    pub const fn is_definite(self) -> bool {
        !matches!(self, Self::Unknown)
    }
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log does not open.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The links do not open.
    #[error(transparent)]
    Link(#[from] QuicError),
    /// The disk failed.
    #[error("node data")]
    Io(#[from] io::Error),
    /// The timing makes no sense.
    #[error("timing of elections")]
    Timing(#[from] openraft::ConfigError),
    /// Log and state do not fit together, or the disk failed while they were read.
    #[error("consensus does not start: {0}")]
    Consensus(String),
    /// A cluster cannot be made.
    #[error("the cluster cannot be made: {0}")]
    Bootstrap(String),
    /// The only voter did not become leader.
    #[error("the node did not become leader of its cluster")]
    NoLeader,
    /// A backup is restored into a new folder only.
    #[error("{0} is not empty")]
    NotEmpty(PathBuf),
}

impl From<openraft::errors::Fatal<Types>> for StartError {
    fn from(error: openraft::errors::Fatal<Types>) -> Self {
        Self::Consensus(error.to_string())
    }
}

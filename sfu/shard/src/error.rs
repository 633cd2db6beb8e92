//! What can go wrong in a shard.

use std::io;

use proto::error::ErrorCode;

/// Why a shard could not start, or could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A socket could not be opened or bound. The operator changes the configured address.
    #[error("cannot bind {addr}")]
    Bind {
        /// The configured address.
        addr: std::net::SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system refused a thread, a poller or a waker. The operator raises limits.
    #[error("cannot start a media thread")]
    Start(#[source] io::Error),
    /// No DTLS key and certificate could be made. The operator looks at the system's randomness.
    #[error("cannot make a certificate")]
    Certificate,
    /// The configuration names no shard, or shards whose ids are not 0, 1, 2, ...
    #[error("shards must be numbered from 0 without gaps")]
    Numbering,
    /// A session description could not be read or does not fit the connection's state. The client made it.
    #[error("the session description was refused")]
    Description(#[source] str0m::error::SdpError),
    /// A session description does not fit the connection's state. The client made it.
    #[error("the session description cannot be applied")]
    Negotiation(#[source] str0m::RtcError),
    /// A description is larger than a shard reads.
    #[error("the session description has {bytes} bytes, at most {max} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest.
        max: usize,
    },
    /// An answer came while no offer was outstanding.
    #[error("no offer is outstanding")]
    NoOffer,
    /// A candidate could not be read.
    #[error("the candidate cannot be read")]
    Candidate,
    /// The command names a peer this shard does not have, or a connection that the peer's mode lacks.
    #[error("no such connection")]
    NoConnection,
    /// A shard holds as many of something as it may.
    #[error("the shard is full: at most {max} {what}")]
    Full {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// The transport of a connection failed.
    #[error("the transport failed")]
    Transport(#[source] str0m::RtcError),
    /// The connection did not come up in time or its path was lost for too long.
    #[error("the connection timed out")]
    Timeout,
    /// The client closed the connection.
    #[error("the client closed the connection")]
    Closed,
    /// The library that drives the connection panicked; only this peer is lost.
    #[error("the connection's driver panicked")]
    Panicked,
}

impl Error {
    /// The stable code shown to clients.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Bind { .. }
            | Self::Start(_)
            | Self::Numbering
            | Self::Certificate
            | Self::Panicked
            | Self::Transport(_) => ErrorCode::Internal,
            Self::Description(_) => ErrorCode::SdpMalformed,
            Self::Negotiation(_) | Self::NoOffer => ErrorCode::SdpUnacceptable,
            Self::TooLarge { .. } => ErrorCode::RequestTooLarge,
            Self::Candidate => ErrorCode::CandidateMalformed,
            Self::NoConnection => ErrorCode::NotFound,
            Self::Full { .. } => ErrorCode::NodeOverloaded,
            Self::Timeout | Self::Closed => ErrorCode::MediaTimeout,
        }
    }
}

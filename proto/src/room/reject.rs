//! Why a command was refused. A refusal is a value in the log's result; nothing was changed.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    error::ErrorCode,
    id::{Identity, RoomName, TrackSid},
    media::Source,
};

/// A refusal, with the numbers that explain it.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum Reject {
    /// The room is not open.
    #[error("requested room does not exist: {room}")]
    RoomNotFound {
        /// The name asked for.
        room: RoomName,
    },
    /// The room is full.
    #[error("the room has {limit} participants, which is its limit")]
    RoomFull {
        /// How many it may have.
        limit: u32,
    },
    /// Nobody of that identity, or no longer that session, is in the room.
    #[error("participant does not exist: {identity}")]
    ParticipantNotFound {
        /// The identity asked for.
        identity: Identity,
    },
    /// The participant has no such track.
    #[error("track does not exist: {track}")]
    TrackNotFound {
        /// The track asked for.
        track: TrackSid,
    },
    /// The permission `canPublish` is missing, or does not name this source.
    #[error("publishing from {publish:?} is not permitted")]
    PublishNotPermitted {
        /// The source asked for.
        publish: Source,
    },
    /// The permission to update own metadata is missing.
    #[error("updating own metadata is not permitted")]
    UpdateNotPermitted,
    /// The permission `canSubscribe` is missing.
    #[error("subscribing is not permitted")]
    SubscribeNotPermitted,
    /// A name or identity is empty or too long.
    #[error("a name has {bytes} bytes, allowed are 1 to {limit}")]
    NameLength {
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// Metadata or attributes are too large.
    #[error("metadata or attributes have {bytes} bytes, the limit is {limit}")]
    MetadataTooLarge {
        /// Their size.
        bytes: usize,
        /// The largest allowed.
        limit: usize,
    },
    /// The participant publishes too many tracks.
    #[error("the participant publishes {limit} tracks, which is the limit")]
    TooManyTracks {
        /// How many it may publish.
        limit: usize,
    },
    /// Another participant of the room publishes under this sid: its proposer minted it twice.
    #[error("track sid is taken: {track}")]
    TrackSidTaken {
        /// The sid.
        track: TrackSid,
    },
    /// A list in the command, or what it would make of one, has too many entries.
    #[error("a list has {entries} entries, the limit is {limit}")]
    ListTooLong {
        /// How many it has.
        entries: usize,
        /// How many it may have.
        limit: usize,
    },
    /// No further room can be opened.
    #[error("{limit} rooms are open, which is the limit")]
    TooManyRooms {
        /// How many may be open.
        limit: usize,
    },
}

impl Reject {
    /// The stable code of this refusal.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::RoomNotFound { .. } => ErrorCode::RoomNotFound,
            Self::RoomFull { .. } => ErrorCode::RoomFull,
            Self::ParticipantNotFound { .. } => ErrorCode::ParticipantNotFound,
            Self::TrackNotFound { .. } => ErrorCode::TrackNotFound,
            Self::PublishNotPermitted { .. }
            | Self::UpdateNotPermitted
            | Self::SubscribeNotPermitted => ErrorCode::NotPermitted,
            Self::NameLength { .. } => ErrorCode::NameTooLong,
            Self::MetadataTooLarge { .. } => ErrorCode::MetadataTooLarge,
            Self::TooManyTracks { .. } => ErrorCode::TooManyTracks,
            Self::TrackSidTaken { .. } => ErrorCode::Internal,
            Self::ListTooLong { .. } => ErrorCode::RequestTooLarge,
            Self::TooManyRooms { .. } => ErrorCode::NodeOverloaded,
        }
    }
}

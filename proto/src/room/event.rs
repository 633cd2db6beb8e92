//! What happened in a room. Nodes turn events into media work, signalling and webhooks.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::model::{Participant, Publication, Room};
use crate::id::{Identity, ParticipantSid, RoomName, TrackSid};

/// Why a participant left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LeaveReason {
    /// It said good-bye.
    ClientInitiated,
    /// The same identity joined again.
    DuplicateIdentity,
    /// Its node shuts down.
    ServerShutdown,
    /// A moderator removed it.
    Removed,
    /// The room was closed by a moderator.
    RoomDeleted,
    /// The room was closed by a timeout.
    RoomClosed,
    /// Its signalling was lost and did not come back.
    SignalLost,
    /// No media connection came up, or it broke for good.
    MediaFailed,
    /// It was moved to another room.
    Moved,
    /// The node that carried it is gone, or was out of reach for too long.
    NodeLost,
}

/// What happened, in the order it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// In which room.
    pub room: RoomName,
    /// What.
    pub what: What,
}

/// What happened in the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// The room opened.
    RoomOpened(Room),
    /// Settings, size or recording changed.
    RoomChanged(Room),
    /// The room closed; everybody's `ParticipantLeft` came before. Carries its last state.
    RoomClosed(Room, LeaveReason),
    /// Somebody came in.
    ParticipantJoined(Participant),
    /// State, names, data, permission or audience changed; the new whole.
    ParticipantChanged(Participant),
    /// Somebody left; `state` is `Disconnected`, publications are those it had.
    ParticipantLeft(Participant, LeaveReason),
    /// A track came; its participant's new version is in the `ParticipantChanged` that follows.
    TrackPublished(Identity, Publication),
    /// A track's state changed (mute, codec, encodings).
    TrackChanged(Identity, Publication),
    /// A track ended.
    TrackUnpublished(Identity, Publication),
    /// What `subscriber` receives may have changed for these tracks; empty means for all.
    SubscriptionsChanged {
        /// Whose.
        subscriber: Identity,
        /// Which tracks.
        tracks: Vec<TrackSid>,
    },
    /// A publisher allowed or forbade a subscriber one of its tracks.
    AccessChanged {
        /// Whose track.
        publisher: ParticipantSid,
        /// Who.
        subscriber: Identity,
        /// Which.
        track: TrackSid,
        /// Whether it is allowed now.
        allowed: bool,
    },
}

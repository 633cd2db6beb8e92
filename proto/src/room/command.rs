//! What may be asked of a room. Commands are total: whatever they hold, a replica answers with events or a refusal.
//!
//! Every id in a command was minted by its proposer. Every command names one room.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use super::{
    event::LeaveReason,
    model::{Audience, Participant, Publication, RoomSettings},
};
use crate::{
    grant::Permission,
    id::{Identity, NodeId, ParticipantSid, RoomName, RoomSid, TrackSid},
    media::{Codec, Encoding},
    time::LogTime,
};

/// A request to the replicated state of one room. Variants are append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The room it is about.
    pub room: RoomName,
    /// What is asked.
    pub action: Action,
}

/// What is asked of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Opens the room, or answers with the room that is open (idempotent, settings of an open room stay).
    Create {
        /// Sid for the room if it is opened by this command.
        sid: RoomSid,
        /// What it is created with.
        settings: RoomSettings,
    },
    /// Closes the room and sends everybody out.
    Close,
    /// Closes the room if one of its timeouts has passed; otherwise nothing happens.
    Expire,
    /// Replaces the room's metadata.
    SetMetadata {
        /// New application data.
        metadata: String,
    },
    /// Brings a participant in; an older session of the same identity is sent out.
    Join {
        /// Sid for the room if it is opened by this command.
        room_sid: RoomSid,
        /// Settings for the room if it is opened by this command; `None`: the room must exist.
        create: Option<RoomSettings>,
        /// The newcomer, without publications. Its `state`, `joined_at` and `version` are set on apply.
        participant: alloc::boxed::Box<Participant>,
    },
    /// Everything below concerns one session in the room and is refused when it is gone.
    Participant {
        /// Which session: its identity.
        identity: Identity,
        /// Only this session, when given: a message of an older session changes nothing.
        sid: Option<ParticipantSid>,
        /// What is asked of it.
        action: ParticipantAction,
    },
    /// Sends out everybody that a node carries: it is gone. Who joined later stays: the node was back by then.
    Lose {
        /// Which node.
        node: NodeId,
        /// When the last of those who go joined.
        until: LogTime,
    },
}

/// What is asked of one participant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParticipantAction {
    /// Media is up.
    Activate,
    /// Goes away, or is sent away.
    Leave {
        /// Why.
        reason: LeaveReason,
    },
    /// Changes what others see of it.
    Update {
        /// New display name, if any.
        name: Option<String>,
        /// New application data, if any.
        metadata: Option<String>,
        /// Attributes to set; an empty value deletes the key.
        attributes: BTreeMap<String, String>,
        /// Set when the participant asked itself: it then needs the right to.
        by_self: bool,
    },
    /// Replaces its permissions; publications and subscriptions that are no longer allowed end.
    SetPermission {
        /// The new rights.
        permission: Permission,
    },
    /// Adds a track.
    Publish {
        /// The new publication.
        publication: alloc::boxed::Box<Publication>,
    },
    /// Ends a track.
    Unpublish {
        /// Which.
        track: TrackSid,
    },
    /// Mutes or unmutes a track.
    SetMuted {
        /// Which.
        track: TrackSid,
        /// The new state.
        muted: bool,
    },
    /// Changes what is known of a track.
    UpdateTrack {
        /// Which.
        track: TrackSid,
        /// The codec that arrives, if it is news.
        codec: Option<Codec>,
        /// The encodings that arrive, if they are news.
        encodings: Option<Vec<Encoding>>,
        /// Audio features, if they are news.
        audio_features: Option<Vec<i32>>,
    },
    /// Subscribes to tracks or unsubscribes from them, whatever `auto_subscribe` says.
    SetSubscribed {
        /// Which tracks, of anybody in the room. Unknown ones are remembered for when they appear.
        tracks: BTreeSet<TrackSid>,
        /// The new state.
        subscribed: bool,
    },
    /// Says who may subscribe to its tracks.
    SetAudience {
        /// The new audience.
        audience: Audience,
    },
}

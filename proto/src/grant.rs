//! What a token allows, after defaults were filled in.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
};

use serde::{Deserialize, Serialize};

use crate::{id::RoomName, media::Source};

/// What a participant may do in its room. Part of the replicated state; changes live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// May publish tracks.
    pub can_publish: bool,
    /// May subscribe to tracks.
    pub can_subscribe: bool,
    /// May send data messages.
    pub can_publish_data: bool,
    /// Sources that may be published; empty means all.
    pub publish_sources: BTreeSet<Source>,
    /// May change its own name, metadata and attributes.
    pub can_update_metadata: bool,
    /// Is not shown to others.
    pub hidden: bool,
    /// Is a recorder.
    pub recorder: bool,
}

impl Default for Permission {
    fn default() -> Self {
        Self {
            can_publish: true,
            can_subscribe: true,
            can_publish_data: true,
            publish_sources: BTreeSet::new(),
            can_update_metadata: false,
            hidden: false,
            recorder: false,
        }
    }
}

impl Permission {
    /// Whether a track from `source` may be published.
    #[must_use]
    pub fn allows_source(&self, source: Source) -> bool {
        self.can_publish
            && (self.publish_sources.is_empty() || self.publish_sources.contains(&source))
    }
}

/// What kind of program a participant is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum ParticipantKind {
    /// A person's client.
    #[default]
    Standard,
    /// A stream brought in by WHIP or RTMP.
    Ingress,
    /// A recorder or mixer.
    Egress,
    /// A telephone bridge.
    Sip,
    /// A programmed participant.
    Agent,
}

/// Administrative rights of a token, and the room it is good for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// May join `room`.
    pub room_join: bool,
    /// May create and delete rooms.
    pub room_create: bool,
    /// May list rooms.
    pub room_list: bool,
    /// May moderate `room`.
    pub room_admin: bool,
    /// May start recordings.
    pub room_record: bool,
    /// The room the token is good for; empty means none named.
    pub room: Option<RoomName>,
    /// Where participants may be moved or forwarded to.
    pub destination_room: Option<RoomName>,
    /// Rights inside the room.
    pub permission: Permission,
    /// What kind of participant joins with it.
    pub kind: ParticipantKind,
    /// Display name.
    pub name: String,
    /// Application data shown to all.
    pub metadata: String,
    /// Application key-value data shown to all.
    pub attributes: BTreeMap<String, String>,
}

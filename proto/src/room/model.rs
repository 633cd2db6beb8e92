//! The nouns of a room as replicas hold them and events carry them.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    grant::{ParticipantKind, Permission},
    id::{Identity, NodeId, ParticipantSid, RoomName, RoomSid, TrackSid},
    media::{Codec, Encoding, MediaKind, Source},
    time::LogTime,
};

/// Longest identity, room name or display name, in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// Largest metadata of a room or participant, in bytes.
pub const METADATA_BYTES_MAX: usize = 512 * 1024;
/// Largest attributes of a participant, keys and values together, in bytes.
pub const ATTRIBUTES_BYTES_MAX: usize = 64 * 1024;
/// Most tracks one participant may publish at once.
pub const PUBLICATIONS_MAX: usize = 64;
/// Most participants a room may hold when its settings do not say less.
pub const PARTICIPANTS_MAX: u32 = 10_000;

/// What a room is created with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomSettings {
    /// An opened room closes when nobody came for this long.
    pub empty_timeout: Duration,
    /// A room closes when everybody has been gone for this long.
    pub departure_timeout: Duration,
    /// Most participants, recorders and agents not counted; 0 means [`PARTICIPANTS_MAX`].
    pub participants_max: u32,
    /// Application data shown to all, at most [`METADATA_BYTES_MAX`].
    pub metadata: String,
}

impl Default for RoomSettings {
    /// The field's values: 300 s and 20 s, no limit of its own.
    fn default() -> Self {
        Self {
            empty_timeout: Duration::from_secs(300),
            departure_timeout: Duration::from_secs(20),
            participants_max: 0,
            metadata: String::new(),
        }
    }
}

/// An open room, without its roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// This opening.
    pub sid: RoomSid,
    /// Its name.
    pub name: RoomName,
    /// What it was created with, or changed to.
    pub settings: RoomSettings,
    /// When it opened.
    pub created_at: LogTime,
    /// Participants that count: neither hidden nor recorders nor agents.
    pub participants: u32,
    /// Participants with at least one publication.
    pub publishers: u32,
    /// Whether a recorder is present.
    pub recording: bool,
}

/// How far a participant's connection has come.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum ParticipantState {
    /// Signalling is up, media is not.
    #[default]
    Joined,
    /// Media is up.
    Active,
    /// Gone; carried only by events.
    Disconnected,
}

/// One session of an identity in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// This session.
    pub sid: ParticipantSid,
    /// The user behind it.
    pub identity: Identity,
    /// Display name.
    pub name: String,
    /// Application data shown to all.
    pub metadata: String,
    /// Application key-value data shown to all.
    pub attributes: BTreeMap<String, String>,
    /// What kind of program it is.
    pub kind: ParticipantKind,
    /// How far its connection has come.
    pub state: ParticipantState,
    /// What it may do.
    pub permission: Permission,
    /// When it joined.
    pub joined_at: LogTime,
    /// Rises with every change, so that late updates can be told from new ones.
    pub version: u32,
    /// The node that carries it.
    pub node: NodeId,
    /// Whether new tracks of others are subscribed by themselves.
    pub auto_subscribe: bool,
    /// What its client can do with other clients.
    pub client: ClientTraits,
    /// Its publications.
    pub publications: BTreeMap<TrackSid, Publication>,
    /// Who may subscribe to its publications.
    pub audience: Audience,
}

impl Participant {
    /// Somebody who has just come, with every right and nothing else to say.
    #[must_use]
    pub fn new(sid: ParticipantSid, identity: Identity) -> Self {
        Self {
            sid,
            identity,
            name: String::new(),
            metadata: String::new(),
            attributes: BTreeMap::new(),
            kind: ParticipantKind::Standard,
            state: ParticipantState::Joined,
            permission: Permission::default(),
            joined_at: LogTime(0),
            version: 0,
            node: NodeId(0),
            auto_subscribe: true,
            client: ClientTraits::default(),
            publications: BTreeMap::new(),
            audience: Audience::All,
        }
    }
}

/// One track of one participant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// This publication.
    pub sid: TrackSid,
    /// What it carries.
    pub kind: MediaKind,
    /// Where it comes from.
    pub source: Source,
    /// Its name, chosen by the publisher.
    pub name: String,
    /// Whether the publisher or a moderator muted it.
    pub muted: bool,
    /// Codec that is sent, once known.
    pub codec: Option<Codec>,
    /// Announced encodings, smallest first; one for a track without simulcast, none for sound.
    pub encodings: Vec<Encoding>,
    /// Group of tracks that are played in step; empty for the default.
    pub stream: String,
    /// Sound has two channels.
    pub stereo: bool,
    /// Discontinuous transmission is off.
    pub disable_dtx: bool,
    /// Redundant audio must not be used (frames are encrypted end to end).
    pub disable_red: bool,
    /// End-to-end encryption as the client numbers it: 0 none, 1 GCM, 2 custom. Opaque here.
    pub encryption: i32,
    /// Audio features as the client numbers them. Opaque here.
    pub audio_features: Vec<i32>,
    /// A codec sent beside `codec` for those who cannot decode it, once announced.
    pub backup_codec: Option<Codec>,
}

impl Publication {
    /// A track of which only this is known.
    #[must_use]
    pub const fn new(sid: TrackSid, kind: MediaKind, source: Source) -> Self {
        Self {
            sid,
            kind,
            source,
            name: String::new(),
            muted: false,
            codec: None,
            encodings: Vec::new(),
            stream: String::new(),
            stereo: false,
            disable_dtx: false,
            disable_red: false,
            encryption: 0,
            audio_features: Vec::new(),
            backup_codec: None,
        }
    }
}

/// Who may subscribe to a participant's publications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Audience {
    /// Everybody.
    #[default]
    All,
    /// Only those named.
    Only(BTreeMap<Identity, TrackAccess>),
}

/// Which of a participant's tracks somebody may subscribe to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrackAccess {
    /// Every track.
    All,
    /// Only these.
    Only(BTreeSet<TrackSid>),
}

/// What a participant's client announced to other clients. Opaque here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientTraits {
    /// Version of the client-to-client protocol.
    pub protocol: i32,
    /// Capabilities, by the client's numbers.
    pub capabilities: Vec<i32>,
}

impl Audience {
    /// Whether `subscriber` may receive `track`.
    #[must_use]
    pub fn admits(&self, subscriber: &Identity, track: &TrackSid) -> bool {
        match self {
            Self::All => true,
            Self::Only(named) => match named.get(subscriber) {
                None => false,
                Some(TrackAccess::All) => true,
                Some(TrackAccess::Only(tracks)) => tracks.contains(track),
            },
        }
    }
}

impl Participant {
    /// Whether it counts towards a room's limit and size.
    #[must_use]
    pub fn counts(&self) -> bool {
        let helper = matches!(self.kind, ParticipantKind::Egress | ParticipantKind::Agent);
        !helper && !self.permission.hidden && !self.permission.recorder
    }
}

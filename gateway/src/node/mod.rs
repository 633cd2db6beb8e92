//! What the doors ask of the node and what they hear back.
//!
//! The gateway holds no room state. It sends [`Request`]s over one bounded queue and receives each
//! session's [`SessionEvent`]s over a bounded queue of its own; a session that does not drain its queue is ended
//! by the node with [`Leave`] and a counter, never buffered without bound.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proto::{
    error::{ErrorCode, Retry},
    grant::Grant,
    id::{Identity, ParticipantSid, RoomName, TrackSid},
    media::{Codec, ConnectionQuality, Delivery, MediaKind, Mid, Quality, ViewSettings},
    room::{LeaveReason, Participant, Publication, Room, RoomSettings, model::Audience},
};
use tokio::sync::{mpsc, oneshot};

mod call;

pub use self::call::{Answer, Call};

/// Why the node refused, ready for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Stable code.
    pub code: ErrorCode,
    /// What happened and what to do, for people. Holds no internals.
    pub message: String,
    /// Whether trying again makes sense.
    pub retry: Retry,
}

/// The queue towards the node.
pub type Requests = mpsc::Sender<Request>;

/// The answer's way back. Dropped without an answer: the node is stopping.
pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// Anything a door asks of the node.
#[derive(Debug)]
pub enum Request {
    /// A participant wants in.
    Join {
        /// Who, and how.
        join: Box<Join>,
        /// Answered when the participant is in the room.
        reply: Reply<Joined>,
    },
    /// Whether a join would be let in; nothing changes.
    Validate {
        /// The room.
        room: RoomName,
        /// Answered at once.
        reply: Reply<()>,
    },
    /// A message of a session that joined. Not answered; results come as [`SessionEvent`]s.
    Session {
        /// Whose.
        session: ParticipantSid,
        /// What.
        message: Message,
    },
    /// A call of an administrator or back end; rights were already checked.
    Api {
        /// What.
        call: Call,
        /// Answered when done.
        reply: Reply<Answer>,
    },
}

/// A participant that wants in. The token was already checked.
#[derive(Debug)]
pub struct Join {
    /// The room it wants into.
    pub room: RoomName,
    /// Who it is.
    pub identity: Identity,
    /// Its rights and description.
    pub grant: Grant,
    /// One peer connection or two.
    pub single_pc: bool,
    /// Whether others' tracks are subscribed by themselves.
    pub auto_subscribe: bool,
    /// Opaque client-to-client protocol number.
    pub client_protocol: i32,
    /// Opaque client-to-client capabilities.
    pub capabilities: Vec<i32>,
    /// Codecs the client is allowed to use here.
    pub codecs: Vec<Codec>,
    /// Settings for the room if it has to be opened; `None`: the configured defaults.
    pub create: Option<RoomSettings>,
    /// Where the session's events go.
    pub events: mpsc::Sender<SessionEvent>,
}

/// A participant that is in.
#[derive(Debug)]
pub struct Joined {
    /// Itself.
    pub participant: Participant,
    /// Its room.
    pub room: Room,
    /// Everybody else that is not hidden.
    pub others: Vec<Participant>,
}

/// Which peer connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pc {
    /// The one the client offers on.
    Publisher,
    /// The one the node offers on, in dual mode.
    Subscriber,
}

/// A track that a client is about to publish.
#[derive(Clone, Debug)]
pub struct PublishIntent {
    /// The client's own id of the track, also found in its offer.
    pub cid: String,
    /// What will be published; `sid` is minted by the node and empty here.
    pub publication: Publication,
    /// The sid of the publication this cid belongs to as a second codec, if it is one.
    pub backup_of: Option<TrackSid>,
}

/// A message of a session.
#[derive(Debug)]
pub enum Message {
    /// The client's offer; `sending` maps its sending sections to the client's track ids.
    Offer {
        /// Echoed in [`SessionEvent::Answer`].
        request: u32,
        /// The description.
        sdp: String,
        /// Sections the client sends on, with its track id and kind.
        sending: Vec<(Mid, String, MediaKind)>,
    },
    /// The client's answer to the node's last offer.
    Answer {
        /// The description.
        sdp: String,
    },
    /// A candidate of the client.
    Candidate {
        /// For which connection.
        pc: Pc,
        /// In `candidate:` form.
        candidate: String,
    },
    /// A track will come. Answered by [`SessionEvent::Published`] or [`SessionEvent::PublishRefused`].
    Publish(Box<PublishIntent>),
    /// A track of its own ends.
    Unpublish {
        /// Which.
        track: TrackSid,
    },
    /// A track of its own is muted or unmuted.
    Mute {
        /// Which.
        track: TrackSid,
        /// The new state.
        muted: bool,
    },
    /// Subscribes or unsubscribes.
    Subscribe {
        /// Which tracks.
        tracks: BTreeSet<TrackSid>,
        /// The new state.
        subscribed: bool,
    },
    /// What it wants of tracks it receives.
    View {
        /// Which tracks.
        tracks: Vec<TrackSid>,
        /// How.
        settings: ViewSettings,
    },
    /// Who may subscribe to its tracks.
    SetAudience {
        /// The new audience.
        audience: Audience,
    },
    /// Changes its own name, data or attributes. Answered by [`SessionEvent::Updated`].
    Update {
        /// Echoed in the answer.
        request: u32,
        /// New name, if any.
        name: Option<String>,
        /// New metadata, if any.
        metadata: Option<String>,
        /// Attributes to set; empty values delete.
        attributes: BTreeMap<String, String>,
    },
    /// Audio features of a track of its own.
    UpdateTrack {
        /// Which.
        track: TrackSid,
        /// As the client numbers them.
        audio_features: Vec<i32>,
    },
    /// A data message, already rewritten for its receivers.
    Data {
        /// How.
        delivery: Delivery,
        /// To whom; empty: everybody else.
        to: Vec<Identity>,
        /// What.
        payload: Bytes,
    },
    /// The client came back on a new socket: an ICE restart follows from its side, or is wanted from ours in dual mode.
    Resumed,
    /// It goes.
    Leave {
        /// Why.
        reason: LeaveReason,
    },
    /// A fault for demonstrations, only in `--dev`.
    Simulate(Simulation),
}

/// Faults a client may ask for in `--dev`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Simulation {
    /// Everybody in the room seems to speak for this many seconds.
    Speakers {
        /// How long.
        seconds: u32,
    },
    /// The node forgets the session, as if it had died.
    NodeFailure,
    /// Caps what the session is sent, in bits per second; 0 lifts the cap.
    SubscriberBandwidth {
        /// The cap.
        bps: u64,
    },
}

/// A media section as negotiated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Which.
    pub mid: Mid,
    /// What it carries.
    pub kind: MediaKind,
    /// Whether the client sends on it.
    pub inbound: bool,
    /// What the client receives on it: its owner and itself.
    pub outbound: Option<(ParticipantSid, TrackSid)>,
}

/// Something a session's client should know.
#[derive(Clone, Debug)]
pub enum SessionEvent {
    /// The answer to the client's offer. Names of outbound tracks are already in the text.
    Answer {
        /// Of which request.
        request: u32,
        /// The description.
        sdp: String,
        /// What each section carries, in SDP order.
        sections: Vec<Section>,
    },
    /// The node's offer (dual mode).
    Offer {
        /// The description.
        sdp: String,
        /// What each section carries, in SDP order.
        sections: Vec<Section>,
    },
    /// The client should add receiving sections and offer again; 0 and 0: only offer again (single mode).
    SectionsNeeded {
        /// For sound.
        audio: u32,
        /// For pictures.
        video: u32,
    },
    /// A session description or candidate was refused.
    NegotiationRefused {
        /// Of which request, for an offer.
        request: Option<u32>,
        /// Why.
        refusal: Refusal,
    },
    /// A track of its own was accepted.
    Published {
        /// The client's own id.
        cid: String,
        /// The publication with its sid.
        publication: Publication,
    },
    /// A track of its own was refused.
    PublishRefused {
        /// The client's own id.
        cid: String,
        /// Why.
        refusal: Refusal,
    },
    /// A track of its own ended by decision of the node or a moderator.
    Unpublished {
        /// Which.
        track: TrackSid,
    },
    /// A moderator muted or unmuted a track of its own.
    Muted {
        /// Which.
        track: TrackSid,
        /// The new state.
        muted: bool,
    },
    /// Participants changed, came or went; itself included.
    Participants(Vec<Participant>),
    /// The room changed.
    Room(Room),
    /// Its rights changed: itself, with the new ones. A new token is due.
    Permission(Participant),
    /// Loudness of others (and itself) changed.
    Speakers(Vec<Speaker>),
    /// Connection quality of participants.
    Quality(Vec<(ParticipantSid, ConnectionQuality, f32)>),
    /// Congestion paused tracks it receives, or they go on.
    StreamState(Vec<(ParticipantSid, TrackSid, bool)>),
    /// Somebody receives a track of its own for the first time.
    FirstSubscriber {
        /// Which.
        track: TrackSid,
    },
    /// Which encodings of a track of its own somebody wants; none wanted: `None`.
    Wanted {
        /// Which.
        track: TrackSid,
        /// Of which codec.
        codec: Option<Codec>,
        /// The largest wanted.
        quality_max: Option<Quality>,
    },
    /// A publisher allowed or forbade it a track.
    Access {
        /// Whose.
        publisher: ParticipantSid,
        /// Which.
        track: TrackSid,
        /// Whether it is allowed.
        allowed: bool,
    },
    /// A subscription cannot be served.
    SubscriptionRefused {
        /// Which track.
        track: TrackSid,
        /// Why.
        refusal: Refusal,
    },
    /// The answer to [`Message::Update`].
    Updated {
        /// Of which request.
        request: u32,
        /// Done, or why not.
        result: Result<(), Refusal>,
    },
    /// A data message of this session's own client, to be rewritten and sent back as [`Message::Data`].
    DataFromClient {
        /// How it came.
        delivery: Delivery,
        /// What.
        payload: Bytes,
    },
    /// It has been moved to another room; everything of the old room is void. The client keeps its connections.
    Moved(Box<Moved>),
    /// The session is over; nothing follows.
    Leave(Leave),
}

/// Where a session was moved.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The new room.
    pub room: Room,
    /// Itself, with its new sid.
    pub participant: Participant,
    /// Everybody else there.
    pub others: Vec<Participant>,
}

/// How loud a participant is.
#[derive(Clone, Debug, PartialEq)]
pub struct Speaker {
    /// Who.
    pub sid: ParticipantSid,
    /// Loudness, 0.0..=1.0.
    pub level: f32,
    /// Whether it speaks.
    pub active: bool,
}

/// How a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leave {
    /// Why.
    pub reason: LeaveReason,
    /// Whether the client should join again by itself.
    pub rejoin: bool,
}

//! What the node says to a shard and what it hears back. Both directions are bounded queues.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use proto::{
    id::{PeerId, ShardId, TrackKey},
    media::{
        Codec, ConnectionQuality, Delivery, Encoding, MediaKind, Mid, Quality, Source, ViewSettings,
    },
    unit::Bitrate,
};

/// Which of a peer's connections is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pc {
    /// The one the client offers on: carries what it publishes, and in single mode everything.
    Publisher,
    /// The one the shard offers on in dual mode: carries what the client subscribes to.
    Subscriber,
}

/// How a peer is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerMode {
    /// One connection, the client offers; subscriptions use sections the client made.
    Single,
    /// Two connections; the shard offers on the subscriber's.
    Dual,
}

/// What is known of a peer when it comes.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// One connection or two.
    pub mode: PeerMode,
    /// Codecs the client may be sent and may send.
    pub codecs: Vec<Codec>,
    /// Whether data channels are opened on the subscriber connection in dual mode.
    pub data: bool,
}

/// What the media plane needs to know of a publication.
#[derive(Clone, Debug)]
pub struct TrackSpec {
    /// What it carries.
    pub kind: MediaKind,
    /// Where it comes from; decides default priority.
    pub source: Source,
    /// Announced encodings, smallest first; may be empty.
    pub encodings: Vec<Encoding>,
    /// Redundant audio must not be used.
    pub disable_red: bool,
    /// Nothing is forwarded while muted.
    pub muted: bool,
    /// The publisher may not pause sending in silence (Opus DTX is left out of the answer).
    pub disable_dtx: bool,
    /// Two channels of sound: both ends are told so, and the publisher gets a higher rate.
    pub stereo: bool,
}

/// The names a subscribed track gets in SDP: `a=msid:{stream} {track}`. Token characters, at most 64 each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msid {
    /// Stream id.
    pub stream: Arc<str>,
    /// Track id.
    pub track: Arc<str>,
}

/// A request of the node to the shard that owns the peer or track it names.
#[derive(Debug)]
pub enum Command {
    /// A peer comes.
    Open {
        /// Its id, chosen by the node.
        peer: PeerId,
        /// What is known of it.
        config: PeerConfig,
    },
    /// A peer goes; everything it published or received ends.
    Close {
        /// Which.
        peer: PeerId,
    },
    /// The client's offer on its publisher connection. Answered by [`Event::Answer`] or [`Event::Refused`].
    Offer {
        /// Whose.
        peer: PeerId,
        /// Echoed in the answer.
        request: u32,
        /// The description.
        sdp: String,
    },
    /// The client's answer to the shard's last offer.
    Answer {
        /// Whose.
        peer: PeerId,
        /// The description.
        sdp: String,
    },
    /// A candidate of the client, in `candidate:` form; an empty one is ignored.
    Candidate {
        /// Whose.
        peer: PeerId,
        /// For which connection.
        pc: Pc,
        /// The candidate.
        candidate: String,
    },
    /// The client lost its network or signalling: in dual mode the shard offers again with new ICE credentials.
    Restart {
        /// Whose.
        peer: PeerId,
    },
    /// What arrives on `mid` of the publisher connection is `track`. May come before the offer that makes the section.
    Publish {
        /// Whose.
        peer: PeerId,
        /// On which section.
        mid: Mid,
        /// The track's key, chosen by the node.
        track: TrackKey,
        /// What is known of it.
        spec: TrackSpec,
    },
    /// A track ends; every subscription to it ends too.
    Unpublish {
        /// Which.
        track: TrackKey,
    },
    /// Media of a track stops or goes on by wish of its publisher or a moderator.
    Mute {
        /// Which.
        track: TrackKey,
        /// The new state.
        muted: bool,
    },
    /// A peer of this shard is to receive a track that may be published on another shard.
    Subscribe {
        /// Who.
        peer: PeerId,
        /// What.
        track: TrackKey,
        /// Where it is published.
        home: ShardId,
        /// What is known of it.
        spec: TrackSpec,
        /// Its names in SDP.
        msid: Msid,
    },
    /// A peer no longer receives a track.
    Unsubscribe {
        /// Who.
        peer: PeerId,
        /// What.
        track: TrackKey,
    },
    /// What a peer wants of a track.
    View {
        /// Who.
        peer: PeerId,
        /// What.
        track: TrackKey,
        /// How.
        settings: ViewSettings,
    },
    /// A data message to several peers of this shard.
    Send {
        /// To whom.
        peers: Vec<PeerId>,
        /// How.
        delivery: Delivery,
        /// What.
        payload: Bytes,
    },
    /// A fault for tests and demonstrations: caps what the peer is sent. `None` lifts the cap.
    LimitBandwidth {
        /// Whose.
        peer: PeerId,
        /// The cap.
        limit: Option<Bitrate>,
    },
    /// Ends the thread after closing every peer.
    Stop,
}

/// A media section as it is assigned after a negotiation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Which.
    pub mid: Mid,
    /// What it carries.
    pub kind: MediaKind,
    /// Whether the client sends on it.
    pub inbound: bool,
    /// What the client receives on it, and its names; `None`: nothing.
    pub outbound: Option<(TrackKey, Msid)>,
}

/// Something the node should know.
#[derive(Debug)]
pub enum Event {
    /// The answer to [`Command::Offer`]. Names of outbound tracks are already in the text.
    Answer {
        /// For whom.
        peer: PeerId,
        /// Of which request.
        request: u32,
        /// The description.
        sdp: String,
        /// What each media section carries, in SDP order.
        sections: Vec<Section>,
    },
    /// A description could not be used.
    Refused {
        /// Whose.
        peer: PeerId,
        /// Of which request; `None` for an answer or candidate.
        request: Option<u32>,
        /// Why.
        error: crate::Error,
    },
    /// The shard's offer on the subscriber connection. One is outstanding at a time.
    Offer {
        /// For whom.
        peer: PeerId,
        /// The description.
        sdp: String,
        /// What each media section carries, in SDP order.
        sections: Vec<Section>,
    },
    /// In single mode the client must add this many receiving sections and offer again; 0 and 0: only offer again.
    SectionsNeeded {
        /// Who.
        peer: PeerId,
        /// How many for sound.
        audio: u32,
        /// How many for pictures.
        video: u32,
    },
    /// A connection came up (ICE and DTLS).
    Connected {
        /// Whose.
        peer: PeerId,
        /// Which.
        pc: Pc,
    },
    /// A connection was up and lost its path; it may come back.
    Disconnected {
        /// Whose.
        peer: PeerId,
        /// Which.
        pc: Pc,
    },
    /// The peer's transport failed for good; the shard has dropped it.
    Failed {
        /// Whose.
        peer: PeerId,
        /// Why.
        error: crate::Error,
    },
    /// A data message from a peer.
    Data {
        /// Whose.
        peer: PeerId,
        /// How it came.
        delivery: Delivery,
        /// What.
        payload: Bytes,
    },
    /// The first packet of an encoding arrived.
    MediaStarted {
        /// Of which track.
        track: TrackKey,
        /// Which encoding.
        quality: Quality,
        /// Codec that arrives.
        codec: Codec,
    },
    /// Loudness of speaking tracks changed. Only changes; active false ends one.
    Speakers {
        /// What changed.
        changes: Vec<SpeakerChange>,
    },
    /// The encodings of a track that somebody wants changed (highest wanted; `None`: nobody wants any).
    Wanted {
        /// Which track.
        track: TrackKey,
        /// The largest encoding wanted by anybody.
        quality_max: Option<Quality>,
    },
    /// Congestion paused a subscription, or it goes on.
    StreamState {
        /// Whose.
        peer: PeerId,
        /// What.
        track: TrackKey,
        /// Whether it is paused.
        paused: bool,
    },
    /// A subscription's first packet was sent.
    Subscribed {
        /// Who.
        peer: PeerId,
        /// What.
        track: TrackKey,
    },
    /// Connection quality of a peer changed.
    Quality {
        /// Whose.
        peer: PeerId,
        /// How good it is.
        quality: ConnectionQuality,
        /// Score, 1.0..=5.0 like a mean opinion score.
        score: f32,
    },
}

/// Loudness of one track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpeakerChange {
    /// Whose sound.
    pub track: TrackKey,
    /// Loudness, 0.0..=1.0, in eighths.
    pub level: f32,
    /// Whether it counts as speaking.
    pub active: bool,
}

/// Where a shard listens.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// This shard.
    pub shard: ShardId,
    /// How many shards the node runs.
    pub shards: u8,
    /// The UDP address to bind; its port is this shard's own.
    pub udp: SocketAddr,
    /// Addresses put into candidates, each with this shard's UDP port (the bound address when empty).
    pub announce: Vec<SocketAddr>,
    /// Addresses of the shared ICE-TCP listener put into candidates; empty: no TCP.
    pub announce_tcp: Vec<SocketAddr>,
    /// Rate that a peer's bandwidth estimation starts from; `None`: no estimation (benchmarks).
    pub bwe_start: Option<Bitrate>,
}

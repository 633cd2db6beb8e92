//! A peer: one client with its connections, what it publishes and what it receives. The one seam to the
//! connection library: its types stop in this folder.

mod config;
mod connection;
mod data;
mod downlink;
mod extension;
mod health;
mod negotiation;
mod timeline;
mod uplink;

pub(crate) use config::{Seat, Shared};
pub(crate) use connection::{Connection, Happening, Sink};
pub(crate) use data::Payload;
pub(crate) use downlink::Occupant;
pub(crate) use health::Meter;
use proto::{
    id::{PeerId, TrackKey},
    media::{MediaKind, ViewSettings},
    time::Instant,
    unit::Bitrate,
};
use sfu_core::input::SlotId;
pub(crate) use uplink::{Binding, Burst};

use crate::api::{Msid, PeerConfig, PeerMode};

/// Tracks one peer may receive at most.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 512;

/// Tracks one peer may publish at most.
pub(crate) const PUBLICATIONS_MAX: usize = 64;

/// One client.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) config: PeerConfig,
    /// Slot of the connection the client offers on.
    pub(crate) publisher: usize,
    /// Slot of the connection the shard offers on, in dual mode.
    pub(crate) subscriber: Option<usize>,
    pub(crate) subscriptions: Vec<Subscription>,
    /// Sections asked for and not offered yet: sound, pictures.
    pub(crate) asked: (u32, u32),
    /// The client was asked to offer again and has not yet.
    pub(crate) reoffer_asked: bool,
    /// It is listed among the peers whose descriptions may have to be renewed.
    pub(crate) stale: bool,
    /// The shard's next offer restarts ICE.
    pub(crate) restart: bool,
    pub(crate) meter: Meter,
    /// What can be sent to it, as measured.
    pub(crate) estimate: Option<Bitrate>,
    /// Until when the estimate is not believed below the start rate; `None` before it is connected.
    pub(crate) starts_until: Option<Instant>,
    /// That time has passed.
    pub(crate) started: bool,
    /// What may be sent to it, when that is capped.
    pub(crate) limit: Option<Bitrate>,
}

/// A track that a peer is to receive.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) track: TrackKey,
    pub(crate) kind: MediaKind,
    pub(crate) stereo: bool,
    pub(crate) msid: Msid,
    pub(crate) view: ViewSettings,
    pub(crate) place: Place,
}

/// Where a subscription has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// No section for it yet.
    Waiting,
    /// It has a section, which the client does not know yet.
    Assigned,
    /// The client knows; packets flow on this slot.
    Live(SlotId),
}

impl Peer {
    /// Slot of the connection that carries what the client receives.
    pub(crate) fn downlink(&self) -> usize {
        self.subscriber.unwrap_or(self.publisher)
    }

    /// Slots of all connections of the peer.
    pub(crate) fn connections(&self) -> impl Iterator<Item = usize> + use<> {
        [Some(self.publisher), self.subscriber].into_iter().flatten()
    }

    pub(crate) fn is_dual(&self) -> bool {
        self.config.mode == PeerMode::Dual
    }

    pub(crate) fn subscription(&mut self, track: TrackKey) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|subscription| subscription.track == track)
    }
}

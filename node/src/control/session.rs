//! What this node holds of one session besides its replicated participant.

use std::collections::{BTreeMap, BTreeSet};

use gateway::node::SessionEvent;
use proto::{
    id::{Identity, ParticipantSid, PeerId, RoomName, ShardId, TrackSid},
    media::{MediaKind, Mid, ViewSettings},
    room::Publication,
    time::LogTime,
};
use tokio::sync::mpsc;

/// Tracks announced but not yet found in an offer, per session.
pub(crate) const PENDING_MAX: usize = 32;
/// View settings remembered per session.
pub(crate) const VIEWS_MAX: usize = 4096;

/// A participant whose signalling and media are on this node.
#[derive(Debug)]
pub(crate) struct Session {
    /// Its room.
    pub(crate) room: RoomName,
    /// Who it is.
    pub(crate) identity: Identity,
    /// Its session id.
    pub(crate) sid: ParticipantSid,
    /// Its transport endpoint.
    pub(crate) peer: PeerId,
    /// The shard that carries it.
    pub(crate) shard: ShardId,
    /// Whether it uses two peer connections.
    pub(crate) dual: bool,
    /// Whether it has been seen with media up.
    pub(crate) activation: Activation,
    /// Where its events go.
    pub(crate) events: mpsc::Sender<SessionEvent>,
    /// What it publishes or is about to.
    pub(crate) uplink: Uplink,
    /// What it receives.
    pub(crate) downlink: Downlink,
}

/// How far a session's media has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Media must be up by then, or the session ends.
    Waiting {
        /// The deadline.
        until: LogTime,
    },
    /// Media has been up.
    Active,
}

/// A session's publications and candidates for them.
#[derive(Debug, Default)]
pub(crate) struct Uplink {
    /// Announced by the client, not yet in an offer; by the client's id.
    pub(crate) pending: BTreeMap<String, Publication>,
    /// In the client's last offer: the client's id and kind of each sending section.
    pub(crate) offered: BTreeMap<Mid, (String, MediaKind)>,
    /// Announced and offered: published, or being published.
    pub(crate) bound: BTreeMap<Mid, Bound>,
    /// Tracks whose first subscriber was reported.
    pub(crate) heard: BTreeSet<TrackSid>,
}

/// A publication bound to a section of the client's offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// The publication.
    pub(crate) track: TrackSid,
    /// The client's id of it.
    pub(crate) cid: String,
}

/// A session's subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Downlink {
    /// Subscriptions that the shard knows.
    pub(crate) tracks: BTreeSet<TrackSid>,
    /// What the client wants of tracks, subscribed or not yet.
    pub(crate) views: BTreeMap<TrackSid, ViewSettings>,
}

impl Uplink {
    /// The section a publication is bound to.
    pub(crate) fn mid_of(&self, track: &TrackSid) -> Option<Mid> {
        self.bound.iter().find(|(_, bound)| bound.track == *track).map(|(mid, _)| *mid)
    }

    /// Sections whose publication is no longer sent: gone from the offer, or carrying another announced track.
    ///
    /// Another id alone does not end it: browsers change ids when a device is replaced.
    pub(crate) fn ended(&self) -> Vec<(Mid, TrackSid)> {
        let gone = |mid: &Mid, bound: &Bound| match self.offered.get(mid) {
            None => true,
            Some((cid, _)) => *cid != bound.cid && self.pending.contains_key(cid),
        };
        self.bound
            .iter()
            .filter(|(mid, bound)| gone(mid, bound))
            .map(|(mid, bound)| (*mid, bound.track.clone()))
            .collect()
    }

    /// Takes every announced publication that the last offer carries. The doors have already found out which
    /// announcement a section stands for.
    pub(crate) fn bindable(&mut self) -> Vec<(Mid, String, Publication)> {
        let free = self.offered.iter().filter(|(mid, _)| !self.bound.contains_key(*mid));
        free.filter_map(|(mid, (cid, _))| Some((*mid, cid.clone(), self.pending.remove(cid)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proto::media::Source;

    use super::*;

    fn publication(kind: MediaKind, sid: &str) -> Publication {
        Publication::new(sid.into(), kind, Source::Unknown)
    }

    fn mid(text: &str) -> Mid {
        Mid::new(text).unwrap()
    }

    #[test]
    fn an_announced_track_binds_to_the_section_that_names_it() {
        let mut uplink = Uplink::default();
        uplink.pending.insert("cam".into(), publication(MediaKind::Video, "TR_1"));
        assert!(uplink.bindable().is_empty());
        uplink.offered.insert(mid("3"), ("cam".into(), MediaKind::Video));
        let bound = uplink.bindable();
        assert_eq!(bound.len(), 1);
        assert_eq!(bound[0].0, mid("3"));
        assert!(uplink.pending.is_empty());
    }

    #[test]
    fn a_publication_ends_when_its_section_sends_nothing_or_something_else() {
        let mut uplink = Uplink::default();
        let bound = Bound { track: "TR_1".into(), cid: "cam".into() };
        uplink.bound.insert(mid("3"), bound);
        uplink.offered.insert(mid("3"), ("cam".into(), MediaKind::Video));
        assert!(uplink.ended().is_empty());
        uplink.offered.insert(mid("3"), ("screen".into(), MediaKind::Video));
        assert!(uplink.ended().is_empty(), "a changed id alone ends nothing");
        uplink.pending.insert("screen".into(), publication(MediaKind::Video, "TR_2"));
        assert_eq!(uplink.ended(), vec![(mid("3"), "TR_1".into())]);
        uplink.offered.clear();
        assert_eq!(uplink.ended().len(), 1);
    }
}

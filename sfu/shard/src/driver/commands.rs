//! What the node asks.

use proto::{
    id::{PeerId, TrackKey},
    media::{Delivery, Mid, Quality, ViewSettings},
};
use sfu_core::input::{Input, SubscriberId};

use super::{
    ingest::link_id,
    state::{Origin, Shard, Track},
};
use crate::{
    api::{Command, Event, Msid, Pc, PeerConfig, PeerMode, TrackSpec},
    counters::Drop,
    error::Error,
    link::Message,
    peer::{
        Binding, Connection, Meter, PUBLICATIONS_MAX, Payload, Peer, Place, SUBSCRIPTIONS_MAX,
        Subscription,
    },
};

/// Peers of one shard at most; memory, not processor time, is what they cost when idle.
const PEERS_MAX: usize = 20_000;

impl Shard {
    /// Does what the node asks.
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::Open { peer, config } => self.open_peer(peer, config),
            Command::Close { peer } => {
                if let Some(index) = self.peer_index(peer) {
                    self.close(index);
                }
            }
            Command::Offer { peer, request, sdp } => self.on_offer(peer, request, &sdp),
            Command::Answer { peer, sdp } => self.on_answer(peer, &sdp),
            Command::Candidate { peer, pc, candidate } => self.on_candidate(peer, pc, &candidate),
            Command::Restart { peer } => {
                if let Some(index) = self.peer_index(peer) {
                    if let Some(peer) = self.peers.get_mut(index) {
                        peer.restart = true;
                    }
                    self.mark_stale(index);
                }
            }
            Command::Publish { peer, mid, track, spec } => self.publish(peer, mid, track, spec),
            Command::Unpublish { track } => self.end_track(track),
            Command::Mute { track, muted } => self.mute(track, muted),
            Command::Subscribe { peer, track, home, spec, msid } => {
                self.subscribe(peer, track, home, (spec, msid));
            }
            Command::Unsubscribe { peer, track } => {
                if let Some(index) = self.peer_index(peer) {
                    self.unsubscribe(index, track);
                }
            }
            Command::View { peer, track, settings } => self.view(peer, track, settings),
            Command::Send { peers, delivery, payload } => {
                self.send_data(&peers, delivery, &payload);
            }
            Command::LimitBandwidth { peer, limit } => {
                if let Some(index) = self.peer_index(peer) {
                    if let Some(peer) = self.peers.get_mut(index) {
                        peer.limit = limit;
                    }
                    self.tell_estimate(index);
                }
            }
            // The loop ends on it before it comes here.
            Command::Stop => {}
        }
        self.on_happenings();
    }

    fn open_peer(&mut self, id: PeerId, config: PeerConfig) {
        if let Some(index) = self.peer_index(id) {
            self.close(index);
        }
        if self.peers.len() >= PEERS_MAX {
            let error = Error::Full { what: "peers", max: PEERS_MAX };
            return self.event(Event::Failed { peer: id, error });
        }
        let index = self.peers.vacant_key();
        let publisher = self.open_connection(index, Pc::Publisher, &config);
        let dual = config.mode == PeerMode::Dual;
        let subscriber = dual.then(|| self.open_connection(index, Pc::Subscriber, &config));
        self.peers.insert(Peer {
            id,
            config,
            publisher,
            subscriber,
            subscriptions: Vec::new(),
            asked: (0, 0),
            reoffer_asked: false,
            stale: false,
            restart: false,
            meter: Meter::new(self.now.us),
            estimate: None,
            starts_until: None,
            started: false,
            limit: None,
        });
        self.by_id.insert(id, index);
        self.counters.peers.set(self.peers.len() as u64);
        if let Ok(subscriber) = u32::try_from(subscriber.unwrap_or(publisher)).map(SubscriberId) {
            self.tell(Input::AddSubscriber { subscriber });
        }
        self.mark_stale(index);
    }

    fn open_connection(&mut self, owner: usize, pc: Pc, config: &PeerConfig) -> usize {
        let entry = self.connections.vacant_entry();
        let slot = entry.key();
        let connection = Connection::new(&self.seat, slot, owner, pc, config, self.now);
        self.timers.set(slot, connection.deadline());
        entry.insert(connection);
        slot
    }

    /// Ends a peer, what it published and what it received.
    pub(super) fn close(&mut self, index: usize) {
        let Some(peer) = self.peers.try_remove(index) else { return };
        self.by_id.remove(&peer.id);
        self.work.stale.retain(|stale| *stale != index);
        self.counters.peers.set(self.peers.len() as u64);
        for subscription in &peer.subscriptions {
            self.drop_slot(subscription.track, subscription.place);
        }
        if let Ok(subscriber) = u32::try_from(peer.downlink()).map(SubscriberId) {
            self.tell(Input::RemoveSubscriber { subscriber });
        }
        for slot in peer.connections() {
            let published = self.connections.get(slot).map(Connection::published);
            for track in published.unwrap_or_default() {
                self.end_track(track);
            }
            self.with(slot, |connection, sink| connection.close(sink));
            self.connections.try_remove(slot);
            self.demux.forget(slot);
            self.timers.remove(slot);
        }
    }

    fn publish(&mut self, peer: PeerId, mid: Mid, track: TrackKey, spec: TrackSpec) {
        let Some(slot) = self.peer_index(peer).and_then(|i| self.peers.get(i)).map(|p| p.publisher)
        else {
            return;
        };
        let Some(connection) = self.connections.get_mut(slot) else { return };
        if connection.bindings() >= PUBLICATIONS_MAX {
            return self.counters.drop_one(Drop::MapFull);
        }
        let mut announced: Vec<Quality> = spec.encodings.iter().map(|e| e.quality).collect();
        announced.sort_unstable();
        announced.dedup();
        let (disable_dtx, stereo) = (spec.disable_dtx, spec.stereo);
        connection.bind(Binding { mid, track, announced, disable_dtx, stereo });
        self.tell(Input::AddTrack { track, spec: core_track(&spec, true) });
        let origin = Origin::Connection(slot);
        let fresh = Track { spec: spec.clone(), origin, slots: Vec::new(), subscriptions: 0 };
        let known = self.media.tracks.entry(track).or_insert(fresh);
        (known.spec, known.origin) = (spec, origin);
        for (shard, quality) in self.media.wants.get(&track).cloned().unwrap_or_default() {
            if let Some(index) = self.link_to(shard) {
                let quality_max = Some(quality);
                self.tell(Input::Link { link: link_id(index), track, quality_max });
            }
        }
    }

    /// Ends a track here and tells the shards that receive it.
    pub(super) fn end_track(&mut self, track: TrackKey) {
        let Some(known) = self.media.tracks.remove(&track) else { return };
        for slot in &known.slots {
            self.media.slots.try_remove(slot.0 as usize);
        }
        self.tell(Input::RemoveTrack { track });
        if known.subscriptions > 0 {
            let peers: Vec<usize> = self.peers.iter().map(|(index, _)| index).collect();
            for index in peers {
                self.forget_subscription(index, track);
            }
        }
        if let Origin::Connection(slot) = known.origin {
            if let Some(connection) = self.connections.get_mut(slot) {
                connection.unbind(track);
            }
            for (shard, _) in self.media.wants.remove(&track).unwrap_or_default() {
                if let Some(index) = self.link_to(shard) {
                    self.tell_link(index, Message::Gone { track });
                }
            }
        }
    }

    pub(super) fn mute(&mut self, track: TrackKey, muted: bool) {
        let Some(known) = self.media.tracks.get_mut(&track) else { return };
        known.spec.muted = muted;
        self.tell(Input::Mute { track, muted });
        for (shard, _) in self.media.wants.get(&track).cloned().unwrap_or_default() {
            if let Some(index) = self.link_to(shard) {
                self.tell_link(index, Message::Muted { track, muted });
            }
        }
    }

    fn subscribe(
        &mut self,
        peer: PeerId,
        track: TrackKey,
        home: proto::id::ShardId,
        (spec, msid): (TrackSpec, Msid),
    ) {
        let Some(index) = self.peer_index(peer) else { return };
        let Some(peer) = self.peers.get_mut(index) else { return };
        if peer.subscription(track).is_some() {
            return;
        }
        if peer.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            return self.counters.drop_one(Drop::MapFull);
        }
        if home == self.seat.shard && !self.media.tracks.contains_key(&track) {
            tracing::debug!(%track, "a subscription to a track that is not published");
            return;
        }
        peer.subscriptions.push(Subscription {
            track,
            kind: spec.kind,
            stereo: spec.stereo,
            msid,
            view: ViewSettings::default(),
            place: Place::Waiting,
        });
        if !self.media.tracks.contains_key(&track) {
            self.tell(Input::AddTrack { track, spec: core_track(&spec, false) });
            let origin = Origin::Shard(home);
            let entry = Track { spec, origin, slots: Vec::new(), subscriptions: 0 };
            self.media.tracks.insert(track, entry);
        }
        if let Some(known) = self.media.tracks.get_mut(&track) {
            known.subscriptions += 1;
        }
        self.mark_stale(index);
    }

    fn unsubscribe(&mut self, index: usize, track: TrackKey) {
        let Some(place) = self.forget_subscription(index, track) else { return };
        self.drop_slot(track, place);
    }

    /// Takes a subscription out of its peer; returns where it had come to.
    fn forget_subscription(&mut self, index: usize, track: TrackKey) -> Option<Place> {
        let peer = self.peers.get_mut(index)?;
        let at = peer.subscriptions.iter().position(|s| s.track == track)?;
        let subscription = peer.subscriptions.remove(at);
        let downlink = peer.downlink();
        if let Some(connection) = self.connections.get_mut(downlink) {
            connection.release(track);
        }
        self.mark_stale(index);
        Some(subscription.place)
    }

    /// Ends a subscription's slot; a track of another shard ends here with its last subscription.
    fn drop_slot(&mut self, track: TrackKey, place: Place) {
        if let Place::Live(slot) = place {
            self.tell(Input::Unsubscribe { slot });
            self.media.slots.try_remove(slot.0 as usize);
        }
        let Some(known) = self.media.tracks.get_mut(&track) else { return };
        if let Place::Live(slot) = place {
            known.slots.retain(|other| *other != slot);
        }
        known.subscriptions = known.subscriptions.saturating_sub(1);
        let Origin::Shard(home) = known.origin else { return };
        if known.subscriptions == 0 {
            self.media.tracks.remove(&track);
            self.tell(Input::RemoveTrack { track });
            if let Some(index) = self.link_to(home) {
                self.tell_link(index, Message::Want { track, quality_max: None });
            }
        }
    }

    fn view(&mut self, peer: PeerId, track: TrackKey, settings: ViewSettings) {
        let peer = self.peer_index(peer).and_then(|index| self.peers.get_mut(index));
        let Some(subscription) = peer.and_then(|peer| peer.subscription(track)) else { return };
        subscription.view = settings;
        if let Place::Live(slot) = subscription.place {
            self.tell(Input::View { slot, settings });
        }
    }

    fn send_data(&mut self, peers: &[PeerId], delivery: Delivery, payload: &Payload) {
        for peer in peers {
            let peer = self.peer_index(*peer).and_then(|index| self.peers.get(index));
            let Some(slot) = peer.map(Peer::downlink) else { continue };
            self.with(slot, |connection, sink| connection.send(delivery, payload, sink));
        }
    }

    fn on_candidate(&mut self, id: PeerId, pc: Pc, candidate: &str) {
        if candidate.is_empty() {
            return;
        }
        let peer = self.peer_index(id).and_then(|index| self.peers.get(index));
        let slot = match pc {
            Pc::Publisher => peer.map(|peer| peer.publisher),
            Pc::Subscriber => peer.and_then(|peer| peer.subscriber),
        };
        let Some(slot) = slot else {
            let error = Error::NoConnection;
            return self.event(Event::Refused { peer: id, request: None, error });
        };
        if !candidate.starts_with("candidate:") {
            let error = Error::Candidate;
            return self.event(Event::Refused { peer: id, request: None, error });
        }
        self.with(slot, |connection, sink| {
            // An address this side cannot use (a local name, another component) is no fault: the client's own
            // checks show its address.
            if connection.add_candidate(candidate, sink).is_err() {
                tracing::trace!("a candidate was passed over");
            }
            Ok(())
        });
    }

    /// Ends every peer.
    pub(super) fn close_all(&mut self) {
        let peers: Vec<usize> = self.peers.iter().map(|(index, _)| index).collect();
        peers.into_iter().for_each(|index| self.close(index));
        self.finish();
    }
}

/// A track as the core wants to know it.
fn core_track(spec: &TrackSpec, home: bool) -> sfu_core::input::Track {
    let mut encodings = [None; 3];
    for encoding in &spec.encodings {
        if let Some(place) = encodings.get_mut(encoding.quality.index()) {
            *place = Some(*encoding);
        }
    }
    sfu_core::input::Track {
        kind: spec.kind,
        source: spec.source,
        encodings,
        muted: spec.muted,
        home,
    }
}

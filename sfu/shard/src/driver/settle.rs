//! Descriptions and subscriptions brought together: who gets which section, who has to be offered or asked for an offer,
//! and which subscriptions can flow.

use proto::{id::PeerId, media::MediaKind};
use sfu_core::input::{Input, SlotId, SubscriberId};

use super::state::{Shard, Slot};
use crate::{
    api::Event,
    error::Error,
    peer::{Occupant, Place, Subscription},
};

impl Shard {
    /// Brings every peer up to date whose subscriptions or connections changed.
    pub(super) fn settle(&mut self) {
        for index in std::mem::take(&mut self.work.stale) {
            let Some(peer) = self.peers.get_mut(index) else { continue };
            peer.stale = false;
            if peer.is_dual() {
                self.settle_dual(index);
            } else {
                self.settle_single(index);
            }
            self.start_ready(index);
        }
        self.on_happenings();
    }

    /// Puts waiting subscriptions into free sections; returns how many found none, sound and pictures.
    fn assign(&mut self, index: usize, grow: bool) -> (u32, u32) {
        let mut missing = (0, 0);
        let Some(peer) = self.peers.get_mut(index) else { return missing };
        let Some(connection) = self.connections.get_mut(peer.downlink()) else { return missing };
        for subscription in &mut peer.subscriptions {
            if subscription.place != Place::Waiting {
                continue;
            }
            if connection.assign(subscription.kind, occupant(subscription), grow) {
                subscription.place = Place::Assigned;
                continue;
            }
            match subscription.kind {
                MediaKind::Audio => missing.0 += 1,
                MediaKind::Video => missing.1 += 1,
            }
        }
        missing
    }

    fn settle_dual(&mut self, index: usize) {
        self.assign(index, true);
        let Some(peer) = self.peers.get_mut(index) else { return };
        let Some(slot) = peer.subscriber else { return };
        let Some(connection) = self.connections.get_mut(slot) else { return };
        let (id, data) = (peer.id, peer.config.data);
        let restart = peer.restart && connection.path().is_some();
        if connection.is_offering() || !(restart || connection.is_stale(data)) {
            return;
        }
        peer.restart = false;
        let seat = self.seat.clone();
        let offer = self.with(slot, |connection, sink| {
            let offer = connection.make_offer(&seat, data, restart);
            connection.flush(sink)?;
            Ok(offer)
        });
        if let Some(Some(offer)) = offer {
            self.event(Event::Offer { peer: id, sdp: offer.sdp, sections: offer.sections });
        }
    }

    fn settle_single(&mut self, index: usize) {
        let missing = self.assign(index, false);
        let Some(peer) = self.peers.get_mut(index) else { return };
        let Some(connection) = self.connections.get(peer.publisher) else { return };
        if connection.path().is_none() {
            // The first offer is on its way; its answer says it all.
            return;
        }
        let audio = missing.0.saturating_sub(peer.asked.0);
        let video = missing.1.saturating_sub(peer.asked.1);
        let reoffer = connection.is_stale(false) && !peer.reoffer_asked;
        if audio == 0 && video == 0 && !reoffer {
            return;
        }
        peer.asked = (peer.asked.0 + audio, peer.asked.1 + video);
        peer.reoffer_asked = true;
        let peer = peer.id;
        self.event(Event::SectionsNeeded { peer, audio, video });
    }

    /// Starts subscriptions whose section the client knows, when the path is up.
    fn start_ready(&mut self, index: usize) {
        let Some(peer) = self.peers.get(index) else { return };
        let downlink = peer.downlink();
        let assigned = peer.subscriptions.iter().filter(|s| s.place == Place::Assigned);
        let tracks: Vec<_> = assigned.map(|s| (s.track, s.view)).collect();
        for (track, settings) in tracks {
            let Some(connection) = self.connections.get(downlink) else { return };
            let Some(section) = connection.ready(track) else { continue };
            let Some(known) = self.media.tracks.get_mut(&track) else { continue };
            let slot = Slot { peer: index, section, track, started: false };
            let key = self.media.slots.insert(slot);
            let (Ok(key), Ok(subscriber)) = (u32::try_from(key), u32::try_from(downlink)) else {
                continue;
            };
            let slot = SlotId(key);
            known.slots.push(slot);
            if let Some(subscription) =
                self.peers.get_mut(index).and_then(|peer| peer.subscription(track))
            {
                subscription.place = Place::Live(slot);
            }
            let subscriber = SubscriberId(subscriber);
            self.tell(Input::Subscribe { subscriber, slot, track });
            self.tell(Input::View { slot, settings });
        }
    }

    /// Answers the client's offer.
    pub(super) fn on_offer(&mut self, id: PeerId, request: u32, sdp: &str) {
        let Some(index) = self.peer_index(id) else {
            let (request, error) = (Some(request), Error::NoConnection);
            return self.event(Event::Refused { peer: id, request, error });
        };
        let Some(peer) = self.peers.get_mut(index) else { return };
        let dual = peer.is_dual();
        let slot = peer.publisher;
        (peer.asked, peer.reoffer_asked) = ((0, 0), false);
        let waiting = peer.subscriptions.iter().filter(|s| !dual && s.place == Place::Waiting);
        let mut waiting: Vec<_> = waiting.map(|s| (s.kind, occupant(s))).collect();
        let seat = self.seat.clone();
        let answered = self.with(slot, |connection, sink| {
            let answered = connection.accept_offer(&seat, sdp, &mut waiting, sink.now.us);
            connection.flush(sink)?;
            Ok(answered)
        });
        let Some(answered) = answered else { return };
        match answered {
            Ok(described) => {
                self.place_after(index, &waiting, &described.displaced);
                let (sdp, sections) = (described.sdp, described.sections);
                self.event(Event::Answer { peer: id, request, sdp, sections });
            }
            Err(error) => {
                self.event(Event::Refused { peer: id, request: Some(request), error });
                if self.connections.get(slot).is_some_and(|connection| !connection.is_alive()) {
                    self.fail(slot, Error::Closed);
                }
            }
        }
        self.mark_stale(index);
    }

    /// Notes which subscriptions got a section in an answer and which lost theirs.
    fn place_after(
        &mut self,
        index: usize,
        left: &[(MediaKind, Occupant)],
        displaced: &[proto::id::TrackKey],
    ) {
        let Some(peer) = self.peers.get_mut(index).filter(|peer| !peer.is_dual()) else { return };
        let mut ended = Vec::new();
        for subscription in &mut peer.subscriptions {
            let track = subscription.track;
            if displaced.contains(&track) {
                if let Place::Live(slot) = subscription.place {
                    ended.push((track, slot));
                }
                subscription.place = Place::Waiting;
            } else if subscription.place == Place::Waiting
                && !left.iter().any(|(_, occupant)| occupant.track == track)
            {
                subscription.place = Place::Assigned;
            }
        }
        for (track, slot) in ended {
            self.media.slots.try_remove(slot.0 as usize);
            if let Some(known) = self.media.tracks.get_mut(&track) {
                known.slots.retain(|other| *other != slot);
            }
            self.tell(Input::Unsubscribe { slot });
        }
    }

    /// Takes the client's answer to the shard's offer.
    pub(super) fn on_answer(&mut self, id: PeerId, sdp: &str) {
        let Some(index) = self.peer_index(id) else { return };
        let slot = self.peers.get(index).and_then(|peer| peer.subscriber);
        let Some(slot) = slot else {
            let error = Error::NoConnection;
            return self.event(Event::Refused { peer: id, request: None, error });
        };
        let now = self.now.us;
        let taken =
            self.with(slot, |connection, sink| Ok(connection.accept_answer(sdp, now, sink)));
        match taken {
            Some(Ok(early)) => {
                for held in early {
                    self.on_datagram(held.tcp, held.source, Some(held.local.ip()), &held.bytes);
                }
            }
            Some(Err(error)) => self.event(Event::Refused { peer: id, request: None, error }),
            None => {}
        }
        self.mark_stale(index);
    }
}

fn occupant(subscription: &Subscription) -> Occupant {
    Occupant {
        track: subscription.track,
        msid: subscription.msid.clone(),
        stereo: subscription.stereo,
    }
}

//! What connections tell: passed to the node, to the core, or answered at once.

use std::time::Duration;

use proto::unit::Bitrate;
use sfu_core::input::{Input, SubscriberId};

use super::state::Shard;
use crate::{
    api::Event,
    error::Error,
    peer::{Happening, Place},
};

/// The estimator is not believed below its start rate for this long: it dives on the first reports, before it has seen
/// enough packets, and would pause pictures just when a viewer waits for the first.
const START_TRUSTED: Duration = Duration::from_secs(4);

impl Shard {
    /// Deals with everything connections told, and ends the peers whose connections failed.
    pub(super) fn on_happenings(&mut self) {
        while !self.work.happenings.is_empty() || !self.work.failed.is_empty() {
            for (slot, happening) in std::mem::take(&mut self.work.happenings) {
                self.on_happening(slot, happening);
            }
            for (slot, error) in std::mem::take(&mut self.work.failed) {
                self.fail(slot, error);
            }
        }
    }

    fn on_happening(&mut self, slot: usize, happening: Happening) {
        let Some((index, pc)) = self.connections.get(slot).map(|c| (c.owner, c.pc)) else { return };
        let Some(peer) = self.peers.get_mut(index) else { return };
        let id = peer.id;
        match happening {
            Happening::Up => {
                if peer.downlink() == slot {
                    peer.starts_until.get_or_insert(self.now.us + START_TRUSTED);
                }
                self.event(Event::Connected { peer: id, pc });
                self.mark_stale(index);
            }
            Happening::Down => self.event(Event::Disconnected { peer: id, pc }),
            Happening::Closed => self.fail(slot, Error::Closed),
            Happening::Keyframe(track) => {
                if let Some(Place::Live(slot)) = peer.subscription(track).map(|s| s.place) {
                    self.tell(Input::KeyframeRequest { slot });
                }
            }
            Happening::Estimate(rate) => {
                if peer.downlink() == slot {
                    peer.estimate = Some(rate);
                    self.tell_estimate(index);
                }
            }
            Happening::Data(delivery, payload) => {
                self.event(Event::Data { peer: id, delivery, payload });
            }
            Happening::Started(track, quality, codec) => {
                self.event(Event::MediaStarted { track, quality, codec });
            }
            Happening::Health(health) => peer.meter.on_health(health),
        }
    }

    /// Tells the core what can be sent to a peer: what was measured, under the cap if there is one.
    pub(super) fn tell_estimate(&mut self, index: usize) {
        let Some(peer) = self.peers.get(index) else { return };
        let starting = peer.starts_until.is_some_and(|until| self.now.us < until);
        let measured = peer.estimate.map(|rate| match self.seat.bwe_start {
            Some(start) if starting => rate.max(start),
            Some(_) | None => rate,
        });
        let estimate: Option<Bitrate> = [measured, peer.limit].into_iter().flatten().min();
        let Ok(subscriber) = u32::try_from(peer.downlink()).map(SubscriberId) else { return };
        self.tell(Input::Estimate { subscriber, estimate });
    }

    /// Ends the peer of a connection that failed.
    pub(super) fn fail(&mut self, slot: usize, error: Error) {
        let Some(index) = self.connections.get(slot).map(|connection| connection.owner) else {
            return;
        };
        let Some(peer) = self.peers.get(index).map(|peer| peer.id) else { return };
        tracing::debug!(%peer, %error, "a peer's transport failed");
        self.event(Event::Failed { peer, error });
        self.close(index);
    }
}

//! From a burst to the packets of each subscriber.
//!
//! Hot path: packets x interested slots, dense indices, no allocation in steady state. Subscribers are filled one at a time,
//! so that what is produced is consumed while it is in the cache.

use alloc::{boxed::Box, vec::Vec};

use proto::{
    id::TrackKey,
    media::{MediaKind, Quality},
};

use crate::{
    BURST_MAX,
    engine::Core,
    input::{LinkId, Packet, Picture, SlotId, SubscriberId},
    keyframe::Need,
    output::Forward,
    rewrite::{Clocks, Origin},
    slot::Slot,
    speaker,
    switcher::Switch,
    track::{Arrival, DEAD_AFTER, Entry, Flow, TrackState},
};

/// The packets since the last drain and who is to be served.
#[derive(Debug, Default)]
pub(crate) struct Burst {
    packets: Vec<Packet>,
    tracks: Vec<u32>,
    subscribers: Vec<u32>,
    /// How many of `subscribers` are served.
    served: usize,
}

/// A packet for a link.
pub(crate) type Relayed = (LinkId, u16);

impl Core {
    /// Takes a packet into the burst.
    pub(crate) fn on_rtp(&mut self, key: TrackKey, quality: Quality, packet: &Packet) {
        let index = self.burst.packets.len();
        let (Ok(index), true) = (u16::try_from(index), index < BURST_MAX) else {
            self.stats.burst_overflows += 1;
            return;
        };
        self.burst.packets.push(*packet);
        let Some((id, track)) = self.keys.get(&key).and_then(|id| {
            let track = self.tracks.get_mut(*id)?;
            Some((*id, track))
        }) else {
            self.stats.unknown += 1;
            return;
        };
        let others = track.encodings.iter().any(|(q, other)| q != quality && other.flow.is_some());
        let encoding = track.encodings.at_mut(quality);
        let appears = encoding
            .flow
            .as_ref()
            .is_none_or(|flow| others && packet.arrived_at.since(flow.last_at) >= DEAD_AFTER);
        let flow = encoding.flow.get_or_insert_with(|| Box::new(Flow::new(packet)));
        if appears {
            flow.first_at = packet.arrived_at;
        }
        let before = flow.generation;
        let arrival = flow.arrive(packet);
        if arrival == Arrival::Repeated {
            self.stats.repeated += 1;
            return;
        }
        let generation = flow.generation;
        let starts = arrival == Arrival::Newest && is_keyframe(packet);
        if starts {
            track.asking.at_mut(quality).need = Need::Nobody;
        }
        if track.kind == MediaKind::Audio
            && !track.muted
            && speaker::hear(track, &self.config, packet.audio_level)
            && self.due.speakers_at.is_none()
        {
            self.due.speakers_at = Some(speaker::window_end(self.now));
        }
        if generation != before && !starts {
            self.todo.restarted.push((id, quality));
        }
        if appears {
            self.todo.appeared.push(id);
            // Whoever waits for it may ask at once.
            self.due.keyframe_at = Some(self.now);
        }
        if track.muted || (track.slots.is_empty() && track.links.is_empty()) {
            return;
        }
        if track.burst.is_empty() {
            self.burst.tracks.push(id);
        }
        track.burst.push(Entry { index, quality, starts, generation });
    }

    /// Finds whom the burst concerns. Runs once, before the first subscriber is served.
    pub(crate) fn address_burst(&mut self) {
        for track in self.burst.tracks.iter().filter_map(|id| self.tracks.get(*id)) {
            for id in &track.slots {
                let Some(slot) = self.slots.get(*id).filter(|slot| slot.switch != Switch::Paused)
                else {
                    continue;
                };
                if let Some(subscriber) = self.subscribers.get_mut(slot.subscriber) {
                    if subscriber.burst.is_empty() {
                        self.burst.subscribers.push(slot.subscriber);
                    }
                    subscriber.burst.push(*id);
                }
            }
            for (link, quality_max) in &track.links {
                let wanted = track.burst.iter().filter(|entry| entry.quality <= *quality_max);
                self.relays.extend(wanted.map(|entry| (*link, entry.index)));
            }
        }
        self.relays.sort_unstable();
    }

    /// Fills `forwards` for the next subscriber; `false` when all are served.
    pub(crate) fn serve_next(&mut self) -> bool {
        let Some(id) = self.burst.subscribers.get(self.burst.served).copied() else {
            return false;
        };
        self.burst.served += 1;
        self.forwards.clear();
        let Some(subscriber) = self.subscribers.get_mut(id) else {
            return true;
        };
        let several = subscriber.burst.len() > 1;
        let mut burst = core::mem::take(&mut subscriber.burst);
        for slot in &burst {
            self.serve_slot(SubscriberId(id), *slot);
        }
        burst.clear();
        if let Some(subscriber) = self.subscribers.get_mut(id) {
            subscriber.burst = burst;
        }
        if several {
            self.forwards.sort_unstable_by_key(|forward| (forward.packet, forward.slot));
        }
        true
    }

    /// Forgets the burst.
    pub(crate) fn end_burst(&mut self) {
        for id in self.burst.tracks.drain(..) {
            if let Some(track) = self.tracks.get_mut(id) {
                track.burst.clear();
            }
        }
        self.burst.packets.clear();
        self.burst.subscribers.clear();
        self.burst.served = 0;
    }

    fn serve_slot(&mut self, subscriber: SubscriberId, id: u32) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        let Some(track) = self.tracks.get(slot.track) else {
            return;
        };
        let waited_for = slot.switch.waits_for();
        for entry in &track.burst {
            let Some(packet) = self.burst.packets.get(usize::from(entry.index)) else {
                continue;
            };
            if !admit(slot, track, entry, packet) {
                continue;
            }
            if let Some(numbers) = slot.rewriter.map(packet) {
                self.forwards.push(Forward {
                    subscriber,
                    slot: SlotId(id),
                    packet: entry.index,
                    seq: numbers.seq,
                    time: numbers.time,
                    marker: packet.marker,
                    rewrite: numbers.rewrite,
                });
            }
        }
        let (track, waits_for) = (slot.track, slot.switch.waits_for());
        if let Some(quality) = waits_for.filter(|_| waits_for != waited_for) {
            self.need_keyframe(track, quality, Need::Slot);
        }
    }
}

/// Whether a packet is of the encoding that a slot forwards. Completes a start or a switch if it may.
fn admit(slot: &mut Slot, track: &TrackState, entry: &Entry, packet: &Packet) -> bool {
    let origin = Origin { quality: entry.quality, generation: entry.generation };
    if slot.switch.current() == Some(entry.quality) && slot.rewriter.origin() == Some(origin) {
        return true;
    }
    if !entry.starts {
        return false;
    }
    slot.switch = slot.switch.on_keyframe(packet.arrived_at, entry.quality);
    if slot.switch.current() != Some(entry.quality) {
        return false;
    }
    let clock = |origin: Origin| {
        let flow = track.encodings.at(origin.quality).flow.as_ref()?;
        flow.clock.filter(|_| flow.generation == origin.generation)
    };
    let clocks = Clocks { old: slot.rewriter.origin().and_then(clock), new: clock(origin) };
    slot.rewriter.begin(origin, packet, clocks);
    true
}

const fn is_keyframe(packet: &Packet) -> bool {
    if packet.payload_len == 0 {
        return false;
    }
    match packet.picture {
        Picture::Opaque { keyframe } => keyframe,
        Picture::Vp8(vp8) => vp8.keyframe && vp8.start,
        Picture::Vp9(vp9) => vp9.keyframe,
    }
}

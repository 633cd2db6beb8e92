//! From the burst to the subscribers, as the core decides. Hot path: per packet one write, per subscriber and burst one
//! drain and one send.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proto::time::Instant;
use sfu_core::{
    input::{Input, SlotId},
    output::{Forward, Output},
};

use super::state::{Origin, Shard};
use crate::{
    api::{Event, SpeakerChange},
    counters::Drop,
    error::Error,
    link::Message,
};

/// What was written to one subscriber and not sent yet.
#[derive(Clone, Copy, Debug)]
struct Written {
    connection: usize,
    packets: u64,
    /// Arrival of the oldest packet.
    oldest: Instant,
}

impl Shard {
    /// Has the core decide about everything that came in, and about what follows from it.
    pub(super) fn pump(&mut self) {
        // Callers pump before more than BURST_MAX packets are in.
        while !self.work.incoming.packets.is_empty() {
            std::mem::swap(&mut self.work.incoming, &mut self.media.burst);
            for packet in &self.media.burst.packets {
                let (track, quality) = (packet.track, packet.quality);
                let input = Input::Rtp { track, quality, packet: &packet.packet };
                self.media.core.handle_input(self.now.us, input);
            }
            self.obey();
            self.media.burst.packets.clear();
            self.on_happenings();
        }
        self.on_happenings();
    }

    /// Does what the core says until it has nothing more to say.
    pub(super) fn obey(&mut self) {
        let mut written: Option<Written> = None;
        loop {
            let output = self.media.core.poll_output();
            if let Output::Forward(forward) = output {
                let connection = forward.subscriber.0 as usize;
                if written.is_some_and(|written| written.connection != connection) {
                    self.flush_written(&mut written);
                }
                self.forward(&forward, connection, &mut written);
                continue;
            }
            self.flush_written(&mut written);
            if let Output::Timeout(at, _) = output {
                self.media.due = at;
                break;
            }
            self.on_output(output);
        }
        self.send_relays();
    }

    fn forward(&mut self, forward: &Forward, connection: usize, written: &mut Option<Written>) {
        let Some(source) = self.media.burst.packets.get(usize::from(forward.packet)) else {
            return;
        };
        let slot = self.media.slots.get_mut(forward.slot.0 as usize);
        let (Some(slot), Some(target)) = (slot, self.connections.get_mut(connection)) else {
            return self.counters.drop_one(Drop::NoSection);
        };
        let arrived_at = source.packet.arrived_at;
        let wallclock = self.clock.std_at(arrived_at);
        let write = || target.write(slot.section, forward, (source, wallclock));
        match catch_unwind(AssertUnwindSafe(write)) {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => return self.counters.drop_one(reason),
            Err(_) => {
                self.counters.panics.add(1);
                return self.work.failed.push((connection, Error::Panicked));
            }
        }
        self.counters.forwarded.add(1, u64::from(source.packet.payload_len));
        let fresh = Written { connection, packets: 0, oldest: arrived_at };
        let written = written.get_or_insert(fresh);
        written.packets += 1;
        written.oldest = written.oldest.min(arrived_at);
        if !slot.started {
            slot.started = true;
            let (peer, track) = (slot.peer, slot.track);
            if let Some(peer) = self.peers.get(peer).map(|peer| peer.id) {
                self.event(Event::Subscribed { peer, track });
            }
        }
    }

    /// Lets go what was written to a subscriber.
    fn flush_written(&mut self, written: &mut Option<Written>) {
        let Some(written) = written.take() else { return };
        self.with(written.connection, |connection, sink| connection.flush(sink));
        let now = self.clock.now();
        let us = u64::try_from(now.us.since(written.oldest).as_micros()).unwrap_or(u64::MAX);
        self.counters.latency(us, written.packets);
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Forward(_) | Output::Timeout(..) => {}
            Output::Relay { link, packet } => {
                let source = self.media.burst.packets.get(usize::from(packet));
                let relay = self.media.relays.get_mut(link.0 as usize);
                if let (Some(source), Some(relay)) = (source, relay) {
                    relay.packets.push(source.clone());
                }
            }
            Output::RequestKeyframe { track, quality } => match self.origin(track) {
                Some(Origin::Connection(slot)) => {
                    self.with(slot, |c, sink| c.request_keyframe(track, quality, sink));
                }
                Some(Origin::Shard(home)) => {
                    self.tell_home(home, Message::Keyframe { track, quality });
                }
                None => {}
            },
            Output::StreamState { slot, paused } => self.on_stream_state(slot, paused),
            Output::Wanted { track, quality_max } => match self.origin(track) {
                Some(Origin::Connection(_)) => self.event(Event::Wanted { track, quality_max }),
                Some(Origin::Shard(home)) => {
                    self.tell_home(home, Message::Want { track, quality_max });
                }
                None => {}
            },
            Output::Bitrates { subscriber, minimum, desired } => {
                if self.seat.bwe_start.is_some() {
                    let slot = subscriber.0 as usize;
                    self.with(slot, |c, sink| c.aim(minimum, desired, sink));
                }
            }
            Output::Speaker { track, eighths, active } => {
                let level = f32::from(eighths) / 8.0;
                self.work.speakers.push(SpeakerChange { track, level, active });
            }
        }
    }

    fn on_stream_state(&mut self, slot: SlotId, paused: bool) {
        let Some(slot) = self.media.slots.get(slot.0 as usize) else { return };
        let track = slot.track;
        if let Some(peer) = self.peers.get(slot.peer).map(|peer| peer.id) {
            self.event(Event::StreamState { peer, track, paused });
        }
    }

    fn send_relays(&mut self) {
        for index in 0..self.media.relays.len() {
            let Some(relay) = self.media.relays.get_mut(index) else { return };
            if relay.packets.is_empty() {
                continue;
            }
            let burst = std::mem::take(relay);
            let packets = burst.packets.len() as u64;
            let sent = self.links.get_mut(index).map(|link| {
                let sent = link.send(Message::Packets(Box::new(burst)));
                link.wake();
                sent
            });
            match sent {
                Some(Ok(())) => self.counters.relayed.add(packets, 0),
                Some(Err(_)) | None => self.counters.drop_many(Drop::LinkFull, packets),
            }
        }
    }

    fn tell_home(&mut self, home: proto::id::ShardId, message: Message) {
        match self.link_to(home) {
            Some(index) => self.tell_link(index, message),
            None => self.counters.drop_one(Drop::LinkFull),
        }
    }

    /// Where a track comes from.
    pub(super) fn origin(&self, track: proto::id::TrackKey) -> Option<Origin> {
        self.media.tracks.get(&track).map(|track| track.origin)
    }
}

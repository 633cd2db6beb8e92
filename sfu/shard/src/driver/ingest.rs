//! Packets in: from the socket, from TCP, from other shards. Hot path.

use std::net::{IpAddr, SocketAddr};

use mio::Poll;
use sfu_core::{
    BURST_MAX,
    input::{Input, LinkId},
};

use super::{
    BATCHES_MAX, Inbox, TCP_FIRST, UDP,
    state::{Origin, Shard},
};
use crate::{counters::Drop, link::Message, stun, ufrag};

/// Messages taken from one link in one turn.
const LINK_MESSAGES_MAX: usize = 256;

/// Tracks of this shard that other shards may want before they are published, at most.
const WANTS_MAX: usize = 65_536;

impl Shard {
    /// Reads the socket if it has something; `true` when more waits.
    pub(super) fn on_udp(&mut self, ready: &mio::Events) -> bool {
        self.work.udp_ready |=
            self.udp.is_silent() || ready.iter().any(|event| event.token() == UDP);
        if !self.work.udp_ready {
            return false;
        }
        let mut batch = std::mem::take(&mut self.work.batch);
        let mut more = false;
        for _ in 0..BATCHES_MAX {
            more = self.udp.receive(&mut batch);
            if !more {
                break;
            }
            self.tick();
            for (datagram, bytes) in batch.datagrams() {
                self.counters.received.add(1, bytes.len() as u64);
                self.on_datagram(false, datagram.source, datagram.local_ip, bytes);
            }
            self.pump();
        }
        self.work.batch = batch;
        self.work.udp_ready = more;
        more
    }

    /// Finds a datagram's connection and hands it over.
    pub(super) fn on_datagram(
        &mut self,
        tcp: bool,
        source: SocketAddr,
        local_ip: Option<IpAddr>,
        bytes: &[u8],
    ) {
        let Some(local) = self.seat.local(tcp, source, local_ip) else {
            return self.counters.drop_one(Drop::UnknownSource);
        };
        let slot = if stun::is_stun(bytes) {
            self.stun_owner(tcp, (source, local), bytes)
        } else {
            let owner = self.demux.hear((tcp, source), self.now.us);
            if owner.is_none() {
                self.counters.drop_one(Drop::UnknownSource);
            }
            owner
        };
        let Some(slot) = slot else { return };
        self.with(slot, |connection, sink| connection.receive(tcp, (source, local), bytes, sink));
        if self.work.incoming.packets.len() >= BURST_MAX {
            self.pump();
        }
    }

    /// The connection that a STUN message is for, if it is to be read now.
    fn stun_owner(
        &mut self,
        tcp: bool,
        (source, local): (SocketAddr, SocketAddr),
        bytes: &[u8],
    ) -> Option<usize> {
        let Some(text) = stun::local_ufrag(bytes) else {
            // A response or indication: only from where requests were believed.
            return self.demux.hear((tcp, source), self.now.us);
        };
        let named = ufrag::parse(text).filter(|ufrag| ufrag.shard == self.seat.shard);
        let slot = named.and_then(|ufrag| usize::try_from(ufrag.slot).ok());
        let connection = slot.and_then(|slot| self.connections.get_mut(slot));
        let (Some(slot), Some(connection)) = (slot, connection.filter(|c| c.owns(text))) else {
            self.counters.drop_one(Drop::UnknownUfrag);
            return None;
        };
        if connection.hold(tcp, (source, local), bytes, &self.counters) {
            return None;
        }
        let known = self.demux.owner((tcp, source)) == Some(slot);
        if !known && !connection.accepts(tcp, (source, local), bytes, self.now) {
            self.counters.drop_one(Drop::UnknownUfrag);
            return None;
        }
        if !self.demux.learn((tcp, source), slot, self.now.us) {
            self.counters.drop_one(Drop::MapFull);
            return None;
        }
        Some(slot)
    }

    /// Reads TCP connections that are ready, and takes new ones over; `true` when more waits.
    pub(super) fn on_tcp(&mut self, poll: &Poll, inbox: &Inbox, ready: &mio::Events) -> bool {
        let mut tokens = std::mem::take(&mut self.work.tcp_unread);
        tokens.extend(ready.iter().map(|event| event.token().0).filter(|t| *t >= TCP_FIRST));
        while let Ok(handed) = inbox.handed.try_recv() {
            tokens.extend(self.tcp.take(handed, poll.registry(), &self.counters));
        }
        for token in tokens {
            let mut frames = Vec::new();
            let keep = |remote, bytes| frames.push((remote, bytes));
            if self.tcp.receive(token, &self.counters, keep) {
                self.work.tcp_unread.push(token);
            }
            for (remote, bytes) in frames {
                self.on_datagram(true, remote, None, &bytes);
            }
        }
        self.pump();
        !self.work.tcp_unread.is_empty()
    }

    /// Reads what other shards sent; `true` when more waits.
    pub(super) fn on_links(&mut self) -> bool {
        let mut more = false;
        for index in 0..self.links.len() {
            let mut left = LINK_MESSAGES_MAX;
            while let Some(link) = self.links.get_mut(index).filter(|_| left > 0) {
                let from = link.shard;
                let Some(message) = link.receive() else { break };
                self.on_message(index, from, message);
                left -= 1;
            }
            more |= left == 0;
        }
        more
    }

    fn on_message(&mut self, index: usize, from: proto::id::ShardId, message: Message) {
        match message {
            Message::Packets(burst) => {
                for packet in burst.packets {
                    self.work.incoming.packets.push(packet);
                    if self.work.incoming.packets.len() >= BURST_MAX {
                        self.pump();
                    }
                }
                self.pump();
            }
            Message::Want { track, quality_max } => self.on_want(index, from, track, quality_max),
            Message::Keyframe { track, quality } => {
                self.tell(Input::LinkKeyframeRequest { track, quality });
            }
            Message::Muted { track, muted } => self.mute(track, muted),
            Message::Gone { track } => {
                if self.origin(track) == Some(Origin::Shard(from)) {
                    self.end_track(track);
                }
            }
        }
    }

    fn on_want(
        &mut self,
        index: usize,
        from: proto::id::ShardId,
        track: proto::id::TrackKey,
        quality_max: Option<proto::media::Quality>,
    ) {
        if !self.media.wants.contains_key(&track) && self.media.wants.len() >= WANTS_MAX {
            return self.counters.drop_one(Drop::MapFull);
        }
        let wants = self.media.wants.entry(track).or_default();
        let fresh = !wants.iter().any(|(shard, _)| *shard == from);
        wants.retain(|(shard, _)| *shard != from);
        wants.extend(quality_max.map(|quality| (from, quality)));
        if wants.is_empty() {
            self.media.wants.remove(&track);
        }
        let Some(known) = self.media.tracks.get(&track) else { return };
        let muted = known.spec.muted;
        if fresh && quality_max.is_some() {
            self.tell_link(index, Message::Muted { track, muted });
        }
        self.tell(Input::Link { link: link_id(index), track, quality_max });
    }

    /// Sends a message to another shard.
    pub(super) fn tell_link(&mut self, index: usize, message: Message) {
        let sent = self.links.get_mut(index).map(|link| link.send(message));
        if !matches!(sent, Some(Ok(()))) {
            self.counters.drop_one(Drop::LinkFull);
        }
    }

    /// Index of the link to a shard.
    pub(super) fn link_to(&self, shard: proto::id::ShardId) -> Option<usize> {
        self.links.iter().position(|link| link.shard == shard)
    }
}

/// The core's name for a link.
pub(super) fn link_id(index: usize) -> LinkId {
    LinkId(u32::try_from(index).unwrap_or(u32::MAX))
}

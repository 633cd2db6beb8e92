//! What a media thread owns.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use mio::Poll;
use proto::{
    id::{PeerId, ShardId, TrackKey},
    media::Quality,
    time::Instant,
};
use sfu_core::input::{Input, SlotId};
use slab::Slab;

use super::{Inbox, Seed, TCP_FIRST};
use crate::{
    api::{Event, SpeakerChange, TrackSpec},
    clock::{Clock, Now},
    counters::Counters,
    demux::Demux,
    error::Error,
    events::Outlet,
    link::Link,
    peer::{Burst, Connection, Happening, Peer, Seat, Sink},
    tcp::Streams,
    timers::Timers,
    udp::{Batch, Outbox, Udp},
};

/// A media thread's whole state.
pub(crate) struct Shard {
    pub(super) seat: Seat,
    pub(super) clock: Clock,
    pub(super) now: Now,
    pub(super) counters: Arc<Counters>,
    pub(super) udp: Udp,
    pub(super) tcp: Streams,
    pub(super) demux: Demux,
    pub(super) timers: Timers,
    pub(super) connections: Slab<Connection>,
    pub(super) peers: Slab<Peer>,
    pub(super) by_id: HashMap<PeerId, usize>,
    pub(super) media: Media,
    pub(super) links: Vec<Link>,
    pub(super) work: Work,
    pub(super) events: Outlet,
}

/// The core and what its numbers stand for.
pub(super) struct Media {
    pub(super) core: sfu_core::Core,
    /// When the core wants to be called again.
    pub(super) due: Instant,
    /// The packets the core is deciding about.
    pub(super) burst: Burst,
    /// Packets for each link, by its index.
    pub(super) relays: Vec<Burst>,
    pub(super) slots: Slab<Slot>,
    pub(super) tracks: HashMap<TrackKey, Track>,
    /// Other shards that want a track of this one, also before it is published.
    pub(super) wants: HashMap<TrackKey, Vec<(ShardId, Quality)>>,
}

/// A subscription that flows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Index of the receiving peer.
    pub(super) peer: usize,
    /// Section of its downlink.
    pub(super) section: usize,
    pub(super) track: TrackKey,
    /// A packet was sent.
    pub(super) started: bool,
}

/// A track known to this shard.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) spec: TrackSpec,
    pub(super) origin: Origin,
    pub(super) slots: Vec<SlotId>,
    /// Peers that receive it or are about to.
    pub(super) subscriptions: usize,
}

/// Where a track comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A connection of this shard.
    Connection(usize),
    /// Another shard.
    Shard(ShardId),
}

/// Things to do, kept for their memory.
#[derive(Default)]
pub(super) struct Work {
    pub(super) outbox: Outbox,
    pub(super) batch: Batch,
    pub(super) incoming: Burst,
    pub(super) happenings: Vec<(usize, Happening)>,
    pub(super) failed: Vec<(usize, Error)>,
    /// Peers whose descriptions may have to be renewed.
    pub(super) stale: Vec<usize>,
    pub(super) speakers: Vec<SpeakerChange>,
    pub(super) sweep_at: Instant,
    /// The socket has, or may have, packets.
    pub(super) udp_ready: bool,
    /// Tokens of TCP connections with more to read.
    pub(super) tcp_unread: Vec<usize>,
}

impl Shard {
    /// Takes a seed apart.
    pub(super) fn open(seed: Seed) -> (Poll, Inbox, Self) {
        let shard = seed.config.shard;
        let seat = Seat {
            shard,
            shared: seed.shared,
            udp: candidates(&seed.config.announce, seed.udp_addr),
            tcp: match seed.tcp_addr {
                Some(bound) => ported(&seed.config.announce_tcp, bound),
                None => Vec::new(),
            },
            bwe_start: seed.config.bwe_start,
        };
        let now = seed.clock.now();
        let links = seed.links;
        let media = Media {
            core: sfu_core::Core::new(sfu_core::Config::default()),
            due: now.us,
            burst: Burst::default(),
            relays: links.iter().map(|_| Burst::default()).collect(),
            slots: Slab::new(),
            tracks: HashMap::new(),
            wants: HashMap::new(),
        };
        let opened = Self {
            seat,
            clock: seed.clock,
            now,
            counters: seed.counters,
            udp: seed.udp,
            tcp: Streams::new(TCP_FIRST),
            demux: Demux::default(),
            timers: Timers::default(),
            connections: Slab::new(),
            peers: Slab::new(),
            by_id: HashMap::new(),
            media,
            links,
            work: Work { batch: Batch::new(), ..Work::default() },
            events: Outlet::new(shard, seed.events),
        };
        (seed.poll, Inbox { commands: seed.commands, handed: seed.handed }, opened)
    }

    /// Reads the clock.
    pub(super) fn tick(&mut self) {
        self.now = self.clock.now();
    }

    /// How long nothing is due.
    pub(super) fn sleep(&mut self) -> Duration {
        if !self.work.stale.is_empty() {
            return Duration::ZERO;
        }
        let now = self.clock.now();
        let core = self.media.due.since(now.us);
        let sweep = self.work.sweep_at.since(now.us);
        let timer = self.timers.next().map(|at| at.saturating_duration_since(now.std));
        [core, sweep].into_iter().chain(timer).min().unwrap_or_default()
    }

    pub(super) fn event(&mut self, event: Event) {
        self.events.send(event, &self.counters);
    }

    /// Does something with a connection, sends what it wants sent, and plans its next deadline. An error or a panic
    /// of the library ends that peer, and no other.
    pub(super) fn with<R>(
        &mut self,
        slot: usize,
        act: impl FnOnce(&mut Connection, &mut Sink<'_>) -> Result<R, Error>,
    ) -> Option<R> {
        let connection = self.connections.get_mut(slot)?;
        let mut sink = Sink {
            now: self.now,
            clock: self.clock,
            outbox: &mut self.work.outbox,
            incoming: &mut self.work.incoming,
            happenings: &mut self.work.happenings,
            counters: &self.counters,
        };
        let done = catch_unwind(AssertUnwindSafe(|| act(connection, &mut sink)));
        self.timers.set(slot, connection.deadline());
        self.send();
        match done {
            Ok(Ok(result)) => return Some(result),
            Ok(Err(error)) => self.work.failed.push((slot, error)),
            Err(_) => {
                self.counters.panics.add(1);
                self.work.failed.push((slot, Error::Panicked));
            }
        }
        None
    }

    /// Sends what lies in the outbox.
    fn send(&mut self) {
        let outbox = &mut self.work.outbox;
        if outbox.is_empty() {
            return;
        }
        self.udp.send(outbox, &self.counters);
        outbox.each_tcp(|remote, datagram| self.tcp.send(remote, datagram, &self.counters));
        outbox.clear();
    }

    /// Tells the core something, and does what it says.
    pub(super) fn tell(&mut self, input: Input<'_>) {
        self.media.core.handle_input(self.now.us, input);
        self.obey();
    }

    /// Index of a peer by its id.
    pub(super) fn peer_index(&self, peer: PeerId) -> Option<usize> {
        self.by_id.get(&peer).copied()
    }

    /// Has the peer's descriptions looked at when the turn's commands are done.
    pub(super) fn mark_stale(&mut self, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        if !std::mem::replace(&mut peer.stale, true) {
            self.work.stale.push(index);
        }
    }
}

/// The announced addresses with port 0 replaced, or the bound address.
fn candidates(announce: &[SocketAddr], bound: SocketAddr) -> Vec<SocketAddr> {
    if !announce.is_empty() {
        return ported(announce, bound);
    }
    let ip = match bound.ip() {
        ip if !ip.is_unspecified() => ip,
        ip if ip.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
        _ => Ipv6Addr::LOCALHOST.into(),
    };
    vec![SocketAddr::new(ip, bound.port())]
}

fn ported(announce: &[SocketAddr], bound: SocketAddr) -> Vec<SocketAddr> {
    let port = |addr: &SocketAddr| match addr.port() {
        0 => SocketAddr::new(addr.ip(), bound.port()),
        _ => *addr,
    };
    announce.iter().map(port).collect()
}

//! One connection of a peer: the library's object, and everything the shard knows of it.
//! Hot path: receiving, writing and draining. After every mutation the object is drained.

use std::{
    net::SocketAddr,
    time::{Duration, Instant as StdInstant},
};

use bytes::Bytes;
use proto::{
    id::TrackKey,
    media::{Codec, Delivery, MediaKind, Quality},
    time::Instant,
    unit::Bitrate,
};
use sfu_core::output::Forward;
use str0m::{
    Candidate, Event, IceConnectionState, Input, Output, Rtc,
    bwe::BweKind,
    net::{Protocol, Receive},
};

use super::{
    config::Seat,
    data::{Channels, Payload},
    downlink::{Downlink, Occupant},
    health::{Health, Statistics},
    negotiation::Negotiation,
    uplink::{Binding, Burst, BurstPacket, Unplaced, Uplink},
};
use crate::{
    api::{Pc, PeerConfig},
    clock::{Clock, Now},
    counters::{Counters, Drop},
    error::Error,
    sdp::Credentials,
    stun,
    udp::Outbox,
};

/// Deadlines this near are served at once. The library's pacer lets one packet go for each: without this, runs would fall
/// apart and each packet would cost a wake-up. Larger saves more and sends burstier.
const AHEAD: Duration = Duration::from_millis(5);

/// Deadlines served at once at most; a probe or a key frame needs a few dozen.
const AHEAD_MAX: usize = 512;

/// STUN requests kept while the client's answer is on its way.
const HELD_MAX: usize = 16;

/// The longest STUN request that is kept; a browser's has about 100 bytes.
const HELD_BYTES_MAX: usize = 512;

/// Errors of the library that are survived in a row; more are a broken connection.
const ERRORS_MAX: u32 = 64;

/// Where a connection puts what comes out of it.
pub(crate) struct Sink<'a> {
    pub(crate) now: Now,
    pub(crate) clock: Clock,
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) incoming: &'a mut Burst,
    pub(crate) happenings: &'a mut Vec<(usize, Happening)>,
    pub(crate) counters: &'a Counters,
}

/// What a connection tells its shard.
#[derive(Debug)]
pub(crate) enum Happening {
    /// It came up.
    Up,
    /// Its path was lost.
    Down,
    /// The client closed it.
    Closed,
    /// The client needs a key frame of a track it receives.
    Keyframe(TrackKey),
    /// What can be sent to the client.
    Estimate(Bitrate),
    /// A data message came.
    Data(Delivery, Bytes),
    /// The first packet of an encoding came.
    Started(TrackKey, Quality, Codec),
    /// Loss and delay of the last seconds.
    Health(Health),
}

/// A packet that came before the answer that explains it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) tcp: bool,
    pub(crate) source: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) bytes: Box<[u8]>,
}

/// One connection.
pub(crate) struct Connection {
    pub(super) rtc: Rtc,
    pub(super) slot: usize,
    /// Index of the peer it belongs to.
    pub(crate) owner: usize,
    pub(crate) pc: Pc,
    pub(super) credentials: Credentials,
    pub(super) generation: u8,
    pub(super) uplink: Uplink,
    pub(super) downlink: Downlink,
    channels: Channels,
    pub(super) channels_offered: bool,
    pub(super) negotiation: Negotiation,
    /// A description of the client was taken.
    pub(super) answered: bool,
    pub(super) held: Vec<Held>,
    statistics: Statistics,
    link: LinkState,
}

/// What is known of the path.
#[derive(Clone, Copy, Debug)]
struct LinkState {
    up: bool,
    /// Since when it is up or down.
    since: Instant,
    heard_at: Instant,
    /// The latest time the library has seen; it must not go back.
    fed: StdInstant,
    deadline: StdInstant,
    errors: u32,
}

impl Connection {
    pub(crate) fn new(
        seat: &Seat,
        slot: usize,
        owner: usize,
        pc: Pc,
        config: &PeerConfig,
        now: Now,
    ) -> Self {
        let credentials = seat.credentials(slot, 0);
        Self {
            rtc: seat.build(&config.codecs, &credentials, now.std),
            slot,
            owner,
            pc,
            credentials,
            generation: 0,
            uplink: Uplink::default(),
            downlink: Downlink::default(),
            channels: Channels::default(),
            channels_offered: false,
            negotiation: Negotiation::Stable,
            answered: false,
            held: Vec::new(),
            statistics: Statistics::default(),
            link: LinkState {
                up: false,
                since: now.us,
                heard_at: now.us,
                fed: now.std,
                deadline: now.std,
                errors: 0,
            },
        }
    }

    /// A description of the client was taken.
    pub(super) fn described(&mut self, now: Instant) {
        if !self.answered {
            self.answered = true;
            self.link.since = now;
        }
    }

    /// Whether the library still works for it.
    pub(crate) fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// When the connection must be drained again.
    pub(crate) fn deadline(&self) -> StdInstant {
        self.link.deadline
    }

    /// When anything last came from the client.
    pub(crate) fn heard_at(&self) -> Instant {
        self.link.heard_at
    }

    /// Whether the path is up, and since when it is or is not; `None` before the client described itself.
    pub(crate) fn path(&self) -> Option<(bool, Instant)> {
        self.answered.then_some((self.link.up, self.link.since))
    }

    /// Whether a STUN request with this fragment is for this connection.
    pub(crate) fn owns(&self, ufrag: &str) -> bool {
        let restart = match &self.negotiation {
            Negotiation::Offered { restart, .. } => restart.as_ref(),
            Negotiation::Stable => None,
        };
        self.credentials.ufrag == ufrag || restart.is_some_and(|restart| restart.ufrag == ufrag)
    }

    /// Keeps a request that came before the answer to the shard's offer; `false` when the answer is not awaited.
    pub(crate) fn hold(
        &mut self,
        tcp: bool,
        (source, local): (SocketAddr, SocketAddr),
        bytes: &[u8],
        counters: &Counters,
    ) -> bool {
        let early = match &self.negotiation {
            Negotiation::Offered { restart: Some(new), .. } => {
                stun::local_ufrag(bytes) == Some(new.ufrag.as_str())
            }
            Negotiation::Offered { restart: None, .. } | Negotiation::Stable => !self.answered,
        };
        if early && self.held.len() < HELD_MAX && bytes.len() <= HELD_BYTES_MAX {
            self.held.push(Held { tcp, source, local, bytes: bytes.into() });
        } else if early {
            counters.drop_one(Drop::EarlyStun);
        }
        early
    }

    /// Whether a STUN request carries this connection's password: only then is its address believed.
    pub(crate) fn accepts(
        &self,
        tcp: bool,
        (source, local): (SocketAddr, SocketAddr),
        bytes: &[u8],
        now: Now,
    ) -> bool {
        let proto = if tcp { Protocol::Tcp } else { Protocol::Udp };
        Receive::new(proto, source, local, bytes)
            .is_ok_and(|receive| self.rtc.accepts(&Input::Receive(now.std, receive)))
    }

    /// Hands a datagram to the library and drains it.
    pub(crate) fn receive(
        &mut self,
        tcp: bool,
        (source, local): (SocketAddr, SocketAddr),
        bytes: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), Error> {
        let proto = if tcp { Protocol::Tcp } else { Protocol::Udp };
        let Ok(receive) = Receive::new(proto, source, local, bytes) else {
            sink.counters.drop_one(Drop::Malformed);
            return Ok(());
        };
        self.link.heard_at = sink.now.us;
        // The true time, even when the library was led ahead: the client's estimator lives on it.
        let result = self.rtc.handle_input(Input::Receive(sink.now.std, receive));
        self.survive(result, sink.counters)?;
        self.link.deadline = self.drain(sink)?;
        Ok(())
    }

    /// Moves the connection's time on, lets go what may go, and drains it.
    pub(crate) fn flush(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        let mut at = self.feed(sink.now.std);
        let horizon = sink.now.std + AHEAD;
        for _ in 0..AHEAD_MAX {
            let result = self.rtc.handle_input(Input::Timeout(at));
            self.survive(result, sink.counters)?;
            let next = self.drain(sink)?;
            self.link.deadline = next;
            if next > horizon {
                return Ok(());
            }
            // A deadline that has passed still moves time on, or the library would ask for it for ever.
            at = self.feed(next.max(self.link.fed + Duration::from_micros(1)));
        }
        self.link.deadline = sink.now.std + AHEAD;
        Ok(())
    }

    /// The time to hand to the library: it ignores calls that go back in time.
    fn feed(&mut self, at: StdInstant) -> StdInstant {
        self.link.fed = self.link.fed.max(at);
        self.link.fed
    }

    /// A packet the library stumbles over must not end the connection: anybody can send one.
    fn survive(
        &mut self,
        result: Result<(), str0m::RtcError>,
        counters: &Counters,
    ) -> Result<(), Error> {
        match result {
            Ok(()) => {
                self.link.errors = 0;
                Ok(())
            }
            Err(error) if !self.rtc.is_alive() || self.link.errors >= ERRORS_MAX => {
                Err(Error::Transport(error))
            }
            Err(error) => {
                tracing::debug!(%error, "a packet was refused by the connection");
                counters.drop_one(Drop::Malformed);
                self.link.errors += 1;
                Ok(())
            }
        }
    }

    /// Takes everything out of the library; returns when it wants to be called again.
    fn drain(&mut self, sink: &mut Sink<'_>) -> Result<StdInstant, Error> {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => return Ok(at),
                Ok(Output::Transmit(transmit)) => {
                    let tcp = transmit.proto != Protocol::Udp;
                    sink.outbox.push(
                        tcp,
                        transmit.source,
                        transmit.destination,
                        &transmit.contents,
                    );
                }
                Ok(Output::Event(event)) => self.on_event(event, sink),
                Err(error) => self.survive(Err(error), sink.counters)?,
            }
        }
    }

    fn on_event(&mut self, event: Event, sink: &mut Sink<'_>) {
        match event {
            Event::RtpPacket(packet) => self.on_rtp(packet, sink),
            Event::Connected => self.on_path(true, sink),
            Event::IceConnectionStateChange(state) => match state {
                IceConnectionState::Connected | IceConnectionState::Completed => {
                    let up = self.rtc.is_connected();
                    self.on_path(up, sink);
                }
                IceConnectionState::Disconnected => self.on_path(false, sink),
                IceConnectionState::New | IceConnectionState::Checking => {}
            },
            Event::KeyframeRequest(request) => {
                sink.counters.feedback.plis_in.add(1);
                if let Some(track) = self.downlink.occupant_of(request.mid) {
                    sink.happenings.push((self.slot, Happening::Keyframe(track)));
                }
            }
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. }) => {
                let rate = Bitrate::from_bps(estimate.as_u64());
                sink.happenings.push((self.slot, Happening::Estimate(rate)));
            }
            Event::ChannelOpen(id, label) => {
                self.channels.on_open(id, &label, &mut self.rtc, sink.counters);
            }
            Event::ChannelClose(id) => self.channels.on_close(id),
            Event::ChannelBufferedAmountLow(_) => self.channels.go_on(&mut self.rtc, sink.counters),
            Event::ChannelData(data) => match self.channels.delivery(data.id) {
                Some(delivery) => {
                    let happening = Happening::Data(delivery, data.data.into());
                    sink.happenings.push((self.slot, happening));
                }
                None => sink.counters.drop_one(Drop::Data),
            },
            Event::Closed => sink.happenings.push((self.slot, Happening::Closed)),
            other => {
                let health = self.statistics.on_event(&other, &sink.counters.feedback);
                sink.happenings.extend(health.map(|health| (self.slot, Happening::Health(health))));
            }
        }
    }

    fn on_rtp(&mut self, packet: str0m::rtp::RtpPacket, sink: &mut Sink<'_>) {
        if !self.link.up {
            // Old ICE stacks check their path with indications, which the library does not count. A packet that
            // decrypts proves the path as well: the connection is given up only when these stop, too.
            self.link.since = sink.now.us;
        }
        let to = match self.uplink.route(&mut self.rtc, packet.header.ssrc) {
            Ok(to) => to,
            Err(Unplaced::Unbound) => return sink.counters.drop_one(Drop::UnboundMid),
            Err(Unplaced::Unknown) => return sink.counters.drop_one(Drop::UnknownEncoding),
        };
        let Some(codec) = self.uplink.codec(*packet.header.payload_type) else {
            return sink.counters.drop_one(Drop::UnknownEncoding);
        };
        if self.uplink.starts(to.0, to.1) {
            sink.happenings.push((self.slot, Happening::Started(to.0, to.1, codec)));
        }
        let arrived_at = sink.clock.at(packet.timestamp).us;
        sink.counters.rtp_in.add(1, packet.payload.len() as u64);
        sink.incoming.packets.push(BurstPacket::read(to, codec, arrived_at, packet));
    }

    fn on_path(&mut self, up: bool, sink: &mut Sink<'_>) {
        if self.link.up == up {
            return;
        }
        (self.link.up, self.link.since) = (up, sink.now.us);
        let happening = if up { Happening::Up } else { Happening::Down };
        sink.happenings.push((self.slot, happening));
    }

    /// Writes a packet to a section; it leaves with the next [`Self::flush`].
    pub(crate) fn write(
        &mut self,
        section: usize,
        forward: &Forward,
        source: (&BurstPacket, StdInstant),
    ) -> Result<(), Drop> {
        self.downlink.write(&mut self.rtc, section, forward, source)
    }

    /// Sends a data message, or queues it.
    pub(crate) fn send(
        &mut self,
        delivery: Delivery,
        payload: &Payload,
        sink: &mut Sink<'_>,
    ) -> Result<(), Error> {
        self.channels.send(&mut self.rtc, delivery, payload, sink.counters);
        self.flush(sink)
    }

    /// Adds a candidate of the client.
    pub(crate) fn add_candidate(&mut self, text: &str, sink: &mut Sink<'_>) -> Result<(), Error> {
        let candidate = Candidate::from_sdp_string(text).map_err(|_| Error::Candidate)?;
        self.rtc.add_remote_candidate(candidate);
        self.flush(sink)
    }

    /// Binds what arrives on a section to a track.
    pub(crate) fn bind(&mut self, binding: Binding) {
        self.uplink.bind(binding);
    }

    /// How many tracks are bound.
    pub(crate) fn bindings(&self) -> usize {
        self.uplink.bindings.len()
    }

    /// Tracks that are published here.
    pub(crate) fn published(&self) -> Vec<TrackKey> {
        self.uplink.bindings.iter().map(|binding| binding.track).collect()
    }

    /// What arrives for a track is dropped from here on.
    pub(crate) fn unbind(&mut self, track: TrackKey) {
        self.uplink.unbind(track);
    }

    /// Asks the client for a key frame.
    pub(crate) fn request_keyframe(
        &mut self,
        track: TrackKey,
        quality: Quality,
        sink: &mut Sink<'_>,
    ) -> Result<(), Error> {
        if self.uplink.request_keyframe(&mut self.rtc, track, quality) {
            sink.counters.feedback.plis_out.add(1);
        }
        self.flush(sink)
    }

    /// Puts a track into a section, see [`Downlink::assign`].
    pub(crate) fn assign(&mut self, kind: MediaKind, occupant: Occupant, grow: bool) -> bool {
        self.downlink.assign(kind, occupant, grow)
    }

    /// Takes a track out of its section.
    pub(crate) fn release(&mut self, track: TrackKey) {
        self.downlink.release(track);
    }

    /// The section a track can be sent on, when the client knows of it.
    pub(crate) fn ready(&self, track: TrackKey) -> Option<usize> {
        let open = self.link.up && !self.is_offering();
        if open { self.downlink.ready(track) } else { None }
    }

    /// Tells the estimator what to aim at.
    pub(crate) fn aim(
        &mut self,
        minimum: Bitrate,
        desired: Bitrate,
        sink: &mut Sink<'_>,
    ) -> Result<(), Error> {
        let rate = |rate: Bitrate| str0m::bwe::Bitrate::bps(rate.as_bps());
        self.rtc.bwe().set_bitrate(rate(minimum), rate(desired));
        self.flush(sink)
    }

    /// Says goodbye to the client.
    pub(crate) fn close(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        self.rtc.close().map_err(Error::Transport)?;
        self.flush(sink)
    }
}

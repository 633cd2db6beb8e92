//! The client: one publisher and many subscribers, each a full connection with a socket of its own, or all of them on
//! one wire.

use std::{
    io::IoSliceMut,
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token};
use quinn_udp::{RecvMeta, UdpSocketState};
use sfu_shard::wire::{Run, Wire};
use str0m::{
    Candidate, Event, Input, Output, Rtc,
    change::{SdpAnswer, SdpPendingOffer},
    media::{Direction, MediaKind, Mid, Pt},
    net::{Protocol, Receive},
    rtp::{Extension, ExtensionMap, RtpWrite},
};

use super::{FRAME_PACKETS, FRAMES_PER_SECOND, Lines, PAYLOAD_BYTES, now, own_cpu, pack, unpack};

/// Ports of the connections on a wire begin here.
const WIRE_PORT_FIRST: u16 = 5000;

/// Runs taken from a wire before the timers get their turn.
const WIRE_RUNS_MAX: usize = 256;

/// The client looks at its wire this often. Nobody wakes it, so that waking costs the server nothing.
const WIRE_SLEEP_MAX: Duration = Duration::from_millis(1);

/// How the client's datagrams travel.
pub(crate) enum Way {
    /// Each connection has a socket at this address.
    Sockets { ip: String, poll: Poll, ready: Events },
    /// All share a wire; the server is told when something lies on it.
    Wire { wire: Wire, wake: Box<dyn Fn() + Send>, sent: bool },
}

impl Way {
    pub(crate) fn sockets(ip: &str) -> Self {
        let (poll, ready) = (Poll::new().unwrap(), Events::with_capacity(1024));
        Self::Sockets { ip: ip.to_owned(), poll, ready }
    }

    pub(crate) fn wire(wire: Wire, wake: Box<dyn Fn() + Send>) -> Self {
        Self::Wire { wire, wake, sent: false }
    }

    /// A place for one connection: its address, and its socket if it has one.
    fn open(&self, index: usize) -> (SocketAddr, Option<Socket>) {
        match self {
            Self::Sockets { ip, poll, .. } => {
                let socket = std::net::UdpSocket::bind((ip.as_str(), 0)).unwrap();
                let state = UdpSocketState::new((&socket).into()).unwrap();
                let _ = state.set_recv_buffer_size((&socket).into(), 1 << 20);
                let local = socket.local_addr().unwrap();
                let mut socket = mio::net::UdpSocket::from_std(socket);
                let interest = Interest::READABLE;
                poll.registry().register(&mut socket, Token(index), interest).unwrap();
                (local, Some(Socket { socket, state }))
            }
            Self::Wire { .. } => {
                let port = WIRE_PORT_FIRST + u16::try_from(index).unwrap();
                (([10, 0, 0, 2], port).into(), None)
            }
        }
    }

    /// Rests until something may be there.
    fn rest(&mut self, time: Duration) {
        match self {
            Self::Sockets { poll, ready, .. } => {
                let _ = poll.poll(ready, Some(time));
            }
            Self::Wire { wire, wake, sent } => {
                if std::mem::take(sent) {
                    wake();
                }
                if !wire.has_more() {
                    std::thread::park_timeout(time.min(WIRE_SLEEP_MAX));
                }
            }
        }
    }
}

/// A connection's own socket.
struct Socket {
    socket: mio::net::UdpSocket,
    state: UdpSocketState,
}

/// Memory for receiving.
struct Buffers {
    bytes: Vec<Vec<u8>>,
    metas: Vec<RecvMeta>,
}

struct Pc {
    rtc: Rtc,
    socket: Option<Socket>,
    local: SocketAddr,
    pending: Option<SdpPendingOffer>,
    mid: Mid,
    deadline: Instant,
    connected: bool,
    received: u64,
    keyframe: bool,
}

pub(crate) fn rtc(bwe: bool) -> str0m::RtcConfig {
    let mut map = ExtensionMap::empty();
    map.set(3, Extension::TransportSequenceNumber);
    map.set(4, Extension::RtpMid);
    Rtc::builder()
        .set_rtp_mode(true)
        .set_extension_map(map)
        .clear_codecs()
        .enable_vp8(true)
        .enable_bwe(bwe.then(|| str0m::bwe::Bitrate::mbps(5)))
}

impl Pc {
    fn open(way: &Way, index: usize) -> (Self, String) {
        let direction = if index == 0 { Direction::SendOnly } else { Direction::RecvOnly };
        let (local, socket) = way.open(index);
        let mut rtc = rtc(false).build(now());
        rtc.add_local_candidate(Candidate::host(local, "udp").unwrap()).unwrap();
        let mut api = rtc.sdp_api();
        let mid = api.add_media(MediaKind::Video, direction, None, None, None);
        let (offer, pending) = api.apply().unwrap();
        let pc = Self {
            rtc,
            socket,
            local,
            pending: Some(pending),
            mid,
            deadline: now(),
            connected: false,
            received: 0,
            keyframe: true,
        };
        (pc, offer.to_sdp_string())
    }

    fn on_readable(&mut self, way: &mut Way, buffers: &mut Buffers) {
        loop {
            let Some(Socket { socket, state }) = &self.socket else { return };
            let mut slices: Vec<_> =
                buffers.bytes.iter_mut().map(|bytes| IoSliceMut::new(bytes)).collect();
            let Ok(count) = state.recv(socket.into(), &mut slices, &mut buffers.metas) else {
                return;
            };
            let at = now();
            for (bytes, meta) in buffers.bytes.iter().zip(&buffers.metas).take(count) {
                self.on_run(way, at, (meta.addr, meta.stride), &bytes[..meta.len]);
            }
        }
    }

    fn on_run(
        &mut self,
        way: &mut Way,
        at: Instant,
        (source, stride): (SocketAddr, usize),
        bytes: &[u8],
    ) {
        for datagram in bytes.chunks(stride.max(1)) {
            let received = Receive::new(Protocol::Udp, source, self.local, datagram);
            let Ok(received) = received else { continue };
            self.rtc.handle_input(Input::Receive(at, received)).unwrap();
            self.drain(way);
        }
    }

    fn drain(&mut self, way: &mut Way) {
        loop {
            // A server so slow that a handshake times out: the row did not finish.
            let Ok(output) = self.rtc.poll_output() else { std::process::exit(1) };
            match output {
                Output::Timeout(at) => {
                    self.deadline = at;
                    return;
                }
                Output::Transmit(t) => match (&self.socket, &mut *way) {
                    (_, Way::Wire { wire, sent, .. }) => {
                        let (source, destination) = (self.local, t.destination);
                        let run = Run { source, destination, stride: t.contents.len() };
                        let _ = wire.send(run, &t.contents);
                        *sent = true;
                    }
                    (Some(Socket { socket, .. }), Way::Sockets { .. }) => {
                        let _ = socket.send_to(&t.contents, t.destination);
                    }
                    (None, Way::Sockets { .. }) => {}
                },
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(_)) => self.received += 1,
                Output::Event(Event::KeyframeRequest(_)) => self.keyframe = true,
                Output::Event(_) => {}
            }
        }
    }

    /// Sends one frame.
    fn publish(&mut self, way: &mut Way, frame: u64) {
        let at = now();
        let keyframe = std::mem::take(&mut self.keyframe);
        for packet in 0..FRAME_PACKETS {
            let mut payload = vec![7; PAYLOAD_BYTES];
            let id = u16::try_from(frame % 0x8000).unwrap().to_be_bytes();
            let start = if packet == 0 { 0x90 } else { 0x80 };
            let head = [start, 0xe0, id[0] | 0x80, id[1], id[1], 0, u8::from(!keyframe)];
            payload[..head.len()].copy_from_slice(&head);
            let seq = frame * FRAME_PACKETS + packet;
            let time = u32::try_from(frame * 90_000 / FRAMES_PER_SECOND).unwrap();
            let write = RtpWrite::new(Pt::from(96), seq.into(), time, at, payload)
                .marker(packet + 1 == FRAME_PACKETS)
                .nackable(true);
            let mut direct = self.rtc.direct_api();
            direct.stream_tx_by_mid(self.mid, None).unwrap().write_rtp(write);
        }
        self.rtc.handle_input(Input::Timeout(at)).unwrap();
        self.drain(way);
    }
}

pub(crate) fn run(mut way: Way, subscribers: usize, lines: &Lines) {
    let mut pcs = Vec::new();
    for index in 0..=subscribers {
        let (pc, sdp) = Pc::open(&way, index);
        pcs.push(pc);
        lines.say(&format!("offer {index} {}", pack(&sdp)));
    }
    let mut buffers =
        Buffers { bytes: vec![vec![0; 65_536]; 8], metas: vec![RecvMeta::default(); 8] };
    let every = Duration::from_secs(1) / u32::try_from(FRAMES_PER_SECOND).unwrap();
    let (mut frame_at, mut frame, mut told) = (now(), 0, false);
    loop {
        let due = pcs.iter().map(|pc| pc.deadline).min().unwrap().min(frame_at);
        way.rest(due.saturating_duration_since(now()).min(Duration::from_millis(20)));
        receive(&mut way, &mut pcs, &mut buffers);
        while let Ok(line) = lines.heard.try_recv() {
            if !hear(&line, lines, &mut pcs) {
                return;
            }
        }
        let at = now();
        for pc in pcs.iter_mut().filter(|pc| pc.deadline <= at) {
            pc.rtc.handle_input(Input::Timeout(at)).unwrap();
            pc.drain(&mut way);
        }
        if pcs.iter().all(|pc| pc.connected) {
            if !told {
                told = true;
                lines.say("connected");
            }
            if frame_at <= at {
                frame_at = (frame_at + every).max(at.checked_sub(every).unwrap());
                frame += 1;
                pcs[0].publish(&mut way, frame);
            }
        }
    }
}

/// Takes what came.
fn receive(way: &mut Way, pcs: &mut [Pc], buffers: &mut Buffers) {
    if let Way::Sockets { ready, .. } = &*way {
        let tokens: Vec<usize> = ready.iter().map(|event| event.token().0).collect();
        for index in tokens {
            pcs[index].on_readable(way, buffers);
        }
        return;
    }
    let at = now();
    for _ in 0..WIRE_RUNS_MAX {
        let Way::Wire { wire, .. } = way else { return };
        let Some((run, bytes)) = wire.receive(&mut buffers.bytes[0]) else { return };
        let index = usize::from(run.destination.port() - WIRE_PORT_FIRST);
        pcs[index].on_run(way, at, (run.source, run.stride), bytes);
    }
}

/// Does what a line says; `false` for the end.
fn hear(line: &str, lines: &Lines, pcs: &mut [Pc]) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["answer", index, sdp] => {
            let pc = &mut pcs[index.parse::<usize>().unwrap()];
            let answer = SdpAnswer::from_sdp_string(&unpack(sdp)).unwrap();
            pc.rtc.sdp_api().accept_answer(pc.pending.take().unwrap(), answer).unwrap();
            pc.deadline = now();
        }
        ["count"] => {
            let received: u64 = pcs.iter().map(|pc| pc.received).sum();
            lines.say(&format!("count {received} {}", own_cpu()));
        }
        _ => return false,
    }
    true
}

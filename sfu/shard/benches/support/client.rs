//! The client: one publisher and many subscribers, each a full connection with a socket of its own.

use std::{
    io::IoSliceMut,
    net::SocketAddr,
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token};
use quinn_udp::{RecvMeta, UdpSocketState};
use str0m::{
    Candidate, Event, Input, Output, Rtc,
    change::{SdpAnswer, SdpPendingOffer},
    media::{Direction, MediaKind, Mid, Pt},
    net::{Protocol, Receive},
    rtp::{Extension, ExtensionMap, RtpWrite},
};

use super::{FRAME_PACKETS, FRAMES_PER_SECOND, PAYLOAD_BYTES, lines, now, pack, say, unpack};

struct Pc {
    rtc: Rtc,
    socket: mio::net::UdpSocket,
    state: UdpSocketState,
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
    fn open(ip: &str, direction: Direction) -> (Self, String) {
        let socket = std::net::UdpSocket::bind((ip, 0)).unwrap();
        let state = UdpSocketState::new((&socket).into()).unwrap();
        let _ = state.set_recv_buffer_size((&socket).into(), 1 << 20);
        let local = socket.local_addr().unwrap();
        let mut rtc = rtc(false).build(now());
        rtc.add_local_candidate(Candidate::host(local, "udp").unwrap()).unwrap();
        let mut api = rtc.sdp_api();
        let mid = api.add_media(MediaKind::Video, direction, None, None, None);
        let (offer, pending) = api.apply().unwrap();
        let pc = Self {
            rtc,
            socket: mio::net::UdpSocket::from_std(socket),
            state,
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

    fn on_readable(&mut self, buffers: &mut [Vec<u8>], metas: &mut [RecvMeta]) {
        loop {
            let mut slices: Vec<_> = buffers.iter_mut().map(|b| IoSliceMut::new(b)).collect();
            let Ok(count) = self.state.recv((&self.socket).into(), &mut slices, metas) else {
                return;
            };
            let at = now();
            for (buffer, meta) in buffers.iter().zip(metas.iter()).take(count) {
                for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                    let received = Receive::new(Protocol::Udp, meta.addr, self.local, datagram);
                    let Ok(received) = received else { continue };
                    self.rtc.handle_input(Input::Receive(at, received)).unwrap();
                    self.drain();
                }
            }
        }
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.deadline = at;
                    return;
                }
                Output::Transmit(t) => {
                    let _ = self.socket.send_to(&t.contents, t.destination);
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(_)) => self.received += 1,
                Output::Event(Event::KeyframeRequest(_)) => self.keyframe = true,
                Output::Event(_) => {}
            }
        }
    }

    /// Sends one frame.
    fn publish(&mut self, frame: u64) {
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
        self.drain();
    }
}

pub(crate) fn main(ip: &str, subscribers: usize) {
    let input = lines();
    let mut poll = Poll::new().unwrap();
    let mut pcs = Vec::new();
    for index in 0..=subscribers {
        let direction = if index == 0 { Direction::SendOnly } else { Direction::RecvOnly };
        let (mut pc, sdp) = Pc::open(ip, direction);
        poll.registry().register(&mut pc.socket, Token(index), Interest::READABLE).unwrap();
        pcs.push(pc);
        say(&format!("offer {index} {}", pack(&sdp)));
    }
    drive(&input, &mut poll, &mut pcs);
}

fn drive(input: &Receiver<String>, poll: &mut Poll, pcs: &mut [Pc]) {
    let mut ready = Events::with_capacity(1024);
    let mut buffers = vec![vec![0; 65_536]; 8];
    let mut metas = vec![RecvMeta::default(); 8];
    let every = Duration::from_secs(1) / u32::try_from(FRAMES_PER_SECOND).unwrap();
    let (mut frame_at, mut frame, mut told) = (now(), 0, false);
    loop {
        let due = pcs.iter().map(|pc| pc.deadline).min().unwrap().min(frame_at);
        let sleep = due.saturating_duration_since(now()).min(Duration::from_millis(20));
        let _ = poll.poll(&mut ready, Some(sleep));
        for event in &ready {
            pcs[event.token().0].on_readable(&mut buffers, &mut metas);
        }
        while let Ok(line) = input.try_recv() {
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
                    say(&format!("count {received} {}", frame * FRAME_PACKETS));
                }
                _ => return,
            }
        }
        let at = now();
        for pc in pcs.iter_mut().filter(|pc| pc.deadline <= at) {
            pc.rtc.handle_input(Input::Timeout(at)).unwrap();
            pc.drain();
        }
        if pcs.iter().all(|pc| pc.connected) {
            if !told {
                told = true;
                say("connected");
            }
            if frame_at <= at {
                frame_at = (frame_at + every).max(at - every);
                frame += 1;
                pcs[0].publish(frame);
            }
        }
    }
}

//! A plain loop around the library, as its examples show it: one packet in, one call, one packet out.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::mpsc::{Receiver, SyncSender, TryRecvError},
    time::{Duration, Instant},
};

use sfu_shard::wire::{Run, Wire};
use str0m::{
    Candidate, Event, Input, Output, Rtc,
    change::SdpOffer,
    media::{Mid, Pt},
    net::{Protocol, Receive},
    rtp::{RtpPacket, RtpWrite},
};

use super::{client, now};

struct Peer {
    rtc: Rtc,
    mid: Mid,
    /// Numbers towards the peer start small.
    first: Option<u64>,
    deadline: Instant,
}

/// Where the loop's datagrams come from and go to.
pub(crate) enum Port {
    Socket(UdpSocket),
    Wire(Wire),
}

impl Port {
    /// The next datagram and its source, if one comes in time.
    fn receive<'b>(
        &mut self,
        buffer: &'b mut [u8],
        wait: Duration,
    ) -> Option<(&'b [u8], SocketAddr)> {
        match self {
            Self::Socket(socket) => {
                socket.set_read_timeout(Some(wait)).unwrap();
                let (len, source) = socket.recv_from(buffer).ok()?;
                Some((&buffer[..len], source))
            }
            Self::Wire(wire) => {
                if !wire.has_more() {
                    std::thread::park_timeout(wait);
                }
                let (run, bytes) = wire.receive(buffer)?;
                Some((bytes, run.source))
            }
        }
    }

    fn send(&mut self, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
        match self {
            Self::Socket(socket) => {
                let _ = socket.send_to(datagram, destination);
            }
            Self::Wire(wire) => {
                let stride = datagram.len();
                let _ = wire.send(Run { source, destination, stride }, datagram);
            }
        }
    }
}

/// The loop and its figures.
pub(crate) struct Naive {
    port: Port,
    local: SocketAddr,
    peers: Vec<Peer>,
    bwe: bool,
    report: Report,
}

/// What the loop has measured.
#[derive(Clone, Default)]
pub(crate) struct Report {
    pub(crate) forwarded: u64,
    /// Latencies in microseconds.
    pub(crate) latencies: Vec<u32>,
}

/// A request to the loop.
pub(crate) enum Ask {
    Offer(usize, String, SyncSender<String>),
    Report(SyncSender<Report>),
}

pub(crate) fn run(port: Port, local: SocketAddr, bwe: bool, asks: &Receiver<Ask>) {
    let mut naive = Naive { port, local, peers: Vec::new(), bwe, report: Report::default() };
    let mut buffer = vec![0; 2048];
    loop {
        loop {
            match asks.try_recv() {
                Ok(ask) => naive.on_ask(ask),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        let due = naive.peers.iter().map(|peer| peer.deadline).min();
        let wait = due.map_or(Duration::from_millis(20), |d| d.saturating_duration_since(now()));
        let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(20));
        let received = naive.port.receive(&mut buffer, wait);
        let at = now();
        if let Some((datagram, source)) = received {
            naive.on_datagram(datagram, source, at);
        }
        for index in 0..naive.peers.len() {
            if naive.peers[index].deadline <= at {
                naive.peers[index].rtc.handle_input(Input::Timeout(at)).unwrap();
                naive.drain(index, at);
            }
        }
    }
}

impl Naive {
    fn on_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Offer(index, sdp, reply) => {
                let mut rtc = client::rtc(self.bwe).set_ice_lite(true).build(now());
                rtc.add_local_candidate(Candidate::host(self.local, "udp").unwrap()).unwrap();
                let offer = SdpOffer::from_sdp_string(&sdp).unwrap();
                let answer = rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string();
                let mid = sfu_shard::sdp::lines(&sdp)[0].mid;
                rtc.bwe().set_bitrate(str0m::bwe::Bitrate::mbps(3), str0m::bwe::Bitrate::mbps(4));
                assert_eq!(index, self.peers.len(), "offers come in order");
                let mid = Mid::from(mid.as_str());
                self.peers.push(Peer { rtc, mid, first: None, deadline: now() });
                reply.send(answer).unwrap();
            }
            Ask::Report(reply) => {
                let report = std::mem::take(&mut self.report);
                reply.send(report).unwrap();
            }
        }
    }

    fn on_datagram(&mut self, bytes: &[u8], source: SocketAddr, at: Instant) {
        let parse = || Receive::new(Protocol::Udp, source, self.local, bytes).ok();
        let Some(receive) = parse() else { return };
        let input = Input::Receive(at, receive);
        let Some(index) = self.peers.iter().position(|peer| peer.rtc.accepts(&input)) else {
            return;
        };
        self.peers[index].rtc.handle_input(input).unwrap();
        self.drain(index, at);
    }

    fn drain(&mut self, index: usize, arrived: Instant) {
        loop {
            match self.peers[index].rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.peers[index].deadline = at;
                    return;
                }
                Output::Transmit(t) => {
                    self.port.send(self.local, t.destination, &t.contents);
                }
                Output::Event(Event::RtpPacket(packet)) => self.forward(&packet, arrived),
                Output::Event(Event::KeyframeRequest(_)) => self.request_keyframe(),
                Output::Event(_) => {}
            }
        }
    }

    fn request_keyframe(&mut self) {
        let publisher = &mut self.peers[0];
        let mut direct = publisher.rtc.direct_api();
        if let Some(stream) = direct.stream_rx_by_mid(publisher.mid, None) {
            stream.request_keyframe(str0m::media::KeyframeRequestKind::Pli);
        }
    }

    fn forward(&mut self, packet: &RtpPacket, arrived: Instant) {
        for index in 1..self.peers.len() {
            let peer = &mut self.peers[index];
            if !peer.rtc.is_connected() {
                continue;
            }
            let first = *peer.first.get_or_insert(*packet.seq_no);
            let seq = (*packet.seq_no).saturating_sub(first);
            let payload = std::sync::Arc::clone(&packet.payload);
            let write =
                RtpWrite::new(Pt::from(96), seq.into(), packet.header.timestamp, arrived, payload)
                    .marker(packet.header.marker)
                    .nackable(true);
            let mut direct = peer.rtc.direct_api();
            let Some(stream) = direct.stream_tx_by_mid(peer.mid, None) else { continue };
            stream.write_rtp(write);
            peer.rtc.handle_input(Input::Timeout(now())).unwrap();
            self.drain(index, arrived);
            self.report.forwarded += 1;
            let us = u32::try_from(arrived.elapsed().as_micros()).unwrap();
            self.report.latencies.push(us);
        }
    }
}

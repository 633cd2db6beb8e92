//! A client: connections, sections, made-up pictures and sound, and a record of what arrives.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use str0m::{
    Candidate, Event, Input, Output, Rtc,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::{ChannelConfig, ChannelId, Reliability},
    media::{Direction, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer},
    net::{Protocol, Receive, TcpType},
    rtp::{Extension, ExtensionMap, ExtensionValues, RtpWrite, Vp8Descriptor},
};

#[expect(clippy::disallowed_methods, reason = "the tests' only clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// How a connection's bytes travel.
pub(crate) enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

/// One packet as it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) ssrc: u32,
    pub(crate) seq: u64,
    pub(crate) time: u32,
    pub(crate) len: usize,
    pub(crate) picture_id: Option<u16>,
    pub(crate) keyframe: bool,
}

/// One peer connection of a client.
pub(crate) struct Pc {
    pub(crate) rtc: Rtc,
    pub(crate) wire: Wire,
    pub(crate) local: SocketAddr,
    pub(crate) pending: Option<SdpPendingOffer>,
    pub(crate) arrived: Vec<Arrived>,
    pub(crate) channels: HashMap<String, ChannelId>,
    pub(crate) data: Vec<(String, Vec<u8>)>,
    pub(crate) connected: bool,
    pub(crate) keyframes: Vec<(Mid, Option<Rid>)>,
    deadline: Instant,
}

impl Pc {
    pub(crate) fn udp() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let local = socket.local_addr().unwrap();
        let mut pc = Self::new(Wire::Udp(socket), local);
        pc.rtc.add_local_candidate(Candidate::host(local, "udp").unwrap()).unwrap();
        pc
    }

    pub(crate) fn tcp(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nonblocking(true).unwrap();
        let local = stream.local_addr().unwrap();
        let mut pc = Self::new(Wire::Tcp(stream, Vec::new()), local);
        let candidate =
            Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build().unwrap();
        pc.rtc.add_local_candidate(candidate).unwrap();
        pc
    }

    fn new(wire: Wire, local: SocketAddr) -> Self {
        let mut map = ExtensionMap::empty();
        map.set(1, Extension::AudioLevel);
        map.set(3, Extension::TransportSequenceNumber);
        map.set(4, Extension::RtpMid);
        map.set(10, Extension::RtpStreamId);
        map.set(11, Extension::RepairedRtpStreamId);
        let now = now();
        let rtc = Rtc::builder()
            .set_rtp_mode(true)
            .set_extension_map(map)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .build(now);
        Self {
            rtc,
            wire,
            local,
            pending: None,
            arrived: Vec::new(),
            channels: HashMap::new(),
            data: Vec::new(),
            connected: false,
            keyframes: Vec::new(),
            deadline: now,
        }
    }

    /// Adds sections and channels, and makes the offer.
    pub(crate) fn offer(
        &mut self,
        sections: &[(MediaKind, Direction, &[&str])],
        channels: bool,
    ) -> (String, Vec<Mid>) {
        let mut api = self.rtc.sdp_api();
        let mut mids = Vec::new();
        for (kind, direction, rids) in sections {
            let simulcast = (!rids.is_empty()).then(|| {
                let mut simulcast = Simulcast::new();
                rids.iter().for_each(|rid| simulcast.add_send_layer(SimulcastLayer::new(rid)));
                simulcast
            });
            mids.push(api.add_media(*kind, *direction, None, None, simulcast));
        }
        if channels {
            for (label, ordered) in [("_reliable", true), ("_lossy", false)] {
                let reliability = match ordered {
                    true => Reliability::Reliable,
                    false => Reliability::MaxRetransmits { retransmits: 0 },
                };
                api.add_channel_with_config(ChannelConfig {
                    label: label.into(),
                    ordered,
                    reliability,
                    ..ChannelConfig::default()
                });
            }
        }
        let (offer, pending) = api.apply().expect("something to offer");
        self.pending = Some(pending);
        (offer.to_sdp_string(), mids)
    }

    /// Makes an offer that changes nothing.
    pub(crate) fn reoffer(&mut self, mid: Mid) -> String {
        let mut api = self.rtc.sdp_api();
        api.set_direction(mid, Direction::Inactive);
        api.set_direction(mid, Direction::RecvOnly);
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    /// Restarts ICE.
    pub(crate) fn restart(&mut self) -> String {
        let mut api = self.rtc.sdp_api();
        api.ice_restart(true);
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    pub(crate) fn on_answer(&mut self, sdp: &str) {
        let answer = SdpAnswer::from_sdp_string(sdp).unwrap();
        let pending = self.pending.take().expect("an offer is pending");
        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        self.deadline = now();
    }

    pub(crate) fn on_offer(&mut self, sdp: &str) -> String {
        let offer = SdpOffer::from_sdp_string(sdp).unwrap();
        let answer = self.rtc.sdp_api().accept_offer(offer).unwrap();
        self.deadline = now();
        answer.to_sdp_string()
    }

    /// Writes one packet; it leaves with the next step.
    pub(crate) fn write(
        &mut self,
        mid: Mid,
        rid: Option<&str>,
        (pt, seq, time): (u8, u64, u32),
        payload: &[u8],
    ) {
        let audio = pt == 111;
        let extensions = ExtensionValues {
            audio_level: audio.then_some(-20),
            voice_activity: audio.then_some(true),
            ..ExtensionValues::default()
        };
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(mid, rid.map(Rid::from)).expect("a stream");
        let write = RtpWrite::new(Pt::from(pt), seq.into(), time, now(), payload)
            .marker(true)
            .nackable(!audio)
            .ext_vals(extensions);
        stream.write_rtp(write);
        self.deadline = now();
    }

    pub(crate) fn send(&mut self, label: &str, message: &[u8]) -> bool {
        let Some(id) = self.channels.get(label).copied() else { return false };
        let written = self.rtc.channel(id).is_some_and(|mut c| c.write(true, message).unwrap());
        self.deadline = now();
        written
    }

    /// Reads what waits, and lets the library work.
    pub(crate) fn step(&mut self) {
        let mut buffer = [0; 4096];
        while let Some((source, len)) = self.read(&mut buffer) {
            let proto = match self.wire {
                Wire::Udp(_) => Protocol::Udp,
                Wire::Tcp(..) => Protocol::Tcp,
            };
            let receive = Receive::new(proto, source, self.local, &buffer[..len]).unwrap();
            self.rtc.handle_input(Input::Receive(now(), receive)).unwrap();
            self.drain();
        }
        if self.deadline <= now() {
            self.rtc.handle_input(Input::Timeout(now())).unwrap();
            self.drain();
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        match &mut self.wire {
            Wire::Udp(socket) => socket.recv_from(buffer).ok().map(|(len, source)| (source, len)),
            Wire::Tcp(stream, received) => {
                let mut chunk = [0; 4096];
                match stream.read(&mut chunk) {
                    Ok(len) => received.extend_from_slice(&chunk[..len]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => return None,
                }
                let (frame, rest) = sfu_shard::framing::split(received).unwrap()?;
                buffer[..frame.len()].copy_from_slice(frame);
                let (len, rest) = (frame.len(), rest.to_vec());
                *received = rest;
                Some((stream.peer_addr().unwrap(), len))
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
                Output::Transmit(transmit) => match &mut self.wire {
                    Wire::Udp(socket) => {
                        let _ = socket.send_to(&transmit.contents, transmit.destination);
                    }
                    Wire::Tcp(stream, _) => {
                        let header = sfu_shard::framing::header(transmit.contents.len()).unwrap();
                        stream.write_all(&header).unwrap();
                        stream.write_all(&transmit.contents).unwrap();
                    }
                },
                Output::Event(event) => self.on_event(event),
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::RtpPacket(packet) => {
                let ssrc = packet.header.ssrc;
                let vp8 = Vp8Descriptor::parse(&packet.payload).ok();
                self.arrived.push(Arrived {
                    ssrc: *ssrc,
                    seq: *packet.seq_no,
                    time: packet.header.timestamp,
                    len: packet.payload.len(),
                    picture_id: vp8.and_then(|vp8| vp8.picture_id()),
                    keyframe: vp8.is_some_and(|vp8| vp8.starts_keyframe(&packet.payload)),
                });
            }
            Event::KeyframeRequest(request) => self.keyframes.push((request.mid, request.rid)),
            Event::ChannelOpen(id, label) => {
                self.channels.insert(label, id);
            }
            Event::ChannelData(data) => {
                let label = self.channels.iter().find(|(_, id)| **id == data.id);
                let label = label.map_or(String::new(), |(label, _)| label.clone());
                self.data.push((label, data.data));
            }
            _ => {}
        }
    }
}

/// Sends pictures or sound at a steady pace.
pub(crate) struct Source {
    pub(crate) mid: Mid,
    pub(crate) rids: Vec<&'static str>,
    pub(crate) video: bool,
    every: Duration,
    next_at: Instant,
    frame: u64,
    keyframe_next: Vec<bool>,
}

impl Source {
    pub(crate) fn video(mid: Mid, rids: &[&'static str]) -> Self {
        let every = Duration::from_millis(20);
        let rids = rids.to_vec();
        let keyframe_next = vec![true; rids.len().max(1)];
        Self { mid, rids, video: true, every, next_at: now(), frame: 0, keyframe_next }
    }

    pub(crate) fn audio(mid: Mid) -> Self {
        Self { video: false, ..Self::video(mid, &[]) }
    }

    /// Sends what is due. Payload lengths tell encodings apart: 300, 600 and 900 bytes.
    pub(crate) fn step(&mut self, pc: &mut Pc) {
        for (_, rid) in pc.keyframes.extract_if(.., |(mid, _)| *mid == self.mid) {
            let place = self.rids.iter().position(|name| rid.is_some_and(|rid| &*rid == *name));
            self.keyframe_next[place.unwrap_or(0)] = true;
        }
        if !pc.connected || now() < self.next_at {
            return;
        }
        self.next_at = now() + self.every;
        self.frame += 1;
        let encodings = self.rids.len().max(1);
        for place in 0..encodings {
            let rid = self.rids.get(place).copied();
            let (pt, clock) = if self.video { (96, 1800) } else { (111, 960) };
            let time = u32::try_from(self.frame * clock).unwrap();
            let payload = if self.video { self.picture(place) } else { vec![1; 80] };
            pc.write(self.mid, rid, (pt, self.frame, time), &payload);
        }
    }

    fn picture(&mut self, place: usize) -> Vec<u8> {
        let keyframe = std::mem::take(&mut self.keyframe_next[place]);
        let mut payload = vec![9; 300 * (place + 1)];
        let id = u16::try_from(self.frame % 0x8000).unwrap().to_be_bytes();
        let head = [0x90, 0xe0, id[0] | 0x80, id[1], id[1], 0, u8::from(!keyframe)];
        payload[..head.len()].copy_from_slice(&head);
        payload
    }
}

//! What a client sends: which section, rid and SSRC is which encoding of which track.
//! Hot path: [`Uplink::route`] and [`BurstPacket::read`].

use std::sync::Arc;

use proto::{
    id::TrackKey,
    media::{Codec, Mid, Quality, RtpTime, SeqNo},
    time::Instant,
};
use sfu_core::input::{Packet, Picture, SenderClock};
use str0m::{
    Rtc,
    media::{ExtensionValues, KeyframeRequestKind, Rid, Rids},
    rtp::{RtpPacket, Ssrc, Vp8Descriptor},
};

use super::extension;
use crate::{packet, sdp};

/// SSRCs of one connection that are remembered at most; a client that changes them more often is looked up again.
const ROUTES_MAX: usize = 256;

/// Packets that came in together, in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Burst {
    pub(crate) packets: Vec<BurstPacket>,
}

/// A packet on its way to subscribers.
#[derive(Clone, Debug)]
pub(crate) struct BurstPacket {
    pub(crate) track: TrackKey,
    pub(crate) quality: Quality,
    pub(crate) packet: Packet,
    pub(super) payload: Arc<[u8]>,
    pub(super) extensions: ExtensionValues,
    pub(super) vp8: Option<Vp8Descriptor>,
}

/// A track that a client publishes on a section.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) mid: Mid,
    pub(crate) track: TrackKey,
    /// Announced encodings, smallest first; may be empty.
    pub(crate) announced: Vec<Quality>,
    pub(crate) disable_dtx: bool,
    pub(crate) stereo: bool,
}

/// A section the client sends on.
#[derive(Debug)]
struct Section {
    mid: str0m::media::Mid,
    name: Mid,
    /// Rids in order of size; empty without simulcast.
    rids: Vec<Rid>,
}

/// Where packets of an SSRC belong.
#[derive(Clone, Copy, Debug)]
struct Route {
    ssrc: Ssrc,
    to: Result<(TrackKey, Quality), Unplaced>,
}

/// Why a packet belongs nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unplaced {
    /// Its section carries no published track.
    Unbound,
    /// Its rid or codec is not known.
    Unknown,
}

/// Everything a client sends on one connection.
#[derive(Debug)]
pub(super) struct Uplink {
    sections: Vec<Section>,
    pub(super) bindings: Vec<Binding>,
    routes: Vec<Route>,
    started: Vec<(TrackKey, Quality)>,
    codecs: [Option<Codec>; 128],
}

impl Default for Uplink {
    fn default() -> Self {
        Self {
            sections: Vec::new(),
            bindings: Vec::new(),
            routes: Vec::new(),
            started: Vec::new(),
            codecs: [None; 128],
        }
    }
}

impl Uplink {
    /// Learns what a negotiation has settled; `lines` are of the shard's own description.
    pub(super) fn renew(&mut self, rtc: &Rtc, lines: &[sdp::Line]) {
        self.routes.clear();
        self.sections.clear();
        for line in lines.iter().filter(|line| line.direction.receives()) {
            let mid = str0m::media::Mid::from(line.mid.as_str());
            let Some(media) = rtc.media(mid) else { continue };
            let mut names: Vec<String> = match media.rids_rx() {
                Rids::Specific(rids) => rids.iter().map(ToString::to_string).collect(),
                Rids::None | Rids::Any => Vec::new(),
            };
            sdp::sort_rids(&mut names);
            let rids = names.iter().map(|name| Rid::from(name.as_str())).collect();
            self.sections.push(Section { mid, name: line.mid, rids });
        }
        self.codecs = [None; 128];
        for params in rtc.codec_config().params() {
            let codec = codec_of(params.spec().codec);
            if let Some(place) = self.codecs.get_mut(usize::from(*params.pt())) {
                *place = codec;
            }
        }
    }

    /// Binds a track to a section, which may not exist yet.
    pub(super) fn bind(&mut self, binding: Binding) {
        self.bindings.retain(|other| other.mid != binding.mid && other.track != binding.track);
        self.bindings.push(binding);
        self.routes.clear();
    }

    /// Unbinds a track.
    pub(super) fn unbind(&mut self, track: TrackKey) {
        self.bindings.retain(|binding| binding.track != track);
        self.started.retain(|(other, _)| *other != track);
        self.routes.clear();
    }

    /// Finds where a packet belongs.
    pub(super) fn route(
        &mut self,
        rtc: &mut Rtc,
        ssrc: Ssrc,
    ) -> Result<(TrackKey, Quality), Unplaced> {
        if let Some(route) = self.routes.iter().find(|route| route.ssrc == ssrc) {
            return route.to;
        }
        let to = self.place(rtc, ssrc);
        if self.routes.len() >= ROUTES_MAX {
            self.routes.clear();
        }
        self.routes.push(Route { ssrc, to });
        to
    }

    fn place(&self, rtc: &mut Rtc, ssrc: Ssrc) -> Result<(TrackKey, Quality), Unplaced> {
        let mut direct = rtc.direct_api();
        let stream = direct.stream_rx(&ssrc).ok_or(Unplaced::Unknown)?;
        let (mid, rid) = (stream.mid(), stream.rid());
        let section = self.sections.iter().find(|s| s.mid == mid).ok_or(Unplaced::Unbound)?;
        let binding =
            self.bindings.iter().find(|b| b.mid == section.name).ok_or(Unplaced::Unbound)?;
        let place = match rid {
            None => 0,
            Some(rid) => {
                section.rids.iter().position(|other| *other == rid).ok_or(Unplaced::Unknown)?
            }
        };
        let announced = binding.announced.get(place).copied();
        let quality = announced.or_else(|| Quality::ALL.get(place).copied());
        quality.map(|quality| (binding.track, quality)).ok_or(Unplaced::Unknown)
    }

    /// Whether this is the first packet of an encoding.
    pub(super) fn starts(&mut self, track: TrackKey, quality: Quality) -> bool {
        let fresh = !self.started.contains(&(track, quality));
        if fresh {
            self.started.push((track, quality));
        }
        fresh
    }

    pub(super) fn codec(&self, pt: u8) -> Option<Codec> {
        self.codecs.get(usize::from(pt)).copied().flatten()
    }

    /// Asks the client for a key frame of an encoding; `false` when nothing of it ever came.
    pub(super) fn request_keyframe(
        &self,
        rtc: &mut Rtc,
        track: TrackKey,
        quality: Quality,
    ) -> bool {
        let binding = self.bindings.iter().find(|binding| binding.track == track);
        let section = binding.and_then(|b| self.sections.iter().find(|s| s.name == b.mid));
        let (Some(binding), Some(section)) = (binding, section) else { return false };
        let place = binding.announced.iter().position(|q| *q == quality);
        let place = place.unwrap_or_else(|| quality.index());
        let rid = section.rids.get(place).copied();
        let mut direct = rtc.direct_api();
        let Some(stream) = direct.stream_rx_by_mid(section.mid, rid) else { return false };
        stream.request_keyframe(KeyframeRequestKind::Pli);
        true
    }
}

/// A codec of the library in our terms.
pub(super) fn codec_of(codec: str0m::format::Codec) -> Option<Codec> {
    match codec {
        str0m::format::Codec::Opus => Some(Codec::Opus),
        str0m::format::Codec::Vp8 => Some(Codec::Vp8),
        str0m::format::Codec::Vp9 => Some(Codec::Vp9),
        str0m::format::Codec::H264 => Some(Codec::H264),
        str0m::format::Codec::Av1 => Some(Codec::Av1),
        _ => None,
    }
}

impl BurstPacket {
    /// Takes a received packet apart.
    pub(super) fn read(
        (track, quality): (TrackKey, Quality),
        codec: Codec,
        arrived_at: Instant,
        mut received: RtpPacket,
    ) -> Self {
        let payload = received.payload;
        let picture = packet::picture(codec, &payload);
        let vp8 = match picture {
            Picture::Vp8(_) => Vp8Descriptor::parse(&payload).ok(),
            Picture::Vp9(_) | Picture::Opaque { .. } => None,
        };
        let level = received.header.ext_vals.audio_level;
        let sender_clock = received.last_sender_info.and_then(|info| {
            let wallclock = info.ntp_time.duration_since(std::time::UNIX_EPOCH).ok()?;
            // RTP time is carried in 32 bits.
            let time = u32::try_from(info.rtp_time.numer() & u64::from(u32::MAX)).ok()?;
            let wallclock_us = u64::try_from(wallclock.as_micros()).ok()?;
            Some(SenderClock { wallclock_us, time: RtpTime(time) })
        });
        let packet = Packet {
            arrived_at,
            seq: SeqNo(*received.seq_no),
            time: RtpTime(received.header.timestamp),
            marker: received.header.marker,
            codec,
            payload_len: u16::try_from(payload.len()).unwrap_or(u16::MAX),
            picture,
            audio_level: level.map(|level| level.unsigned_abs().min(127)),
            sender_clock,
        };
        let extensions = extension::forwarded(codec, &mut received.header.ext_vals);
        Self { track, quality, packet, payload, extensions, vp8 }
    }
}

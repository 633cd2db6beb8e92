//! What a client receives: its sections, the tracks that occupy them, and writing packets to them.
//! Hot path: [`Downlink::write`].

use std::time::{Duration, Instant};

use proto::{
    id::TrackKey,
    media::{Codec, MediaKind, Mid},
};
use sfu_core::{
    input::PictureId,
    output::{Forward, Rewrite},
};
use str0m::{
    Rtc,
    media::Pt,
    rtp::{RtpWrite, Ssrc, Vp8Descriptor, Vp8Patch},
};

use super::{
    timeline::Timeline,
    uplink::{BurstPacket, codec_of},
};
use crate::{api::Msid, counters::Drop, packet, sdp};

/// Sections a shard's own offers may have at most; a client that watches more gets the rest when others end.
const SECTIONS_MAX: usize = 512;

/// Packets kept for retransmission, video: about two seconds of a 5 Mbit/s encoding.
const RTX_PACKETS_VIDEO: usize = 1024;

/// Packets kept for retransmission, sound.
const RTX_PACKETS_AUDIO: usize = 64;

/// How long a packet is kept for retransmission; later it would come too late to be shown.
const RTX_AGE: Duration = Duration::from_secs(3);

/// The track in a section, and its names.
#[derive(Clone, Debug)]
pub(crate) struct Occupant {
    pub(crate) track: TrackKey,
    pub(crate) msid: Msid,
    pub(crate) stereo: bool,
}

/// A section the client receives on.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) mid: str0m::media::Mid,
    pub(super) name: Mid,
    pub(super) kind: MediaKind,
    pub(super) occupant: Option<Occupant>,
    /// The track that the last description named here.
    pub(super) told: Option<TrackKey>,
    /// The client has taken the description that named it.
    live: bool,
    wire: Option<Wire>,
}

/// How packets leave on a section.
#[derive(Debug)]
struct Wire {
    ssrc: Ssrc,
    payload_types: [Option<Pt>; 6],
    timeline: Timeline,
}

/// Everything a client receives on one connection.
#[derive(Debug, Default)]
pub(super) struct Downlink {
    pub(super) sections: Vec<Section>,
    /// Tracks that get a new section with the shard's next offer.
    pub(super) fresh: Vec<(MediaKind, Occupant)>,
}

impl Downlink {
    /// Puts a track into a free section; `grow` makes one with the next offer if none is free.
    pub(super) fn assign(&mut self, kind: MediaKind, occupant: Occupant, grow: bool) -> bool {
        let free = |s: &&mut Section| s.kind == kind && s.occupant.is_none();
        if let Some(section) = self.sections.iter_mut().find(free) {
            section.occupant = Some(occupant);
            return true;
        }
        let room = grow && self.sections.len() + self.fresh.len() < SECTIONS_MAX;
        if room {
            self.fresh.push((kind, occupant));
        }
        room
    }

    /// Takes a track out of its section.
    pub(super) fn release(&mut self, track: TrackKey) {
        self.fresh.retain(|(_, occupant)| occupant.track != track);
        for section in &mut self.sections {
            if section.occupant.as_ref().is_some_and(|occupant| occupant.track == track) {
                section.occupant = None;
            }
        }
    }

    /// Where a track can be sent: its section, when the client knows it by name and it can carry packets.
    pub(super) fn ready(&self, track: TrackKey) -> Option<usize> {
        self.sections.iter().position(|section| {
            let here = section.occupant.as_ref().is_some_and(|occupant| occupant.track == track);
            here && section.live && section.told == Some(track) && section.wire.is_some()
        })
    }

    /// Whether what a description should say differs from what the last one said.
    pub(super) fn is_stale(&self) -> bool {
        let wanted = |s: &Section| s.occupant.as_ref().map(|occupant| occupant.track);
        !self.fresh.is_empty() || self.sections.iter().any(|s| wanted(s) != s.told)
    }

    pub(super) fn section(&self, name: Mid) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Learns which sections the client's offer left for receiving; `lines` are of the shard's own answer.
    /// Returns tracks whose section is gone.
    pub(super) fn adopt(&mut self, lines: &[sdp::Line]) -> Vec<TrackKey> {
        let ours = |line: &&sdp::Line| line.direction == sdp::Direction::SendOnly;
        let mut displaced = Vec::new();
        self.sections.retain(|section| {
            let kept = lines.iter().filter(ours).any(|line| line.mid == section.name);
            if let (false, Some(occupant)) = (kept, &section.occupant) {
                displaced.push(occupant.track);
            }
            kept
        });
        for line in lines.iter().filter(ours) {
            if self.section(line.mid).is_none() {
                self.add(str0m::media::Mid::from(line.mid.as_str()), line.mid, line.kind, None);
            }
        }
        displaced
    }

    pub(super) fn add(
        &mut self,
        mid: str0m::media::Mid,
        name: Mid,
        kind: MediaKind,
        occupant: Option<Occupant>,
    ) {
        self.sections.push(Section {
            mid,
            name,
            kind,
            occupant,
            told: None,
            live: false,
            wire: None,
        });
    }

    /// The sections as they are named now have been told to the client.
    pub(super) fn mark_told(&mut self) {
        for section in &mut self.sections {
            let named = section.occupant.as_ref().map(|occupant| occupant.track);
            section.live &= section.told == named;
            section.told = named;
        }
    }

    /// Gives sections that are about to carry another track than they did a fresh SSRC: libwebrtc does not connect
    /// its player again to a receiver that comes back under the SSRC it had.
    pub(super) fn renew(&self, rtc: &mut Rtc) {
        let renamed = |s: &&Section| {
            s.wire.is_some() && s.occupant.as_ref().is_some_and(|o| s.told != Some(o.track))
        };
        for section in self.sections.iter().filter(renamed) {
            let mut direct = rtc.direct_api();
            let Some(stream) = direct.stream_tx_by_mid(section.mid, None) else { continue };
            let (old, resends) = (stream.ssrc(), stream.rtx().is_some());
            // Resetting the stream in place would leave the library looking for it under the old SSRC.
            direct.remove_stream_tx(old);
            let ssrc = direct.new_ssrc();
            let rtx = resends.then(|| direct.new_ssrc());
            direct.declare_stream_tx(ssrc, rtx, section.mid, None);
        }
    }

    /// Learns how packets leave, after a negotiation.
    pub(super) fn wire(&mut self, rtc: &mut Rtc) {
        for section in &mut self.sections {
            section.live = true;
            let Some(payload_types) = payload_types(rtc, section.mid) else {
                section.wire = None;
                continue;
            };
            let mut direct = rtc.direct_api();
            let Some(stream) = direct.stream_tx_by_mid(section.mid, None) else {
                section.wire = None;
                continue;
            };
            let ssrc = stream.ssrc();
            match &mut section.wire {
                Some(wire) if wire.ssrc == ssrc => wire.payload_types = payload_types,
                wire => {
                    let packets = match section.kind {
                        MediaKind::Audio => RTX_PACKETS_AUDIO,
                        MediaKind::Video => RTX_PACKETS_VIDEO,
                    };
                    // No cap on the share of resends: it would drop them just when loss is high.
                    stream.set_rtx_cache(packets, RTX_AGE, None);
                    let timeline = Timeline::default();
                    *wire = Some(Wire { ssrc, payload_types, timeline });
                }
            }
        }
    }

    /// Writes a packet to a section; it leaves with the next drain.
    pub(super) fn write(
        &mut self,
        rtc: &mut Rtc,
        section: usize,
        forward: &Forward,
        (source, wallclock): (&BurstPacket, Instant),
    ) -> Result<(), Drop> {
        let section = self.sections.get_mut(section).ok_or(Drop::NoSection)?;
        let kind = section.kind;
        let wire = section.wire.as_mut().ok_or(Drop::NoSection)?;
        let codec = source.packet.codec;
        let pt = wire.payload_types.get(index(codec)).copied().flatten();
        let pt = pt.ok_or(Drop::NoSection)?;
        let at = source.packet.arrived_at;
        let numbers = (forward.seq, forward.time);
        let mapped = wire.timeline.map(forward.slot, numbers, at, codec.clock_hz());
        let (seq, time) = mapped.ok_or(Drop::Rewrite)?;
        let (payload, patch) = rewritten(source, forward.rewrite).ok_or(Drop::Rewrite)?;
        let mut write = RtpWrite::new(pt, seq.0.into(), time.0, wallclock, payload)
            .marker(forward.marker)
            .ext_vals(source.extensions.clone())
            .nackable(kind == MediaKind::Video);
        if let Some(patch) = patch {
            write = write.vp8_patch(patch);
        }
        let mut direct = rtc.direct_api();
        direct.stream_tx(&wire.ssrc).ok_or(Drop::NoSection)?.write_rtp(write);
        Ok(())
    }

    /// Which track a key frame request on a section is for.
    pub(super) fn occupant_of(&self, mid: str0m::media::Mid) -> Option<TrackKey> {
        let section = self.sections.iter().find(|section| section.mid == mid)?;
        section.occupant.as_ref().map(|occupant| occupant.track)
    }
}

const fn index(codec: Codec) -> usize {
    match codec {
        Codec::Opus => 0,
        Codec::OpusRed => 1,
        Codec::Vp8 => 2,
        Codec::Vp9 => 3,
        Codec::H264 => 4,
        Codec::Av1 => 5,
    }
}

/// The payload type of each codec on a section, by [`index`]; the first the client listed wins.
fn payload_types(rtc: &Rtc, mid: str0m::media::Mid) -> Option<[Option<Pt>; 6]> {
    let media = rtc.media(mid)?;
    let mut found = [None; 6];
    for pt in media.remote_pts() {
        let params = rtc.codec_config().params().iter().find(|params| params.pt() == *pt);
        let codec = params.and_then(|params| codec_of(params.spec().codec));
        if let Some(place) = codec.and_then(|codec| found.get_mut(index(codec))) {
            place.get_or_insert(*pt);
        }
    }
    Some(found)
}

type Rewritten = (std::sync::Arc<[u8]>, Option<Vp8Patch>);

/// The payload with its picture fields as the subscriber needs them.
fn rewritten(source: &BurstPacket, rewrite: Rewrite) -> Option<Rewritten> {
    let payload = || std::sync::Arc::clone(&source.payload);
    let Rewrite::Picture { picture_id, tl0, key_index } = rewrite else {
        return Some((payload(), None));
    };
    match source.packet.codec {
        Codec::Vp8 => {
            let patch = vp8_patch(source.vp8.as_ref()?, picture_id, tl0, key_index)?;
            Some((payload(), Some(patch)))
        }
        Codec::Vp9 => {
            let copy = packet::rewrite_vp9(&source.payload, picture_id, tl0)?;
            Some((copy.into(), None))
        }
        Codec::Opus | Codec::OpusRed | Codec::H264 | Codec::Av1 => Some((payload(), None)),
    }
}

fn vp8_patch(
    descriptor: &Vp8Descriptor,
    picture_id: Option<PictureId>,
    tl0: Option<u8>,
    key_index: Option<u8>,
) -> Option<Vp8Patch> {
    let mut patch = descriptor.patch();
    if let Some(id) = picture_id {
        patch = patch.picture_id(match id {
            PictureId::Short(id) => u16::from(id),
            PictureId::Long(id) => id,
        });
    }
    if let Some(tl0) = tl0 {
        patch = patch.tl0_pic_idx(tl0);
    }
    if let Some(key_index) = key_index {
        patch = patch.key_idx(key_index);
    }
    patch.build().ok()
}

//! What a payload says of its picture, read from the payload descriptors of the video codecs. Bounded and pure.

use proto::media::Codec;
use sfu_core::input::{Picture, PictureId, Vp8, Vp9};

/// NAL unit types of H.264 (RFC 6184 section 5.2): sequence parameter set, and the two wrappers in use.
const NAL_SPS: u8 = 7;
const NAL_STAP_A: u8 = 24;
const NAL_FU_A: u8 = 28;

/// NAL units looked at in one aggregation packet.
const NALS_MAX: usize = 32;

/// Reads what the core needs to know of a payload. What cannot be read is opaque and starts nothing.
#[must_use]
pub fn picture(codec: Codec, payload: &[u8]) -> Picture {
    let unreadable = Picture::Opaque { keyframe: false };
    match codec {
        Codec::Opus | Codec::OpusRed => Picture::Opaque { keyframe: true },
        Codec::Vp8 => parse_vp8(payload).map_or(unreadable, Picture::Vp8),
        Codec::Vp9 => parse_vp9(payload).map_or(unreadable, Picture::Vp9),
        Codec::H264 => Picture::Opaque { keyframe: starts_h264_keyframe(payload) },
        Codec::Av1 => Picture::Opaque { keyframe: starts_av1_keyframe(payload) },
    }
}

/// Takes bytes from the front of a payload.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// A picture id of one or two bytes, by its first bit.
    fn picture_id(&mut self) -> Option<PictureId> {
        let first = self.byte()?;
        if first & 0x80 == 0 {
            return Some(PictureId::Short(first));
        }
        Some(PictureId::Long(u16::from_be_bytes([first & 0x7f, self.byte()?])))
    }
}

/// Reads a VP8 payload descriptor (RFC 7741 section 4.2); `None` when it is cut or malformed.
#[must_use]
pub fn parse_vp8(payload: &[u8]) -> Option<Vp8> {
    let mut reader = Reader { rest: payload };
    let first = reader.byte()?;
    let start = first & 0x10 != 0 && first & 0x0f == 0;
    let mut vp8 = Vp8 {
        keyframe: false,
        start,
        picture_id: None,
        tl0: None,
        temporal: None,
        sync: false,
        key_index: None,
    };
    if first & 0x80 != 0 {
        let flags = reader.byte()?;
        if flags & 0x80 != 0 {
            vp8.picture_id = Some(reader.picture_id()?);
        }
        if flags & 0x40 != 0 {
            vp8.tl0 = Some(reader.byte()?);
        }
        if flags & 0x30 != 0 {
            let byte = reader.byte()?;
            if flags & 0x20 != 0 {
                vp8.temporal = Some(byte >> 6);
                vp8.sync = byte & 0x20 != 0;
            }
            if flags & 0x10 != 0 {
                vp8.key_index = Some(byte & 0x1f);
            }
        }
    }
    // The frame header's first bit is clear on key frames (RFC 6386 section 9.1).
    let header = reader.byte()?;
    vp8.keyframe = start && header & 1 == 0;
    Some(vp8)
}

/// Where the fields of a VP9 descriptor lie.
struct Vp9Layout {
    vp9: Vp9,
    picture_id_at: Option<usize>,
    tl0_at: Option<usize>,
}

fn vp9_layout(payload: &[u8]) -> Option<Vp9Layout> {
    let mut reader = Reader { rest: payload };
    let flags = reader.byte()?;
    let inter = flags & 0x40 != 0;
    let flexible = flags & 0x10 != 0;
    let begins = flags & 0x08 != 0;
    let mut layout = Vp9Layout {
        vp9: Vp9 { keyframe: false, picture_id: None, tl0: None, temporal: 0, spatial: 0 },
        picture_id_at: None,
        tl0_at: None,
    };
    let at = |reader: &Reader<'_>| payload.len() - reader.rest.len();
    if flags & 0x80 != 0 {
        layout.picture_id_at = Some(at(&reader));
        layout.vp9.picture_id = Some(reader.picture_id()?);
    }
    if flags & 0x20 != 0 {
        let layer = reader.byte()?;
        layout.vp9.temporal = layer >> 5;
        layout.vp9.spatial = layer >> 1 & 7;
        if !flexible {
            layout.tl0_at = Some(at(&reader));
            layout.vp9.tl0 = Some(reader.byte()?);
        }
    }
    layout.vp9.keyframe = !inter && begins && layout.vp9.spatial == 0;
    Some(layout)
}

/// Reads a VP9 payload descriptor (RFC 9628 section 4.2); `None` when it is cut.
#[must_use]
pub fn parse_vp9(payload: &[u8]) -> Option<Vp9> {
    vp9_layout(payload).map(|layout| layout.vp9)
}

/// Copies a VP9 payload with a new picture id and TL0PICIDX; `None` when it lacks a field or the width differs.
#[must_use]
pub fn rewrite_vp9(
    payload: &[u8],
    picture_id: Option<PictureId>,
    tl0: Option<u8>,
) -> Option<Vec<u8>> {
    let layout = vp9_layout(payload)?;
    let mut copy = payload.to_vec();
    match (picture_id, layout.picture_id_at, layout.vp9.picture_id) {
        (None, ..) => {}
        (Some(PictureId::Short(id)), Some(at), Some(PictureId::Short(_))) => {
            *copy.get_mut(at)? = id & 0x7f;
        }
        (Some(PictureId::Long(id)), Some(at), Some(PictureId::Long(_))) => {
            let [high, low] = id.to_be_bytes();
            *copy.get_mut(at)? = high | 0x80;
            *copy.get_mut(at.checked_add(1)?)? = low;
        }
        (Some(_), ..) => return None,
    }
    match (tl0, layout.tl0_at) {
        (None, _) => {}
        (Some(tl0), Some(at)) => *copy.get_mut(at)? = tl0,
        (Some(_), None) => return None,
    }
    Some(copy)
}

/// Whether an H.264 payload (RFC 6184) begins a key frame: it carries a sequence parameter set, which comes before
/// the picture that needs it.
#[must_use]
pub fn starts_h264_keyframe(payload: &[u8]) -> bool {
    let Some((first, mut rest)) = payload.split_first() else { return false };
    match first & 0x1f {
        NAL_SPS => true,
        NAL_FU_A => rest.first().is_some_and(|fu| fu & 0x80 != 0 && fu & 0x1f == NAL_SPS),
        NAL_STAP_A => {
            for _ in 0..NALS_MAX {
                let Some(([high, low], body)) = rest.split_first_chunk::<2>() else { return false };
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                let Some((nal, next)) = body.split_at_checked(len) else { return false };
                if nal.first().is_some_and(|byte| byte & 0x1f == NAL_SPS) {
                    return true;
                }
                rest = next;
            }
            false
        }
        _ => false,
    }
}

/// Whether an AV1 payload begins a coded video sequence: the N bit of the aggregation header
/// (AV1 RTP specification 1.0 section 4.4).
#[must_use]
pub fn starts_av1_keyframe(payload: &[u8]) -> bool {
    payload.first().is_some_and(|header| header & 0x08 != 0)
}

#[cfg(test)]
mod tests;

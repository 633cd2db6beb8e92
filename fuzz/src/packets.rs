//! What comes by UDP and framed TCP before anybody vouches for it.

use proto::media::Codec;
use sfu_core::input::{Picture, PictureId};
use sfu_shard::{framing, packet, stun, ufrag};

/// A datagram that may be a STUN request.
pub fn stun(data: &[u8]) {
    let Some(fragment) = stun::local_ufrag(data) else { return };
    assert!(stun::is_stun(data), "a fragment was read from what is no STUN");
    if let Some(owner) = ufrag::parse(fragment) {
        assert_eq!(owner.encode(), fragment, "a fragment is not what it was read from");
    }
    let _ = std::str::from_utf8(data).map(ufrag::parse);
}

/// A stream of frames, cut at its first bytes anywhere.
pub fn framing(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some((frame, next))) = framing::split(rest) {
        let consumed = framing::HEADER_LEN + frame.len();
        assert_eq!(consumed + next.len(), rest.len(), "bytes were lost between frames");
        let header = framing::header(frame.len());
        assert_eq!(
            header.as_ref().map(|h| &h[..]),
            rest.get(..framing::HEADER_LEN),
            "the length is another"
        );
        rest = next;
    }
}

/// A payload of every codec.
pub fn payload_descriptor(data: &[u8]) {
    for codec in [Codec::Opus, Codec::OpusRed, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
        let _ = packet::picture(codec, data);
    }
    let Picture::Vp9(vp9) = packet::picture(Codec::Vp9, data) else { return };
    let id = vp9.picture_id.map(|id| match id {
        PictureId::Short(_) => PictureId::Short(0x55),
        PictureId::Long(_) => PictureId::Long(0x1234),
    });
    let tl0 = vp9.tl0.map(|_| 0x77);
    let Some(copy) = packet::rewrite_vp9(data, id, tl0) else {
        panic!("fields of their own width were refused");
    };
    assert_eq!(copy.len(), data.len(), "rewriting changed the length");
    let Picture::Vp9(after) = packet::picture(Codec::Vp9, &copy) else {
        panic!("rewriting made the descriptor unreadable");
    };
    assert_eq!((after.picture_id, after.tl0), (id, tl0), "rewriting wrote something else");
    assert_eq!(
        (after.keyframe, after.spatial),
        (vp9.keyframe, vp9.spatial),
        "rewriting changed another field"
    );
}

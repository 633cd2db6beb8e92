use super::*;

#[test]
fn a_vp8_descriptor_with_everything_is_read() {
    // X S | I L T K | 15-bit id 0x1234 | tl0 9 | tid 2, Y, keyidx 17 | key frame header
    let payload = [0x90, 0xf0, 0x92, 0x34, 9, 0xb1, 0x00, 1, 2];
    let vp8 = parse_vp8(&payload).unwrap();
    assert_eq!(
        vp8,
        Vp8 {
            keyframe: true,
            start: true,
            picture_id: Some(PictureId::Long(0x1234)),
            tl0: Some(9),
            temporal: Some(2),
            sync: true,
            key_index: Some(17),
        }
    );
}

#[test]
fn a_later_vp8_packet_or_partition_starts_no_keyframe() {
    assert!(!parse_vp8(&[0x00, 0x00]).unwrap().keyframe);
    assert!(!parse_vp8(&[0x11, 0x00]).unwrap().keyframe);
    assert!(!parse_vp8(&[0x10, 0x01]).unwrap().keyframe);
    assert!(parse_vp8(&[0x10, 0x00]).unwrap().keyframe);
}

#[test]
fn a_cut_vp8_descriptor_is_refused() {
    let payload = [0x90, 0xf0, 0x92, 0x34, 9, 0xb1, 0x00];
    for len in 0..payload.len() {
        assert_eq!(parse_vp8(&payload[..len]), None, "{len}");
    }
}

#[test]
fn a_vp9_descriptor_is_read_in_both_modes() {
    // I L B, not flexible: id 5, layer tid 1 sid 0, tl0 77
    let vp9 = parse_vp9(&[0xa8, 5, 0x20, 77, 0]).unwrap();
    assert_eq!(vp9.picture_id, Some(PictureId::Short(5)));
    assert_eq!((vp9.temporal, vp9.spatial, vp9.tl0), (1, 0, Some(77)));
    assert!(vp9.keyframe);
    // I P L F B, flexible: no tl0, spatial 2
    let vp9 = parse_vp9(&[0xf8, 0x81, 0x00, 0x04, 1]).unwrap();
    assert_eq!(vp9.picture_id, Some(PictureId::Long(0x100)));
    assert_eq!((vp9.spatial, vp9.tl0), (2, None));
    assert!(!vp9.keyframe);
}

#[test]
fn vp9_fields_are_rewritten_in_place() {
    let payload = [0xa8, 0x81, 0x02, 0x20, 77, 9, 9];
    let copy = rewrite_vp9(&payload, Some(PictureId::Long(0x1555)), Some(3)).unwrap();
    assert_eq!(copy, [0xa8, 0x95, 0x55, 0x20, 3, 9, 9]);
    let again = parse_vp9(&copy).unwrap();
    assert_eq!(again.picture_id, Some(PictureId::Long(0x1555)));
    assert_eq!(rewrite_vp9(&payload, Some(PictureId::Short(1)), None), None);
}

#[test]
fn an_h264_keyframe_starts_at_its_parameter_set() {
    assert!(starts_h264_keyframe(&[0x67, 1, 2]));
    assert!(starts_h264_keyframe(&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68]));
    assert!(starts_h264_keyframe(&[0x7c, 0x87, 1]));
    assert!(!starts_h264_keyframe(&[0x65, 1]));
    assert!(!starts_h264_keyframe(&[0x7c, 0x85, 1]));
    assert!(!starts_h264_keyframe(&[0x78, 0, 9, 0x67]));
    assert!(!starts_h264_keyframe(&[]));
}

#[test]
fn an_av1_keyframe_is_told_by_its_header() {
    assert!(starts_av1_keyframe(&[0x18]));
    assert!(!starts_av1_keyframe(&[0x10]));
    assert!(!starts_av1_keyframe(&[]));
}

#[test]
fn any_bytes_are_survived() {
    let mut state = 1u32;
    for len in 0..64 {
        for _ in 0..200 {
            let bytes: Vec<u8> = (0..len)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state.to_be_bytes()[0]
                })
                .collect();
            for codec in [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
                let _ = picture(codec, &bytes);
            }
            let _ = rewrite_vp9(&bytes, Some(PictureId::Long(3)), Some(1));
        }
    }
}

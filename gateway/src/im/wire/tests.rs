use bytes::Bytes;
use prost::Message as _;

use super::{Codec, Encoded, Unreadable, pb};

fn hint(head: u64) -> pb::server_frame::Body {
    pb::server_frame::Body::Hint(pb::Hint {
        conversation: "c:1".to_owned(),
        head,
        ..pb::Hint::default()
    })
}

fn read(codec: Codec, frame: &Bytes) -> pb::ServerFrame {
    match codec {
        Codec::Protobuf => pb::ServerFrame::decode(frame.as_ref()).unwrap(),
        Codec::Json => serde_json::from_slice(frame).unwrap(),
    }
}

#[test]
fn a_shared_frame_gets_its_number_without_being_encoded_again() {
    for codec in Codec::ALL {
        for body in [hint(u64::MAX), pb::server_frame::Body::Done(pb::Done {})] {
            let frame = codec.numbered(&codec.push(body.clone()), 7);
            let expected = pb::ServerFrame { rid: 0, push: 7, body: Some(body) };
            assert_eq!(read(codec, &frame), expected, "{codec:?}");
        }
        let empty = codec.encode(&pb::ServerFrame::default());
        assert_eq!(read(codec, &codec.numbered(&empty, 1)).push, 1);
    }
}

#[test]
fn joined_frames_read_as_one_batch_in_order() {
    for codec in Codec::ALL {
        let frames: Vec<Bytes> = (1..=3).map(|n| codec.numbered(&codec.push(hint(n)), n)).collect();
        let Some(pb::server_frame::Body::Batch(batch)) = read(codec, &codec.join(&frames)).body
        else {
            panic!("not a batch")
        };
        let each: Vec<_> = frames.iter().map(|frame| read(codec, frame)).collect();
        assert_eq!(batch.frames, each, "{codec:?}");
        assert_eq!(codec.join(&frames[..1]), frames[0]);
    }
}

#[test]
fn both_codecs_read_the_same_request() {
    let body = pb::client_frame::Body::Read(pb::Read { conversation: "g:x".to_owned(), seq: 9 });
    let frame = pb::ClientFrame { rid: 3, body: Some(body) };
    assert_eq!(Codec::Protobuf.decode(&frame.encode_to_vec()), Ok(frame.clone()));
    let json = br#"{"rid":3,"read":{"conversation":"g:x","seq":9},"later":{"a":[1]}}"#;
    assert_eq!(Codec::Json.decode(json), Ok(frame));
}

#[test]
fn what_is_not_a_frame_is_refused() {
    assert_eq!(Codec::Json.decode(b"[]"), Err(Unreadable));
    assert_eq!(Codec::Json.decode(br#"{"rid":1,"read":{},"ping":{}}"#), Err(Unreadable));
    assert_eq!(Codec::Protobuf.decode(&[0xff; 9]), Err(Unreadable));
    let deep = format!("{{\"send\":{}", "{\"content\":".repeat(5_000));
    assert_eq!(Codec::Json.decode(deep.as_bytes()), Err(Unreadable));
}

#[test]
fn a_frame_for_many_is_encoded_once_for_each_codec() {
    let mut encoded = Encoded::new(hint(4));
    let (first, second) = (encoded.frame(Codec::Json), encoded.frame(Codec::Json));
    assert_eq!(first.as_ptr(), second.as_ptr());
    assert_eq!(read(Codec::Protobuf, &encoded.frame(Codec::Protobuf)).body, Some(hint(4)));
}

#[test]
fn a_subprotocol_names_its_codec() {
    for codec in Codec::ALL {
        assert_eq!(Codec::from_subprotocol(codec.subprotocol()), Some(codec));
    }
    assert_eq!(Codec::from_subprotocol("chat"), None);
}

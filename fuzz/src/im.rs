//! What comes by the chat socket.

use bytes::Bytes;
use gateway::im::{
    op::{self, Asker},
    wire::{Codec, pb},
};
use proto::im::id::{ClientKey, UserId};

/// One frame in either codec, read as a request: the first byte says which codec.
pub fn frame(data: &[u8]) {
    let Some((codec, frame)) = data.split_first() else { return };
    let codec = if codec % 2 == 0 { Codec::Protobuf } else { Codec::Json };
    let Ok(frame) = codec.decode(frame) else { return };
    if let Some(body) = frame.body {
        request(body);
    }
}

fn request(body: pb::client_frame::Body) {
    let Ok(user) = UserId::try_from("ada") else { return };
    let asker = Asker { user: &user, key: ClientKey([7; 16]) };
    if let pb::client_frame::Body::Batch(batch) = body {
        for body in batch.frames.into_iter().filter_map(|frame| frame.body) {
            let _ = op::read(body, &asker);
        }
        return;
    }
    // Everything that is asked asks for something.
    if let Ok(Some(asked)) = op::read(body, &asker) {
        assert!(asked.action.is_some() || asked.ask.is_some(), "a request that asks nothing");
    }
}

/// A frame of the server that is numbered and put into a batch is still the same frame.
pub fn completion(data: &[u8]) {
    use prost::Message as _;
    let Ok(frame) = pb::ServerFrame::decode(data) else { return };
    let plain = pb::ServerFrame { push: 0, ..frame };
    for codec in Codec::ALL {
        let encoded = codec.encode(&plain);
        let numbered = codec.numbered(&encoded, 7);
        let joined = codec.join(&[numbered.clone(), encoded]);
        let read = |bytes: &Bytes| match codec {
            Codec::Protobuf => pb::ServerFrame::decode(bytes.as_ref()).ok(),
            Codec::Json => serde_json::from_slice(bytes).ok(),
        };
        // What JSON cannot say at all (an enumeration of a later version) it need not say here.
        if codec == Codec::Json && read(&codec.encode(&plain)).as_ref() != Some(&plain) {
            continue;
        }
        let same = pb::ServerFrame { push: 7, ..plain.clone() };
        assert_eq!(read(&numbered), Some(same.clone()), "numbering changed a frame");
        let Some(pb::ServerFrame { body: Some(pb::server_frame::Body::Batch(batch)), .. }) =
            read(&joined)
        else {
            panic!("a batch cannot be read")
        };
        assert_eq!(batch.frames, [same, plain.clone()], "batching changed a frame");
    }
}

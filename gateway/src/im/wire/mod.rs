//! The wire of the chat socket: types of `schema/stoa/im/v1`, in protobuf and in proto3 JSON.
//!
//! [`Codec::decode`] is pure and total: it reads what clients sent. A frame for many is encoded once without a number;
//! [`Codec::numbered`] and [`Codec::join`] complete encoded frames without reading them again.

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::{Message as _, encoding};

#[cfg(test)]
mod tests;

/// Types generated from the schema.
#[expect(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::large_enum_variant,
    clippy::use_self,
    clippy::too_many_lines,
    unused_qualifications,
    reason = "generated"
)]
pub mod pb {
    include!(concat!(env!("OUT_DIR"), "/stoa.im.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/stoa.im.v1.serde.rs"));
}

/// Number of the field `push` in `ServerFrame`.
const PUSH_TAG: u32 = 2;
/// Number of the field `batch` in `ServerFrame`.
const BATCH_TAG: u32 = 10;
/// Number of the field `frames` in `ServerBatch`.
const FRAMES_TAG: u32 = 1;

/// A frame could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the frame could not be read")]
pub struct Unreadable;

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Codec {
    /// Protobuf in binary frames.
    Protobuf,
    /// Proto3 JSON in text frames.
    Json,
}

impl Codec {
    /// Every codec.
    pub const ALL: [Self; 2] = [Self::Protobuf, Self::Json];

    /// The WebSocket subprotocol that asks for it.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Protobuf => "stoa.im.v1.pb",
            Self::Json => "stoa.im.v1.json",
        }
    }

    /// The codec of a subprotocol.
    #[must_use]
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.subprotocol() == name)
    }

    /// Reads what a client sent.
    ///
    /// # Errors
    /// [`Unreadable`] when it is not a frame of the schema.
    pub fn decode(self, frame: &[u8]) -> Result<pb::ClientFrame, Unreadable> {
        match self {
            Self::Protobuf => pb::ClientFrame::decode(frame).map_err(|_| Unreadable),
            Self::Json => serde_json::from_slice(frame).map_err(|_| Unreadable),
        }
    }

    /// Writes a frame.
    #[must_use]
    pub fn encode(self, frame: &pb::ServerFrame) -> Bytes {
        match self {
            Self::Protobuf => frame.encode_to_vec().into(),
            // Nothing in the schema can fail to be written: keys are strings and numbers are finite.
            Self::Json => serde_json::to_vec(frame).unwrap_or_else(|_| b"{}".to_vec()).into(),
        }
    }

    /// Writes a push: an answer to nobody.
    #[must_use]
    pub fn push(self, body: pb::server_frame::Body) -> Bytes {
        self.encode(&pb::ServerFrame { rid: 0, push: 0, body: Some(body) })
    }

    /// The frame with a push number. `frame` must have none.
    #[must_use]
    pub fn numbered(self, frame: &Bytes, push: u64) -> Bytes {
        let mut out = BytesMut::with_capacity(frame.len() + 32);
        match self {
            // Fields may come in any order (protobuf encoding, "Field order").
            Self::Protobuf => {
                encoding::uint64::encode(PUSH_TAG, &push, &mut out);
                out.put_slice(frame);
            }
            Self::Json => {
                let rest = frame.get(1..).unwrap_or_default();
                let comma = if rest == b"}" { "" } else { "," };
                out.put_slice(format!("{{\"push\":\"{push}\"{comma}").as_bytes());
                out.put_slice(rest);
            }
        }
        out.freeze()
    }

    /// One frame that holds all of `frames`; one alone stays as it is.
    #[must_use]
    pub fn join(self, frames: &[Bytes]) -> Bytes {
        if let [only] = frames {
            return only.clone();
        }
        let bytes: usize = frames.iter().map(|frame| frame.len() + 8).sum();
        let mut out = BytesMut::with_capacity(bytes + 32);
        match self {
            Self::Protobuf => {
                let one = |frame: &Bytes| encoding::bytes::encoded_len(FRAMES_TAG, frame);
                let length: usize = frames.iter().map(one).sum();
                encoding::encode_key(BATCH_TAG, encoding::WireType::LengthDelimited, &mut out);
                encoding::encode_varint(length as u64, &mut out);
                for frame in frames {
                    encoding::bytes::encode(FRAMES_TAG, frame, &mut out);
                }
            }
            Self::Json => {
                out.put_slice(b"{\"batch\":{\"frames\":[");
                for (index, frame) in frames.iter().enumerate() {
                    out.put_slice(if index == 0 { b"" } else { b"," });
                    out.put_slice(frame);
                }
                out.put_slice(b"]}}");
            }
        }
        out.freeze()
    }
}

/// A push encoded at most once for each codec, whoever gets it.
#[derive(Debug)]
pub struct Encoded {
    body: pb::ServerFrame,
    frames: [Option<Bytes>; 2],
}

impl Encoded {
    /// A push that is not encoded yet.
    #[must_use]
    pub const fn new(body: pb::server_frame::Body) -> Self {
        let body = pb::ServerFrame { rid: 0, push: 0, body: Some(body) };
        Self { body, frames: [None, None] }
    }

    /// The frame for a codec, shared by all that asked before.
    pub fn frame(&mut self, codec: Codec) -> Bytes {
        let [protobuf, json] = &mut self.frames;
        let slot = match codec {
            Codec::Protobuf => protobuf,
            Codec::Json => json,
        };
        slot.get_or_insert_with(|| codec.encode(&self.body)).clone()
    }
}

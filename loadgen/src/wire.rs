//! The frames of the chat socket, generated from the published schema.

use prost::Message as _;

/// Types generated from the schema.
#[expect(clippy::large_enum_variant, unreachable_pub, reason = "generated")]
#[allow(dead_code, reason = "generated, and rustc does not count this as expected")]
pub(crate) mod pb {
    include!(concat!(env!("OUT_DIR"), "/stoa.im.v1.rs"));
}

pub(crate) use pb::{client_frame::Body as Ask, server_frame::Body as Told};

/// A frame as it is sent.
pub(crate) fn encode(rid: u32, ask: Ask) -> Vec<u8> {
    pb::ClientFrame { rid, body: Some(ask) }.encode_to_vec()
}

/// A text.
pub(crate) fn text(text: String) -> pb::Content {
    pb::Content { kind: Some(pb::content::Kind::Text(pb::Text { text })) }
}

//! The newest messages of a room.

use std::{collections::VecDeque, sync::Arc};

use prost::Message as _;

use super::{RING_BYTES_MAX, RING_MAX};
use crate::im::wire::pb;

/// The newest messages of a room, by ascending offset.
#[derive(Debug, Default)]
pub(super) struct Ring {
    messages: VecDeque<Arc<pb::LiveMessage>>,
    bytes: usize,
}

impl Ring {
    pub(super) fn push(&mut self, message: Arc<pb::LiveMessage>) {
        self.bytes += message.encoded_len();
        self.messages.push_back(message);
        while self.messages.len() > RING_MAX || self.bytes > RING_BYTES_MAX {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes -= oldest.encoded_len();
        }
    }

    /// The messages after one offset, up to another.
    pub(super) fn between(&self, after: u64, upto: u64) -> Vec<pb::LiveMessage> {
        let wanted =
            |message: &&Arc<pb::LiveMessage>| message.offset > after && message.offset <= upto;
        self.messages.iter().filter(wanted).map(|message| (**message).clone()).collect()
    }

    /// The same messages with the offsets from 1; answers the last of them.
    pub(super) fn renumbered(&self) -> (Self, u64) {
        let mut ring = Self::default();
        let mut offset = 0;
        for message in &self.messages {
            offset += 1;
            ring.push(Arc::new(pb::LiveMessage { offset, ..(**message).clone() }));
        }
        (ring, offset)
    }
}

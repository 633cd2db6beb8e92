//! What is for other nodes, gathered for a moment: one parcel for each node instead of a frame for each word.

use std::{collections::BTreeMap, time::Duration};

use prost::Message as _;
use proto::id::NodeId;
use tokio::time::Instant;

use crate::im::{port::Relay, wire::pb};

/// Frames are gathered for this long.
const GATHERED_FOR: Duration = Duration::from_millis(10);
/// Bytes of frames in one parcel, if more than one is.
const PARCEL_BYTES_MAX: usize = 512 * 1024;
/// Bytes of frames that wait for one node; more are dropped, and asked for again by who misses them.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug, Default)]
struct Waiting {
    frames: Vec<pb::LiveFrame>,
    bytes: usize,
}

/// What waits to leave.
#[derive(Debug, Default)]
pub(super) struct Post {
    waiting: BTreeMap<NodeId, Waiting>,
    pub(super) flush_at: Option<Instant>,
}

impl Post {
    /// Puts a frame in. False: too much waits for the node.
    pub(super) fn put(&mut self, now: Instant, node: NodeId, frame: pb::LiveFrame) -> bool {
        let waiting = self.waiting.entry(node).or_default();
        let bytes = frame.encoded_len();
        if waiting.bytes + bytes > WAITING_BYTES_MAX {
            metrics::counter!("stoa_im_live_frames_dropped_total").increment(1);
            return false;
        }
        waiting.bytes += bytes;
        waiting.frames.push(frame);
        self.flush_at.get_or_insert(now + GATHERED_FOR);
        true
    }

    /// What is due.
    pub(super) fn flush(&mut self, now: Instant) -> Vec<Relay> {
        if self.flush_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.flush_at = None;
        let mut relays = Vec::new();
        for (node, waiting) in std::mem::take(&mut self.waiting) {
            let mut parcel = Vec::new();
            let mut bytes = 0;
            for frame in waiting.frames {
                let size = frame.encoded_len();
                if bytes + size > PARCEL_BYTES_MAX && !parcel.is_empty() {
                    relays.push(relay(node, std::mem::take(&mut parcel)));
                    bytes = 0;
                }
                bytes += size;
                parcel.push(frame);
            }
            relays.push(relay(node, parcel));
        }
        relays
    }

    /// Forgets what waits for a node that is gone.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.waiting.remove(&node);
    }
}

fn relay(node: NodeId, frames: Vec<pb::LiveFrame>) -> Relay {
    let what = pb::relay::What::Live(pb::LiveFrames { frames });
    Relay { to: Some(node), frame: pb::Relay { what: Some(what) }.encode_to_vec().into() }
}

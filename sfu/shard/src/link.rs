//! The links between the shards of a node: one bounded ring for each ordered pair, with the other side's waker.
//!
//! A packet crosses to a shard once, however many subscribers it has there; its payload is shared, not copied.

use std::sync::Arc;

use mio::Waker;
use proto::{
    id::{ShardId, TrackKey},
    media::Quality,
};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::peer::Burst;

/// Messages of one ring; packets go in batches, one message for each.
const RING_MESSAGES: usize = 1024;

/// What one shard tells another.
#[derive(Debug)]
pub(crate) enum Message {
    /// Packets of tracks whose home is the sender.
    Packets(Box<Burst>),
    /// The sender wants the encodings of a track of the receiver up to a quality; `None`: no longer any.
    Want { track: TrackKey, quality_max: Option<Quality> },
    /// The sender needs a key frame of a track of the receiver.
    Keyframe { track: TrackKey, quality: Quality },
    /// A track of the sender is muted or goes on.
    Muted { track: TrackKey, muted: bool },
    /// A track of the sender has ended.
    Gone { track: TrackKey },
}

/// One shard's end towards another.
#[derive(Debug)]
pub(crate) struct Link {
    /// The other shard.
    pub(crate) shard: ShardId,
    out: Producer<Message>,
    into: Consumer<Message>,
    waker: Arc<Waker>,
    woken: bool,
}

/// The ring to the other shard is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Link {
    /// Sends a message; the other shard is woken by [`Self::wake`].
    pub(crate) fn send(&mut self, message: Message) -> Result<(), Full> {
        self.woken = false;
        self.out.push(message).map_err(|_| Full)
    }

    /// Takes the next message that came.
    pub(crate) fn receive(&mut self) -> Option<Message> {
        self.into.pop().ok()
    }

    /// Wakes the other shard if something was sent since the last time.
    pub(crate) fn wake(&mut self) {
        if !self.woken {
            self.woken = true;
            // A shard that cannot be woken has ended; its ring fills and is counted.
            let _ = self.waker.wake();
        }
    }
}

/// Links every shard with every other; the result is indexed by shard.
pub(crate) fn mesh(wakers: &[Arc<Waker>]) -> Vec<Vec<Link>> {
    let count = wakers.len();
    let mut ends: Vec<Vec<Link>> = (0..count).map(|_| Vec::new()).collect();
    for a in 0..count {
        for b in a + 1..count {
            let (a_out, b_into) = RingBuffer::new(RING_MESSAGES);
            let (b_out, a_into) = RingBuffer::new(RING_MESSAGES);
            push(&mut ends, wakers, a, b, (a_out, a_into));
            push(&mut ends, wakers, b, a, (b_out, b_into));
        }
    }
    ends
}

fn push(
    ends: &mut [Vec<Link>],
    wakers: &[Arc<Waker>],
    own: usize,
    other: usize,
    (out, into): (Producer<Message>, Consumer<Message>),
) {
    let shard = u8::try_from(other).map(ShardId);
    let (Some(links), Some(waker), Ok(shard)) = (ends.get_mut(own), wakers.get(other), shard)
    else {
        return;
    };
    links.push(Link { shard, out, into, waker: Arc::clone(waker), woken: true });
}

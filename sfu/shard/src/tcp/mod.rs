//! ICE over TCP (RFC 6544, passive only): one listener for the node, whose thread reads the first frame of each
//! connection, finds the shard in it, and hands the connection over; and the shard's end of those connections.

mod listener;
mod streams;

use std::{
    net::TcpStream,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
};

pub(crate) use listener::Listener;
use mio::Waker;
pub(crate) use streams::Streams;

/// Connections that wait to be taken over by a shard at most.
const HANDED_MAX: usize = 256;

/// A connection whose first bytes named the shard.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) stream: TcpStream,
    /// Everything read so far.
    pub(crate) bytes: Vec<u8>,
}

/// The listener's way to one shard.
#[derive(Debug)]
pub(crate) struct Door {
    queue: SyncSender<Handed>,
    waker: Arc<Waker>,
}

impl Door {
    /// Hands a connection over; a full queue closes it, and the client tries again.
    fn hand(&self, handed: Handed) -> Result<(), ()> {
        match self.queue.try_send(handed) {
            Ok(()) => {
                // The shard looks at its queue each turn anyway.
                let _ = self.waker.wake();
                Ok(())
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(()),
        }
    }
}

/// Makes the way from the listener to a shard.
pub(crate) fn door(waker: Arc<Waker>) -> (Door, Receiver<Handed>) {
    let (queue, receiver) = sync_channel(HANDED_MAX);
    (Door { queue, waker }, receiver)
}

//! Starting the media threads, and talking to them.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use mio::{Poll, Token, Waker};
use proto::id::ShardId;
use tokio::sync::mpsc;

use crate::api::{Command, Event, ShardConfig};
use crate::counters::Counters;
use crate::driver;
use crate::error::Error;

/// Commands that wait for a shard at most. A larger queue hides overload, a smaller one refuses join bursts.
pub const COMMANDS_MAX: usize = 4096;

/// Events that wait for the node at most, of all shards together.
pub const EVENTS_MAX: usize = 16_384;

/// The shard's command queue is full, or its thread has ended; the command comes back.
#[derive(Debug, thiserror::Error)]
#[error("the media thread takes no more commands")]
pub struct Overloaded(pub Box<Command>);

/// What the shards tell the node, each event with its shard.
pub type Events = mpsc::Receiver<(ShardId, Event)>;

/// The running media threads of a node.
#[derive(Debug)]
pub struct Shards {
    /// One handle per shard, indexed by [`ShardId`].
    pub handles: Vec<ShardHandle>,
    /// What the shards tell the node.
    pub events: Events,
    /// Where the ICE-TCP listener is bound, if there is one.
    pub tcp: Option<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
}

impl Shards {
    /// Waits until every thread has ended; they end after [`Command::Stop`].
    pub fn join(self) {
        for thread in self.threads {
            // A panic of the thread was logged by the panic hook; nothing is left to do for it here.
            let _ = thread.join();
        }
    }
}

/// The way to one media thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ShardHandle {
    /// Which shard.
    pub shard: ShardId,
    /// Where its UDP socket is bound.
    pub udp: SocketAddr,
    /// Its figures.
    pub counters: Arc<Counters>,
    queue: SyncSender<Command>,
    waker: Arc<Waker>,
}

impl ShardHandle {
    /// Hands a command to the shard without waiting.
    ///
    /// # Errors
    /// [`Overloaded`] when the queue is full or the thread has ended.
    pub fn send(&self, command: Command) -> Result<(), Overloaded> {
        self.queue.try_send(command).map_err(|error| match error {
            TrySendError::Full(command) | TrySendError::Disconnected(command) => {
                Overloaded(Box::new(command))
            }
        })?;
        // A wake-up that fails leaves the command to the thread's next turn, at most a poll interval away.
        let _ = self.waker.wake();
        Ok(())
    }
}

/// Opens the sockets, makes the links and starts one thread per shard; `tcp` is where the node's one ICE-TCP
/// listener binds.
///
/// A port 0 in an announced address is replaced by the bound port.
///
/// # Errors
/// [`Error::Numbering`] when the shards are not 0, 1, 2, ...; [`Error::Bind`] when an address is taken;
/// [`Error::Start`] when the system refuses a thread or a poller.
pub fn start(configs: Vec<ShardConfig>, tcp: Option<SocketAddr>) -> Result<Shards, Error> {
    let numbered = configs.iter().enumerate().all(|(i, c)| usize::from(c.shard.0) == i);
    if configs.is_empty() || !numbered {
        return Err(Error::Numbering);
    }
    let (events_tx, events) = mpsc::channel(EVENTS_MAX);
    let mut shards = Shards { handles: Vec::new(), events, tcp, threads: Vec::new() };
    for config in configs {
        let poll = Poll::new().map_err(Error::Start)?;
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).map_err(Error::Start)?);
        let bind = |source| Error::Bind { addr: config.udp, source };
        let socket = UdpSocket::bind(config.udp).map_err(bind)?;
        let udp = socket.local_addr().map_err(bind)?;
        let (queue, commands) = sync_channel(COMMANDS_MAX);
        let counters = Arc::new(Counters::default());
        shards.handles.push(ShardHandle {
            shard: config.shard,
            udp,
            counters: Arc::clone(&counters),
            queue,
            waker,
        });
        let events = events_tx.clone();
        let thread = std::thread::Builder::new()
            .name(format!("shard-{}", config.shard.0))
            .spawn(move || driver::run(poll, &commands, &events))
            .map_err(Error::Start)?;
        shards.threads.push(thread);
    }
    Ok(shards)
}

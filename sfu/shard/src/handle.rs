//! Starting the media threads, and talking to them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use mio::{Poll, Waker};
use proto::id::ShardId;
use tokio::sync::mpsc;

use crate::{
    api::{Command, Event, ShardConfig},
    clock::Clock,
    counters::Counters,
    driver::{self, Seed},
    error::Error,
    link,
    peer::Shared,
    tcp::{self, Listener},
    udp::Udp,
    wire::Wire,
};

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
    /// The threads themselves.
    pub threads: Threads,
}

/// The threads of the shards. A process waits for them before it ends: a thread that still seals packets while the
/// libraries under it are torn down aborts the process.
#[derive(Debug)]
pub struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    /// Waits until every thread has ended; they end after [`Command::Stop`].
    pub fn join(self) {
        for thread in self.0 {
            // A panic of the thread was logged by the panic hook; nothing is left to do for it here.
            let _ = thread.join();
        }
    }
}

impl Shards {
    /// Waits until every thread has ended; they end after [`Command::Stop`].
    pub fn join(self) {
        self.threads.join();
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
        self.wake();
        Ok(())
    }

    /// Has the thread take a turn; needed after something was sent to it over a [`Wire`].
    pub fn wake(&self) {
        // A wake-up that fails leaves what waits to the thread's next turn, at most a poll interval away.
        let _ = self.waker.wake();
    }
}

/// Opens the sockets, makes the links and starts one thread per shard; `tcp` is where the node's one ICE-TCP
/// listener binds.
///
/// A port 0 in an announced address is replaced by the bound port.
///
/// # Errors
/// [`Error::Numbering`] when the shards are not 0, 1, 2, ...; [`Error::Bind`] when an address is taken;
/// [`Error::Start`] when the system refuses a thread or a poller; [`Error::Certificate`] when no key can be made.
pub fn start(configs: Vec<ShardConfig>, tcp: Option<SocketAddr>) -> Result<Shards, Error> {
    start_each(configs.into_iter().map(|config| (config, None)).collect(), tcp)
}

/// Starts one shard whose datagrams pass through memory, for benchmarks and tests: no socket is opened, and
/// [`ShardConfig::udp`] is only what the shard calls itself in candidates.
///
/// Whoever sends over the other end of the wire calls [`ShardHandle::wake`] afterwards.
///
/// # Errors
/// As [`start`].
pub fn start_on_wire(config: ShardConfig, wire: Wire) -> Result<Shards, Error> {
    start_each(vec![(config, Some(wire))], None)
}

fn start_each(
    configs: Vec<(ShardConfig, Option<Wire>)>,
    tcp: Option<SocketAddr>,
) -> Result<Shards, Error> {
    let numbered = configs.iter().enumerate().all(|(i, (c, _))| usize::from(c.shard.0) == i);
    if configs.is_empty() || !numbered {
        return Err(Error::Numbering);
    }
    let shared = Shared::make().ok_or(Error::Certificate)?;
    let listener = tcp.map(Listener::bind).transpose()?;
    let tcp = listener.as_ref().map(Listener::addr);
    let (events_tx, events) = mpsc::channel(EVENTS_MAX);
    let (clock, alive) = (Clock::start(), Arc::new(()));
    let opened = configs
        .into_iter()
        .map(|(c, wire)| Opened::open(c, wire))
        .collect::<Result<Vec<_>, _>>()?;
    let wakers: Vec<_> = opened.iter().map(|opened| Arc::clone(&opened.waker)).collect();
    let mut shards = Shards { handles: Vec::new(), events, tcp, threads: Threads(Vec::new()) };
    let mut doors = Vec::new();
    for (opened, links) in opened.into_iter().zip(link::mesh(&wakers)) {
        let (door, handed) = tcp::door(Arc::clone(&opened.waker));
        doors.push(door);
        let (queue, commands) = sync_channel(COMMANDS_MAX);
        let shard = opened.config.shard;
        let counters = Arc::new(Counters::default());
        shards.handles.push(ShardHandle {
            shard,
            udp: opened.udp_addr,
            counters: Arc::clone(&counters),
            queue,
            waker: opened.waker,
        });
        let seed = Seed {
            config: opened.config,
            poll: opened.poll,
            udp: opened.udp,
            udp_addr: opened.udp_addr,
            tcp_addr: tcp,
            counters,
            commands,
            handed,
            events: events_tx.clone(),
            links,
            clock,
            shared: shared.clone(),
            alive: Arc::clone(&alive),
        };
        let thread = std::thread::Builder::new()
            .name(format!("shard-{}", shard.0))
            .spawn(move || driver::run(seed))
            .map_err(Error::Start)?;
        shards.threads.0.push(thread);
    }
    if let Some(listener) = listener {
        shards.threads.0.push(listener.start(doors, clock, Arc::downgrade(&alive))?);
    }
    Ok(shards)
}

/// What a shard needs before any thread runs.
struct Opened {
    config: ShardConfig,
    poll: Poll,
    waker: Arc<Waker>,
    udp: Udp,
    udp_addr: SocketAddr,
}

impl Opened {
    fn open(config: ShardConfig, wire: Option<Wire>) -> Result<Self, Error> {
        let poll = Poll::new().map_err(Error::Start)?;
        let waker = Arc::new(Waker::new(poll.registry(), driver::WAKE).map_err(Error::Start)?);
        let (udp, udp_addr) = match wire {
            Some(wire) => (Udp::Wire(wire), config.udp),
            None => driver::bind(config.udp)?,
        };
        Ok(Self { config, poll, waker, udp, udp_addr })
    }
}

//! The loop of a media thread: receive -> hand to the connection -> let the core decide for the burst ->
//! subscriber by subscriber: write, drain, send -> sleep until the next deadline.
//! Hot path: nothing here allocates, locks or logs per packet.

mod commands;
mod forward;
mod happenings;
mod ingest;
mod settle;
mod state;
mod sweep;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    time::Duration,
};

use mio::{Poll, Token};
use proto::id::ShardId;
pub(crate) use state::Shard;
use tokio::sync::mpsc::Sender;

use crate::{
    api::{Command, Event, ShardConfig},
    clock::Clock,
    counters::Counters,
    error::Error,
    link::Link,
    peer::Shared,
    tcp::Handed,
    udp::{Socket, Udp},
};

/// The poller's token of the UDP socket.
pub(crate) const UDP: Token = Token(0);

/// The poller's token of the waker.
pub(crate) const WAKE: Token = Token(1);

/// TCP connections use the poller's tokens from here on.
pub(crate) const TCP_FIRST: usize = 2;

/// Readiness events taken in one turn.
const READY_MAX: usize = 1024;

/// Commands taken in one turn at most, so that a storm of them leaves room for packets.
const COMMANDS_EACH_MAX: usize = 512;

/// Batches received in one turn at most, so that timers and commands get their turn under any load.
const BATCHES_MAX: usize = 16;

/// The thread looks around at least this often.
const SLEEP_MAX: Duration = Duration::from_millis(250);

/// Everything a media thread is started with.
pub(crate) struct Seed {
    pub(crate) config: ShardConfig,
    pub(crate) poll: Poll,
    pub(crate) udp: Udp,
    pub(crate) udp_addr: SocketAddr,
    pub(crate) tcp_addr: Option<SocketAddr>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) commands: Receiver<Command>,
    pub(crate) handed: Receiver<Handed>,
    pub(crate) events: Sender<(ShardId, Event)>,
    pub(crate) links: Vec<Link>,
    pub(crate) clock: Clock,
    pub(crate) shared: Shared,
    /// Dropped when the thread ends.
    pub(crate) alive: Arc<()>,
}

/// What the node and the listener hand to the thread.
struct Inbox {
    commands: Receiver<Command>,
    handed: Receiver<Handed>,
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Again,
    /// More waits: do not sleep.
    AtOnce,
    Stop,
}

/// Runs a media thread until it is told to stop.
pub(crate) fn run(mut seed: Seed) {
    let _alive = Arc::clone(&seed.alive);
    if let Err(error) = seed.udp.register(seed.poll.registry(), UDP) {
        tracing::error!(%error, "the media socket cannot be polled");
        return;
    }
    let (mut poll, inbox, mut shard) = Shard::open(seed);
    let mut ready = mio::Events::with_capacity(READY_MAX);
    let mut turn = Turn::Again;
    while turn != Turn::Stop {
        let sleep = match turn {
            Turn::AtOnce => Duration::ZERO,
            Turn::Again | Turn::Stop => shard.sleep().min(SLEEP_MAX),
        };
        // An interrupted sleep is a short one.
        let _ = poll.poll(&mut ready, Some(sleep));
        turn = shard.turn(&poll, &inbox, &ready);
    }
    shard.close_all();
}

impl Shard {
    /// One turn of the loop.
    fn turn(&mut self, poll: &Poll, inbox: &Inbox, ready: &mio::Events) -> Turn {
        self.tick();
        self.counters.turns.add(1);
        let mut more = true;
        for _ in 0..COMMANDS_EACH_MAX {
            match inbox.commands.try_recv() {
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return Turn::Stop,
                Ok(command) => self.on_command(command),
                Err(TryRecvError::Empty) => {
                    more = false;
                    break;
                }
            }
        }
        self.settle();
        more |= self.on_links();
        more |= self.on_tcp(poll, inbox, ready);
        more |= self.on_udp(ready);
        self.on_timers();
        self.pump();
        self.settle();
        self.sweep();
        self.finish();
        if more { Turn::AtOnce } else { Turn::Again }
    }
}

/// Opens the socket of a shard.
pub(crate) fn bind(addr: SocketAddr) -> Result<(Udp, SocketAddr), Error> {
    let bind = |source| Error::Bind { addr, source };
    let socket = std::net::UdpSocket::bind(addr).map_err(bind)?;
    let bound = socket.local_addr().map_err(bind)?;
    Ok((Udp::Socket(Socket::new(socket).map_err(bind)?), bound))
}

//! The thread that accepts ICE-TCP connections for all shards.

use std::{
    io::{ErrorKind, Read as _},
    net::SocketAddr,
    sync::Weak,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use slab::Slab;

use super::{Door, Handed};
use crate::{clock::Clock, error::Error, framing, stun, ufrag};

/// Connections that have not said yet whom they are for, at most; more are closed at once.
const HALF_OPEN_MAX: usize = 512;

/// A connection must name its owner within this time. Slow paths need a second, port scanners never do.
const FIRST_FRAME_WAIT: Duration = Duration::from_secs(5);

/// How often the thread looks whether the shards still run and whom it waited for too long.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

const LISTENER: Token = Token(usize::MAX);

/// The bound listener.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
}

struct HalfOpen {
    stream: TcpStream,
    bytes: Vec<u8>,
    deadline: Instant,
}

/// What the first bytes of a connection amount to.
enum First {
    Wait,
    For(usize),
    Nobody,
}

impl Listener {
    pub(crate) fn bind(addr: SocketAddr) -> Result<Self, Error> {
        let bind = |source| Error::Bind { addr, source };
        let socket = TcpListener::bind(addr).map_err(bind)?;
        let addr = socket.local_addr().map_err(bind)?;
        Ok(Self { socket, addr })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Starts the thread; it ends when `alive` is gone.
    pub(crate) fn start(
        mut self,
        doors: Vec<Door>,
        clock: Clock,
        alive: Weak<()>,
    ) -> Result<JoinHandle<()>, Error> {
        let mut poll = Poll::new().map_err(Error::Start)?;
        poll.registry()
            .register(&mut self.socket, LISTENER, Interest::READABLE)
            .map_err(Error::Start)?;
        let run = move || {
            let mut half_open = Slab::new();
            let mut ready = Events::with_capacity(256);
            while alive.strong_count() > 0 {
                // An interrupted wait is a short one.
                let _ = poll.poll(&mut ready, Some(SWEEP_EVERY));
                let now = clock.now().std;
                for event in &ready {
                    if event.token() == LISTENER {
                        self.accept(&poll, &mut half_open, now);
                    } else {
                        advance(&poll, &mut half_open, event.token().0, &doors);
                    }
                }
                half_open.retain(|_, connection: &mut HalfOpen| connection.deadline > now);
            }
        };
        std::thread::Builder::new().name("ice-tcp".to_owned()).spawn(run).map_err(Error::Start)
    }

    fn accept(&self, poll: &Poll, half_open: &mut Slab<HalfOpen>, now: Instant) {
        while let Ok((mut stream, _)) = self.socket.accept() {
            if half_open.len() >= HALF_OPEN_MAX {
                continue;
            }
            let entry = half_open.vacant_entry();
            let token = Token(entry.key());
            if poll.registry().register(&mut stream, token, Interest::READABLE).is_ok() {
                let deadline = now + FIRST_FRAME_WAIT;
                entry.insert(HalfOpen { stream, bytes: Vec::new(), deadline });
            }
        }
    }
}

/// Reads what came on a half-open connection, and hands it over when it named its owner.
fn advance(poll: &Poll, half_open: &mut Slab<HalfOpen>, key: usize, doors: &[Door]) {
    let Some(connection) = half_open.get_mut(key) else { return };
    let door = match connection.read(doors.len()) {
        First::Wait => return,
        First::For(shard) => doors.get(shard),
        First::Nobody => None,
    };
    let mut connection = half_open.remove(key);
    // Deregistering can only fail when the connection is gone, which its new owner will see.
    let _ = poll.registry().deregister(&mut connection.stream);
    if let Some(door) = door {
        let _ = connection.stream.set_nodelay(true);
        let handed = Handed { stream: connection.stream.into(), bytes: connection.bytes };
        if door.hand(handed).is_err() {
            tracing::debug!("a shard takes no more TCP connections");
        }
    }
}

impl HalfOpen {
    fn read(&mut self, shards: usize) -> First {
        let mut buffer = [0; 2048];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return First::Nobody,
                Ok(len) => self.bytes.extend_from_slice(buffer.get(..len).unwrap_or(&[])),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return First::Wait,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return First::Nobody,
            }
            match framing::split(&self.bytes) {
                Ok(None) => {}
                Ok(Some((frame, _))) => {
                    let owner = stun::local_ufrag(frame).and_then(ufrag::parse);
                    return match owner.map(|owner| usize::from(owner.shard.0)) {
                        Some(shard) if shard < shards => First::For(shard),
                        Some(_) | None => First::Nobody,
                    };
                }
                Err(_) => return First::Nobody,
            }
        }
    }
}

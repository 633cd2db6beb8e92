//! The shard's end of ICE-TCP connections: frames in, frames out, all bounded.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read as _, Write as _},
    net::SocketAddr,
};

use mio::{Interest, Registry, Token, net::TcpStream};
use slab::Slab;

use super::Handed;
use crate::{
    counters::{Counters, Drop},
    framing,
};

/// Connections of one shard at most.
const STREAMS_MAX: usize = 4096;

/// Bytes waiting to be written to one connection at most; media beyond it is dropped, as on a full socket.
const BACKLOG_BYTES_MAX: usize = 512 * 1024;

/// Bytes read from one connection in one go, so that one cannot starve the others.
const READ_BYTES_MAX: usize = 256 * 1024;

struct Stream {
    io: TcpStream,
    /// It is listed among those with a backlog.
    waits: bool,
    remote: SocketAddr,
    received: Vec<u8>,
    backlog: Vec<u8>,
}

/// What reading a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// Nothing waits.
    All,
    /// More waits.
    More,
    /// The connection has ended.
    Ended,
}

/// The connections of a shard.
#[derive(Default)]
pub(crate) struct Streams {
    streams: Slab<Stream>,
    by_remote: HashMap<SocketAddr, usize>,
    first_token: usize,
    /// Connections with a backlog.
    waiting: Vec<usize>,
}

impl Streams {
    /// No connections; the poller's tokens from `first_token` on are used.
    pub(crate) fn new(first_token: usize) -> Self {
        Self { first_token, ..Self::default() }
    }

    /// Takes a connection over. Its first bytes are read with the next [`Self::receive`] of the returned token.
    pub(crate) fn take(
        &mut self,
        handed: Handed,
        registry: &Registry,
        counters: &Counters,
    ) -> Option<usize> {
        let remote = handed.stream.peer_addr().ok();
        let (Some(remote), true) = (remote, self.streams.len() < STREAMS_MAX) else {
            counters.drop_one(Drop::Tcp);
            return None;
        };
        let mut io = TcpStream::from_std(handed.stream);
        let entry = self.streams.vacant_entry();
        let key = entry.key();
        let token = Token(self.first_token + key);
        if registry.register(&mut io, token, Interest::READABLE | Interest::WRITABLE).is_err() {
            counters.drop_one(Drop::Tcp);
            return None;
        }
        let (received, backlog) = (handed.bytes, Vec::new());
        entry.insert(Stream { io, waits: false, remote, received, backlog });
        self.by_remote.insert(remote, key);
        Some(token.0)
    }

    /// Reads what came on a connection and hands each datagram on, with where it came from; `true` when more waits.
    pub(crate) fn receive(
        &mut self,
        token: usize,
        counters: &Counters,
        mut each: impl FnMut(SocketAddr, Vec<u8>),
    ) -> bool {
        let key = token.wrapping_sub(self.first_token);
        let Some(stream) = self.streams.get_mut(key) else { return false };
        let read = stream.read();
        let remote = stream.remote;
        let received = std::mem::take(&mut stream.received);
        let mut rest = received.as_slice();
        let framed = loop {
            match framing::split(rest) {
                Ok(Some((frame, next))) => {
                    counters.received.add(1, frame.len() as u64);
                    each(remote, frame.to_vec());
                    rest = next;
                }
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        stream.received.extend_from_slice(rest);
        if read == Read::Ended || !framed {
            self.close(key);
            return false;
        }
        read == Read::More
    }

    /// Writes a datagram to the connection with this remote address.
    pub(crate) fn send(&mut self, remote: SocketAddr, datagram: &[u8], counters: &Counters) {
        let key = self.by_remote.get(&remote).copied();
        let stream = key.and_then(|key| self.streams.get_mut(key));
        let (Some(stream), Some(header)) = (stream, framing::header(datagram.len())) else {
            counters.drop_one(Drop::Tcp);
            return;
        };
        if stream.backlog.len() + datagram.len() > BACKLOG_BYTES_MAX {
            counters.drop_one(Drop::Tcp);
            return;
        }
        counters.sent.add(1, datagram.len() as u64);
        stream.backlog.extend_from_slice(&header);
        stream.backlog.extend_from_slice(datagram);
        if let (false, Some(key)) = (std::mem::replace(&mut stream.waits, true), key) {
            self.waiting.push(key);
        }
    }

    /// Writes backlogs of all connections that wait; cheap when none does.
    pub(crate) fn flush(&mut self) {
        for key in std::mem::take(&mut self.waiting) {
            let Some(stream) = self.streams.get_mut(key) else { continue };
            if !stream.write() {
                self.close(key);
                continue;
            }
            stream.waits = !stream.backlog.is_empty();
            if stream.waits {
                self.waiting.push(key);
            }
        }
    }

    fn close(&mut self, key: usize) {
        let Some(stream) = self.streams.try_remove(key) else { return };
        if self.by_remote.get(&stream.remote) == Some(&key) {
            self.by_remote.remove(&stream.remote);
        }
    }
}

impl Stream {
    /// Reads until nothing waits, or enough for one turn.
    fn read(&mut self) -> Read {
        let mut buffer = [0; 16 * 1024];
        let limit = self.received.len() + READ_BYTES_MAX;
        while self.received.len() < limit {
            match self.io.read(&mut buffer) {
                Ok(0) => return Read::Ended,
                Ok(len) => self.received.extend_from_slice(buffer.get(..len).unwrap_or(&[])),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Read::All,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Read::Ended,
            }
        }
        Read::More
    }

    /// Writes as much as goes; `false` when the connection has ended.
    fn write(&mut self) -> bool {
        let mut written = 0;
        let open = loop {
            let Some(rest) = self.backlog.get(written..).filter(|rest| !rest.is_empty()) else {
                break true;
            };
            match self.io.write(rest) {
                Ok(0) => break false,
                Ok(len) => written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
        };
        self.backlog.drain(..written);
        open
    }
}

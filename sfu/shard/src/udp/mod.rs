//! Where the shard's datagrams come from and go to: a socket, or a wire through memory for benchmarks and tests.
//! Hot path: buffers are reused, nothing is allocated per packet; which of the two it is, is asked once per batch.

mod socket;

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta};
pub(crate) use socket::Socket;

use crate::{
    counters::{Counters, Drop},
    wire::{self, Wire},
};

/// The largest datagram that is received.
const DATAGRAM_MAX: usize = 2048;

/// Bytes of one receive buffer: what GRO can put together, 64 datagrams, cut to what one UDP length can hold.
const RECEIVE_BYTES: usize = 64 * 1024;

/// Bytes of one run at most; a run is one IP packet until the card cuts it.
const RUN_BYTES_MAX: usize = 60_000;

/// Datagrams in one run at most (the kernel's `UDP_MAX_SEGMENTS`).
const RUN_SEGMENTS_MAX: usize = 64;

/// One datagram waiting to be sent; its bytes lie in [`Outbox::bytes`].
#[derive(Clone, Copy, Debug)]
struct Segment {
    destination: SocketAddr,
    source: SocketAddr,
    tcp: bool,
    len: usize,
}

/// Datagrams of one connection waiting to be sent, back to back in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    segments: Vec<Segment>,
}

impl Outbox {
    /// Appends a datagram.
    pub(crate) fn push(
        &mut self,
        tcp: bool,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &[u8],
    ) {
        self.bytes.extend_from_slice(datagram);
        self.segments.push(Segment { destination, source, tcp, len: datagram.len() });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Empties the outbox, keeping its memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.segments.clear();
    }

    /// Hands each datagram that goes over TCP to `write`.
    pub(crate) fn each_tcp(&self, mut write: impl FnMut(SocketAddr, &[u8])) {
        let mut at = 0;
        for segment in &self.segments {
            let end = at + segment.len;
            if let (true, Some(datagram)) = (segment.tcp, self.bytes.get(at..end)) {
                write(segment.destination, datagram);
            }
            at = end;
        }
    }

    /// Hands each run that goes over UDP to `send`, in order.
    fn each_run(&self, segments_max: usize, mut send: impl FnMut(Run, &[u8])) {
        let (mut first, mut at) = (0, 0);
        while let Some(run) = self.run(first, segments_max) {
            let contents = self.bytes.get(at..at + run.bytes).unwrap_or(&[]);
            (first, at) = (run.end, at + run.bytes);
            if !run.head.tcp {
                send(run, contents);
            }
        }
    }

    /// The longest run from a segment on: its end, its bytes, and the size of its datagrams. All go the same way and
    /// are of equal size, but the last may be shorter.
    fn run(&self, first: usize, segments_max: usize) -> Option<Run> {
        let head = *self.segments.get(first)?;
        let mut run = Run { first, end: first + 1, bytes: head.len, head };
        if head.tcp {
            return Some(run);
        }
        for segment in self.segments.get(run.end..)?.iter().take(segments_max.saturating_sub(1)) {
            let fits = segment.destination == head.destination
                && !segment.tcp
                && segment.len <= head.len
                && run.bytes + segment.len <= RUN_BYTES_MAX;
            if !fits {
                break;
            }
            run.end += 1;
            run.bytes += segment.len;
            if segment.len < head.len {
                break;
            }
        }
        Some(run)
    }
}

struct Run {
    first: usize,
    end: usize,
    bytes: usize,
    head: Segment,
}

/// Where a received datagram lies and came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram {
    pub(crate) source: SocketAddr,
    pub(crate) local_ip: Option<IpAddr>,
    buffer: usize,
    start: usize,
    end: usize,
}

/// What one receiving call brought, and the memory for it.
#[derive(Default)]
pub(crate) struct Batch {
    buffers: Vec<Box<[u8]>>,
    metas: Vec<RecvMeta>,
    datagrams: Vec<Datagram>,
}

impl Batch {
    /// A batch with its memory.
    pub(crate) fn new() -> Self {
        Self {
            buffers: (0..BATCH_SIZE).map(|_| vec![0; RECEIVE_BYTES].into_boxed_slice()).collect(),
            metas: vec![RecvMeta::default(); BATCH_SIZE],
            datagrams: Vec::new(),
        }
    }

    /// The datagrams with their bytes; those longer than any of ours are empty.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = (Datagram, &[u8])> {
        self.datagrams.iter().map(|datagram| {
            let fits = datagram.end - datagram.start <= DATAGRAM_MAX;
            let buffer = self.buffers.get(datagram.buffer).filter(|_| fits);
            let bytes = buffer.and_then(|buffer| buffer.get(datagram.start..datagram.end));
            (*datagram, bytes.unwrap_or(&[]))
        })
    }
}

/// Cuts what came together into datagrams of one size; the last may be shorter.
fn cut(
    datagrams: &mut Vec<Datagram>,
    (buffer, len, stride): (usize, usize, usize),
    source: SocketAddr,
    local_ip: Option<IpAddr>,
) {
    let mut start = 0;
    while start < len {
        let end = len.min(start + stride.max(1));
        datagrams.push(Datagram { source, local_ip, buffer, start, end });
        start = end;
    }
}

/// The way of the shard's datagrams.
pub(crate) enum Udp {
    Socket(Socket),
    Wire(Wire),
}

impl Udp {
    /// Has the poller tell when datagrams wait, if it can.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Self::Socket(socket) => registry.register(socket.source(), token, Interest::READABLE),
            Self::Wire(_) => Ok(()),
        }
    }

    /// Whether the poller is silent about waiting datagrams, so that each turn has to look.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self, Self::Wire(_))
    }

    /// Receives one batch; `false` when nothing waits.
    pub(crate) fn receive(&mut self, batch: &mut Batch) -> bool {
        match self {
            Self::Socket(socket) => socket.receive(batch),
            Self::Wire(wire) => receive_wire(wire, batch),
        }
    }

    /// Sends everything in the outbox that goes over UDP, in runs.
    pub(crate) fn send(&mut self, outbox: &Outbox, counters: &Counters) {
        match self {
            Self::Socket(socket) => socket.send(outbox, counters),
            Self::Wire(wire) => send_wire(wire, outbox, counters),
        }
    }
}

fn receive_wire(wire: &mut Wire, batch: &mut Batch) -> bool {
    batch.datagrams.clear();
    for (index, buffer) in batch.buffers.iter_mut().enumerate() {
        let Some((run, bytes)) = wire.receive(buffer) else { break };
        let local_ip = Some(run.destination.ip());
        cut(&mut batch.datagrams, (index, bytes.len(), run.stride), run.source, local_ip);
    }
    !batch.datagrams.is_empty()
}

fn send_wire(wire: &mut Wire, outbox: &Outbox, counters: &Counters) {
    outbox.each_run(RUN_SEGMENTS_MAX, |run, contents| {
        let Segment { destination, source, len, .. } = run.head;
        let count = (run.end - run.first) as u64;
        counters.sends.add(1);
        match wire.send(wire::Run { source, destination, stride: len }, contents) {
            Ok(()) => counters.sent.add(count, run.bytes as u64),
            Err(wire::Full) => counters.drop_many(Drop::SocketFull, count),
        }
    });
}

#[cfg(test)]
mod tests;

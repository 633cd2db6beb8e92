//! The shard's UDP socket: batches in by GRO and `recvmmsg`, runs out by GSO.
//! Hot path: buffers are reused, nothing is allocated per packet.

use std::{
    io::{self, ErrorKind, IoSliceMut},
    net::{IpAddr, SocketAddr},
};

use mio::net::UdpSocket;
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};

use crate::counters::{Counters, Drop};

/// Kernel buffers asked for. A burst of a key frame to hundreds of subscribers must fit the one for sending.
const SOCKET_BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// The largest datagram that is received.
const DATAGRAM_MAX: usize = 2048;

/// Bytes of one receive buffer: what GRO can put together, 64 datagrams, cut to what one UDP length can hold.
const RECEIVE_BYTES: usize = 64 * 1024;

/// Bytes of one run at most; a run is one IP packet until the card cuts it.
const RUN_BYTES_MAX: usize = 60_000;

/// Datagrams in one run at most (the kernel's `UDP_MAX_SEGMENTS`).
const RUN_SEGMENTS_MAX: usize = 64;

/// Local addresses remembered at most.
const LOCAL_IPS_MAX: usize = 16;

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

    /// The longest run from a segment on: its end, its bytes, and the size of its datagrams. All go the same way and
    /// are of equal size, but the last may be shorter.
    fn run(&self, first: usize, segments_max: usize) -> Option<Run> {
        let head = *self.segments.get(first)?;
        let mut run = Run { end: first + 1, bytes: head.len, head };
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
    end: usize,
    bytes: usize,
    head: Segment,
}

/// The socket.
pub(crate) struct Udp {
    socket: UdpSocket,
    state: UdpSocketState,
    wildcard: bool,
    ipv4: bool,
    /// Addresses of this host that packets arrived on; a wildcard socket answers from them.
    local_ips: Vec<IpAddr>,
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

impl Udp {
    /// Wraps a bound socket.
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        // The kernel grants what it is configured to; less only means more drops under bursts, which are counted.
        let _ = state.set_send_buffer_size((&socket).into(), SOCKET_BUFFER_BYTES);
        let _ = state.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER_BYTES);
        let local = socket.local_addr()?;
        Ok(Self {
            socket: UdpSocket::from_std(socket),
            state,
            wildcard: local.ip().is_unspecified(),
            ipv4: local.is_ipv4(),
            local_ips: Vec::new(),
        })
    }

    /// The socket, for registering it with a poller.
    pub(crate) fn source(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Receives one batch; `false` when nothing waits.
    pub(crate) fn receive(&mut self, batch: &mut Batch) -> bool {
        batch.datagrams.clear();
        let mut slices: Vec<IoSliceMut<'_>> =
            batch.buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
        let received = self.state.recv((&self.socket).into(), &mut slices, &mut batch.metas);
        let count = match received {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            // A fault of one call, such as a report about an earlier packet: the next call may bring packets.
            Err(_) => 0,
        };
        for (buffer, meta) in batch.metas.iter().enumerate().take(count) {
            if self.wildcard && self.local_ips.len() < LOCAL_IPS_MAX {
                let local = meta.dst_ip.map(|ip| ip.to_canonical());
                self.local_ips.extend(local.filter(|ip| !self.local_ips.contains(ip)));
            }
            let stride = meta.stride.max(1);
            // A socket of both families sees IPv4 addresses mapped into IPv6; candidates and maps know them plain.
            let source = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            let local_ip = meta.dst_ip.map(|ip| ip.to_canonical());
            let mut start = 0;
            while start < meta.len {
                let end = meta.len.min(start + stride);
                batch.datagrams.push(Datagram { source, local_ip, buffer, start, end });
                start = end;
            }
        }
        true
    }

    /// An address in the family of the socket.
    fn reachable(&self, destination: SocketAddr) -> SocketAddr {
        match destination {
            SocketAddr::V4(v4) if !self.ipv4 => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
            SocketAddr::V4(_) | SocketAddr::V6(_) => destination,
        }
    }

    /// Sends everything in the outbox that goes over UDP, in runs.
    pub(crate) fn send(&self, outbox: &Outbox, counters: &Counters) {
        let (mut first, mut at) = (0, 0);
        while let Some(run) = outbox.run(first, self.state.max_gso_segments().min(RUN_SEGMENTS_MAX))
        {
            let contents = outbox.bytes.get(at..at + run.bytes).unwrap_or(&[]);
            let count = run.end - first;
            (first, at) = (run.end, at + run.bytes);
            if !run.head.tcp {
                self.send_run(&run, contents, count, counters);
            }
        }
    }

    fn send_run(&self, run: &Run, contents: &[u8], count: usize, counters: &Counters) {
        let source = Some(run.head.source.ip()).filter(|ip| self.local_ips.contains(ip));
        let transmit = Transmit {
            destination: self.reachable(run.head.destination),
            ecn: None,
            contents,
            segment_size: (count > 1).then_some(run.head.len),
            src_ip: source.filter(|ip| ip.is_ipv4() == self.ipv4),
        };
        counters.sends.add(1);
        let sent = self.state.try_send((&self.socket).into(), &transmit);
        match sent {
            Ok(()) => counters.sent.add(count as u64, run.bytes as u64),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                counters.drop_many(Drop::SocketFull, count as u64);
            }
            // The card or path refused the run as a whole: one by one it may pass. The state remembers and shortens
            // later runs.
            Err(_) if count > 1 => self.send_singly(run, contents, counters),
            Err(_) => counters.drop_one(Drop::SocketFull),
        }
    }

    fn send_singly(&self, run: &Run, contents: &[u8], counters: &Counters) {
        for datagram in contents.chunks(run.head.len.max(1)) {
            let transmit = Transmit {
                destination: self.reachable(run.head.destination),
                ecn: None,
                contents: datagram,
                segment_size: None,
                src_ip: None,
            };
            counters.sends.add(1);
            match self.state.try_send((&self.socket).into(), &transmit) {
                Ok(()) => counters.sent.add(1, datagram.len() as u64),
                Err(_) => counters.drop_one(Drop::SocketFull),
            }
        }
    }
}

#[cfg(test)]
mod tests;

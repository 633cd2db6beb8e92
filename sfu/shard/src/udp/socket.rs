//! A socket of the kernel: batches in by GRO and `recvmmsg`, runs out by GSO. Hot path.

use std::{
    io::{self, ErrorKind, IoSliceMut},
    net::{IpAddr, SocketAddr},
};

use mio::net::UdpSocket;
use quinn_udp::{Transmit, UdpSocketState};

use super::{Batch, Outbox, RUN_SEGMENTS_MAX, Run, cut};
use crate::counters::{Counters, Drop};

/// Kernel buffers asked for. A burst of a key frame to hundreds of subscribers must fit the one for sending.
const SOCKET_BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// Local addresses remembered at most.
const LOCAL_IPS_MAX: usize = 16;

/// The socket.
pub(crate) struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    wildcard: bool,
    ipv4: bool,
    /// Addresses of this host that packets arrived on; a wildcard socket answers from them.
    local_ips: Vec<IpAddr>,
}

impl Socket {
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
    pub(super) fn source(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Receives one batch; `false` when nothing waits.
    pub(super) fn receive(&mut self, batch: &mut Batch) -> bool {
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
            // A socket of both families sees IPv4 addresses mapped into IPv6; candidates and maps know them plain.
            let source = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            let local_ip = meta.dst_ip.map(|ip| ip.to_canonical());
            cut(&mut batch.datagrams, (buffer, meta.len, meta.stride), source, local_ip);
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
    pub(super) fn send(&self, outbox: &Outbox, counters: &Counters) {
        let segments_max = self.state.max_gso_segments().min(RUN_SEGMENTS_MAX);
        outbox.each_run(segments_max, |run, contents| self.send_run(&run, contents, counters));
    }

    fn send_run(&self, run: &Run, contents: &[u8], counters: &Counters) {
        let count = run.end - run.first;
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

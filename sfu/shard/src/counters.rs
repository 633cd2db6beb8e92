//! Figures of one shard. Written by its thread alone with relaxed stores, read by anybody.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Upper bounds of the forwarding latency buckets, in microseconds; the last bucket is open.
pub const LATENCY_BOUNDS_US: [u64; 24] = [
    25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 700, 1_000, 1_400, 2_000, 3_000, 4_000, 6_000,
    8_000, 12_000, 20_000, 35_000, 60_000, 100_000, 200_000,
];

/// A figure that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to the figure. Only the owning thread may call this: it is not a read-modify-write.
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    /// Sets the figure.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Reads the figure.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Why something was thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Drop {
    /// A datagram from an address that belongs to nobody, and not STUN.
    UnknownSource,
    /// A STUN request for a user name fragment that is not ours or not alive.
    UnknownUfrag,
    /// A datagram that is neither STUN, DTLS, RTP nor RTCP, or is too long.
    Malformed,
    /// RTP on a media section that carries no published track.
    UnboundMid,
    /// RTP of a rid or codec that cannot be placed.
    UnknownEncoding,
    /// A packet that could not be written to a subscriber because it has no section or no common codec.
    NoSection,
    /// The socket's send buffer was full.
    SocketFull,
    /// A ring to another shard was full.
    LinkFull,
    /// The event queue was full: a lossy event was dropped.
    EventLossy,
    /// The event queue and its backlog were full: an event was lost.
    EventLost,
    /// A data message could not be queued or sent.
    Data,
    /// An early STUN request could not be kept.
    EarlyStun,
    /// An ICE-TCP connection was refused, timed out or fell behind.
    Tcp,
    /// Our maps were full.
    MapFull,
    /// A payload descriptor could not be rewritten.
    Rewrite,
}

impl Drop {
    /// Every reason, in order.
    pub const ALL: [Self; 15] = [
        Self::UnknownSource,
        Self::UnknownUfrag,
        Self::Malformed,
        Self::UnboundMid,
        Self::UnknownEncoding,
        Self::NoSection,
        Self::SocketFull,
        Self::LinkFull,
        Self::EventLossy,
        Self::EventLost,
        Self::Data,
        Self::EarlyStun,
        Self::Tcp,
        Self::MapFull,
        Self::Rewrite,
    ];

    /// The reason as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::UnknownSource => "unknown_source",
            Self::UnknownUfrag => "unknown_ufrag",
            Self::Malformed => "malformed",
            Self::UnboundMid => "unbound_mid",
            Self::UnknownEncoding => "unknown_encoding",
            Self::NoSection => "no_section",
            Self::SocketFull => "socket_full",
            Self::LinkFull => "link_full",
            Self::EventLossy => "event_lossy",
            Self::EventLost => "event_lost",
            Self::Data => "data",
            Self::EarlyStun => "early_stun",
            Self::Tcp => "tcp",
            Self::MapFull => "map_full",
            Self::Rewrite => "rewrite",
        }
    }
}

/// Packets and bytes in one direction.
#[derive(Debug, Default)]
pub struct Flow {
    /// Datagrams.
    pub packets: Counter,
    /// Bytes of UDP or TCP payload.
    pub bytes: Counter,
}

impl Flow {
    pub(crate) fn add(&self, packets: u64, bytes: u64) {
        self.packets.add(packets);
        self.bytes.add(bytes);
    }
}

/// RTP feedback seen or given by a shard.
#[derive(Debug, Default)]
pub struct Feedback {
    /// NACKs received for packets we sent.
    pub nacks_in: Counter,
    /// NACKs sent for packets we miss.
    pub nacks_out: Counter,
    /// Key frame requests received (PLI and FIR).
    pub plis_in: Counter,
    /// Key frame requests sent.
    pub plis_out: Counter,
    /// Packets of publishers that never arrived, by receiver statistics.
    pub lost: Counter,
    /// Sum of round trip times, in microseconds.
    pub rtt_us_sum: Counter,
    /// Number of round trip times in the sum.
    pub rtt_count: Counter,
}

/// All figures of one shard.
#[derive(Debug, Default)]
pub struct Counters {
    /// Received by sockets.
    pub received: Flow,
    /// Sent by sockets.
    pub sent: Flow,
    /// RTP packets of publishers that entered the core.
    pub rtp_in: Flow,
    /// RTP packets written to subscribers.
    pub forwarded: Flow,
    /// RTP packets handed to other shards.
    pub relayed: Flow,
    /// RTP feedback.
    pub feedback: Feedback,
    /// Thrown away, by [`Drop`].
    pub dropped: [Counter; Drop::ALL.len()],
    /// Forwarding latency, from the return of the receiving call to the return of the sending call, in
    /// buckets of [`LATENCY_BOUNDS_US`].
    pub latency: [Counter; LATENCY_BOUNDS_US.len() + 1],
    /// Sum of forwarding latencies, in microseconds.
    pub latency_us_sum: Counter,
    /// Peers now.
    pub peers: Counter,
    /// Peers lost to a panic of the connection library.
    pub panics: Counter,
    /// CPU time of the thread in user mode, in microseconds.
    pub cpu_user_us: Counter,
    /// CPU time of the thread in the kernel, in microseconds.
    pub cpu_system_us: Counter,
    /// Turns of the driver loop.
    pub turns: Counter,
    /// System calls that sent datagrams.
    pub sends: Counter,
}

impl Counters {
    /// Reads how often something was thrown away for a reason.
    #[must_use]
    pub fn dropped(&self, reason: Drop) -> u64 {
        self.dropped.get(reason as usize).map_or(0, Counter::get)
    }

    pub(crate) fn drop_one(&self, reason: Drop) {
        self.drop_many(reason, 1);
    }

    pub(crate) fn drop_many(&self, reason: Drop, count: u64) {
        if let Some(counter) = self.dropped.get(reason as usize) {
            counter.add(count);
        }
    }

    pub(crate) fn latency(&self, us: u64, packets: u64) {
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(counter) = self.latency.get(bucket) {
            counter.add(packets);
        }
        self.latency_us_sum.add(us.saturating_mul(packets));
    }
}

//! The server: the shard, or the plain loop, and the figures of either.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::Thread,
    time::Duration,
};

use proto::{
    id::{PeerId, ShardId, TrackKey},
    media::{Codec, MediaKind, Mid, Source},
    unit::Bitrate,
};
use sfu_shard::{
    Events, ShardHandle,
    api::{Command, Event, Msid, PeerConfig, PeerMode, ShardConfig, TrackSpec},
    counters::{Counter, Drop, LATENCY_BOUNDS_US},
    wire::Wire,
};

use super::{
    Cpu, Lines, count, media_cpu,
    naive::{self, Ask, Port},
    pack, say, unpack,
};

/// Figures at one moment, or of the time between two.
#[derive(Clone, Default)]
struct Figures {
    cpu: Cpu,
    forwarded: u64,
    sends: u64,
    dropped: u64,
    /// Subscriptions paused for want of bandwidth.
    paused: u64,
    /// Packets by latency bucket.
    latency: Vec<u64>,
}

const TRACK: TrackKey = TrackKey(1);

/// Where the server's datagrams come from and go to.
pub(crate) enum Door {
    /// A socket at this address.
    Socket(String),
    /// The client in this process.
    Wire(Wire),
}

/// Where the server believes to be when there is no socket.
const WIRE_ADDR: ([u8; 4], u16) = ([10, 0, 0, 1], 4000);

/// What is measured.
pub(crate) enum Engine {
    Shard { handle: ShardHandle, events: Events, paused: u64 },
    Naive { asks: SyncSender<Ask>, thread: Thread, report: naive::Report },
}

pub(crate) fn run(mut engine: Engine, lines: &Lines) {
    lines.say("ready");
    let mut before = Figures::default();
    while let Ok(line) = lines.heard.recv() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["offer", index, sdp] => {
                let answer = engine.answer(index.parse().unwrap(), unpack(sdp));
                lines.say(&format!("answer {index} {}", pack(&answer)));
            }
            ["begin"] => {
                let _ = engine.figures();
                before = engine.figures();
            }
            ["end"] => {
                let after = engine.figures();
                lines.say(&format!("figures {}", difference(&before, &after)));
            }
            ["count"] => {
                before = engine.figures();
                count::begin();
            }
            ["counted"] => {
                let allocations = count::end();
                let forwarded = engine.figures().forwarded - before.forwarded;
                lines.say(&format!("allocations {allocations} {forwarded}"));
            }
            _ => return,
        }
    }
}

fn shard(bwe: bool, door: Door) -> Engine {
    let mut config = ShardConfig {
        shard: ShardId(0),
        shards: 1,
        udp: WIRE_ADDR.into(),
        announce: Vec::new(),
        announce_tcp: Vec::new(),
        bwe_start: bwe.then(|| Bitrate::from_kbps(5000)),
    };
    let shards = match door {
        Door::Socket(ip) => {
            config.udp = (ip.parse::<IpAddr>().unwrap(), 0).into();
            sfu_shard::start(vec![config], None).unwrap()
        }
        Door::Wire(wire) => sfu_shard::start_on_wire(config, wire).unwrap(),
    };
    let handle = shards.handles[0].clone();
    let events = shards.events;
    Engine::Shard { handle, events, paused: 0 }
}

fn plain(bwe: bool, door: Door) -> Engine {
    let (asks, receiver): (_, Receiver<Ask>) = sync_channel(1024);
    let (port, local) = match door {
        Door::Socket(ip) => {
            let socket = std::net::UdpSocket::bind((ip.as_str(), 0)).unwrap();
            let options = socket2::SockRef::from(&socket);
            let _ = options.set_send_buffer_size(8 << 20);
            let _ = options.set_recv_buffer_size(8 << 20);
            let local = socket.local_addr().unwrap();
            (Port::Socket(socket), local)
        }
        Door::Wire(wire) => (Port::Wire(wire), WIRE_ADDR.into()),
    };
    let thread = std::thread::Builder::new().name("naive".into());
    let thread = thread.spawn(move || naive::run(port, local, bwe, &receiver)).unwrap();
    Engine::Naive { asks, thread: thread.thread().clone(), report: naive::Report::default() }
}

impl Engine {
    pub(crate) fn start(engine: &str, bwe: bool, door: Door) -> Self {
        if engine == "shard" { shard(bwe, door) } else { plain(bwe, door) }
    }

    /// What tells the media thread that something lies on its wire.
    pub(crate) fn waker(&self) -> Box<dyn Fn() + Send> {
        match self {
            Self::Shard { handle, .. } => {
                let handle = handle.clone();
                Box::new(move || handle.wake())
            }
            Self::Naive { thread, .. } => {
                let thread = thread.clone();
                Box::new(move || thread.unpark())
            }
        }
    }

    fn answer(&mut self, index: usize, sdp: String) -> String {
        match self {
            Self::Naive { asks, .. } => {
                let (reply, answer) = sync_channel(1);
                asks.send(Ask::Offer(index, sdp, reply)).unwrap();
                answer.recv().unwrap()
            }
            Self::Shard { handle, events, .. } => {
                let peer = PeerId(index as u64);
                let codecs = vec![Codec::Vp8];
                let config = PeerConfig { mode: PeerMode::Single, codecs, data: false };
                let mid = sfu_shard::sdp::lines(&sdp)[0].mid;
                handle.send(Command::Open { peer, config }).unwrap();
                if index == 0 {
                    publish(handle, peer, mid);
                } else {
                    subscribe(handle, peer);
                }
                handle.send(Command::Offer { peer, request: 1, sdp }).unwrap();
                answer(events, peer)
            }
        }
    }

    fn figures(&mut self) -> Figures {
        let mut figures = Figures { cpu: media_cpu(), ..Figures::default() };
        match self {
            Self::Shard { handle, events, paused } => {
                while let Ok((_, event)) = events.try_recv() {
                    *paused += u64::from(matches!(event, Event::StreamState { paused: true, .. }));
                }
                figures.paused = *paused;
                let counters = &handle.counters;
                figures.forwarded = counters.forwarded.packets.get();
                figures.sends = counters.sends.get();
                figures.dropped = Drop::ALL.iter().map(|reason| counters.dropped(*reason)).sum();
                figures.latency = counters.latency.iter().map(Counter::get).collect();
            }
            Self::Naive { asks, report, .. } => {
                let (reply, reported) = sync_channel(1);
                asks.send(Ask::Report(reply)).unwrap();
                let new = reported.recv().unwrap();
                report.forwarded += new.forwarded;
                report.latencies.extend(new.latencies);
                figures.forwarded = report.forwarded;
                figures.sends = report.forwarded;
                figures.latency = vec![0; LATENCY_BOUNDS_US.len() + 1];
                for us in &report.latencies {
                    let bucket = LATENCY_BOUNDS_US.partition_point(|b| *b < u64::from(*us));
                    figures.latency[bucket] += 1;
                }
            }
        }
        figures
    }
}

fn publish(handle: &ShardHandle, peer: PeerId, mid: Mid) {
    handle.send(Command::Publish { peer, mid, track: TRACK, spec: spec() }).unwrap();
}

fn subscribe(handle: &ShardHandle, peer: PeerId) {
    let msid = Msid { stream: Arc::from("stream"), track: Arc::from("track") };
    let home = ShardId(0);
    handle.send(Command::Subscribe { peer, track: TRACK, home, spec: spec(), msid }).unwrap();
}

fn spec() -> TrackSpec {
    TrackSpec {
        kind: MediaKind::Video,
        source: Source::Camera,
        encodings: Vec::new(),
        disable_red: false,
        muted: false,
        disable_dtx: false,
        stereo: false,
    }
}

fn answer(events: &mut Events, peer: PeerId) -> String {
    loop {
        match events.blocking_recv().unwrap().1 {
            Event::Answer { peer: for_peer, sdp, .. } if for_peer == peer => return sdp,
            Event::Refused { error, .. } | Event::Failed { error, .. } => {
                say(&format!("failed {error:?}"));
                std::process::exit(1);
            }
            _ => {}
        }
    }
}

/// The figures of the time between, as words: forwarded cpu_us user_ticks system_ticks sends dropped p50_us p99_us paused.
fn difference(before: &Figures, after: &Figures) -> String {
    let latency: Vec<u64> = after
        .latency
        .iter()
        .enumerate()
        .map(|(i, n)| n - before.latency.get(i).unwrap_or(&0))
        .collect();
    format!(
        "{} {} {} {} {} {} {} {} {}",
        after.forwarded - before.forwarded,
        after.cpu.us - before.cpu.us,
        after.cpu.ticks.0 - before.cpu.ticks.0,
        after.cpu.ticks.1 - before.cpu.ticks.1,
        after.sends - before.sends,
        after.dropped - before.dropped,
        percentile(&latency, 50).as_micros(),
        percentile(&latency, 99).as_micros(),
        after.paused,
    )
}

/// A percentile out of buckets, by even spread within one.
fn percentile(buckets: &[u64], percent: u64) -> Duration {
    let total: u64 = buckets.iter().sum();
    let mut left = total * percent / 100;
    for (index, count) in buckets.iter().enumerate() {
        let low = index.checked_sub(1).map_or(0, |i| LATENCY_BOUNDS_US[i]);
        let high = LATENCY_BOUNDS_US.get(index).copied().unwrap_or(low * 2);
        if left <= *count {
            let part = (high - low) * left / (*count).max(1);
            return Duration::from_micros(low + part);
        }
        left -= count;
    }
    Duration::ZERO
}

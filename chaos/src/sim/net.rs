//! Links that are late, break, and lose one direction or both. A stream keeps its order, as it does over QUIC: what is lost comes
//! later, and when nothing comes for long the stream breaks.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cluster::link::{Connect, Incoming, Lane, LinkError, Peers, Stream, Transport};
use futures_util::future::{BoxFuture, try_join};
use proto::id::NodeId;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split},
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use crate::dice::Dice;

const STREAM_BYTES: usize = 256 << 10;
const CHUNK_BYTES: usize = 16 << 10;
const INCOMING_MAX: usize = 1024;
/// What a lost packet costs.
const AGAIN_MS: u64 = 150;
/// A link on which nothing passes for so long is given up.
const IDLE: Duration = Duration::from_secs(2);
const OPEN_WITHIN: Duration = Duration::from_millis(600);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How the network is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Weather {
    /// A chunk takes up to so many milliseconds.
    pub(super) delay_ms: u64,
    /// So many of a thousand chunks are lost once.
    pub(super) lost_permille: u64,
    /// From whom nothing reaches whom.
    pub(super) cut: BTreeSet<(NodeId, NodeId)>,
}

struct State {
    weather: Weather,
    dice: Dice,
    /// Nodes that run: where streams to them are handed over, and which life it is.
    running: BTreeMap<NodeId, (mpsc::Sender<(NodeId, Stream)>, u64)>,
    peers: BTreeMap<NodeId, watch::Sender<Peers>>,
    lives: u64,
}

/// A network of simulated links. Cheap to clone.
#[derive(Clone)]
pub(super) struct Net {
    state: Arc<Mutex<State>>,
}

/// One end of a stream: which life of which node.
type End = (NodeId, u64);

impl Net {
    pub(super) fn new(dice: Dice) -> Self {
        let weather = Weather { delay_ms: 2, ..Weather::default() };
        let (running, peers) = (BTreeMap::new(), BTreeMap::new());
        Self { state: Arc::new(Mutex::new(State { weather, dice, running, peers, lives: 0 })) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how the network is.
    pub(super) fn change(&self, change: impl FnOnce(&mut Weather)) {
        let mut state = self.state();
        change(&mut state.weather);
        state.tell();
    }

    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.state().weather.cut.contains(&(from, to))
    }

    fn is_up(&self, (node, life): End) -> bool {
        self.state().running.get(&node).is_some_and(|(_, now)| *now == life)
    }

    /// How long a chunk takes.
    fn delay(&self, from: NodeId, to: NodeId) -> Duration {
        let mut state = self.state();
        if from == to {
            return Duration::ZERO;
        }
        let (most, lost) = (state.weather.delay_ms, state.weather.lost_permille);
        let mut ms = state.dice.below(most + 1);
        while state.dice.below(1_000) < lost {
            ms += AGAIN_MS;
        }
        Duration::from_millis(ms)
    }

    /// Carries one direction of a stream to its end; fails when the stream breaks.
    async fn carry(
        &self,
        (from, to): (End, End),
        mut reading: impl AsyncRead + Unpin,
        mut writing: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let bytes = reading.read(&mut chunk).await?;
            sleep(self.delay(from.0, to.0)).await;
            if timeout(IDLE, self.passes(from, to)).await != Ok(true) {
                return Err(broken());
            }
            match chunk.get(..bytes) {
                Some([]) | None => return writing.shutdown().await,
                Some(chunk) => writing.write_all(chunk).await?,
            }
        }
    }

    /// Waits until something passes; false when one of the two has stopped.
    async fn passes(&self, from: End, to: End) -> bool {
        loop {
            if !self.is_up(from) || !self.is_up(to) {
                return false;
            }
            if !self.is_cut(from.0, to.0) {
                return true;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn open(&self, from: End, to: NodeId) -> Result<Stream, LinkError> {
        let gone = || LinkError::Unreachable { node: to, reason: "nobody answers".into() };
        let both_ways = async {
            while self.is_cut(from.0, to) || self.is_cut(to, from.0) {
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(OPEN_WITHIN, both_ways).await.map_err(|_| LinkError::Timeout)?;
        let (sender, life) = self.state().running.get(&to).cloned().ok_or_else(gone)?;
        let to = (to, life);
        let (near, near_far) = duplex(STREAM_BYTES);
        let (far, far_near) = duplex(STREAM_BYTES);
        let (near_reading, near_writing) = split(near_far);
        let (far_reading, far_writing) = split(far_near);
        let net = self.clone();
        tokio::spawn(async move {
            let there = net.carry((from, to), near_reading, far_writing);
            let back = net.carry((to, from), far_reading, near_writing);
            // What breaks one direction breaks the other: both are one connection.
            let _broken = try_join(there, back).await;
        });
        sender.send((from.0, stream(far))).await.map_err(|_| gone())?;
        Ok(stream(near))
    }
}

impl State {
    /// Tells everybody to whom a link is up.
    fn tell(&self) {
        for (me, peers) in &self.peers {
            let reaches = |other: &NodeId| {
                let cut = &self.weather.cut;
                other != me && !cut.contains(&(*me, *other)) && !cut.contains(&(*other, *me))
            };
            let up = self.running.iter().filter(|(other, _)| reaches(other));
            peers.send_replace(up.map(|(other, (_, life))| (*other, *life)).collect());
        }
    }
}

fn stream(end: DuplexStream) -> Stream {
    let (reading, writing) = split(end);
    Stream { writing: Box::new(writing), reading: Box::new(reading) }
}

impl Connect for Net {
    fn connect(&self, node: NodeId) -> (Arc<dyn Transport>, Incoming) {
        let (sender, incoming) = mpsc::channel(INCOMING_MAX);
        let (peers, seen) = watch::channel(Peers::new());
        let mut state = self.state();
        state.lives += 1;
        let life = state.lives;
        state.running.insert(node, (sender, life));
        state.peers.insert(node, peers);
        state.tell();
        drop(state);
        (Arc::new(Port { net: self.clone(), end: (node, life), peers: seen }), incoming)
    }
}

/// One node's end of the network.
struct Port {
    net: Net,
    end: End,
    peers: watch::Receiver<Peers>,
}

impl Transport for Port {
    fn open(&self, node: NodeId, _: Lane) -> BoxFuture<'_, Result<Stream, LinkError>> {
        Box::pin(self.net.open(self.end, node))
    }

    fn set_nodes(&self, _: BTreeMap<NodeId, String>) {}

    fn peers(&self) -> watch::Receiver<Peers> {
        self.peers.clone()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut state = self.net.state();
            let (node, life) = self.end;
            if state.running.get(&node).is_some_and(|(_, now)| *now == life) {
                state.running.remove(&node);
            }
            state.tell();
        })
    }
}

//! Durable writes: one and three nodes over QUIC on loopback, commands of 256 bytes into a machine that writes three rows each.
//!
//! Prints writes a second, the time from proposal to outcome, and entries and commands per sync.

#![expect(clippy::indexing_slicing, reason = "a benchmark that panics has failed")]

use std::{
    io::Write,
    net::UdpSocket,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use cluster::{
    Config, Event, Events, Handle, Link, Machine, Member, Role, Start,
    link::pki::{Authority, Identity},
    start,
};
use proto::{
    id::NodeId,
    store::{Batch, View},
    time::LogTime,
};
use tokio::sync::oneshot;

type Any = Box<dyn std::error::Error + Send + Sync>;

/// About what a chat message costs: a row of its own, a head that is read and written, and a row that must be absent.
struct Messages;

impl Machine for Messages {
    type Outcome = u64;

    fn restore(&mut self, _view: &dyn View) {}

    fn apply(&mut self, view: &dyn View, _: LogTime, command: &[u8], batch: &mut Batch) -> u64 {
        let writer = command.first_chunk::<8>().copied().unwrap_or_default();
        let head = [b"ih", &writer[..]].concat();
        let number =
            view.get(&head).and_then(|head| Some(u64::from_be_bytes(*head.first_chunk()?)));
        let number = number.unwrap_or_default().saturating_add(1);
        let once = [b"id", &command[..16.min(command.len())]].concat();
        if view.get(&once).is_none() {
            batch.put(once, number.to_be_bytes().to_vec());
            batch.put(head, number.to_be_bytes().to_vec());
            batch.put([b"im", &writer[..], &number.to_be_bytes()].concat(), command.to_vec());
        }
        number
    }
}

type Slots = Arc<Vec<Mutex<Option<oneshot::Sender<()>>>>>;

struct Node {
    handle: Handle,
    slots: Slots,
}

const WRITERS_MAX: usize = 1024;

async fn collect(mut events: Events<u64>, slots: Slots) {
    while let Some(round) = events.next_round().await {
        for event in round {
            let tag = match event {
                Event::Applied(applied) => applied.tag,
                Event::Refused { tag, .. } => Some(tag),
                Event::Restored { .. } => None,
            };
            let slot = tag.and_then(|tag| slots.get(usize::try_from(tag).ok()?));
            let waits = slot.and_then(|slot| slot.lock().ok()?.take());
            if let Some(waits) = waits {
                let _gone = waits.send(());
            }
        }
    }
}

async fn node(config: Config) -> Result<Node, Any> {
    let (handle, events) = start(config, Messages).await?;
    let slots: Slots = Arc::new((0..WRITERS_MAX).map(|_| Mutex::default()).collect());
    tokio::spawn(collect(events, Arc::clone(&slots)));
    Ok(Node { handle, slots })
}

async fn nodes(count: u16, dir: &std::path::Path) -> Result<Vec<Node>, Any> {
    if count == 1 {
        return Ok(vec![node(Config::alone(NodeId(1), dir.join("1"))).await?]);
    }
    let authority = Authority::generate()?;
    let mut nodes: Vec<Node> = Vec::new();
    for id in 1..=count {
        let listen = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let member = Member { address: listen.to_string(), http: String::new() };
        let (certificate, key) = authority.issue(NodeId(id))?;
        let identity = Identity::from_pem(&authority.certificate, &certificate, &key)?;
        let config = Config {
            member: member.clone(),
            start: if id == 1 { Start::Bootstrap } else { Start::Join },
            link: Link::Quic { listen, identity: Box::new(identity) },
            ..Config::alone(NodeId(id), dir.join(id.to_string()))
        };
        nodes.push(node(config).await?);
        if let Some(first) = nodes.first().filter(|_| id > 1) {
            first.handle.add(NodeId(id), member, Role::Voter).await?;
        }
    }
    Ok(nodes)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is about time")]
fn now() -> Instant {
    Instant::now()
}

async fn writer(node: Arc<Node>, number: usize, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut took = Vec::new();
    let mut count = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let mut command = vec![7; 256];
        command[..8].copy_from_slice(&(number as u64).to_be_bytes());
        command[8..16].copy_from_slice(&count.to_be_bytes());
        count += 1;
        let (sender, outcome) = oneshot::channel();
        if let Ok(mut slot) = node.slots[number].lock() {
            *slot = Some(sender);
        }
        let begun = now();
        if node.handle.propose(number as u64, Bytes::from(command)).await.is_err() {
            break;
        }
        let _stopped = outcome.await;
        took.push(begun.elapsed());
    }
    took
}

async fn measure(count: u16, writers: usize, run: Duration) -> Result<String, Any> {
    let dir = tempfile::tempdir()?;
    let nodes: Vec<Arc<Node>> = nodes(count, dir.path()).await?.into_iter().map(Arc::new).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let before = nodes[0].handle.status().log;
    let begun = now();
    let tasks: Vec<_> = (0..writers)
        .map(|number| {
            let node = Arc::clone(&nodes[number % nodes.len()]);
            tokio::spawn(writer(node, number, Arc::clone(&stop)))
        })
        .collect();
    let _over = tokio::time::timeout(run, std::future::pending::<()>()).await;
    stop.store(true, Ordering::Relaxed);
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await?);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let after = nodes[0].handle.status().log;
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 1000).copied().unwrap_or_default();
    let syncs = (after.syncs - before.syncs).max(1) as f64;
    let entries = (after.entries - before.entries) as f64;
    let line = format!(
        "{count} nodes {writers:>5} writers: {:>7.0} writes/s, p50 {:>7.2} ms, p99 {:>7.2} ms, {:>5.1} entries and {:>6.1} commands per sync",
        took.len() as f64 / seconds,
        at(500).as_secs_f64() * 1e3,
        at(990).as_secs_f64() * 1e3,
        entries / syncs,
        took.len() as f64 / syncs,
    );
    for node in &nodes {
        node.handle.shutdown().await?;
    }
    Ok(line)
}

fn main() -> Result<(), Any> {
    // `cargo test --benches` only wants to know that it runs.
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let run = if quick { Duration::from_millis(50) } else { Duration::from_secs(5) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for count in [1, 3] {
        for writers in [1, 64, 1024] {
            let line = runtime.block_on(measure(count, writers, run))?;
            writeln!(std::io::stdout(), "{line}")?;
        }
    }
    Ok(())
}

//! A whole cluster in one thread: real nodes of `cluster` with their logs and rows in files, over links that are late and break, with
//! time that is simulated. Nodes are cut off, killed, lose their power, are added and removed while clients write and read; in
//! the end everything is healed, and what clients were told is compared with what every node holds.
//!
//! From the seed follow the faults, the links' delays and what clients do. Not from the seed: when the threads that write logs and rows
//! are done (simulated time waits for them a moment, see `clock`), openraft's election timeouts, sled's own threads, and the
//! log's wall clock. So a seed that found something finds it often, not always: repeat it some times.

mod clock;
mod history;
mod nemesis;
mod net;
mod node;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use cluster::{Config, Link, Member, Role, Start, log};
use proto::id::NodeId;
use tempfile::TempDir;
use tokio::{
    runtime::Builder,
    task::{LocalSet, spawn_local},
    time::{sleep, timeout},
};

pub use self::history::{Asked, History, Operation, Outcome};
use self::{clock::Clock, nemesis::Nemesis, net::Net, node::Node};
use crate::{
    dice::Dice,
    fault::{Fault, hold},
    pure::Seen,
};

const CLIENTS: u64 = 5;
/// A client rests up to so long between two questions.
const REST_MS: u64 = 60;
/// Healed, a cluster must be whole within this.
const HEAL_WITHIN: Duration = Duration::from_secs(60);
/// Small, so that segments end, snapshots are taken and purged, and nodes that come late need one.
const SNAPSHOT_AFTER_BYTES: u64 = 24 << 10;
const SEGMENT_BYTES: usize = 16 << 10;
const RECENT_BYTES: usize = 4 << 10;

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Reads that were answered.
    pub read: u64,
    /// Entries of the list in the end.
    pub length: u64,
    /// What happened to nodes and links.
    pub seen: Seen,
}

/// What is wrong on purpose, to see that it is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    #[default]
    Nothing,
    /// Clients read what a node has, without asking whether it is up to date.
    LocalReads,
    /// Disks lose what they said was synced, when power is cut.
    LyingDisks,
    /// A client that does not know whether it wrote says that it did not.
    SureClients,
}

/// A cluster and what becomes of it.
struct World {
    flaw: Flaw,
    dir: TempDir,
    net: Net,
    /// Nodes that run, by id.
    up: BTreeMap<u16, Node>,
    /// Members that do not.
    down: Vec<u16>,
    /// The next id: none is used twice.
    next: u16,
    history: History,
    seen: Seen,
    writes: u64,
    is_over: bool,
}

type Shared = Rc<RefCell<World>>;

/// Runs `seconds` of simulated time of a seed, and then until everything has healed.
///
/// # Errors
/// The first fault that was found.
pub fn simulate(seed: u64, seconds: u64, flaw: Flaw) -> Result<Report, Fault> {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.map_err(|error| Fault(format!("no runtime: {error}")))?;
    let local = LocalSet::new();
    let report = local.block_on(&runtime, run(seed, seconds, flaw));
    drop(local);
    runtime.shutdown_timeout(Duration::from_secs(5));
    report
}

async fn run(seed: u64, seconds: u64, flaw: Flaw) -> Result<Report, Fault> {
    let _clock = Clock::start();
    let mut dice = Dice::new(seed);
    let world = found(Net::new(dice.fork()), flaw).await?;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| spawn_local(client(Rc::clone(&world), number, dice.fork())))
        .collect();
    let mut nemesis = Nemesis::new(Rc::clone(&world), dice.fork());
    let broken = timeout(Duration::from_secs(seconds), nemesis.run()).await;
    broken.unwrap_or(Ok(()))?;
    let healed = timeout(HEAL_WITHIN, nemesis.heal()).await;
    healed.map_err(|_| Fault("a healed cluster does not come up".into()))??;
    world.borrow_mut().is_over = true;
    for client in clients {
        let ended = timeout(HEAL_WITHIN, client).await;
        hold(ended.is_ok(), || "a client has no answer".into())?;
    }
    let list = agree(&world).await?;
    finish(&world, &list).await
}

/// Compares everything in the end, and stops the nodes.
async fn finish(world: &Shared, list: &[String]) -> Result<Report, Fault> {
    let nodes: Vec<Node> = world.borrow().up.values().cloned().collect();
    for node in &nodes {
        node.check()?;
    }
    let report = {
        let world = world.borrow();
        world.history.check(list)?;
        let (acknowledged, read) = world.history.counts();
        Report { acknowledged, read, length: list.len() as u64, seen: world.seen.clone() }
    };
    for node in &nodes {
        node.kill().await;
    }
    Ok(report)
}

/// The list that every node has, once all have come as far as any.
async fn agree(world: &Shared) -> Result<Vec<String>, Fault> {
    let nodes: Vec<Node> = world.borrow().up.values().cloned().collect();
    let mut first: Option<Vec<String>> = None;
    for node in &nodes {
        let id = node.handle.node();
        let caught_up = async {
            while node.handle.linearizable().await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        if timeout(HEAL_WITHIN, caught_up).await.is_err() {
            // A removal that nobody waited for any more may have been done meanwhile.
            let all: Vec<_> = nodes.iter().map(|node| node.handle.status()).collect();
            let is_out =
                all.iter().any(|one| one.leader == Some(one.node) && !one.nodes.contains_key(&id));
            hold(is_out, || format!("node {id:?} does not catch up: {all:#?}"))?;
            continue;
        }
        let list = node.list()?;
        let like = first.get_or_insert_with(|| list.clone());
        let place = like.iter().zip(&list).position(|(one, other)| one != other);
        hold(place.is_none() && like.len() == list.len(), || {
            format!(
                "node {id:?} has {} entries, others {}, different at {place:?}",
                list.len(),
                like.len()
            )
        })?;
    }
    Ok(first.unwrap_or_default())
}

/// Three nodes that are a cluster.
async fn found(net: Net, flaw: Flaw) -> Result<Shared, Fault> {
    let dir = scratch().map_err(|error| Fault(format!("no folder: {error}")))?;
    let world = Rc::new(RefCell::new(World {
        flaw,
        dir,
        net,
        up: BTreeMap::new(),
        down: Vec::new(),
        next: 1,
        history: History::default(),
        seen: Seen::new(),
        writes: 0,
        is_over: false,
    }));
    let first = begin(&world, Start::Bootstrap).await?;
    for _ in 0..2 {
        let id = begin(&world, Start::Join).await?;
        let Some(first) = node(&world, first) else { continue };
        let added = first.handle.add(NodeId(id), member(id), Role::Voter);
        let added = timeout(HEAL_WITHIN, added).await;
        hold(matches!(added, Ok(Ok(()))), || format!("node {id} was not added: {added:?}"))?;
    }
    Ok(world)
}

/// A folder in memory where there is one: what is not synced is lost by the simulation, not by the machine.
fn scratch() -> std::io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

fn node(world: &Shared, id: u16) -> Option<Node> {
    world.borrow().up.get(&id).cloned()
}

fn member(id: u16) -> Member {
    Member { address: format!("node-{id}"), http: String::new() }
}

fn folder(world: &Shared, id: u16) -> PathBuf {
    world.borrow().dir.path().join(id.to_string())
}

/// Starts a node that never was; returns its id.
async fn begin(world: &Shared, start: Start) -> Result<u16, Fault> {
    let id = world.borrow().next;
    world.borrow_mut().next += 1;
    run_node(world, id, start).await?;
    Ok(id)
}

/// Starts a node, with what it has on disk.
async fn run_node(world: &Shared, id: u16, start: Start) -> Result<(), Fault> {
    let net = world.borrow().net.clone();
    let config = Config {
        member: member(id),
        start,
        link: Link::Through(Arc::new(net)),
        propose_timeout: Duration::from_secs(3),
        snapshot_after_bytes: SNAPSHOT_AFTER_BYTES,
        log: log::Options { segment_bytes: SEGMENT_BYTES, recent_bytes: RECENT_BYTES },
        ..Config::alone(NodeId(id), folder(world, id))
    };
    let node = Node::start(config).await?;
    world.borrow_mut().up.insert(id, node);
    Ok(())
}

/// Writes and reads at any node until it is over.
async fn client(world: Shared, number: u64, mut dice: Dice) {
    while !world.borrow().is_over {
        sleep(Duration::from_millis(dice.below(REST_MS))).await;
        let nodes: Vec<Node> = world.borrow().up.values().cloned().collect();
        let Some(node) = dice.pick(&nodes) else { continue };
        let from = world.borrow_mut().history.now();
        if dice.chance(30) {
            let is_local = world.borrow().flaw == Flaw::LocalReads;
            let length = if is_local { node.length() } else { node.read().await };
            if let Some(length) = length {
                world.borrow_mut().history.answered(from, Asked::Read { length });
            }
            continue;
        }
        let words = {
            let mut world = world.borrow_mut();
            world.writes += 1;
            format!("client {number} write {} {}", world.writes, "x".repeat(dice.index(200)))
        };
        let outcome = match node.append(words.clone()).await {
            Outcome::Unknown if world.borrow().flaw == Flaw::SureClients => Outcome::Refused,
            outcome => outcome,
        };
        world.borrow_mut().history.answered(from, Asked::Write { words, outcome });
    }
}

//! Putting a node together.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use openraft::{Membership, async_runtime::watch::WatchReceiver, vote::RaftLeaderId};
use proto::{id::NodeId, store::Batch};
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::{
    Events, Machine, clock,
    error::StartError,
    handle::{Handle, Running, Shared},
    link::{
        Connect, Incoming, Transport, channel::Channels, memory::Hub, pki::Identity,
        quic::QuicTransport,
    },
    links::Links,
    log::{self, EntryId, Log, Vote},
    member::Member,
    membership::{self, Administrator},
    pending::{Leadership, Pending, WEIGHT_MAX},
    proposer::Proposer,
    raft::{
        self, Raft, Timing,
        log_store::LogStore,
        machine::{self, MachineHost, Surroundings},
        network::Network,
        serve::Server,
        snapshot::{Header, Snapshots},
        types::{StoredMembership, id_of},
    },
    store::{self, Flusher, Store},
};

/// Rounds of events that wait for whoever receives them; applying waits beyond.
const EVENTS_MAX: usize = 256;
/// How often the log's size is looked at.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// Where a new node comes from. A node with data goes on with what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It is the first of a new cluster.
    Bootstrap,
    /// It waits until a cluster adds it.
    Join,
}

/// How nodes reach each other.
#[derive(Clone)]
pub enum Link {
    /// Not at all: a single node.
    Alone,
    /// Over QUIC.
    Quic {
        /// Where to listen.
        listen: SocketAddr,
        /// What to show and whom to trust.
        identity: Box<Identity>,
    },
    /// In memory, for tests.
    Memory(Hub),
    /// By other means, for simulations.
    Through(Arc<dyn Connect>),
}

/// Everything a node must be told.
#[derive(Clone)]
pub struct Config {
    /// This node's id. Never given out twice in a cluster.
    pub node: NodeId,
    /// Its data.
    pub dir: PathBuf,
    /// Where others find it; used when it is the first.
    pub member: Member,
    /// Where it comes from.
    pub start: Start,
    /// How nodes reach each other.
    pub link: Link,
    /// How quickly a dead leader is replaced.
    pub timing: Timing,
    /// A command without an outcome by then is refused or unknown.
    pub propose_timeout: Duration,
    /// A snapshot is taken when the log has grown by this.
    pub snapshot_after_bytes: u64,
    /// Sizes of the log.
    pub log: log::Options,
    /// Sizes of the store.
    pub store: store::Options,
}

impl Config {
    /// A single node with the usual sizes.
    #[must_use]
    pub fn alone(node: NodeId, dir: PathBuf) -> Self {
        Self {
            node,
            dir,
            member: Member::default(),
            start: Start::Bootstrap,
            link: Link::Alone,
            timing: Timing::default(),
            propose_timeout: Duration::from_secs(5),
            snapshot_after_bytes: 1 << 30,
            log: log::Options::default(),
            store: store::Options::default(),
        }
    }
}

/// What is open on disk.
struct Opened {
    log: Log,
    store: Store,
    snapshots: Snapshots,
}

fn open(config: &Config) -> Result<Opened, StartError> {
    // The log's lock keeps a second process out of everything.
    let log = Log::open(&config.dir.join("log"), config.log)?;
    let (store, damage) = Store::open(&config.dir.join("store"), config.store)?;
    if let Some(damage) = damage {
        tracing::warn!(%damage, "the stored rows were put aside and are made again from snapshot and log");
    }
    let snapshots = Snapshots::open(&config.dir.join("snapshot"))?;
    Ok(Opened { log, store, snapshots })
}

fn connect(config: &Config) -> Result<(Arc<dyn Transport>, Incoming), StartError> {
    Ok(match &config.link {
        Link::Alone => {
            let (transport, incoming) = Hub::default().connect(config.node);
            (Arc::new(transport), incoming)
        }
        Link::Memory(hub) => {
            let (transport, incoming) = hub.connect(config.node);
            (Arc::new(transport), incoming)
        }
        Link::Through(means) => means.connect(config.node),
        Link::Quic { listen, identity } => {
            let (transport, incoming) = QuicTransport::listen(config.node, *listen, identity)?;
            (Arc::new(transport), incoming)
        }
    })
}

async fn open_off_the_reactor(config: Config) -> Result<Opened, StartError> {
    tokio::task::spawn_blocking(move || open(&config)).await.map_err(io::Error::other)?
}

fn start_flusher(store: &Store, failed: watch::Sender<bool>) -> io::Result<Flusher> {
    store.start_flusher(move |error| {
        tracing::error!(%error, "the store cannot be written; the node must stop");
        failed.send_replace(true);
    })
}

/// Reads the log and brings the machine to what was committed; nothing runs yet.
async fn build_raft(
    config: &Config,
    links: &Arc<Links>,
    log: &Log,
    host: MachineHost,
) -> Result<Raft, StartError> {
    let id = u64::from(config.node.0);
    let network = Network { links: Arc::clone(links) };
    let raft_config = raft::config(config.timing)?;
    Ok(Raft::build(id, raft_config, network, LogStore::new(log.clone()), host).await?)
}

/// Starts a node. Entries that were committed before and are replayed now are not shown as events: read the state.
///
/// # Errors
/// [`StartError`].
pub async fn start<M: Machine>(
    config: Config,
    machine: M,
) -> Result<(Handle, Events<M::Outcome>), StartError> {
    let Opened { log, store, snapshots } = open_off_the_reactor(config.clone()).await?;
    let (transport, incoming) = connect(&config)?;
    let links = Arc::new(Links { transport });
    let channels = Arc::new(Channels::new(Arc::clone(&links)));
    let pending = Arc::new(Pending::new(config.node.0, clock::life()));
    let (events, received) = mpsc::channel(EVENTS_MAX);
    let (applied, applied_seen) = watch::channel(None);
    let (failed, failed_seen) = watch::channel(false);
    let live = Arc::new(AtomicBool::new(false));
    let surroundings = Surroundings {
        store: store.clone(),
        snapshots: snapshots.clone(),
        pending: Arc::clone(&pending),
        events: events.clone(),
        applied,
        live: Arc::clone(&live),
    };
    let started = tokio::task::spawn_blocking(move || machine::start(machine, surroundings));
    let (host, applier) = started.await.map_err(io::Error::other)??;
    let flusher = start_flusher(&store, failed.clone())?;
    let raft = build_raft(&config, &links, &log, host).await?;
    live.store(true, Ordering::Release);
    raft.run();
    let (leader, leader_seen) = watch::channel(None);
    let (proposals, queue) = mpsc::channel(WEIGHT_MAX);
    let proposer = Proposer {
        queue,
        pending: Arc::clone(&pending),
        links: Arc::clone(&links),
        leader: leader_seen.clone(),
        events,
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(proposer.run());
    tasks.spawn(Arc::clone(&channels).follow(links.transport.peers()));
    tasks.spawn(observe(raft.clone(), Arc::clone(&links), leader));
    tasks.spawn(watch_for_failure(raft.clone(), failed));
    tasks.spawn(keep(raft.clone(), log.clone(), config.snapshot_after_bytes));
    let administrator = Administrator { raft: raft.clone(), store: store.clone() };
    let server = Server {
        raft: raft.clone(),
        snapshots: snapshots.clone(),
        channels: Arc::clone(&channels),
        administrator,
        received: Arc::default(),
    };
    tasks.spawn(server.run(incoming));
    let shared = Shared {
        node: config.node,
        raft,
        log,
        store,
        links,
        channels,
        pending,
        propose_timeout: config.propose_timeout,
        applied: applied_seen,
        leader: leader_seen,
        failed: failed_seen,
        snapshots,
        stopping: AtomicBool::new(false),
        running: Mutex::new(Some(Running { tasks, applier, flusher })),
    };
    let handle = Handle { shared: Arc::new(shared), proposals };
    begin(&handle, &config).await?;
    Ok((handle, Events::new(received)))
}

/// A first node makes its cluster; a node that is the only voter leads at once.
async fn begin(handle: &Handle, config: &Config) -> Result<(), StartError> {
    let raft = &handle.shared.raft;
    let id = u64::from(config.node.0);
    if raft.is_initialized().await? {
        let voters: Vec<u64> = raft.voter_ids().collect();
        if voters != [id] {
            return Ok(());
        }
        raft.trigger().elect(false).await?;
    } else if config.start == Start::Bootstrap {
        let members = BTreeMap::from([(id, config.member.clone())]);
        raft.initialize(members).await.map_err(|error| StartError::Bootstrap(error.to_string()))?;
    } else {
        return Ok(());
    }
    handle.linearizable().await.map_err(|_| StartError::NoLeader)
}

/// Tells the links who belongs, and everybody who leads.
async fn observe(raft: Raft, links: Arc<Links>, leader: watch::Sender<Option<Leadership>>) {
    let mut metrics = raft.server_metrics();
    loop {
        let (leadership, nodes) = {
            let metrics = metrics.borrow_watched();
            let leader = metrics.vote.leader_id();
            let leadership = Leadership { term: leader.term(), node: *leader.node_id() };
            let leads = metrics.vote.is_committed() && metrics.current_leader.is_some();
            (leads.then_some(leadership), membership::nodes(&metrics.membership_config))
        };
        links.transport.set_nodes(membership::addresses(&nodes));
        leader.send_if_modified(|known| {
            let changed = *known != leadership;
            *known = leadership;
            changed
        });
        if metrics.changed().await.is_err() {
            return;
        }
    }
}

/// Notices that consensus has stopped.
async fn watch_for_failure(raft: Raft, failed: watch::Sender<bool>) {
    let wait = raft.wait(None);
    let stopped = wait.metrics(|metrics| metrics.running_state.is_err(), "stopped");
    if let Ok(metrics) = stopped.await
        && let Err(error) = &metrics.running_state
        && !matches!(error, openraft::errors::Fatal::Stopped)
    {
        tracing::error!(%error, "consensus has failed; the node must stop");
        failed.send_replace(true);
    }
}

/// Takes a snapshot when the log has grown.
async fn keep(raft: Raft, log: Log, after_bytes: u64) {
    let mut ticks = interval(KEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let held = log.disk_bytes();
    let mut until = after_bytes.saturating_sub(held);
    loop {
        ticks.tick().await;
        let written = log.figures().bytes;
        if written >= until {
            until = written.saturating_add(after_bytes);
            if raft.trigger().snapshot().await.is_err() {
                return;
            }
        }
    }
}

/// Makes a data folder from a backup: a cluster of this one node, which others may then join under ids that were never used.
///
/// # Errors
/// The folder has data, or the backup is damaged or cut; the folder is removed then.
pub fn restore(
    backup: impl Read,
    dir: &Path,
    node: NodeId,
    member: Member,
) -> Result<(), StartError> {
    if dir.exists() && fs::read_dir(dir)?.next().is_some() {
        return Err(StartError::NotEmpty(dir.to_owned()));
    }
    let restored = restore_into(backup, dir, node, member);
    if restored.is_err() {
        let _stays = fs::remove_dir_all(dir);
    }
    restored
}

fn restore_into(
    backup: impl Read,
    dir: &Path,
    node: NodeId,
    member: Member,
) -> Result<(), StartError> {
    let id = u64::from(node.0);
    let (store, _) = Store::open(&dir.join("store"), store::Options::default())?;
    let header: Header = store.import(BufReader::new(backup))?;
    if store.read(|view| machine::is_used(view, id))? && !is_member(&header, id) {
        return Err(StartError::Bootstrap("the node id was used and removed before".into()));
    }
    let nodes = BTreeMap::from([(id, member)]);
    let voters = vec![std::iter::once(id).collect()];
    let membership =
        Membership::new(voters, nodes).map_err(|error| StartError::Bootstrap(error.to_string()))?;
    let membership = StoredMembership::new(header.last, membership);
    let header = Header { membership, ..header };
    let mut batch = Batch::new();
    machine::put_header(&mut batch, &header).map_err(io::Error::other)?;
    machine::put_used(&mut batch, id);
    store.commit(batch)?;
    store.flush()?;
    Snapshots::open(&dir.join("snapshot"))?.build(&store)?;
    // The new log goes on behind the old one's last entry, in a later term than any it can have known.
    let log = Log::open(&dir.join("log"), log::Options::default())?;
    let last = header.last.map_or_else(EntryId::default, id_of);
    let vote = Vote { term: last.term.saturating_add(1), node: id, committed: false };
    let (done, saved) = oneshot::channel();
    log.blocking_save_vote(vote, Box::new(move |outcome| drop(done.send(outcome))))?;
    saved.blocking_recv().map_err(io::Error::other)??;
    let (done, closed) = oneshot::channel();
    log.blocking_close(Box::new(move |outcome| drop(done.send(outcome))))?;
    closed.blocking_recv().map_err(io::Error::other)??;
    Ok(())
}

fn is_member(header: &Header, id: u64) -> bool {
    header.membership.nodes().any(|(node, _)| *node == id)
}

/// Reads a backup to its end and says up to which index it goes.
///
/// # Errors
/// It is damaged or cut.
pub fn verify(backup: &Path) -> Result<Option<u64>, StartError> {
    let file = BufReader::new(File::open(backup)?);
    let (mut reader, header) = store::frame::FrameReader::begin::<Header>(file)?;
    while reader.rows()?.is_some() {}
    Ok(header.last.map(|last| last.index))
}

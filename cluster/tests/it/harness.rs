//! Nodes that host a list, and what must be true of their lists.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, UdpSocket},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cluster::{
    Config, Event, Events, Handle, Link, Machine, Member, Refusal, Role, Start,
    link::pki::{Authority, Identity},
    log, start,
};
use proto::{
    id::NodeId,
    store::{Batch, Direction, Scan, View, space},
    time::LogTime,
};
use tempfile::TempDir;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

/// A command has an outcome by then.
const PROPOSE_WITHIN: Duration = Duration::from_secs(20);

/// Far above what anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Appends each command to a list; the outcome is its place.
#[derive(Default)]
pub(crate) struct List {
    length: u64,
}

fn row(place: u64) -> Vec<u8> {
    [&[space::ROOMS, b'l'][..], &place.to_be_bytes()].concat()
}

pub(crate) fn list(view: &dyn View) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    view.scan_prefix(&[space::ROOMS, b'l'], Direction::Up, &mut |_, value| {
        rows.push(value.to_vec());
        Scan::More
    });
    rows
}

impl Machine for List {
    type Outcome = u64;

    fn restore(&mut self, view: &dyn View) {
        self.length = list(view).len() as u64;
    }

    fn apply(&mut self, view: &dyn View, _: LogTime, command: &[u8], batch: &mut Batch) -> u64 {
        assert!(self.length == 0 || view.get(&row(self.length - 1)).is_some());
        batch.put(row(self.length), command.to_vec());
        self.length += 1;
        self.length - 1
    }
}

type Waiting = Arc<Mutex<BTreeMap<u64, oneshot::Sender<Result<u64, Refusal>>>>>;

/// A running node and whoever waits for its outcomes.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) handle: Handle,
    waiting: Waiting,
    tags: Arc<AtomicU64>,
    /// Commands seen as events, in order.
    pub(crate) seen: Arc<Mutex<Vec<u64>>>,
    pub(crate) restored: watch::Receiver<u64>,
    pub(crate) collector: Arc<JoinHandle<()>>,
}

pub(crate) async fn run(config: Config) -> Node {
    let (handle, events) = start(config, List::default()).await.unwrap();
    let waiting = Waiting::default();
    let seen = Arc::default();
    let (restored, restored_seen) = watch::channel(0);
    let collector = collect(events, Arc::clone(&waiting), Arc::clone(&seen), restored);
    Node {
        handle,
        waiting,
        tags: Arc::default(),
        seen,
        restored: restored_seen,
        collector: Arc::new(tokio::spawn(collector)),
    }
}

async fn collect(
    mut events: Events<u64>,
    waiting: Waiting,
    seen: Arc<Mutex<Vec<u64>>>,
    restored: watch::Sender<u64>,
) {
    while let Some(event) = events.next().await {
        let (tag, outcome) = match event {
            Event::Applied(applied) => {
                seen.lock().unwrap().push(applied.outcome);
                (applied.tag, Ok(applied.outcome))
            }
            Event::Refused { tag, refusal } => (Some(tag), Err(refusal)),
            Event::Restored { index } => {
                restored.send_replace(index);
                continue;
            }
        };
        let Some(tag) = tag else { continue };
        let waits = waiting.lock().unwrap().remove(&tag);
        let _gone = waits.expect("a tag has one outcome").send(outcome);
    }
    waiting.lock().unwrap().clear();
}

impl Node {
    /// Proposes a command and waits for its outcome. A node that is killed answers as one that does not know.
    pub(crate) async fn append(&self, command: String) -> Result<u64, Refusal> {
        let tag = self.tags.fetch_add(1, Ordering::Relaxed);
        let (sender, outcome) = oneshot::channel();
        self.waiting.lock().unwrap().insert(tag, sender);
        if let Err(refusal) = self.handle.propose(tag, Bytes::from(command)).await {
            self.waiting.lock().unwrap().remove(&tag);
            return Err(refusal);
        }
        timeout(PATIENCE, outcome).await.unwrap().unwrap_or(Err(Refusal::Unknown))
    }

    pub(crate) fn list(&self) -> Vec<String> {
        let rows = self.handle.read(list).unwrap();
        rows.into_iter().map(|row| String::from_utf8(row).unwrap()).collect()
    }

    /// Waits until a leader is known that `is` accepts.
    pub(crate) async fn leader(&self, is: impl Fn(Option<NodeId>) -> bool) -> Option<NodeId> {
        let mut changes = self.handle.leader_changes();
        timeout(PATIENCE, changes.wait_for(is)).await.unwrap()
    }

    pub(crate) async fn stop(self) {
        timeout(PATIENCE, self.handle.shutdown()).await.unwrap().unwrap();
    }

    pub(crate) async fn kill(&self) {
        timeout(PATIENCE, self.handle.kill()).await.unwrap();
        self.collector.abort();
        self.waiting.lock().unwrap().clear();
    }
}

/// A place for a cluster's nodes.
pub(crate) struct Site {
    pub(crate) dir: TempDir,
    pub(crate) authority: Authority,
    addresses: Mutex<BTreeMap<u16, SocketAddr>>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            authority: Authority::generate().unwrap(),
            addresses: Mutex::default(),
        }
    }

    fn address(&self, id: u16) -> SocketAddr {
        let free = || UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        *self.addresses.lock().unwrap().entry(id).or_insert_with(free)
    }

    pub(crate) fn member(&self, id: u16) -> Member {
        Member { address: self.address(id).to_string(), http: format!("http://node-{id}") }
    }

    pub(crate) fn identity(&self, id: u16) -> Identity {
        let (certificate, key) = self.authority.issue(NodeId(id)).unwrap();
        Identity::from_pem(&self.authority.certificate, &certificate, &key).unwrap()
    }

    pub(crate) fn path(&self, id: u16) -> std::path::PathBuf {
        self.dir.path().join(id.to_string())
    }

    pub(crate) fn config(&self, id: u16, start: Start) -> Config {
        let identity = Box::new(self.identity(id));
        Config {
            member: self.member(id),
            start,
            link: Link::Quic { listen: self.address(id), identity },
            log: log::Options { segment_bytes: 64 << 10, recent_bytes: 16 << 10 },
            // A busy machine may need several elections; what is tested is not how long they take.
            propose_timeout: PROPOSE_WITHIN,
            ..Config::alone(NodeId(id), self.path(id))
        }
    }

    pub(crate) async fn run(&self, id: u16, start: Start) -> Node {
        run(self.config(id, start)).await
    }

    /// A cluster of nodes 1 to `count`, all voters.
    pub(crate) async fn cluster(&self, count: u16) -> Vec<Node> {
        let mut nodes = vec![self.run(1, Start::Bootstrap).await];
        for id in 2..=count {
            nodes.push(self.run(id, Start::Join).await);
            let member = self.member(id);
            let added = nodes[0].handle.add(NodeId(id), member, Role::Voter);
            timeout(PATIENCE, added).await.unwrap().unwrap();
        }
        nodes
    }
}

/// Brings every node to the same index and checks that all have the same list; returns it.
pub(crate) async fn agree(nodes: &[&Node]) -> Vec<String> {
    for node in nodes {
        timeout(PATIENCE, node.handle.linearizable()).await.unwrap().unwrap();
    }
    let lists: Vec<_> = nodes.iter().map(|node| node.list()).collect();
    for list in &lists {
        assert_eq!(list.len(), lists[0].len());
        assert!(*list == lists[0], "nodes have different lists");
    }
    lists.into_iter().next().unwrap()
}

/// Checks that every acknowledged command is at its place, and that no command is there twice.
pub(crate) fn check(list: &[String], acknowledged: &[(String, u64)]) {
    for (command, place) in acknowledged {
        let place = usize::try_from(*place).unwrap();
        assert_eq!(list.get(place), Some(command), "an acknowledged command is lost");
    }
    let mut sorted = list.to_vec();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), list.len(), "a command was applied twice");
}

/// Appends `count` commands one after the other, again until each is certain; returns what was acknowledged.
pub(crate) async fn write(node: Node, name: String, count: u32) -> Vec<(String, u64)> {
    let mut acknowledged = Vec::new();
    for number in 0..count {
        let command = format!("{name}-{number:06}");
        // An unknown outcome is left: sending it again might apply it twice.
        if let Ok(place) = node.append(command.clone()).await {
            acknowledged.push((command, place));
        }
    }
    acknowledged
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy_dir(&file.path(), &target);
        } else {
            std::fs::copy(file.path(), target).unwrap();
        }
    }
}

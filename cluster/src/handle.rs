//! What the rest of the node holds of its cluster.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver;
use proto::{id::NodeId, store::View};
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{
    Refusal, clock,
    link::{
        Peers,
        channel::{Channel, ChannelError, Channels},
        wire::Service,
    },
    links::{Links, node_id},
    log::{Log, LogFigures},
    member::{Member, Nodes, Role},
    membership::{self, Administrator, Change, ChangeError},
    pending::{Leadership, Pending, WEIGHT_MAX},
    proposer::Proposed,
    raft::{Raft, machine, serve, snapshot::Snapshots, types::LogId},
    store::{Flusher, Store, StoreError},
};

/// The largest command.
pub const COMMAND_BYTES_MAX: usize = 1 << 20;
/// How long a leader is looked for by those who ask it something.
const LEADER_WAIT: Duration = Duration::from_secs(5);
/// One call to the leader; a membership change waits for a node to catch up.
const READ_INDEX_TIMEOUT: Duration = Duration::from_secs(1);
const CHANGE_TIMEOUT: Duration = Duration::from_secs(600);
/// A leader that no majority answered for this long is cut off: some elections could have been held meanwhile.
const QUORUM_WITHIN: Duration = Duration::from_secs(2);

/// How this node and its cluster are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// This node.
    pub node: NodeId,
    /// Who leads, as far as this node knows.
    pub leader: Option<NodeId>,
    /// The current term.
    pub term: u64,
    /// Every node.
    pub nodes: Nodes,
    /// The last entry here.
    pub last: Option<u64>,
    /// The last entry known to be committed.
    pub committed: Option<u64>,
    /// The last entry applied here.
    pub applied: Option<u64>,
    /// What the snapshot here reaches to.
    pub snapshot: Option<u64>,
    /// Bytes of the log and of the store, on disk.
    pub disk_bytes: (u64, u64),
    /// What the log has written.
    pub log: LogFigures,
    /// Messages between nodes that were dropped here.
    pub messages_dropped: u64,
}

/// Everything that must be ended.
pub(crate) struct Running {
    pub(crate) tasks: JoinSet<()>,
    pub(crate) applier: JoinHandle<()>,
    pub(crate) flusher: Flusher,
}

pub(crate) struct Shared {
    pub(crate) node: NodeId,
    pub(crate) raft: Raft,
    pub(crate) log: Log,
    pub(crate) store: Store,
    pub(crate) links: Arc<Links>,
    pub(crate) channels: Arc<Channels>,
    pub(crate) pending: Arc<Pending>,
    pub(crate) propose_timeout: Duration,
    pub(crate) applied: watch::Receiver<Option<u64>>,
    pub(crate) leader: watch::Receiver<Option<Leadership>>,
    pub(crate) failed: watch::Receiver<bool>,
    pub(crate) snapshots: Snapshots,
    pub(crate) stopping: AtomicBool,
    pub(crate) running: Mutex<Option<Running>>,
}

/// The cluster as one node sees it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) proposals: mpsc::Sender<Proposed>,
}

/// What a command weighs, see [`WEIGHT_MAX`].
fn weight(command: &Bytes) -> u32 {
    u32::try_from(command.len() / 1024).unwrap_or(u32::MAX).saturating_add(1)
}

impl Handle {
    fn proposed(&self, tag: u64, command: Bytes) -> Result<(Proposed, u32), Refusal> {
        if command.len() > COMMAND_BYTES_MAX {
            return Err(Refusal::TooLarge { bytes: command.len(), limit: COMMAND_BYTES_MAX });
        }
        if self.shared.stopping.load(std::sync::atomic::Ordering::Acquire) {
            return Err(Refusal::Stopping);
        }
        let weight = weight(&command);
        let until = clock::instant() + self.shared.propose_timeout;
        let size = usize::try_from(weight).unwrap_or(WEIGHT_MAX);
        Ok((Proposed { tag, command, weight: size, until }, weight))
    }

    /// Proposes a command under a tag of the caller's choice, waiting for room. The outcome comes as an event with the same tag.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] or [`Refusal::Stopping`]; no event follows.
    pub async fn propose(&self, tag: u64, command: Bytes) -> Result<(), Refusal> {
        let (proposed, weight) = self.proposed(tag, command)?;
        let room = self.shared.pending.room.acquire_many(weight).await;
        room.map_err(|_| Refusal::Stopping)?.forget();
        self.proposals.send(proposed).await.map_err(|_| Refusal::Stopping)
    }

    /// Proposes a command if there is room for it.
    ///
    /// # Errors
    /// As [`Handle::propose`], and [`Refusal::Overloaded`]; no event follows.
    pub fn try_propose(&self, tag: u64, command: Bytes) -> Result<(), Refusal> {
        let (proposed, weight) = self.proposed(tag, command)?;
        let room = self.shared.pending.room.try_acquire_many(weight);
        let room = room.map_err(|_| Refusal::Overloaded)?;
        self.proposals.try_send(proposed).map_err(|_| Refusal::Overloaded)?;
        room.forget();
        Ok(())
    }

    /// Shows the state to `look`: consistent, and as new as this node has applied.
    ///
    /// # Errors
    /// The stored rows do not read; the node must stop.
    pub fn read<T>(&self, look: impl FnOnce(&dyn View) -> T) -> Result<T, StoreError> {
        self.shared.store.read(look)
    }

    /// Returns when this node has applied everything that was acknowledged anywhere before the call.
    ///
    /// # Errors
    /// [`Refusal::NoLeader`]: no quorum confirmed a leader in time.
    pub async fn linearizable(&self) -> Result<(), Refusal> {
        let until = clock::instant() + LEADER_WAIT;
        let index = timeout_at(until, self.read_index()).await.map_err(|_| Refusal::NoLeader)??;
        self.applied(index, until).await
    }

    async fn read_index(&self) -> Result<u64, Refusal> {
        let mut leader = self.shared.leader.clone();
        loop {
            let current = *leader.borrow_and_update();
            let index = match current {
                Some(Leadership { node, .. }) if node_id(node) == self.shared.node => {
                    serve::read_index(&self.shared.raft).await
                }
                Some(Leadership { node, .. }) => {
                    let call =
                        self.shared.links.call(node, Service::ReadIndex, &(), READ_INDEX_TIMEOUT);
                    call.await.ok().flatten()
                }
                None => None,
            };
            match index {
                Some(index) => return Ok(index),
                None => pause(&mut leader).await?,
            }
        }
    }

    /// Returns when this node has applied an index.
    ///
    /// # Errors
    /// [`Refusal::NoLeader`] when it has not by then.
    pub async fn applied(&self, index: u64, until: Instant) -> Result<(), Refusal> {
        let mut applied = self.shared.applied.clone();
        let reached = applied.wait_for(|applied| applied.is_some_and(|applied| applied >= index));
        match timeout_at(until, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Refusal::Stopping),
            Err(_) => Err(Refusal::NoLeader),
        }
    }

    /// This node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.shared.node
    }

    /// Who leads, as far as this node knows.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        self.shared.leader.borrow().map(|leader| node_id(leader.node))
    }

    /// Whether a change that is proposed now may be expected to be made: somebody leads as far as this node knows, and if it
    /// is this node, a majority answered it lately. A leader that is cut off keeps its title until it hears of another.
    #[must_use]
    pub fn is_led(&self) -> bool {
        let metrics = self.shared.raft.metrics();
        let metrics = metrics.borrow_watched();
        match metrics.current_leader {
            None => false,
            Some(leader) if node_id(leader) != self.shared.node => true,
            Some(_) if metrics.membership_config.voter_ids().count() == 1 => true,
            Some(_) => metrics
                .last_quorum_acked
                .as_deref()
                .is_some_and(|acked| openraft::Instant::elapsed(acked) < QUORUM_WITHIN),
        }
    }

    /// Changes whenever another node leads, or none.
    #[must_use]
    pub fn leader_changes(&self) -> LeaderChanges {
        LeaderChanges { leader: self.shared.leader.clone() }
    }

    /// Becomes true when the disk or consensus has failed: the process must end, and what it holds is not to be trusted until it
    /// has started again.
    #[must_use]
    pub fn failed(&self) -> watch::Receiver<bool> {
        self.shared.failed.clone()
    }

    /// How things are.
    #[must_use]
    pub fn status(&self) -> Status {
        let shared = &self.shared;
        let metrics = shared.raft.metrics();
        let metrics = metrics.borrow_watched();
        Status {
            node: shared.node,
            leader: metrics.current_leader.map(node_id),
            term: metrics.current_term,
            nodes: membership::nodes(&metrics.membership_config),
            last: metrics.last_log_index,
            committed: metrics.local_committed.map(|id| id.index),
            applied: *shared.applied.borrow(),
            snapshot: metrics.snapshot.map(|id| id.index),
            disk_bytes: (shared.log.disk_bytes(), shared.store.disk_bytes()),
            log: shared.log.figures(),
            messages_dropped: shared.channels.dropped(),
        }
    }

    /// The file in which the log ends, and where: whatever was acknowledged lies before. For simulations of a power cut.
    #[must_use]
    pub fn log_end(&self) -> Option<(PathBuf, u64)> {
        self.shared.log.end()
    }

    /// Adds a node that was started to join, and returns when it has caught up. A learner becomes a voter by adding it again.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn add(&self, node: NodeId, member: Member, role: Role) -> Result<(), ChangeError> {
        self.change(Change::Add { id: u64::from(node.0), member, role }).await
    }

    /// Removes a node. It may not come back under its id.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn remove(&self, node: NodeId) -> Result<(), ChangeError> {
        self.change(Change::Remove { id: u64::from(node.0) }).await
    }

    /// Hands leadership over if this node has it, and returns when another node leads.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn drain(&self) -> Result<(), ChangeError> {
        let me = u64::from(self.shared.node.0);
        let mut leader = self.shared.leader.clone();
        let is_mine = |leader: &Option<Leadership>| leader.is_none_or(|leader| leader.node == me);
        if leader.borrow().is_none_or(|leader| leader.node != me) {
            return Ok(());
        }
        self.administrator().change(Change::HandOver { from: me }).await?;
        let until = clock::instant() + LEADER_WAIT;
        let handed = timeout_at(until, leader.wait_for(|leader| !is_mine(leader))).await;
        match handed {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ChangeError::NoLeader),
        }
    }

    fn administrator(&self) -> Administrator {
        Administrator { raft: self.shared.raft.clone(), store: self.shared.store.clone() }
    }

    async fn change(&self, change: Change) -> Result<(), ChangeError> {
        let mut leader = self.shared.leader.clone();
        let until = clock::instant() + LEADER_WAIT;
        loop {
            let current = *leader.borrow_and_update();
            let changed = match current {
                Some(Leadership { node, .. }) if node_id(node) == self.shared.node => {
                    self.administrator().change(change.clone()).await
                }
                Some(Leadership { node, .. }) => {
                    let call =
                        self.shared.links.call(node, Service::Admin, &change, CHANGE_TIMEOUT);
                    call.await.unwrap_or(Err(ChangeError::NoLeader))
                }
                None => Err(ChangeError::NoLeader),
            };
            match changed {
                Err(ChangeError::NoLeader) if clock::instant() < until => {
                    pause(&mut leader).await.map_err(|_| ChangeError::NoLeader)?;
                }
                changed => return changed,
            }
        }
    }

    /// The nodes a link is up to. A node whose number changed may have started anew.
    #[must_use]
    pub fn peers(&self) -> watch::Receiver<Peers> {
        self.shared.links.transport.peers()
    }

    /// Sends a message of another plane to a node. It may be lost; what must not be belongs in the log.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn send(&self, node: NodeId, channel: Channel, message: Bytes) -> Result<(), ChannelError> {
        self.shared.channels.send(node, channel, message)
    }

    /// Messages that other nodes send on a channel; a later listener replaces an earlier one.
    #[must_use]
    pub fn listen(&self, channel: Channel) -> mpsc::Receiver<(NodeId, Bytes)> {
        self.shared.channels.listen(channel)
    }

    /// Writes a backup: the state as this node has applied it. Blocks; call it where blocking is allowed.
    ///
    /// # Errors
    /// [`StoreError`]; a backup without its end does not restore.
    pub fn snapshot_to(&self, into: impl Write) -> Result<(), StoreError> {
        self.shared.store.export(into, machine::header).map(|_| ())
    }

    /// Builds a snapshot and shortens the log. Happens by itself when the log has grown.
    pub async fn compact(&self) {
        // A failed node says so by `failed`.
        let _failed = self.shared.raft.trigger().snapshot().await;
    }

    /// Lets the log go up to the snapshot, also what is usually kept for followers that are a little late.
    pub async fn forget_log(&self) {
        let kept = *self.shared.snapshots.subscribe().borrow();
        let Some(index) = kept else { return };
        let wait = self.shared.raft.wait(Some(LEADER_WAIT));
        let reaches = |id: Option<LogId>| id.is_some_and(|id| id.index >= index);
        // A failed node says so by `failed`.
        let _failed = wait.metrics(|metrics| reaches(metrics.snapshot), "snapshot").await;
        let _failed = self.shared.raft.trigger().purge_log(index).await;
        let _failed = wait.metrics(|metrics| reaches(metrics.purged), "purged").await;
    }

    /// Changes whenever a snapshot was taken or installed: the index it reaches to.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Option<u64>> {
        self.shared.snapshots.subscribe()
    }

    /// Stops in order: nothing new is taken, everything applied is flushed, files are closed. Keep receiving events, or drop them,
    /// until this returns.
    ///
    /// # Errors
    /// The log's files did not close.
    pub async fn shutdown(&self) -> io::Result<()> {
        self.stop(true).await;
        let (closed, outcome) = oneshot::channel();
        let done = Box::new(move |outcome| {
            let _gone = closed.send(outcome);
        });
        if self.shared.log.close(done).await.is_err() {
            return Ok(());
        }
        outcome.await.map_err(io::Error::other)?
    }

    /// Stops at once and leaves on disk what a killed process would leave. For tests.
    pub async fn kill(&self) {
        self.stop(false).await;
        let (closed, outcome) = oneshot::channel();
        let done = Box::new(move |_| {
            let _gone = closed.send(());
        });
        if self.shared.log.close(done).await.is_ok() {
            let _closed = outcome.await;
        }
    }

    async fn stop(&self, flush: bool) {
        self.shared.stopping.store(true, std::sync::atomic::Ordering::Release);
        let Some(mut running) = self.shared.running.lock().await.take() else { return };
        if !flush {
            self.shared.links.transport.close().await;
        }
        // Only a failed node answers otherwise, and it is stopped all the same.
        let _failed = self.shared.raft.shutdown().await;
        self.shared.channels.close();
        self.shared.links.transport.close().await;
        running.tasks.shutdown().await;
        let Running { applier, flusher, .. } = running;
        let store = self.shared.store.clone();
        let ended = tokio::task::spawn_blocking(move || {
            let _panicked = applier.join();
            if flush {
                flusher.stop();
            } else {
                flusher.abandon();
            }
            store.close();
        });
        let _panicked = ended.await;
    }
}

/// Waits a little, or until another node leads.
async fn pause(leader: &mut watch::Receiver<Option<Leadership>>) -> Result<(), Refusal> {
    let until = clock::instant() + Duration::from_millis(20);
    match timeout_at(until, leader.changed()).await {
        Ok(Err(_)) => Err(Refusal::Stopping),
        Ok(Ok(())) | Err(_) => Ok(()),
    }
}

/// Tells who leads.
pub struct LeaderChanges {
    leader: watch::Receiver<Option<Leadership>>,
}

impl LeaderChanges {
    /// Returns when a leader is known that `is` accepts; `None` when the node is stopping.
    pub async fn wait_for(&mut self, is: impl Fn(Option<NodeId>) -> bool) -> Option<NodeId> {
        let known = self.leader.wait_for(|leader| is(leader.map(|leader| node_id(leader.node))));
        known.await.ok().and_then(|leader| leader.map(|leader| node_id(leader.node)))
    }
}

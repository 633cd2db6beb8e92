//! Where entries become state: one thread that runs the hosted machine, and openraft's handle on it.

use std::{
    fs::File,
    io::{self, BufReader},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use futures_util::{FutureExt, Stream, StreamExt};
use openraft::{
    EntryPayload, OptionalSend, Snapshot,
    storage::{EntryResponder, RaftStateMachine},
    vote::leader_id_adv::LeaderId,
};
use proto::{
    store::{Batch, Overlay, View, space},
    time::LogTime,
};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    snapshot::{Builder, Header, SnapshotFile, Snapshots},
    types::{self, Commands, LogId, RaftEntry, SnapshotMeta, StoredMembership, Types},
};
use crate::{
    Applied, Event, Machine,
    member::Member,
    pending::{Leadership, Pending},
    store::{Store, StoreError},
};

const APPLIED_KEY: &[u8] = &[space::CLUSTER, b'a'];
const MEMBERSHIP_KEY: &[u8] = &[space::CLUSTER, b'm'];
/// Ids that were ever given out: a wiped node must not come back under its old one.
const USED_PREFIX: &[u8] = &[space::CLUSTER, b'u'];
/// Entries applied in one round; readers see all or none of a round.
const ROUND_ENTRIES_MAX: usize = 64;

type CommittedLeader = openraft::type_config::alias::CommittedLeaderIdOf<Types>;
type RaftSnapshot = Snapshot<CommittedLeader, u64, Member, SnapshotFile>;

/// Reads what the stored rows have been brought to.
pub(crate) fn header(view: &dyn View) -> Header {
    let (last, at) = view
        .get(APPLIED_KEY)
        .and_then(|value| postcard::from_bytes(&value).ok())
        .unwrap_or_default();
    let membership = view
        .get(MEMBERSHIP_KEY)
        .and_then(|value| postcard::from_bytes(&value).ok())
        .unwrap_or_default();
    Header { last, membership, at }
}

/// The rows of a header.
pub(crate) fn put_header(batch: &mut Batch, header: &Header) -> postcard::Result<()> {
    batch.put(APPLIED_KEY.to_vec(), postcard::to_stdvec(&(header.last, header.at))?);
    batch.put(MEMBERSHIP_KEY.to_vec(), postcard::to_stdvec(&header.membership)?);
    Ok(())
}

/// Whether an id was ever a member's.
pub(crate) fn is_used(view: &dyn View, node: u64) -> bool {
    view.get(&used_key(node)).is_some()
}

/// Notes that an id was given out.
pub(crate) fn put_used(batch: &mut Batch, node: u64) {
    batch.put(used_key(node), Vec::new());
}

fn used_key(node: u64) -> Vec<u8> {
    [USED_PREFIX, &node.to_be_bytes()].concat()
}

enum Work {
    Apply { entries: Vec<RaftEntry>, done: oneshot::Sender<io::Result<()>> },
    Install { file: SnapshotFile, done: oneshot::Sender<io::Result<()>> },
}

/// What the applying thread and openraft both look at.
struct Position {
    header: Mutex<Header>,
}

impl Position {
    fn get(&self) -> MutexGuard<'_, Header> {
        self.header.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// openraft's side: hands work to the thread.
pub(crate) struct MachineHost {
    work: mpsc::Sender<Work>,
    position: Arc<Position>,
    store: Store,
    snapshots: Snapshots,
}

/// What the applying thread is made of, beside the machine.
pub(crate) struct Surroundings<O> {
    pub(crate) store: Store,
    pub(crate) snapshots: Snapshots,
    pub(crate) pending: Arc<Pending>,
    pub(crate) events: mpsc::Sender<Vec<Event<O>>>,
    /// The index that was applied last.
    pub(crate) applied: watch::Sender<Option<u64>>,
    /// False while the log is replayed at the start: nobody hears of that.
    pub(crate) live: Arc<AtomicBool>,
}

struct Applier<M: Machine> {
    machine: M,
    around: Surroundings<M::Outcome>,
    position: Arc<Position>,
}

/// Starts the applying thread.
pub(crate) fn start<M: Machine>(
    machine: M,
    around: Surroundings<M::Outcome>,
) -> Result<(MachineHost, JoinHandle<()>), StoreError> {
    let header = around.store.read(header)?;
    let position = Arc::new(Position { header: Mutex::new(header) });
    let (work, queue) = mpsc::channel(4);
    let host = MachineHost {
        work,
        position: Arc::clone(&position),
        store: around.store.clone(),
        snapshots: around.snapshots.clone(),
    };
    let mut applier = Applier { machine, around, position };
    applier.restore()?;
    let thread = thread::Builder::new().name("apply".into()).spawn(move || applier.run(queue))?;
    Ok((host, thread))
}

impl<M: Machine> Applier<M> {
    fn run(mut self, mut queue: mpsc::Receiver<Work>) {
        while let Some(work) = queue.blocking_recv() {
            // openraft waits for each answer unless it is shutting down.
            let _gone = match work {
                Work::Apply { entries, done } => {
                    done.send(self.apply(entries).map_err(io::Error::other))
                }
                Work::Install { file, done } => {
                    done.send(self.install(&file).map_err(io::Error::other))
                }
            };
        }
    }

    fn restore(&mut self) -> Result<(), StoreError> {
        let Self { machine, around, position } = self;
        around.store.read(|view| machine.restore(view))?;
        let index = position.get().last.map(|last| last.index);
        around.applied.send_replace(index);
        Ok(())
    }

    fn apply(&mut self, entries: Vec<RaftEntry>) -> Result<(), StoreError> {
        let Self { machine, around, position } = self;
        let mut header = position.get().clone();
        let live = around.live.load(Ordering::Acquire);
        let (batch, events) = around
            .store
            .read(|view| {
                let mut round = Round { batch: Batch::new(), events: Vec::new() };
                for entry in entries {
                    header.last = Some(entry.log_id);
                    match entry.payload {
                        EntryPayload::Blank => {}
                        EntryPayload::Membership(membership) => {
                            for (node, _) in membership.nodes() {
                                put_used(&mut round.batch, *node);
                            }
                            header.membership =
                                StoredMembership::new(Some(entry.log_id), membership);
                            put_header(&mut round.batch, &header)?;
                        }
                        EntryPayload::Normal(commands) => {
                            header.at = header.at.max(commands.at);
                            let place = (entry.log_id.index, LogTime(header.at));
                            let pending = live.then_some(&*around.pending);
                            run_commands(machine, view, &mut round, place, commands, pending);
                        }
                    }
                }
                let Round { mut batch, events } = round;
                batch.put(APPLIED_KEY.to_vec(), postcard::to_stdvec(&(header.last, header.at))?);
                Ok::<_, postcard::Error>((batch, events))
            })?
            .map_err(io::Error::other)?;
        around.store.commit(batch)?;
        let index = header.last.map(|last| last.index);
        let leader = header.last.map(|last| *last.committed_leader_id());
        *position.get() = header;
        around.applied.send_replace(index);
        if let Some(LeaderId { term, node_id: node }) = leader {
            around.pending.led_by(Leadership { term, node });
        }
        if live && !events.is_empty() {
            // Nobody listens any more: the node is stopping.
            let _gone = around.events.blocking_send(events);
        }
        Ok(())
    }

    fn install(&mut self, file: &SnapshotFile) -> Result<(), StoreError> {
        let header: Header = self.around.store.import(BufReader::new(File::open(&file.path)?))?;
        // From here on the rows are the snapshot's; keeping it last means that a crash in between asks for it again.
        self.around.snapshots.keep(&file.path, header.last)?;
        let index = header.last.map(|last| last.index);
        *self.position.get() = header;
        // What was in the entries that the snapshot stands for ends as unknown when its time is up.
        self.restore()?;
        if self.around.live.load(Ordering::Acquire) {
            let restored = Event::Restored { index: index.unwrap_or_default() };
            let _gone = self.around.events.blocking_send(vec![restored]);
        }
        Ok(())
    }
}

/// What a round of entries changes and gives.
struct Round<O> {
    batch: Batch,
    events: Vec<Event<O>>,
}

/// Runs one entry's commands over what earlier ones of the round have written.
fn run_commands<M: Machine>(
    machine: &mut M,
    view: &dyn View,
    round: &mut Round<M::Outcome>,
    (index, at): (u64, LogTime),
    commands: Commands,
    pending: Option<&Pending>,
) {
    let Some((origin, commands)) = Commands::decode(commands.batch) else {
        // Only a program error makes such an entry, and every node skips it alike.
        tracing::error!(index, "an entry's commands cannot be read");
        return;
    };
    let tags = pending.and_then(|pending| pending.settle(origin)).unwrap_or_default();
    let mut tags = tags.into_iter();
    for command in commands {
        let mut batch = Batch::new();
        let outcome =
            machine.apply(&Overlay { base: view, batch: &round.batch }, at, &command, &mut batch);
        round.batch.merge(batch);
        round.events.push(Event::Applied(Applied { index, at, tag: tags.next(), outcome }));
    }
}

impl MachineHost {
    async fn work(
        &self,
        work: impl FnOnce(oneshot::Sender<io::Result<()>>) -> Work,
    ) -> io::Result<()> {
        let stopped = || io::Error::other("the applying thread has stopped");
        let (done, outcome) = oneshot::channel();
        self.work.send(work(done)).await.map_err(|_| stopped())?;
        outcome.await.map_err(|_| stopped())?
    }
}

impl RaftStateMachine<Types> for MachineHost {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let header = self.position.get();
        Ok((header.last, header.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(first) = entries.next().await {
            let (entry, responder) = first?;
            let mut round = vec![entry];
            let mut responders: Vec<_> = responder.into_iter().collect();
            while round.len() < ROUND_ENTRIES_MAX
                && let Some(Some(next)) = entries.next().now_or_never()
            {
                let (entry, responder) = next?;
                round.push(entry);
                responders.extend(responder);
            }
            self.work(|done| Work::Apply { entries: round, done }).await?;
            for responder in responders {
                responder.send(types::Applied);
            }
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Builder> {
        Some(self.get_snapshot_builder().await)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { store: self.store.clone(), snapshots: self.snapshots.clone() }
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMeta,
        snapshot: SnapshotFile,
    ) -> Result<(), io::Error> {
        self.work(|done| Work::Install { file: snapshot, done }).await
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<RaftSnapshot>, io::Error> {
        self.snapshots.current()
    }
}

//! A node of the simulated cluster: it hosts a list, is killed and loses its power.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use cluster::{Config, Event, Events, Handle, Machine, Refusal, start};
use proto::{
    store::{Batch, Direction, Scan, View, space},
    time::LogTime,
};
use tokio::{
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
};

use super::history::Outcome;
use crate::{
    dice::Dice,
    fault::{Fault, hold},
};

/// Appends each command to a list; the outcome is its place.
#[derive(Default)]
struct List {
    length: u64,
}

fn row(place: u64) -> Vec<u8> {
    [&[space::ROOMS, b'l'][..], &place.to_be_bytes()].concat()
}

fn list(view: &dyn View) -> Vec<String> {
    let mut rows = Vec::new();
    view.scan_prefix(&[space::ROOMS, b'l'], Direction::Up, &mut |_, value| {
        rows.push(String::from_utf8_lossy(value).into_owned());
        Scan::More
    });
    rows
}

impl Machine for List {
    type Outcome = u64;

    fn restore(&mut self, view: &dyn View) {
        self.length = list(view).len() as u64;
    }

    fn apply(&mut self, _: &dyn View, _: LogTime, command: &[u8], batch: &mut Batch) -> u64 {
        batch.put(row(self.length), command.to_vec());
        self.length += 1;
        self.length - 1
    }
}

type Waiting = BTreeMap<u64, oneshot::Sender<Result<u64, Refusal>>>;

#[derive(Default)]
struct Heard {
    waiting: Mutex<Waiting>,
    tags: AtomicU64,
    /// What events may not be.
    fault: Mutex<Option<Fault>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One life of a node. Cheap to clone.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) handle: Handle,
    heard: Arc<Heard>,
    collector: Arc<JoinHandle<()>>,
}

impl Node {
    pub(super) async fn start(config: Config) -> Result<Self, Fault> {
        let id = config.node;
        let started = start(config, List::default()).await;
        let (handle, events) =
            started.map_err(|error| Fault(format!("node {} does not start: {error:?}", id.0)))?;
        let heard = Arc::new(Heard::default());
        let collector = Arc::new(tokio::spawn(collect(events, Arc::clone(&heard))));
        Ok(Self { handle, heard, collector })
    }

    /// Appends words. A node that dies meanwhile does not know.
    pub(super) async fn append(&self, words: String) -> Outcome {
        let tag = self.heard.tags.fetch_add(1, Ordering::Relaxed);
        let (sender, outcome) = oneshot::channel();
        locked(&self.heard.waiting).insert(tag, sender);
        let proposed = self.handle.propose(tag, Bytes::from(words)).await;
        let outcome = match proposed {
            Ok(()) => outcome.await.unwrap_or(Err(Refusal::Unknown)),
            Err(refusal) => Err(refusal),
        };
        match outcome {
            Ok(place) => Outcome::Place(place),
            Err(refusal) if refusal.is_definite() => Outcome::Refused,
            Err(_) => Outcome::Unknown,
        }
    }

    /// The length of the list, as certain as can be; `None` when nobody could say.
    pub(super) async fn read(&self) -> Option<u64> {
        self.handle.linearizable().await.ok()?;
        self.length()
    }

    /// The length of the list as far as this node knows.
    pub(super) fn length(&self) -> Option<u64> {
        Some(self.list().ok()?.len() as u64)
    }

    pub(super) fn list(&self) -> Result<Vec<String>, Fault> {
        self.handle.read(list).map_err(|error| Fault(format!("rows do not read: {error}")))
    }

    /// What was wrong with its events, or with the node as a whole.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let id = self.handle.node().0;
        hold(!*self.handle.failed().borrow(), || format!("node {id} failed"))?;
        locked(&self.heard.fault).clone().map_or(Ok(()), Err)
    }

    pub(super) async fn kill(&self) {
        self.collector.abort();
        // Who waits is told that it is not known.
        locked(&self.heard.waiting).clear();
        self.handle.kill().await;
    }

    /// Ends the node and leaves on disk what a power cut would leave: of what was not synced, any part. The rows are not
    /// synced to any point that matters, so they may be gone.
    /// `lies`: what was synced may be gone as well.
    pub(super) async fn cut_power(
        &self,
        dir: &Path,
        dice: &mut Dice,
        lies: bool,
    ) -> Result<(), Fault> {
        // Nobody acts on what this thread has not read yet: what is durable later than this was promised to nobody.
        let end = self.handle.log_end();
        let end = end.map(|(path, end)| (path, if lies { end / 2 } else { end }));
        let log = dir.join("log");
        let image = copy(&log);
        self.kill().await;
        let (mut dice, store) = (dice.fork(), dir.join("store"));
        let done = spawn_blocking(move || {
            if (lies || dice.chance(50)) && store.exists() {
                fs::remove_dir_all(store)?;
            }
            put_back(&log, &image?, end, &mut dice)
        });
        let done = done.await.map_err(io::Error::other).flatten();
        done.map_err(|error| Fault(format!("the disk could not be changed: {error}")))
    }
}

async fn collect(mut events: Events<u64>, heard: Arc<Heard>) {
    let mut next: Option<u64> = None;
    while let Some(event) = events.next().await {
        let (tag, outcome) = match event {
            Event::Applied(applied) => {
                let place = applied.outcome;
                if next.is_some_and(|next| next != place) {
                    let fault = format!("an event for place {place} comes where {next:?} is due");
                    *locked(&heard.fault) = Some(Fault(fault));
                }
                next = Some(place + 1);
                (applied.tag, Ok(place))
            }
            Event::Refused { tag, refusal } => (Some(tag), Err(refusal)),
            Event::Restored { .. } => {
                next = None;
                continue;
            }
        };
        let waits = tag.and_then(|tag| locked(&heard.waiting).remove(&tag));
        if let Some(waits) = waits {
            let _gone = waits.send(outcome);
        }
    }
    locked(&heard.waiting).clear();
}

/// Files by name.
fn copy(dir: &Path) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        match fs::read(&path) {
            Ok(bytes) => files.insert(path, bytes),
            // A segment may be unlinked meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
    }
    Ok(files)
}

/// Writes the log as it was, without a part of what lay behind its durable end.
fn put_back(
    dir: &Path,
    image: &BTreeMap<PathBuf, Vec<u8>>,
    end: Option<(PathBuf, u64)>,
    dice: &mut Dice,
) -> io::Result<()> {
    fs::remove_dir_all(dir)?;
    fs::create_dir_all(dir)?;
    let (last, durable) = end.unwrap_or_default();
    for (path, bytes) in image {
        // A later segment was begun after the moment of the cut: its name need not have reached the disk.
        let is_segment = path.extension().is_some_and(|extension| extension == "log");
        if is_segment && *path > last {
            continue;
        }
        let mut bytes = bytes.clone();
        if *path == last {
            let durable = usize::try_from(durable).map_err(io::Error::other)?;
            let tail = bytes.get_mut(durable..).unwrap_or_default();
            let written = tail.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let kept = dice.index(written + 1);
            tail.iter_mut().skip(kept).for_each(|byte| *byte = 0);
        }
        fs::write(path, bytes)?;
    }
    Ok(())
}

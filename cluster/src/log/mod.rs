//! The log on disk: segment files of checksummed records, written by one thread with one sync for whatever has
//! gathered while the last sync ran.
//!
//! The order of requests is the order on disk and the order of callbacks. A record that was torn at the end of the log is cut
//! off when it is opened; damage before a place that was once durable refuses to open, because acknowledged
//! entries would be lost silently. After any failed write or sync the log takes nothing more: what the disk holds is unknown.

mod committer;
mod index;
mod record;
mod recover;
mod segment;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use self::{committer::Committer, index::Index};

/// Requests that wait for the committer before `append` waits too.
const REQUESTS_MAX: usize = 4096;

/// The name of an entry: who led when it was written, and its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryId {
    /// The leader's term.
    pub term: u64,
    /// The leader.
    pub node: u64,
    /// Dense place in the log, from 0.
    pub index: u64,
}

/// Whom this node follows or leads for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The term voted in.
    pub term: u64,
    /// The candidate.
    pub node: u64,
    /// Whether a quorum granted it.
    pub committed: bool,
}

/// What an entry carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Nothing: a new leader's first entry.
    Blank,
    /// Commands.
    Normal,
    /// Who belongs to the cluster.
    Membership,
}

/// One entry of the log. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// What the payload is.
    pub kind: EntryKind,
    /// Opaque here.
    pub payload: Bytes,
}

/// Sizes of the log.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A segment file is this large unless one group of writes is larger.
    pub segment_bytes: usize,
    /// Entries kept in memory for replication, besides those not yet written.
    pub recent_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, recent_bytes: 32 << 20 }
    }
}

/// Why a log does not open or take a write.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk failed.
    #[error("log file {path}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// How.
        #[source]
        source: io::Error,
    },
    /// Another process has the log open.
    #[error("{path} is in use by another process")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// Something that was durable once does not read back. Replace this node: its peers hold the entries.
    #[error(
        "{path} is damaged at byte {offset} before a place that was durable; replace this node"
    )]
    Damaged {
        /// Which segment.
        path: PathBuf,
        /// Where.
        offset: usize,
    },
    /// Records read well but do not fit together. Replace this node: its peers hold the entries.
    #[error("{path} does not continue the log at byte {offset}; replace this node")]
    Gap {
        /// Which segment.
        path: PathBuf,
        /// Where.
        offset: usize,
    },
}

/// Called when a request is durable, or has failed.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

pub(crate) enum Request {
    Append { entries: Vec<Entry>, done: Done },
    Vote { vote: Vote, done: Done },
    Committed { id: EntryId },
    Truncate { since: u64, last: Option<EntryId>, done: Done },
    Purge { upto: EntryId, done: Done },
    Close { done: Done },
}

/// How much was written, for figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// Entries made durable.
    pub entries: u64,
    /// Syncs of a segment.
    pub syncs: u64,
    /// Bytes of records written.
    pub bytes: u64,
}

pub(crate) struct Shared {
    index: Mutex<Index>,
}

impl Shared {
    /// A panic while the index was locked leaves it whole: every change is a few assignments.
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The log. One writer at a time must call the writing methods; readers may be many.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
}

impl Log {
    /// Opens the log in `dir`, which is created when missing, and starts its committer.
    ///
    /// # Errors
    /// [`LogError`], see its variants.
    pub fn open(dir: &Path, options: Options) -> Result<Self, LogError> {
        let at = |source| LogError::Io { path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(at)?;
        let lock = segment::lock(dir)?;
        let (index, writer) = recover::recover(dir, options)?;
        let shared = Arc::new(Shared { index: Mutex::new(index) });
        let (requests, queue) = mpsc::channel(REQUESTS_MAX);
        let committer = Committer::new(Arc::clone(&shared), queue, writer, lock);
        thread::Builder::new().name("log".into()).spawn(move || committer.run()).map_err(at)?;
        Ok(Self { shared, requests })
    }

    /// Appends entries that follow the last one. They can be read at once; `done` is called when they are durable.
    ///
    /// # Errors
    /// The committer has stopped, or the entries do not follow the last one.
    pub async fn append(&self, entries: Vec<Entry>, done: Done) -> io::Result<()> {
        let place = self.requests.reserve().await.map_err(stopped)?;
        self.shared.index().append(&entries)?;
        place.send(Request::Append { entries, done });
        Ok(())
    }

    /// Saves the vote; `done` is called when it is durable.
    ///
    /// # Errors
    /// The committer has stopped.
    pub async fn save_vote(&self, vote: Vote, done: Done) -> io::Result<()> {
        let place = self.requests.reserve().await.map_err(stopped)?;
        self.shared.index().vote = Some(vote);
        place.send(Request::Vote { vote, done });
        Ok(())
    }

    /// Notes what is known to be committed. Written with the next group, synced with whatever else is.
    pub fn save_committed(&self, id: EntryId) {
        self.shared.index().committed = Some(id);
        // A full queue will be followed by a later, higher note.
        let _full = self.requests.try_send(Request::Committed { id });
    }

    /// Removes entries from `since` on; `last` is the entry before them.
    ///
    /// # Errors
    /// The committer has stopped.
    pub async fn truncate(&self, since: u64, last: Option<EntryId>, done: Done) -> io::Result<()> {
        let place = self.requests.reserve().await.map_err(stopped)?;
        let last = self.shared.index().truncate(since, last);
        place.send(Request::Truncate { since, last, done });
        Ok(())
    }

    /// Removes entries up to and with `upto`. Whole segments are unlinked, parts are only forgotten.
    ///
    /// # Errors
    /// The committer has stopped.
    pub async fn purge(&self, upto: EntryId, done: Done) -> io::Result<()> {
        let place = self.requests.reserve().await.map_err(stopped)?;
        self.shared.index().purge(upto);
        place.send(Request::Purge { upto, done });
        Ok(())
    }

    /// Writes what is pending and stops the committer; `done` is called when the files are closed.
    ///
    /// # Errors
    /// The committer has stopped before.
    pub async fn close(&self, done: Done) -> io::Result<()> {
        self.requests.send(Request::Close { done }).await.map_err(stopped)
    }

    /// [`Log::save_vote`] where there is no reactor.
    ///
    /// # Errors
    /// The committer has stopped.
    pub fn blocking_save_vote(&self, vote: Vote, done: Done) -> io::Result<()> {
        self.shared.index().vote = Some(vote);
        self.requests.blocking_send(Request::Vote { vote, done }).map_err(stopped)
    }

    /// [`Log::close`] where there is no reactor.
    ///
    /// # Errors
    /// The committer has stopped before.
    pub fn blocking_close(&self, done: Done) -> io::Result<()> {
        self.requests.blocking_send(Request::Close { done }).map_err(stopped)
    }

    /// Entries of `range` that exist, in order, until `bytes_max` is passed; at least one when there is one.
    ///
    /// # Errors
    /// A segment does not read back.
    pub fn read(&self, range: Range<u64>, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut bytes = 0_usize;
        for index in range {
            let place = self.shared.index().place(index);
            let entry = match place {
                index::Place::Absent => break,
                index::Place::Memory(entry) => entry,
                index::Place::Disk { file, offset } => segment::read_entry(&file, offset, index)?,
            };
            bytes = bytes.saturating_add(entry.payload.len());
            entries.push(entry);
            if bytes > bytes_max {
                break;
            }
        }
        Ok(entries)
    }

    /// Whether reading `range` needs no disk.
    #[must_use]
    pub fn in_memory(&self, range: &Range<u64>) -> bool {
        let index = self.shared.index();
        index.recent_first().is_none_or(|first| first <= range.start)
            || index.last.is_none_or(|last| last.index < range.start)
    }

    /// The first entry there is.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        let index = self.shared.index();
        let on_disk = index.disk_range().map(|(first, _)| first);
        on_disk.into_iter().chain(index.recent_first()).min()
    }

    /// The last removed entry and the last entry.
    #[must_use]
    pub fn bounds(&self) -> (Option<EntryId>, Option<EntryId>) {
        let index = self.shared.index();
        (index.purged, index.last)
    }

    /// The saved vote.
    #[must_use]
    pub fn vote(&self) -> Option<Vote> {
        self.shared.index().vote
    }

    /// What was last noted as committed.
    #[must_use]
    pub fn committed(&self) -> Option<EntryId> {
        self.shared.index().committed
    }

    /// Bytes of records in segments that are still there.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.shared.index().disk_bytes()
    }

    /// The last segment and how much of it is written; whatever was called durable lies before.
    #[must_use]
    pub fn end(&self) -> Option<(PathBuf, u64)> {
        self.shared.index().segments.back().map(|last| (last.path.clone(), last.bytes))
    }

    /// What was written since the log was opened.
    #[must_use]
    pub fn figures(&self) -> LogFigures {
        self.shared.index().figures
    }
}

fn stopped<E>(_: E) -> io::Error {
    io::Error::other("the log has stopped after a failed write or sync")
}

//! The replicated state: ordered rows, consistent between batches.
//!
//! Applied batches go into a table in memory and are visible at once. In the background the table is frozen, written to a redo
//! file, moved into sled in small batches, and made durable by flush and fdatasync. A node that dies in between writes the redo
//! file again when it starts, so sled always continues from one applied index; whatever was only in memory comes
//! again from the log. The rows are a view: they can be deleted at any time and are made again from snapshot and log.

mod block;
mod cache;
mod filter;
pub(crate) mod frame;
mod generation;
mod rows;
mod table;
#[cfg(test)]
mod tests;

use std::{
    fs,
    io::{self, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use proto::store::{Batch, Direction, Scan, View, space};
use serde::{Serialize, de::DeserializeOwned};

use self::{
    cache::Cache,
    frame::{FrameReader, FrameWriter},
    generation::{
        begin_generation, create_generation, current, generation_path, open_generation, put_aside,
        redo_path, set_current, write_redo,
    },
    rows::{Change, MemoryRows, Rows},
    table::{RowsView, Tables, TablesView},
};
use crate::file::write_durably;

/// The form of the rows; another number is read by another program.
const FORMAT_KEY: &[u8] = &[space::CLUSTER, b'f'];
const FORMAT: &[u8] = &[2];
/// Rows given to the disk at once.
const WRITE_ROWS: usize = 4096;
/// A snapshot that is written looks this often whether too much gathers behind it.
const CHECK_ROWS: usize = 256;
/// Above every key.
const KEY_END: &[u8] = &[0xff];

/// Sizes of the store.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The table in memory is flushed when it is this large.
    pub table_bytes: usize,
    /// Commands wait when the tables in memory are this large; a snapshot is given up at half of it.
    pub table_bytes_max: usize,
    /// Clean rows kept for reading.
    pub cache_bytes: usize,
    /// sled's own cache.
    pub sled_bytes: u64,
    /// The table is flushed when it is this old.
    pub flush_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            table_bytes: 32 << 20,
            table_bytes_max: 256 << 20,
            cache_bytes: 64 << 20,
            sled_bytes: 64 << 20,
            flush_after: Duration::from_secs(5),
        }
    }
}

/// Why rows cannot be read or written. The node must stop: what it holds is not known any more.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk failed.
    #[error("store file")]
    Io(#[from] io::Error),
    /// sled failed.
    #[error("stored rows")]
    Sled(#[source] sled::Error),
    /// sled panicked, as it does over some damage.
    #[error("stored rows are damaged")]
    Panicked,
    /// The rows are not of this program's form.
    #[error("stored rows have an unknown form")]
    Format,
    /// The store failed before.
    #[error("the store has stopped after a failure")]
    Stopped,
    /// Too much was written while a snapshot was taken; it is tried again later.
    #[error("a snapshot was given up because too much was written meanwhile")]
    SnapshotTooSlow,
}

impl StoreError {
    /// Whether another process, and not damage, keeps the rows from opening.
    pub(super) fn is_lock(&self) -> bool {
        matches!(self, Self::Sled(sled::Error::Io(error)) if error.to_string().contains("lock"))
    }
}

/// Thrown by a view whose rows do not read, caught in [`Store::read`].
struct Unreadable(StoreError);

#[derive(Default)]
struct Pace {
    /// A flush is wanted now.
    wanted: bool,
    stop: bool,
    /// Flushes finished, for those who wait for room.
    flushes: u64,
}

struct Inner {
    tables: RwLock<Tables>,
    cache: Cache,
    options: Options,
    /// Held by whoever moves rows from memory to disk, or reads only the disk.
    disk: Mutex<Disk>,
    pace: Mutex<Pace>,
    paced: Condvar,
    failed: AtomicBool,
}

struct Disk {
    dir: Option<PathBuf>,
    generation: u64,
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// The thread that flushes.
pub(crate) struct Flusher {
    store: Store,
    thread: JoinHandle<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// A store that keeps nothing.
    #[must_use]
    pub fn memory(options: Options) -> Self {
        Self::new(Arc::new(MemoryRows::default()), Disk { dir: None, generation: 0 }, options)
    }

    /// Opens the rows in `dir`. Damaged rows are put aside and the store begins empty; the second value says why.
    ///
    /// # Errors
    /// The disk fails, or another process has the rows open.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Option<StoreError>), StoreError> {
        fs::create_dir_all(dir)?;
        let generation = current(dir)?;
        let suspect = dir.join("SUSPECT");
        let opened = match generation {
            Some(_) if suspect.exists() => Err(StoreError::Panicked),
            Some(number) => open_generation(dir, number, options.sled_bytes),
            None => create_generation(dir, 0, options.sled_bytes),
        };
        let generation = generation.unwrap_or_default();
        let (rows, generation, reason) = match opened {
            Ok(rows) => (rows, generation, None),
            Err(error) if error.is_lock() => return Err(error),
            Err(error) => {
                put_aside(dir, generation)?;
                let next = generation.saturating_add(1);
                (create_generation(dir, next, options.sled_bytes)?, next, Some(error))
            }
        };
        if suspect.exists() {
            fs::remove_file(&suspect)?;
        }
        let disk = Disk { dir: Some(dir.to_owned()), generation };
        Ok((Self::new(Arc::new(rows), disk, options), reason))
    }

    fn new(rows: Arc<dyn Rows>, disk: Disk, options: Options) -> Self {
        let inner = Inner {
            tables: RwLock::new(Tables::new(rows)),
            cache: Cache::new(options.cache_bytes),
            options,
            disk: Mutex::new(disk),
            pace: Mutex::default(),
            paced: Condvar::new(),
            failed: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Starts flushing in the background; `on_failure` is called once when the disk fails.
    pub(crate) fn start_flusher(
        &self,
        on_failure: impl FnOnce(&StoreError) + Send + 'static,
    ) -> io::Result<Flusher> {
        let store = self.clone();
        let thread = thread::Builder::new().name("store".into()).spawn(move || {
            if let Err(error) = store.flush_until_stopped() {
                on_failure(&error);
            }
        })?;
        Ok(Flusher { store: self.clone(), thread })
    }

    /// Shows one state to `look`, which sees no later change.
    ///
    /// # Errors
    /// Rows do not read; the store is marked and made again at the next start.
    pub fn read<T>(&self, look: impl FnOnce(&dyn View) -> T) -> Result<T, StoreError> {
        if self.inner.failed.load(Ordering::Acquire) {
            return Err(StoreError::Stopped);
        }
        let tables = self.inner.tables.read().unwrap_or_else(PoisonError::into_inner);
        let view = TablesView { tables: &tables, cache: &self.inner.cache };
        let seen = caught(|| look(&view));
        if seen.is_err() {
            drop(tables);
            self.suspect();
        }
        seen
    }

    /// Makes changes visible. Waits when far more was applied than the disk has taken.
    ///
    /// # Errors
    /// The store failed before.
    pub fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let bytes = {
            let mut tables = self.inner.tables.write().unwrap_or_else(PoisonError::into_inner);
            tables.merge(batch, &self.inner.cache)
        };
        if bytes < self.inner.options.table_bytes {
            return self.check();
        }
        let mut pace = lock(&self.inner.pace);
        pace.wanted = true;
        self.inner.paced.notify_all();
        let flushes = pace.flushes;
        while bytes >= self.inner.options.table_bytes_max && pace.flushes == flushes && !pace.stop {
            pace = self.inner.paced.wait(pace).unwrap_or_else(PoisonError::into_inner);
        }
        drop(pace);
        self.check()
    }

    fn check(&self) -> Result<(), StoreError> {
        let failed = self.inner.failed.load(Ordering::Acquire);
        if failed { Err(StoreError::Stopped) } else { Ok(()) }
    }

    /// Moves what is in memory to disk, durably.
    ///
    /// # Errors
    /// The disk failed.
    pub fn flush(&self) -> Result<(), StoreError> {
        let disk = lock(&self.inner.disk);
        let outcome = self.flush_held(&disk);
        if outcome.is_err() {
            self.inner.failed.store(true, Ordering::Release);
        }
        let mut pace = lock(&self.inner.pace);
        pace.flushes = pace.flushes.saturating_add(1);
        pace.stop |= outcome.is_err();
        self.inner.paced.notify_all();
        outcome
    }

    fn flush_held(&self, disk: &Disk) -> Result<(), StoreError> {
        self.check()?;
        let (frozen, rows) = {
            let mut tables = self.inner.tables.write().unwrap_or_else(PoisonError::into_inner);
            let Some(frozen) = tables.freeze() else { return Ok(()) };
            (frozen, Arc::clone(&tables.rows))
        };
        let redo = disk.dir.as_ref().map(|dir| redo_path(dir, disk.generation));
        if let Some(redo) = &redo {
            write_redo(redo, &frozen)?;
        }
        let changes: Vec<Change<'_>> = frozen.iter().collect();
        for some in changes.chunks(WRITE_ROWS) {
            rows.write(some)?;
        }
        rows.sync()?;
        if let Some(redo) = &redo {
            fs::remove_file(redo)?;
        }
        self.inner.tables.write().unwrap_or_else(PoisonError::into_inner).thaw();
        Ok(())
    }

    fn flush_until_stopped(&self) -> Result<(), StoreError> {
        loop {
            let pace = lock(&self.inner.pace);
            let wait = self.inner.options.flush_after;
            let (mut pace, _) = self
                .inner
                .paced
                .wait_timeout_while(pace, wait, |pace| !pace.wanted && !pace.stop)
                .unwrap_or_else(PoisonError::into_inner);
            pace.wanted = false;
            let stop = pace.stop;
            drop(pace);
            self.flush()?;
            if stop {
                return Ok(());
            }
        }
    }

    /// Writes every row behind a header made of the durable state, which the writing of rows does not change meanwhile.
    ///
    /// Flushing stops until it is done, new changes gather in memory; so the disk itself is the frozen state and nothing is copied.
    pub(crate) fn export<H: Serialize, W: Write>(
        &self,
        into: W,
        header: impl FnOnce(&dyn View) -> H,
    ) -> Result<(W, H), StoreError> {
        let disk = lock(&self.inner.disk);
        self.flush_held(&disk)?;
        let rows =
            Arc::clone(&self.inner.tables.read().unwrap_or_else(PoisonError::into_inner).rows);
        let header = caught(|| header(&RowsView(&*rows)))?;
        let mut writer = FrameWriter::begin(into, &header)?;
        let mut failed = None;
        let mut until_check = CHECK_ROWS;
        rows.scan((&[], KEY_END), Direction::Up, &mut |key, value| {
            until_check = until_check.saturating_sub(1);
            if until_check == 0 {
                until_check = CHECK_ROWS;
                if self.table_bytes() > self.inner.options.table_bytes_max / 2 {
                    failed = Some(StoreError::SnapshotTooSlow);
                    return Scan::Enough;
                }
            }
            match writer.row(key, Some(value)) {
                Ok(()) => Scan::More,
                Err(error) => {
                    failed = Some(error.into());
                    Scan::Enough
                }
            }
        })?;
        match failed {
            Some(error) => Err(error),
            None => Ok((writer.end()?.0, header)),
        }
    }

    /// Replaces every row by those of a snapshot. They are written beside the old ones and take their place at once.
    pub(crate) fn import<R: Read, H: DeserializeOwned>(&self, from: R) -> Result<H, StoreError> {
        let mut disk = lock(&self.inner.disk);
        let (mut reader, header) = FrameReader::begin(from)?;
        let next = disk.generation.saturating_add(1);
        let rows: Arc<dyn Rows> = match &disk.dir {
            Some(dir) => Arc::new(begin_generation(dir, next, self.inner.options.sled_bytes)?),
            None => Arc::new(MemoryRows::default()),
        };
        while let Some(some) = reader.rows()? {
            let changes: Vec<Change<'_>> =
                some.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
            rows.write(&changes)?;
        }
        rows.write(&[(FORMAT_KEY, Some(FORMAT))])?;
        rows.sync()?;
        if let Some(dir) = &disk.dir {
            set_current(dir, next)?;
        }
        let mut tables = self.inner.tables.write().unwrap_or_else(PoisonError::into_inner);
        self.inner.cache.clear();
        *tables = Tables::new(rows);
        drop(tables);
        if let Some(dir) = &disk.dir {
            // What stays is removed when the store is next opened.
            let _stays = fs::remove_file(redo_path(dir, disk.generation));
            let _stays = fs::remove_dir_all(generation_path(dir, disk.generation));
        }
        disk.generation = next;
        Ok(header)
    }

    /// Bytes in memory that the disk does not have.
    #[must_use]
    pub fn table_bytes(&self) -> usize {
        self.inner.tables.read().unwrap_or_else(PoisonError::into_inner).bytes()
    }

    /// Bytes on disk.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        let tables = self.inner.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.rows.disk_bytes()
    }

    /// Closes the files, although clones of the store may live on: they read nothing any more.
    pub(crate) fn close(&self) {
        self.inner.failed.store(true, Ordering::Release);
        let nothing: Arc<dyn Rows> = Arc::new(MemoryRows::default());
        *self.inner.tables.write().unwrap_or_else(PoisonError::into_inner) = Tables::new(nothing);
    }

    /// Notes that the rows must be made again at the next start.
    fn suspect(&self) {
        self.inner.failed.store(true, Ordering::Release);
        if let Some(dir) = &lock(&self.inner.disk).dir
            && let Err(error) = write_durably(&dir.join("SUSPECT"), &[])
        {
            tracing::error!(%error, "the damaged store could not be marked");
        }
    }
}

impl Flusher {
    /// Flushes what is left and ends the thread.
    pub(crate) fn stop(self) {
        lock(&self.store.inner.pace).stop = true;
        self.store.inner.paced.notify_all();
        let _panicked = self.thread.join();
    }
}

impl Flusher {
    /// Ends the thread and leaves on disk what a killed process would leave.
    pub(crate) fn abandon(self) {
        self.store.inner.failed.store(true, Ordering::Release);
        self.stop();
    }
}

/// Runs what looks at rows; rows that do not read are an error here.
fn caught<T>(look: impl FnOnce() -> T) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(look)).map_err(|thrown| match thrown.downcast::<Unreadable>() {
        Ok(unreadable) => unreadable.0,
        Err(thrown) => resume_unwind(thrown),
    })
}

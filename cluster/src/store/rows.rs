//! Rows on disk and their twin in memory.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use proto::store::{Batch, Direction, Memory, Scan, View};

use super::{
    StoreError,
    block::{self, Reader},
    filter::Filter,
};

/// First byte of the keys of blocks; the block of this alone holds what lies before every other.
const BLOCK: u8 = 1;
/// Blocks in one sled batch; larger ones hold its readers up for longer and are no faster.
const BATCH_BLOCKS: usize = 64;

/// Waiting for a file that was closed just now.
const LOCK_TRIES: u32 = 100;
const LOCK_TRY_AFTER: Duration = Duration::from_millis(20);

/// One change to a row.
pub(super) type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// Where rows are kept. Not consistent on its own: [`super::Store`] is.
pub(super) trait Rows: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// A key will be written: from now on it is not called absent.
    fn expect(&self, key: &[u8]);
    /// Whether it is known without reading that a key is neither here nor expected.
    fn is_absent(&self, key: &[u8]) -> bool;
    fn scan(
        &self,
        range: (&[u8], &[u8]),
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Scan,
    ) -> Result<(), StoreError>;
    fn write(&self, changes: &[Change<'_>]) -> Result<(), StoreError>;
    /// Makes everything written durable.
    fn sync(&self) -> Result<(), StoreError>;
    fn disk_bytes(&self) -> u64;
}

/// Rows in sled, packed into blocks.
pub(super) struct SledRows {
    db: sled::Db,
    dir: PathBuf,
    filter: Arc<Filter>,
    reader: Option<FilterReader>,
}

/// The thread that shows a filter what was on disk before.
struct FilterReader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Drop for SledRows {
    fn drop(&mut self) {
        if let Some(FilterReader { stop, thread }) = self.reader.take() {
            stop.store(true, Ordering::Release);
            // It holds the files; if it panicked, the filter stays incomplete and nothing else is lost.
            let _panicked = thread.join();
        }
    }
}

impl SledRows {
    /// Opens or makes the rows in `dir`. sled may panic over a damaged file; that is an error here.
    pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        remove_unfinished(dir)?;
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(cache_bytes)
            .mode(sled::Mode::HighThroughput)
            // We flush and sync ourselves: sled's flush does not fsync.
            .flush_every_ms(None);
        let mut tries = 0;
        loop {
            match guarded(|| config.open()) {
                Ok(db) => return Self::with(db, dir),
                // sled's own threads may hold the file a moment longer than whoever closed it just now.
                Err(error) if error.is_lock() && tries < LOCK_TRIES => {
                    tries += 1;
                    thread::park_timeout(LOCK_TRY_AFTER);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn with(db: sled::Db, dir: &Path) -> Result<Self, StoreError> {
        let is_empty = guarded(|| Ok(db.is_empty()))?;
        let filter = Arc::new(Filter::new(is_empty));
        let reader =
            if is_empty { None } else { Some(FilterReader::start(&db, Arc::clone(&filter))?) };
        Ok(Self { db, dir: dir.to_owned(), filter, reader })
    }

    /// The block that a key is in, if it is anywhere.
    fn block_of(&self, key: &[u8]) -> Result<Option<(sled::IVec, sled::IVec)>, StoreError> {
        let key = block_key(key);
        guarded(|| self.db.range(..=key).next_back().transpose())
    }

    /// The key at which the next block begins.
    fn next_block(&self, block: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        let behind = (Bound::Excluded(block), Bound::Unbounded);
        let next = guarded(|| self.db.range::<&[u8], _>(behind).next().transpose())?;
        Ok(next.map(|(key, _)| key))
    }

    /// Writes changes in key order, each key once.
    fn write_ordered(&self, mut changes: &[Change<'_>]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        let mut blocks = 0;
        while let Some((first, _)) = changes.first() {
            let (name, block) = self
                .block_of(first)?
                .unwrap_or_else(|| (vec![BLOCK].into(), sled::IVec::default()));
            let next = self.next_block(&name)?;
            let is_here = |key: &[u8]| {
                let next = next.as_ref().and_then(|next| next.get(1..));
                next.is_none_or(|next| key < next)
            };
            let (here, rest) = changes.split_at(changes.partition_point(|(key, _)| is_here(key)));
            let rows = block::changed(&block, here)?;
            let mut pieces = block::pack(&rows).into_iter();
            match pieces.next() {
                // The first piece keeps the name, so that the block still begins where it did.
                Some((_, piece)) => batch.insert(name, piece),
                None => batch.remove(name),
            }
            for (first, piece) in pieces {
                batch.insert(block_key(first), piece);
                blocks += 1;
            }
            blocks += 1;
            if blocks >= BATCH_BLOCKS {
                let full = std::mem::take(&mut batch);
                guarded(|| self.db.apply_batch(full))?;
                blocks = 0;
            }
            changes = rest;
        }
        guarded(|| self.db.apply_batch(batch))
    }
}

impl FilterReader {
    fn start(db: &sled::Db, filter: Arc<Filter>) -> Result<Self, StoreError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (db, stops) = (db.clone(), Arc::clone(&stop));
        let read = move || {
            let mut blocks = db.iter();
            while let Some(block) = guarded(|| blocks.next().transpose())? {
                if stops.load(Ordering::Acquire) {
                    return Ok(());
                }
                for row in Reader::new(&block.1) {
                    filter.add(row?.0);
                }
            }
            filter.complete();
            Ok::<_, StoreError>(())
        };
        let thread = thread::Builder::new().name("filter".into()).spawn(move || {
            if let Err(error) = read() {
                // Whoever needs such a row finds the same.
                tracing::warn!(%error, "the stored rows could not all be read");
            }
        })?;
        Ok(Self { stop, thread })
    }
}

fn block_key(key: &[u8]) -> Vec<u8> {
    let mut block = Vec::with_capacity(key.len().saturating_add(1));
    block.push(BLOCK);
    block.extend_from_slice(key);
    block
}

/// Leftovers of a snapshot that sled was writing when it died keep it from opening.
fn remove_unfinished(dir: &Path) -> io::Result<()> {
    let Ok(files) = fs::read_dir(dir) else { return Ok(()) };
    for file in files {
        let path = file?.path();
        if path.extension().is_some_and(|end| end == "generating" || end == "in___motion") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(outcome) => outcome.map_err(StoreError::Sled),
        Err(_) => Err(StoreError::Panicked),
    }
}

impl Rows for SledRows {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if self.filter.is_absent(key) {
            return Ok(None);
        }
        let Some((_, block)) = self.block_of(key)? else { return Ok(None) };
        Ok(block::find(&block, key)?.map(<[u8]>::to_vec))
    }

    fn expect(&self, key: &[u8]) {
        self.filter.add(key);
    }

    fn is_absent(&self, key: &[u8]) -> bool {
        self.filter.is_absent(key)
    }

    fn scan(
        &self,
        (from, to): (&[u8], &[u8]),
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Scan,
    ) -> Result<(), StoreError> {
        if from >= to {
            return Ok(());
        }
        let first = self.block_of(from)?.map_or_else(|| vec![BLOCK], |(name, _)| name.to_vec());
        let range = (Bound::Included(first), Bound::Excluded(block_key(to)));
        let mut blocks = guarded(|| Ok(self.db.range::<Vec<u8>, _>(range)))?;
        // Blocks may be cut while this reads: a row that was seen already is not shown again.
        let mut last: Option<Vec<u8>> = None;
        // Only sled is guarded: what `visit` throws is the machine's.
        while let Some((_, block)) = guarded(|| match direction {
            Direction::Up => blocks.next().transpose(),
            Direction::Down => blocks.next_back().transpose(),
        })? {
            let mut rows = Reader::new(&block).collect::<Result<Vec<_>, _>>()?;
            rows.retain(|(key, _)| {
                let is_new = last.as_deref().is_none_or(|last| match direction {
                    Direction::Up => *key > last,
                    Direction::Down => *key < last,
                });
                from <= *key && *key < to && is_new
            });
            if direction == Direction::Down {
                rows.reverse();
            }
            for (key, value) in &rows {
                if visit(key, value) == Scan::Enough {
                    return Ok(());
                }
            }
            last = rows.last().map(|(key, _)| key.to_vec()).or(last);
        }
        Ok(())
    }

    fn write(&self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        for (key, value) in changes {
            if value.is_some() {
                self.filter.add(key);
            }
        }
        if changes.is_sorted_by(|(one, _), (next, _)| one < next) {
            return self.write_ordered(changes);
        }
        let ordered: BTreeMap<_, _> = changes.iter().copied().collect();
        self.write_ordered(&ordered.into_iter().collect::<Vec<_>>())
    }

    fn sync(&self) -> Result<(), StoreError> {
        guarded(|| self.db.flush())?;
        File::open(self.dir.join("db"))?.sync_data()?;
        Ok(File::open(&self.dir)?.sync_all()?)
    }

    fn disk_bytes(&self) -> u64 {
        self.db.size_on_disk().unwrap_or_default()
    }
}

/// Rows in memory.
#[derive(Default)]
pub(super) struct MemoryRows {
    rows: RwLock<Memory>,
}

impl Rows for MemoryRows {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.read().unwrap_or_else(PoisonError::into_inner).get(key))
    }

    fn expect(&self, _key: &[u8]) {}

    fn is_absent(&self, _key: &[u8]) -> bool {
        false
    }

    fn scan(
        &self,
        (from, to): (&[u8], &[u8]),
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Scan,
    ) -> Result<(), StoreError> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.scan(from, to, direction, visit);
        Ok(())
    }

    fn write(&self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        for (key, value) in changes {
            match value {
                Some(value) => batch.put(key.to_vec(), value.to_vec()),
                None => batch.remove(key.to_vec()),
            }
        }
        self.rows.write().unwrap_or_else(PoisonError::into_inner).write(batch);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}

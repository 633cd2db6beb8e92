//! Rows on disk and their twin in memory.

use std::{
    fs::{self, File},
    io,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
    thread,
    time::Duration,
};

use proto::store::{Batch, Direction, Memory, Scan, View};

use super::StoreError;

/// Rows in one sled batch; larger ones hold its readers up for longer and are no faster.
pub(super) const BATCH_ROWS: usize = 256;

/// Waiting for a file that was closed just now.
const LOCK_TRIES: u32 = 100;
const LOCK_TRY_AFTER: Duration = Duration::from_millis(20);

/// One change to a row.
pub(super) type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// Where rows are kept. Not consistent on its own: [`super::Store`] is.
pub(super) trait Rows: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
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

/// Rows in sled.
pub(super) struct SledRows {
    db: sled::Db,
    dir: PathBuf,
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
                Ok(db) => return Ok(Self { db, dir: dir.to_owned() }),
                // sled's own threads may hold the file a moment longer than whoever closed it just now.
                Err(error) if error.is_lock() && tries < LOCK_TRIES => {
                    tries += 1;
                    thread::park_timeout(LOCK_TRY_AFTER);
                }
                Err(error) => return Err(error),
            }
        }
    }
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
        guarded(|| Ok(self.db.get(key)?.map(|value| value.to_vec())))
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
        let mut rows = guarded(|| {
            Ok(self.db.range::<&[u8], _>((Bound::Included(from), Bound::Excluded(to))))
        })?;
        // Only sled is guarded: what `visit` throws is the machine's.
        while let Some((key, value)) = guarded(|| match direction {
            Direction::Up => rows.next().transpose(),
            Direction::Down => rows.next_back().transpose(),
        })? {
            if visit(&key, &value) == Scan::Enough {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        for some in changes.chunks(BATCH_ROWS) {
            let mut batch = sled::Batch::default();
            for (key, value) in some {
                match value {
                    Some(value) => batch.insert(*key, *value),
                    None => batch.remove(*key),
                }
            }
            guarded(|| self.db.apply_batch(batch))?;
        }
        Ok(())
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

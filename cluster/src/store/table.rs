//! Tables in memory over rows on disk, and the view of both.

use std::{panic::resume_unwind, sync::Arc};

use proto::store::{Batch, Direction, Overlay, Scan, View};

use super::{StoreError, Unreadable, cache::Cache, rows::Rows};

/// What a row costs in a table beside its bytes.
const ROW_OVERHEAD: usize = 64;

/// `active` hides `frozen` hides `rows`.
pub(super) struct Tables {
    pub(super) rows: Arc<dyn Rows>,
    active: Batch,
    active_bytes: usize,
    frozen: Option<Arc<Batch>>,
    frozen_bytes: usize,
}

impl Tables {
    pub(super) fn new(rows: Arc<dyn Rows>) -> Self {
        Self { rows, active: Batch::new(), active_bytes: 0, frozen: None, frozen_bytes: 0 }
    }

    /// Takes changes in; returns how large the tables are. Rows written twice count twice until they are flushed.
    ///
    /// Filter and cache follow at once: nobody reads meanwhile, so that they always tell what the tables would.
    pub(super) fn merge(&mut self, batch: Batch, cache: &Cache) -> usize {
        for (key, value) in batch.iter() {
            let value_bytes = value.map_or(0, <[u8]>::len);
            let bytes = key.len().saturating_add(value_bytes).saturating_add(ROW_OVERHEAD);
            self.active_bytes = self.active_bytes.saturating_add(bytes);
            if value.is_some() {
                self.rows.expect(key);
            }
            cache.refresh(key, value);
        }
        self.active.merge(batch);
        self.bytes()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.active_bytes.saturating_add(self.frozen_bytes)
    }

    /// Sets the active table aside for flushing.
    pub(super) fn freeze(&mut self) -> Option<Arc<Batch>> {
        if self.active.is_empty() {
            return None;
        }
        let frozen = Arc::new(std::mem::take(&mut self.active));
        self.frozen_bytes = std::mem::take(&mut self.active_bytes);
        self.frozen = Some(Arc::clone(&frozen));
        Some(frozen)
    }

    /// The frozen table is on disk.
    pub(super) fn thaw(&mut self) {
        self.frozen = None;
        self.frozen_bytes = 0;
    }
}

/// One state: the tables cannot change while it is held.
pub(super) struct TablesView<'a> {
    pub(super) tables: &'a Tables,
    pub(super) cache: &'a Cache,
}

/// A view cannot fail: whoever opened it catches this.
fn readable<T>(outcome: Result<T, StoreError>) -> T {
    match outcome {
        Ok(value) => value,
        Err(error) => {
            tracing::error!(%error, "stored rows do not read; the node must stop");
            resume_unwind(Box::new(Unreadable(error)))
        }
    }
}

/// Only what is on disk.
pub(super) struct RowsView<'a>(pub(super) &'a dyn Rows);

impl View for RowsView<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        readable(self.0.get(key))
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Scan,
    ) {
        readable(self.0.scan((from, to), direction, visit));
    }
}

impl View for TablesView<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let Tables { active, frozen, rows, .. } = self.tables;
        // Cheapest first: a search of a large table costs several times what filter and cache do.
        if rows.is_absent(key) {
            return None;
        }
        if let Some(value) = self.cache.get(key) {
            return value;
        }
        let change = active.change(key);
        let change = change.or_else(|| frozen.as_ref().and_then(|frozen| frozen.change(key)));
        let value = match change {
            Some(change) => change.map(<[u8]>::to_vec),
            None => readable(rows.get(key)),
        };
        self.cache.put(key, value.as_deref());
        value
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Scan,
    ) {
        let Tables { active, frozen, rows, .. } = self.tables;
        let rows = RowsView(&**rows);
        match frozen {
            Some(frozen) => {
                let base = Overlay { base: &rows, batch: frozen };
                Overlay { base: &base, batch: active }.scan(from, to, direction, visit);
            }
            None => Overlay { base: &rows, batch: active }.scan(from, to, direction, visit),
        }
    }
}

//! Allocations of the media thread alone. Counting is on for a window of its own, so that it costs the measured
//! processor time nothing.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use tracking_allocator::{AllocationGroupId, AllocationRegistry, AllocationTracker};

use super::MEDIA_THREADS;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Whether this thread is the one that is measured, once that was asked.
    static MEASURED: Cell<Option<bool>> = const { Cell::new(None) };
}

struct Tracker;

impl AllocationTracker for Tracker {
    fn allocated(&self, _: usize, _: usize, _: usize, _: AllocationGroupId) {
        if is_measured() {
            ALLOCATIONS.fetch_add(1, Relaxed);
        }
    }

    fn deallocated(
        &self,
        _: usize,
        _: usize,
        _: usize,
        _: AllocationGroupId,
        _: AllocationGroupId,
    ) {
    }
}

fn is_measured() -> bool {
    MEASURED.with(|measured| {
        measured.get().unwrap_or_else(|| {
            let thread = std::thread::current();
            let is = thread.name().is_some_and(|name| MEDIA_THREADS.contains(&name));
            measured.set(Some(is));
            is
        })
    })
}

/// Counts from now on; the media thread is running.
pub(crate) fn begin() {
    // Refused when there is one already: it is this one.
    let _ = AllocationRegistry::set_global_tracker(Tracker);
    ALLOCATIONS.store(0, Relaxed);
    AllocationRegistry::enable_tracking();
}

/// Stops counting; how many there were.
pub(crate) fn end() -> u64 {
    AllocationRegistry::disable_tracking();
    ALLOCATIONS.load(Relaxed)
}

//! How often forwarding allocates: the same runs as `forward`, with the system's allocator counted.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

mod support;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

fn main() {
    support::main(|| Some(ALLOCATOR.stats().allocations as u64));
}

//! What forwarding costs: processor time and allocations per forwarded packet, in memory and over UDP, beside a plain
//! loop around the same library.
//!
//! `cargo bench -p sfu-shard --bench forward -- --help` lists the options.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use mimalloc::MiMalloc;
use tracking_allocator::Allocator;

mod support;

/// The product's allocator; its calls are counted while [`support`] asks for it.
#[global_allocator]
static ALLOCATOR: Allocator<MiMalloc> = Allocator::from_allocator(MiMalloc);

fn main() {
    support::main();
}

//! What forwarding costs: processor time per forwarded packet over UDP, beside a plain loop around the same library.
//!
//! `cargo bench -p sfu-shard --bench forward -- --help` lists the options.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and stops at the first surprise"
)]

mod support;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    support::main(|| None);
}

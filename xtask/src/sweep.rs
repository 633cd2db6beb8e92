//! Simulations from many seeds, until one breaks something.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Args;

use crate::run::{cargo, run};

/// What to search, for how long, or which seed to repeat.
#[derive(Args)]
pub(crate) struct Sweep {
    /// What to simulate (chat, rooms, cluster); all in turn if none is named.
    #[arg(long)]
    what: Vec<String>,
    /// Runs this seed alone, and tells what happened in it.
    #[arg(long)]
    seed: Option<u64>,
    /// Searches for so long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Searches from a seed that nobody has tried, or repeats one.
///
/// # Errors
///
/// Something was found.
pub(crate) fn sweep(sweep: &Sweep) -> Result<()> {
    let mut cargo = cargo(&["run", "--quiet", "--locked", "--package", "chaos", "--"]);
    for what in &sweep.what {
        cargo.args(["--what", what]);
    }
    match sweep.seed {
        Some(seed) => cargo.args(["--seed", &seed.to_string()]),
        None => cargo.args(["--from", &fresh().to_string()]),
    };
    run(cargo.args(["--seconds", &sweep.seconds.to_string()]))
}

/// A seed of its own for every second.
#[expect(clippy::disallowed_methods, reason = "only where a search begins depends on it")]
fn fresh() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs().saturating_mul(100_000))
}

//! Simulations from many seeds, until one breaks something.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Args;

use crate::{
    needs::{self, For},
    run::{cargo, npm, run},
    up,
};

/// What to search, for how long, or which seed to repeat.
#[derive(Args)]
pub(crate) struct Sweep {
    /// What to simulate (chat, rooms, cluster); all in turn if none is named.
    #[arg(long)]
    what: Vec<String>,
    /// Breaks three real processes instead of simulated ones, by signals and by parting their networks.
    #[arg(long, conflicts_with = "what")]
    processes: bool,
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
    if sweep.processes {
        return processes(sweep);
    }
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

/// What breaks follows from the seed; when it does, and what the processes do meanwhile, does not.
fn processes(sweep: &Sweep) -> Result<()> {
    needs::packages(For::Test)?;
    needs::npm_packages("tests")?;
    let stoa = up::build(false)?;
    let mut npm = npm("tests", &["run", "--silent", "sweep"]);
    let seed = sweep.seed.unwrap_or_else(fresh);
    npm.env("SWEEP_SEED", seed.to_string()).env("SWEEP_SECONDS", sweep.seconds.to_string());
    run(npm.env("STOA", stoa))
}

/// A seed of its own for every second.
#[expect(clippy::disallowed_methods, reason = "only where a search begins depends on it")]
fn fresh() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs().saturating_mul(100_000))
}

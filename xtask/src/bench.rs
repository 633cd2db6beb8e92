//! Benchmarks, with machine and commit beside the figures.

use std::fs;

use anyhow::Result;
use clap::ValueEnum;

use crate::{
    needs::{self, For},
    run::{cargo, command, npm, output, run, say},
    up,
};

/// What to measure.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum What {
    /// CPU time and allocations per forwarded packet, in memory and over UDP, beside a plain str0m loop.
    Sfu,
    /// Time from join to the first decoded frame in Chromium.
    Join,
}

/// Measures.
pub(crate) fn bench(what: What, args: &[String]) -> Result<()> {
    say(&machine());
    match what {
        What::Sfu => sfu(args),
        What::Join => join(args),
    }
}

fn sfu(args: &[String]) -> Result<()> {
    for (package, bench) in [("sfu-core", "fanout"), ("sfu-shard", "forward")] {
        let mut cargo = cargo(&["bench", "--locked", "--package", package, "--bench", bench, "--"]);
        run(cargo.args(args))?;
    }
    Ok(())
}

fn join(args: &[String]) -> Result<()> {
    needs::packages(For::Test)?;
    needs::pages()?;
    needs::npm_packages("tests")?;
    let stoa = up::build(true)?;
    let mut bench = npm("tests", &["run", "--silent", "bench:join", "--"]);
    run(bench.args(args).env("STOA", stoa))
}

/// The commit, the processor and the kernel.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = info.lines().filter(|line| line.starts_with("model name")).collect();
    let model =
        models.first().and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown processor");
    let ask = |program, args: &[&str]| {
        output(&mut command(program, args))
            .map_or_else(|_| String::from("unknown"), |text| text.trim().into())
    };
    let commit = ask("git", &["describe", "--always", "--dirty"]);
    let kernel = ask("uname", &["-sr"]);
    format!("commit {commit}; {} x {model}; {kernel}", models.len())
}

//! Benchmarks, with machine and commit beside the figures.

use std::{fs, path::Path};

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
    /// Chat on one node and three: throughput, latencies, memory, fail-over, catching up, restart.
    Im,
}

/// Measures.
pub(crate) fn bench(what: What, args: &[String]) -> Result<()> {
    say(&machine());
    match what {
        What::Sfu => sfu(args),
        What::Join => join(args),
        What::Im => im(args),
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

/// Builds the program and the load generator for production and has the generator measure; it starts the nodes itself.
fn im(args: &[String]) -> Result<()> {
    let packages = ["--package", "node", "--package", "loadgen"];
    run(cargo(&["build", "--locked", "--release"]).args(packages))?;
    let stoa = up::stoa(true);
    let loadgen = Path::new(&stoa).with_file_name("stoa-loadgen");
    let mut bench = command(&loadgen.to_string_lossy(), &["bench-im", "--stoa", &stoa]);
    run(bench.args(args))
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

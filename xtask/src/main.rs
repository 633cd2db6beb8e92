//! All automation of the house. `cargo xtask --help` lists the commands; CI runs `cargo xtask test` and nothing else.
//!
//! - [`needs`]: what must be installed, why, and installing what is missing
//! - [`up`]: builds and runs one node with the demo page
//! - [`check`]: the steps that must pass before a change lands
//! - [`tidy`]: the rules of the house as tests
//! - [`errors`]: docs/errors.md from the error table
//! - [`mod@bench`]: benchmarks, with machine and commit beside the figures
//! - [`fuzz`]: searches for inputs that break a reader of bytes
//! - [`sweep`]: simulations from many seeds
//! - [`run`]: processes, their output and the clock

mod bench;
mod check;
mod errors;
mod fuzz;
mod needs;
mod run;
mod sweep;
mod tidy;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// All automation of the house.
#[derive(Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Installs what is missing, builds, and runs one node with the demo page on http://127.0.0.1:7880/.
    Up {
        /// Builds with optimisation for production instead of quickly.
        #[arg(long)]
        release: bool,
        /// Passed to `stoa serve --dev`.
        #[arg(last = true)]
        serve: Vec<String>,
    },
    /// Installs what is missing and runs every test that must pass before a change lands.
    Test {
        /// Runs only the steps with these names.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
    },
    /// The same as `test`.
    Ci,
    /// Proves the rules of the house: dependency edges, purity, budgets, dead files, generated documents.
    Tidy,
    /// Writes docs/errors.md from the error table.
    Errors,
    /// Formats everything, imports included.
    Fmt {
        /// Only tells whether something would change.
        #[arg(long)]
        check: bool,
    },
    /// Builds the documentation, warnings denied.
    Doc,
    /// Searches for inputs that break a fuzz target, from its corpus on, with libFuzzer.
    Fuzz {
        /// Which target; see fuzz/src/lib.rs.
        target: String,
        /// For how many seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Simulates faults from one seed after another until something breaks, and says how to repeat it.
    Sweep(sweep::Sweep),
    /// Measures.
    Bench {
        /// What.
        #[arg(value_enum)]
        what: bench::What,
        /// Passed to the benchmark.
        #[arg(last = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Up { release, serve } => up::up(release, &serve),
        Task::Test { only } => check::check(&only),
        Task::Ci => check::check(&[]),
        Task::Tidy => tidy::tidy(),
        Task::Errors => errors::write(),
        Task::Fmt { check } => run::run(&mut run::fmt(check)),
        Task::Doc => run::run(&mut run::doc()),
        Task::Fuzz { target, seconds } => fuzz::fuzz(&target, seconds),
        Task::Sweep(sweep) => sweep::sweep(&sweep),
        Task::Bench { what, args } => bench::bench(what, &args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

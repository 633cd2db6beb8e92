//! Searches for seeds that break something, or repeats one. `cargo xtask sweep` runs this.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use chaos::{
    fault::Fault,
    pure::{self, Calls, Chat, Replicated},
    sim,
};
use clap::{Parser, ValueEnum};

/// Commands of a run of a pure machine.
const COMMANDS: usize = 4_000;
/// Simulated time of a run of a cluster.
const CLUSTER_SECONDS: u64 = 40;

/// Searches for seeds that break something, or repeats one.
#[derive(Parser)]
struct Args {
    /// What to simulate; all in turn if none is named.
    #[arg(long, value_enum)]
    what: Vec<What>,
    /// Runs this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Begins with this seed.
    #[arg(long, default_value_t = 1_000)]
    from: u64,
    /// Searches for so long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Replicas of the chat machine.
    Chat,
    /// Replicas of the machine of rooms.
    Rooms,
    /// Whole nodes, links that break and disks that lose.
    Cluster,
}

impl What {
    const ALL: [Self; 3] = [Self::Chat, Self::Rooms, Self::Cluster];

    /// Runs a seed; tells what happened.
    fn run(self, seed: u64) -> Result<String, Fault> {
        match self {
            Self::Chat => replicas::<Chat>(seed),
            Self::Rooms => replicas::<Calls>(seed),
            Self::Cluster => {
                let report = sim::simulate(seed, CLUSTER_SECONDS, sim::Flaw::Nothing)?;
                Ok(format!("{report:?}"))
            }
        }
    }
}

fn replicas<M: Replicated>(seed: u64) -> Result<String, Fault> {
    pure::simulate::<M>(seed, COMMANDS).map(|report| format!("{report:?}"))
}

fn main() -> Result<()> {
    let args = Args::parse();
    let whats = if args.what.is_empty() { What::ALL.to_vec() } else { args.what };
    let begun = now();
    let until = Duration::from_secs(args.seconds);
    let mut runs = 0_u64;
    for seed in args.seed.unwrap_or(args.from).. {
        for what in &whats {
            let name = what.to_possible_value().map(|value| value.get_name().to_owned());
            let name = name.unwrap_or_default();
            match what.run(seed) {
                Ok(report) if args.seed.is_some() => say(&format!("{name}: {report}")),
                Ok(_) => runs += 1,
                Err(fault) => {
                    say(&format!("{name}, seed {seed}: {fault}"));
                    bail!("again: cargo xtask sweep --what {name} --seed {seed}");
                }
            }
        }
        if args.seed.is_some() || begun.elapsed() >= until {
            break;
        }
    }
    if args.seed.is_none() {
        say(&format!("{runs} runs from seed {}, nothing found", args.from));
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a search goes on is all that depends on it"
)]
fn now() -> Instant {
    Instant::now()
}

/// Prints a line. A closed output is nobody's concern.
fn say(line: &str) {
    let _closed = writeln!(io::stdout().lock(), "{line}");
}

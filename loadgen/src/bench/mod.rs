//! `stoa-loadgen bench-im`: starts nodes here, and measures what docs/performance.md tells of chat.
//!
//! Nodes are processes of the program as an operator starts them ([`node`]). Each part can be run alone.

mod catchup;
mod failover;
mod node;
mod parts;
mod restart;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::{chat::write_json, report};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Durable messages a second, one node and three, with 1, 64 and 1024 writers.
    Writes,
    /// The same at half of the rate that 1024 writers reached.
    Half,
    /// Memory of an idle connection.
    Idle,
    /// Deliveries a second in one live room.
    Live,
    /// The leader killed: until writes are acknowledged again.
    Failover,
    /// A device that was away.
    Catchup,
    /// A node killed and started again, and its rows made again.
    Restart,
}

impl Part {
    const ALL: [Self; 7] = [
        Self::Writes,
        Self::Half,
        Self::Idle,
        Self::Live,
        Self::Failover,
        Self::Catchup,
        Self::Restart,
    ];
}

/// Flags of `stoa-loadgen bench-im`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The program under test, best a release build.
    #[arg(long)]
    stoa: PathBuf,
    /// Where nodes keep their data: a folder on the disk that is to be measured. It is emptied of what this makes.
    #[arg(long, default_value = "target/bench-im")]
    data: PathBuf,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Only these cluster sizes, in the parts that have a choice.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 3])]
    nodes: Vec<u16>,
    /// Numbers of writers.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 1024])]
    writers: Vec<usize>,
    /// How long each row of writes is measured, in seconds.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Bytes of text in a message.
    #[arg(long, default_value_t = 100)]
    bytes: usize,
    /// Messages a second for the part `half`; 0: half of what 1024 writers reach.
    #[arg(long, default_value_t = 0.0)]
    half_rate: f64,
    /// Idle connections.
    #[arg(long, default_value_t = 15_000)]
    connections: usize,
    /// Connections in the live room; each number is a row.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 4_000, 8_000])]
    audience: Vec<usize>,
    /// How often the leader is killed.
    #[arg(long, default_value_t = 20)]
    kills: usize,
    /// Messages that a device has missed.
    #[arg(long, default_value_t = 6_000)]
    missed: usize,
    /// For how long messages are written before a node is started again, in seconds.
    #[arg(long, default_value_t = 60)]
    fill_seconds: u64,
    /// Where the results are written as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Args {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// Runs the command.
///
/// # Errors
/// A node does not start, or something of a part fails.
pub(crate) async fn command(args: Args) -> Result<()> {
    std::fs::create_dir_all(&args.data)
        .with_context(|| format!("cannot make {}", args.data.display()))?;
    let mut results = Map::new();
    for part in Part::ALL.into_iter().filter(|part| args.wants(*part)) {
        let name =
            part.to_possible_value().map_or_else(String::new, |value| value.get_name().into());
        report::say(&format!("\n## {name} (load before: {:.2})\n", report::load()));
        let result = match part {
            Part::Writes => parts::writes(&args).await,
            Part::Half => parts::half(&args, &results).await,
            Part::Idle => parts::idle(&args).await,
            Part::Live => parts::live(&args).await,
            Part::Failover => failover::failover(&args).await,
            Part::Catchup => catchup::catch_up(&args).await,
            Part::Restart => restart::restart(&args).await,
        };
        let result = result.with_context(|| format!("in the part {name}"))?;
        results.insert(name, result);
        // After each part, so that a later failure loses nothing.
        write_json(args.json.as_deref(), &Value::Object(results.clone()))?;
    }
    Ok(())
}

//! A load generator that knows only the public wire: docs/im.md, the chat schema, `/v1/` and `/metrics`.
//!
//! - [`chat`]: `stoa-loadgen chat`, writers, idle connections and audiences against nodes that run somewhere
//! - [`mod@bench`]: `stoa-loadgen bench-im`, which starts nodes here and measures what docs/performance.md tells of chat
//! - [`socket`], [`api`], [`token`], [`wire`]: the wire
//! - [`clock`], [`histogram`], [`own`], [`report`]: time, latencies, how tired the generator is, tables
//!
//! Calls and scenario files will be further subcommands beside `chat`.

mod api;
mod bench;
mod chat;
mod clock;
mod histogram;
mod own;
mod report;
mod socket;
mod token;
mod wire;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A load generator for Stoa.
#[derive(Parser)]
#[command(name = "stoa-loadgen", disable_help_subcommand = true)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Loads nodes that are running with chat.
    Chat(chat::Args),
    /// Starts nodes on this machine and measures chat on them.
    BenchIm(bench::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Chat(args) => chat::command(args).await,
        Task::BenchIm(args) => bench::command(args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

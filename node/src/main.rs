//! The program `stoa`: rooms, chat and live streams in one process.
//!
//! This crate composes: it reads the configuration, starts the media threads and the doors, and runs the control
//! loop that makes local action follow replicated state. It decides nothing that a pure crate could decide.
//!
//! Codemap: `config`; `wiring` start and stop; `control` the loop; `replica` the rooms as the loop sees them; `journal`
//! and `machine` the replicated log and what it runs;
//! `chat`; `admin` and `operate` what operators ask;
//! `telemetry` logs and figures; `token` access tokens on the command line; `mint` new ids; `clock`.

mod admin;
mod chat;
mod clock;
mod config;
mod control;
mod journal;
mod limits;
mod machine;
mod mint;
mod operate;
mod replica;
mod telemetry;
mod token;
mod wiring;

use std::{io::Write as _, net::IpAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use config::{Config, Flags};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// WebRTC rooms, instant messaging and live broadcasting in one program.
#[derive(Debug, Parser)]
#[command(name = "stoa", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node.
    Serve {
        /// Development mode: key `devkey`, secret `secret`, loopback only.
        #[arg(long)]
        dev: bool,
        /// Configuration file (TOML).
        #[arg(long, env = "STOA_CONFIG")]
        config: Option<PathBuf>,
        /// Directory of the node's files [default: ./stoa-data].
        #[arg(long)]
        data: Option<PathBuf>,
        /// HTTP port; every other port keeps its distance to it [default: 7880].
        #[arg(long)]
        port_base: Option<u16>,
        /// Address to listen on [default: 0.0.0.0; 127.0.0.1 with --dev].
        #[arg(long)]
        bind: Option<IpAddr>,
    },
    /// Make an access token.
    Token(token::Args),
    /// Write the state of a running node to a file.
    Backup(operate::Backup),
    /// Make a new node's data from a backup.
    Restore(operate::Restore),
    /// Make certificates, show nodes, add and remove them.
    #[command(subcommand)]
    Cluster(operate::Cluster),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may not have been started yet. If standard error is closed, nobody listens.
            let _ = writeln!(std::io::stderr(), "stoa: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve { dev, config, data, port_base, bind } => {
            let flags = Flags { dev, data, port_base, bind };
            let config = Config::load(config.as_deref(), flags)?;
            telemetry::start_log(&config.log)?;
            runtime()?.block_on(wiring::serve(config))
        }
        Command::Token(args) => token::print(&args),
        Command::Backup(backup) => runtime()?.block_on(backup.run()),
        Command::Restore(restore) => restore.run(),
        Command::Cluster(cluster) => runtime()?.block_on(cluster.run()),
    }
}

/// Threads for what may wait for a disk or hashes a password. A crowd that comes in at once would otherwise start hundreds, each
/// with a heap of its own: 130 MB of memory in all.
const BLOCKING_THREADS_MAX: usize = 32;

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build()
}

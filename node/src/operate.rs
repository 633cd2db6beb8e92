//! `stoa backup`, `stoa restore` and `stoa cluster`: what operators do to nodes, running or not.

use std::{
    fs::File,
    io::{BufReader, Write as _},
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use cluster::link::pki::Authority;
use gateway::auth::{Keys, Token};
use proto::id::NodeId;
use reqwest::{Method, Response};

use crate::{
    admin::{Newcomer, Status},
    clock::log_time,
    config::{Config, Flags},
    journal,
};

/// A token for one call is good for this long.
const TOKEN_LIVES_S: u64 = 600;

/// A running node, and the key to it.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The node's HTTP address [default: http://127.0.0.1 and the configured port].
    #[arg(long)]
    url: Option<String>,
    /// Configuration file with the API keys.
    #[arg(long, env = "STOA_CONFIG")]
    config: Option<PathBuf>,
    /// Use the development key.
    #[arg(long)]
    dev: bool,
}

/// `stoa backup`.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    target: Target,
    /// The file to write; it must not exist.
    file: PathBuf,
}

/// `stoa restore`.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup.
    file: PathBuf,
    /// Data directory of the new node; it must have no state.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Configuration file of the new node.
    #[arg(long, env = "STOA_CONFIG")]
    config: Option<PathBuf>,
    /// Use the development key.
    #[arg(long)]
    dev: bool,
}

/// `stoa cluster`.
#[derive(Debug, Subcommand)]
pub(crate) enum Cluster {
    /// Make the cluster's authority and a certificate for each node, or certificates for further nodes.
    Init {
        /// Folder of the authority; `node-N` in it is what node N needs.
        #[arg(long, default_value = "stoa-certificates")]
        out: PathBuf,
        /// Ids of the nodes.
        #[arg(long, value_delimiter = ',', default_value = "1,2,3")]
        nodes: Vec<u16>,
    },
    /// Show the nodes, who leads, and how far the asked node is.
    Status(Target),
    /// Make a node that was started with `cluster.join` part of the cluster; returns when it has caught up.
    Add {
        #[command(flatten)]
        target: Target,
        /// Its id.
        #[arg(long)]
        node: u16,
        /// Where other nodes reach it, `host:port` (UDP).
        #[arg(long)]
        address: String,
        /// Where clients are sent.
        #[arg(long, default_value = "")]
        http: String,
        /// It follows the log and has no vote.
        #[arg(long)]
        learner: bool,
    },
    /// Take a node out. Its id is not to be used again.
    Remove {
        #[command(flatten)]
        target: Target,
        /// Its id.
        #[arg(long)]
        node: u16,
    },
    /// Have the asked node hand leadership to another one.
    Drain(Target),
}

impl Backup {
    /// Writes the state of a running node to a file.
    ///
    /// # Errors
    /// The node does not answer or refuses, the disk fails, or the backup broke off.
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let mut answer = self.target.ask(Method::GET, "/v1/backup", None).await?;
        let part = self.file.with_extension("part");
        if self.file.exists() {
            bail!("{} exists", self.file.display());
        }
        let mut out = File::create(&part).with_context(|| format!("making {}", part.display()))?;
        let mut bytes = 0_u64;
        while let Some(piece) = answer.chunk().await.context("the backup broke off")? {
            out.write_all(&piece)?;
            bytes += piece.len() as u64;
        }
        out.sync_all()?;
        let index = cluster::verify(&part).context("the backup is cut")?;
        std::fs::rename(&part, &self.file)?;
        let upto = index.map_or_else(|| "nothing".to_owned(), |index| format!("entry {index}"));
        say(&format!("{}: {bytes} bytes, up to {upto}", self.file.display()))
    }
}

impl Restore {
    /// Makes a data directory from a backup.
    ///
    /// # Errors
    /// The directory has state, or the backup is damaged.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let flags = Flags { dev: self.dev, data: self.data.clone(), ..Flags::default() };
        let config = Config::load(self.config.as_deref(), flags)?;
        let backup =
            File::open(&self.file).with_context(|| format!("opening {}", self.file.display()))?;
        let (node, member) = (NodeId(config.cluster.node), journal::member(&config));
        let into = journal::directory(&config.data);
        cluster::restore(BufReader::new(backup), &into, node, member).context("restoring")?;
        say(&format!("{} is restored as node {}; start it", into.display(), node.0))
    }
}

impl Cluster {
    /// Does what was asked.
    ///
    /// # Errors
    /// The node does not answer or refuses, or certificates cannot be written.
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Init { out, nodes } => init(out, nodes),
            Self::Status(target) => {
                let answer = target.ask(Method::GET, "/v1/nodes", None).await?;
                show(&serde_json::from_slice(&answer.bytes().await?)?)
            }
            Self::Add { target, node, address, http, learner } => {
                let (address, http) = (address.clone(), http.clone());
                let newcomer = Newcomer { node: *node, address, http, learner: *learner };
                let body = serde_json::to_vec(&newcomer)?;
                target.ask(Method::POST, "/v1/nodes", Some(body)).await?;
                say(&format!("node {node} is part of the cluster"))
            }
            Self::Remove { target, node } => {
                target.ask(Method::DELETE, &format!("/v1/nodes/{node}"), None).await?;
                say(&format!("node {node} is no longer part of the cluster"))
            }
            Self::Drain(target) => {
                target.ask(Method::POST, "/v1/nodes/drain", None).await?;
                say("another node leads")
            }
        }
    }
}

fn init(out: &std::path::Path, nodes: &[u16]) -> anyhow::Result<()> {
    let authority = if out.join("ca.key").exists() {
        Authority::load(out)?
    } else {
        let authority = Authority::generate()?;
        authority.save(out)?;
        authority
    };
    for node in nodes {
        let dir = out.join(format!("node-{node}"));
        if dir.exists() {
            bail!("{} exists; remove it to make a new certificate", dir.display());
        }
        authority.issue_into(NodeId(*node), &dir)?;
        say(&format!("{}: for node {node}; set cluster.certificates to it", dir.display()))?;
    }
    say(&format!("keep {} away from the nodes: it makes new ones", out.join("ca.key").display()))
}

fn show(status: &Status) -> anyhow::Result<()> {
    for node in &status.nodes {
        let leads = if node.leads { "leads" } else { "" };
        say(&format!(
            "{:>5}  {:<8} {:<6} {:<24} {}",
            node.node, node.role, leads, node.address, node.http
        ))?;
    }
    let number =
        |index: Option<u64>| index.map_or_else(|| "-".to_owned(), |index| index.to_string());
    say(&format!(
        "seen by node {}: term {}, applied {} of {}, snapshot {}, log {} bytes, rows {} bytes",
        status.node,
        status.term,
        number(status.applied),
        number(status.last),
        number(status.snapshot),
        status.log_bytes,
        status.store_bytes
    ))
}

impl Target {
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> anyhow::Result<Response> {
        let flags = Flags { dev: self.dev, ..Flags::default() };
        let config = Config::load(self.config.as_deref(), flags)?;
        let keys: Keys = config.keys.clone().into_iter().collect();
        let token = Token {
            exp: Some(log_time().as_secs() + TOKEN_LIVES_S),
            other: [("nodeAdmin".to_owned(), true.into())].into(),
            ..Token::default()
        };
        let token = keys.sign(None, &token).context("signing the token")?;
        let here = || format!("http://127.0.0.1:{}", config.port_base);
        let url = self.url.clone().unwrap_or_else(here);
        let mut request = reqwest::Client::new()
            .request(method, format!("{}{path}", url.trim_end_matches('/')))
            .header("authorization", format!("Bearer {token}"));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let answer = request.send().await.with_context(|| format!("asking {url}"))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        bail!("{url} answered {status}: {}", answer.text().await.unwrap_or_default())
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

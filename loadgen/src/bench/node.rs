//! Processes of the program under test: one node by itself, or several of one cluster.

use std::{
    fs::{self, File},
    net::{TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tokio::time::{Duration, sleep};

use crate::{api::Api, clock, token::Key};

/// Distance between the ports of two nodes.
const PORTS_EACH: u16 = 20;
const FIRST_PORT: u16 = 21_000;
const LAST_PORT: u16 = 31_000;
/// Something that was asked for is there within this.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One process.
pub(crate) struct Node {
    stoa: PathBuf,
    folder: PathBuf,
    child: Option<Child>,
    pub(crate) api: Api,
    links: String,
}

/// Nodes that belong together; they end, and their data goes, when this is dropped.
pub(crate) struct Nodes {
    pub(crate) nodes: Vec<Node>,
    pub(crate) key: Key,
    _folder: TempDir,
}

/// Waits until a condition holds.
pub(crate) async fn until<F: Future<Output = bool>>(
    what: &str,
    mut holds: impl FnMut() -> F,
) -> Result<()> {
    let deadline = clock::now() + PATIENCE;
    while !holds().await {
        if clock::now() >= deadline {
            bail!("waited in vain for {what}");
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

impl Node {
    /// Starts the process.
    pub(crate) fn spawn(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.join("log"))?;
        let child = Command::new(&self.stoa)
            .args(["serve", "--config"])
            .arg(self.folder.join("stoa.toml"))
            .arg("--data")
            .arg(self.data())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.stoa.display()))?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until it takes new sessions.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        self.answers("/readyz").await
    }

    async fn answers(&mut self, path: &str) -> Result<()> {
        let deadline = clock::now() + PATIENCE;
        while !self.api.is_ok(path).await {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || clock::now() >= deadline {
                bail!("the node did not start: {}", self.log_tail());
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.kill();
    }
}

impl Nodes {
    /// Starts so many nodes, ready to serve.
    pub(crate) async fn start(stoa: &Path, data: &Path, count: u16) -> Result<Self> {
        let folder = tempfile::tempdir_in(data)?;
        let secret: String = "bench secret, long enough for anybody".into();
        let key = Key { name: "bench".into(), secret };
        let stoa = fs::canonicalize(stoa).with_context(|| format!("no {}", stoa.display()))?;
        let root = fs::canonicalize(folder.path())?;
        let certificates = root.join("certificates");
        if count > 1 {
            let ids: Vec<String> = (1..=count).map(|id| id.to_string()).collect();
            let made = Command::new(&stoa)
                .args(["cluster", "init", "--nodes", &ids.join(","), "--out"])
                .arg(&certificates)
                .output()?;
            if !made.status.success() {
                bail!("no certificates: {}", String::from_utf8_lossy(&made.stderr));
            }
        }
        let mut nodes = Vec::new();
        let mut port = FIRST_PORT;
        for id in 1..=count {
            port = free_port(port)?;
            let folder = root.join(id.to_string());
            fs::create_dir_all(&folder)?;
            let certificates = if count > 1 {
                certificates.join(format!("node-{id}")).display().to_string()
            } else {
                String::new()
            };
            fs::write(folder.join("stoa.toml"), config(id, port, &certificates, &key))?;
            let api = Api::new(&format!("http://127.0.0.1:{port}"), &key)?;
            let links = format!("127.0.0.1:{}", port + 10);
            nodes.push(Node { stoa: stoa.clone(), folder, child: None, api, links });
            port += PORTS_EACH;
        }
        let mut nodes = Self { nodes, key, _folder: folder };
        nodes.begin().await?;
        Ok(nodes)
    }

    async fn begin(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            node.spawn()?;
        }
        let Some((first, others)) = self.nodes.split_first_mut() else { return Ok(()) };
        first.ready().await?;
        for (id, node) in (2..).zip(others) {
            node.answers("/healthz").await?;
            first.api.add(id, &node.links).await?;
            node.ready().await?;
        }
        Ok(())
    }

    /// Where they listen.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.api.url.clone()).collect()
    }

    /// The number, from 0, of the node that leads, when all that run agree.
    pub(crate) async fn leader(&self) -> Result<usize> {
        let deadline = clock::now() + PATIENCE;
        loop {
            let mut seen = Vec::new();
            for node in self.nodes.iter().filter(|node| node.child.is_some()) {
                seen.push(node.api.status().await.ok().and_then(|status| status.leader));
            }
            if let Some(Some(leader)) = seen.first()
                && seen.iter().all(|one| *one == Some(*leader))
                && let Some(number) = usize::from(*leader).checked_sub(1)
            {
                return Ok(number);
            }
            if clock::now() >= deadline {
                bail!("the nodes do not agree who leads: {seen:?}");
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

fn config(id: u16, port: u16, certificates: &str, key: &Key) -> String {
    let (name, secret) = (&key.name, &key.secret);
    let join = id > 1;
    // The generator's few sockets stand for many people's.
    let bounds = ["frames", "sends", "pulls"];
    let bounds =
        bounds.map(|what| format!("{what}_per_second = 1000000\n{what}_burst = 1000000\n"));
    let limits = format!("[chat.limits]\n{}", bounds.concat());
    format!(
        "port_base = {port}\nbind = \"127.0.0.1\"\ndrain_s = 0\n[keys]\n{name} = \"{secret}\"\n[rtc]\nshards = 1\n\
         bind = \"127.0.0.1\"\nnode_ips = [\"127.0.0.1\"]\n[limit]\njoins_per_second = 1000000\n{limits}[log]\nlevel = \"warn\"\n\
         [cluster]\nnode = {id}\ncertificates = \"{certificates}\"\njoin = {join}\n"
    )
}

/// A port base from which a node's ports are free.
fn free_port(from: u16) -> Result<u16> {
    let is_free = |port: u16| {
        TcpListener::bind(("127.0.0.1", port)).is_ok()
            && TcpListener::bind(("127.0.0.1", port + 1)).is_ok()
            && UdpSocket::bind(("127.0.0.1", port + 2)).is_ok()
            && UdpSocket::bind(("127.0.0.1", port + 10)).is_ok()
    };
    let mut ports = (from..LAST_PORT).step_by(usize::from(PORTS_EACH));
    ports.find(|port| is_free(*port)).context("no free ports")
}

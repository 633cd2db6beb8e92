//! The node's end of the log: starts it, and sorts what it applies to those who follow.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cluster::{Event, Events, Handle, Link, Member, Start, link::pki::Identity};
use gateway::node::Refusal;
use proto::{
    error::{ErrorCode, Retry},
    id::NodeId,
    im,
    room::Command,
    time::LogTime,
};
use tokio::sync::mpsc;

use crate::{
    config::Config,
    machine::{House, Outcome},
};

/// News that may wait for each follower; applying waits beyond.
const NEWS_MAX: usize = 4_096;
/// Set in the tags of chat, so that both followers may count their tickets from zero.
const CHAT_TAG: u64 = 1 << 63;
/// A refused client that may try again waits this long.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_millis(500);

/// What the follower of the rooms is told.
#[derive(Debug)]
pub(crate) enum RoomNews {
    /// A command was applied.
    Applied {
        /// How many there were, this one included.
        count: u64,
        /// When, by the log's clock.
        at: LogTime,
        /// The tag, on the node that proposed it.
        tag: Option<u64>,
        /// The command.
        command: Box<Command>,
    },
    /// A command of this node has no outcome.
    Refused {
        /// The tag it was proposed under.
        tag: u64,
        /// Why, and what to do.
        refusal: Refusal,
    },
    /// The rows were replaced.
    Restored,
}

/// What the follower of chat is told.
#[derive(Debug)]
pub(crate) enum ChatNews {
    /// A command was applied.
    Applied {
        /// The tag, on the node that proposed it.
        tag: Option<u64>,
        /// What came of it.
        result: Result<im::Outcome, im::Reject>,
    },
    /// A command of this node has no outcome.
    Refused {
        /// The tag it was proposed under.
        tag: u64,
        /// Why.
        refusal: cluster::Refusal,
    },
    /// The rows were replaced.
    Restored,
}

/// The tag under which chat proposes its nth command.
pub(crate) const fn chat_tag(count: u64) -> u64 {
    count | CHAT_TAG
}

/// A started log and what comes out of it.
pub(crate) struct Journal {
    /// The node's cluster.
    pub(crate) log: Handle,
    /// For the control loop.
    pub(crate) rooms: mpsc::Receiver<RoomNews>,
    /// For chat.
    pub(crate) chat: mpsc::Receiver<ChatNews>,
}

/// Starts the log.
///
/// # Errors
/// The data directory is in use, damaged, or of another node; or a port is taken.
pub(crate) async fn start(config: cluster::Config) -> anyhow::Result<Journal> {
    let (log, events) = cluster::start(config, House::default()).await?;
    let (rooms_out, rooms) = mpsc::channel(NEWS_MAX);
    let (chat_out, chat) = mpsc::channel(NEWS_MAX);
    tokio::spawn(sort(events, rooms_out, chat_out));
    Ok(Journal { log, rooms, chat })
}

/// The directory of the log within the node's.
pub(crate) fn directory(data: &Path) -> PathBuf {
    data.join("cluster")
}

/// How this node takes part in the log.
///
/// # Errors
/// Its certificates do not read.
pub(crate) fn config(config: &Config) -> anyhow::Result<cluster::Config> {
    let node = NodeId(config.cluster.node);
    let alone = cluster::Config::alone(node, directory(&config.data));
    let certificates = &config.cluster.certificates;
    if certificates.as_os_str().is_empty() {
        return Ok(alone);
    }
    let identity = Identity::load(certificates)
        .with_context(|| format!("reading the certificates in {}", certificates.display()))?;
    let listen = config.links();
    Ok(cluster::Config {
        member: member(config),
        start: if config.cluster.join { Start::Join } else { Start::Bootstrap },
        link: Link::Quic { listen, identity: Box::new(identity) },
        ..alone
    })
}

/// Where others find this node.
pub(crate) fn member(config: &Config) -> Member {
    let or = |text: &str, other: String| if text.is_empty() { other } else { text.to_owned() };
    Member {
        address: or(&config.cluster.address, config.links().to_string()),
        http: or(&config.cluster.http, format!("http://{}", config.http())),
    }
}

async fn sort(
    mut events: Events<Outcome>,
    rooms: mpsc::Sender<RoomNews>,
    chat: mpsc::Sender<ChatNews>,
) {
    while let Some(event) = events.next().await {
        // A follower that is gone needs no news: the node is stopping.
        let _ = match event {
            Event::Applied(applied) => match applied.outcome {
                Outcome::Room { count, command } => {
                    let (at, tag) = (applied.at, applied.tag);
                    rooms.send(RoomNews::Applied { count, at, tag, command }).await.is_ok()
                }
                Outcome::Chat(result) => {
                    let tag = applied.tag.map(|tag| tag & !CHAT_TAG);
                    chat.send(ChatNews::Applied { tag, result }).await.is_ok()
                }
                Outcome::Unreadable => {
                    tracing::error!(
                        index = applied.index,
                        "an entry of the log is of a later program; upgrade this node"
                    );
                    true
                }
            },
            Event::Refused { tag, refusal } if tag & CHAT_TAG != 0 => {
                let tag = tag & !CHAT_TAG;
                chat.send(ChatNews::Refused { tag, refusal }).await.is_ok()
            }
            Event::Refused { tag, refusal: why } => {
                rooms.send(RoomNews::Refused { tag, refusal: refusal(&why) }).await.is_ok()
            }
            Event::Restored { .. } => {
                rooms.send(RoomNews::Restored).await.is_ok()
                    && chat.send(ChatNews::Restored).await.is_ok()
            }
        };
    }
}

/// A refusal of the log as the doors show it.
pub(crate) fn refusal(refusal: &cluster::Refusal) -> Refusal {
    let code = match refusal {
        cluster::Refusal::TooLarge { .. } => ErrorCode::RequestTooLarge,
        cluster::Refusal::Stopping => ErrorCode::NodeDraining,
        cluster::Refusal::NoLeader => ErrorCode::NoLeader,
        cluster::Refusal::Unknown => ErrorCode::OutcomeUnknown,
        cluster::Refusal::Overloaded => ErrorCode::NodeOverloaded,
    };
    let retry = match refusal {
        cluster::Refusal::TooLarge { .. } => Retry::Never,
        cluster::Refusal::Stopping
        | cluster::Refusal::NoLeader
        | cluster::Refusal::Unknown
        | cluster::Refusal::Overloaded => Retry::After(RETRY_AFTER),
    };
    Refusal { code, message: refusal.to_string(), retry }
}

//! What other nodes ask of this one.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::FuturesOrdered};
use openraft::{
    ReadPolicy, Snapshot,
    errors::ClientWriteError,
    impls::ProgressResponder,
    raft::{AppendEntriesRequest, ClientWriteResult},
    vote::leader_id_adv::LeaderId,
};
use proto::id::NodeId;
use tokio::{
    io::AsyncWriteExt,
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{
    Raft,
    snapshot::{Header, SnapshotFile, Snapshots},
    types::{Commands, RaftVote, Types},
};
use crate::{
    clock,
    link::{
        Incoming, LinkError, Stream,
        channel::Channels,
        wire::{self, FrameReceiver, FrameSender, Service},
    },
    membership::{self, Administrator},
    pending::Leadership,
    store::frame::FrameReader,
};

/// Frames read ahead of what consensus has taken.
const READ_AHEAD: usize = 64;
/// Streams served at once.
const STREAMS_MAX: usize = 4096;

/// Answers other nodes.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) raft: Raft,
    pub(crate) snapshots: Snapshots,
    pub(crate) channels: Arc<Channels>,
    pub(crate) administrator: Administrator,
    pub(crate) received: Arc<AtomicU64>,
}

impl Server {
    /// Serves streams until the transport ends. Dropping it drops them.
    pub(crate) async fn run(self, mut incoming: Incoming) {
        let mut streams = JoinSet::new();
        loop {
            tokio::select! {
                opened = incoming.recv() => match opened {
                    Some((from, stream)) if streams.len() < STREAMS_MAX => {
                        let server = self.clone();
                        streams.spawn(async move {
                            if let Err(error) = server.serve(from, stream).await {
                                tracing::debug!(node = from.0, %error, "a stream ended early");
                            }
                        });
                    }
                    Some((from, _)) => tracing::warn!(node = from.0, "too many streams"),
                    None => return,
                },
                Some(_) = streams.join_next() => {}
            }
        }
    }

    async fn serve(&self, from: NodeId, stream: Stream) -> Result<(), LinkError> {
        let (service, sender, mut receiver) = wire::accept(stream).await?;
        let raft = &self.raft;
        match service {
            Service::Append => return self.append(sender, receiver).await,
            Service::Propose => return self.propose(sender, receiver).await,
            Service::Snapshot => return self.snapshot(sender, receiver).await,
            Service::Channel => return self.channels.serve(from, receiver).await,
            Service::Vote => {
                let Some(asked) = receiver.receive_value().await? else { return Ok(()) };
                answer(sender, raft.vote(asked).await).await
            }
            Service::PreVote => {
                let Some(asked) = receiver.receive_value().await? else { return Ok(()) };
                answer(sender, raft.pre_vote(asked).await).await
            }
            Service::Heartbeat => {
                let Some(asked) = receiver.receive_value().await? else { return Ok(()) };
                answer(sender, raft.append_entries(asked).await).await
            }
            Service::TransferLeader => {
                let Some(asked) = receiver.receive_value().await? else { return Ok(()) };
                answer(sender, raft.handle_transfer_leader(asked).await).await
            }
            Service::ReadIndex => {
                let Some(()) = receiver.receive_value().await? else { return Ok(()) };
                answer(sender, Ok::<_, LinkError>(read_index(raft).await)).await
            }
            Service::Admin => {
                let Some(asked) = receiver.receive_value::<membership::Change>().await? else {
                    return Ok(());
                };
                answer(sender, Ok::<_, LinkError>(self.administrator.change(asked).await)).await
            }
        }
    }

    async fn append(
        &self,
        mut sender: FrameSender,
        receiver: FrameReceiver,
    ) -> Result<(), LinkError> {
        let requests = stream::unfold(receiver, async |mut receiver| {
            let request = receiver.receive_value::<AppendEntriesRequest<Types>>().await;
            request.ok().flatten().map(|request| (request, receiver))
        });
        let mut answers = std::pin::pin!(self.raft.stream_append(requests));
        while let Some(Ok(answer)) = answers.next().await {
            sender.send_value(&answer).await?;
        }
        sender.finish().await
    }

    async fn snapshot(
        &self,
        mut sender: FrameSender,
        mut receiver: FrameReceiver,
    ) -> Result<(), LinkError> {
        let Some(vote) = receiver.receive_value::<RaftVote>().await? else { return Ok(()) };
        let number = self.received.fetch_add(1, Ordering::Relaxed);
        let path = self.snapshots.unfinished(&format!("received-{number}"));
        // A transfer that breaks off leaves nothing: a link that comes and goes must not fill the disk.
        let mut unfinished = Unfinished(Some(path.clone()));
        receive_file(&mut receiver, &path).await?;
        let (_, header) = FrameReader::begin::<Header>(BufReader::new(File::open(&path)?))?;
        // From here on it is consensus' file, even if this stream ends.
        unfinished.0 = None;
        let snapshot = Snapshot { meta: header.meta(), snapshot: SnapshotFile { path } };
        match self.raft.install_full_snapshot(vote, snapshot).await {
            Ok(installed) => sender.send_value(&installed).await?,
            Err(error) => return Err(std::io::Error::other(error.to_string()).into()),
        }
        sender.finish().await
    }

    /// Takes batches for one leadership of this node. Answers only with the numbers of batches that were not taken; after
    /// the first of them no later one is taken, so that they can be sent again in order.
    async fn propose(
        &self,
        mut sender: FrameSender,
        mut receiver: FrameReceiver,
    ) -> Result<(), LinkError> {
        let Some(leadership) = receiver.receive_value::<Leadership>().await? else {
            return Ok(());
        };
        let leader = LeaderId { term: leadership.term, node_id: leadership.node };
        let mut frames = read_ahead(receiver);
        let mut answers = FuturesOrdered::new();
        let mut refusing = false;
        let mut reading = true;
        while reading || !answers.is_empty() {
            tokio::select! {
                frame = frames.recv(), if reading => {
                    let Some(batch) = frame else { reading = false; continue };
                    let number = batch_number(&batch);
                    if refusing {
                        sender.send_value(&number).await?;
                        continue;
                    }
                    let (responder, answer) = ProgressResponder::complete_only();
                    let commands = Commands { at: clock::unix_ms(), batch };
                    let written = self.raft.write(commands).with_leader(leader);
                    let written = written.responder(responder).await;
                    written.map_err(|error| std::io::Error::other(error.to_string()))?;
                    answers.push_back(async move { (number, taken(answer).await) });
                }
                Some((number, taken)) = answers.next() => {
                    if !taken {
                        refusing = true;
                        sender.send_value(&number).await?;
                    }
                }
            }
        }
        sender.finish().await
    }
}

/// A file that is removed unless it was finished.
struct Unfinished(Option<PathBuf>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // What stays is removed when the node starts again.
            let _stays = std::fs::remove_file(path);
        }
    }
}

/// Writes the pieces of a stream, up to an empty one, to a file that is durable then.
async fn receive_file(receiver: &mut FrameReceiver, path: &Path) -> Result<(), LinkError> {
    let mut file = tokio::fs::File::create(path).await?;
    loop {
        let piece = receiver.receive().await?;
        let piece = piece.ok_or(std::io::ErrorKind::UnexpectedEof);
        let piece = piece.map_err(std::io::Error::from)?;
        if piece.is_empty() {
            return Ok(file.sync_all().await?);
        }
        file.write_all(&piece).await?;
    }
}

/// False when a batch is certainly in no log.
async fn taken(answer: oneshot::Receiver<ClientWriteResult<Types>>) -> bool {
    match answer.await {
        Ok(Err(ClientWriteError::ForwardToLeader(_))) => false,
        // Whether it is applied, the log of the proposer will show.
        Ok(_) | Err(_) => true,
    }
}

/// The number in a batch's origin, see [`Commands::encode`].
fn batch_number(batch: &Bytes) -> u64 {
    let number = batch.get(10..18).and_then(|number| number.first_chunk());
    number.map_or(u64::MAX, |number| u64::from_le_bytes(*number))
}

/// Reads frames in a task, because half a frame must not be lost when something else happens first.
fn read_ahead(mut receiver: FrameReceiver) -> mpsc::Receiver<Bytes> {
    let (sender, frames) = mpsc::channel(READ_AHEAD);
    tokio::spawn(async move {
        while let Ok(Some(frame)) = receiver.receive().await {
            if sender.send(frame).await.is_err() {
                return;
            }
        }
    });
    frames
}

/// The index up to which a linearizable read must have applied; `None` when this node does not lead.
pub(crate) async fn read_index(raft: &Raft) -> Option<u64> {
    let linearizer = raft.get_read_linearizer(ReadPolicy::ReadIndex).await.ok()?;
    Some(linearizer.read_log_id().index())
}

async fn answer<A: serde::Serialize, E: std::fmt::Display>(
    mut sender: FrameSender,
    outcome: Result<A, E>,
) -> Result<(), LinkError> {
    match outcome {
        Ok(answer) => {
            sender.send_value(&answer).await?;
            sender.finish().await
        }
        Err(error) => Err(std::io::Error::other(error.to_string()).into()),
    }
}

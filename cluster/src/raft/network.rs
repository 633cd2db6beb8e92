//! openraft's calls to other nodes.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use openraft::{
    OptionalSend, RaftNetworkFactory, RaftNetworkV2, Snapshot,
    base::{BoxFuture, BoxStream},
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::RPCOption,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use tokio::{fs::File, io::AsyncReadExt, task::AbortHandle, time::timeout};

use super::{
    snapshot::SnapshotFile,
    types::{RaftVote, Types},
};
use crate::{
    link::{Lane, LinkError, wire::Service},
    links::Links,
    member::Member,
};

/// Snapshots are sent in pieces of this size.
const PIECE_BYTES: usize = 1 << 20;
/// A node that takes no piece of a snapshot for this long is given up.
const PIECE_TIMEOUT: Duration = Duration::from_secs(20);
/// Installing a snapshot may take this long after its last byte.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(600);
/// Waiting for a stream to open.
const OPEN_TIMEOUT: Duration = Duration::from_secs(1);

type CommittedLeader = openraft::type_config::alias::CommittedLeaderIdOf<Types>;

/// Makes clients.
pub(crate) struct Network {
    pub(crate) links: Arc<Links>,
}

/// Speaks to one node.
pub(crate) struct Client {
    links: Arc<Links>,
    target: u64,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: u64, _node: &Member) -> Client {
        Client { links: Arc::clone(&self.links), target }
    }
}

fn rpc_error(error: LinkError) -> RPCError<Types> {
    match error {
        // Back off: there is no connection.
        LinkError::UnknownNode(_) | LinkError::Unreachable { .. } | LinkError::Timeout => {
            RPCError::Unreachable(Unreachable::new(&error))
        }
        LinkError::Broken(_) | LinkError::Malformed(_) => {
            RPCError::Network(NetworkError::new(&error))
        }
    }
}

/// Ends a task when what needs it is dropped.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Client {
    async fn call<Q: serde::Serialize, A: serde::de::DeserializeOwned>(
        &self,
        service: Service,
        question: &Q,
        option: &RPCOption,
    ) -> Result<A, RPCError<Types>> {
        let patience = option.hard_ttl();
        self.links.call(self.target, service, question, patience).await.map_err(rpc_error)
    }

    async fn send_snapshot(
        &self,
        vote: RaftVote,
        file: SnapshotFile,
    ) -> Result<SnapshotResponse<Types>, LinkError> {
        let mut file = File::open(&file.path).await?;
        let (mut sender, mut receiver) =
            self.links.begin(self.target, Lane::Bulk, Service::Snapshot).await?;
        sender.send_value(&vote).await?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let length = file.read(&mut piece).await?;
            let Some(piece) = piece.get(..length).filter(|piece| !piece.is_empty()) else { break };
            let sent = timeout(PIECE_TIMEOUT, sender.send(&[piece])).await;
            sent.map_err(|_| LinkError::Timeout)??;
        }
        // An empty frame is the end: a stream that breaks is not.
        sender.send(&[]).await?;
        let answer = timeout(INSTALL_TIMEOUT, receiver.receive_value()).await;
        let answer = answer.map_err(|_| LinkError::Timeout)??;
        answer.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())
    }
}

impl RaftNetworkV2<Types> for Client {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        self.call(Service::Heartbeat, &rpc, &option).await
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<
        's,
        Result<BoxStream<'s, Result<StreamAppendResult<Types>, RPCError<Types>>>, RPCError<Types>>,
    >
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            let begun = self.links.begin(self.target, Lane::Main, Service::Append);
            let begun = timeout(OPEN_TIMEOUT, begun).await.unwrap_or(Err(LinkError::Timeout));
            let (mut sender, receiver) = begun.map_err(rpc_error)?;
            let mut input = input;
            let writer = tokio::spawn(async move {
                while let Some(request) = input.next().await {
                    sender.send_value(&request).await?;
                }
                sender.finish().await
            });
            let guard = AbortOnDrop(writer.abort_handle());
            let answers = stream::unfold(Some((receiver, guard)), async |open| {
                let (mut receiver, guard) = open?;
                match receiver.receive_value().await {
                    Ok(Some(answer)) => Some((Ok(answer), Some((receiver, guard)))),
                    Ok(None) => None,
                    Err(error) => Some((Err(rpc_error(error)), None)),
                }
            });
            let answers: BoxStream<'s, _> = Box::pin(answers);
            Ok(answers)
        })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.call(Service::Vote, &rpc, &option).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.call(Service::PreVote, &rpc, &option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: RaftVote,
        snapshot: Snapshot<CommittedLeader, u64, Member, SnapshotFile>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            closed = cancel => Err(closed.into()),
            sent = self.send_snapshot(vote, snapshot.snapshot) => {
                sent.map_err(|error| rpc_error(error).into())
            }
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        self.call(Service::TransferLeader, &req, &option).await
    }
}

//! What operators ask of the cluster by HTTP: `/v1/nodes` and `/v1/backup`, with a token that has the claim `nodeAdmin`.

use std::{
    io::{self, Write},
    sync::Arc,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use cluster::{ChangeError, Handle, Member, Role};
use gateway::{
    Error,
    auth::{AuthError, Keys},
    node::Refusal,
};
use proto::{
    error::{ErrorCode, Retry},
    id::NodeId,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::clock::log_time;

/// Pieces of a backup that wait for a slow reader.
const PIECES_MAX: usize = 8;
/// Bytes of one piece.
const PIECE_BYTES: usize = 1 << 18;
/// After this long a refused change may be tried again.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

struct Admin {
    log: Handle,
    keys: Keys,
}

type Shared = State<Arc<Admin>>;

/// A node that is to become part of the cluster.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Newcomer {
    /// Its id.
    pub(crate) node: u16,
    /// Where other nodes reach it, `host:port`.
    pub(crate) address: String,
    /// Where clients are sent.
    #[serde(default)]
    pub(crate) http: String,
    /// It follows the log and has no vote.
    #[serde(default)]
    pub(crate) learner: bool,
}

/// One node, as operators see it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Node {
    /// Its id.
    pub(crate) node: u16,
    /// Where other nodes reach it.
    pub(crate) address: String,
    /// Where clients are sent.
    pub(crate) http: String,
    /// `voter` or `learner`.
    pub(crate) role: String,
    /// It leads.
    pub(crate) leads: bool,
}

/// The cluster, as one node sees it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// The node that answers.
    pub(crate) node: u16,
    /// Who leads, if it knows.
    pub(crate) leader: Option<u16>,
    /// The term of the leader.
    pub(crate) term: u64,
    /// Last entry in its log.
    pub(crate) last: Option<u64>,
    /// Last entry it has applied.
    pub(crate) applied: Option<u64>,
    /// Last entry in its snapshot.
    pub(crate) snapshot: Option<u64>,
    /// Bytes of its log on disk.
    pub(crate) log_bytes: u64,
    /// Bytes of its rows on disk.
    pub(crate) store_bytes: u64,
    /// Every node.
    pub(crate) nodes: Vec<Node>,
}

/// The routes.
pub(crate) fn router(log: Handle, keys: Keys) -> Router {
    Router::new()
        .route("/v1/nodes", get(nodes).post(add))
        .route("/v1/nodes/drain", post(drain))
        .route("/v1/nodes/{node}", delete(remove))
        .route("/v1/backup", get(backup))
        .with_state(Arc::new(Admin { log, keys }))
}

impl Admin {
    fn check(&self, headers: &HeaderMap) -> Result<(), Error> {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = bearer.and_then(|value| value.strip_prefix("Bearer "));
        let claims = self.keys.verify(token.ok_or(AuthError::Missing)?, log_time().as_secs())?;
        let flag = claims.token.other.get("nodeAdmin").and_then(serde_json::Value::as_bool);
        if flag == Some(true) { Ok(()) } else { Err(Error::GrantMissing("nodeAdmin")) }
    }
}

async fn nodes(State(admin): Shared, headers: HeaderMap) -> Result<Json<Status>, Error> {
    admin.check(&headers)?;
    let status = admin.log.status();
    let node = |(id, (member, role)): (NodeId, (Member, Role))| Node {
        node: id.0,
        address: member.address,
        http: member.http,
        role: match role {
            Role::Voter => "voter".to_owned(),
            Role::Learner => "learner".to_owned(),
        },
        leads: status.leader == Some(id),
    };
    Ok(Json(Status {
        node: status.node.0,
        leader: status.leader.map(|leader| leader.0),
        term: status.term,
        last: status.last,
        applied: status.applied,
        snapshot: status.snapshot,
        log_bytes: status.disk_bytes.0,
        store_bytes: status.disk_bytes.1,
        nodes: status.nodes.into_iter().map(node).collect(),
    }))
}

async fn add(State(admin): Shared, headers: HeaderMap, body: Bytes) -> Result<StatusCode, Error> {
    admin.check(&headers)?;
    let newcomer: Newcomer = serde_json::from_slice(&body)
        .map_err(|error| refused(ErrorCode::MalformedRequest, error.to_string(), Retry::Never))?;
    let member = Member { address: newcomer.address, http: newcomer.http };
    let role = if newcomer.learner { Role::Learner } else { Role::Voter };
    admin.log.add(NodeId(newcomer.node), member, role).await.map_err(unchanged)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    State(admin): Shared,
    headers: HeaderMap,
    Path(node): Path<u16>,
) -> Result<StatusCode, Error> {
    admin.check(&headers)?;
    admin.log.remove(NodeId(node)).await.map_err(unchanged)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn drain(State(admin): Shared, headers: HeaderMap) -> Result<StatusCode, Error> {
    admin.check(&headers)?;
    admin.log.drain().await.map_err(unchanged)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A backup as it is written. One that breaks off does not restore: it has no end.
async fn backup(State(admin): Shared, headers: HeaderMap) -> Result<Response, Error> {
    admin.check(&headers)?;
    let (pieces, stream) = mpsc::channel(PIECES_MAX);
    tokio::task::spawn_blocking(move || {
        let mut out = Pieces { pieces: pieces.clone(), piece: Vec::new() };
        let written = admin.log.snapshot_to(&mut out).map_err(io::Error::other);
        if let Err(error) = written.and_then(|()| out.flush()) {
            tracing::warn!(%error, "a backup broke off");
            // The reader sees a cut body instead of an end.
            let _ = pieces.blocking_send(Err(error));
        }
    });
    let body = futures_util::stream::unfold(stream, |mut stream| async move {
        stream.recv().await.map(|piece| (piece, stream))
    });
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::from_stream(body)).into_response())
}

/// A writer that hands pieces to a body.
struct Pieces {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        self.pieces.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn unchanged(error: ChangeError) -> Error {
    match error {
        ChangeError::NoLeader => {
            refused(ErrorCode::NoLeader, error.to_string(), Retry::After(RETRY_AFTER))
        }
        error => refused(ErrorCode::ClusterUnchanged, error.to_string(), Retry::Never),
    }
}

fn refused(code: ErrorCode, message: String, retry: Retry) -> Error {
    Error::Refused(Refusal { code, message, retry })
}

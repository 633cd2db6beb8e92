//! What operators ask of the cluster by HTTP: `/v1/nodes` and `/v1/backup`, with a token that has the claim `nodeAdmin`.

use std::{
    fs::File,
    io::{self, BufWriter, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
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
use tokio::io::AsyncReadExt as _;

use crate::clock::log_time;

/// Bytes of one piece.
const PIECE_BYTES: usize = 1 << 18;
/// After this long a refused change may be tried again.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

struct Admin {
    log: Handle,
    /// Where a backup lies while it is sent.
    data: PathBuf,
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
    /// The node that answers has a link to it, or is it.
    #[serde(default)]
    pub(crate) linked: bool,
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
pub(crate) fn router(log: Handle, data: PathBuf, keys: Keys) -> Router {
    Router::new()
        .route("/v1/nodes", get(nodes).post(add))
        .route("/v1/nodes/drain", post(drain))
        .route("/v1/nodes/{node}", delete(remove))
        .route("/v1/backup", get(backup))
        .with_state(Arc::new(Admin { log, data, keys }))
}

impl Admin {
    fn check(&self, headers: &HeaderMap) -> Result<(), Error> {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = bearer.and_then(|value| value.strip_prefix("Bearer "));
        let claims = self.keys.verify(token.ok_or(AuthError::Missing)?, log_time().as_secs())?;
        let flag = claims.token.other.get("nodeAdmin").and_then(serde_json::Value::as_bool);
        if flag == Some(true) { Ok(()) } else { Err(Error::GrantMissing("nodeAdmin")) }
    }

    /// Writes a backup to a file without a name, at its beginning again.
    fn write_backup(&self) -> anyhow::Result<File> {
        let mut file = tempfile::tempfile_in(&self.data)?;
        let mut out = BufWriter::new(&mut file);
        self.log.snapshot_to(&mut out)?;
        out.flush()?;
        drop(out);
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

async fn nodes(State(admin): Shared, headers: HeaderMap) -> Result<Json<Status>, Error> {
    admin.check(&headers)?;
    let status = admin.log.status();
    let peers = admin.log.peers().borrow().clone();
    let node = |(id, (member, role)): (NodeId, (Member, Role))| Node {
        node: id.0,
        address: member.address,
        http: member.http,
        role: match role {
            Role::Voter => "voter".to_owned(),
            Role::Learner => "learner".to_owned(),
        },
        leads: status.leader == Some(id),
        linked: id == status.node || peers.contains_key(&id),
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

/// A backup. It is written to disk first, as fast as the disk takes it, because nothing is flushed meanwhile: a reader
/// that stalls must not stall the node.
async fn backup(State(admin): Shared, headers: HeaderMap) -> Result<Response, Error> {
    admin.check(&headers)?;
    let written = tokio::task::spawn_blocking(move || admin.write_backup()).await;
    let file = match written {
        Ok(Ok(file)) => tokio::fs::File::from_std(file),
        Ok(Err(error)) => {
            tracing::error!(%error, "the backup could not be written");
            return Err(refused(ErrorCode::Internal, error.to_string(), Retry::Never));
        }
        Err(_) => return Err(Error::Internal),
    };
    let body = futures_util::stream::try_unfold(file, |mut file| async move {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece).await?;
        Ok::<_, io::Error>((read > 0).then(|| (Bytes::from(piece), file)))
    });
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::from_stream(body)).into_response())
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

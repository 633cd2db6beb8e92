//! The doors `/rtc` and `/rtc/v1`: a participant is let in before its socket is opened, so that the HTTP status says why not.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    Router,
    extract::{
        ConnectInfo, Request, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{Extensions, HeaderMap, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use livekit_protocol as pb;
use proto::{
    id::{Identity, RoomName},
    media::Codec,
    room::model::NAME_BYTES_MAX,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{
    client, convert,
    session::{self, Arrival, Entry},
    signal::{DIALECT_VERSION, PROTOCOL, Profile},
};
use crate::{
    Shared,
    auth::Claims,
    error::Error,
    node::{self, Joined},
};

pub mod params;
#[cfg(test)]
mod tests;

use params::{Attempt, PROTOCOL_MIN, Resume};

/// Bytes read from a socket at once. Requests are small, and there is one buffer a socket.
const READ_BYTES: usize = 4 * 1024;
/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 4 * 1024;
/// Largest message that is written, in bytes: the roster of a large room at once.
const WRITE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Routes of the room signalling.
pub(crate) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/rtc", get(enter))
        .route("/rtc/", get(enter))
        .route("/rtc/v1", get(enter))
        .route("/rtc/v1/", get(enter))
        .route("/rtc/validate", get(validate))
        .route("/rtc/v1/validate", get(validate))
        .with_state(shared)
}

async fn enter(
    State(shared): State<Shared>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let Ok(upgrade) = upgrade else { return Error::NotFound.plain() };
    match Box::pin(let_in(&shared, &parts, upgrade)).await {
        Ok(response) => response,
        Err(error) => refuse(&parts, &error),
    }
}

async fn validate(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match check(&shared, &parts).await {
        Ok(()) => "success".into_response(),
        Err(error) => refuse(&parts, &error),
    }
}

/// The query is not logged: it holds the token and, in offers, ICE credentials.
fn refuse(parts: &Parts, error: &Error) -> Response {
    tracing::info!(path = parts.uri.path(), %error, code = %error.code(), "participant not let in");
    metrics::counter!("stoa_gateway_joins_refused_total").increment(1);
    error.plain()
}

async fn check(shared: &Shared, parts: &Parts) -> Result<(), Error> {
    let visit = Visit::read(shared, parts)?;
    if shared.draining() {
        return Err(Error::Draining);
    }
    let room = visit.room;
    Ok(shared.ask(|reply| node::Request::Validate { room, reply }).await?)
}

async fn let_in(
    shared: &Shared,
    parts: &Parts,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Error> {
    let visit = Visit::read(shared, parts)?;
    let permit = shared.keeper.socket()?;
    let limit = shared.config.limits.frame_bytes_max;
    let upgrade = upgrade
        .max_message_size(limit)
        .max_frame_size(limit)
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES)
        .max_write_buffer_size(WRITE_BYTES_MAX);
    if let Some(resume) = visit.attempt.resume.clone() {
        return Ok(come_back(shared, visit, &resume, permit, upgrade));
    }
    if shared.draining() {
        return Err(Error::Draining);
    }
    let arrivals = join(shared, visit).await?;
    Ok(upgrade.on_upgrade(async move |socket| {
        // Refused only if the session has ended in the meantime; dropping the socket closes it.
        let _ = arrivals.send(Arrival { socket, permit, opening: Vec::new() }).await;
    }))
}

/// Brings the participant in and starts its session, which waits for the socket. It does so in a task of its own:
/// a client that hangs up half way leaves no participant behind without a session.
async fn join(shared: &Shared, visit: Visit) -> Result<mpsc::Sender<Arrival>, Error> {
    let shared = shared.clone();
    let task = tokio::spawn(async move {
        let (events_tx, events) = mpsc::channel(shared.config.limits.events_max);
        let join = visit.join(&shared, events_tx);
        let joined =
            shared.ask(|reply| node::Request::Join { join: Box::new(join), reply }).await?;
        tracing::info!(room = %visit.room, identity = %visit.identity, participant = %joined.participant.sid, "participant joined");
        Ok(start(&shared, visit, joined, events))
    });
    task.await.map_err(|_| Error::Internal)?
}

fn start(
    shared: &Shared,
    visit: Visit,
    joined: Joined,
    events: mpsc::Receiver<node::SessionEvent>,
) -> mpsc::Sender<Arrival> {
    let profile = visit.profile(shared);
    let key = visit.claims.key;
    session::start(shared, Entry { profile, joined, opening: visit.attempt.opening, key, events })
}

/// A client that lost its socket. Unknown sessions are told over the socket, where clients expect it.
fn come_back(
    shared: &Shared,
    visit: Visit,
    resume: &Resume,
    permit: OwnedSemaphorePermit,
    upgrade: WebSocketUpgrade,
) -> Response {
    let arrivals = shared.sessions.find(&resume.sid, &visit.room, &visit.identity);
    let (sid, opening) = (resume.sid.clone(), visit.attempt.opening);
    tracing::info!(participant = %sid, reason = resume.reason, known = arrivals.is_some(), "participant comes back");
    upgrade.on_upgrade(async move |socket| {
        let arrival = Arrival { socket, permit, opening };
        let arrival = match arrivals {
            Some(arrivals) => match arrivals.send(arrival).await {
                Ok(()) => return,
                Err(mpsc::error::SendError(arrival)) => arrival,
            },
            None => arrival,
        };
        session::turn_away(arrival, &sid).await;
    })
}

/// A checked wish to come in.
struct Visit {
    claims: Claims,
    room: RoomName,
    identity: Identity,
    attempt: Attempt,
}

impl Visit {
    fn read(shared: &Shared, parts: &Parts) -> Result<Self, Error> {
        let address = address(shared, &parts.headers, &parts.extensions);
        shared.keeper.join(tokio::time::Instant::now(), address)?;
        let query = parts.uri.query();
        let claims = shared.authorize(&parts.headers, query)?;
        let agent = user_agent(&parts.headers);
        let is_v1 = parts.uri.path().starts_with("/rtc/v1");
        let dual_only = &shared.config.dual_pc_agents;
        if is_v1 && dual_only.iter().any(|part| agent.contains(part.as_str())) {
            return Err(Error::NotFound);
        }
        let limit = shared.config.limits.join_bytes_max;
        let mut attempt = Attempt::from_query(query.unwrap_or_default(), limit)?;
        if is_v1 && !attempt.single_pc {
            return Err(Error::Malformed("join_request is missing"));
        }
        attempt.client = client::describe(attempt.client, agent);
        let (room, identity) = place(&claims)?;
        Ok(Self { claims, room, identity, attempt })
    }

    fn join(&self, shared: &Shared, events: mpsc::Sender<node::SessionEvent>) -> node::Join {
        let mut grant = self.claims.grant.clone();
        if grant.permission.can_update_metadata {
            if !self.attempt.metadata.is_empty() {
                grant.metadata.clone_from(&self.attempt.metadata);
            }
            grant.attributes.extend(self.attempt.attributes.clone());
        }
        let (unusable, _) = client::disabled_codecs(&self.attempt.client);
        node::Join {
            room: self.room.clone(),
            identity: self.identity.clone(),
            grant,
            single_pc: self.attempt.single_pc,
            auto_subscribe: self.attempt.auto_subscribe,
            client_protocol: self.attempt.client.client_protocol,
            capabilities: self.attempt.client.capabilities.clone(),
            codecs: without(&shared.config.codecs, &unusable),
            create: self.claims.room_settings(&shared.config.room_defaults),
            events,
        }
    }

    fn profile(&self, shared: &Shared) -> Profile {
        let config = &shared.config;
        let (unusable, unpublishable) = client::disabled_codecs(&self.attempt.client);
        let codecs = without(&without(&config.codecs, &unusable), &unpublishable);
        let disabled = pb::DisabledCodecs {
            codecs: convert::codec_list(&unusable),
            publish: convert::codec_list(&unpublishable),
        };
        let any = !unusable.is_empty() || !unpublishable.is_empty();
        Profile {
            server: pb::ServerInfo {
                version: DIALECT_VERSION.to_owned(),
                protocol: PROTOCOL,
                region: config.region.clone(),
                node_id: config.node.clone(),
                debug_info: concat!("stoa ", env!("CARGO_PKG_VERSION")).to_owned(),
                ..pb::ServerInfo::default()
            },
            ice_servers: config
                .ice_servers
                .iter()
                .map(|server| pb::IceServer {
                    urls: server.urls.clone(),
                    username: server.username.clone(),
                    credential: server.credential.clone(),
                })
                .collect(),
            configuration: any.then(|| pb::ClientConfiguration {
                disabled_codecs: Some(disabled),
                ..pb::ClientConfiguration::default()
            }),
            codecs,
            dev: config.dev,
            resume_after_max: config.resume_after_max,
            single_pc: self.attempt.single_pc,
            protocol: self.attempt.client.protocol.max(PROTOCOL_MIN),
            data_bytes_max: config.limits.data_bytes_max,
            token: self.claims.token.clone(),
        }
    }
}

/// Where a token lets its bearer in, and as whom.
fn place(claims: &Claims) -> Result<(RoomName, Identity), Error> {
    if !claims.grant.room_join {
        return Err(Error::GrantMissing("roomJoin"));
    }
    let identity = claims.identity.clone().ok_or(Error::IdentityMissing)?;
    let room = claims.grant.room.clone().ok_or(Error::RoomMissing)?;
    for (what, text) in [("identity", identity.as_str()), ("room name", room.as_str())] {
        if text.len() > NAME_BYTES_MAX {
            return Err(Error::NameTooLong { what, limit: NAME_BYTES_MAX });
        }
    }
    Ok((room, identity))
}

fn without(codecs: &[Codec], disabled: &[Codec]) -> Vec<Codec> {
    codecs.iter().copied().filter(|codec| !disabled.contains(codec)).collect()
}

fn user_agent(headers: &HeaderMap) -> &str {
    headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The client's address. A proxy appends the address it saw, so only the last entry can be trusted.
pub(crate) fn address(shared: &Shared, headers: &HeaderMap, extensions: &Extensions) -> IpAddr {
    let forwarded = || {
        let value = headers.get_all("x-forwarded-for").iter().next_back()?;
        value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
    };
    let direct = || Some(extensions.get::<ConnectInfo<SocketAddr>>()?.ip());
    let forwarded = if shared.config.behind_proxy { forwarded() } else { None };
    forwarded.or_else(direct).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

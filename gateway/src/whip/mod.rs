//! WHIP in (RFC 9725) and WHEP out (draft-ietf-wish-whep): one `POST` of an offer is a participant of a room.
//!
//! A WHIP client publishes what its offer sends. A WHEP client is hidden and receives what its offer has room for.
//! Each has a resource with an unguessable name, where `PATCH` trickles candidates or restarts ICE and `DELETE` ends.
//!
//! Codemap: [`offer`] and [`sdpfrag`] read bodies, pure; `choose` picks what a viewer sees, pure; `session` is the task
//! behind a resource; `announce` and `refusal` are its words; `table` finds it; this file is HTTP.

mod announce;
mod choose;
mod negotiation;
pub mod offer;
mod refusal;
pub mod sdpfrag;
mod session;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::{MethodRouter, patch, post},
};
use proto::{
    error::{ErrorCode, Retry},
    grant::ParticipantKind,
    id::{Identity, RoomName},
    room::model::NAME_BYTES_MAX,
};
use serde::Deserialize;
use tokio::{sync::oneshot, time::Instant};

use self::{
    offer::{OFFER_BYTES_MAX, Offer, SdpError, parse_offer},
    sdpfrag::{FRAGMENT_BYTES_MAX, parse_fragment},
    session::{Command, Opened, Patch, Patched, Session, Wish},
    table::{Handle, Table},
};
use crate::{
    Shared, auth::Claims, body, error::Error, livekit::join, node::Refusal, shared::token_of,
};

/// The media type of offers and answers.
const SDP: &str = "application/sdp";
/// The media type of trickled fragments.
const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// What may be posted to an endpoint (W3C LDP 7.1, as RFC 9725 asks for).
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
/// What may be patched into a session (RFC 5789 3.1).
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// Which way media goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// Into the room.
    Whip,
    /// Out of the room.
    Whep,
}

#[derive(Clone)]
struct Doors {
    shared: Shared,
    table: Arc<Table>,
}

/// Routes of WHIP and WHEP.
pub(crate) fn router(shared: Shared) -> Router {
    let doors = Doors { shared, table: Arc::default() };
    let resource = || -> MethodRouter<Doors> { patch(patch_session).delete(end_session) };
    Router::new()
        .route("/whip/{room}", post(publish).layer(map_response(accept_offers)))
        .route("/whip/{room}/{session}", resource())
        .route("/whep/{room}", post(watch).layer(map_response(accept_offers)))
        .route("/whep/{room}/{session}", resource())
        .route("/whep/live/{stream}", resource().post(live))
        .with_state(doors)
}

/// Tells what may be posted, also to those who came with another method.
async fn accept_offers(mut response: Response) -> Response {
    response.headers_mut().insert(ACCEPT_POST, HeaderValue::from_static(SDP));
    response
}

/// Live streams are not served here yet; rooms are.
async fn live() -> Error {
    Error::Refused(Refusal {
        code: ErrorCode::NotFound,
        message: "live streams are not served; POST to /whep/{room} for the tracks of a room"
            .to_owned(),
        retry: Retry::Never,
    })
}

async fn publish(
    State(doors): State<Doors>,
    Path(room): Path<String>,
    request: Request,
) -> Result<Response, Error> {
    let wish = doors.admit(Door::Whip, room, None, request).await?;
    doors.open(wish).await
}

/// What a viewer may ask for besides its offer.
#[derive(Debug, Default, Deserialize)]
struct View {
    /// Whose tracks; absent: everybody's.
    participant: Option<String>,
}

async fn watch(
    State(doors): State<Doors>,
    Path(room): Path<String>,
    Query(view): Query<View>,
    request: Request,
) -> Result<Response, Error> {
    let whose = view.participant.filter(|name| !name.is_empty());
    let whose = whose.map(|name| Identity::from(name.as_str()));
    let wish = doors.admit(Door::Whep, room, whose, request).await?;
    doors.open(wish).await
}

async fn patch_session(State(doors): State<Doors>, request: Request) -> Result<Response, Error> {
    let handle = doors.find(&request)?;
    media_type(request.headers(), SDP_FRAGMENT)?;
    let if_match = request.headers().get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    let if_match = if_match.map(str::to_owned);
    let body = read(request, FRAGMENT_BYTES_MAX).await?;
    let fragment = parse_fragment(&body).map_err(malformed)?;
    let (reply, patched) = oneshot::channel();
    let patch = Box::new(Patch { fragment, if_match, reply });
    let sent = handle.commands.send(Command::Patch(patch)).await;
    sent.map_err(|_| Error::NotFound)?;
    match patched.await.map_err(|_| Error::NotFound)?? {
        Patched::Trickled => Ok(StatusCode::NO_CONTENT.into_response()),
        Patched::Restarted { fragment, etag } => {
            let kind = HeaderValue::from_static(SDP_FRAGMENT);
            let headers = [(header::CONTENT_TYPE, kind), (header::ETAG, value(&etag)?)];
            Ok((headers, fragment).into_response())
        }
    }
}

async fn end_session(State(doors): State<Doors>, request: Request) -> Result<Response, Error> {
    let handle = doors.find(&request)?;
    let (reply, ended) = oneshot::channel();
    let sent = handle.commands.send(Command::End { reply }).await;
    sent.map_err(|_| Error::NotFound)?;
    // Without an answer the session ended by itself in the meantime, which is as good.
    let _ = ended.await;
    Ok(StatusCode::OK.into_response())
}

impl Doors {
    /// Checks everything that can be checked before the node is asked.
    async fn admit(
        &self,
        door: Door,
        room: String,
        whose: Option<Identity>,
        request: Request,
    ) -> Result<Wish, Error> {
        if self.shared.draining() {
            return Err(Error::Draining);
        }
        let address = join::address(&self.shared, request.headers(), request.extensions());
        self.shared.keeper.join(Instant::now(), address)?;
        let claims = self.shared.authorize(request.headers(), request.uri().query())?;
        let (room, identity) = entitled(&claims, door, &room)?;
        media_type(request.headers(), SDP)?;
        let resource = request.uri().path().trim_end_matches('/').to_owned();
        let body = read(request, OFFER_BYTES_MAX).await?;
        let parsed = parse_offer(&body).map_err(malformed)?;
        usable(door, &parsed)?;
        // It was read as text a moment ago.
        let offer = String::from_utf8(body).map_err(|_| Error::Internal)?;
        let mut grant = claims.grant.clone();
        match door {
            Door::Whip => grant.kind = ParticipantKind::Ingress,
            Door::Whep => {
                grant.permission.hidden = true;
                grant.permission.can_publish = false;
                grant.permission.can_publish_data = false;
            }
        }
        let create = claims.room_settings(&self.shared.config.room_defaults);
        Ok(Wish { door, resource, room, identity, whose, grant, create, offer, parsed })
    }

    /// Opens a session and answers with its resource.
    async fn open(&self, wish: Wish) -> Result<Response, Error> {
        let resource = wish.resource.clone();
        let since = self.shared.clock.now();
        let owner = (wish.room.clone(), wish.identity.clone());
        let (seat, commands) = self.table.seat(owner, since)?;
        let (reply, opened) = oneshot::channel();
        let id = seat.id().to_owned();
        // A task of its own: a client that hangs up half-way must not leave a participant behind.
        tokio::spawn(Session::run(self.shared.clone(), wish, seat, commands, reply));
        let Opened { answer, etag } = opened.await.map_err(|_| Error::Internal)??;
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(SDP)),
            (header::LOCATION, value(&format!("{resource}/{id}"))?),
            (header::ETAG, value(&etag)?),
            (ACCEPT_PATCH, HeaderValue::from_static(SDP_FRAGMENT)),
        ];
        Ok((StatusCode::CREATED, headers, answer).into_response())
    }

    /// The session a request names, if its token is of the same identity. A token that was good when the session
    /// began stays good for it.
    fn find(&self, request: &Request) -> Result<Handle, Error> {
        let query = request.uri().query();
        let id = request.uri().path().rsplit('/').next().unwrap_or_default();
        let checked = self.shared.authorize(request.headers(), query);
        let handle = self.table.find(id);
        let claims = match (checked, &handle) {
            (Err(error), Some(handle)) => {
                let token = token_of(request.headers(), query).ok_or(error)?;
                self.shared.config.keys.verify(&token, handle.since.as_secs())?
            }
            (checked, _) => checked?,
        };
        let handle = handle.ok_or(Error::NotFound)?;
        let room = claims.grant.room.as_ref();
        let same = claims.identity.as_ref() == Some(&handle.identity)
            && room.is_none_or(|room| *room == handle.room);
        if same { Ok(handle) } else { Err(Error::NotFound) }
    }
}

/// The room and identity a token is good for at a door.
fn entitled(claims: &Claims, door: Door, room: &str) -> Result<(RoomName, Identity), Error> {
    if room.len() > NAME_BYTES_MAX {
        return Err(Error::NameTooLong { what: "the room's name", limit: NAME_BYTES_MAX });
    }
    let room = RoomName::from(room);
    let grant = &claims.grant;
    if !grant.room_join {
        return Err(Error::GrantMissing("roomJoin"));
    }
    if grant.room.as_ref().is_some_and(|granted| *granted != room) {
        return Err(Error::WrongRoom);
    }
    match door {
        Door::Whip if !grant.permission.can_publish => {
            return Err(Error::GrantMissing("canPublish"));
        }
        Door::Whep if !grant.permission.can_subscribe => {
            return Err(Error::GrantMissing("canSubscribe"));
        }
        Door::Whip | Door::Whep => {}
    }
    let identity = claims.identity.clone().ok_or(Error::IdentityMissing)?;
    if identity.as_str().len() > NAME_BYTES_MAX {
        return Err(Error::NameTooLong { what: "the identity", limit: NAME_BYTES_MAX });
    }
    Ok((room, identity))
}

/// Whether an offer has a section that the door can use.
fn usable(door: Door, offer: &Offer) -> Result<(), Error> {
    let (fits, message) = match door {
        Door::Whip => {
            let fits = offer.sections.iter().any(|section| section.direction.sends());
            (fits, "the offer sends nothing: WHIP needs sendonly audio or video")
        }
        Door::Whep => {
            let fits = offer.sections.iter().any(|section| section.direction.receives());
            (fits, "the offer receives nothing: WHEP needs recvonly audio or video")
        }
    };
    if fits {
        return Ok(());
    }
    let code = ErrorCode::SdpUnacceptable;
    Err(Refusal { code, message: message.to_owned(), retry: Retry::Never }.into())
}

fn media_type(headers: &HeaderMap, wanted: &'static str) -> Result<(), Error> {
    let named = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = named.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(wanted) { Ok(()) } else { Err(Error::MediaType(wanted)) }
}

async fn read(request: Request, limit: usize) -> Result<Vec<u8>, Error> {
    let body = body::read(request.into_body(), limit).await;
    body.map(Into::into).map_err(|body::TooLarge| Error::TooLarge { limit })
}

fn malformed(error: SdpError) -> Error {
    let code = ErrorCode::SdpMalformed;
    Error::Refused(Refusal { code, message: error.to_string(), retry: Retry::Never })
}

fn value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|_| Error::Internal)
}

//! Tokens for the pages, only in `--dev`: a newcomer opens the page and is in a room, or sees the console.

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, header},
};
use proto::room::model::NAME_BYTES_MAX;
use serde::{Deserialize, Serialize};

use crate::{
    Shared,
    auth::{Token, VideoGrant},
    error::Error,
};

/// How long a token is valid. Tokens are refreshed during the call.
const VALID_SECS: u64 = 6 * 60 * 60;

/// Who wants in where.
#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    #[serde(default)]
    room: String,
    #[serde(default)]
    identity: String,
    #[serde(default)]
    name: String,
    /// For the operators' console instead of a room.
    #[serde(default)]
    console: bool,
}

/// What opens a room.
#[derive(Debug, Serialize)]
pub(super) struct Ticket {
    token: String,
    url: String,
}

/// Issues a token to anybody who asks, in `--dev`; otherwise there is no such resource.
pub(super) async fn issue(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Ticket>, Error> {
    if !shared.config.dev {
        return Err(Error::NotFound);
    }
    let wish: Wish = serde_json::from_slice(&body)
        .map_err(|_| Error::Malformed("JSON with room, identity and name is expected"))?;
    let expires_at = shared.clock.now().as_secs().saturating_add(VALID_SECS);
    let token = if wish.console { operator(expires_at) } else { participant(wish, expires_at)? };
    let token = shared.config.keys.sign(None, &token).map_err(|error| {
        tracing::error!(%error, "a token for the page cannot be signed");
        Error::Internal
    })?;
    Ok(Json(Ticket { token, url: socket_url(&headers) }))
}

/// What the console needs: every room, chat, and the nodes.
fn operator(expires_at: u64) -> Token {
    let video = VideoGrant {
        room_create: Some(true),
        room_list: Some(true),
        room_admin: Some(true),
        ..VideoGrant::default()
    };
    let claims = ["nodeAdmin", "imAdmin"].map(|claim| (claim.to_owned(), true.into()));
    Token { exp: Some(expires_at), video: Some(video), other: claims.into(), ..Token::default() }
}

fn participant(wish: Wish, expires_at: u64) -> Result<Token, Error> {
    let Wish { room, identity, name, console: _ } = wish;
    if room.is_empty() {
        return Err(Error::RoomMissing);
    }
    if identity.is_empty() {
        return Err(Error::IdentityMissing);
    }
    for (what, text) in [("room", &room), ("identity", &identity), ("name", &name)] {
        if text.len() > NAME_BYTES_MAX {
            return Err(Error::NameTooLong { what, limit: NAME_BYTES_MAX });
        }
    }
    let mut token = Token::join(&identity, &room, expires_at);
    token.name = (!name.is_empty()).then_some(name);
    if let Some(video) = &mut token.video {
        video.can_update_own_metadata = Some(true);
    }
    Ok(token)
}

/// Where the page connects to: the host it was loaded from; empty when the request does not say.
fn socket_url(headers: &HeaderMap) -> String {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(host) = text(header::HOST) else { return String::new() };
    let proxied = text(header::HeaderName::from_static("x-forwarded-proto"));
    let secure = proxied.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
        || text(header::ORIGIN).is_some_and(|origin| origin.starts_with("https://"));
    let scheme = if secure { "wss" } else { "ws" };
    format!("{scheme}://{host}")
}

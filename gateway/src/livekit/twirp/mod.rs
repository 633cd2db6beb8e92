//! The server API of the room dialect: `POST /twirp/livekit.RoomService/<Method>`, in JSON and protobuf.
//!
//! Rights are checked here, before the node hears of a call. [`room`] holds the methods, [`body`] the two forms,
//! [`error`] how refusals are told, [`nonce`] what makes sending data again harmless.

mod body;
mod error;
pub(crate) mod known;
mod nonce;
mod room;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Request, State},
    http::Method,
    response::{IntoResponse, Response},
    routing::any,
};
use proto::id::RoomName;

use self::{body::Form, error::TwirpError, nonce::Nonces, room::Caller};
use crate::{Shared, auth::Claims, error::Error};

/// Services of this API that other programs serve elsewhere in the field, and that are not part of this one.
const SERVICES_ABSENT: [&str; 5] = [
    "livekit.Egress",
    "livekit.Ingress",
    "livekit.SIP",
    "livekit.AgentDispatchService",
    "livekit.Connector",
];

/// What every call needs.
#[derive(Clone)]
struct Api {
    shared: Shared,
    nonces: Arc<Nonces>,
}

/// Routes of the server API.
pub(crate) fn router(shared: Shared) -> Router {
    let api = Api { shared, nonces: Arc::default() };
    Router::new().route("/twirp/{*path}", any(serve)).with_state(api)
}

async fn serve(State(api): State<Api>, Path(path): Path<String>, request: Request) -> Response {
    match api.serve(&path, request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::debug!(%path, code = ?error.code, %error, "server API call refused");
            error.into_response()
        }
    }
}

impl Api {
    async fn serve(&self, path: &str, request: Request) -> Result<Response, TwirpError> {
        if request.method() != Method::POST {
            return Err(TwirpError::bad_route("calls are made with POST"));
        }
        let (service, method) = path.split_once('/').unwrap_or((path, ""));
        if SERVICES_ABSENT.contains(&service) {
            let msg = format!("{service} is not part of this server; see docs/compatibility.md");
            return Err(TwirpError::unimplemented(&msg));
        }
        if service != "livekit.RoomService" {
            return Err(TwirpError::bad_route("there is no such service"));
        }
        let claims = self.shared.authorize(request.headers(), request.uri().query())?;
        let form = Form::of(request.headers())?;
        let limit = self.shared.config.limits.body_bytes_max;
        let body = crate::body::read(request.into_body(), limit).await;
        let body = body.map_err(|crate::body::TooLarge| Error::TooLarge { limit })?;
        let caller = Caller { api: self, rights: Rights { claims: &claims }, form };
        caller.call(method, &body).await
    }
}

/// What the caller's token allows.
struct Rights<'a> {
    claims: &'a Claims,
}

impl Rights<'_> {
    fn create(&self) -> Result<(), Error> {
        if self.claims.grant.room_create { Ok(()) } else { Err(Error::GrantMissing("roomCreate")) }
    }

    fn list(&self) -> Result<(), Error> {
        if self.claims.grant.room_list { Ok(()) } else { Err(Error::GrantMissing("roomList")) }
    }

    fn admin(&self, room: &RoomName) -> Result<(), Error> {
        if !self.claims.grant.room_admin {
            return Err(Error::GrantMissing("roomAdmin"));
        }
        match &self.claims.grant.room {
            Some(granted) if granted == room => Ok(()),
            Some(_) => Err(Error::WrongRoom),
            None if self.operates() => Ok(()),
            None => Err(Error::GrantMissing("room")),
        }
    }

    /// Operators' tokens that name no room are for every room.
    fn operates(&self) -> bool {
        self.claims.token.other.get("nodeAdmin").and_then(serde_json::Value::as_bool) == Some(true)
    }

    fn destination(&self, room: &RoomName) -> Result<(), Error> {
        match &self.claims.grant.destination_room {
            Some(granted) if granted == room => Ok(()),
            Some(_) => Err(Error::WrongRoom),
            None => Err(Error::GrantMissing("destinationRoom")),
        }
    }
}

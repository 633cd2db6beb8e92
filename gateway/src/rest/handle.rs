//! One request of a table's route, from its token to its answer.

use std::collections::BTreeMap;

use axum::{
    extract::{Path, Request, State},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use bytes::Bytes;
use proto::im::{
    Command, Query,
    command::Actor,
    id::{ClientKey, UserId},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    document,
    replay::{self, Name},
    routes::{Acting, Route},
};
use crate::{
    error::Error,
    im::{
        Chat,
        op::{self, Asked, Asker, output},
        token::{Bearer, User},
        wire::pb,
    },
    shared::token_of,
};

/// Largest body of a request, in bytes: bulk imports are the largest.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 128;

/// The query of a request, in order.
type Pairs = Vec<(String, String)>;

pub(super) fn method(route: &'static Route) -> MethodRouter<Chat> {
    let filter = Method::try_from(route.method).ok();
    let filter = filter.and_then(|method| MethodFilter::try_from(method).ok());
    let handler = move |State(chat): State<Chat>,
                        Path(path): Path<BTreeMap<String, String>>,
                        request: Request| async move {
        respond(Box::pin(serve(&chat, route, path, request)).await)
    };
    on(filter.unwrap_or(MethodFilter::GET), handler)
}

/// An answer in JSON, or a problem.
pub(super) fn respond(answer: Result<Bytes, Error>) -> Response {
    match answer {
        Ok(json) => {
            let kind = [(header::CONTENT_TYPE, "application/json")];
            (StatusCode::OK, kind, json).into_response()
        }
        Err(error) => error.into_response(),
    }
}

/// Who asks, in whose name.
pub(super) struct Caller {
    bearer: Bearer,
    /// The user that acts, if one does.
    pub(super) user: Option<UserId>,
}

impl Caller {
    pub(super) const fn is_backend(&self) -> bool {
        matches!(self.bearer, Bearer::Backend)
    }

    pub(super) const fn token(&self) -> Option<&User> {
        match &self.bearer {
            Bearer::User(user) => Some(user),
            Bearer::Backend => None,
        }
    }

    /// As the node is told.
    pub(super) fn actor(&self) -> Actor {
        match &self.bearer {
            Bearer::User(user) => user.actor(),
            Bearer::Backend => Actor::Backend { user: self.user.clone() },
        }
    }

    /// Only back ends and administrators.
    pub(super) const fn backend_only(&self) -> Result<(), Error> {
        if self.is_backend() { Ok(()) } else { Err(Error::GrantMissing("imAdmin")) }
    }

    /// What tells this caller's requests from others'.
    fn name(&self) -> String {
        match &self.bearer {
            Bearer::User(user) => format!("user {}", user.user),
            Bearer::Backend => "backend".to_owned(),
        }
    }
}

/// Checks the token, and that it may ask so often.
pub(super) async fn caller(
    chat: &Chat,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<Caller, Error> {
    let token = token_of(headers, query).unwrap_or_default();
    let bearer = chat.tokens.verify(&token, chat.now_s())?;
    let (now, limits) = (Instant::now(), &chat.config.limits.rest);
    match bearer {
        Bearer::User(user) => {
            let name = format!("user {}", user.user);
            chat.attempts.second(now, name, limits.user_per_second)?;
            chat.check_access(&user).await?;
            let name = Some(user.user.clone());
            Ok(Caller { bearer: Bearer::User(user), user: name })
        }
        Bearer::Backend => {
            chat.attempts.second(now, "backend".to_owned(), limits.backend_per_second)?;
            let named = pairs(query)?.into_iter().find(|(name, _)| name == "as");
            let named = named.map(|(_, name)| UserId::try_from(name)).transpose();
            let named = named.map_err(|_| Error::Malformed("as is not an id"))?;
            Ok(Caller { user: named, bearer: Bearer::Backend })
        }
    }
}

fn pairs(query: Option<&str>) -> Result<Pairs, Error> {
    let read = serde_urlencoded::from_str(query.unwrap_or_default());
    read.map_err(|_| Error::Malformed("the query cannot be read"))
}

/// The body of a request, as a JSON object. Nothing is an empty one.
pub(super) async fn object(request: Request) -> Result<(Parts, Map<String, Value>, Bytes), Error> {
    let (parts, body) = request.into_parts();
    let bytes = crate::body::read(body, BODY_BYTES_MAX)
        .await
        .map_err(|crate::body::TooLarge| Error::TooLarge { limit: BODY_BYTES_MAX })?;
    if bytes.is_empty() {
        return Ok((parts, Map::new(), bytes));
    }
    let object = serde_json::from_slice(&bytes);
    let object = object.map_err(|_| Error::Malformed("the body is not a JSON object"))?;
    Ok((parts, object, bytes))
}

/// Who asks, and the body as a message of the schema: `name`. Who may not ask learns nothing about the body.
pub(super) async fn called<T: DeserializeOwned>(
    chat: &Chat,
    request: Request,
    name: &str,
) -> Result<(Caller, T), Error> {
    let (parts, fields, bytes) = object(request).await?;
    let caller = caller(chat, &parts.headers, parts.uri.query()).await?;
    Ok((caller, read(name, fields, &bytes)?))
}

/// As [`called`], for back ends and administrators only.
pub(super) async fn backend<T: DeserializeOwned>(
    chat: &Chat,
    request: Request,
    name: &str,
) -> Result<T, Error> {
    let (parts, fields, bytes) = object(request).await?;
    caller(chat, &parts.headers, parts.uri.query()).await?.backend_only()?;
    read(name, fields, &bytes)
}

/// The body of a request that anybody may make, as a message of the schema: `name`.
pub(super) async fn message<T: DeserializeOwned>(
    request: Request,
    name: &str,
) -> Result<(Parts, T), Error> {
    let (parts, fields, bytes) = object(request).await?;
    Ok((parts, read(name, fields, &bytes)?))
}

fn read<T: DeserializeOwned>(
    name: &str,
    fields: Map<String, Value>,
    bytes: &[u8],
) -> Result<T, Error> {
    if bytes.is_empty() {
        return Err(Error::Malformed("the body is missing"));
    }
    parse(name, fields)
}

/// A message of the schema. Unlike on the socket, where old servers meet new clients, an unknown name of an enumeration is
/// refused: it is a slip of the pen.
fn parse<T: DeserializeOwned>(name: &str, fields: Map<String, Value>) -> Result<T, Error> {
    let value = Value::Object(fields);
    document::check_names(name, &value)?;
    serde_json::from_value(value)
        .map_err(|_| Error::Malformed("a field does not have the type of the schema"))
}

/// The idempotency key of a request, with whose it is.
pub(super) fn idempotency(caller: &str, headers: &HeaderMap) -> Result<Option<Name>, Error> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(Error::Malformed("the idempotency key has not 1 to 128 bytes"));
    }
    Ok(Some(replay::name(&[caller.as_bytes(), key.as_bytes()])))
}

async fn serve(
    chat: &Chat,
    route: &Route,
    path: BTreeMap<String, String>,
    request: Request,
) -> Result<Bytes, Error> {
    let (parts, mut fields, bytes) = object(request).await?;
    let query = parts.uri.query();
    let caller = caller(chat, &parts.headers, query).await?;
    if caller.user.is_none() && route.acting == Acting::User {
        return Err(Error::Malformed("a back end says in whose name: as"));
    }
    let now = Instant::now();
    let acting = caller.user.as_ref().map_or("", |user| user.as_str());
    let name = format!("{} {acting}", caller.name());
    let key = if route.is_question() { None } else { idempotency(&name, &parts.headers)? };
    let target = parts.uri.path().as_bytes();
    let asked = replay::name(&[route.method.as_bytes(), target, &bytes]);
    if let Some(key) = &key
        && let Some(answer) = chat.replays.find(now, key, &asked)?
    {
        return Ok(answer);
    }
    add_query(route, query, &mut fields)?;
    fields.extend(path.into_iter().map(|(name, value)| (name, Value::String(value))));
    if !route.fixed.is_empty() {
        fields.insert(route.fixed.to_owned(), Value::Bool(true));
    }
    let body = frame(route, fields, key.as_ref())?;
    let answer = ask(chat, &caller, body, key.as_ref()).await?;
    if let Some(key) = key {
        chat.replays.keep(now, key, asked, answer.clone());
    }
    Ok(answer)
}

/// Query parameters are fields of the request; lists are written with commas.
fn add_query(
    route: &Route,
    query: Option<&str>,
    fields: &mut Map<String, Value>,
) -> Result<(), Error> {
    if !route.is_question() {
        return Ok(());
    }
    for (name, text) in pairs(query)? {
        let Some(kind) = document::kind(route.request, &name) else { continue };
        let value = match kind {
            document::Kind::Flag => match text.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => return Err(Error::Malformed("a query parameter is neither true nor false")),
            },
            document::Kind::List => {
                let items = text.split(',').filter(|item| !item.is_empty());
                items.map(|item| Value::String(item.to_owned())).collect()
            }
            document::Kind::Text => Value::String(text),
        };
        fields.insert(name, value);
    }
    Ok(())
}

fn frame(
    route: &Route,
    mut fields: Map<String, Value>,
    key: Option<&Name>,
) -> Result<pb::client_frame::Body, Error> {
    // What makes repeating harmless in the state comes from the idempotency key, where the request brings nothing.
    let own = if route.frame == "send" { "cmid" } else { "key" };
    let has_key =
        document::kind(route.request, own).is_some() && route.frame != "groupAttributeSet";
    if has_key && !fields.contains_key(own) {
        let key = key.map(replay::key).unwrap_or_default();
        if key != ClientKey::default() {
            use base64::Engine as _;
            let text = base64::engine::general_purpose::STANDARD.encode(key.0);
            fields.insert(own.to_owned(), Value::String(text));
        }
    }
    let fields = Value::Object(fields);
    document::check_names(route.request, &fields)?;
    let frame = Value::Object(Map::from_iter([(route.frame.to_owned(), fields)]));
    let frame: pb::ClientFrame = serde_json::from_value(frame)
        .map_err(|_| Error::Malformed("a field does not have the type of the schema"))?;
    frame.body.ok_or(Error::Internal)
}

async fn ask(
    chat: &Chat,
    caller: &Caller,
    body: pb::client_frame::Body,
    key: Option<&Name>,
) -> Result<Bytes, Error> {
    let fresh = chat.mint.key(chat.shared.clock.now());
    let key = key.map_or(fresh, replay::key);
    // A back end on its own asks nothing that needs a user: the table says so.
    let nobody = || UserId::try_from("-").map_err(|_| Error::Internal);
    let user = match &caller.user {
        Some(user) => user.clone(),
        None => nobody()?,
    };
    let mut body = body;
    if let pb::client_frame::Body::Send(send) = &mut body
        && send.cmid.is_empty()
    {
        send.cmid = key.0.to_vec().into();
    }
    let asked = op::read(body, &Asker { user: &user, key })?;
    let Asked { action, ask, about } = asked.ok_or(Error::Unsupported("this request"))?;
    let viewer = if caller.is_backend() { None } else { Some(user) };
    let told = match (action, ask) {
        (None, None) => None,
        (Some(action), None) => {
            let reply = chat.change(Command { actor: caller.actor(), action }).await?;
            Some(output::reply(reply, &about))
        }
        (action, Some(ask)) => {
            if let Some(action) = action {
                chat.change(Command { actor: caller.actor(), action }).await?;
            }
            let answer = chat.question(Query { viewer, ask }).await?;
            output::answer(&answer, &about)
        }
    };
    json(told.ok_or(Error::Internal)?)
}

/// The message of an answer, alone.
fn json(body: pb::server_frame::Body) -> Result<Bytes, Error> {
    let frame = pb::ServerFrame { rid: 0, push: 0, body: Some(body) };
    let value = serde_json::to_value(frame).map_err(|_| Error::Internal)?;
    let Value::Object(fields) = value else { return Err(Error::Internal) };
    let (_, message) = fields.into_iter().next().ok_or(Error::Internal)?;
    encode(&message)
}

/// A message as it stands.
pub(super) fn encode(message: &impl serde::Serialize) -> Result<Bytes, Error> {
    serde_json::to_vec(message).map(Bytes::from).map_err(|_| Error::Internal)
}

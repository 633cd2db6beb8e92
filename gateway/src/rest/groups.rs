//! What only back ends ask about groups.

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use bytes::Bytes;
use proto::im::{Answer, Query, id::GroupId, query::Ask};

use super::{
    accounts::page_of,
    document::Extra,
    handle::{caller, encode, object, respond},
};
use crate::{
    error::Error,
    im::{Chat, op, op::output, wire::pb},
};

pub(super) const EXTRAS: &[Extra] = &[Extra {
    method: "GET",
    path: "/v1/groups",
    request: None,
    answer: "Groups",
    summary: "Lists groups, without how many are in them. Back ends only.",
    secured: true,
    keyed: false,
    query: &["after", "limit"],
}];

pub(super) fn router() -> Router<Chat> {
    Router::new().route("/v1/groups", get(list))
}

async fn list(State(chat): State<Chat>, request: Request) -> Response {
    respond(Box::pin(try_list(&chat, request)).await)
}

async fn try_list(chat: &Chat, request: Request) -> Result<Bytes, Error> {
    let (parts, _, _) = object(request).await?;
    caller(chat, &parts.headers, parts.uri.query()).await?.backend_only()?;
    let page = page_of(parts.uri.query(), |text| {
        text.parse::<GroupId>().map_err(|_| Error::Malformed("after is not an id"))
    })?;
    let answer = chat.question(Query { viewer: None, ask: Ask::Groups(page) }).await?;
    let Answer::Groups(page) = *answer else { return Err(Error::Internal) };
    let (groups, next) = output::rows(&page, op::write_plain);
    encode(&pb::Groups { groups, next })
}

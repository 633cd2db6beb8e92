//! The REST API under `/v1/`: what the socket does, by HTTP, for users, back ends and administrators.
//!
//! Most routes are rows of a table ([`routes`]): they ask exactly what a frame of the socket asks. Accounts,
//! sessions, imports, settings and lists for back ends are in [`accounts`], [`sessions`], [`import`], [`settings`] and
//! [`groups`]. The OpenAPI document is made from the same table and the schema.

mod accounts;
pub(crate) mod attempts;
mod document;
mod groups;
mod handle;
mod import;
mod live;
pub(crate) mod replay;
mod routes;
mod sessions;
mod settings;

use axum::Router;

use crate::im::Chat;

/// Every route.
pub(crate) fn router(chat: Chat) -> Router {
    let mut router = Router::new();
    for route in routes::ROUTES {
        router = router.route(route.path, handle::method(route));
    }
    router
        .merge(accounts::router())
        .merge(groups::router())
        .merge(import::router())
        .merge(live::router())
        .merge(sessions::router())
        .merge(settings::router())
        .merge(document::router())
        .with_state(chat)
}

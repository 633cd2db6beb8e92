//! The server API of the room dialect.

use axum::Router;

use crate::Shared;

/// Routes of the server API.
pub(crate) fn router(_shared: Shared) -> Router {
    Router::new()
}

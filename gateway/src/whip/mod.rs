//! WHIP in, WHEP out.

pub mod offer;
pub mod sdpfrag;

use axum::Router;

use crate::Shared;

/// Routes of WHIP and WHEP.
pub(crate) fn router(_shared: Shared) -> Router {
    Router::new()
}

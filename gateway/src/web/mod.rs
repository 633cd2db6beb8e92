//! The built pages, the health answers, and tokens for the pages of a node in `--dev`.
//!
//! Pages are built into `web/dist` before the program is compiled and travel inside it. Names with a hash in them
//! never change their content, so they may be kept forever; everything else is asked for again by its tag.

mod page;
#[cfg(test)]
mod tests;
mod token;

use std::time::Duration;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};

use crate::{Shared, error::Error, node::Call};

/// The node must answer a readiness question within this. Longer hides a stuck node, shorter flaps under load.
const READY_AFTER_MAX: Duration = Duration::from_secs(2);

/// What pages may load and where they may connect to. Styles set from scripts need `unsafe-inline`; scripts do not.
const CONTENT_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; \
    media-src 'self' blob: mediastream:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; \
    object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

/// As [`CONTENT_POLICY`], but it may ask other nodes how they are, and connects to no socket.
const CONSOLE_POLICY: &str = "default-src 'self'; connect-src 'self' http: https:; img-src 'self' data:; \
    style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

/// What pages of ours may ask the browser for, and nobody they embed.
const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), \
    speaker-selection=(self), screen-wake-lock=(self), autoplay=(self), fullscreen=(self), picture-in-picture=(self)";

/// Routes of the pages, health answers and tokens of `--dev`.
pub(crate) fn router(shared: Shared) -> Router {
    let pages = Router::new()
        .route("/", any(index))
        .route("/{*path}", any(asset))
        .layer(map_response(guard));
    let console = Router::new().route("/console", any(console)).layer(map_response(guard_console));
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/v1/token", post(token::issue))
        .with_state(shared)
        .merge(console)
        .merge(pages)
}

async fn index(method: Method, headers: HeaderMap) -> Response {
    page::answer(&method, &headers, "index.html").unwrap_or_else(page::not_built)
}

async fn console(method: Method, headers: HeaderMap) -> Response {
    page::answer(&method, &headers, "console.html").unwrap_or_else(page::not_built)
}

async fn asset(request: Request) -> Result<Response, Error> {
    let path = decoded(request.uri()).ok_or(Error::NotFound)?;
    page::answer(request.method(), request.headers(), &path).ok_or(Error::NotFound)
}

/// The path without its first slash. Names of built files need no escapes, so escaped paths name none.
fn decoded(uri: &Uri) -> Option<String> {
    let path = uri.path().trim_start_matches('/');
    let plain = !path.contains('%') && !path.split('/').any(|part| part.starts_with('.'));
    (plain && !path.is_empty()).then(|| path.to_owned())
}

/// Headers every page and asset carries.
async fn guard(response: Response) -> Response {
    guarded(response, CONTENT_POLICY)
}

async fn guard_console(response: Response) -> Response {
    guarded(response, CONSOLE_POLICY)
}

fn guarded(mut response: Response, policy: &'static str) -> Response {
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_SECURITY_POLICY, policy);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::HeaderName::from_static("permissions-policy"), PERMISSIONS);
    response
}

/// The process is alive.
async fn healthz() -> &'static str {
    "ok"
}

/// The node takes new sessions.
async fn readyz(State(shared): State<Shared>) -> Response {
    match ready(&shared).await {
        Ok(()) => "ready".into_response(),
        Err(error) => error.into_response(),
    }
}

async fn ready(shared: &Shared) -> Result<(), Error> {
    if shared.draining() {
        return Err(Error::Draining);
    }
    let asked = tokio::time::timeout(READY_AFTER_MAX, shared.call(Call::Ready));
    match asked.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(refusal)) => Err(refusal.into()),
        Err(_) => Err(Error::Overloaded),
    }
}

//! The HTTP server: routes of all doors behind the layers they share.

use std::{future::Future, io, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::Uri,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, time::timeout};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use crate::{
    Config, Shared,
    clock::Clock,
    error::{Error, Problem},
    limit::Limits,
    listen, livekit, node, web, whip,
};

/// Browsers may remember for a day what cross-origin requests are allowed.
const CORS_AGE_MAX: Duration = Duration::from_secs(86_400);

/// All doors of a node.
#[derive(Clone, Debug)]
pub struct Gateway {
    shared: Shared,
}

impl Gateway {
    /// Doors that ask the node through `requests`.
    #[must_use]
    pub fn new(config: Config, requests: node::Requests, clock: Clock) -> Self {
        Self { shared: Shared::new(config, requests, clock) }
    }

    pub(crate) const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Every route, with its layers.
    pub fn router(&self) -> Router {
        self.router_with(Router::new())
    }

    /// A router's own layers run after it has matched the path, so paths are mended in front of an outer one.
    fn router_with(&self, extra: Router) -> Router {
        let Limits { body_bytes_max, request_after_max, .. } = self.shared.config.limits;
        let routes = Router::new()
            .merge(livekit::join::router(self.shared.clone()))
            .merge(livekit::twirp::router(self.shared.clone()))
            .merge(whip::router(self.shared.clone()))
            .merge(web::router(self.shared.clone()))
            .merge(extra);
        Router::new()
            .fallback_service(routes)
            .layer(DefaultBodyLimit::max(body_bytes_max))
            .layer(middleware::from_fn_with_state(request_after_max, hurry))
            .layer(middleware::from_fn(identify))
            .layer(middleware::map_request(mend_path))
            .layer(cors())
    }

    /// Serves every route and those of `extra` until `shutdown` is ready.
    ///
    /// # Errors
    /// When the listener is not open.
    pub async fn serve(
        &self,
        listener: TcpListener,
        extra: Router,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let address = listener.local_addr()?;
        tracing::info!(%address, "doors open");
        listen::serve(listener, self.router_with(extra), self.shared.config.limits, shutdown).await;
        tracing::info!(%address, "doors closed");
        Ok(())
    }

    /// From here on nobody new comes in; sessions that are in stay until the node ends them.
    pub fn begin_drain(&self) {
        self.shared.begin_drain();
    }

    /// Whether [`Self::begin_drain`] was called.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.shared.draining()
    }
}

/// Any origin: tokens, not cookies, give rights here. The layer is outermost, so errors carry the headers too.
/// Headers are mirrored, because `*` does not cover `Authorization` (Fetch standard, CORS protocol).
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(Any)
        .max_age(CORS_AGE_MAX)
}

/// Collapses doubled slashes in front of the path: clients append `/rtc` to URLs that end in one.
async fn mend_path(mut request: Request) -> Request {
    let uri = request.uri();
    let text = uri.path_and_query().map_or("/", |text| text.as_str());
    if !text.starts_with("//") {
        return request;
    }
    let mended = format!("/{}", text.trim_start_matches('/'));
    if let Ok(uri) = Uri::try_from(mended) {
        *request.uri_mut() = uri;
    }
    request
}

/// Gives up on a request whose body or answer does not come.
async fn hurry(State(after_max): State<Duration>, request: Request, next: Next) -> Response {
    match timeout(after_max, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            metrics::counter!("stoa_gateway_requests_slow_total").increment(1);
            Error::Overloaded.into_response()
        }
    }
}

/// Gives each request an id that is in the log and in error bodies.
async fn identify(request: Request, next: Next) -> Response {
    let id = format!("rq_{:016x}", rand::random::<u64>());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let Some(Problem(error)) = response.extensions().get::<Problem>().cloned() else {
        return response;
    };
    if matches!(*error, Error::Internal) {
        tracing::error!(request_id = id, %method, path, %error, "request failed");
    } else {
        tracing::debug!(request_id = id, %method, path, %error, "request refused");
    }
    error.problem(&id)
}

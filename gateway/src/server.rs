//! The HTTP server: routes of all doors behind the layers they share.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::Uri,
    middleware::{self, Next},
    response::Response,
};
use tokio::net::TcpListener;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use crate::{
    Config, Shared,
    clock::Clock,
    error::{Error, Problem},
    livekit, node, web, whip,
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

    /// Every route, with its layers.
    pub fn router(&self) -> Router {
        self.router_with(Router::new())
    }

    /// A router's own layers run after it has matched the path, so paths are mended in front of an outer one.
    fn router_with(&self, extra: Router) -> Router {
        let limit = self.shared.config.limits.body_bytes_max;
        let routes = Router::new()
            .merge(livekit::join::router(self.shared.clone()))
            .merge(livekit::twirp::router(self.shared.clone()))
            .merge(whip::router(self.shared.clone()))
            .merge(web::router(self.shared.clone()))
            .merge(extra);
        Router::new()
            .fallback_service(routes)
            .layer(DefaultBodyLimit::max(limit))
            .layer(middleware::from_fn(identify))
            .layer(middleware::map_request(mend_path))
            .layer(cors())
    }

    /// Serves every route and those of `extra` until `shutdown` is ready.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve(
        &self,
        listener: TcpListener,
        extra: Router,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let service = self.router_with(extra).into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).with_graceful_shutdown(shutdown).await
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

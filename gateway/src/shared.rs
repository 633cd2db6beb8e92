//! What every door shares: configuration, keys, the queue to the node, the clock and the limits.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::http::{HeaderMap, header};
use proto::error::{ErrorCode, Retry};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    auth::{AuthError, Claims},
    clock::Clock,
    config::Config,
    error::Error,
    limit::Keeper,
    livekit::session::Registry,
    node::{Answer, Call, Refusal, Reply, Request, Requests},
};

/// Cheap to clone; one per gateway.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) requests: Requests,
    pub(crate) clock: Clock,
    pub(crate) keeper: Keeper,
    pub(crate) sessions: Registry,
    /// The zero of the sessions' timers.
    pub(crate) started: Instant,
    draining: AtomicBool,
}

impl Deref for Shared {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Shared {
    pub(crate) fn new(config: Config, requests: Requests, clock: Clock) -> Self {
        let keeper = Keeper::new(config.limits);
        let draining = AtomicBool::new(false);
        let (sessions, started) = (Registry::default(), Instant::now());
        Self(Arc::new(Inner { config, requests, clock, keeper, sessions, started, draining }))
    }

    /// Checks the token of a request: bearer header first, then the `access_token` query parameter.
    pub(crate) fn authorize(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Claims, Error> {
        let token = token_of(headers, query).ok_or(AuthError::Missing)?;
        Ok(self.config.keys.verify(&token, self.clock.now().as_secs())?)
    }

    /// Asks the node on behalf of an administrator or back end whose rights were checked.
    pub(crate) async fn call(&self, call: Call) -> Result<Answer, Refusal> {
        self.ask(|reply| Request::Api { call, reply }).await
    }

    /// Asks the node and waits for its answer.
    pub(crate) async fn ask<T>(
        &self,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        let patience = self.config.limits.answer_after_max;
        let sent = self.requests.send_timeout(request(reply), patience).await;
        if let Err(error) = sent {
            metrics::counter!("stoa_gateway_requests_refused_total").increment(1);
            return Err(match error {
                tokio::sync::mpsc::error::SendTimeoutError::Timeout(_) => overloaded(),
                tokio::sync::mpsc::error::SendTimeoutError::Closed(_) => stopping(),
            });
        }
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(stopping()),
            Err(_) => Err(overloaded()),
        }
    }

    pub(crate) fn begin_drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }
}

/// The token of a request, wherever it is.
pub(crate) fn token_of(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned());
    bearer.or_else(|| {
        let pairs = serde_urlencoded::from_str::<Vec<(String, String)>>(query?).ok()?;
        pairs.into_iter().find(|(name, _)| name == "access_token").map(|(_, token)| token)
    })
}

fn overloaded() -> Refusal {
    Refusal {
        code: ErrorCode::NodeOverloaded,
        message: ErrorCode::NodeOverloaded.text().to_owned(),
        retry: Retry::After(Duration::from_secs(1)),
    }
}

fn stopping() -> Refusal {
    Refusal {
        code: ErrorCode::NodeDraining,
        message: ErrorCode::NodeDraining.text().to_owned(),
        retry: Retry::After(Duration::from_secs(1)),
    }
}

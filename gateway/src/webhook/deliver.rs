//! Makes, signs and sends events; one worker for every queue.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::http::{
    StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use livekit_protocol as pb;
use proto::{
    id::RoomName,
    room::{Participant, Publication, Room},
};
use tokio::time::Instant;

use super::{AGE_MAX, Inner, WebhookKind, queue::Item};
use crate::{
    auth::Token,
    livekit::{convert, twirp::known},
};

/// The first wait before an event is sent again; each further one is twice as long.
const RETRY_FIRST_AFTER: Duration = Duration::from_millis(250);
/// The longest wait before an event is sent again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);
/// Longest time one attempt may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// Longest time a connection may take to come up.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long a signature is valid.
const SIGNATURE_SECS: u64 = 300;
/// How we name ourselves.
const USER_AGENT: &str = concat!("stoa/", env!("CARGO_PKG_VERSION"));
/// The media type of the body.
const WEBHOOK_JSON: &str = "application/webhook+json";

/// The client for all deliveries. Redirects are not followed: the signature is for the configured address.
pub(super) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .timeout(ATTEMPT_MAX)
        .connect_timeout(CONNECT_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// Describes what happened, in the words of the wire; the time is left open.
pub(super) fn event(
    kind: WebhookKind,
    room: &Room,
    participant: Option<&Participant>,
    track: Option<&Publication>,
) -> pb::WebhookEvent {
    pb::WebhookEvent {
        event: kind.event().to_owned(),
        id: format!("EV_{:016x}", rand::random::<u64>()),
        room: Some(convert::room(room)),
        participant: participant.map(|p| known::participant(convert::participant_info(p))),
        track: track.map(|t| known::track(convert::track_info(t))),
        ..pb::WebhookEvent::default()
    }
}

/// Delivers what waits for an address and a room, in order, until nothing waits.
pub(super) async fn work(inner: Arc<Inner>, url: usize, room: RoomName) {
    let mut dropped = 0u32;
    while let Some(item) = inner.queues.pop(url, &room) {
        dropped = dropped.saturating_add(item.dropped_before);
        let end = tokio::select! {
            biased;
            () = inner.stop.cancelled() => {
                let left = u64::try_from(inner.queues.discard(url, &room)).unwrap_or(u64::MAX);
                inner.counters.dropped.fetch_add(left.saturating_add(1), Ordering::Relaxed);
                return;
            }
            end = deliver(&inner, url, &item, dropped) => end,
        };
        match end {
            End::Sent => {
                inner.counters.sent.fetch_add(1, Ordering::Relaxed);
                dropped = 0;
            }
            End::Refused => {
                inner.counters.refused.fetch_add(1, Ordering::Relaxed);
                dropped = dropped.saturating_add(1);
            }
            End::TooOld => {
                inner.counters.dropped.fetch_add(1, Ordering::Relaxed);
                dropped = dropped.saturating_add(1);
            }
        }
    }
}

/// How the delivery of one event ended.
enum End {
    Sent,
    Refused,
    TooOld,
}

async fn deliver(inner: &Inner, url: usize, item: &Item, dropped: u32) -> End {
    #[expect(
        deprecated,
        reason = "receivers still read it; it tells them that something is missing"
    )]
    let event = pb::WebhookEvent {
        num_dropped: i32::try_from(dropped).unwrap_or(i32::MAX),
        ..(*item.event).clone()
    };
    let body = match serde_json::to_vec(&event) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, event = event.event, "a webhook event cannot be written");
            return End::Refused;
        }
    };
    let too_old_at = item.since + AGE_MAX;
    let mut wait = RETRY_FIRST_AFTER;
    loop {
        if Instant::now() >= too_old_at {
            tracing::warn!(url, event = event.event, "a webhook event was too old and dropped");
            return End::TooOld;
        }
        match attempt(inner, url, &body).await {
            Attempt::Accepted => return End::Sent,
            Attempt::Refused(status) => {
                tracing::warn!(url, event = event.event, %status, "a webhook event was refused");
                return End::Refused;
            }
            Attempt::Failed => {
                tokio::time::sleep_until((Instant::now() + wait).min(too_old_at)).await;
                wait = (wait * 2).min(RETRY_AFTER_MAX);
            }
        }
    }
}

/// What one attempt came to.
enum Attempt {
    Accepted,
    Refused(StatusCode),
    Failed,
}

async fn attempt(inner: &Inner, url: usize, body: &[u8]) -> Attempt {
    let (Ok(_permit), Some(address)) = (inner.permits.acquire().await, inner.urls.get(url)) else {
        return Attempt::Failed;
    };
    let Some(token) = sign(inner, body) else { return Attempt::Failed };
    let request = inner
        .client
        .post(address.clone())
        .header(CONTENT_TYPE, WEBHOOK_JSON)
        .header(AUTHORIZATION, token)
        .body(body.to_vec());
    match request.send().await {
        Ok(response) if response.status().is_success() => Attempt::Accepted,
        Ok(response) => {
            let status = response.status();
            let passing = status.is_server_error()
                || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
            if passing { Attempt::Failed } else { Attempt::Refused(status) }
        }
        Err(error) => {
            tracing::debug!(url, error = %error.without_url(), "a webhook attempt failed");
            Attempt::Failed
        }
    }
}

/// A token over the body's hash, as receivers check it. Sent without `Bearer`.
fn sign(inner: &Inner, body: &[u8]) -> Option<String> {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
    let now = inner.signer.clock.now().as_secs();
    let token = Token {
        nbf: Some(now),
        exp: Some(now.saturating_add(SIGNATURE_SECS)),
        sha256: Some(STANDARD.encode(hash)),
        ..Token::default()
    };
    let signed = inner.signer.keys.sign(Some(&inner.signer.api_key), &token);
    signed.inspect_err(|error| tracing::error!(%error, "a webhook cannot be signed")).ok()
}

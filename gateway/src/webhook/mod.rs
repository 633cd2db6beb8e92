//! Tells back ends what happens in rooms: signed `POST`s that the public webhook receivers accept.
//!
//! [`Webhooks::notify`] never waits. Every pair of address and room has a queue of its own, so events of a room
//! arrive in order and a slow receiver delays nobody else. Queues are bounded; what does not fit or grows too
//! old is dropped, counted, and its number travels in the next event's `num_dropped`.

mod deliver;
mod queue;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use livekit_protocol as pb;
use proto::{
    id::RoomName,
    room::{Participant, Publication, Room},
};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::queue::{Item, Push, Queues};
use crate::{auth::Keys, clock::Clock, config::Webhook};

/// Most events that wait for one address and one room.
pub const QUEUE_MAX: usize = 200;
/// Most events that wait in all queues together.
pub const QUEUED_TOTAL_MAX: usize = 20_000;
/// An event is dropped when it could not be delivered for this long.
pub const AGE_MAX: Duration = Duration::from_secs(30);
/// Most deliveries under way at once.
const DELIVERIES_MAX: usize = 64;

/// Closed rooms that wait for who listens.
const CLOSED_MAX: usize = 4_096;

/// Why webhooks could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The signing key is not among the node's keys.
    #[error("the webhook's api_key names no configured API key")]
    UnknownKey,
    /// An address is not one.
    #[error("webhook address {index} is not an http or https address")]
    Address {
        /// Which of the configured addresses, from 0. The address itself may hold credentials.
        index: usize,
    },
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made")]
    Client(#[source] reqwest::Error),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebhookKind {
    /// A room opened.
    RoomStarted,
    /// A room closed.
    RoomFinished,
    /// A participant's media came up.
    ParticipantJoined,
    /// A participant that had joined left.
    ParticipantLeft,
    /// A participant left before its media ever came up.
    ParticipantConnectionAborted,
    /// A track came.
    TrackPublished,
    /// A track ended.
    TrackUnpublished,
}

impl WebhookKind {
    /// The event's name on the wire.
    #[must_use]
    pub const fn event(self) -> &'static str {
        match self {
            Self::RoomStarted => "room_started",
            Self::RoomFinished => "room_finished",
            Self::ParticipantJoined => "participant_joined",
            Self::ParticipantLeft => "participant_left",
            Self::ParticipantConnectionAborted => "participant_connection_aborted",
            Self::TrackPublished => "track_published",
            Self::TrackUnpublished => "track_unpublished",
        }
    }
}

/// How deliveries went since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookCounts {
    /// Accepted by their receiver.
    pub sent: u64,
    /// Refused by their receiver for good.
    pub refused: u64,
    /// Dropped: a queue was full, or the event grew too old.
    pub dropped: u64,
}

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
}

/// Sends events to the configured addresses. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    inner: Arc<Inner>,
}

struct Inner {
    urls: Vec<reqwest::Url>,
    signer: Signer,
    client: reqwest::Client,
    queues: Queues,
    permits: Semaphore,
    counters: Counters,
    runtime: Handle,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Hears of rooms that closed.
    closed: OnceLock<mpsc::Sender<RoomName>>,
}

/// Who signs.
struct Signer {
    keys: Keys,
    api_key: String,
    clock: Clock,
}

impl Webhooks {
    /// Prepares delivery; nothing is sent before the first [`Self::notify`]. Must be called within a runtime.
    ///
    /// # Errors
    /// [`WebhookError`] when the signing key, an address or the HTTP client is unusable.
    pub fn new(config: Webhook, keys: Keys, clock: Clock) -> Result<Self, WebhookError> {
        let Webhook { urls, api_key } = config;
        if !urls.is_empty() && !keys.contains(&api_key) {
            return Err(WebhookError::UnknownKey);
        }
        let address = |(index, url): (usize, &String)| {
            reqwest::Url::parse(url)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
                .ok_or(WebhookError::Address { index })
        };
        let urls = urls.iter().enumerate().map(address).collect::<Result<Vec<_>, _>>()?;
        let client = deliver::client().map_err(WebhookError::Client)?;
        let inner = Inner {
            urls,
            signer: Signer { keys, api_key, clock },
            client,
            queues: Queues::default(),
            permits: Semaphore::new(DELIVERIES_MAX),
            counters: Counters::default(),
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            closed: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Tells every address what happened. Never waits.
    pub fn notify(
        &self,
        kind: WebhookKind,
        room: &Room,
        participant: Option<&Participant>,
        track: Option<&Publication>,
    ) {
        let inner = &self.inner;
        if kind == WebhookKind::RoomFinished
            && let Some(closed) = inner.closed.get()
            && closed.try_send(room.name.clone()).is_err()
        {
            metrics::counter!("stoa_rooms_closed_unheard_total").increment(1);
        }
        if inner.urls.is_empty() || inner.stop.is_cancelled() {
            return;
        }
        let event = deliver::event(kind, room, participant, track);
        let created_at = i64::try_from(inner.signer.clock.now().as_secs()).unwrap_or(i64::MAX);
        let event = Arc::new(pb::WebhookEvent { created_at, ..event });
        for url in 0..inner.urls.len() {
            self.enqueue(url, &room.name, Arc::clone(&event));
        }
    }

    /// The rooms that close from here on, as back ends are told: once in a cluster. For one listener.
    #[must_use]
    pub fn closed_rooms(&self) -> mpsc::Receiver<RoomName> {
        let (sender, receiver) = mpsc::channel(CLOSED_MAX);
        // A second listener hears nothing.
        let _first = self.inner.closed.set(sender);
        receiver
    }

    fn enqueue(&self, url: usize, room: &RoomName, event: Arc<pb::WebhookEvent>) {
        let inner = &self.inner;
        match inner.queues.push(url, room, Item::new(event)) {
            Push::Full => {
                inner.counters.dropped.fetch_add(1, Ordering::Relaxed);
            }
            Push::Waiting => {}
            Push::First => {
                let work = deliver::work(Arc::clone(inner), url, room.clone());
                inner.tasks.spawn_on(work, &inner.runtime);
            }
        }
    }

    /// How deliveries went since the start.
    #[must_use]
    pub fn counts(&self) -> WebhookCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { sent, refused, dropped } = &self.inner.counters;
        WebhookCounts { sent: read(sent), refused: read(refused), dropped: read(dropped) }
    }

    /// Waits until everything was delivered, at most for `within`; what is left then is dropped.
    /// Later events are ignored.
    pub async fn drain(&self, within: Duration) {
        self.inner.tasks.close();
        if tokio::time::timeout(within, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!("webhooks were not all delivered before the node stopped");
        }
        self.inner.stop.cancel();
        self.inner.tasks.wait().await;
    }
}

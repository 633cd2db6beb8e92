//! One session's mailbox: what waits for its socket and what may have to be sent again. It outlives the socket.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use proto::{
    error::ErrorCode,
    im::id::{DeviceId, SessionId, UserId},
};
use tokio::{sync::Notify, time::Instant};

use super::{
    outbox::{Coarse, Item, Outbox, Outgoing},
    wire::{
        Codec,
        pb::{self, server_frame::Body},
    },
};

#[cfg(test)]
mod tests;

/// Most pushes that are kept for resuming.
pub const RING_FRAMES_MAX: usize = 512;
/// Most bytes of pushes that are kept for resuming.
pub const RING_BYTES_MAX: usize = 512 * 1024;
/// Pushes are kept for this long.
pub const RING_KEPT: Duration = Duration::from_secs(60);
/// Frames that leave in one batch.
const BATCH_FRAMES_MAX: usize = 64;
/// Bytes that leave in one batch, if more than one frame does.
/// Small, because the socket's buffer keeps the size of its largest batch.
const BATCH_BYTES_MAX: usize = 16 * 1024;

/// Why a socket is closed by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The client sent what is no frame, or does not keep to the protocol.
    BadFrame,
    /// The token is not accepted, not any more, or did not come.
    Unauthorized(ErrorCode),
    /// The account may not be used.
    Forbidden(ErrorCode),
    /// Nothing was heard of the client.
    Idle,
    /// Another log-in or socket took its place.
    Replaced,
    /// The client sends too much.
    TooFast,
    /// The client reads too slowly.
    TooSlow,
    /// The node is shutting down, or lost track: connect again.
    Draining,
    /// The client closed.
    Gone,
}

impl Close {
    /// The close code (RFC 6455 section 7.4.2: 4000-4999 are for private use).
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::BadFrame => 4400,
            Self::Unauthorized(_) => 4401,
            Self::Forbidden(_) => 4403,
            Self::Idle => 4408,
            Self::Replaced => 4409,
            Self::TooFast => 4429,
            Self::TooSlow => 4430,
            Self::Draining => 4503,
            Self::Gone => 1000,
        }
    }

    /// The stable error code.
    #[must_use]
    pub const fn error(self) -> ErrorCode {
        match self {
            Self::BadFrame | Self::Gone => ErrorCode::MalformedRequest,
            Self::Unauthorized(code) | Self::Forbidden(code) => code,
            Self::Idle | Self::Replaced => ErrorCode::SessionEnded,
            Self::TooFast => ErrorCode::RateLimited,
            Self::TooSlow => ErrorCode::TooSlow,
            Self::Draining => ErrorCode::NodeDraining,
        }
    }

    /// Whether the session may be resumed after it.
    #[must_use]
    pub const fn resumable(self) -> bool {
        matches!(self, Self::Idle | Self::TooFast | Self::Gone)
    }
}

/// Who a session belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The account.
    pub user: UserId,
    /// The installation.
    pub device: DeviceId,
    /// The log-in of its token, if it has one.
    pub login: Option<SessionId>,
    /// The epoch of its token, if it has one.
    pub epoch: Option<u32>,
}

/// A session's mailbox.
#[derive(Debug)]
pub struct Mailbox {
    /// Names the session; unguessable.
    pub id: u128,
    /// Whose it is.
    pub owner: Owner,
    /// How its frames are written.
    pub codec: Codec,
    inner: Mutex<Inner>,
    /// Something waits, or the session is closed.
    pub wake: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    outbox: Outbox,
    ring: VecDeque<Kept>,
    ring_bytes: usize,
    /// The number of the last push that left.
    pushed: u64,
    /// Which socket it is: a task that finds another number has been taken over.
    socket: u64,
    closed: Option<Close>,
}

#[derive(Debug)]
struct Kept {
    push: u64,
    at: Instant,
    frame: Bytes,
}

impl Mailbox {
    /// An empty mailbox.
    #[must_use]
    pub fn new(id: u128, owner: Owner, codec: Codec) -> Self {
        let inner = Mutex::new(Inner::default());
        Self { id, owner, codec, inner, wake: Notify::new() }
    }

    /// The text by which a client names the session.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{:032x}", self.id)
    }

    /// Puts an item in. A client that cannot keep up even so is closed.
    pub fn push(&self, item: Item) {
        let mut inner = self.lock();
        if inner.closed.is_some_and(|closed| !closed.resumable()) {
            return;
        }
        if inner.outbox.push(item).is_err() {
            metrics::counter!("stoa_im_sessions_slow_total").increment(1);
            inner.closed = Some(Close::TooSlow);
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// Puts an answer in.
    pub fn answer(&self, rid: u32, body: Body) {
        let frame = pb::ServerFrame { rid, push: 0, body: Some(body) };
        self.push(Item::Control(self.codec.encode(&frame)));
    }

    /// Closes the session. The first reason stands, but for one after which the client might come back.
    pub fn close(&self, close: Close) {
        let mut inner = self.lock();
        if inner.closed.is_none_or(|before| before.resumable() && !close.resumable()) {
            inner.closed = Some(close);
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// Why the session is closed, if it is.
    #[must_use]
    pub fn closed(&self) -> Option<Close> {
        self.lock().closed
    }

    /// The next frame for the socket: one, or a batch of what waits. Pushes are numbered and kept.
    pub fn take(&self, now: Instant) -> Option<Bytes> {
        let mut inner = self.lock();
        let mut frames: Vec<Bytes> = Vec::new();
        let mut bytes = 0;
        while frames.len() < BATCH_FRAMES_MAX && bytes < BATCH_BYTES_MAX {
            let Some(outgoing) = inner.outbox.pop() else { break };
            let frame = self.number(&mut inner, outgoing, now);
            bytes += frame.len();
            frames.push(frame);
        }
        drop(inner);
        (!frames.is_empty()).then(|| self.codec.join(&frames))
    }

    fn number(&self, inner: &mut Inner, outgoing: Outgoing, now: Instant) -> Bytes {
        let frame = match outgoing {
            Outgoing::Frame { frame, kept: false } => return frame,
            Outgoing::Frame { frame, kept: true } => frame,
            Outgoing::Coarse(coarse) => self.codec.push(written(coarse)),
        };
        inner.pushed += 1;
        let numbered = self.codec.numbered(&frame, inner.pushed);
        inner.keep(frame, now);
        numbered
    }

    /// The client has handled all pushes up to `push`.
    pub fn acknowledge(&self, push: u64) {
        let mut inner = self.lock();
        while inner.ring.front().is_some_and(|kept| kept.push <= push) {
            inner.forget_first();
        }
    }

    /// Forgets what is too old to be sent again.
    pub fn trim(&self, now: Instant) {
        self.lock().trim(now);
    }

    /// The frames a client missed that has handled all pushes up to `push`; `None`: some are gone.
    #[must_use]
    pub fn missed(&self, push: u64) -> Option<Vec<Bytes>> {
        let inner = self.lock();
        if push > inner.pushed || inner.closed.is_some_and(|closed| !closed.resumable()) {
            return None;
        }
        let first = inner.ring.front().map_or(inner.pushed + 1, |kept| kept.push);
        if first > push + 1 {
            return None;
        }
        let missed = inner.ring.iter().filter(|kept| kept.push > push);
        Some(missed.map(|kept| self.codec.numbered(&kept.frame, kept.push)).collect())
    }

    /// A new socket takes the session over. Answers its number.
    pub fn reopen(&self) -> u64 {
        let mut inner = self.lock();
        if inner.closed.is_some_and(Close::resumable) {
            inner.closed = None;
        }
        inner.socket += 1;
        let socket = inner.socket;
        drop(inner);
        self.wake.notify_one();
        socket
    }

    /// The number of the socket that has the session.
    #[must_use]
    pub fn socket(&self) -> u64 {
        self.lock().socket
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, frame: Bytes, now: Instant) {
        self.ring_bytes += frame.len();
        self.ring.push_back(Kept { push: self.pushed, at: now, frame });
        while self.ring.len() > RING_FRAMES_MAX || self.ring_bytes > RING_BYTES_MAX {
            self.forget_first();
        }
        self.trim(now);
    }

    fn trim(&mut self, now: Instant) {
        let old = |kept: &Kept| now.saturating_duration_since(kept.at) > RING_KEPT;
        while self.ring.front().is_some_and(old) {
            self.forget_first();
        }
        if self.ring.is_empty() {
            // An idle session holds no buffers.
            self.ring = VecDeque::new();
        }
    }

    fn forget_first(&mut self) {
        if let Some(kept) = self.ring.pop_front() {
            self.ring_bytes -= kept.frame.len();
        }
    }
}

fn written(coarse: Coarse) -> Body {
    match coarse {
        Coarse::Hint { conversation, head, changed } => {
            Body::Hint(pb::Hint { conversation: conversation.to_string(), head: head.0, changed })
        }
        Coarse::Sync(seq) => {
            Body::Changed(pb::Changed { user_seq: seq.0, ..pb::Changed::default() })
        }
    }
}

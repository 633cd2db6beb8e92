//! A session's socket: frames in, a bounded outbox, pings.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use livekit_protocol::signal_request::Message as Request;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use super::Arrival;
use crate::{
    limit::{Bucket, Limits},
    livekit::signal::decode_frame,
};

/// Sockets are pinged this often, below the idle limits of common proxies.
const PING_EVERY: Duration = Duration::from_secs(10);
/// A socket that is closed by us may take this long to deliver what is waiting.
const LINGER_AFTER_MAX: Duration = Duration::from_secs(5);
/// Frames that cannot be read, before the socket is closed.
const GARBAGE_MAX: u32 = 10;
/// A client may send this many seconds' worth of frames at once.
const BURST_S: u32 = 5;

/// What a socket brought.
pub(super) enum Incoming {
    /// A request.
    Request(Box<Request>),
    /// Something that needs no reaction.
    Ignored,
    /// It is gone, or useless.
    Lost,
}

/// The outbox is full: the client does not read.
#[derive(Debug)]
pub(super) struct Full;

/// An open socket.
pub(super) struct Link {
    reader: SplitStream<WebSocket>,
    outbox: mpsc::Sender<Outgoing>,
    /// What waits in the outbox, by weight.
    waiting: Arc<AtomicUsize>,
    writer: AbortOnDropHandle<()>,
    permit: OwnedSemaphorePermit,
    bucket: Bucket,
    /// Nothing is read before: the client sends too much, and TCP tells it so.
    read_at: Instant,
    heard_at: Instant,
    garbage: u32,
    limits: Limits,
}

enum Outgoing {
    Frame { frame: Bytes, weight: usize },
    Close,
}

impl Link {
    pub(super) fn new(socket: WebSocket, permit: OwnedSemaphorePermit, limits: &Limits) -> Self {
        let (sink, reader) = socket.split();
        let (outbox, queue) = mpsc::channel(limits.outbox_messages_max.max(1));
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = AbortOnDropHandle::new(tokio::spawn(write(sink, queue, Arc::clone(&waiting))));
        let now = Instant::now();
        let bucket = Bucket::full(now, limits.frames_per_second.saturating_mul(BURST_S));
        let limits = *limits;
        let (read_at, heard_at) = (now, now);
        Self {
            reader,
            outbox,
            waiting,
            writer,
            permit,
            bucket,
            read_at,
            heard_at,
            garbage: 0,
            limits,
        }
    }

    /// Puts a frame into the outbox. The roster of a large room is larger than any sensible limit, so one
    /// frame weighs at most half of it: two such frames may wait, but not three.
    pub(super) fn push(&self, frame: Bytes) -> Result<(), Full> {
        let weight = weight(&frame, &self.limits);
        if self.waiting.load(Ordering::Relaxed) + weight > self.limits.outbox_bytes_max {
            return Err(Full);
        }
        self.waiting.fetch_add(weight, Ordering::Relaxed);
        self.outbox.try_send(Outgoing::Frame { frame, weight }).map_err(|_| Full)
    }

    /// Closes the socket after what is in the outbox, without making the caller wait.
    pub(super) fn close(self) {
        let Self { mut reader, outbox, writer, permit, .. } = self;
        let _ = outbox.try_send(Outgoing::Close);
        drop(outbox);
        tokio::spawn(async move {
            let drained = async {
                let _ = writer.await;
                while let Some(Ok(_)) = reader.next().await {}
            };
            let _ = timeout(LINGER_AFTER_MAX, drained).await;
            drop(permit);
        });
    }

    async fn next(&mut self) -> Incoming {
        sleep_until(self.read_at).await;
        let patience = self.heard_at.max(self.read_at) + self.limits.idle_after_max;
        let Ok(Some(Ok(message))) = timeout_at(patience, self.reader.next()).await else {
            return Incoming::Lost;
        };
        let now = Instant::now();
        self.heard_at = now;
        let per_second = self.limits.frames_per_second;
        if let Err(wait) = self.bucket.take(now, per_second, per_second.saturating_mul(BURST_S)) {
            metrics::counter!("stoa_gateway_frames_delayed_total").increment(1);
            self.read_at = now + wait;
        }
        match message {
            Message::Binary(frame) => self.on_frame(&frame),
            Message::Ping(_) | Message::Pong(_) => Incoming::Ignored,
            // JSON text frames are not spoken here.
            Message::Text(_) | Message::Close(_) => Incoming::Lost,
        }
    }

    fn on_frame(&mut self, frame: &[u8]) -> Incoming {
        match decode_frame(frame) {
            Ok(Some(request)) => Incoming::Request(Box::new(request)),
            Ok(None) => Incoming::Ignored,
            Err(_) => {
                metrics::counter!("stoa_gateway_frames_malformed_total").increment(1);
                self.garbage += 1;
                if self.garbage > GARBAGE_MAX { Incoming::Lost } else { Incoming::Ignored }
            }
        }
    }
}

const fn weight(frame: &Bytes, limits: &Limits) -> usize {
    let most = limits.outbox_bytes_max / 2;
    if frame.len() < most { frame.len() } else { most }
}

/// The next input of the socket; none ever, if there is no socket.
pub(super) async fn next(link: &mut Option<Link>) -> Incoming {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

/// Sends one frame on a socket that has no session, and closes it.
pub(super) async fn say_and_close(arrival: Arrival, frame: Bytes) {
    let Arrival { mut socket, permit, .. } = arrival;
    let said = async {
        socket.send(Message::Binary(frame)).await?;
        socket.send(good_bye()).await?;
        while let Some(Ok(_)) = socket.recv().await {}
        Ok::<_, axum::Error>(())
    };
    let _ = timeout(LINGER_AFTER_MAX, said).await;
    drop(permit);
}

async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Outgoing>,
    waiting: Arc<AtomicUsize>,
) {
    let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    loop {
        let (message, weight) = tokio::select! {
            outgoing = queue.recv() => match outgoing {
                Some(Outgoing::Frame { frame, weight }) => (Message::Binary(frame), weight),
                Some(Outgoing::Close) | None => (good_bye(), 0),
            },
            _ = ping.tick() => (Message::Ping(Bytes::new()), 0),
        };
        let last = matches!(message, Message::Close(_));
        if sink.send(message).await.is_err() || last {
            return;
        }
        waiting.fetch_sub(weight, Ordering::Relaxed);
    }
}

fn good_bye() -> Message {
    Message::Close(Some(CloseFrame { code: close_code::NORMAL, reason: "".into() }))
}

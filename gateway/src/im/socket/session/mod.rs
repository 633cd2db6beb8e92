//! One session on one socket: reads requests, writes what waits, pings, and ends.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use proto::{
    error::ErrorCode,
    im::{Command, Query, command::Actor},
};
use rand::RngExt as _;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until, timeout},
};

mod soft;

use super::{
    entry::Admitted,
    guest::Guest,
    pipe::{Incoming, Pipe},
    user_of,
};
use crate::{
    error::Error,
    im::{
        chat::{Chat, Pending},
        mailbox::{Close, Mailbox},
        op::{self, Asked, Asker, output},
        wire::pb::{self, client_frame::Body, server_frame::Body as Told},
    },
    limit::Bucket,
};

/// Frames in one batch of a client.
pub(super) const BATCH_FRAMES_MAX: usize = 64;
/// Pings that may go unanswered.
const MISSES_MAX: u32 = 2;

type Answering = BoxFuture<'static, (u32, Told)>;
type Answers = FuturesUnordered<Answering>;

pub(super) struct Session {
    chat: Chat,
    pipe: Pipe,
    mailbox: Arc<Mailbox>,
    /// Which of the session's sockets this is.
    socket: u64,
    answers: Answers,
    rates: Rates,
    ping_at: Instant,
    misses: u32,
    expires_at: Instant,
    /// It came with the token of a call.
    guest: Option<Box<Guest>>,
}

/// What a client may still send.
struct Rates {
    frames: Bucket,
    sends: Bucket,
    pulls: Bucket,
    refused: u32,
}

impl Session {
    pub(super) fn new(chat: Chat, pipe: Pipe, admitted: Admitted) -> Self {
        let Admitted { mailbox, socket, expires_at_s, guest } = admitted;
        let (now, limits) = (Instant::now(), &chat.config.limits);
        let rates = Rates {
            frames: Bucket::full(now, limits.frames_burst),
            sends: Bucket::full(now, limits.sends_burst),
            pulls: Bucket::full(now, limits.pulls_burst),
            refused: 0,
        };
        let ping_at = now + jittered(limits.ping_every);
        let expires_at = instant_of(&chat, now, expires_at_s);
        let answers = FuturesUnordered::new();
        Self { chat, pipe, mailbox, socket, answers, rates, ping_at, misses: 0, expires_at, guest }
    }

    pub(super) async fn run(mut self, permit: OwnedSemaphorePermit) {
        metrics::gauge!("stoa_im_sockets").increment(1.0);
        let close = self.converse().await;
        metrics::gauge!("stoa_im_sockets").decrement(1.0);
        drop(permit);
        let Self { chat, pipe, mailbox, socket, guest, .. } = self;
        let Some(close) = close else {
            // Another socket has the session; it may have missed what woke this one.
            mailbox.wake.notify_one();
            let name = &mailbox.owner.user;
            chat.hub(|hub| hub.disconnected(Instant::now(), name));
            pipe.close(Close::Replaced, None).await;
            return;
        };
        mailbox.close(close);
        let farewell = tokio::spawn(pipe.close(close, None));
        if guest.is_some() {
            chat.live(|live| live.leave_all(Instant::now(), mailbox.id));
        } else {
            end(&chat, &mailbox, socket, close).await;
        }
        let _ = farewell.await;
    }

    /// Until the socket is to be closed; `None`: another socket has taken the session over.
    async fn converse(&mut self) -> Option<Close> {
        let in_flight_max = self.chat.config.limits.in_flight_max;
        loop {
            if self.mailbox.socket() != self.socket {
                return None;
            }
            if let Some(close) = self.mailbox.closed() {
                return Some(close);
            }
            if let Some(frame) = self.mailbox.take(Instant::now()) {
                if let Err(close) = self.write(frame).await {
                    return close;
                }
                continue;
            }
            let timer = self.ping_at.min(self.expires_at);
            let reads = self.answers.len() < in_flight_max;
            tokio::select! {
                () = self.mailbox.wake.notified() => {}
                Some((rid, body)) = self.answers.next(), if !self.answers.is_empty() => {
                    self.mailbox.answer(rid, body);
                }
                incoming = self.pipe.next(), if reads => {
                    if let Err(close) = self.on_incoming(incoming).await {
                        return Some(close);
                    }
                }
                () = sleep_until(timer) => {
                    if let Err(close) = self.on_timer().await {
                        return Some(close);
                    }
                }
            }
        }
    }

    /// Writes a frame. A session that ends meanwhile does not wait for a client that does not read.
    async fn write(&mut self, frame: bytes::Bytes) -> Result<(), Option<Close>> {
        let deadline = Instant::now() + self.chat.config.limits.write_after_max;
        let mut sending = std::pin::pin!(self.pipe.send(frame));
        loop {
            tokio::select! {
                sent = &mut sending => return sent.map_err(|_| Some(Close::Gone)),
                () = sleep_until(deadline) => return Err(Some(Close::TooSlow)),
                () = self.mailbox.wake.notified() => {
                    if self.mailbox.socket() != self.socket {
                        return Err(None);
                    }
                    if let Some(close) = self.mailbox.closed() {
                        return Err(Some(close));
                    }
                }
            }
        }
    }

    async fn on_timer(&mut self) -> Result<(), Close> {
        let now = Instant::now();
        if now >= self.expires_at {
            return Err(Close::Unauthorized(ErrorCode::TokenExpired));
        }
        if now < self.ping_at {
            return Ok(());
        }
        self.mailbox.trim(now);
        if self.misses >= MISSES_MAX {
            return Err(Close::Idle);
        }
        self.misses += 1;
        let limits = &self.chat.config.limits;
        self.ping_at = now + jittered(limits.ping_every);
        match timeout(limits.write_after_max, self.pipe.ping()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Close::Gone),
            Err(_) => Err(Close::TooSlow),
        }
    }

    async fn on_incoming(&mut self, incoming: Incoming) -> Result<(), Close> {
        self.misses = 0;
        match incoming {
            Incoming::Alive => Ok(()),
            Incoming::Lost => Err(Close::Gone),
            Incoming::Unreadable => Err(Close::BadFrame),
            // Boxed: an idle session does not carry what a request needs.
            Incoming::Frame(frame) => Box::pin(self.on_frame(*frame)).await,
        }
    }

    async fn on_frame(&mut self, frame: pb::ClientFrame) -> Result<(), Close> {
        let Some(Body::Batch(batch)) = frame.body else {
            return self.on_request(frame).await;
        };
        if batch.frames.len() > BATCH_FRAMES_MAX {
            let error = Error::Malformed("a batch has more than 64 frames");
            self.mailbox.answer(frame.rid, Told::Error(output::error(&error)));
            return Ok(());
        }
        for frame in batch.frames {
            self.on_request(frame).await?;
        }
        Ok(())
    }

    /// One request. Refusals are answers; only those who do not stop are closed.
    async fn on_request(&mut self, frame: pb::ClientFrame) -> Result<(), Close> {
        let pb::ClientFrame { rid, body } = frame;
        let result = match body {
            None => Err(Error::Unsupported("a frame without a known body")),
            Some(body) => match self.admit(&body) {
                Ok(()) => self.serve(rid, body).await,
                Err(error) => Err(error),
            },
        };
        match result {
            Ok(None) => {}
            Ok(Some(told)) => self.mailbox.answer(rid, told),
            Err(error) => {
                if matches!(error, Error::RateLimited { .. }) {
                    self.rates.refused += 1;
                    if self.rates.refused > self.chat.config.limits.refused_max {
                        return Err(Close::TooFast);
                    }
                }
                self.mailbox.answer(rid, Told::Error(output::error(&error)));
            }
        }
        Ok(())
    }

    /// Counts a frame.
    fn admit(&mut self, body: &Body) -> Result<(), Error> {
        let limits = &self.chat.config.limits;
        let now = Instant::now();
        let limited = |after: Duration| {
            metrics::counter!("stoa_im_frames_limited_total").increment(1);
            Error::RateLimited { after }
        };
        let Rates { frames, sends, pulls, refused } = &mut self.rates;
        frames.take(now, limits.frames_per_second, limits.frames_burst).map_err(limited)?;
        match body {
            Body::Send(_) => {
                sends.take(now, limits.sends_per_second, limits.sends_burst).map_err(limited)?;
            }
            Body::Pull(_)
            | Body::Sync(_)
            | Body::RevisionsGet(_)
            | Body::ConversationList(_)
            | Body::Search(_) => {
                pulls.take(now, limits.pulls_per_second, limits.pulls_burst).map_err(limited)?;
            }
            _ => {}
        }
        *refused = 0;
        Ok(())
    }

    /// Serves a request: the answer, if it is there at once.
    async fn serve(&mut self, rid: u32, body: Body) -> Result<Option<Told>, Error> {
        let done = Ok(Some(Told::Done(pb::Done {})));
        match body {
            Body::Connect(_) => Err(Error::Malformed("connected already")),
            Body::Batch(_) => Err(Error::Malformed("batches do not nest")),
            Body::Ack(ack) => {
                self.mailbox.acknowledge(ack.push);
                Ok(None)
            }
            Body::Renew(renew) => {
                self.renew(&renew.token).await?;
                done
            }
            Body::Ping(_) => done,
            Body::LiveJoin(_) | Body::LiveLeave(_) | Body::LiveSend(_) | Body::LiveLike(_) => {
                self.serve_live(rid, body)
            }
            // Whoever came with the token of a call may use its live room, and nothing else.
            _ if self.guest.is_some() => Err(Error::GrantMissing("im")),
            Body::Typing(typing) => {
                let conversation = typing.conversation.parse();
                let conversation =
                    conversation.map_err(|_| Error::Malformed("conversation is not an id"))?;
                let name = &self.mailbox.owner.user;
                self.chat.hub(|hub| hub.typing(name, &conversation, typing.typing));
                Ok(None)
            }
            Body::PresenceSet(_) | Body::PresenceSubscribe(_) | Body::PresenceUnsubscribe(_) => {
                self.serve_presence(body).map(Some)
            }
            other => {
                let answering = ask(&self.chat, &self.mailbox, rid, other).await?;
                self.answers.push(answering);
                Ok(None)
            }
        }
    }

    async fn renew(&mut self, token: &str) -> Result<(), Error> {
        if let Some(guest) = &self.guest {
            let renewed =
                Guest::read(&self.chat, token).ok_or(Error::GrantMissing("roomJoin"))??;
            if !guest.is(&renewed) {
                return Err(Error::Malformed("the token is not of this session: connect with it"));
            }
            self.expires_at = instant_of(&self.chat, Instant::now(), renewed.expires_at_s);
            return Ok(());
        }
        let user = user_of(&self.chat, token)?;
        let owner = &self.mailbox.owner;
        let is_same = user.user == owner.user
            && user.device.as_ref().is_none_or(|device| *device == owner.device)
            && user.login == owner.login
            && user.epoch == owner.epoch;
        if !is_same {
            return Err(Error::Malformed("the token is not of this session: connect with it"));
        }
        self.chat.check_access(&user).await?;
        self.expires_at = instant_of(&self.chat, Instant::now(), user.expires_at_s);
        Ok(())
    }
}

/// The session has lost its socket. It waits for its client for a while if it may, and then is over.
async fn end(chat: &Chat, mailbox: &Arc<Mailbox>, socket: u64, close: Close) {
    let name = &mailbox.owner.user;
    chat.live(|live| live.leave_all(Instant::now(), mailbox.id));
    chat.hub(|hub| hub.disconnected(Instant::now(), name));
    let until = Instant::now() + chat.config.limits.resume_after_max;
    let mut waits = close.resumable();
    while waits {
        tokio::select! {
            () = mailbox.wake.notified() => {
                if mailbox.socket() != socket {
                    mailbox.wake.notify_one();
                    return;
                }
                waits = mailbox.closed().is_none_or(Close::resumable);
            }
            () = sleep_until(until) => waits = false,
        }
    }
    chat.hub(|hub| {
        if mailbox.socket() == socket {
            hub.detach(mailbox);
        }
    });
}

/// Puts a request into the node's queue; the answer comes later. Requests of a session keep their order.
async fn ask(chat: &Chat, mailbox: &Mailbox, rid: u32, body: Body) -> Result<Answering, Error> {
    let owner = &mailbox.owner;
    let key = chat.mint.key(chat.shared.clock.now());
    let asker = Asker { user: &owner.user, key };
    let asked = op::read(body, &asker)?.ok_or(Error::Unsupported("this request"))?;
    let Asked { action, ask, about } = asked;
    let viewer = Some(owner.user.clone());
    let (pending, then) = match (action, ask) {
        (Some(action), ask) => {
            let (user, session, epoch) = (owner.user.clone(), owner.login, owner.epoch);
            let command = Command { actor: Actor::User { user, session, epoch }, action };
            let then = ask.map(|ask| Query { viewer, ask });
            (chat.begin_change(command).await?, then)
        }
        (None, Some(ask)) => (chat.begin_question(Query { viewer, ask }).await?, None),
        (None, None) => return Err(Error::Internal),
    };
    let chat = chat.clone();
    Ok(Box::pin(async move {
        let body = complete(&chat, pending, then, &about).await;
        (rid, body.unwrap_or_else(|error| Told::Error(output::error(&error))))
    }))
}

/// Waits for the node's answer and tells it.
async fn complete(
    chat: &Chat,
    pending: Pending,
    then: Option<Query>,
    about: &str,
) -> Result<Told, Error> {
    let answer = match pending {
        Pending::Question(answer) => chat.answer(answer).await?,
        Pending::Change(reply) => {
            let reply = chat.reply(reply).await?;
            match then {
                None => return Ok(output::reply(reply, about)),
                Some(query) => chat.question(query).await?,
            }
        }
    };
    output::answer(&answer, about).ok_or(Error::Internal)
}

fn jittered(every: Duration) -> Duration {
    every.mul_f64(rand::rng().random_range(0.8..=1.2))
}

fn instant_of(chat: &Chat, now: Instant, at_s: u64) -> Instant {
    // A day is longer than any sensible token, and timers do not like eternity.
    now + Duration::from_secs(at_s.saturating_sub(chat.now_s()).min(86_400))
}

#[cfg(test)]
mod tests {
    use super::Session;

    fn bytes<A, B, F: Future>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_session_is_small() {
        // Two of these are allocated by the runtime for each socket, next to 2 KiB of read buffer.
        let bytes = bytes(Session::run);
        assert!(bytes <= 3_072, "{bytes} bytes");
    }
}

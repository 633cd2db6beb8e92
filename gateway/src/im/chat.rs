//! The shell around the pure parts: the queues to and from the node, the locks, the timers.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use axum::Router;
use proto::{
    id::{NodeId, RoomName},
    im::{
        Action, Answer, Command, LiveAction, LiveLease, LiveRoom, Query, Reply,
        account::AccountState, command::Actor, event::Event, id::UserId, query::Ask,
        reject::Reject,
    },
};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, sleep_until},
};

use super::{
    config::Config,
    hub::Hub,
    live::{LeaseAsk, Live},
    mailbox::Close,
    mint::Mint,
    password::Hasher,
    port::{Notice, Notices, Refused, Relay, Request, Requests},
    socket,
    token::{Tokens, User},
    wire::pb,
};
use crate::{Gateway, Shared, error::Error, rest};

/// Notices that are handled before others may ask the hub.
const NOTICES_AT_ONCE: usize = 128;

/// Chat on a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Chat(Arc<Inner>);

/// What all sockets and requests share; opaque.
#[derive(Debug)]
pub struct Inner {
    pub(crate) shared: Shared,
    pub(crate) config: Config,
    pub(crate) tokens: Tokens,
    pub(crate) hasher: Hasher,
    pub(crate) mint: Mint,
    /// Requests, and refreshes of tokens.
    pub(crate) attempts: rest::attempts::Attempts,
    /// Log-ins and sign-ups, which cost a hash each.
    pub(crate) entries: rest::attempts::Attempts,
    pub(crate) replays: rest::replay::Replays,
    requests: Requests,
    hub: Mutex<Hub>,
    live: Mutex<Live>,
    /// A timer may have become earlier.
    earlier: Notify,
}

impl Deref for Chat {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// A request that was put into the node's queue.
pub(crate) enum Pending {
    Change(oneshot::Receiver<Result<Reply, Refused>>),
    Question(oneshot::Receiver<Result<Box<Answer>, Refused>>),
}

impl Chat {
    /// Chat beside the other doors of `gateway`, which asks the node through `requests`. [`Self::run`] must run.
    #[must_use]
    pub fn new(gateway: &Gateway, config: Config, requests: Requests, mint: Mint) -> Self {
        let shared = gateway.shared().clone();
        let live = Live::new(config.node, shared.clock.now().0);
        let tokens = Tokens::new(&config.secret, shared.config.keys.clone());
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Inner {
            shared,
            tokens,
            hasher: Hasher::new(processors),
            mint,
            attempts: rest::attempts::Attempts::default(),
            entries: rest::attempts::Attempts::default(),
            replays: rest::replay::Replays::default(),
            requests,
            hub: Mutex::default(),
            live: Mutex::new(live),
            earlier: Notify::new(),
            config,
        }))
    }

    /// The socket and the REST API.
    pub fn router(&self) -> Router {
        socket::router(self.clone()).merge(rest::router(self.clone()))
    }

    /// Delivers what the node tells, and what is due. Ends when the node closes its queue.
    pub async fn run(self, mut notices: Notices) {
        let mut taken = Vec::with_capacity(NOTICES_AT_ONCE);
        loop {
            let hub_at = self.hub.lock().unwrap_or_else(PoisonError::into_inner).poll_timeout();
            let live_at = self.live.lock().unwrap_or_else(PoisonError::into_inner).poll_timeout();
            let due = hub_at.into_iter().chain(live_at).min();
            tokio::select! {
                count = notices.recv_many(&mut taken, NOTICES_AT_ONCE) => {
                    if count == 0 {
                        break;
                    }
                    self.on_notices(taken.drain(..));
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                () = self.earlier.notified() => {}
            }
            let now = Instant::now();
            self.hub(|hub| hub.handle_timeout(now));
            self.live(|live| live.handle_timeout(now));
        }
        self.close_all(Close::Draining);
    }

    /// From here on every session is told to go elsewhere.
    pub fn close_all(&self, close: Close) {
        self.hub(|hub| hub.close_all(close));
        self.live(|live| live.close_all(close));
    }

    /// Users and sessions that are connected here.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner).counts()
    }

    fn on_notices(&self, notices: impl Iterator<Item = Notice>) {
        let now = Instant::now();
        let mut for_live = Vec::new();
        self.hub(|hub| {
            for notice in notices {
                match notice {
                    Notice::Applied(events) => {
                        count_messages(&events);
                        events.iter().for_each(|event| hub.handle_event(event));
                        for_live.extend(events.into_iter().filter_map(live_news));
                    }
                    Notice::Skipped => {
                        tracing::warn!("part of the log was skipped: all sessions connect again");
                        hub.close_all(Close::Draining);
                        for_live.push(LiveNews::Skipped);
                    }
                    Notice::Relayed { from, frame } => {
                        let frames = hub.handle_relay(now, from, &frame);
                        for_live.extend(frames.map(|frames| LiveNews::Frames(from, frames)));
                    }
                    Notice::NodeUp(node) => {
                        hub.node_up(now, node);
                        for_live.push(LiveNews::Up(node));
                    }
                    Notice::NodeDown(node) => {
                        hub.node_down(now, node);
                        for_live.push(LiveNews::Down(node));
                    }
                    Notice::Quorum(has) => for_live.push(LiveNews::Quorum(has)),
                }
            }
        });
        if !for_live.is_empty() {
            self.live(|live| for_live.into_iter().for_each(|news| tell_live(live, now, news)));
        }
    }

    /// Asks the hub; what it has for other nodes is sent. Soft state that does not get through is lost.
    pub(crate) fn hub<T>(&self, ask: impl FnOnce(&mut Hub) -> T) -> T {
        let mut hub = self.hub.lock().unwrap_or_else(PoisonError::into_inner);
        let before = hub.poll_timeout();
        let answer = ask(&mut hub);
        let (relays, after) = (hub.drain_relays(), hub.poll_timeout());
        drop(hub);
        self.send_relays(relays);
        self.hurry(before, after);
        answer
    }

    /// Asks the live rooms; what they have for other nodes is sent, and the log is asked what they ask.
    pub(crate) fn live<T>(&self, ask: impl FnOnce(&mut Live) -> T) -> T {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let before = live.poll_timeout();
        let answer = ask(&mut live);
        let (relays, leases) = live.drain(Instant::now());
        let after = live.poll_timeout();
        drop(live);
        self.send_relays(relays);
        for lease in leases {
            tokio::spawn(self.clone().ask_lease(lease));
        }
        self.hurry(before, after);
        answer
    }

    /// Soft state that does not get through is lost.
    fn send_relays(&self, relays: Vec<Relay>) {
        for relay in relays {
            if self.requests.try_send(Request::Relay(relay)).is_err() {
                metrics::counter!("stoa_im_relays_dropped_total").increment(1);
            }
        }
    }

    /// Ends the live rooms of calls that closed. Ends when nobody tells any more.
    pub async fn end_with_calls(self, mut closed: mpsc::Receiver<RoomName>) {
        while let Some(name) = closed.recv().await {
            let Ok(room) = LiveRoom::try_from(name.as_str()) else { continue };
            if !self.config.live_in_calls {
                continue;
            }
            let action = LiveAction::End { epoch: None };
            let action = Action::Live { room, action };
            let ended = self.change(Command { actor: Self::by_backend(None), action }).await;
            if let Err(error) = ended {
                tracing::warn!(%error, "a live room did not end with its call");
            }
        }
    }

    async fn ask_lease(self, ask: LeaseAsk) {
        let action = Action::Live { room: ask.room.clone(), action: ask.action.clone() };
        let reply = self.change(Command { actor: Self::by_backend(None), action }).await;
        let answer = match reply {
            Ok(Reply::Live(lease)) => Some(lease),
            Ok(_) | Err(_) => None,
        };
        self.live(|live| live.handle_answer(Instant::now(), &ask, answer));
    }

    fn hurry(&self, before: Option<Instant>, after: Option<Instant>) {
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.earlier.notify_one();
        }
    }

    /// Puts a change into the node's queue, in order.
    pub(crate) async fn begin_change(&self, command: Command) -> Result<Pending, Error> {
        let (back, reply) = oneshot::channel();
        self.put(Request::Propose { command: Box::new(command), back }).await?;
        Ok(Pending::Change(reply))
    }

    /// Puts a question into the node's queue, in order.
    pub(crate) async fn begin_question(&self, query: Query) -> Result<Pending, Error> {
        let (back, answer) = oneshot::channel();
        self.put(Request::Query { query: Box::new(query), back }).await?;
        Ok(Pending::Question(answer))
    }

    async fn put(&self, request: Request) -> Result<(), Error> {
        use tokio::sync::mpsc::error::SendTimeoutError;
        let patience = self.shared.config.limits.answer_after_max;
        self.requests.send_timeout(request, patience).await.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => {
                metrics::counter!("stoa_im_requests_refused_total").increment(1);
                Error::Overloaded
            }
            SendTimeoutError::Closed(_) => Error::Draining,
        })
    }

    /// A change, and what came of it.
    pub(crate) async fn change(&self, command: Command) -> Result<Reply, Error> {
        let Pending::Change(reply) = self.begin_change(command).await? else {
            return Err(Error::Internal);
        };
        self.reply(reply).await
    }

    /// A question, and the answer.
    pub(crate) async fn question(&self, query: Query) -> Result<Box<Answer>, Error> {
        let Pending::Question(answer) = self.begin_question(query).await? else {
            return Err(Error::Internal);
        };
        self.answer(answer).await
    }

    /// A change may have been made even if its answer does not come.
    pub(crate) async fn reply(
        &self,
        reply: oneshot::Receiver<Result<Reply, Refused>>,
    ) -> Result<Reply, Error> {
        let patience = self.shared.config.limits.answer_after_max;
        match tokio::time::timeout(patience, reply).await {
            Ok(Ok(reply)) => Ok(reply?),
            Ok(Err(_)) | Err(_) => Err(Error::OutcomeUnknown),
        }
    }

    pub(crate) async fn answer(
        &self,
        answer: oneshot::Receiver<Result<Box<Answer>, Refused>>,
    ) -> Result<Box<Answer>, Error> {
        let patience = self.shared.config.limits.answer_after_max;
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(answer)) => Ok(answer?),
            Ok(Err(_)) => Err(Error::Draining),
            Err(_) => Err(Error::Overloaded),
        }
    }

    /// Whether a user's token is good now: its log-in lives, its epoch holds, its account is active.
    pub(crate) async fn check_access(&self, user: &User) -> Result<(), Error> {
        let ask = Ask::Access { user: user.user.clone(), session: user.login, epoch: user.epoch };
        let answer = self.question(Query { viewer: None, ask }).await?;
        let Answer::Access(access) = *answer else { return Err(Error::Internal) };
        let name = || user.user.clone();
        match access.state {
            None | Some(AccountState::Deleted) => {
                Err(Reject::AccountNotFound { user: name() }.into())
            }
            Some(AccountState::Disabled) => Err(Reject::AccountDisabled { user: name() }.into()),
            Some(AccountState::Active) if access.good => Ok(()),
            Some(AccountState::Active) => Err(Reject::SessionEnded.into()),
        }
    }

    /// Fetches a user's groups for the hub.
    pub(crate) async fn load(&self, name: &UserId) -> Result<(), Error> {
        let query = Query { viewer: None, ask: Ask::Memberships(name.clone()) };
        let answer = self.question(query).await?;
        let Answer::Memberships(groups) = *answer else { return Err(Error::Internal) };
        self.hub(|hub| hub.load(name, groups));
        Ok(())
    }

    /// Seconds since 1970.
    pub(crate) fn now_s(&self) -> u64 {
        self.shared.clock.now().as_secs()
    }

    /// A change by the back end.
    pub(crate) const fn by_backend(user: Option<UserId>) -> Actor {
        Actor::Backend { user }
    }
}

fn count_messages(events: &[Event]) {
    let messages = events.iter().filter(|event| matches!(event, Event::Message { .. })).count();
    if messages > 0 {
        let messages = u64::try_from(messages).unwrap_or(u64::MAX);
        metrics::counter!("stoa_im_messages_total").increment(messages);
    }
}

/// What live rooms are told, in order.
enum LiveNews {
    Frames(NodeId, pb::LiveFrames),
    Held(LiveRoom, LiveLease),
    Ended(LiveRoom, u64, bool),
    Up(NodeId),
    Down(NodeId),
    Quorum(bool),
    Skipped,
}

fn live_news(event: Event) -> Option<LiveNews> {
    match event {
        Event::LiveHeld { room, lease } => Some(LiveNews::Held(room, lease)),
        Event::LiveEnded { room, epoch, closed } => Some(LiveNews::Ended(room, epoch, closed)),
        _ => None,
    }
}

fn tell_live(live: &mut Live, now: Instant, news: LiveNews) {
    match news {
        LiveNews::Frames(from, frames) => live.handle_frames(now, from, frames),
        LiveNews::Held(room, lease) => live.handle_lease(now, &room, &lease, true),
        LiveNews::Ended(room, epoch, closed) => live.handle_end(now, &room, epoch, closed),
        LiveNews::Up(node) => live.node_up(now, node),
        LiveNews::Down(node) => live.node_down(now, node),
        LiveNews::Quorum(has) => live.set_quorum(now, has),
        LiveNews::Skipped => live.lose_track(now),
    }
}

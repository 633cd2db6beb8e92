//! One task a participant. It outlives its socket: a client that lost its connection finds its session again.
//!
//! The loop is: take one input, let [`Signal`] decide, perform its outputs, wait. Nothing is decided here.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::extract::ws::WebSocket;
use livekit_protocol as pb;
use pb::signal_response::Message as Response;
use prost::Message as _;
use proto::{
    id::{Identity, ParticipantSid, RoomName},
    room::LeaveReason,
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Instant, sleep_until},
};

use super::signal::{Moment, Output, Profile, Signal, leave_request};
use crate::{
    Shared,
    auth::Token,
    node::{Answer, Call, Joined, Leave, Message, Request, SessionEvent},
};

mod link;

use link::{Incoming, Link};

/// A socket for a session.
pub(crate) struct Arrival {
    pub(crate) socket: WebSocket,
    /// Held as long as the socket is open.
    pub(crate) permit: OwnedSemaphorePermit,
    /// Requests that came with it.
    pub(crate) opening: Vec<pb::signal_request::Message>,
}

/// What a session starts with.
pub(crate) struct Entry {
    pub(crate) profile: Profile,
    pub(crate) joined: Joined,
    pub(crate) opening: Vec<pb::signal_request::Message>,
    /// The API key that signs its fresh tokens.
    pub(crate) key: String,
    pub(crate) events: mpsc::Receiver<SessionEvent>,
}

/// Sessions by participant, for those who come back.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<BTreeMap<ParticipantSid, Handle>>);

#[derive(Clone, Debug)]
struct Handle {
    room: RoomName,
    identity: Identity,
    arrivals: mpsc::Sender<Arrival>,
}

impl Registry {
    /// The session of `sid`, if it is of this identity in this room.
    pub(crate) fn find(
        &self,
        sid: &ParticipantSid,
        room: &RoomName,
        identity: &Identity,
    ) -> Option<mpsc::Sender<Arrival>> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = sessions.get(sid)?;
        (handle.room == *room && handle.identity == *identity).then(|| handle.arrivals.clone())
    }

    fn insert(&self, sid: ParticipantSid, handle: Handle) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(sid, handle);
    }

    fn remove(&self, sid: &ParticipantSid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(sid);
    }
}

/// Starts a session. Its first socket goes to the sender that is returned.
pub(crate) fn start(shared: &Shared, entry: Entry) -> mpsc::Sender<Arrival> {
    let (arrivals_tx, arrivals) = mpsc::channel(1);
    let handle = Handle {
        room: entry.joined.room.name.clone(),
        identity: entry.joined.participant.identity.clone(),
        arrivals: arrivals_tx.clone(),
    };
    let sid = entry.joined.participant.sid.clone();
    shared.sessions.insert(sid.clone(), handle);
    let now = moment(shared);
    metrics::gauge!("stoa_gateway_sessions").increment(1.0);
    let session = Session {
        shared: shared.clone(),
        registered: Registered { shared: shared.clone(), sid },
        signal: Signal::new(now, entry.profile, entry.joined, entry.opening),
        key: entry.key,
        events: entry.events,
        arrivals,
        link: None,
        greeted: false,
    };
    tokio::spawn(session.run());
    arrivals_tx
}

/// Tells a client that its session is unknown, so that it joins anew.
pub(crate) async fn turn_away(arrival: Arrival, sid: &ParticipantSid) {
    tracing::info!(participant = %sid, "session unknown, client joins anew");
    let leave =
        leave_request(pb::DisconnectReason::StateMismatch, pb::leave_request::Action::Reconnect);
    link::say_and_close(arrival, encode(Response::Leave(leave))).await;
}

struct Session {
    shared: Shared,
    registered: Registered,
    signal: Signal,
    key: String,
    events: mpsc::Receiver<SessionEvent>,
    arrivals: mpsc::Receiver<Arrival>,
    link: Option<Link>,
    greeted: bool,
}

/// Whether the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Over,
}

enum Input {
    Arrival(Arrival),
    Event(Option<SessionEvent>),
    Socket(Incoming),
    Timeout,
}

impl Session {
    async fn run(mut self) {
        while self.perform().await == Flow::On {
            let input = self.next_input().await;
            let now = moment(&self.shared);
            match input {
                Input::Arrival(arrival) => self.on_arrival(now, arrival),
                Input::Event(Some(event)) => self.signal.handle_event(now, event),
                Input::Event(None) => self.signal.handle_event(now, node_is_gone()),
                Input::Socket(Incoming::Request(request)) => {
                    tracing::trace!(participant = %self.registered.sid, request = name_of(&*request), "heard");
                    self.signal.handle_request(now, *request);
                }
                Input::Socket(Incoming::Ignored) => {}
                Input::Socket(Incoming::Lost) => self.on_lost(now),
                Input::Timeout => self.signal.handle_timeout(now),
            }
        }
        tracing::debug!(participant = %self.registered.sid, "session over");
        if let Some(link) = self.link.take() {
            link.close();
        }
    }

    async fn next_input(&mut self) -> Input {
        let deadline = self.signal.poll_timeout().map(|at| instant(&self.shared, at));
        let wait = async {
            match deadline {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(arrival) = self.arrivals.recv() => Input::Arrival(arrival),
            // Until `join` was sent, events wait in their queue.
            event = self.events.recv(), if self.greeted => Input::Event(event),
            incoming = link::next(&mut self.link) => Input::Socket(incoming),
            () = wait => Input::Timeout,
        }
    }

    /// A newer socket replaces an older one, which is half-dead in a way that only its client has noticed.
    fn on_arrival(&mut self, now: Moment, arrival: Arrival) {
        let Arrival { socket, permit, opening } = arrival;
        self.greeted = true;
        self.link = Some(Link::new(socket, permit, &self.shared.config.limits));
        self.signal.handle_connected(now);
        for request in opening {
            self.signal.handle_request(now, request);
        }
    }

    fn on_lost(&mut self, now: Moment) {
        tracing::info!(participant = %self.registered.sid, "signalling lost");
        self.link = None;
        self.signal.handle_disconnected(now);
    }

    async fn perform(&mut self) -> Flow {
        while let Some(output) = self.signal.poll_output() {
            match output {
                Output::Send(response) => self.send(*response),
                Output::Refresh(token) => {
                    if let Some(token) = self.sign(&token) {
                        self.send(Response::RefreshToken(token));
                    }
                }
                Output::Moved { sid, mut response, token } => {
                    let room = response.room.as_ref().map(|room| room.name.as_str().into());
                    self.registered.rename(sid, room);
                    response.token = self.sign(&token).unwrap_or_default();
                    self.send(Response::RoomMoved(*response));
                }
                Output::Node(message) => {
                    if self.tell(*message).await == Flow::Over {
                        return Flow::Over;
                    }
                }
                Output::Resync(room) => self.resync(room).await,
                Output::Close => {
                    if let Some(link) = self.link.take() {
                        link.close();
                    }
                    self.signal.handle_disconnected(moment(&self.shared));
                }
                Output::End => return Flow::Over,
            }
        }
        Flow::On
    }

    fn send(&mut self, response: Response) {
        let Some(link) = &self.link else { return };
        tracing::trace!(participant = %self.registered.sid, response = name_of(&response), "sent");
        if link.push(encode(response)).is_err() {
            metrics::counter!("stoa_gateway_sockets_slow_total").increment(1);
            tracing::warn!(participant = %self.registered.sid, "socket too slow, closed");
            self.on_lost(moment(&self.shared));
        }
    }

    async fn tell(&self, message: Message) -> Flow {
        let session = self.registered.sid.clone();
        let sent = self.shared.requests.send(Request::Session { session, message }).await;
        if sent.is_ok() { Flow::On } else { Flow::Over }
    }

    fn sign(&self, token: &Token) -> Option<String> {
        let signed = self.shared.config.keys.sign(Some(&self.key), token);
        signed
            .inspect_err(|error| tracing::error!(%error, key = self.key, "token not refreshed"))
            .ok()
    }

    /// Events that wait in their queue meanwhile are told afterwards; their versions say which is newer.
    async fn resync(&mut self, room: RoomName) {
        let names = vec![room.clone()];
        let rooms = self.shared.call(Call::ListRooms { names }).await;
        let participants = self.shared.call(Call::ListParticipants { room }).await;
        let rooms = if let Ok(Answer::Rooms(rooms)) = rooms { rooms } else { Vec::new() };
        let participants =
            if let Ok(Answer::Participants(all)) = participants { all } else { Vec::new() };
        self.signal.handle_roster(rooms.first(), &participants);
    }
}

/// A session's entry in the registry, gone with it.
struct Registered {
    shared: Shared,
    sid: ParticipantSid,
}

impl Registered {
    fn rename(&mut self, sid: ParticipantSid, room: Option<RoomName>) {
        let mut sessions = self.shared.sessions.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut handle) = sessions.remove(&self.sid) {
            handle.room = room.unwrap_or(handle.room);
            sessions.insert(sid.clone(), handle);
        }
        drop(sessions);
        self.sid = sid;
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        metrics::gauge!("stoa_gateway_sessions").decrement(1.0);
        self.shared.sessions.remove(&self.sid);
    }
}

/// The node dropped the session's queue without a word: it stops, or gave the session up.
const fn node_is_gone() -> SessionEvent {
    SessionEvent::Leave(Leave { reason: LeaveReason::ServerShutdown, rejoin: true })
}

/// The variant's name alone: contents hold tokens, descriptions and what people say to each other.
fn name_of(message: &impl std::fmt::Debug) -> String {
    let text = format!("{message:?}");
    text.split('(').next().unwrap_or_default().to_owned()
}

fn encode(response: Response) -> bytes::Bytes {
    pb::SignalResponse { message: Some(response) }.encode_to_vec().into()
}

fn moment(shared: &Shared) -> Moment {
    let since = Instant::now().saturating_duration_since(shared.started);
    let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    Moment { at: proto::time::Instant(micros), wall: shared.clock.now() }
}

fn instant(shared: &Shared, at: proto::time::Instant) -> Instant {
    shared.started + Duration::from_micros(at.0)
}

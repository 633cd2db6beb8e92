//! What a participant's signalling decides: requests of the client and events of the node in, responses and messages
//! for the node out. Pure: no sockets, no clocks, no waiting.
//!
//! Call one `handle_*`, then take [`Signal::poll_output`] until it is empty, then wait until [`Signal::poll_timeout`].
//! The first response on a socket is `join`, or `reconnect` when the client came back; whatever happens while there
//! is no socket is told afterwards by one full update, and the few responses that a client would wait for are kept.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use livekit_protocol as pb;
use pb::signal_response::Message as Response;
use prost::Message as _;
use proto::{
    grant::{ParticipantKind, Permission},
    id::{Identity, ParticipantSid, RoomName},
    media::Codec,
    room::{LeaveReason, Participant, Room},
    time::{Instant, LogTime},
};

use super::{convert, negotiate::Uplink};
use crate::{
    auth::Token,
    node::{Joined, Message},
};

mod event;
mod request;
#[cfg(test)]
mod tests;

/// Clients are told to ping this often, in seconds.
pub const PING_EVERY_S: i32 = 5;
/// Clients are told to give up after this long without an answer, in seconds.
pub const PING_AFTER_MAX_S: i32 = 15;
/// A participant gets a fresh token this often.
pub const REFRESH_EVERY: Duration = Duration::from_secs(300);
/// A fresh token is valid this long: twice [`REFRESH_EVERY`], so that one may be missed.
pub const REFRESHED_FOR: Duration = Duration::from_secs(600);
/// Responses kept for a client that is away.
pub const MISSED_MAX: usize = 64;
/// Participants that left while a client was away, kept to be told.
pub const DEPARTED_MAX: usize = 4096;
/// Changes of its own description a client may have under way.
pub const UPDATES_MAX: usize = 32;
/// The protocol number we speak. 18 would move data channels to negotiated ids.
pub const PROTOCOL: i32 = 17;
/// The level of the dialect that clients gate their behaviour on. Not our version.
pub const DIALECT_VERSION: &str = "1.13.5";

/// A frame that is not a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signal frame could not be read")]
pub struct FrameError;

/// Reads one binary frame. `None`: a request that we do not know, or an empty one.
///
/// # Errors
/// [`FrameError`] when it is not a request at all.
pub fn decode_frame(frame: &[u8]) -> Result<Option<pb::signal_request::Message>, FrameError> {
    pb::SignalRequest::decode(frame).map(|request| request.message).map_err(|_| FrameError)
}

/// The two clocks at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// For timers.
    pub at: Instant,
    /// For what clients and tokens are told.
    pub wall: LogTime,
}

/// What a session knows of the server and its client for good.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// As told to the client.
    pub server: pb::ServerInfo,
    /// Servers to reach us by.
    pub ice_servers: Vec<pb::IceServer>,
    /// What this client should not use.
    pub configuration: Option<pb::ClientConfiguration>,
    /// What this client may publish.
    pub codecs: Vec<Codec>,
    /// Faults may be simulated.
    pub dev: bool,
    /// How long the participant is kept without a socket.
    pub resume_after_max: Duration,
    /// One peer connection or two.
    pub single_pc: bool,
    /// The client's protocol number.
    pub protocol: i32,
    /// Largest data message in bytes.
    pub data_bytes_max: usize,
    /// The token it joined with, from which fresh ones are made.
    pub token: Token,
}

/// What the session wants done, in order.
#[derive(Debug)]
pub enum Output {
    /// Send this to the client.
    Send(Box<Response>),
    /// Sign this and send it as the client's fresh token.
    Refresh(Box<Token>),
    /// Sign the token, put it into the response and send that; the session has a new sid.
    Moved {
        /// The new sid.
        sid: ParticipantSid,
        /// The response without its token.
        response: Box<pb::RoomMovedResponse>,
        /// The token.
        token: Box<Token>,
    },
    /// Tell the node.
    Node(Box<Message>),
    /// Ask the node for the room and everybody in it, then call [`Signal::handle_roster`].
    Resync(RoomName),
    /// Close the socket after what was sent; the session goes on.
    Close,
    /// The session is over: send what is waiting, close the socket, forget it.
    End,
}

/// One participant's signalling.
#[derive(Debug)]
pub struct Signal {
    profile: Profile,
    me: Me,
    link: Link,
    uplink: Uplink,
    updates: Updates,
    offers: u32,
    data_sequence: u32,
    refresh_at: Instant,
    fault: Option<ResumeFault>,
    missed: Missed,
    outputs: VecDeque<Output>,
}

/// Who the session is.
#[derive(Debug)]
struct Me {
    sid: ParticipantSid,
    identity: Identity,
    kind: ParticipantKind,
    permission: Permission,
    room: RoomName,
}

/// Whether there is a socket.
#[derive(Debug)]
enum Link {
    /// The first one is expected.
    Expected { joined: Box<Joined>, opening: Vec<pb::signal_request::Message>, until: Instant },
    /// There is one.
    Up,
    /// It was lost, and may come back until then.
    Lost { until: Instant },
    /// The session is over.
    Over,
}

/// A fault asked for by a simulation, for the next resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResumeFault {
    AfterReconnect,
    BeforeAnyMessage,
}

/// Changes of its own description that the node has not answered yet, by our number.
#[derive(Debug, Default)]
struct Updates {
    last: u32,
    pending: BTreeMap<u32, pb::UpdateParticipantMetadata>,
}

/// What happened while the client was away, beyond what a full update tells.
#[derive(Debug, Default)]
struct Missed {
    responses: VecDeque<Response>,
    departed: BTreeMap<ParticipantSid, pb::ParticipantInfo>,
}

impl Signal {
    /// A session that was let in and whose first socket is expected. `opening` is handled right after `join`.
    #[must_use]
    pub fn new(
        now: Moment,
        profile: Profile,
        joined: Joined,
        opening: Vec<pb::signal_request::Message>,
    ) -> Self {
        let uplink = Uplink::new(profile.codecs.clone());
        let until = now.at + profile.resume_after_max;
        Self {
            me: Me::of(&joined.participant, &joined.room),
            link: Link::Expected { joined: Box::new(joined), opening, until },
            uplink,
            updates: Updates::default(),
            offers: 0,
            data_sequence: 0,
            refresh_at: now.at + REFRESH_EVERY,
            fault: None,
            missed: Missed::default(),
            outputs: VecDeque::new(),
            profile,
        }
    }

    /// A socket is there: the first one, or one of a client that came back.
    pub fn handle_connected(&mut self, now: Moment) {
        match std::mem::replace(&mut self.link, Link::Up) {
            Link::Expected { joined, opening, until: _ } => {
                self.send(Response::Join(self.join_response(&joined)));
                self.refresh(now);
                for message in opening {
                    self.on_request(now, message);
                }
            }
            Link::Up | Link::Lost { .. } => self.on_resumed(now),
            Link::Over => self.end(),
        }
    }

    /// The socket broke or was closed without a good-bye.
    pub fn handle_disconnected(&mut self, now: Moment) {
        if matches!(self.link, Link::Up) {
            self.link = Link::Lost { until: now.at + self.profile.resume_after_max };
        }
    }

    /// A request of the client.
    pub fn handle_request(&mut self, now: Moment, request: pb::signal_request::Message) {
        if matches!(self.link, Link::Up) {
            self.on_request(now, request);
        }
    }

    /// An event of the node.
    pub fn handle_event(&mut self, now: Moment, event: crate::node::SessionEvent) {
        if !matches!(self.link, Link::Over) {
            self.on_event(now, event);
        }
    }

    /// The answer to [`Output::Resync`]: the room and everybody in it, as they are now.
    pub fn handle_roster(&mut self, room: Option<&Room>, participants: &[Participant]) {
        let Missed { responses, mut departed } = std::mem::take(&mut self.missed);
        let mut infos = Vec::with_capacity(participants.len() + departed.len());
        for participant in participants.iter().filter(|p| self.sees(p)) {
            departed.remove(&participant.sid);
            infos.push(convert::participant_info(participant));
        }
        if let Some(me) = participants.iter().find(|p| p.sid == self.me.sid) {
            self.me.permission = me.permission.clone();
        }
        infos.extend(departed.into_values());
        if !infos.is_empty() {
            self.send(Response::Update(pb::ParticipantUpdate { participants: infos }));
        }
        if let Some(room) = room {
            self.send(Response::RoomUpdate(pb::RoomUpdate { room: Some(convert::room(room)) }));
        }
        for response in responses {
            self.send(response);
        }
    }

    /// The time of [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        match &self.link {
            Link::Expected { until, .. } | Link::Lost { until } if *until <= now.at => {
                self.tell(Message::Leave { reason: LeaveReason::SignalLost });
                self.end();
            }
            Link::Up if self.refresh_at <= now.at => self.refresh(now),
            Link::Expected { .. } | Link::Lost { .. } | Link::Up | Link::Over => {}
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called; `None` when the session is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.link {
            Link::Expected { until, .. } | Link::Lost { until } => Some(*until),
            Link::Up => Some(self.refresh_at),
            Link::Over => None,
        }
    }

    fn on_resumed(&mut self, now: Moment) {
        let fault = self.fault.take();
        if fault == Some(ResumeFault::BeforeAnyMessage) {
            self.outputs.push_back(Output::Close);
            return;
        }
        self.send(Response::Reconnect(pb::ReconnectResponse {
            ice_servers: self.profile.ice_servers.clone(),
            client_configuration: self.profile.configuration.clone(),
            server_info: Some(self.profile.server.clone()),
            last_message_seq: self.data_sequence,
        }));
        if fault == Some(ResumeFault::AfterReconnect) {
            self.outputs.push_back(Output::Close);
            return;
        }
        self.outputs.push_back(Output::Resync(self.me.room.clone()));
        self.tell(Message::Resumed);
        self.refresh(now);
    }

    fn join_response(&self, joined: &Joined) -> pb::JoinResponse {
        let others = joined.others.iter().filter(|p| p.sid != self.me.sid && self.sees(p));
        let codecs = convert::codec_list(&self.profile.codecs);
        pb::JoinResponse {
            room: Some(pb::Room { enabled_codecs: codecs.clone(), ..convert::room(&joined.room) }),
            participant: Some(convert::participant_info(&joined.participant)),
            other_participants: others.map(convert::participant_info).collect(),
            server_version: DIALECT_VERSION.to_owned(),
            ice_servers: self.profile.ice_servers.clone(),
            subscriber_primary: !self.profile.single_pc && self.me.permission.can_subscribe,
            client_configuration: self.profile.configuration.clone(),
            server_region: self.profile.server.region.clone(),
            ping_timeout: PING_AFTER_MAX_S,
            ping_interval: PING_EVERY_S,
            server_info: Some(self.profile.server.clone()),
            enabled_publish_codecs: codecs,
            fast_publish: self.me.permission.can_publish,
            ..pb::JoinResponse::default()
        }
    }

    /// The node filters hidden participants; this is the second lock on that door.
    fn sees(&self, participant: &Participant) -> bool {
        !participant.permission.hidden || participant.sid == self.me.sid
    }

    fn refresh(&mut self, now: Moment) {
        self.refresh_at = now.at + REFRESH_EVERY;
        let token = self.fresh_token(now);
        if matches!(self.link, Link::Up) {
            self.outputs.push_back(Output::Refresh(Box::new(token)));
        }
    }

    fn fresh_token(&self, now: Moment) -> Token {
        let expires = (now.wall + REFRESHED_FOR).as_secs();
        self.profile.token.refreshed(&self.me.permission, expires)
    }

    fn send(&mut self, response: Response) {
        match self.link {
            Link::Up => self.outputs.push_back(Output::Send(Box::new(response))),
            Link::Lost { .. } => self.missed.keep(response),
            Link::Expected { .. } | Link::Over => {}
        }
    }

    fn tell(&mut self, message: Message) {
        self.outputs.push_back(Output::Node(Box::new(message)));
    }

    /// Sends the client away; the session is over.
    fn leave(&mut self, reason: pb::DisconnectReason, action: pb::leave_request::Action) {
        self.send(Response::Leave(leave_request(reason, action)));
        self.end();
    }

    fn end(&mut self) {
        self.link = Link::Over;
        self.outputs.push_back(Output::End);
    }
}

impl Me {
    fn of(participant: &Participant, room: &Room) -> Self {
        Self {
            sid: participant.sid.clone(),
            identity: participant.identity.clone(),
            kind: participant.kind,
            permission: participant.permission.clone(),
            room: room.name.clone(),
        }
    }
}

impl Missed {
    /// Keeps what a client would wait for in vain; the rest is in the full update.
    fn keep(&mut self, response: Response) {
        let awaited = matches!(
            response,
            Response::TrackPublished(_)
                | Response::TrackUnpublished(_)
                | Response::Mute(_)
                | Response::RequestResponse(_)
                | Response::SubscriptionPermissionUpdate(_)
                | Response::SubscriptionResponse(_)
                | Response::SubscribedQualityUpdate(_)
                | Response::TrackSubscribed(_)
        );
        if !awaited {
            return;
        }
        if self.responses.len() >= MISSED_MAX {
            metrics::counter!("stoa_gateway_missed_dropped_total").increment(1);
            self.responses.pop_front();
        }
        self.responses.push_back(response);
    }
}

/// The last message of a session, or of a socket whose session is unknown.
#[must_use]
pub fn leave_request(
    reason: pb::DisconnectReason,
    action: pb::leave_request::Action,
) -> pb::LeaveRequest {
    pb::LeaveRequest {
        can_reconnect: action != pb::leave_request::Action::Disconnect,
        reason: reason.into(),
        action: action.into(),
        regions: None,
    }
}

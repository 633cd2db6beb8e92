//! The control loop: one task that turns requests of the doors into commands of the log, applied events into
//! work of the shards and news for sessions, and shard events into both.
//!
//! It decides nothing about rooms (`rooms` does) or packets (`sfu-core` does). It holds only what can be
//! rebuilt: which session sits on which peer, which track has which key, who was told what.
//!
//! Codemap: `session` local sessions; `requests` what doors ask; `applied` what the log says; `shards` what the media threads say;
//! `media` commands towards them; `calls` the server API; `news` fan-out to sessions; `across` the other nodes; `tick` deadlines.

mod across;
mod applied;
mod calls;
mod media;
mod moves;
mod news;
mod requests;
mod session;
mod shards;
mod tick;

use std::collections::BTreeMap;

pub(crate) use across::Across;
use across::Others;
use gateway::{
    node::{Answer, Join, Joined, Leave, Refusal, Reply, Request, SessionEvent},
    webhook::Webhooks,
};
use proto::{
    error::{ErrorCode, Retry},
    id::{Identity, ParticipantSid, PeerId, RoomName, ShardId, TrackKey, TrackSid},
    media::Mid,
    room::{
        Command, LeaveReason, Reject, RoomSettings,
        command::{Action, ParticipantAction},
    },
    time::LogTime,
};
use session::Session;
use sfu_shard::ShardHandle;
use tokio::sync::{mpsc, watch};

use crate::{
    clock::log_time,
    replica::{Replica, Ticket},
};

/// What the loop is started with.
pub(crate) struct Parts<R> {
    /// The replicated room state.
    pub(crate) replica: R,
    /// The media threads.
    pub(crate) shards: Vec<ShardHandle>,
    /// What the media threads say.
    pub(crate) shard_events: sfu_shard::Events,
    /// What the doors ask.
    pub(crate) requests: mpsc::Receiver<Request>,
    /// Who is told of events.
    pub(crate) webhooks: Webhooks,
    /// Settings of rooms that do not say otherwise.
    pub(crate) room_settings: RoomSettings,
    /// Whether a join opens a room.
    pub(crate) auto_create: bool,
    /// Figures for operators.
    pub(crate) census: watch::Sender<Census>,
    /// The other nodes.
    pub(crate) across: Across,
    /// Turns true when every session is to be sent out because the node stops.
    pub(crate) stop: watch::Receiver<bool>,
}

/// How much there is, for operators and for draining.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// Open rooms.
    pub(crate) rooms: usize,
    /// Participants on this node.
    pub(crate) participants: usize,
    /// Tracks published on this node.
    pub(crate) tracks: usize,
    /// Subscriptions served by this node.
    pub(crate) subscriptions: usize,
}

/// What to do when a command was applied.
#[derive(Debug)]
enum Continuation {
    /// Nothing beyond the events.
    None,
    /// Open the session and answer the door.
    Join { join: Box<Join>, sid: ParticipantSid, reply: Reply<Joined> },
    /// Tell the session how its update went.
    Update { session: ParticipantSid, request: u32 },
    /// Tell the session that its track was refused, if it was.
    Publish { session: ParticipantSid, mid: Mid, cid: String },
    /// Answer the server API by what the state holds then.
    Call { then: calls::Then, reply: Reply<Answer> },
    /// Second half of a move: the participant has left, bring it into the other room.
    Move { moving: Box<moves::Moving>, reply: Reply<Answer> },
    /// Last part of a move: the participant is there.
    Moved { moving: Box<moves::Moving>, reply: Reply<Answer> },
}

/// A publication in this node's media plane.
#[derive(Clone, Debug)]
struct Track {
    sid: TrackSid,
    room: RoomName,
    publisher: ParticipantSid,
    identity: Identity,
    home: ShardId,
}

/// The control loop's state.
pub(crate) struct Control<R> {
    replica: R,
    shards: Vec<ShardHandle>,
    webhooks: Webhooks,
    room_settings: RoomSettings,
    auto_create: bool,
    sessions: BTreeMap<ParticipantSid, Session>,
    index: Index,
    waiting: BTreeMap<Ticket, Continuation>,
    minted: Minted,
    news: news::News,
    census: watch::Sender<Census>,
    others: Others,
}

/// Ways to find sessions and tracks.
#[derive(Debug, Default)]
struct Index {
    peers: BTreeMap<PeerId, ParticipantSid>,
    rooms: BTreeMap<RoomName, BTreeMap<Identity, ParticipantSid>>,
    tracks: BTreeMap<TrackKey, Track>,
    keys: BTreeMap<TrackSid, TrackKey>,
}

/// Counters that ids are taken from.
#[derive(Debug, Default)]
struct Minted {
    ticket: u64,
    peer: u64,
    track: u64,
}

/// Wakes for deadlines this often.
const TICK_EVERY: std::time::Duration = std::time::Duration::from_millis(250);

impl<R: Replica> Control<R> {
    /// Runs until the doors are closed. Returns the shards so that they can be stopped.
    pub(crate) async fn run(parts: Parts<R>) -> Vec<ShardHandle> {
        let Parts { mut requests, mut shard_events, mut stop, .. } = parts;
        let Across { peers, out, mut incoming } = parts.across;
        let mut control = Self {
            replica: parts.replica,
            shards: parts.shards,
            webhooks: parts.webhooks,
            room_settings: parts.room_settings,
            auto_create: parts.auto_create,
            sessions: BTreeMap::new(),
            index: Index::default(),
            waiting: BTreeMap::new(),
            minted: Minted::default(),
            news: news::News::default(),
            census: parts.census,
            others: Others::new(peers, out),
        };
        // Whom an earlier life of this node carried is gone.
        control.lose(control.replica.node());
        control.look_for_leader();
        let mut tick = tokio::time::interval(TICK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => control.on_request(request),
                    None => return control.shards,
                },
                event = shard_events.recv() => match event {
                    Some((_, event)) => control.on_shard_event(event),
                    None => return control.shards,
                },
                Some((_, frame)) = incoming.recv() => control.on_frame(&frame),
                happened = control.replica.happened() => control.on_happened(happened),
                _ = tick.tick() => control.on_tick(),
                Ok(()) = stop.changed() => control.on_stop(),
            }
            control.settle();
        }
    }

    /// Takes out everything that is applied by now, then tells the sessions.
    fn settle(&mut self) {
        while let Some(happened) = self.replica.try_happened() {
            self.on_happened(happened);
        }
        self.flush_news();
        let census = Census {
            rooms: self.replica.state().rooms().count(),
            participants: self.sessions.len(),
            tracks: self.index.tracks.len(),
            subscriptions: self.news.subscriptions,
        };
        self.census.send_if_modified(|old| std::mem::replace(old, census) != census);
    }

    fn submit(&mut self, command: &Command, then: Continuation) {
        let ticket = Ticket(self.minted.ticket);
        self.minted.ticket += 1;
        self.waiting.insert(ticket, then);
        self.replica.submit(self.now(), ticket, command);
    }

    /// Asks something of the participant of a local session.
    fn submit_for(&mut self, sid: &ParticipantSid, action: ParticipantAction, then: Continuation) {
        let Some(session) = self.sessions.get(sid) else {
            return;
        };
        let command = Command {
            room: session.room.clone(),
            action: Action::Participant {
                identity: session.identity.clone(),
                sid: Some(sid.clone()),
                action,
            },
        };
        self.submit(&command, then);
    }

    #[expect(clippy::unused_self, reason = "time belongs to the loop, whoever keeps it")]
    fn now(&self) -> LogTime {
        log_time()
    }

    /// Sends every session out; clients come back by themselves when a node answers again.
    fn on_stop(&mut self) {
        let sessions: Vec<ParticipantSid> = self.sessions.keys().cloned().collect();
        for sid in sessions {
            self.end_session(&sid, LeaveReason::ServerShutdown, true);
        }
    }

    /// Queues an event for a session. One that does not keep up is ended: it would miss state for ever.
    fn tell(&mut self, sid: &ParticipantSid, event: SessionEvent) {
        let Some(session) = self.sessions.get(sid) else {
            return;
        };
        if session.events.try_send(event).is_err() {
            metrics::counter!("stoa_sessions_too_slow_total").increment(1);
            self.news.stuck.insert(sid.clone());
        }
    }

    /// Ends a session's local half and has the log forget its participant.
    fn end_session(&mut self, sid: &ParticipantSid, reason: LeaveReason, rejoin: bool) {
        self.submit_for(sid, ParticipantAction::Leave { reason }, Continuation::None);
        self.drop_session(sid, Some(Leave { reason, rejoin }));
    }

    /// Forgets a session's local half: its peer is closed and its socket is told.
    fn drop_session(&mut self, sid: &ParticipantSid, leave: Option<Leave>) {
        if let Some(leave) = leave {
            self.tell(sid, SessionEvent::Leave(leave));
        }
        let Some(session) = self.sessions.remove(sid) else {
            return;
        };
        self.index.peers.remove(&session.peer);
        if let Some(room) = self.index.rooms.get_mut(&session.room) {
            if room.get(&session.identity) == Some(sid) {
                room.remove(&session.identity);
            }
            if room.is_empty() {
                self.index.rooms.remove(&session.room);
            }
        }
        self.news.subscriptions -= session.downlink.tracks.len();
        self.close_peer(session.shard, session.peer);
        tracing::info!(room = %session.room, participant = %sid, "session ended");
    }
}

/// A refusal of the state machine as the doors show it.
fn refusal_of(reject: &Reject) -> Refusal {
    Refusal { code: reject.code(), message: reject.to_string(), retry: Retry::Never }
}

fn refusal(code: ErrorCode) -> Refusal {
    Refusal { code, message: code.text().to_owned(), retry: Retry::Never }
}

#[cfg(test)]
mod tests;

//! Live rooms: chatter that is not stored. Pure: time is an argument, frames leave through mailboxes, what is for other
//! nodes and what is to be asked of the log is collected until the shell takes it.
//!
//! One node orders a room: it has the room's lease (`lease`) and its `Hold`. Every node with people in
//! the room has an `Edge`: it tells the holder, in totals, how many they are and how often they liked,
//! passes on what they say, and passes what the holder tells to all of them, encoded once. The holder's own people are
//! served by an edge as well. Frames between nodes may be lost: totals are told again, offsets show what is missing, and
//! who waits for an answer waits for so long only.
//!
//! A node that lost the holder takes the lease over by comparing epochs, and goes on with what it had under a new
//! epoch. A holder that has no links to a quorum orders nothing until the log says that the lease is still its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use prost::Message as _;
use proto::{id::NodeId, im::live::LiveRoom};
use tokio::{sync::oneshot, time::Instant};

mod edge;
mod hold;
mod lease;
mod post;
mod rates;
mod ring;
#[cfg(test)]
mod tests;
mod turn;
mod waiter;

use edge::Edge;
use hold::Hold;
pub use lease::LeaseAsk;
use lease::Leases;
use post::Post;
use waiter::Waiter;

use super::{
    mailbox::{Close, Mailbox},
    port::Relay,
    wire::pb,
};
use crate::error::Error;

/// Messages that are told to those who come.
pub const RING_MAX: usize = 200;
/// Bytes of messages that are told to those who come: what ten thousand rooms keep must fit into memory.
pub const RING_BYTES_MAX: usize = 64 * 1024;
/// What happened in a room is told this often.
pub const TICK_EVERY: Duration = Duration::from_millis(100);
/// Live rooms with people on a node, at once.
pub const ROOMS_MAX: usize = 10_000;
/// Live rooms that a node orders, at once: those without people are kept for a while.
pub const HOLDS_MAX: usize = 20_000;
/// Live rooms of one session at once.
pub const ROOMS_PER_SESSION_MAX: usize = 8;
/// An empty room is remembered for this long.
pub const EMPTY_KEPT: Duration = Duration::from_mins(10);
/// Largest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a message for who it is from.
const NAMES_BYTES_MAX: usize = 1024;
/// Likes of one session in one frame.
const LIKES_MAX: u32 = 100;
/// Who waits for the holder is answered by then.
pub const ANSWER_AFTER_MAX: Duration = Duration::from_secs(5);
/// A holder without a link has this long to get one back.
pub const TAKE_AFTER: Duration = Duration::from_millis(500);
/// A lease that was not answered for is asked for again.
pub const SEEK_EVERY: Duration = Duration::from_secs(1);
/// Frames of another node in one parcel.
const FRAMES_MAX: usize = 65_536;

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveError {
    /// Too much: try again after this.
    Throttled(Duration),
    /// Not in the room.
    NotJoined,
    /// May listen only.
    ReadOnly,
    /// May not write until then, in milliseconds since 1970.
    Muted(u64),
    /// May not come in until then, in milliseconds since 1970.
    Out(u64),
    /// Too many rooms, of the session or of the node.
    TooManyRooms,
    /// The message is too large.
    TooLarge,
    /// Nobody orders the room at the moment: nothing was done.
    Unavailable,
    /// Who ordered the room is gone: it may have been done.
    Unknown,
}

impl From<LiveError> for Error {
    fn from(error: LiveError) -> Self {
        match error {
            LiveError::Throttled(after) => Self::LiveThrottled { after },
            LiveError::NotJoined => Self::LiveNotJoined,
            LiveError::ReadOnly => Self::GrantMissing("canPublishData"),
            LiveError::Muted(until_ms) => Self::LiveMuted { until_ms },
            LiveError::Out(until_ms) => Self::LiveOut { until_ms },
            LiveError::TooManyRooms => Self::RateLimited { after: Duration::from_secs(60) },
            LiveError::TooLarge => Self::TooLarge { limit: MESSAGE_BYTES_MAX },
            LiveError::Unavailable => Self::LiveUnavailable { unknown: false },
            LiveError::Unknown => Self::LiveUnavailable { unknown: true },
        }
    }
}

/// Who speaks in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speaker {
    /// The account, or the identity in the call.
    pub id: String,
    /// The name in the call; accounts have profiles.
    pub name: String,
    /// It came with the token of a call.
    pub guest: bool,
    /// May say something.
    pub may_speak: bool,
    /// When it came, in milliseconds since 1970.
    pub at: u64,
}

/// All live rooms of a node.
#[derive(Debug)]
pub struct Live {
    me: NodeId,
    edges: BTreeMap<LiveRoom, Edge>,
    holds: BTreeMap<LiveRoom, Hold>,
    /// Rooms of each session.
    joined: BTreeMap<u128, Vec<LiveRoom>>,
    /// Nodes with a link.
    up: BTreeSet<NodeId>,
    has_quorum: bool,
    post: Post,
    leases: Leases,
    dirty: Dirty,
    wakes: Wakes,
    /// Tickets and lives; never used twice, also not by an earlier process of this node.
    next: u64,
}

/// Rooms where something happened.
#[derive(Debug, Default)]
struct Dirty {
    edges: BTreeSet<LiveRoom>,
    holds: BTreeSet<LiveRoom>,
    at: Option<Instant>,
}

/// When which room is looked at.
#[derive(Debug, Default)]
struct Wakes {
    at: BTreeSet<(Instant, LiveRoom)>,
    of: BTreeMap<LiveRoom, Instant>,
}

impl Wakes {
    fn set(&mut self, room: &LiveRoom, at: Option<Instant>) {
        if self.of.get(room).copied() == at {
            return;
        }
        if let Some(before) = self.of.remove(room) {
            self.at.remove(&(before, room.clone()));
        }
        if let Some(at) = at {
            self.of.insert(room.clone(), at);
            self.at.insert((at, room.clone()));
        }
    }
}

impl Live {
    /// No rooms yet. `start_ms`: when the process began, in milliseconds since 1970.
    #[must_use]
    pub fn new(me: NodeId, start_ms: u64) -> Self {
        Self {
            me,
            edges: BTreeMap::new(),
            holds: BTreeMap::new(),
            joined: BTreeMap::new(),
            up: BTreeSet::new(),
            has_quorum: true,
            post: Post::default(),
            leases: Leases::default(),
            dirty: Dirty::default(),
            wakes: Wakes::default(),
            next: start_ms << 16,
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// A session comes into a room. What was said and counted so far is answered to `rid`, perhaps later.
    ///
    /// # Errors
    /// [`LiveError`]; there is no other answer then.
    pub fn join(
        &mut self,
        now: Instant,
        (mailbox, rid): (Arc<Mailbox>, u32),
        room: &LiveRoom,
        speaker: Speaker,
    ) -> Result<(), LiveError> {
        let session = mailbox.id;
        let joined = self.joined.get(&session).map_or(&[][..], Vec::as_slice);
        let is_in = joined.contains(room);
        if (!is_in && joined.len() >= ROOMS_PER_SESSION_MAX) || !self.has_room_for(room) {
            return Err(LiveError::TooManyRooms);
        }
        let edge = self.edge(now, room);
        let restraint = edge.restraint(&speaker, speaker.at).filter(|restraint| restraint.out);
        if let Some(until) = restraint.map(|restraint| restraint.until.0) {
            self.mark_edge(now, room);
            return Err(LiveError::Out(until));
        }
        edge.join(now, (mailbox, rid), speaker, room.as_str())?;
        if !is_in {
            self.joined.entry(session).or_default().push(room.clone());
        }
        self.mark_edge(now, room);
        self.look(now, room);
        Ok(())
    }

    fn has_room_for(&self, room: &LiveRoom) -> bool {
        let is_full = self.edges.len() >= ROOMS_MAX || self.holds.len() >= HOLDS_MAX;
        !is_full || self.edges.contains_key(room)
    }

    fn edge(&mut self, now: Instant, room: &LiveRoom) -> &mut Edge {
        let life = self.number();
        self.edges.entry(room.clone()).or_insert_with(|| Edge::new(now, life))
    }

    /// A session leaves a room.
    pub fn leave(&mut self, now: Instant, session: u128, room: &LiveRoom) {
        if let Some(joined) = self.joined.get_mut(&session) {
            joined.retain(|other| other != room);
            if joined.is_empty() {
                self.joined.remove(&session);
            }
        }
        if self.edges.get_mut(room).is_some_and(|edge| edge.leave(session)) {
            self.mark_edge(now, room);
        }
    }

    /// A session is over: it leaves every room.
    pub fn leave_all(&mut self, now: Instant, session: u128) {
        for room in self.joined.remove(&session).unwrap_or_default() {
            self.leave(now, session, &room);
        }
    }

    /// Says something in a room. The offset is answered to `rid`, or why it was not taken, perhaps later.
    ///
    /// # Errors
    /// [`LiveError`]; there is no other answer then.
    pub fn send(
        &mut self,
        now: Instant,
        (session, rid): (u128, u32),
        room: &LiveRoom,
        mut message: pb::LiveMessage,
    ) -> Result<(), LiveError> {
        let edge = self.edges.get(room).ok_or(LiveError::NotJoined)?;
        let speaker = edge.speaker(session).ok_or(LiveError::NotJoined)?;
        if !speaker.may_speak {
            return Err(LiveError::ReadOnly);
        }
        if message.encoded_len() > MESSAGE_BYTES_MAX {
            return Err(LiveError::TooLarge);
        }
        (message.sender, message.name) = (speaker.id.clone(), speaker.name.clone());
        (message.guest, message.system) = (speaker.guest, false);
        if let Some(restraint) = edge.restraint(speaker, message.at) {
            return Err(LiveError::Muted(restraint.until.0));
        }
        let mailbox = edge.mailbox(session).ok_or(LiveError::NotJoined)?;
        let holder = edge.ready().ok_or(LiveError::Unavailable)?;
        self.say(now, room, holder, message, Waiter::Client(mailbox, rid));
        Ok(())
    }

    /// Says something in the name of the back end, whether anybody is there or not. No rate limits it.
    pub fn announce(
        &mut self,
        now: Instant,
        room: &LiveRoom,
        mut message: pb::LiveMessage,
        back: oneshot::Sender<Result<pb::LiveSent, LiveError>>,
    ) {
        let who = Waiter::Caller(back);
        if message.encoded_len() > MESSAGE_BYTES_MAX {
            return who.tell(Err(LiveError::TooLarge));
        }
        if !self.has_room_for(room) {
            return who.tell(Err(LiveError::TooManyRooms));
        }
        message.system = true;
        let edge = self.edge(now, room);
        match edge.ready() {
            Some(holder) => self.say(now, room, holder, message, who),
            None => edge.keep_unsaid(now, message, who),
        }
        self.mark_edge(now, room);
        self.look(now, room);
    }

    /// Takes it to the holder.
    fn say(
        &mut self,
        now: Instant,
        room: &LiveRoom,
        (node, epoch): (NodeId, u64),
        message: pb::LiveMessage,
        who: Waiter,
    ) {
        if node == self.me {
            let hold = self.holds.get_mut(room).filter(|hold| hold.epoch == epoch);
            let said = hold.map_or(Err(LiveError::Unavailable), |hold| hold.say(now, message));
            if said.is_ok() {
                self.mark_hold(now, room);
            }
            return who.tell(said.map(|offset| pb::LiveSent { offset, epoch }));
        }
        let ticket = self.number();
        let Some(edge) = self.edges.get_mut(room) else {
            return who.tell(Err(LiveError::Unavailable));
        };
        if let Err(who) = edge.wait(now, ticket, who) {
            metrics::counter!("stoa_im_live_refused_total").increment(1);
            return who.tell(Err(LiveError::Unavailable));
        }
        let ask = pb::LiveAsk { ticket, message: Some(message) };
        if !self.post(now, node, room, epoch, pb::live_frame::What::Ask(ask))
            && let Some(who) = self.edges.get_mut(room).and_then(|edge| edge.answered(ticket))
        {
            who.tell(Err(LiveError::Unavailable));
        }
        self.look(now, room);
    }

    /// Likes a room, some times at once.
    pub fn like(&mut self, now: Instant, session: u128, room: &LiveRoom, count: u32) {
        let Some(edge) = self.edges.get_mut(room) else { return };
        if edge.speaker(session).is_some() {
            edge.like(count.clamp(1, LIKES_MAX));
            self.mark_edge(now, room);
        }
    }

    /// Closes the sessions of everybody who is in a room: the node is going. Guests are known nowhere else.
    pub fn close_all(&self, close: Close) {
        self.edges.values().for_each(|edge| edge.close_all(close));
    }

    /// Rooms with people here, and rooms that are ordered here.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.edges.len(), self.holds.len())
    }

    /// What is for other nodes now, and what is to be asked of the log.
    pub fn drain(&mut self, now: Instant) -> (Vec<Relay>, Vec<LeaseAsk>) {
        (self.post.flush(now), self.leases.drain())
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let wake = self.wakes.at.first().map(|(at, _)| *at);
        self.dirty.at.into_iter().chain(self.post.flush_at).chain(wake).min()
    }

    /// Tells what happened, if it is time, and looks at the rooms where something is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due = self.wakes.at.iter().take_while(|(at, _)| *at <= now);
        let due: Vec<LiveRoom> = due.map(|(_, room)| room.clone()).collect();
        for room in due {
            self.on_wake(now, &room);
            self.look(now, &room);
        }
        if self.dirty.at.is_some_and(|at| at <= now) {
            self.dirty.at = None;
            for room in std::mem::take(&mut self.dirty.edges) {
                self.tell_attendance(now, &room);
            }
            for room in std::mem::take(&mut self.dirty.holds) {
                self.tell(now, &room);
            }
        }
    }

    fn mark_edge(&mut self, now: Instant, room: &LiveRoom) {
        self.dirty.edges.insert(room.clone());
        self.dirty.at.get_or_insert(now + TICK_EVERY);
    }

    fn mark_hold(&mut self, now: Instant, room: &LiveRoom) {
        self.dirty.holds.insert(room.clone());
        self.dirty.at.get_or_insert(now + TICK_EVERY);
    }

    fn post(
        &mut self,
        now: Instant,
        node: NodeId,
        room: &LiveRoom,
        epoch: u64,
        what: pb::live_frame::What,
    ) -> bool {
        let frame = pb::LiveFrame { room: room.to_string(), epoch, what: Some(what) };
        self.post.put(now, node, frame)
    }
}

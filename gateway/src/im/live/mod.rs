//! Live rooms: chatter that is not stored. Pure: time is an argument, frames leave through mailboxes.
//!
//! Messages get an offset, are kept in a ring for those who come later, and leave once a tick, encoded once. What is
//! too much is refused with the time to wait, never dropped in silence. One node holds a room: who else wants it is
//! for the holder of its lease, later; the seam is that nothing here knows where its callers are.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use prost::Message as _;
use proto::im::id::UserId;
use tokio::time::Instant;

use super::{
    mailbox::Mailbox,
    outbox::{Item, Priority},
    wire::{
        Encoded,
        pb::{self, server_frame::Body},
    },
};

#[cfg(test)]
mod tests;

/// Messages that are told to those who come.
pub const RING_MAX: usize = 200;
/// Bytes of messages that are told to those who come: what ten thousand rooms keep must fit into memory.
pub const RING_BYTES_MAX: usize = 64 * 1024;
/// What happened in a room is told this often.
pub const TICK_EVERY: Duration = Duration::from_millis(100);
/// Live rooms at once on a node.
pub const ROOMS_MAX: usize = 10_000;
/// Live rooms of one session at once.
pub const ROOMS_PER_SESSION_MAX: usize = 8;
/// An empty room is remembered for this long.
pub const EMPTY_KEPT: Duration = Duration::from_mins(10);
/// Largest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Messages a second of one user.
const USER_PER_SECOND: u32 = 5;
/// Messages of one user at once.
const USER_BURST: u32 = 10;
/// Messages a second of a room, by priority: high, normal, low.
const ROOM_PER_SECOND: [u32; 3] = [40, 30, 10];
/// Bytes a second that a room tells each of its audience.
const BYTES_PER_SECOND: u32 = 8 * 1024;
/// Bytes at once.
const BYTES_BURST: u32 = 4 * BYTES_PER_SECOND;
/// Likes of one session in one frame.
const LIKES_MAX: u32 = 100;
/// Users whose rate is remembered in a room; they are forgotten together.
const SENDERS_MAX: usize = 4_096;

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveError {
    /// Too much: try again after this.
    Throttled(Duration),
    /// Not in the room.
    NotJoined,
    /// Too many rooms, of the session or of the node.
    TooManyRooms,
    /// The message is too large.
    TooLarge,
}

/// All live rooms of a node.
#[derive(Debug, Default)]
pub struct Live {
    rooms: BTreeMap<String, Room>,
    /// Rooms of each session.
    joined: BTreeMap<u128, Vec<String>>,
    tick_at: Option<Instant>,
}

#[derive(Debug)]
struct Room {
    epoch: u64,
    offset: u64,
    ring: VecDeque<pb::LiveMessage>,
    ring_bytes: usize,
    fresh: Vec<pb::LiveMessage>,
    audience: BTreeMap<u128, Arc<Mailbox>>,
    senders: BTreeMap<UserId, Level>,
    levels: [Level; 3],
    bytes: Level,
    likes: u64,
    came: u32,
    went: u32,
    dirty: bool,
    empty_since: Option<Instant>,
}

/// The level of a token bucket, in thousandths.
#[derive(Clone, Copy, Debug)]
struct Level {
    thousandths: u64,
    at: Instant,
}

impl Level {
    fn full(now: Instant, burst: u32) -> Self {
        Self { thousandths: u64::from(burst) * 1000, at: now }
    }

    /// How long until `amount` can be taken; zero: now.
    fn wait(&mut self, now: Instant, amount: u32, per_second: u32, burst: u32) -> Duration {
        let passed = now.saturating_duration_since(self.at).as_millis();
        let gained = u64::try_from(passed).unwrap_or(u64::MAX).saturating_mul(per_second.into());
        self.thousandths = self.thousandths.saturating_add(gained).min(u64::from(burst) * 1000);
        self.at = now;
        let lacking = (u64::from(amount) * 1000).saturating_sub(self.thousandths);
        Duration::from_millis(lacking.div_ceil(per_second.into()))
    }

    const fn take(&mut self, amount: u32) {
        self.thousandths = self.thousandths.saturating_sub(amount as u64 * 1000);
    }
}

impl Live {
    /// A session comes into a room. Answers what was said and counted so far. `epoch` names the room if it is new.
    ///
    /// # Errors
    /// [`LiveError::TooManyRooms`].
    pub fn join(
        &mut self,
        now: Instant,
        mailbox: Arc<Mailbox>,
        name: &str,
        epoch: u64,
    ) -> Result<pb::LiveBatch, LiveError> {
        let joined = self.joined.entry(mailbox.id).or_default();
        let is_in = joined.iter().any(|other| other == name);
        if !is_in && joined.len() >= ROOMS_PER_SESSION_MAX {
            return Err(LiveError::TooManyRooms);
        }
        if self.rooms.len() >= ROOMS_MAX && !self.rooms.contains_key(name) {
            return Err(LiveError::TooManyRooms);
        }
        if !is_in {
            joined.push(name.to_owned());
        }
        let room = self.rooms.entry(name.to_owned()).or_insert_with(|| Room::new(now, epoch));
        if room.audience.insert(mailbox.id, mailbox).is_none() {
            room.came += 1;
            room.dirty = true;
        }
        room.empty_since = None;
        let state =
            pb::LiveBatch { messages: room.ring.iter().cloned().collect(), ..room.counts(name) };
        self.wake_by(now + TICK_EVERY);
        Ok(state)
    }

    /// A session leaves a room.
    pub fn leave(&mut self, now: Instant, session: u128, name: &str) {
        if let Some(joined) = self.joined.get_mut(&session) {
            joined.retain(|other| other != name);
            if joined.is_empty() {
                self.joined.remove(&session);
            }
        }
        let Some(room) = self.rooms.get_mut(name) else { return };
        if room.audience.remove(&session).is_none() {
            return;
        }
        room.went += 1;
        room.dirty = true;
        if room.audience.is_empty() {
            room.empty_since = Some(now);
        }
        self.wake_by(now + TICK_EVERY);
    }

    /// A session is over: it leaves every room.
    pub fn leave_all(&mut self, now: Instant, session: u128) {
        for name in self.joined.remove(&session).unwrap_or_default() {
            self.leave(now, session, &name);
        }
    }

    /// Says something in a room. Answers its offset and the room's epoch.
    ///
    /// # Errors
    /// [`LiveError`]; nothing was said.
    pub fn send(
        &mut self,
        now: Instant,
        session: u128,
        name: &str,
        mut message: pb::LiveMessage,
    ) -> Result<pb::LiveSent, LiveError> {
        let room = self.rooms.get_mut(name).ok_or(LiveError::NotJoined)?;
        let mailbox = room.audience.get(&session).ok_or(LiveError::NotJoined)?;
        let user = mailbox.owner.user.clone();
        let bytes = u32::try_from(message.encoded_len()).unwrap_or(u32::MAX);
        if bytes as usize > MESSAGE_BYTES_MAX {
            return Err(LiveError::TooLarge);
        }
        room.admit(now, &user, message.priority(), bytes)?;
        room.offset += 1;
        message.offset = room.offset;
        message.sender = user.to_string();
        room.keep(message.clone());
        room.fresh.push(message);
        room.dirty = true;
        let sent = pb::LiveSent { offset: room.offset, epoch: room.epoch };
        self.wake_by(now + TICK_EVERY);
        Ok(sent)
    }

    /// Likes a room, some times at once.
    pub fn like(&mut self, now: Instant, session: u128, name: &str, count: u32) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        if room.audience.contains_key(&session) {
            room.likes = room.likes.saturating_add(count.clamp(1, LIKES_MAX).into());
            room.dirty = true;
            self.wake_by(now + TICK_EVERY);
        }
    }

    fn wake_by(&mut self, at: Instant) {
        self.tick_at = Some(self.tick_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.tick_at
    }

    /// Tells what happened, if it is time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.tick_at.is_none_or(|at| at > now) {
            return;
        }
        self.tick_at = None;
        for (name, room) in &mut self.rooms {
            room.tell(name);
        }
        self.rooms.retain(|_, room| {
            room.empty_since.is_none_or(|since| now.saturating_duration_since(since) < EMPTY_KEPT)
        });
        let waits = self.rooms.values().any(|room| room.empty_since.is_some());
        if waits {
            self.wake_by(now + EMPTY_KEPT);
        }
    }
}

impl Room {
    fn new(now: Instant, epoch: u64) -> Self {
        Self {
            epoch,
            offset: 0,
            ring: VecDeque::new(),
            ring_bytes: 0,
            fresh: Vec::new(),
            audience: BTreeMap::new(),
            senders: BTreeMap::new(),
            levels: ROOM_PER_SECOND.map(|burst| Level::full(now, burst)),
            bytes: Level::full(now, BYTES_BURST),
            likes: 0,
            came: 0,
            went: 0,
            dirty: false,
            empty_since: None,
        }
    }

    fn counts(&self, name: &str) -> pb::LiveBatch {
        pb::LiveBatch {
            room: name.to_owned(),
            epoch: self.epoch,
            messages: Vec::new(),
            likes: self.likes,
            audience: self.audience.len() as u64,
            came: 0,
            went: 0,
        }
    }

    /// Puts a message into the ring.
    fn keep(&mut self, message: pb::LiveMessage) {
        self.ring_bytes += message.encoded_len();
        self.ring.push_back(message);
        while self.ring.len() > RING_MAX || self.ring_bytes > RING_BYTES_MAX {
            let Some(oldest) = self.ring.pop_front() else { break };
            self.ring_bytes -= oldest.encoded_len();
        }
    }

    /// Takes from every bucket, or from none.
    fn admit(
        &mut self,
        now: Instant,
        user: &UserId,
        priority: pb::Priority,
        bytes: u32,
    ) -> Result<(), LiveError> {
        if self.senders.len() >= SENDERS_MAX && !self.senders.contains_key(user) {
            self.senders.clear();
        }
        let [high, normal, low] = &mut self.levels;
        let [per_high, per_normal, per_low] = ROOM_PER_SECOND;
        let (level, per_second) = match priority {
            pb::Priority::High => (high, per_high),
            pb::Priority::Normal => (normal, per_normal),
            pb::Priority::Low => (low, per_low),
        };
        let sender =
            self.senders.entry(user.clone()).or_insert_with(|| Level::full(now, USER_BURST));
        let wait = sender
            .wait(now, 1, USER_PER_SECOND, USER_BURST)
            .max(level.wait(now, 1, per_second, per_second))
            .max(self.bytes.wait(now, bytes, BYTES_PER_SECOND, BYTES_BURST));
        if !wait.is_zero() {
            metrics::counter!("stoa_im_live_throttled_total").increment(1);
            return Err(LiveError::Throttled(wait));
        }
        sender.take(1);
        level.take(1);
        self.bytes.take(bytes);
        Ok(())
    }

    /// One frame for each priority that something was said with, the counts in the first.
    fn tell(&mut self, name: &str) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        let (came, went) = (std::mem::take(&mut self.came), std::mem::take(&mut self.went));
        let mut counts = Some((came, went));
        let fresh = std::mem::take(&mut self.fresh);
        let order = [
            (pb::Priority::High, Priority::High),
            (pb::Priority::Normal, Priority::Normal),
            (pb::Priority::Low, Priority::Low),
        ];
        for (said, class) in order {
            let messages: Vec<_> =
                fresh.iter().filter(|message| message.priority() == said).cloned().collect();
            let is_last = class == Priority::Low;
            if messages.is_empty() && !(is_last && counts.is_some()) {
                continue;
            }
            let (came, went) = counts.take().unwrap_or_default();
            let batch = pb::LiveBatch { messages, came, went, ..self.counts(name) };
            let mut frame = Encoded::new(Body::Live(batch));
            for mailbox in self.audience.values() {
                mailbox.push(Item::Live(frame.frame(mailbox.codec), class));
            }
        }
    }
}

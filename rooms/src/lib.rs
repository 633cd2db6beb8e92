//! The replicated state of rooms: who is in which room, what they publish, and who may receive it.
//! Commands go in with the log's time, events or a refusal come out, and every replica ends in the same state.
//!
//! It is *not* a server: it opens no sockets, moves no media, reads no clock, draws no random numbers, logs
//! nothing and does not know that it is replicated. It has no std, so it could not if it wanted to.
//!
//! # The loop
//! 1. A node turns a wish into a [`Command`], minting every id in it, and proposes it to the log.
//! 2. Each replica passes the committed command, with the leader's time stamp, to [`Rooms::apply`].
//! 3. Nodes act on the returned [`Event`]s, and read the state to reconcile (subscriptions above all).
//! 4. When [`Rooms::next_expiry`] is due, a node proposes [`Action::Expire`] for that room.
//!
//! ```
//! use proto::room::command::Action;
//! use proto::room::event::What;
//! use proto::room::{Command, Reject, RoomSettings};
//! use proto::time::LogTime;
//! use rooms::Rooms;
//!
//! let mut rooms = Rooms::new();
//! let action = Action::Create { sid: "RM_1".into(), settings: RoomSettings::default() };
//! let events = rooms.apply(LogTime(1_000), &Command { room: "standup".into(), action })?;
//! assert!(matches!(events[0].what, What::RoomOpened(_)));
//!
//! let (due, room) = rooms.next_expiry().unwrap();
//! assert_eq!(due, LogTime(301_000));
//! let events = rooms.apply(due, &Command { room, action: Action::Expire })?;
//! assert!(matches!(events[0].what, What::RoomClosed(..)));
//! assert_eq!(Rooms::restore(&rooms.snapshot()).unwrap(), rooms);
//! # Ok::<(), Reject>(())
//! ```
//!
//! # What holds
//! - `apply` is total and deterministic: a bad command is a [`Reject`] that changed nothing but the time.
//! - A command applied twice in a row has the effect of one. The second time it returns no events when it asks for a
//!   state that holds already (`Create`, `Join` with the same sid, `Publish` of the same sid, every `Set..`,
//!   `Update`, `Activate`, `Expire`), and a "not found" when it ends something that is gone (`Close`, `Leave`,
//!   `Unpublish`). A `Join` repeated after its session left is a new join: proposers do not retry so late.
//! - An identity has at most one session in a room; a message of an older session is refused.
//! - A published track has one owner, who is allowed to publish it, and ends with that permission.
//! - Every map has a limit ([`ROOMS_MAX`], [`MEMBERS_MAX`], [`EXCEPTIONS_MAX`], ..).
//! - Equal histories give byte-identical snapshots.
//!
//! # Order of events
//! What causes comes before what follows: `RoomOpened`, then `ParticipantJoined`; `TrackPublished`, then its
//! publisher's `ParticipantChanged`; `TrackUnpublished` for each track, then `ParticipantLeft`; `RoomChanged` after
//! whatever changed the figures. A new track or participant implies the subscriptions that follow from it:
//! `SubscriptionsChanged` is said only when something else moves them.
//!
//! Codemap: `room` one open room; `roster` its members; `publication` tracks; `subscription` who receives what;
//! `permission` who may; `limit` bounds; `snapshot` bytes; `invariant` what must hold.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod invariant;
mod limit;
mod permission;
mod publication;
mod room;
mod roster;
mod snapshot;
mod subscription;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};

use proto::{
    id::{Identity, NodeId, ParticipantSid, RoomName, RoomSid, TrackSid},
    media::Source,
    room::{
        Command, Event, LeaveReason, Participant, Publication, Reject, Room, RoomSettings,
        command::Action, event::What,
    },
    time::LogTime,
};

use crate::room::OpenRoom;
pub use crate::{
    invariant::Broken,
    limit::{
        AUDIENCE_ENTRIES_MAX, ENCODINGS_MAX, EXCEPTIONS_MAX, MEMBERS_MAX, OPAQUE_NUMBERS_MAX,
        ROOMS_MAX,
    },
    snapshot::{RestoreError, SNAPSHOT_LAYOUT},
};

/// Every open room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rooms {
    /// The latest time a command came with.
    at: LogTime,
    rooms: BTreeMap<RoomName, OpenRoom>,
    /// When each empty room closes; derived from `rooms`.
    expiries: BTreeSet<(LogTime, RoomName)>,
}

impl Rooms {
    /// No room is open.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies a committed command. `at` is the log's time; should it go back, the latest time seen holds.
    ///
    /// # Errors
    /// A [`Reject`] says why the command was refused; nothing but the time was changed by it.
    pub fn apply(&mut self, at: LogTime, command: &Command) -> Result<Vec<Event>, Reject> {
        self.at = self.at.max(at);
        let room = &command.room;
        let due_before = self.expires_at(room);
        let result = self.dispatch(room, &command.action);
        self.file_expiry(room, due_before);
        if cfg!(debug_assertions) {
            self.check_room(room);
        }
        let event = |what| Event { room: room.clone(), what };
        result.map(|whats| whats.into_iter().map(event).collect())
    }

    /// The room of this name, if it is open.
    #[must_use]
    pub fn room(&self, name: &RoomName) -> Option<Room> {
        self.rooms.get(name).map(OpenRoom::view)
    }

    /// Every open room, by name.
    pub fn rooms(&self) -> impl Iterator<Item = Room> {
        self.rooms.values().map(OpenRoom::view)
    }

    /// Everybody in a room, by identity; nobody if it is not open.
    pub fn participants(&self, room: &RoomName) -> impl Iterator<Item = &Participant> {
        self.rooms.get(room).into_iter().flat_map(|room| room.roster.participants())
    }

    /// The nodes that carry somebody.
    #[must_use]
    pub fn carriers(&self) -> BTreeSet<NodeId> {
        let rooms = self.rooms.values();
        rooms
            .flat_map(|room| room.roster.participants())
            .map(|participant| participant.node)
            .collect()
    }

    /// The command for each room that sends out those whom a node carries now.
    pub fn losses(&self, node: NodeId) -> impl Iterator<Item = Command> {
        self.rooms.iter().filter_map(move |(name, room)| {
            let carried = room.roster.participants().filter(|who| who.node == node);
            let until = carried.map(|who| who.joined_at).max()?;
            Some(Command { room: name.clone(), action: Action::Lose { node, until } })
        })
    }

    /// The participant of this identity.
    #[must_use]
    pub fn participant(&self, room: &RoomName, identity: &Identity) -> Option<&Participant> {
        self.rooms.get(room)?.roster.participant(identity)
    }

    /// A published track and its owner.
    #[must_use]
    pub fn track(&self, room: &RoomName, sid: &TrackSid) -> Option<(&Participant, &Publication)> {
        self.rooms.get(room)?.roster.track(sid)
    }

    /// Whether `subscriber` receives `track`: it may subscribe, the track is another's, its owner's audience
    /// admits it, and it is subscribed by itself (`auto_subscribe`) or by `SetSubscribed`, whichever came last.
    #[must_use]
    pub fn is_subscribed(&self, room: &RoomName, subscriber: &Identity, track: &TrackSid) -> bool {
        self.rooms.get(room).is_some_and(|room| room.is_subscribed(subscriber, track))
    }

    /// Every track that `subscriber` receives, with its owner, by owner's identity and sid.
    #[must_use]
    pub fn subscriptions(
        &self,
        room: &RoomName,
        subscriber: &Identity,
    ) -> Vec<(ParticipantSid, Publication)> {
        let Some(room) = self.rooms.get(room) else {
            return Vec::new();
        };
        room.subscriptions(subscriber)
            .map(|(owner, track)| (owner.sid.clone(), track.clone()))
            .collect()
    }

    /// Whether a participant may publish another track from `source`, before it is asked to negotiate one.
    ///
    /// # Errors
    /// `RoomNotFound`, `ParticipantNotFound`, `PublishNotPermitted` or `TooManyTracks`.
    pub fn may_publish(
        &self,
        room: &RoomName,
        identity: &Identity,
        source: Source,
    ) -> Result<(), Reject> {
        let open = self.rooms.get(room).ok_or_else(|| not_found(room))?;
        permission::check_publish(open.roster.session(identity, None)?, source)
    }

    /// The next time at which [`Action::Expire`] closes a room, and which.
    #[must_use]
    pub fn next_expiry(&self) -> Option<(LogTime, RoomName)> {
        self.expiries.first().cloned()
    }

    /// The rooms that [`Action::Expire`] closes at a time, the first to be due first.
    pub fn due(&self, at: LogTime) -> impl Iterator<Item = &RoomName> {
        self.expiries.iter().take_while(move |(due, _)| *due <= at).map(|(_, room)| room)
    }

    fn dispatch(&mut self, name: &RoomName, action: &Action) -> Result<Vec<What>, Reject> {
        match action {
            Action::Create { sid, settings } => self.create(name, sid, settings),
            Action::Close => self.close(name, LeaveReason::RoomDeleted),
            Action::Expire => match self.expires_at(name) {
                Some(due) if due <= self.at => self.close(name, LeaveReason::RoomClosed),
                Some(_) | None => Ok(Vec::new()),
            },
            Action::SetMetadata { metadata } => self.open(name)?.set_metadata(metadata),
            Action::Join { room_sid, create, participant } => match create {
                Some(settings) if !self.rooms.contains_key(name) => {
                    self.open_with(name, room_sid, settings, participant)
                }
                Some(_) | None => {
                    let at = self.at;
                    self.open(name)?.join(at, participant)
                }
            },
            Action::Participant { identity, sid, action } => {
                let at = self.at;
                self.open(name)?.act(at, identity, sid.as_ref(), action)
            }
            Action::Lose { node, until } => {
                let at = self.at;
                Ok(self.open(name)?.lose(at, *node, *until))
            }
        }
    }

    fn create(
        &mut self,
        name: &RoomName,
        sid: &RoomSid,
        settings: &RoomSettings,
    ) -> Result<Vec<What>, Reject> {
        if self.rooms.contains_key(name) {
            return Ok(Vec::new());
        }
        self.check_room_for_another()?;
        let room = OpenRoom::open(name, sid, settings, self.at)?;
        let opened = What::RoomOpened(room.view());
        self.rooms.insert(name.clone(), room);
        Ok(vec![opened])
    }

    /// Opens a room for its first participant; if that one is refused, the room stays closed.
    fn open_with(
        &mut self,
        name: &RoomName,
        sid: &RoomSid,
        settings: &RoomSettings,
        first: &Participant,
    ) -> Result<Vec<What>, Reject> {
        self.check_room_for_another()?;
        let mut room = OpenRoom::open(name, sid, settings, self.at)?;
        let mut whats = vec![What::RoomOpened(room.view())];
        whats.append(&mut room.join(self.at, first)?);
        self.rooms.insert(name.clone(), room);
        Ok(whats)
    }

    fn close(&mut self, name: &RoomName, reason: LeaveReason) -> Result<Vec<What>, Reject> {
        let room = self.rooms.remove(name).ok_or_else(|| not_found(name))?;
        Ok(room.close(self.at, reason))
    }

    fn open(&mut self, name: &RoomName) -> Result<&mut OpenRoom, Reject> {
        self.rooms.get_mut(name).ok_or_else(|| not_found(name))
    }

    fn check_room_for_another(&self) -> Result<(), Reject> {
        if self.rooms.len() >= ROOMS_MAX {
            return Err(Reject::TooManyRooms { limit: ROOMS_MAX });
        }
        Ok(())
    }

    fn expires_at(&self, name: &RoomName) -> Option<LogTime> {
        self.rooms.get(name).and_then(OpenRoom::expires_at)
    }

    /// Brings the expiry index up to date with a room that was due at `before`.
    fn file_expiry(&mut self, name: &RoomName, before: Option<LogTime>) {
        let after = self.expires_at(name);
        if before == after {
            return;
        }
        if let Some(at) = before {
            self.expiries.remove(&(at, name.clone()));
        }
        self.expiries.extend(after.map(|at| (at, name.clone())));
    }
}

fn not_found(room: &RoomName) -> Reject {
    Reject::RoomNotFound { room: room.clone() }
}

#[cfg(test)]
mod tests;

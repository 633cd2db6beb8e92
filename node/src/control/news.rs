//! Fan-out to sessions, gathered per applied batch: a participant that changes three times is told once.

use std::collections::{BTreeMap, BTreeSet};

use gateway::node::{SessionEvent, Speaker};
use proto::{
    grant::Permission,
    id::{Identity, ParticipantSid, RoomName},
    room::{LeaveReason, Participant, ParticipantState, Room},
    time::LogTime,
};

use super::{Control, Replica};

/// Rooms with more local sessions than this are told once a tick instead of at once: n joins cost n, not n squared.
const PROMPT_SESSIONS_MAX: usize = 48;

/// What sessions are to be told.
#[derive(Debug, Default)]
pub(super) struct News {
    participants: BTreeMap<RoomName, BTreeMap<Identity, Participant>>,
    rooms: BTreeMap<RoomName, Room>,
    last_rooms: BTreeMap<RoomName, Room>,
    permissions: BTreeMap<ParticipantSid, Permission>,
    simulated: Vec<(RoomName, LogTime)>,
    /// Sessions whose queue overflowed.
    pub(super) stuck: BTreeSet<ParticipantSid>,
    /// Subscriptions served by this node, kept as a running figure.
    pub(super) subscriptions: usize,
}

impl News {
    pub(super) fn participant(&mut self, room: &RoomName, participant: Participant) {
        if participant.state == ParticipantState::Disconnected {
            self.permissions.remove(&participant.sid);
        } else {
            let entry = self.permissions.entry(participant.sid.clone());
            entry.or_insert_with(|| participant.permission.clone());
        }
        let room = self.participants.entry(room.clone()).or_default();
        room.insert(participant.identity.clone(), participant);
    }

    pub(super) fn room(&mut self, room: Room) {
        self.last_rooms.insert(room.name.clone(), room.clone());
        self.rooms.insert(room.name.clone(), room);
    }

    pub(super) fn last_room(&self, room: &RoomName) -> Option<Room> {
        self.last_rooms.get(room).cloned()
    }

    pub(super) fn forget(&mut self, room: &RoomName) {
        self.rooms.remove(room);
        self.last_rooms.remove(room);
        self.simulated.retain(|(simulated, _)| simulated != room);
    }

    /// Whether a participant's rights differ from those last seen.
    pub(super) fn permission_changed(&mut self, participant: &Participant) -> bool {
        let new = participant.permission.clone();
        let old = self.permissions.insert(participant.sid.clone(), new);
        old.is_some_and(|old| old != participant.permission)
    }
}

impl<R: Replica> Control<R> {
    /// Tells the sessions of small rooms what changed; large rooms wait for the tick.
    pub(super) fn flush_news(&mut self) {
        self.flush_news_of(|sessions| sessions <= PROMPT_SESSIONS_MAX);
    }

    /// Tells every session what changed.
    pub(super) fn flush_all_news(&mut self) {
        self.flush_news_of(|_| true);
    }

    fn flush_news_of(&mut self, due: impl Fn(usize) -> bool) {
        let is_due = |control: &Self, room: &RoomName| {
            due(control.index.rooms.get(room).map_or(0, BTreeMap::len))
        };
        let rooms: Vec<RoomName> =
            self.news.participants.keys().filter(|room| is_due(self, room)).cloned().collect();
        for room in rooms {
            let Some(changed) = self.news.participants.remove(&room) else {
                continue;
            };
            let changed: Vec<Participant> = changed.into_values().collect();
            for sid in self.local(&room) {
                self.tell(&sid, SessionEvent::Participants(visible_to(&changed, &sid)));
            }
        }
        let rooms: Vec<RoomName> =
            self.news.rooms.keys().filter(|room| is_due(self, room)).cloned().collect();
        for name in rooms {
            let Some(room) = self.news.rooms.remove(&name) else {
                continue;
            };
            for sid in self.local(&name) {
                self.tell(&sid, SessionEvent::Room(room.clone()));
            }
        }
        for sid in std::mem::take(&mut self.news.stuck) {
            if self.sessions.contains_key(&sid) {
                tracing::warn!(participant = %sid, "session does not drain its events; it has to join again");
                self.end_session(&sid, LeaveReason::SignalLost, true);
            }
        }
    }

    /// Tells a session that came back everything it may have missed.
    pub(super) fn tell_everything(&mut self, sid: &ParticipantSid) {
        let Some(session) = self.sessions.get(sid) else {
            return;
        };
        let name = session.room.clone();
        let everybody: Vec<Participant> =
            self.replica.state().participants(&name).cloned().collect();
        self.tell(sid, SessionEvent::Participants(visible_to(&everybody, sid)));
        if let Some(room) = self.replica.state().room(&name) {
            self.tell(sid, SessionEvent::Room(room));
        }
    }

    /// Makes everybody in a room seem to speak until a time (a fault for demonstrations).
    pub(super) fn simulate_speakers(&mut self, room: &RoomName, until: LogTime) {
        self.tell_simulated(room, true);
        self.news.simulated.push((room.clone(), until));
    }

    pub(super) fn end_simulated_speakers(&mut self, now: LogTime) {
        let (over, on): (Vec<_>, Vec<_>) = std::mem::take(&mut self.news.simulated)
            .into_iter()
            .partition(|(_, until)| *until <= now);
        self.news.simulated = on;
        for (room, _) in over {
            self.tell_simulated(&room, false);
        }
    }

    fn tell_simulated(&mut self, room: &RoomName, active: bool) {
        let level = if active { 0.9 } else { 0.0 };
        let everybody = self.replica.state().participants(room).filter(|p| !p.permission.hidden);
        let speakers: Vec<Speaker> =
            everybody.map(|p| Speaker { sid: p.sid.clone(), level, active }).collect();
        for sid in self.local(room) {
            self.tell(&sid, SessionEvent::Speakers(speakers.clone()));
        }
    }
}

/// Hidden participants are seen by themselves alone.
fn visible_to(participants: &[Participant], viewer: &ParticipantSid) -> Vec<Participant> {
    participants.iter().filter(|p| !p.permission.hidden || p.sid == *viewer).cloned().collect()
}

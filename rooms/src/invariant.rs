//! What holds after every command. Found broken, a replica must stop rather than spread it.

use proto::{
    id::{Identity, RoomName, TrackSid},
    room::{ParticipantState, model::PUBLICATIONS_MAX},
};
use thiserror::Error;

use crate::{
    Rooms,
    limit::{EXCEPTIONS_MAX, MEMBERS_MAX, ROOMS_MAX},
    room::OpenRoom,
    roster::{Member, Tally},
};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Broken {
    /// A map is larger than its limit.
    #[error("{entries} entries where {limit} are allowed")]
    Limit {
        /// How many there are.
        entries: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A room is filed under another name than its own.
    #[error("room {room} is misfiled")]
    RoomMisfiled {
        /// Its name.
        room: RoomName,
    },
    /// The expiry index does not say what the rooms say.
    #[error("the expiry of room {room} is misfiled")]
    ExpiryMisfiled {
        /// Which room, or the first one filed without reason.
        room: RoomName,
    },
    /// A participant is filed under another identity than its own, or is disconnected but present.
    #[error("participant {identity} is misfiled")]
    ParticipantMisfiled {
        /// Its identity.
        identity: Identity,
    },
    /// A track is filed under another sid or owner than its own, or under two owners.
    #[error("track {track} is misfiled")]
    TrackMisfiled {
        /// Its sid.
        track: TrackSid,
    },
    /// A participant publishes what it may not.
    #[error("track {track} is published without permission")]
    TrackForbidden {
        /// Its sid.
        track: TrackSid,
    },
    /// Something in a room lies after the last command.
    #[error("room {room} has a time that has not come")]
    TimeAhead {
        /// Its name.
        room: RoomName,
    },
    /// The counts of a room are not those of its roster.
    #[error("the counts of room {room} are wrong")]
    Miscounted {
        /// Its name.
        room: RoomName,
    },
}

impl Rooms {
    /// Checks everything that must hold. Costs time in proportion to the whole state.
    ///
    /// # Panics
    /// When an invariant is broken: the replica must not go on.
    pub fn check_invariants(&self) {
        let found = self.find_broken();
        assert!(found.is_ok(), "broken invariant: {found:?}");
    }

    /// Checks the room that a command touched.
    pub(crate) fn check_room(&self, name: &RoomName) {
        let found = self.rooms.get(name).map_or(Ok(()), |room| self.find_broken_room(name, room));
        assert!(found.is_ok(), "broken invariant: {found:?}");
    }

    /// The first broken invariant, as an error.
    pub(crate) fn find_broken(&self) -> Result<(), Broken> {
        within(self.rooms.len(), ROOMS_MAX)?;
        for (at, room) in &self.expiries {
            if self.rooms.get(room).and_then(OpenRoom::expires_at) != Some(*at) {
                return Err(Broken::ExpiryMisfiled { room: room.clone() });
            }
        }
        self.rooms.iter().try_for_each(|(name, room)| self.find_broken_room(name, room))
    }

    fn find_broken_room(&self, name: &RoomName, room: &OpenRoom) -> Result<(), Broken> {
        if room.name != *name {
            return Err(Broken::RoomMisfiled { room: name.clone() });
        }
        let is_filed = |at| self.expiries.contains(&(at, name.clone()));
        if !room.expires_at().is_none_or(is_filed) {
            return Err(Broken::ExpiryMisfiled { room: name.clone() });
        }
        if room.created_at.max(room.last_left_at.unwrap_or_default()) > self.at {
            return Err(Broken::TimeAhead { room: name.clone() });
        }
        within(room.roster.len(), MEMBERS_MAX)?;
        let mut tally = Tally::default();
        let mut tracks = 0;
        for (identity, member) in room.roster.iter() {
            find_broken_member(room, identity, member)?;
            tally.add(&member.participant);
            tracks += member.participant.publications.len();
        }
        if tally != room.roster.tally() || tracks != room.roster.owners().len() {
            return Err(Broken::Miscounted { room: name.clone() });
        }
        Ok(())
    }
}

fn find_broken_member(room: &OpenRoom, key: &Identity, member: &Member) -> Result<(), Broken> {
    let Member { participant, exceptions } = member;
    within(exceptions.len(), EXCEPTIONS_MAX)?;
    within(participant.publications.len(), PUBLICATIONS_MAX)?;
    let is_gone = participant.state == ParticipantState::Disconnected;
    if participant.identity != *key || is_gone || participant.joined_at < room.created_at {
        return Err(Broken::ParticipantMisfiled { identity: key.clone() });
    }
    for (track, publication) in &participant.publications {
        if publication.sid != *track || room.roster.owner(track) != Some(key) {
            return Err(Broken::TrackMisfiled { track: track.clone() });
        }
        if !participant.permission.allows_source(publication.source) {
            return Err(Broken::TrackForbidden { track: track.clone() });
        }
    }
    Ok(())
}

fn within(entries: usize, limit: usize) -> Result<(), Broken> {
    if entries > limit { Err(Broken::Limit { entries, limit }) } else { Ok(()) }
}

//! Calls of administrators and back ends.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proto::{
    grant::Permission,
    id::{Identity, ParticipantSid, RoomName, TrackSid},
    media::Delivery,
    room::{Participant, Publication, Room, RoomSettings},
};

/// A call of an administrator or back end.
#[derive(Debug)]
pub enum Call {
    /// Opens a room, or finds the open one. Answer: [`Answer::Room`].
    CreateRoom {
        /// Its name.
        room: RoomName,
        /// What to open it with.
        settings: RoomSettings,
    },
    /// Whether the node can take new sessions; refused if not. Answer: [`Answer::Done`].
    Ready,
    /// Lists open rooms; empty: all. Answer: [`Answer::Rooms`].
    ListRooms {
        /// Which.
        names: Vec<RoomName>,
    },
    /// Closes a room. Answer: [`Answer::Done`].
    DeleteRoom {
        /// Which.
        room: RoomName,
    },
    /// Lists a room's participants. Answer: [`Answer::Participants`].
    ListParticipants {
        /// Where.
        room: RoomName,
    },
    /// Finds one participant. Answer: [`Answer::Participant`].
    Participant {
        /// Where.
        room: RoomName,
        /// Who.
        identity: Identity,
    },
    /// Sends a participant out. Answer: [`Answer::Done`].
    RemoveParticipant {
        /// Where.
        room: RoomName,
        /// Who.
        identity: Identity,
    },
    /// Mutes or unmutes somebody's track. Answer: [`Answer::Track`].
    MuteTrack {
        /// Where.
        room: RoomName,
        /// Whose.
        identity: Identity,
        /// Which.
        track: TrackSid,
        /// The new state.
        muted: bool,
    },
    /// Changes a participant. Answer: [`Answer::Participant`].
    UpdateParticipant {
        /// Where.
        room: RoomName,
        /// Who.
        identity: Identity,
        /// New name, if any.
        name: Option<String>,
        /// New metadata, if any.
        metadata: Option<String>,
        /// Attributes to set; empty values delete.
        attributes: BTreeMap<String, String>,
        /// New rights, if any.
        permission: Option<Permission>,
    },
    /// Subscribes a participant to tracks or takes them away. Answer: [`Answer::Done`].
    UpdateSubscriptions {
        /// Where.
        room: RoomName,
        /// Who.
        identity: Identity,
        /// Which tracks.
        tracks: BTreeSet<TrackSid>,
        /// The new state.
        subscribed: bool,
    },
    /// Replaces a room's metadata. Answer: [`Answer::Room`].
    UpdateRoomMetadata {
        /// Which.
        room: RoomName,
        /// The new metadata.
        metadata: String,
    },
    /// Sends data to participants. Answer: [`Answer::Done`].
    SendData {
        /// Where.
        room: RoomName,
        /// How.
        delivery: Delivery,
        /// To whom by identity; with `to_sids` empty as well: everybody.
        to: Vec<Identity>,
        /// To whom by session.
        to_sids: Vec<ParticipantSid>,
        /// What, already encoded for clients.
        payload: Bytes,
    },
    /// Moves a participant to another room, which is opened if need be. Answer: [`Answer::Done`].
    MoveParticipant {
        /// From where.
        room: RoomName,
        /// Who.
        identity: Identity,
        /// To where.
        destination: RoomName,
    },
}

/// The answer to a [`Call`].
#[derive(Debug)]
pub enum Answer {
    /// Done.
    Done,
    /// A room.
    Room(Room),
    /// Rooms.
    Rooms(Vec<Room>),
    /// A participant.
    Participant(Box<Participant>),
    /// Participants.
    Participants(Vec<Participant>),
    /// A track.
    Track(Box<Publication>),
}

//! The server API: calls become commands, answers are read from the state after them.

use std::time::Duration;

use gateway::node::{Answer, Call, Refusal, Reply, SessionEvent};
use proto::{
    error::{ErrorCode, Retry},
    id::{Identity, RoomName, TrackSid},
    room::{
        Command, LeaveReason, Reject,
        command::{Action, ParticipantAction},
    },
};

use super::{Continuation, Control, Replica, across::Data, refusal, refusal_of};
use crate::mint;

/// Whoever asks whether the node is ready asks again after this long.
const READY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// What to answer once the command is applied.
#[derive(Debug)]
pub(super) enum Then {
    /// That it is done.
    Done,
    /// The room.
    Room(RoomName),
    /// The participant.
    Participant(RoomName, Identity),
    /// The track, after its owner was told.
    Muted { room: RoomName, track: TrackSid, muted: bool },
    /// The participant, after a second change that belongs to the first.
    Twice(Box<Command>, RoomName, Identity),
}

impl<R: Replica> Control<R> {
    pub(super) fn on_call(&mut self, call: Call, reply: Reply<Answer>) {
        match call {
            Call::Ready => {
                let _ = reply.send(self.readiness());
            }
            Call::ListRooms { names } => {
                let rooms = self.replica.state().rooms();
                let listed = rooms.filter(|room| names.is_empty() || names.contains(&room.name));
                let _ = reply.send(Ok(Answer::Rooms(listed.collect())));
            }
            Call::ListParticipants { room } => {
                let _ = reply.send(self.participants_of(&room));
            }
            Call::Participant { room, identity } => {
                let _ = reply.send(self.participant_of(&room, &identity));
            }
            Call::SendData { room, delivery, to, to_sids, payload } => {
                let _ = reply.send(self.send_from_outside(Data {
                    room,
                    delivery,
                    to,
                    to_sids,
                    payload,
                }));
            }
            Call::MoveParticipant { room, identity, destination } => {
                self.leave_for(&room, &identity, destination, reply);
            }
            call => self.on_changing_call(call, reply),
        }
    }

    fn on_changing_call(&mut self, call: Call, reply: Reply<Answer>) {
        let Some((command, then)) = room_call(call) else { return };
        if let Then::Twice(second, room, identity) = then {
            // Both halves enter the log in a row; the answer waits for the second.
            self.submit(&command, Continuation::None);
            self.submit(&second, call_then(Then::Participant(room, identity), reply));
            return;
        }
        self.submit(&command, call_then(then, reply));
    }

    /// Reads the answer from the state, after the command was applied.
    pub(super) fn answer(&mut self, then: Then) -> Result<Answer, Refusal> {
        match then {
            Then::Done => Ok(Answer::Done),
            Then::Room(room) => self
                .replica
                .state()
                .room(&room)
                .map(Answer::Room)
                .ok_or_else(|| refusal_of(&Reject::RoomNotFound { room })),
            Then::Participant(room, identity) | Then::Twice(_, room, identity) => {
                self.participant_of(&room, &identity)
            }
            Then::Muted { room, track, muted } => {
                let found = self.replica.state().track(&room, &track);
                let Some((owner, publication)) = found.map(|(o, p)| (o.sid.clone(), p.clone()))
                else {
                    return Err(refusal_of(&Reject::TrackNotFound { track }));
                };
                self.tell(&owner, SessionEvent::Muted { track, muted });
                Ok(Answer::Track(Box::new(publication)))
            }
        }
    }

    fn participants_of(&self, room: &RoomName) -> Result<Answer, Refusal> {
        let state = self.replica.state();
        if state.room(room).is_none() {
            return Err(refusal_of(&Reject::RoomNotFound { room: room.clone() }));
        }
        Ok(Answer::Participants(state.participants(room).cloned().collect()))
    }

    fn participant_of(&self, room: &RoomName, identity: &Identity) -> Result<Answer, Refusal> {
        let found = self.replica.state().participant(room, identity).cloned();
        found
            .map(|p| Answer::Participant(Box::new(p)))
            .ok_or_else(|| refusal_of(&Reject::ParticipantNotFound { identity: identity.clone() }))
    }

    /// Without a leader nobody can join, but an election is no reason to send clients elsewhere.
    fn readiness(&self) -> Result<Answer, Refusal> {
        if self.others.leaderless() {
            let retry = Retry::After(READY_RETRY_AFTER);
            return Err(Refusal { retry, ..refusal(ErrorCode::NoLeader) });
        }
        Ok(Answer::Done)
    }

    fn send_from_outside(&self, data: Data) -> Result<Answer, Refusal> {
        if self.replica.state().room(&data.room).is_none() {
            return Err(refusal_of(&Reject::RoomNotFound { room: data.room }));
        }
        self.send_here(&data, None);
        self.send_across(&data);
        Ok(Answer::Done)
    }
}

/// The command of a call about a room as a whole.
fn room_call(call: Call) -> Option<(Command, Then)> {
    match call {
        Call::CreateRoom { room, settings } => {
            let action = Action::Create { sid: mint::room_sid(), settings };
            Some((Command { room: room.clone(), action }, Then::Room(room)))
        }
        Call::DeleteRoom { room } => Some((Command { room, action: Action::Close }, Then::Done)),
        Call::UpdateRoomMetadata { room, metadata } => {
            let action = Action::SetMetadata { metadata };
            Some((Command { room: room.clone(), action }, Then::Room(room)))
        }
        call => participant_call(call),
    }
}

/// The command of a call about one participant; `None` for calls that change nothing.
fn participant_call(call: Call) -> Option<(Command, Then)> {
    match call {
        Call::RemoveParticipant { room, identity } => {
            let action = ParticipantAction::Leave { reason: LeaveReason::Removed };
            Some((of_participant(room, identity, action), Then::Done))
        }
        Call::MuteTrack { room, identity, track, muted } => {
            let action = ParticipantAction::SetMuted { track: track.clone(), muted };
            let then = Then::Muted { room: room.clone(), track, muted };
            Some((of_participant(room, identity, action), then))
        }
        Call::UpdateParticipant { room, identity, name, metadata, attributes, permission } => {
            let action = ParticipantAction::Update { name, metadata, attributes, by_self: false };
            let update = of_participant(room.clone(), identity.clone(), action);
            let Some(permission) = permission else {
                return Some((update, Then::Participant(room, identity)));
            };
            let action = ParticipantAction::SetPermission { permission };
            let second = of_participant(room.clone(), identity.clone(), action);
            Some((update, Then::Twice(Box::new(second), room, identity)))
        }
        Call::UpdateSubscriptions { room, identity, tracks, subscribed } => {
            let action = ParticipantAction::SetSubscribed { tracks, subscribed };
            Some((of_participant(room, identity, action), Then::Done))
        }
        Call::CreateRoom { .. }
        | Call::DeleteRoom { .. }
        | Call::UpdateRoomMetadata { .. }
        | Call::Ready
        | Call::ListRooms { .. }
        | Call::ListParticipants { .. }
        | Call::Participant { .. }
        | Call::SendData { .. }
        | Call::MoveParticipant { .. } => None,
    }
}

fn call_then(then: Then, reply: Reply<Answer>) -> Continuation {
    Continuation::Call { then, reply }
}

fn of_participant(room: RoomName, identity: Identity, action: ParticipantAction) -> Command {
    Command { room, action: Action::Participant { identity, sid: None, action } }
}

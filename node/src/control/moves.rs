//! Moving a participant to another room: it leaves one and enters the other, keeps its connections, and
//! publishes the same tracks again under the same sids.

use gateway::node::{Answer, Moved, Refusal, Reply, SessionEvent};
use proto::{
    id::{Identity, ParticipantSid, RoomName},
    media::Mid,
    room::{
        Command, LeaveReason, Participant, Publication, Reject,
        command::{Action, ParticipantAction},
    },
};

use super::{
    Continuation, Control, Replica, refusal_of,
    session::{Bound, Session},
};
use crate::mint;

/// A participant between two rooms.
#[derive(Debug)]
pub(super) struct Moving {
    from: ParticipantSid,
    to: RoomName,
    participant: Participant,
    publications: Vec<(Mid, String, Publication)>,
}

impl<R: Replica> Control<R> {
    /// First part: takes note of what it publishes and has it leave.
    pub(super) fn leave_for(
        &mut self,
        room: &RoomName,
        identity: &Identity,
        to: RoomName,
        reply: Reply<Answer>,
    ) {
        let Some(participant) = self.replica.state().participant(room, identity).cloned() else {
            let missing = Reject::ParticipantNotFound { identity: identity.clone() };
            let _ = reply.send(Err(refusal_of(&missing)));
            return;
        };
        if *room == to {
            let _ = reply.send(Ok(Answer::Done));
            return;
        }
        let from = participant.sid.clone();
        let bound = self.sessions.get(&from).map(|session| session.uplink.bound.clone());
        let publications = bound
            .into_iter()
            .flatten()
            .filter_map(|(mid, bound)| {
                let publication = participant.publications.get(&bound.track)?.clone();
                Some((mid, bound.cid, publication))
            })
            .collect();
        let moving = Box::new(Moving { from: from.clone(), to, participant, publications });
        let action = ParticipantAction::Leave { reason: LeaveReason::Moved };
        self.submit_for(&from, action, Continuation::Move { moving, reply });
    }

    /// Second part: it has left; brings it into the other room.
    pub(super) fn enter(&mut self, mut moving: Moving, reply: Reply<Answer>) {
        moving.participant.sid = mint::participant_sid();
        moving.participant.publications.clear();
        let command = Command {
            room: moving.to.clone(),
            action: Action::Join {
                room_sid: mint::room_sid(),
                create: Some(self.room_settings.clone()),
                participant: Box::new(moving.participant.clone()),
            },
        };
        self.submit(&command, Continuation::Moved { moving: Box::new(moving), reply });
    }

    /// The other room refused: the participant has left the first and is in none.
    pub(super) fn strand(&mut self, moving: &Moving, reply: Reply<Answer>, refusal: Refusal) {
        let leave = gateway::node::Leave { reason: LeaveReason::Removed, rejoin: false };
        self.drop_session(&moving.from, Some(leave));
        let _ = reply.send(Err(refusal));
    }

    /// Third part: it is there, or was refused and has to be told that it is nowhere.
    pub(super) fn arrive(&mut self, moving: Moving, reply: Reply<Answer>) {
        let sid = moving.participant.sid.clone();
        if let Some(session) = self.sessions.remove(&moving.from) {
            self.adopt(session, &moving, &sid);
            let action = ParticipantAction::Activate;
            self.submit_for(&sid, action, Continuation::None);
            for (mid, cid, publication) in moving.publications {
                if let Some(session) = self.sessions.get_mut(&sid) {
                    let bound = Bound { track: publication.sid.clone(), cid: cid.clone() };
                    session.uplink.bound.insert(mid, bound);
                }
                let action = ParticipantAction::Publish { publication: Box::new(publication) };
                self.submit_for(
                    &sid,
                    action,
                    Continuation::Publish { session: sid.clone(), mid, cid },
                );
            }
            self.reconcile_all_subscriptions(&sid);
        }
        let _ = reply.send(Ok(Answer::Done));
    }

    /// Gives the local session its new room and sid.
    fn adopt(&mut self, mut session: Session, moving: &Moving, sid: &ParticipantSid) {
        self.index.peers.insert(session.peer, sid.clone());
        if let Some(room) = self.index.rooms.get_mut(&session.room) {
            room.remove(&session.identity);
            if room.is_empty() {
                self.index.rooms.remove(&session.room);
            }
        }
        for track in std::mem::take(&mut session.downlink.tracks) {
            self.news.subscriptions -= 1;
            if let Some(track) = self.index.keys.get(&track).copied() {
                let command = sfu_shard::api::Command::Unsubscribe { peer: session.peer, track };
                self.shard(session.shard, command);
            }
        }
        session.downlink.views.clear();
        session.uplink.bound.clear();
        session.uplink.heard.clear();
        session.room = moving.to.clone();
        session.sid = sid.clone();
        let room_index = self.index.rooms.entry(moving.to.clone()).or_default();
        room_index.insert(session.identity.clone(), sid.clone());
        self.sessions.insert(sid.clone(), session);
        let state = self.replica.state();
        let found = state.participant(&moving.to, &moving.participant.identity).cloned();
        if let (Some(participant), Some(room)) = (found, state.room(&moving.to)) {
            let others = self.visible_others(&moving.to, sid);
            let moved = Moved { room, participant, others };
            self.tell(sid, SessionEvent::Moved(Box::new(moved)));
        }
    }
}

//! What the log says.

use gateway::{
    node::{Joined, Leave, Refusal, Reply, SessionEvent},
    webhook::WebhookKind,
};
use proto::{
    id::{Identity, ParticipantSid, RoomName, TrackSid},
    media::Mid,
    room::{Event, LeaveReason, Participant, ParticipantState, Publication, Room, event::What},
    time::LogTime,
};
use sfu_shard::api::Command as ShardCommand;

use super::{
    Continuation, Control, Replica, media, refusal_of,
    session::{Activation, Downlink, Session, Uplink},
};
use crate::replica::{Applied, Happened};

/// Media must be up this long after the join. Shorter cuts off slow networks, longer keeps ghosts.
const ACTIVATE_AFTER_MAX: std::time::Duration = std::time::Duration::from_secs(60);

impl<R: Replica> Control<R> {
    pub(super) fn on_happened(&mut self, happened: Happened) {
        match happened {
            Happened::Applied(applied) => self.on_applied(applied),
            Happened::Refused { ticket, refusal } => {
                if let Some(then) = self.waiting.remove(&ticket) {
                    self.refuse(then, refusal);
                }
            }
            Happened::Restored => self.on_restored(),
        }
    }

    /// The log skipped what nobody told: sessions cannot be told either and come back with a fresh view.
    fn on_restored(&mut self) {
        tracing::warn!(
            "the node was far behind and skipped part of the log; its sessions start over"
        );
        let sessions: Vec<ParticipantSid> = self.sessions.keys().cloned().collect();
        for sid in sessions {
            self.end_session(&sid, LeaveReason::SignalLost, true);
        }
    }

    fn on_applied(&mut self, applied: Applied) {
        let foreign = applied.ticket.is_none();
        let then = applied.ticket.and_then(|ticket| self.waiting.remove(&ticket));
        let result = applied.result.map(|events| {
            for event in events {
                self.on_event(event, foreign);
            }
        });
        let then = then.unwrap_or(Continuation::None);
        match result {
            Ok(()) => self.go_on(applied.at, then),
            Err(reject) => self.refuse(then, refusal_of(&reject)),
        }
    }

    /// The command of a continuation was applied.
    fn go_on(&mut self, at: LogTime, then: Continuation) {
        match then {
            Continuation::None | Continuation::Publish { .. } => {}
            Continuation::Join { join, sid, reply } => self.open_session(at, *join, sid, reply),
            Continuation::Update { session, request } => {
                self.tell(&session, SessionEvent::Updated { request, result: Ok(()) });
            }
            Continuation::Call { then, reply } => {
                let answer = self.answer(then);
                let _ = reply.send(answer);
            }
            Continuation::Move { moving, reply } => self.enter(*moving, reply),
            Continuation::Moved { moving, reply } => self.arrive(*moving, reply),
        }
    }

    /// The command of a continuation was refused, by the state machine or on its way there.
    fn refuse(&mut self, then: Continuation, refusal: Refusal) {
        match then {
            Continuation::None => {}
            Continuation::Join { reply, .. } => {
                let _ = reply.send(Err(refusal));
            }
            Continuation::Update { session, request } => {
                self.tell(&session, SessionEvent::Updated { request, result: Err(refusal) });
            }
            Continuation::Publish { session, mid, cid } => {
                self.unbind(&session, mid);
                self.tell(&session, SessionEvent::PublishRefused { cid, refusal });
            }
            Continuation::Call { reply, .. } | Continuation::Move { reply, .. } => {
                let _ = reply.send(Err(refusal));
            }
            Continuation::Moved { moving, reply } => self.strand(&moving, reply, refusal),
        }
    }

    fn unbind(&mut self, session: &ParticipantSid, mid: Mid) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.uplink.bound.remove(&mid);
        }
    }

    /// The participant is in the room: gives it a peer, answers the door, and subscribes it.
    fn open_session(
        &mut self,
        at: LogTime,
        join: gateway::node::Join,
        sid: ParticipantSid,
        reply: Reply<Joined>,
    ) {
        let state = self.replica.state();
        let found = state.participant(&join.room, &join.identity).filter(|p| p.sid == sid);
        let (Some(participant), Some(room)) = (found.cloned(), state.room(&join.room)) else {
            // Replaced or sent out before it was opened; the door hears that the reply was dropped.
            return;
        };
        let others = self.visible_others(&join.room, &sid);
        let shard = self.least_loaded_shard();
        let peer = self.open_peer(shard, media::peer_config(&join));
        let session = Session {
            room: join.room.clone(),
            identity: join.identity.clone(),
            sid: sid.clone(),
            peer,
            shard,
            dual: !join.single_pc,
            activation: Activation::Waiting { until: at + ACTIVATE_AFTER_MAX },
            events: join.events,
            uplink: Uplink::default(),
            downlink: Downlink::default(),
        };
        tracing::info!(room = %session.room, identity = %session.identity, participant = %sid, %peer, shard = shard.0, "session opened");
        self.index.peers.insert(peer, sid.clone());
        let room_index = self.index.rooms.entry(join.room).or_default();
        room_index.insert(join.identity, sid.clone());
        self.sessions.insert(sid.clone(), session);
        if reply.send(Ok(Joined { participant, room, others })).is_err() {
            self.end_session(&sid, LeaveReason::SignalLost, false);
            return;
        }
        self.reconcile_all_subscriptions(&sid);
    }

    /// Everybody in a room that `except` may see.
    pub(super) fn visible_others(
        &self,
        room: &RoomName,
        except: &ParticipantSid,
    ) -> Vec<Participant> {
        let all = self.replica.state().participants(room);
        all.filter(|p| p.sid != *except && !p.permission.hidden).cloned().collect()
    }

    /// Acts on what a command of this node or, if `foreign`, of another one did.
    fn on_event(&mut self, event: Event, foreign: bool) {
        let room = event.room;
        match event.what {
            What::RoomOpened(opened) => {
                tracing::info!(%room, sid = %opened.sid, "room opened");
                self.notify(WebhookKind::RoomStarted, &opened, None, None);
            }
            What::RoomChanged(changed) => self.news.room(changed),
            What::RoomClosed(closed, reason) => {
                tracing::info!(%room, sid = %closed.sid, ?reason, "room closed");
                self.notify(WebhookKind::RoomFinished, &closed, None, None);
                self.news.forget(&room);
            }
            What::ParticipantJoined(participant) => self.news.participant(&room, participant),
            What::ParticipantChanged(participant) => {
                self.on_participant_changed(&room, participant);
            }
            What::ParticipantLeft(participant, reason) => {
                self.on_participant_left(&room, participant, reason);
            }
            What::TrackPublished(_, publication) => self.on_track_published(&room, &publication),
            What::TrackChanged(owner, publication) => {
                let owner = self.session_of(&room, &owner).filter(|_| foreign);
                if let Some(owner) = owner {
                    // A moderator asked another node. Nobody else changes somebody's tracks from there.
                    let (track, muted) = (publication.sid.clone(), publication.muted);
                    self.tell(&owner, SessionEvent::Muted { track, muted });
                }
                let key = self.index.keys.get(&publication.sid).copied();
                if let Some(home) = key.and_then(|key| self.index.tracks.get(&key)).map(|t| t.home)
                    && let Some(track) = key
                {
                    self.shard(home, ShardCommand::Mute { track, muted: publication.muted });
                }
            }
            What::TrackUnpublished(identity, publication) => {
                self.on_track_unpublished(&room, &identity, publication);
            }
            What::SubscriptionsChanged { subscriber, tracks } => {
                self.on_subscriptions_changed(&room, &subscriber, tracks);
            }
            What::AccessChanged { publisher, subscriber, track, allowed } => {
                if let Some(sid) = self.session_of(&room, &subscriber) {
                    self.tell(&sid, SessionEvent::Access { publisher, track, allowed });
                }
            }
        }
    }

    /// The local session of an identity.
    fn session_of(&self, room: &RoomName, identity: &Identity) -> Option<ParticipantSid> {
        self.index.rooms.get(room)?.get(identity).cloned()
    }

    fn on_subscriptions_changed(
        &mut self,
        room: &RoomName,
        subscriber: &Identity,
        tracks: Vec<TrackSid>,
    ) {
        let Some(sid) = self.session_of(room, subscriber) else { return };
        if tracks.is_empty() {
            self.reconcile_all_subscriptions(&sid);
        }
        for track in tracks {
            self.reconcile_subscription(&sid, &track);
        }
    }

    fn on_track_unpublished(
        &mut self,
        room: &RoomName,
        publisher: &Identity,
        publication: Publication,
    ) {
        let sid = self.session_of(room, publisher);
        let bound = sid.filter(|sid| {
            let session = self.sessions.get(sid);
            session.is_some_and(|s| s.uplink.mid_of(&publication.sid).is_some())
        });
        self.notify_track(WebhookKind::TrackUnpublished, room, &publication);
        self.stop_track(&publication.sid);
        if let Some(sid) = bound {
            self.tell(&sid, SessionEvent::Unpublished { track: publication.sid });
        }
    }

    fn on_participant_changed(&mut self, room: &RoomName, participant: Participant) {
        if let Some(session) = self.sessions.get_mut(&participant.sid) {
            let came_up = participant.state == ParticipantState::Active
                && session.activation != Activation::Active;
            if came_up {
                session.activation = Activation::Active;
                if let Some(room) = self.replica.state().room(room) {
                    let kind = WebhookKind::ParticipantJoined;
                    self.webhooks.notify(kind, &room, Some(&participant), None);
                }
            }
            if self.news.permission_changed(&participant) {
                self.tell(&participant.sid, SessionEvent::Permission(participant.clone()));
            }
        }
        self.news.participant(room, participant);
    }

    fn on_participant_left(&mut self, room: &RoomName, gone: Participant, reason: LeaveReason) {
        if let Some(room) = self.replica.state().room(room).or_else(|| self.news.last_room(room)) {
            self.notify(WebhookKind::ParticipantLeft, &room, Some(&gone), None);
        }
        let sid = gone.sid.clone();
        self.news.participant(room, gone);
        if reason != LeaveReason::Moved && self.sessions.contains_key(&sid) {
            // Whoever this node still carries was given up while the others did not reach it: it comes in anew.
            let rejoin = reason == LeaveReason::NodeLost;
            self.drop_session(&sid, Some(Leave { reason, rejoin }));
        }
    }

    fn on_track_published(&mut self, room: &RoomName, publication: &Publication) {
        self.notify_track(WebhookKind::TrackPublished, room, publication);
        let owner = self.replica.state().track(room, &publication.sid).map(|(p, _)| p.sid.clone());
        let Some(owner) = owner else { return };
        let mid = self.sessions.get(&owner).and_then(|s| s.uplink.mid_of(&publication.sid));
        if let Some(mid) = mid {
            self.start_track(&owner, publication, mid);
        }
        self.reconcile_audience(room, &publication.sid);
    }

    fn notify_track(&self, kind: WebhookKind, room: &RoomName, publication: &Publication) {
        let state = self.replica.state();
        let Some(of) = state.room(room) else { return };
        let owner =
            self.index.keys.get(&publication.sid).and_then(|key| self.index.tracks.get(key));
        let owner = match owner {
            Some(track) => state.participant(room, &track.identity),
            None => state.track(room, &publication.sid).map(|(owner, _)| owner),
        };
        self.notify(kind, &of, owner, Some(publication));
    }

    /// Tells back ends, once for the whole cluster: every node sees every event, the leader tells of it.
    fn notify(
        &self,
        kind: WebhookKind,
        room: &Room,
        participant: Option<&Participant>,
        track: Option<&Publication>,
    ) {
        if self.replica.leads() {
            self.webhooks.notify(kind, room, participant, track);
        }
    }
}

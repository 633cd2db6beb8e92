//! What the doors ask.

use gateway::node::{
    Join, Joined, Message, Pc, PublishIntent, Refusal, Reply, Request, SessionEvent, Simulation,
};
use proto::{
    error::ErrorCode,
    id::{ParticipantSid, TrackSid},
    media::{MediaKind, Mid, ViewSettings},
    room::{
        Command, LeaveReason, Participant,
        command::{Action, ParticipantAction},
    },
    unit::Bitrate,
};
use sfu_shard::api::Command as ShardCommand;

use super::{
    Continuation, Control, Replica, refusal, refusal_of,
    session::{Bound, PENDING_MAX, VIEWS_MAX},
};
use crate::mint;

impl<R: Replica> Control<R> {
    pub(super) fn on_request(&mut self, request: Request) {
        match request {
            Request::Join { join, reply } => self.on_join(join, reply),
            Request::Validate { room, reply } => {
                let known = self.auto_create || self.replica.state().room(&room).is_some();
                let missing = proto::room::Reject::RoomNotFound { room };
                // The door may have given up meanwhile: then nobody is left to tell.
                let _ = reply.send(if known { Ok(()) } else { Err(refusal_of(&missing)) });
            }
            Request::Session { session, message } => self.on_message(&session, message),
            Request::Api { call, reply } => self.on_call(call, reply),
        }
    }

    fn on_join(&mut self, join: Box<Join>, reply: Reply<Joined>) {
        let sid = mint::participant_sid();
        let participant = Participant {
            name: join.grant.name.clone(),
            metadata: join.grant.metadata.clone(),
            attributes: join.grant.attributes.clone(),
            kind: join.grant.kind,
            permission: join.grant.permission.clone(),
            joined_at: self.now(),
            node: self.replica.node(),
            auto_subscribe: join.auto_subscribe,
            client: proto::room::model::ClientTraits {
                protocol: join.client_protocol,
                capabilities: join.capabilities.clone(),
            },
            ..Participant::new(sid.clone(), join.identity.clone())
        };
        let create = join.create.clone().unwrap_or_else(|| self.room_settings.clone());
        let may_create = self.auto_create || join.grant.room_create;
        let command = Command {
            room: join.room.clone(),
            action: Action::Join {
                room_sid: mint::room_sid(),
                create: may_create.then_some(create),
                participant: Box::new(participant),
            },
        };
        self.submit(&command, Continuation::Join { join, sid, reply });
    }

    fn on_message(&mut self, sid: &ParticipantSid, message: Message) {
        let Some(session) = self.sessions.get(sid) else {
            return;
        };
        let (peer, shard) = (session.peer, session.shard);
        match message {
            Message::Offer { request, sdp, sending } => {
                self.shard(shard, ShardCommand::Offer { peer, request, sdp });
                self.on_offered(sid, sending);
            }
            Message::Answer { sdp } => self.shard(shard, ShardCommand::Answer { peer, sdp }),
            Message::Candidate { pc, candidate } => {
                let pc = match pc {
                    Pc::Publisher => sfu_shard::api::Pc::Publisher,
                    Pc::Subscriber => sfu_shard::api::Pc::Subscriber,
                };
                self.shard(shard, ShardCommand::Candidate { peer, pc, candidate });
            }
            Message::Publish(intent) => self.on_publish(sid, *intent),
            Message::Unpublish { track } => {
                self.submit_for(sid, ParticipantAction::Unpublish { track }, Continuation::None);
            }
            Message::Mute { track, muted } => self.on_mute(sid, track, muted),
            Message::Subscribe { tracks, subscribed } => {
                let action = ParticipantAction::SetSubscribed { tracks, subscribed };
                self.submit_for(sid, action, Continuation::None);
            }
            Message::View { tracks, settings } => self.on_view(sid, tracks, settings),
            Message::SetAudience { audience } => {
                self.submit_for(
                    sid,
                    ParticipantAction::SetAudience { audience },
                    Continuation::None,
                );
            }
            Message::Update { request, name, metadata, attributes } => {
                let action =
                    ParticipantAction::Update { name, metadata, attributes, by_self: true };
                self.submit_for(
                    sid,
                    action,
                    Continuation::Update { session: sid.clone(), request },
                );
            }
            Message::UpdateTrack { track, audio_features } => {
                let action = ParticipantAction::UpdateTrack {
                    track,
                    codec: None,
                    encodings: None,
                    audio_features: Some(audio_features),
                };
                self.submit_for(sid, action, Continuation::None);
            }
            Message::Data { delivery, to, payload } => self.send_data(sid, delivery, to, payload),
            Message::Resumed => self.on_resumed(sid),
            Message::Leave { reason } => self.end_session(sid, reason, false),
            Message::Simulate(simulation) => self.on_simulate(sid, simulation),
        }
    }

    fn on_publish(&mut self, sid: &ParticipantSid, intent: PublishIntent) {
        let PublishIntent { cid, mut publication, backup_of } = intent;
        let Some(session) = self.sessions.get(sid) else {
            return;
        };
        let state = self.replica.state();
        if let Some(track) = backup_of {
            // A second codec of a track joins that track; its media is not forwarded in this version.
            if let Some((_, publication)) = state.track(&session.room, &track) {
                let publication = publication.clone();
                self.tell(sid, SessionEvent::Published { cid, publication });
            }
            return;
        }
        let allowed = state.may_publish(&session.room, &session.identity, publication.source);
        let refused = match allowed {
            Err(reject) => Some(refusal_of(&reject)),
            Ok(()) if session.uplink.pending.len() >= PENDING_MAX => {
                Some(refusal(ErrorCode::TooManyTracks))
            }
            Ok(()) => None,
        };
        if let Some(refusal) = refused {
            self.tell(sid, SessionEvent::PublishRefused { cid, refusal });
            return;
        }
        publication.sid = mint::track_sid(publication.kind, publication.source);
        if let Some(session) = self.sessions.get_mut(sid) {
            session.uplink.pending.insert(cid.clone(), publication.clone());
        }
        self.tell(sid, SessionEvent::Published { cid, publication });
        self.bind_publications(sid);
    }

    fn on_offered(&mut self, sid: &ParticipantSid, sending: Vec<(Mid, String, MediaKind)>) {
        let Some(session) = self.sessions.get_mut(sid) else {
            return;
        };
        session.uplink.offered =
            sending.into_iter().map(|(mid, cid, kind)| (mid, (cid, kind))).collect();
        for (mid, track) in session.uplink.ended() {
            if let Some(session) = self.sessions.get_mut(sid) {
                session.uplink.bound.remove(&mid);
            }
            self.submit_for(sid, ParticipantAction::Unpublish { track }, Continuation::None);
        }
        self.bind_publications(sid);
    }

    /// Publishes what has been both announced and offered.
    fn bind_publications(&mut self, sid: &ParticipantSid) {
        let Some(session) = self.sessions.get_mut(sid) else {
            return;
        };
        let bindable = session.uplink.bindable();
        for (mid, cid, publication) in bindable {
            if let Some(session) = self.sessions.get_mut(sid) {
                let bound = Bound { track: publication.sid.clone(), cid: cid.clone() };
                session.uplink.bound.insert(mid, bound);
            }
            let action = ParticipantAction::Publish { publication: Box::new(publication) };
            let then = Continuation::Publish { session: sid.clone(), mid, cid };
            self.submit_for(sid, action, then);
        }
    }

    fn on_mute(&mut self, sid: &ParticipantSid, track: TrackSid, muted: bool) {
        // Muted before it was bound: the announcement is changed instead.
        if let Some(session) = self.sessions.get_mut(sid)
            && let Some(pending) = session.uplink.pending.values_mut().find(|p| p.sid == track)
        {
            pending.muted = muted;
            return;
        }
        self.submit_for(sid, ParticipantAction::SetMuted { track, muted }, Continuation::None);
    }

    fn on_view(&mut self, sid: &ParticipantSid, tracks: Vec<TrackSid>, settings: ViewSettings) {
        let Some(session) = self.sessions.get_mut(sid) else {
            return;
        };
        let (peer, shard) = (session.peer, session.shard);
        let mut known = Vec::new();
        for track in tracks {
            let views = &mut session.downlink.views;
            if views.len() < VIEWS_MAX || views.contains_key(&track) {
                views.insert(track.clone(), settings);
            }
            if session.downlink.tracks.contains(&track) {
                known.extend(self.index.keys.get(&track).copied());
            }
        }
        for track in known {
            self.shard(shard, ShardCommand::View { peer, track, settings });
        }
    }

    fn on_resumed(&mut self, sid: &ParticipantSid) {
        let Some(session) = self.sessions.get(sid) else {
            return;
        };
        let (peer, shard, dual) = (session.peer, session.shard, session.dual);
        if dual {
            self.shard(shard, ShardCommand::Restart { peer });
        }
        self.tell_everything(sid);
    }

    fn on_simulate(&mut self, sid: &ParticipantSid, simulation: Simulation) {
        let Some(session) = self.sessions.get(sid) else {
            return;
        };
        let (peer, shard, room) = (session.peer, session.shard, session.room.clone());
        match simulation {
            Simulation::Speakers { seconds } => {
                let until = self.now() + std::time::Duration::from_secs(u64::from(seconds));
                self.simulate_speakers(&room, until);
            }
            Simulation::NodeFailure => {
                let action = ParticipantAction::Leave { reason: LeaveReason::SignalLost };
                self.submit_for(sid, action, Continuation::None);
                self.drop_session(sid, None);
            }
            Simulation::SubscriberBandwidth { bps } => {
                let limit = (bps > 0).then(|| Bitrate::from_bps(bps));
                self.shard(shard, ShardCommand::LimitBandwidth { peer, limit });
            }
        }
    }

    pub(super) fn negotiation_refused(error: &sfu_shard::Error) -> Refusal {
        Refusal {
            code: error.code(),
            message: error.to_string(),
            retry: proto::error::Retry::Never,
        }
    }
}

//! What the media threads say.

use std::collections::BTreeMap;

use bytes::Bytes;
use gateway::node::{Section, SessionEvent, Speaker};
use proto::{
    id::{Identity, ParticipantSid, PeerId, ShardId, TrackKey},
    media::{Codec, Delivery},
    room::{LeaveReason, command::ParticipantAction},
};
use sfu_shard::api::{Command as ShardCommand, Event, SpeakerChange};

use super::{Continuation, Control, Replica, across::Data, session::Activation};

impl<R: Replica> Control<R> {
    pub(super) fn on_shard_event(&mut self, event: Event) {
        match event {
            Event::Answer { peer, request, sdp, sections } => {
                let sections = self.sections(sections);
                self.tell_peer(peer, SessionEvent::Answer { request, sdp, sections });
            }
            Event::Offer { peer, sdp, sections } => {
                let sections = self.sections(sections);
                self.tell_peer(peer, SessionEvent::Offer { sdp, sections });
            }
            Event::Refused { peer, request, error } => {
                tracing::info!(%peer, ?request, %error, "negotiation refused");
                let refusal = Self::negotiation_refused(&error);
                self.tell_peer(peer, SessionEvent::NegotiationRefused { request, refusal });
            }
            Event::SectionsNeeded { peer, audio, video } => {
                self.tell_peer(peer, SessionEvent::SectionsNeeded { audio, video });
            }
            Event::Connected { peer, pc } => self.on_connected(peer, pc),
            Event::Disconnected { peer, pc } => {
                tracing::info!(%peer, ?pc, "media path lost");
            }
            Event::Failed { peer, error } => {
                tracing::warn!(%peer, %error, "media connection failed");
                if let Some(sid) = self.index.peers.get(&peer).cloned() {
                    self.end_session(&sid, LeaveReason::MediaFailed, true);
                }
            }
            Event::Data { peer, delivery, payload } => {
                self.tell_peer(peer, SessionEvent::DataFromClient { delivery, payload });
            }
            Event::MediaStarted { track, quality: _, codec } => self.on_media_started(track, codec),
            Event::Speakers { changes } => self.on_speakers(&changes),
            Event::Wanted { track, quality_max } => self.on_wanted(track, quality_max),
            Event::StreamState { peer, track, paused } => {
                if let Some(track) = self.index.tracks.get(&track) {
                    let states = vec![(track.publisher.clone(), track.sid.clone(), paused)];
                    self.tell_peer(peer, SessionEvent::StreamState(states));
                }
            }
            Event::Subscribed { peer: _, track } => self.on_first_packet(track),
            Event::Quality { peer, quality, score } => self.on_quality(peer, quality, score),
        }
    }

    fn tell_peer(&mut self, peer: PeerId, event: SessionEvent) {
        if let Some(sid) = self.index.peers.get(&peer).cloned() {
            self.tell(&sid, event);
        }
    }

    fn sections(&self, sections: Vec<sfu_shard::api::Section>) -> Vec<Section> {
        let named = |key: TrackKey| {
            self.index.tracks.get(&key).map(|track| (track.publisher.clone(), track.sid.clone()))
        };
        sections
            .into_iter()
            .map(|section| Section {
                mid: section.mid,
                kind: section.kind,
                inbound: section.inbound,
                outbound: section.outbound.and_then(|(key, _)| named(key)),
            })
            .collect()
    }

    fn on_connected(&mut self, peer: PeerId, pc: sfu_shard::api::Pc) {
        let Some(sid) = self.index.peers.get(&peer).cloned() else {
            return;
        };
        tracing::debug!(participant = %sid, ?pc, "media connected");
        let waiting = self.sessions.get(&sid).is_some_and(|s| s.activation != Activation::Active);
        if waiting {
            self.submit_for(&sid, ParticipantAction::Activate, Continuation::None);
        }
    }

    fn on_media_started(&mut self, track: TrackKey, codec: Codec) {
        let Some(track) = self.index.tracks.get(&track).cloned() else {
            return;
        };
        let known = self.replica.state().track(&track.room, &track.sid);
        if known.is_some_and(|(_, publication)| publication.codec != Some(codec)) {
            let action = ParticipantAction::UpdateTrack {
                track: track.sid,
                codec: Some(codec),
                encodings: None,
                audio_features: None,
            };
            self.submit_for(&track.publisher, action, Continuation::None);
        }
    }

    fn on_speakers(&mut self, changes: &[SpeakerChange]) {
        let mut rooms: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for change in changes {
            let Some(track) = self.index.tracks.get(&change.track).cloned() else {
                continue;
            };
            let speaker = Speaker {
                sid: track.publisher.clone(),
                level: change.level,
                active: change.active,
            };
            rooms.entry(track.room).or_default().push((track.sid, speaker));
        }
        for (room, speaking) in rooms {
            for sid in self.local(&room) {
                let Some(session) = self.sessions.get(&sid) else {
                    continue;
                };
                let heard: Vec<Speaker> = speaking
                    .iter()
                    .filter(|(track, who)| {
                        who.sid == sid || session.downlink.tracks.contains(track)
                    })
                    .map(|(_, who)| who.clone())
                    .collect();
                if !heard.is_empty() {
                    self.tell(&sid, SessionEvent::Speakers(heard));
                }
            }
        }
    }

    fn on_wanted(&mut self, track: TrackKey, quality_max: Option<proto::media::Quality>) {
        let Some(track) = self.index.tracks.get(&track).cloned() else {
            return;
        };
        let publication = self.replica.state().track(&track.room, &track.sid);
        let codec = publication.and_then(|(_, publication)| publication.codec);
        let event = SessionEvent::Wanted { track: track.sid, codec, quality_max };
        self.tell(&track.publisher, event);
    }

    fn on_first_packet(&mut self, track: TrackKey) {
        let Some(track) = self.index.tracks.get(&track).cloned() else {
            return;
        };
        let Some(publisher) = self.sessions.get_mut(&track.publisher) else {
            return;
        };
        if publisher.uplink.heard.insert(track.sid.clone()) {
            self.tell(&track.publisher, SessionEvent::FirstSubscriber { track: track.sid });
        }
    }

    fn on_quality(&mut self, peer: PeerId, quality: proto::media::ConnectionQuality, score: f32) {
        let Some(of) = self.index.peers.get(&peer).cloned() else {
            return;
        };
        let Some(session) = self.sessions.get(&of) else {
            return;
        };
        let room = session.room.clone();
        let of_tracks: Vec<_> = self.tracks_of(&of);
        for sid in self.local(&room) {
            let Some(session) = self.sessions.get(&sid) else {
                continue;
            };
            let watches = of_tracks.iter().any(|track| session.downlink.tracks.contains(track));
            if sid == of || watches {
                self.tell(&sid, SessionEvent::Quality(vec![(of.clone(), quality, score)]));
            }
        }
    }

    fn tracks_of(&self, publisher: &ParticipantSid) -> Vec<proto::id::TrackSid> {
        let session = self.sessions.get(publisher);
        session
            .map(|s| s.uplink.bound.values().map(|b| b.track.clone()).collect())
            .unwrap_or_default()
    }

    /// Sends a participant's data message to its room.
    pub(super) fn send_data(
        &self,
        from: &ParticipantSid,
        delivery: Delivery,
        to: Vec<Identity>,
        payload: Bytes,
    ) {
        let Some(room) = self.sessions.get(from).map(|session| session.room.clone()) else {
            return;
        };
        let data = Data { room, delivery, to, to_sids: Vec::new(), payload };
        self.send_here(&data, Some(from));
        self.send_across(&data);
    }

    /// Sends a data message to those of a room whom this node carries, but not back to its sender.
    pub(super) fn send_here(&self, data: &Data, from: Option<&ParticipantSid>) {
        let local = self.index.rooms.get(&data.room).into_iter().flatten();
        let receivers: Vec<ParticipantSid> = local
            .filter(|(identity, sid)| Some(*sid) != from && data.is_for(identity, sid))
            .map(|(_, sid)| sid.clone())
            .collect();
        self.send_to(&receivers, data.delivery, &data.payload);
    }

    /// Sends a data message to local sessions, one command per shard.
    fn send_to(&self, receivers: &[ParticipantSid], delivery: Delivery, payload: &Bytes) {
        let mut shards: BTreeMap<ShardId, Vec<PeerId>> = BTreeMap::new();
        for session in receivers.iter().filter_map(|sid| self.sessions.get(sid)) {
            shards.entry(session.shard).or_default().push(session.peer);
        }
        for (shard, peers) in shards {
            self.shard(shard, ShardCommand::Send { peers, delivery, payload: payload.clone() });
        }
    }
}

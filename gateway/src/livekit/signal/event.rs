//! Events of the node.

use livekit_protocol as pb;
use pb::{
    leave_request::Action,
    request_response::{Reason, Request as Echo},
    signal_response::Message as Response,
};
use proto::{
    error::ErrorCode,
    id::{ParticipantSid, TrackSid},
    media::{Codec, ConnectionQuality, Delivery, MediaKind, Quality},
    room::{LeaveReason, Participant, ParticipantState, Publication},
};

use super::{DEPARTED_MAX, Link, Me, Moment, Output, Signal, request::reason_of};
use crate::{
    livekit::{convert, data},
    node::{Leave, Message, Moved, Refusal, Section, SessionEvent, Speaker},
};

/// Protocol number from which clients follow into another room.
const PROTOCOL_MOVES: i32 = 16;
/// Protocol number from which clients want to hear of success too.
const PROTOCOL_HEARS_SUCCESS: i32 = 15;

impl Signal {
    pub(super) fn on_event(&mut self, now: Moment, event: SessionEvent) {
        match event {
            SessionEvent::Answer { request, sdp, sections } => {
                self.send(Response::Answer(description("answer", request, sdp, &sections)));
            }
            SessionEvent::Offer { sdp, sections } => {
                self.offers = self.offers.wrapping_add(1);
                self.send(Response::Offer(description("offer", self.offers, sdp, &sections)));
            }
            SessionEvent::SectionsNeeded { audio, video } => {
                let needed = pb::MediaSectionsRequirement { num_audios: audio, num_videos: video };
                self.send(Response::MediaSectionsRequirement(needed));
            }
            SessionEvent::NegotiationRefused { request, refusal } => {
                self.on_negotiation_refused(request, &refusal);
            }
            SessionEvent::Published { cid, publication } => self.on_published(cid, &publication),
            SessionEvent::PublishRefused { cid, refusal } => self.on_publish_refused(&cid, refusal),
            SessionEvent::Unpublished { track } => self.on_unpublished(&track),
            SessionEvent::Muted { track, muted } => {
                self.send(Response::Mute(pb::MuteTrackRequest { sid: track.to_string(), muted }));
            }
            SessionEvent::Participants(participants) => self.on_participants(&participants),
            SessionEvent::Room(room) => {
                self.send(Response::RoomUpdate(pb::RoomUpdate {
                    room: Some(convert::room(&room)),
                }));
            }
            SessionEvent::Permission(participant) => {
                self.me.permission = participant.permission.clone();
                self.on_participants(&[participant]);
                self.refresh(now);
            }
            SessionEvent::Speakers(speakers) => self.on_speakers(&speakers),
            SessionEvent::Quality(qualities) => self.on_quality(qualities),
            SessionEvent::StreamState(states) => self.on_stream_states(states),
            SessionEvent::FirstSubscriber { track } => {
                let track_sid = track.to_string();
                self.send(Response::TrackSubscribed(pb::TrackSubscribed { track_sid }));
            }
            SessionEvent::Wanted { track, codec, quality_max } => {
                self.on_wanted(&track, codec, quality_max);
            }
            SessionEvent::Access { publisher, track, allowed } => {
                let update = pb::SubscriptionPermissionUpdate {
                    participant_sid: publisher.to_string(),
                    track_sid: track.to_string(),
                    allowed,
                };
                self.send(Response::SubscriptionPermissionUpdate(update));
            }
            SessionEvent::SubscriptionRefused { track, refusal } => {
                self.on_subscription_refused(&track, &refusal);
            }
            SessionEvent::Updated { request, result } => self.on_updated(request, result),
            SessionEvent::DataFromClient { delivery, payload } => self.on_data(delivery, &payload),
            SessionEvent::Moved(moved) => self.on_moved(now, *moved),
            SessionEvent::Leave(leave) => self.on_leave(&leave),
        }
    }

    /// The dialect has no words for a refused offer; a client without an answer would wait 15 s and join again.
    fn on_negotiation_refused(&mut self, request: Option<u32>, refusal: &Refusal) {
        tracing::warn!(participant = %self.me.sid, ?request, %refusal, "negotiation refused");
        if request.is_none() && refusal.code == ErrorCode::CandidateMalformed {
            return;
        }
        self.tell(Message::Leave { reason: LeaveReason::MediaFailed });
        self.leave(pb::DisconnectReason::MediaFailure, Action::Reconnect);
    }

    fn on_published(&mut self, cid: String, publication: &Publication) {
        self.uplink.published(&cid, publication);
        let track = Some(convert::track_info(publication));
        self.send(Response::TrackPublished(pb::TrackPublishedResponse { cid, track }));
    }

    fn on_publish_refused(&mut self, cid: &str, refusal: Refusal) {
        let (request, next) = self.uplink.refused(cid);
        let echo = request.map(Echo::AddTrack);
        self.respond(0, reason_of(refusal.code), &refusal.message, echo);
        self.publish(next);
    }

    /// A client that ended its track itself needs no telling.
    fn on_unpublished(&mut self, track: &TrackSid) {
        let (known, next) = self.uplink.unpublished(track);
        if known {
            let track_sid = track.to_string();
            self.send(Response::TrackUnpublished(pb::TrackUnpublishedResponse { track_sid }));
        }
        self.publish(next);
    }

    fn on_participants(&mut self, participants: &[Participant]) {
        for participant in participants.iter().filter(|p| p.sid == self.me.sid) {
            participant.publications.values().for_each(|track| self.uplink.learn(track));
        }
        let infos: Vec<_> = participants
            .iter()
            .filter(|participant| self.sees(participant))
            .map(convert::participant_info)
            .collect();
        if infos.is_empty() {
            return;
        }
        if matches!(self.link, Link::Lost { .. }) {
            let left = i32::from(convert::participant_state(ParticipantState::Disconnected));
            for info in infos.into_iter().filter(|info| info.state == left) {
                if self.missed.departed.len() < DEPARTED_MAX {
                    self.missed.departed.insert(info.sid.as_str().into(), info);
                }
            }
            return;
        }
        self.send(Response::Update(pb::ParticipantUpdate { participants: infos }));
    }

    fn on_speakers(&mut self, speakers: &[Speaker]) {
        let speakers = speakers
            .iter()
            .map(|speaker| pb::SpeakerInfo {
                sid: speaker.sid.to_string(),
                level: quantised(speaker.level),
                active: speaker.active,
            })
            .collect();
        self.send(Response::SpeakersChanged(pb::SpeakersChanged { speakers }));
    }

    fn on_quality(&mut self, qualities: Vec<(ParticipantSid, ConnectionQuality, f32)>) {
        let updates = qualities
            .into_iter()
            .map(|(sid, quality, score)| pb::ConnectionQualityInfo {
                participant_sid: sid.to_string(),
                quality: convert::connection_quality(quality).into(),
                score,
            })
            .collect();
        self.send(Response::ConnectionQuality(pb::ConnectionQualityUpdate { updates }));
    }

    fn on_stream_states(&mut self, states: Vec<(ParticipantSid, TrackSid, bool)>) {
        let stream_states = states
            .into_iter()
            .map(|(participant, track, paused)| {
                let state = if paused { pb::StreamState::Paused } else { pb::StreamState::Active };
                pb::StreamStateInfo {
                    participant_sid: participant.to_string(),
                    track_sid: track.to_string(),
                    state: state.into(),
                }
            })
            .collect();
        self.send(Response::StreamStateUpdate(pb::StreamStateUpdate { stream_states }));
    }

    #[expect(deprecated, reason = "clients without codec lists read the plain qualities")]
    fn on_wanted(&mut self, track: &TrackSid, codec: Option<Codec>, quality_max: Option<Quality>) {
        let known = self.uplink.kind_of(track);
        if known.is_some_and(|(kind, _)| kind == MediaKind::Audio) {
            return;
        }
        let qualities: Vec<_> = Quality::ALL
            .iter()
            .map(|quality| pb::SubscribedQuality {
                quality: convert::video_quality(*quality).into(),
                enabled: quality_max.is_some_and(|max| *quality <= max),
            })
            .collect();
        let codec = codec.or_else(|| known.and_then(|(_, codec)| codec));
        let subscribed_codecs = codec.into_iter().map(|codec| pb::SubscribedCodec {
            codec: convert::codec_name(codec),
            qualities: qualities.clone(),
        });
        self.send(Response::SubscribedQualityUpdate(pb::SubscribedQualityUpdate {
            track_sid: track.to_string(),
            subscribed_codecs: subscribed_codecs.collect(),
            subscribed_qualities: qualities,
        }));
    }

    fn on_subscription_refused(&mut self, track: &TrackSid, refusal: &Refusal) {
        let err = match refusal.code {
            ErrorCode::TrackNotFound => pb::SubscriptionError::SeTrackNotfound,
            ErrorCode::SdpUnacceptable | ErrorCode::UnsupportedRequest => {
                pb::SubscriptionError::SeCodecUnsupported
            }
            _ => pb::SubscriptionError::SeUnknown,
        };
        self.send(Response::SubscriptionResponse(pb::SubscriptionResponse {
            track_sid: track.to_string(),
            err: err.into(),
        }));
    }

    fn on_updated(&mut self, request: u32, result: Result<(), Refusal>) {
        let Some(update) = self.updates.pending.remove(&request) else { return };
        let id = update.request_id;
        match result {
            Ok(()) if self.profile.protocol < PROTOCOL_HEARS_SUCCESS => {}
            Ok(()) => self.respond(id, Reason::Ok, "", Echo::UpdateMetadata(update)),
            Err(refusal) => {
                let echo = Echo::UpdateMetadata(update);
                self.respond(id, reason_of(refusal.code), &refusal.message, echo);
            }
        }
    }

    fn on_data(&mut self, delivery: Delivery, payload: &[u8]) {
        let why = if !self.me.permission.can_publish_data {
            Some("permission")
        } else if payload.len() > self.profile.data_bytes_max {
            Some("size")
        } else {
            None
        };
        if let Some(why) = why {
            metrics::counter!("stoa_gateway_data_refused_total", "why" => why).increment(1);
            return;
        }
        let sender = data::Sender {
            sid: &self.me.sid,
            identity: &self.me.identity,
            hidden: self.me.permission.hidden,
            agent: self.me.kind == proto::grant::ParticipantKind::Agent,
        };
        let rewritten = match data::rewrite(payload, delivery, sender) {
            Ok(rewritten) => rewritten,
            Err(error) => {
                metrics::counter!("stoa_gateway_data_refused_total", "why" => "content")
                    .increment(1);
                tracing::debug!(participant = %self.me.sid, %error, "data message dropped");
                return;
            }
        };
        if delivery == Delivery::Reliable && rewritten.sequence > 0 {
            // Replayed after a resume, and already forwarded.
            if rewritten.sequence <= self.data_sequence {
                return;
            }
            self.data_sequence = rewritten.sequence;
        }
        self.tell(Message::Data { delivery, to: rewritten.to, payload: rewritten.payload });
    }

    fn on_moved(&mut self, now: Moment, moved: Moved) {
        self.me = Me::of(&moved.participant, &moved.room);
        self.uplink.rename(&moved.participant.publications);
        if self.profile.protocol < PROTOCOL_MOVES {
            self.tell(Message::Leave { reason: LeaveReason::Moved });
            self.leave(pb::DisconnectReason::Migration, Action::Disconnect);
            return;
        }
        if let Some(video) = &mut self.profile.token.video {
            video.room = Some(moved.room.name.to_string());
        }
        let others = moved.others.iter().filter(|p| p.sid != self.me.sid && self.sees(p));
        let response = pb::RoomMovedResponse {
            room: Some(convert::room(&moved.room)),
            token: String::new(),
            participant: Some(convert::participant_info(&moved.participant)),
            other_participants: others.map(convert::participant_info).collect(),
        };
        let token = Box::new(self.fresh_token(now));
        let sid = self.me.sid.clone();
        self.outputs.push_back(Output::Moved { sid, response: Box::new(response), token });
    }

    fn on_leave(&mut self, leave: &Leave) {
        let action = if leave.rejoin { Action::Reconnect } else { Action::Disconnect };
        self.leave(convert::disconnect_reason(leave.reason), action);
    }
}

fn description(kind: &str, id: u32, sdp: String, sections: &[Section]) -> pb::SessionDescription {
    let named = sections.iter().filter_map(|section| {
        let (_, track) = section.outbound.as_ref()?;
        Some((section.mid.to_string(), track.to_string()))
    });
    pb::SessionDescription { r#type: kind.to_owned(), sdp, id, mid_to_track_id: named.collect() }
}

/// Loudness in steps of an eighth, upwards, so that small changes are no change.
fn quantised(level: f32) -> f32 {
    (level.clamp(0.0, 1.0) * 8.0).ceil() / 8.0
}

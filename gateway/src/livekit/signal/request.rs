//! Requests of the client.

use std::collections::{BTreeMap, BTreeSet};

use livekit_protocol as pb;
use pb::{
    leave_request::Action,
    request_response::{Reason, Request as Echo},
    signal_request::Message as Request,
    signal_response::Message as Response,
    simulate_scenario::Scenario,
};
use proto::{
    error::ErrorCode,
    id::{Identity, TrackSid},
    media::{Quality, ViewSettings},
    room::{
        LeaveReason,
        model::{Audience, TrackAccess},
    },
};

use super::{Moment, Output, ResumeFault, Signal, UPDATES_MAX};
use crate::{
    livekit::{
        convert,
        negotiate::Announced,
        sdp::{self, SDP_BYTES_MAX},
    },
    node::{Message, Pc, PublishIntent, Simulation},
};

impl Signal {
    #[expect(deprecated, reason = "old requests are known, to be ignored")]
    pub(super) fn on_request(&mut self, now: Moment, request: Request) {
        match request {
            Request::Offer(offer) => self.on_offer(offer),
            Request::Answer(answer) => self.on_answer(answer),
            Request::Trickle(trickle) => self.on_trickle(&trickle),
            Request::AddTrack(track) => self.on_add_track(track),
            Request::Mute(mute) => self.on_mute(mute),
            Request::Subscription(subscription) => self.on_subscription(&subscription),
            Request::TrackSetting(settings) => self.on_track_setting(&settings),
            Request::Leave(_) => {
                self.tell(Message::Leave { reason: LeaveReason::ClientInitiated });
                self.end();
            }
            Request::SubscriptionPermission(permission) => {
                self.tell(Message::SetAudience { audience: audience(permission) });
            }
            Request::SyncState(state) => self.on_sync_state(&state),
            Request::Simulate(scenario) => self.on_simulate(scenario),
            Request::Ping(_) => self.send(Response::Pong(wall_ms(now))),
            Request::PingReq(ping) => self.send(Response::PongResp(pb::Pong {
                last_ping_timestamp: ping.timestamp,
                timestamp: wall_ms(now),
            })),
            Request::UpdateMetadata(update) => self.on_update_metadata(update),
            Request::UpdateAudioTrack(update) => self.on_update_audio_track(update),
            Request::PublishDataTrackRequest(request) => {
                self.refuse(0, Echo::PublishDataTrack(request));
            }
            Request::UnpublishDataTrackRequest(request) => {
                self.refuse(0, Echo::UnpublishDataTrack(request));
            }
            Request::StoreDataBlobRequest(request) => self.refuse(request.request_id, None),
            Request::GetDataBlobRequest(request) => self.refuse(request.request_id, None),
            // Sizes of own pictures are read from key frames, not from what clients say of them.
            Request::UpdateLayers(_)
            | Request::UpdateVideoTrack(_)
            | Request::UpdateDataSubscription(_) => {}
        }
    }

    fn on_offer(&mut self, offer: pb::SessionDescription) {
        if offer.sdp.len() > SDP_BYTES_MAX {
            self.tell(Message::Leave { reason: LeaveReason::MediaFailed });
            self.leave(pb::DisconnectReason::MediaFailure, Action::Disconnect);
            return;
        }
        let (sending, next) = self.uplink.offered(sdp::sending(&offer.sdp));
        self.tell(Message::Offer { request: offer.id, sdp: offer.sdp, sending });
        self.publish(next);
    }

    fn on_answer(&mut self, answer: pb::SessionDescription) {
        if answer.sdp.len() <= SDP_BYTES_MAX {
            self.tell(Message::Answer { sdp: answer.sdp });
        }
    }

    fn on_trickle(&mut self, trickle: &pb::TrickleRequest) {
        let Ok(candidate) = sdp::parse_candidate(&trickle.candidate_init) else {
            metrics::counter!("stoa_gateway_candidates_malformed_total").increment(1);
            return;
        };
        let subscriber = i32::from(pb::SignalTarget::Subscriber);
        let pc = if trickle.target == subscriber && !self.profile.single_pc {
            Pc::Subscriber
        } else {
            Pc::Publisher
        };
        if !candidate.candidate.is_empty() {
            self.tell(Message::Candidate { pc, candidate: candidate.candidate });
        }
    }

    fn on_add_track(&mut self, request: pb::AddTrackRequest) {
        let reason = match self.uplink.announce(request.clone()) {
            Announced::Publish(intent) => return self.publish([*intent]),
            Announced::Queued => Reason::Queued,
            Announced::LimitExceeded => Reason::LimitExceeded,
            Announced::Unsupported => Reason::UnsupportedType,
            Announced::Invalid => Reason::InvalidRequest,
        };
        self.respond(0, reason, "", Echo::AddTrack(request));
    }

    pub(super) fn publish(&mut self, intents: impl IntoIterator<Item = PublishIntent>) {
        for intent in intents {
            self.tell(Message::Publish(Box::new(intent)));
        }
    }

    fn on_mute(&mut self, mute: pb::MuteTrackRequest) {
        if self.uplink.owns(&mute.sid) {
            self.tell(Message::Mute { track: mute.sid.into(), muted: mute.muted });
        } else {
            self.respond(0, Reason::NotFound, "no such track of yours", Echo::Mute(mute));
        }
    }

    fn on_subscription(&mut self, subscription: &pb::UpdateSubscription) {
        let nested = subscription.participant_tracks.iter().flat_map(|p| &p.track_sids);
        let tracks: BTreeSet<TrackSid> =
            subscription.track_sids.iter().chain(nested).map(|sid| sid.as_str().into()).collect();
        if !tracks.is_empty() {
            self.tell(Message::Subscribe { tracks, subscribed: subscription.subscribe });
        }
    }

    fn on_track_setting(&mut self, settings: &pb::UpdateTrackSettings) {
        let tracks = settings.track_sids.iter().map(|sid| sid.as_str().into()).collect();
        self.tell(Message::View { tracks, settings: view(settings) });
    }

    fn on_sync_state(&mut self, state: &pb::SyncState) {
        let published = state.publish_tracks.iter().filter_map(|track| track.track.as_ref());
        for track in published {
            if !self.uplink.owns(&track.sid) {
                self.tell(Message::Leave { reason: LeaveReason::SignalLost });
                self.leave(pb::DisconnectReason::StateMismatch, Action::Reconnect);
                return;
            }
        }
        if let Some(subscription) = &state.subscription {
            self.on_subscription(subscription);
        }
    }

    fn on_update_metadata(&mut self, update: pb::UpdateParticipantMetadata) {
        if self.updates.pending.len() >= UPDATES_MAX {
            let id = update.request_id;
            self.respond(id, Reason::LimitExceeded, "", Echo::UpdateMetadata(update));
            return;
        }
        self.updates.last = self.updates.last.wrapping_add(1);
        let request = self.updates.last;
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        let message = Message::Update {
            request,
            name: text(&update.name),
            metadata: text(&update.metadata),
            attributes: update.attributes.clone().into_iter().collect::<BTreeMap<_, _>>(),
        };
        self.updates.pending.insert(request, update);
        self.tell(message);
    }

    fn on_update_audio_track(&mut self, update: pb::UpdateLocalAudioTrack) {
        if self.uplink.owns(&update.track_sid) {
            let track = update.track_sid.into();
            self.tell(Message::UpdateTrack { track, audio_features: update.features });
        } else {
            let echo = Echo::UpdateAudioTrack(update);
            self.respond(0, Reason::NotFound, "no such track of yours", echo);
        }
    }

    /// Faults for demonstrations. Elsewhere they are not heard.
    fn on_simulate(&mut self, simulate: pb::SimulateScenario) {
        let Some(scenario) = simulate.scenario.filter(|_| self.profile.dev) else { return };
        match scenario {
            Scenario::SpeakerUpdate(seconds) => {
                let seconds = u32::try_from(seconds).unwrap_or_default();
                self.tell(Message::Simulate(Simulation::Speakers { seconds }));
            }
            Scenario::NodeFailure(_) => {
                self.tell(Message::Simulate(Simulation::NodeFailure));
                self.end();
            }
            Scenario::ServerLeave(_) => {
                self.tell(Message::Leave { reason: LeaveReason::ServerShutdown });
                self.leave(pb::DisconnectReason::ServerShutdown, Action::Disconnect);
            }
            Scenario::LeaveRequestFullReconnect(_) => {
                self.tell(Message::Leave { reason: LeaveReason::SignalLost });
                self.leave(pb::DisconnectReason::UnknownReason, Action::Reconnect);
            }
            Scenario::Migration(_) | Scenario::SwitchCandidateProtocol(_) => {
                let leave = super::leave_request(pb::DisconnectReason::Migration, Action::Resume);
                self.send(Response::Leave(leave));
                self.outputs.push_back(Output::Close);
            }
            Scenario::SubscriberBandwidth(bps) => {
                let bps = u64::try_from(bps).unwrap_or_default();
                self.tell(Message::Simulate(Simulation::SubscriberBandwidth { bps }));
            }
            Scenario::DisconnectSignalOnResume(_) => {
                self.fault = Some(ResumeFault::AfterReconnect);
            }
            Scenario::DisconnectSignalOnResumeNoMessages(_) => {
                self.fault = Some(ResumeFault::BeforeAnyMessage);
            }
        }
    }

    fn refuse(&mut self, request_id: u32, echo: impl Into<Option<Echo>>) {
        self.respond(request_id, Reason::UnsupportedType, "not supported by this server", echo);
    }

    pub(super) fn respond(
        &mut self,
        request_id: u32,
        reason: Reason,
        message: &str,
        echo: impl Into<Option<Echo>>,
    ) {
        self.send(Response::RequestResponse(pb::RequestResponse {
            request_id,
            reason: reason.into(),
            message: message.to_owned(),
            request: echo.into(),
        }));
    }
}

/// How a refusal is told in a `RequestResponse`.
pub(super) const fn reason_of(code: ErrorCode) -> Reason {
    match code {
        ErrorCode::RoomNotFound | ErrorCode::ParticipantNotFound | ErrorCode::TrackNotFound => {
            Reason::NotFound
        }
        ErrorCode::NotPermitted | ErrorCode::GrantMissing => Reason::NotAllowed,
        ErrorCode::NameTooLong
        | ErrorCode::MetadataTooLarge
        | ErrorCode::TooManyTracks
        | ErrorCode::RequestTooLarge
        | ErrorCode::RateLimited => Reason::LimitExceeded,
        ErrorCode::UnsupportedRequest => Reason::UnsupportedType,
        ErrorCode::MalformedRequest => Reason::InvalidRequest,
        _ => Reason::UnclassifiedError,
    }
}

/// Entries without an identity are skipped: session ids of others are not ours to resolve, and skipping only narrows.
fn audience(permission: pb::SubscriptionPermission) -> Audience {
    if permission.all_participants {
        return Audience::All;
    }
    let named = permission.track_permissions.into_iter().filter_map(|entry| {
        let access = if entry.all_tracks {
            TrackAccess::All
        } else {
            TrackAccess::Only(entry.track_sids.into_iter().map(TrackSid::from).collect())
        };
        let identity = entry.participant_identity;
        (!identity.is_empty()).then(|| (Identity::from(identity), access))
    });
    Audience::Only(named.collect())
}

/// A size, where it is given, decides alone: the quality beside it is then only the wire's default.
fn view(settings: &pb::UpdateTrackSettings) -> ViewSettings {
    let size =
        (settings.width > 0 && settings.height > 0).then_some((settings.width, settings.height));
    let quality = convert::quality(settings.quality);
    ViewSettings {
        quality_max: if size.is_some() { Quality::High } else { quality.unwrap_or(Quality::High) },
        size,
        fps_max: (settings.fps > 0).then_some(settings.fps),
        disabled: settings.disabled || (size.is_none() && quality.is_none()),
        priority: settings.priority,
    }
}

fn wall_ms(now: Moment) -> i64 {
    i64::try_from(now.wall.0).unwrap_or(i64::MAX)
}

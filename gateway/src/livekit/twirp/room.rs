//! The methods of `RoomService`.

use std::{collections::BTreeSet, time::Duration};

use axum::response::Response;
use bytes::Bytes;
use livekit_protocol as pb;
use prost::Message as _;
use proto::{
    error::{ErrorCode, Retry},
    id::{Identity, ParticipantSid, RoomName, TrackSid},
    room::{Participant, RoomSettings, model::NAME_BYTES_MAX},
};

use super::{Api, Rights, body::Form, error::TwirpError, known};
use crate::{
    error::Error,
    livekit::convert,
    node::{Answer, Call, Refusal},
};

/// Most rooms asked for by name, participants or tracks named in one call.
const NAMES_MAX: usize = 10_000;

type Outcome = Result<Response, TwirpError>;

/// One call: what it may do and how it is answered.
pub(super) struct Caller<'a> {
    pub(super) api: &'a Api,
    pub(super) rights: Rights<'a>,
    pub(super) form: Form,
}

impl Caller<'_> {
    /// Reads the body for `method` and does it.
    pub(super) async fn call(&self, method: &str, body: &[u8]) -> Outcome {
        let form = self.form;
        match method {
            "CreateRoom" => self.create_room(form.read(body)?).await,
            "ListRooms" => self.list_rooms(form.read(body)?).await,
            "DeleteRoom" => self.delete_room(form.read(body)?).await,
            "ListParticipants" => self.list_participants(form.read(body)?).await,
            "GetParticipant" => self.participant(form.read(body)?).await,
            "RemoveParticipant" => self.remove_participant(form.read(body)?).await,
            "MutePublishedTrack" => self.mute_published_track(form.read(body)?).await,
            "UpdateParticipant" => self.update_participant(form.read(body)?).await,
            "UpdateSubscriptions" => self.update_subscriptions(form.read(body)?).await,
            "SendData" => self.send_data(form.read(body)?).await,
            "UpdateRoomMetadata" => self.update_room_metadata(form.read(body)?).await,
            "MoveParticipant" => self.move_participant(form.read(body)?).await,
            "ForwardParticipant" => self.forward_participant(&form.read(body)?),
            "PerformRpc" => self.perform_rpc(&form.read(body)?),
            _ => Err(TwirpError::bad_route("there is no such method")),
        }
    }

    async fn create_room(&self, request: pb::CreateRoomRequest) -> Outcome {
        self.rights.create()?;
        let room = room_name(&request.name)?;
        if request.egress.is_some() {
            return Err(TwirpError::unimplemented("egress in CreateRoom is not supported"));
        }
        if !request.agents.is_empty() {
            return Err(TwirpError::unimplemented("agents in CreateRoom are not supported"));
        }
        let defaults = &self.api.shared.config.room_defaults;
        let seconds = |value: u32, default: Duration| {
            if value == 0 { default } else { Duration::from_secs(value.into()) }
        };
        let settings = RoomSettings {
            empty_timeout: seconds(request.empty_timeout, defaults.empty_timeout),
            departure_timeout: seconds(request.departure_timeout, defaults.departure_timeout),
            participants_max: match request.max_participants {
                0 => defaults.participants_max,
                max => max,
            },
            metadata: request.metadata,
        };
        match self.ask(Call::CreateRoom { room, settings }).await? {
            Answer::Room(room) => self.form.write(&convert::room(&room)),
            other => unexpected(&other),
        }
    }

    async fn list_rooms(&self, request: pb::ListRoomsRequest) -> Outcome {
        self.rights.list()?;
        within(request.names.len(), "names")?;
        let names = request.names.iter().map(|name| room_name(name));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        match self.ask(Call::ListRooms { names }).await? {
            Answer::Rooms(rooms) => {
                let rooms = rooms.iter().map(convert::room).collect();
                self.form.write(&pb::ListRoomsResponse { rooms })
            }
            other => unexpected(&other),
        }
    }

    async fn delete_room(&self, request: pb::DeleteRoomRequest) -> Outcome {
        self.rights.create()?;
        let room = room_name(&request.room)?;
        self.done(Call::DeleteRoom { room }, &pb::DeleteRoomResponse {}).await
    }

    async fn list_participants(&self, request: pb::ListParticipantsRequest) -> Outcome {
        let room = self.administered(&request.room)?;
        match self.ask(Call::ListParticipants { room }).await? {
            Answer::Participants(participants) => {
                let participants = participants.iter().map(info).collect();
                self.form.write(&pb::ListParticipantsResponse { participants })
            }
            other => unexpected(&other),
        }
    }

    async fn participant(&self, request: pb::RoomParticipantIdentity) -> Outcome {
        let room = self.administered(&request.room)?;
        let identity = identity(&request.identity)?;
        self.describe(Call::Participant { room, identity }).await
    }

    async fn remove_participant(&self, request: pb::RoomParticipantIdentity) -> Outcome {
        let room = self.administered(&request.room)?;
        let identity = identity(&request.identity)?;
        let call = Call::RemoveParticipant { room, identity };
        self.done(call, &pb::RemoveParticipantResponse {}).await
    }

    async fn mute_published_track(&self, request: pb::MuteRoomTrackRequest) -> Outcome {
        let room = self.administered(&request.room)?;
        let identity = identity(&request.identity)?;
        let track = track_sid(&request.track_sid)?;
        let muted = request.muted;
        if !muted && !self.api.shared.config.enable_remote_unmute {
            let code = ErrorCode::RemoteUnmuteDisabled;
            let message = "remote unmute not enabled".to_owned();
            return Err(Refusal { code, message, retry: Retry::Never }.into());
        }
        match self.ask(Call::MuteTrack { room, identity, track, muted }).await? {
            Answer::Track(track) => {
                let track = Some(known::track(convert::track_info(&track)));
                self.form.write(&pb::MuteRoomTrackResponse { track })
            }
            other => unexpected(&other),
        }
    }

    async fn update_participant(&self, request: pb::UpdateParticipantRequest) -> Outcome {
        let room = self.administered(&request.room)?;
        let identity = identity(&request.identity)?;
        let given = |text: String| (!text.is_empty()).then_some(text);
        let call = Call::UpdateParticipant {
            room,
            identity,
            name: given(request.name),
            metadata: given(request.metadata),
            attributes: request.attributes.into_iter().collect(),
            permission: request.permission.as_ref().map(convert::permission_from),
        };
        self.describe(call).await
    }

    async fn update_subscriptions(&self, request: pb::UpdateSubscriptionsRequest) -> Outcome {
        let room = self.administered(&request.room)?;
        let identity = identity(&request.identity)?;
        let named = request.participant_tracks.iter().flat_map(|of| &of.track_sids);
        let tracks = request.track_sids.iter().chain(named).map(|sid| track_sid(sid));
        let tracks = tracks.collect::<Result<BTreeSet<_>, _>>()?;
        within(tracks.len(), "track_sids")?;
        let subscribed = request.subscribe;
        let call = Call::UpdateSubscriptions { room, identity, tracks, subscribed };
        self.done(call, &pb::UpdateSubscriptionsResponse {}).await
    }

    async fn send_data(&self, request: pb::SendDataRequest) -> Outcome {
        let room = self.administered(&request.room)?;
        let limit = self.api.shared.config.limits.data_bytes_max;
        if request.data.len() > limit {
            return Err(Error::TooLarge { limit }.into());
        }
        let names = request.destination_identities.len() + destination_sids(&request).len();
        within(names, "destinations")?;
        let nonce = request.nonce.clone();
        if !self.api.nonces.claim(&room, &nonce) {
            return self.form.write(&pb::SendDataResponse {});
        }
        let call = data_call(room.clone(), request);
        let outcome = self.done(call, &pb::SendDataResponse {}).await;
        if outcome.is_err() {
            self.api.nonces.release(&room, &nonce);
        }
        outcome
    }

    async fn update_room_metadata(&self, request: pb::UpdateRoomMetadataRequest) -> Outcome {
        let room = self.administered(&request.room)?;
        let metadata = request.metadata;
        match self.ask(Call::UpdateRoomMetadata { room, metadata }).await? {
            Answer::Room(room) => self.form.write(&convert::room(&room)),
            other => unexpected(&other),
        }
    }

    async fn move_participant(&self, request: pb::MoveParticipantRequest) -> Outcome {
        let room = self.administered(&request.room)?;
        let identity = identity(&request.identity)?;
        let destination = room_name(&request.destination_room)?;
        self.rights.destination(&destination)?;
        if room == destination {
            return Err(TwirpError::invalid("destination_room is the room itself"));
        }
        let call = Call::MoveParticipant { room, identity, destination };
        self.done(call, &pb::MoveParticipantResponse {}).await
    }

    fn forward_participant(&self, request: &pb::ForwardParticipantRequest) -> Outcome {
        self.administered(&request.room)?;
        Err(TwirpError::unimplemented("ForwardParticipant is not supported; MoveParticipant is"))
    }

    fn perform_rpc(&self, request: &pb::PerformRpcRequest) -> Outcome {
        self.administered(&request.room)?;
        Err(TwirpError::unimplemented("PerformRpc from a back end is not supported; SendData is"))
    }

    /// The room a moderator names, if its token is good for it.
    fn administered(&self, room: &str) -> Result<RoomName, TwirpError> {
        let room = room_name(room)?;
        self.rights.admin(&room)?;
        Ok(room)
    }

    async fn ask(&self, call: Call) -> Result<Answer, TwirpError> {
        Ok(self.api.shared.call(call).await?)
    }

    /// Makes a call that is answered by nothing but being done.
    async fn done<M: prost::Message + serde::Serialize>(&self, call: Call, reply: &M) -> Outcome {
        match self.ask(call).await? {
            Answer::Done => self.form.write(reply),
            other => unexpected(&other),
        }
    }

    /// Makes a call that is answered by a participant.
    async fn describe(&self, call: Call) -> Outcome {
        match self.ask(call).await? {
            Answer::Participant(participant) => self.form.write(&info(&participant)),
            other => unexpected(&other),
        }
    }
}

fn info(participant: &Participant) -> pb::ParticipantInfo {
    known::participant(convert::participant_info(participant))
}

/// A message of a back end as clients receive it: from nobody in the room.
pub(super) fn data_call(room: RoomName, request: pb::SendDataRequest) -> Call {
    let delivery = convert::delivery(request.kind);
    let sids = destination_sids(&request).to_vec();
    let to_sids = sids.iter().map(|sid| ParticipantSid::from(sid.as_str())).collect();
    let identities = request.destination_identities;
    let to = identities.iter().map(|identity| Identity::from(identity.as_str())).collect();
    #[expect(deprecated, reason = "clients below protocol 17 read the deprecated fields")]
    let user = pb::UserPacket {
        payload: request.data,
        topic: request.topic,
        destination_sids: sids,
        destination_identities: identities.clone(),
        nonce: request.nonce,
        ..pb::UserPacket::default()
    };
    #[expect(deprecated, reason = "clients below protocol 17 read the deprecated fields")]
    let packet = pb::DataPacket {
        kind: convert::data_kind(delivery).into(),
        destination_identities: identities,
        value: Some(pb::data_packet::Value::User(user)),
        ..pb::DataPacket::default()
    };
    let payload = Bytes::from(packet.encode_to_vec());
    Call::SendData { room, delivery, to, to_sids, payload }
}

#[expect(deprecated, reason = "back ends still address sessions by sid")]
fn destination_sids(request: &pb::SendDataRequest) -> &[String] {
    &request.destination_sids
}

fn name(text: &str, what: &'static str) -> Result<(), TwirpError> {
    if text.is_empty() {
        return Err(TwirpError::invalid(&format!("{what} is required")));
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(Error::NameTooLong { what, limit: NAME_BYTES_MAX }.into());
    }
    Ok(())
}

fn room_name(text: &str) -> Result<RoomName, TwirpError> {
    name(text, "the room's name").map(|()| RoomName::from(text))
}

fn identity(text: &str) -> Result<Identity, TwirpError> {
    name(text, "the participant's identity").map(|()| Identity::from(text))
}

fn track_sid(text: &str) -> Result<TrackSid, TwirpError> {
    name(text, "the track's sid").map(|()| TrackSid::from(text))
}

fn within(count: usize, what: &str) -> Result<(), TwirpError> {
    if count > NAMES_MAX {
        return Err(TwirpError::invalid(&format!("{what}: at most {NAMES_MAX} are allowed")));
    }
    Ok(())
}

/// The node answered something else than was asked.
fn unexpected(answer: &Answer) -> Outcome {
    tracing::error!(?answer, "the node's answer does not fit the call");
    Err(TwirpError::internal())
}

use axum::http::StatusCode;
use livekit_protocol as pb;
use prost::Message;
use proto::{
    error::{ErrorCode, Retry},
    id::RoomName,
    media::Source,
};
use serde_json::{Value, json};

use super::{
    error::{TwirpCode, TwirpError},
    nonce::{NONCES_MAX, Nonces},
};
use crate::{
    auth::{Token, VideoGrant},
    error::Error,
    node::{Answer, Call, Refusal},
    testing::{self, Calls},
};

fn answer(call: &Call) -> Result<Answer, Refusal> {
    let camera = || testing::publication("TR_VC1", Source::Camera);
    let ada = || {
        let mut ada = testing::participant("ada", &[("TR_VC1", Source::Camera)]);
        // A client announced something newer than we know.
        ada.client.capabilities = vec![1, 4711];
        ada
    };
    Ok(match call {
        Call::CreateRoom { room, .. } | Call::UpdateRoomMetadata { room, .. } => {
            Answer::Room(testing::room(room.as_str()))
        }
        Call::Ready => Answer::Done,
        Call::ListRooms { .. } => Answer::Rooms(vec![testing::room("a")]),
        Call::DeleteRoom { .. }
        | Call::RemoveParticipant { .. }
        | Call::UpdateSubscriptions { .. }
        | Call::SendData { .. }
        | Call::MoveParticipant { .. } => Answer::Done,
        Call::ListParticipants { .. } => Answer::Participants(vec![ada()]),
        Call::Participant { identity, .. } if identity.as_str() == "nobody" => {
            return Err(Refusal {
                code: ErrorCode::ParticipantNotFound,
                message: "participant does not exist: nobody".to_owned(),
                retry: Retry::Never,
            });
        }
        Call::Participant { .. } | Call::UpdateParticipant { .. } => {
            Answer::Participant(Box::new(ada()))
        }
        Call::MuteTrack { .. } => Answer::Track(Box::new(camera())),
    })
}

struct Api {
    url: String,
    calls: Calls,
    client: reqwest::Client,
}

impl Api {
    async fn new() -> Self {
        let served = testing::serve(testing::config()).await;
        let calls = testing::answer_calls(served.requests, answer);
        Self { url: served.url, calls, client: reqwest::Client::new() }
    }

    async fn post(&self, path: &str, token: &str, kind: &str, body: Vec<u8>) -> reqwest::Response {
        let request = self.client.post(format!("{}/twirp/{path}", self.url));
        let request = request.header("content-type", kind).bearer_auth(token).body(body);
        request.send().await.unwrap()
    }

    async fn json(&self, method: &str, token: &str, body: &Value) -> (u16, Value) {
        let path = format!("livekit.RoomService/{method}");
        let kind = "application/json;charset=UTF-8";
        let response = self.post(&path, token, kind, body.to_string().into_bytes()).await;
        assert_eq!(response.headers()["content-type"], "application/json");
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
    }
}

#[tokio::test]
async fn every_method_on_rooms_reaches_the_node_and_is_answered_in_json() {
    let table = [
        (
            "CreateRoom",
            json!({"name": "a", "emptyTimeout": 7, "max_participants": 3}),
            "CreateRoom { room: a, settings: RoomSettings { empty_timeout: 7s, departure_timeout: 20s, participants_max: 3, metadata: \"\" } }",
            "/name",
            json!("a"),
        ),
        (
            "ListRooms",
            json!({"names": ["a"]}),
            "ListRooms { names: [a] }",
            "/rooms/0/sid",
            json!("RM_1"),
        ),
        ("DeleteRoom", json!({"room": "a"}), "DeleteRoom { room: a }", "", json!({})),
        (
            "ListParticipants",
            json!({"room": "a"}),
            "ListParticipants { room: a }",
            "/participants/0/tracks/0/sid",
            json!("TR_VC1"),
        ),
    ];
    check(&table).await;
}

#[tokio::test]
async fn every_method_on_participants_reaches_the_node_and_is_answered_in_json() {
    let table = [
        (
            "GetParticipant",
            json!({"room": "a", "identity": "ada"}),
            "Participant { room: a, identity: ada }",
            "/capabilities",
            json!(["CAP_PACKET_TRAILER"]),
        ),
        (
            "RemoveParticipant",
            json!({"room": "a", "identity": "ada"}),
            "RemoveParticipant { room: a, identity: ada }",
            "",
            json!({}),
        ),
        (
            "MutePublishedTrack",
            json!({"room": "a", "identity": "ada", "trackSid": "TR_VC1", "muted": true}),
            "MuteTrack { room: a, identity: ada, track: TR_VC1, muted: true }",
            "/track/source",
            json!("CAMERA"),
        ),
        (
            "UpdateParticipant",
            json!({"room": "a", "identity": "ada", "name": "Ada", "attributes": {"k": ""}}),
            "UpdateParticipant { room: a, identity: ada, name: Some(\"Ada\"), metadata: None, attributes: {\"k\": \"\"}, permission: None }",
            "/identity",
            json!("ada"),
        ),
        (
            "UpdateSubscriptions",
            json!({"room": "a", "identity": "ada", "track_sids": ["TR_2"], "subscribe": true, "participantTracks": [{"trackSids": ["TR_1"]}]}),
            "UpdateSubscriptions { room: a, identity: ada, tracks: {TR_1, TR_2}, subscribed: true }",
            "",
            json!({}),
        ),
        (
            "UpdateRoomMetadata",
            json!({"room": "a", "metadata": "m"}),
            "UpdateRoomMetadata { room: a, metadata: \"m\" }",
            "/sid",
            json!("RM_1"),
        ),
        (
            "MoveParticipant",
            json!({"room": "a", "identity": "ada", "destinationRoom": "elsewhere"}),
            "MoveParticipant { room: a, identity: ada, destination: elsewhere }",
            "",
            json!({}),
        ),
    ];
    check(&table).await;
}

/// A method, its body, the call it becomes, where to look in the answer, and what is there.
type Row<'a> = (&'a str, Value, &'a str, &'a str, Value);

async fn check(table: &[Row<'_>]) {
    let api = Api::new().await;
    let token = testing::administrator("a");
    for (method, body, call, pointer, expected) in table {
        let (status, answer) = api.json(method, &token, body).await;
        assert_eq!(status, 200, "{method}: {answer}");
        assert_eq!(api.calls.take(), [*call], "{method}");
        assert_eq!(answer.pointer(pointer), Some(expected), "{method}: {answer}");
    }
}

#[tokio::test]
async fn protobuf_is_answered_in_protobuf() {
    let api = Api::new().await;
    let request = pb::ListParticipantsRequest { room: "a".to_owned() };
    let path = "livekit.RoomService/ListParticipants";
    let kind = "application/protobuf";
    let token = testing::administrator("a");
    let response = api.post(path, &token, kind, request.encode_to_vec()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], kind);
    let answer = response.bytes().await.unwrap();
    let answer = pb::ListParticipantsResponse::decode(answer).unwrap();
    assert_eq!(answer.participants[0].identity, "ada");
}

#[tokio::test]
async fn a_missing_grant_is_named_and_told_as_unauthenticated() {
    let api = Api::new().await;
    let grant = |change: fn(&mut VideoGrant)| {
        let mut video = VideoGrant { room: Some("a".to_owned()), ..VideoGrant::default() };
        change(&mut video);
        testing::token("", video)
    };
    let in_a = json!({"room": "a", "identity": "ada"});
    let moved = json!({"room": "a", "identity": "ada", "destinationRoom": "b"});
    let table = [
        (
            "CreateRoom",
            grant(|v| v.room_list = Some(true)),
            json!({"name": "a"}),
            "roomCreate",
            "1006",
        ),
        ("ListRooms", grant(|v| v.room_create = Some(true)), json!({}), "roomList", "1006"),
        (
            "DeleteRoom",
            grant(|v| v.room_admin = Some(true)),
            json!({"room": "a"}),
            "roomCreate",
            "1006",
        ),
        ("GetParticipant", grant(|v| v.room_join = Some(true)), in_a.clone(), "roomAdmin", "1006"),
        ("RemoveParticipant", testing::administrator("b"), in_a, "another room", "1007"),
        ("MoveParticipant", grant(|v| v.room_admin = Some(true)), moved, "destinationRoom", "1006"),
    ];
    for (method, token, body, said, code) in table {
        let (status, answer) = api.json(method, &token, &body).await;
        assert_eq!(status, 401, "{method}");
        assert_eq!(answer["code"], "unauthenticated", "{method}");
        assert_eq!(answer["meta"]["code"], code, "{method}: {answer}");
        assert!(answer["msg"].as_str().unwrap().contains(said), "{method}: {answer}");
    }
    assert!(api.calls.take().is_empty(), "the node must not hear of any of these");
}

#[tokio::test]
async fn an_operator_moderates_every_room_unless_the_token_names_one() {
    let api = Api::new().await;
    let video = |room: Option<&str>| VideoGrant {
        room_admin: Some(true),
        room: room.map(str::to_owned),
        ..VideoGrant::default()
    };
    let operator = |room: Option<&str>| {
        let other = [("nodeAdmin".to_owned(), json!(true))].into();
        let exp = Some(testing::NOW_S + 60);
        let token = Token { exp, video: Some(video(room)), other, ..Token::default() };
        testing::keys().sign(None, &token).unwrap()
    };
    let in_a = json!({"room": "a"});
    let (status, answer) = api.json("ListParticipants", &operator(None), &in_a).await;
    assert_eq!(status, 200, "{answer}");
    let (_, answer) = api.json("ListParticipants", &operator(Some("b")), &in_a).await;
    assert_eq!(answer["meta"]["code"], "1007", "{answer}");
    let (_, answer) = api.json("ListParticipants", &testing::token("", video(None)), &in_a).await;
    assert_eq!(answer["meta"]["code"], "1006", "{answer}");
}

#[tokio::test]
async fn faults_of_a_call_have_their_codes_and_statuses() {
    let api = Api::new().await;
    let token = testing::administrator("a");
    let mute = json!({"room": "a", "identity": "ada", "track_sid": "TR_VC1"});
    let in_a = json!({"room": "a", "identity": "ada", "destination_room": "elsewhere"});
    let long = "x".repeat(257);
    let table = [
        ("CreateRoom", json!({}), 400, "invalid_argument"),
        ("CreateRoom", json!({"name": long}), 400, "invalid_argument"),
        ("CreateRoom", json!({"name": "a", "egress": {}}), 501, "unimplemented"),
        ("CreateRoom", json!({"name": 5}), 400, "malformed"),
        ("CreateRoom", json!([]), 400, "malformed"),
        ("GetParticipant", json!({"room": "a", "identity": "nobody"}), 404, "not_found"),
        ("MutePublishedTrack", mute, 412, "failed_precondition"),
        ("ForwardParticipant", in_a.clone(), 501, "unimplemented"),
        ("PerformRpc", in_a, 501, "unimplemented"),
        ("MakeCoffee", json!({}), 404, "bad_route"),
    ];
    for (method, body, status, code) in table {
        let (got, answer) = api.json(method, &token, &body).await;
        assert_eq!((got, answer["code"].as_str()), (status, Some(code)), "{method}: {answer}");
        assert!(answer["meta"]["name"].is_string(), "{method}: {answer}");
    }
}

#[tokio::test]
async fn routes_services_and_bodies_that_are_not_ours_are_refused_in_json() {
    let api = Api::new().await;
    let token = testing::administrator("a");
    let table = [
        ("livekit.Egress/ListEgress", "application/json", 501, "unimplemented"),
        ("livekit.AgentDispatchService/ListDispatch", "application/protobuf", 501, "unimplemented"),
        ("livekit.Coffee/Make", "application/json", 404, "bad_route"),
        ("livekit.RoomService", "application/json", 404, "bad_route"),
        ("livekit.RoomService/ListRooms", "text/plain", 404, "bad_route"),
    ];
    for (path, kind, status, code) in table {
        let response = api.post(path, &token, kind, b"{}".to_vec()).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/json");
        let answer: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(answer["code"], code, "{path}");
    }
    let path = "livekit.RoomService/ListRooms";
    let missing = api.client.post(format!("{}/twirp/{path}", api.url)).send().await.unwrap();
    assert_eq!(missing.status(), 401);
    let got = api.client.get(format!("{}/twirp/{path}", api.url)).send().await.unwrap();
    assert_eq!(got.status(), 404);
    assert_eq!(got.headers()["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let mut config = testing::config();
    config.limits.body_bytes_max = 1000;
    let served = testing::serve(config).await;
    let calls = testing::answer_calls(served.requests, answer);
    let api = Api { url: served.url, calls, client: reqwest::Client::new() };
    let body = json!({"name": "a", "metadata": "x".repeat(1000)});
    let (status, answer) = api.json("CreateRoom", &testing::administrator("a"), &body).await;
    assert_eq!((status, answer["meta"]["name"].as_str()), (400, Some("RequestTooLarge")));
}

#[tokio::test]
async fn data_is_wrapped_for_clients_and_a_nonce_is_used_once() {
    let api = Api::new().await;
    let token = testing::administrator("a");
    let body = json!({
        "room": "a", "data": "aGk=", "kind": "LOSSY", "topic": "t",
        "destinationIdentities": ["ada"], "destination_sids": ["PA_1"],
        "nonce": "AAECAwQFBgcICQoLDA0ODw==",
    });
    for _ in 0..2 {
        let (status, answer) = api.json("SendData", &token, &body).await;
        assert_eq!((status, answer), (200, json!({})));
    }
    let calls = api.calls.take();
    assert_eq!(calls.len(), 1, "the second one is the same message");
    assert!(
        calls[0].starts_with(
            "SendData { room: a, delivery: Lossy, to: [ada], to_sids: [PA_1], payload: b\""
        ),
        "{}",
        calls[0]
    );
}

#[test]
fn a_data_call_carries_a_user_packet_from_nobody() {
    let request = pb::SendDataRequest {
        room: "a".to_owned(),
        data: b"hi".to_vec(),
        topic: Some("t".to_owned()),
        ..pb::SendDataRequest::default()
    };
    let call = super::room::data_call(RoomName::from("a"), request);
    let Call::SendData { payload, .. } = call else { panic!("{call:?}") };
    let packet = pb::DataPacket::decode(payload).unwrap();
    assert_eq!((packet.participant_identity.as_str(), packet.participant_sid.as_str()), ("", ""));
    let Some(pb::data_packet::Value::User(user)) = packet.value else { panic!("no user packet") };
    assert_eq!((user.payload.as_slice(), user.topic.as_deref()), (b"hi".as_slice(), Some("t")));
}

#[test]
fn nonces_are_bounded_and_may_be_released() {
    let nonces = Nonces::default();
    let room = RoomName::from("a");
    let nonce = |n: usize| (n as u128).to_be_bytes();
    assert!((0..=NONCES_MAX).all(|n| nonces.claim(&room, &nonce(n))));
    assert!(nonces.claim(&room, &nonce(0)), "the oldest was forgotten");
    assert!(!nonces.claim(&room, &nonce(NONCES_MAX)));
    assert!(nonces.claim(&RoomName::from("b"), &nonce(NONCES_MAX)), "rooms are apart");
    nonces.release(&room, &nonce(NONCES_MAX));
    assert!(nonces.claim(&room, &nonce(NONCES_MAX)));
    assert!(nonces.claim(&room, b"") && nonces.claim(&room, b""), "no nonce is never the same");
}

#[test]
fn every_code_but_internal_is_told_as_something_better_than_internal() {
    for code in ErrorCode::ALL.iter().filter(|code| **code != ErrorCode::Internal) {
        assert_ne!(TwirpCode::of(*code), TwirpCode::Internal, "{code}");
    }
}

#[test]
fn retry_travels_in_meta() {
    let error = TwirpError::from(Error::RateLimited { after: std::time::Duration::from_secs(2) });
    assert_eq!(error.code.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(error.meta["retry_after_ms"], "2000");
}

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use proto::{
    error::{ErrorCode, Retry},
    grant::ParticipantKind,
    id::{Identity, ParticipantSid, TrackSid},
    media::{MediaKind, Mid, Quality, Source},
    room::{LeaveReason, Participant, ParticipantState, Publication},
    time::LogTime,
};
use reqwest::{Client, Method, RequestBuilder, Response};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{SENDING, receiving};
use crate::{
    Clock,
    auth::VideoGrant,
    node::{Answer, Call, Join, Joined, Leave, Message, Pc, Refusal, Request, SessionEvent},
    testing::{self, NOW_S, participant},
};

const ANSWER: &str = "v=0\r\na=ice-lite\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
a=ice-ufrag:srv1\r\na=ice-pwd:serverpasswordserverpa\r\n\
a=candidate:1 1 udp 1 192.0.2.9 7882 typ host\r\n";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// A client and the node's end of the queue.
struct Stage {
    url: String,
    client: Client,
    requests: mpsc::Receiver<Request>,
}

/// A session as the node sees it.
struct Guest {
    join: Box<Join>,
    sid: ParticipantSid,
}

impl Guest {
    async fn tell(&self, event: SessionEvent) {
        self.join.events.send(event).await.unwrap();
    }

    async fn answer(&self, request: u32) {
        let sdp = ANSWER.replace("srv1", &format!("srv{request}"));
        self.tell(SessionEvent::Answer { request, sdp, sections: Vec::new() }).await;
    }
}

impl Stage {
    async fn new() -> Self {
        let served = testing::serve(testing::config()).await;
        Self { url: served.url, client: Client::new(), requests: served.requests }
    }

    fn request(&self, method: &str, path: &str, token: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(token)
    }

    fn post(&self, path: &str, token: &str, offer: &str) -> JoinHandle<Response> {
        let request = self.request("POST", path, token);
        send(request.header("content-type", "application/sdp").body(offer.to_owned()))
    }

    fn patch(&self, at: &str, token: &str, etag: Option<&str>, body: &str) -> JoinHandle<Response> {
        let request = self.request("PATCH", at, token).header("content-type", FRAGMENT);
        let request = match etag {
            Some(etag) => request.header("if-match", etag),
            None => request,
        };
        send(request.body(body.to_owned()))
    }

    async fn next(&mut self) -> Request {
        self.requests.recv().await.expect("the gateway asks for something")
    }

    async fn join(&mut self, others: Vec<Participant>) -> Guest {
        let Request::Join { join, reply } = self.next().await else { panic!("no join") };
        let own = participant(join.identity.as_str(), &[]);
        let sid = own.sid.clone();
        let room = testing::room(join.room.as_str());
        assert!(reply.send(Ok(Joined { participant: own, room, others })).is_ok());
        Guest { join, sid }
    }

    async fn message(&mut self, guest: &Guest) -> Message {
        let Request::Session { session, message } = self.next().await else { panic!("no message") };
        assert_eq!(session, guest.sid);
        message
    }

    async fn call(&mut self, answer: impl FnOnce(&Call) -> Result<Answer, Refusal>) -> Call {
        let Request::Api { call, reply } = self.next().await else { panic!("no call") };
        let answer = answer(&call);
        assert!(reply.send(answer).is_ok());
        call
    }

    /// Brings a WHIP session of `ada` up; returns its resource.
    async fn publish(&mut self, token: &str) -> (Guest, String) {
        let posted = self.post("/whip/a", token, SENDING);
        let guest = self.join(Vec::new()).await;
        for _ in 0..2 {
            let Message::Publish(intent) = self.message(&guest).await else { panic!("no track") };
            let sid = TrackSid::from(format!("TR_{}", intent.cid));
            let publication = Publication { sid, ..intent.publication };
            guest.tell(SessionEvent::Published { cid: intent.cid, publication }).await;
        }
        let Message::Offer { request, .. } = self.message(&guest).await else { panic!("no offer") };
        guest.answer(request).await;
        let response = posted.await.unwrap();
        assert_eq!(response.status(), 201);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        (guest, location)
    }
}

fn send(request: RequestBuilder) -> JoinHandle<Response> {
    tokio::spawn(async move { request.send().await.unwrap() })
}

async fn problem(response: Response) -> (u16, String) {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let status = response.status().as_u16();
    let body: serde_json::Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    (status, body["name"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_whip_client_publishes_trickles_restarts_and_ends() {
    let mut stage = Stage::new().await;
    let ada = testing::joiner("ada", "a");
    let posted = stage.post("/whip/a", &ada, SENDING);
    let guest = stage.join(Vec::new()).await;
    assert_eq!(guest.join.grant.kind, ParticipantKind::Ingress);
    assert!(guest.join.single_pc && !guest.join.auto_subscribe);

    let mut cids = Vec::new();
    for (source, encodings) in [(Source::Microphone, 0), (Source::Camera, 1)] {
        let Message::Publish(intent) = stage.message(&guest).await else { panic!("no track") };
        assert_eq!(intent.publication.source, source);
        assert_eq!(intent.publication.encodings.len(), encodings);
        let publication = intent.publication.clone();
        guest.tell(SessionEvent::Published { cid: intent.cid.clone(), publication }).await;
        cids.push(intent.cid);
    }
    assert_eq!(cids, ["sound", "section-1"]);
    let Message::Offer { request, sdp, sending } = stage.message(&guest).await else {
        panic!("no offer")
    };
    assert_eq!(sdp, SENDING);
    let mid = |text| Mid::new(text).unwrap();
    let expected = vec![
        (mid("0"), "sound".to_owned(), MediaKind::Audio),
        (mid("1"), "section-1".to_owned(), MediaKind::Video),
    ];
    assert_eq!(sending, expected);
    guest.answer(request).await;

    let response = posted.await.unwrap();
    assert_eq!(response.status(), 201);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/sdp");
    assert_eq!(header("accept-patch"), FRAGMENT);
    assert_eq!(header("access-control-expose-headers"), "*");
    let (location, etag) = (header("location"), header("etag"));
    assert!(location.starts_with("/whip/a/") && location.len() == "/whip/a/".len() + 32);
    assert!(response.text().await.unwrap().contains("a=ice-ufrag:srv1"));

    let candidate = "a=ice-ufrag:abcd\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
        a=candidate:2 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n";
    let patched = stage.patch(&location, &ada, Some(&etag), candidate);
    let Message::Candidate { pc, candidate } = stage.message(&guest).await else { panic!() };
    assert_eq!(
        (pc, candidate.as_str()),
        (Pc::Publisher, "candidate:2 1 udp 1 192.0.2.1 9 typ host")
    );
    assert_eq!(patched.await.unwrap().status(), 204);

    let restart = "a=ice-ufrag:wxyz\r\na=ice-pwd:9999999999999999999999\r\n";
    let patched = stage.patch(&location, &ada, Some("*"), restart);
    let Message::Offer { request, sdp, .. } = stage.message(&guest).await else { panic!() };
    assert!(sdp.contains("a=ice-ufrag:wxyz") && !sdp.contains("a=candidate"), "{sdp}");
    guest.answer(request).await;
    let response = patched.await.unwrap();
    assert_eq!(response.status(), 200);
    assert_ne!(response.headers()["etag"].to_str().unwrap(), etag);
    assert_eq!(response.headers()["content-type"], FRAGMENT);
    assert!(response.text().await.unwrap().contains("a=ice-ufrag:srv2"));

    let ended = send(stage.request("DELETE", &location, &ada));
    let Message::Leave { reason } = stage.message(&guest).await else { panic!("no leave") };
    assert_eq!(reason, LeaveReason::ClientInitiated);
    assert_eq!(ended.await.unwrap().status(), 200);
    guest.join.events.closed().await;
    let again = send(stage.request("DELETE", &location, &ada)).await.unwrap();
    assert_eq!(problem(again).await, (404, "NotFound".to_owned()));
}

#[tokio::test]
async fn simulcast_of_a_whip_client_is_announced() {
    let mut stage = Stage::new().await;
    let offer = format!("{SENDING}a=simulcast:send h;q\r\n");
    let _posted = stage.post("/whip/a", &testing::joiner("ada", "a"), &offer);
    let guest = stage.join(Vec::new()).await;
    stage.message(&guest).await;
    let Message::Publish(intent) = stage.message(&guest).await else { panic!("no track") };
    let qualities: Vec<_> = intent.publication.encodings.iter().map(|e| e.quality).collect();
    assert_eq!(qualities, [Quality::Low, Quality::Medium]);
}

#[tokio::test]
async fn what_cannot_be_admitted_is_refused_before_the_node_hears_of_it() {
    let mut stage = Stage::new().await;
    let ada = testing::joiner("ada", "a");
    let video = |room_join, can_publish, can_subscribe| VideoGrant {
        room_join,
        can_publish,
        can_subscribe,
        room: Some("a".to_owned()),
        ..VideoGrant::default()
    };
    let (yes, no) = (Some(true), Some(false));
    let receiving = receiving();
    let large = "v".repeat(64 * 1024 + 1);
    let table = [
        ("/whip/a", "".to_owned(), SENDING, 401, "TokenMalformed"),
        ("/whip/a", "x.y.z".to_owned(), SENDING, 401, "TokenMalformed"),
        ("/whip/b", ada.clone(), SENDING, 403, "WrongRoom"),
        ("/whip/a", testing::token("ada", video(None, None, None)), SENDING, 403, "GrantMissing"),
        ("/whip/a", testing::token("ada", video(yes, no, None)), SENDING, 403, "GrantMissing"),
        ("/whep/a", testing::token("ada", video(yes, None, no)), &receiving, 403, "GrantMissing"),
        ("/whip/a", testing::token("", video(yes, None, None)), SENDING, 400, "IdentityMissing"),
        ("/whip/a", ada.clone(), "hello", 400, "SdpMalformed"),
        ("/whip/a", ada.clone(), "", 400, "SdpMalformed"),
        ("/whip/a", ada.clone(), &large, 413, "RequestTooLarge"),
        ("/whip/a", ada.clone(), &receiving, 406, "SdpUnacceptable"),
        ("/whep/a", ada.clone(), SENDING, 406, "SdpUnacceptable"),
        ("/whep/live/show", ada.clone(), &receiving, 404, "NotFound"),
    ];
    for (path, token, offer, status, name) in table {
        let response = stage.post(path, &token, offer).await.unwrap();
        let got = problem(response).await;
        // Without any token the client sends `Bearer ` and nothing else.
        let name = if token.is_empty() { "TokenMissing" } else { name };
        assert_eq!(got, (status, name.to_owned()), "{path} {offer:.20}");
    }
    let wrong = stage.request("POST", "/whip/a", &ada).header("content-type", "text/plain");
    let wrong = send(wrong.body(SENDING)).await.unwrap();
    assert_eq!(problem(wrong).await.0, 415);
    let got = send(stage.request("GET", "/whip/a", &ada)).await.unwrap();
    assert_eq!(got.status(), 405);
    assert_eq!(got.headers()["accept-post"], "application/sdp");
    assert!(stage.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_refused_track_or_offer_refuses_the_session_and_it_leaves() {
    let mut stage = Stage::new().await;
    let ada = testing::joiner("ada", "a");
    let refusal = |code: ErrorCode| Refusal { code, message: "no".to_owned(), retry: Retry::Never };

    let posted = stage.post("/whip/a", &ada, SENDING);
    let guest = stage.join(Vec::new()).await;
    let Message::Publish(intent) = stage.message(&guest).await else { panic!("no track") };
    let refused = refusal(ErrorCode::NotPermitted);
    guest.tell(SessionEvent::PublishRefused { cid: intent.cid, refusal: refused }).await;
    let messages = [stage.message(&guest).await, stage.message(&guest).await];
    assert!(matches!(messages, [Message::Publish(_), Message::Offer { .. }]), "{messages:?}");
    assert!(matches!(stage.message(&guest).await, Message::Leave { .. }));
    assert_eq!(problem(posted.await.unwrap()).await, (403, "NotPermitted".to_owned()));

    let posted = stage.post("/whep/a", &testing::joiner("eve", "a"), &receiving());
    stage.call(|_| Ok(Answer::Participants(vec![publisher("ada")]))).await;
    let guest = stage.join(vec![publisher("ada")]).await;
    stage.call(|_| Ok(Answer::Done)).await;
    let Message::Offer { request, .. } = stage.message(&guest).await else { panic!("no offer") };
    let refused = refusal(ErrorCode::SdpUnacceptable);
    guest.tell(SessionEvent::NegotiationRefused { request: Some(request), refusal: refused }).await;
    assert_eq!(problem(posted.await.unwrap()).await, (406, "SdpUnacceptable".to_owned()));
    assert!(matches!(stage.message(&guest).await, Message::Leave { .. }));
}

#[tokio::test]
async fn the_nodes_refusal_to_join_is_the_answer() {
    let mut stage = Stage::new().await;
    let posted = stage.post("/whip/a", &testing::joiner("ada", "a"), SENDING);
    let Request::Join { reply, .. } = stage.next().await else { panic!("no join") };
    let code = ErrorCode::RoomFull;
    let refusal = Refusal { code, message: "full".to_owned(), retry: Retry::Never };
    assert!(reply.send(Err(refusal)).is_ok());
    assert_eq!(problem(posted.await.unwrap()).await, (403, "RoomFull".to_owned()));
}

#[tokio::test]
async fn a_client_that_hangs_up_half_way_leaves_nobody_behind() {
    let mut stage = Stage::new().await;
    let posted = stage.post("/whip/a", &testing::joiner("ada", "a"), SENDING);
    let guest = stage.join(Vec::new()).await;
    posted.abort();
    let _ = posted.await;
    for _ in 0..2 {
        let Message::Publish(intent) = stage.message(&guest).await else { panic!("no track") };
        let publication = intent.publication.clone();
        guest.tell(SessionEvent::Published { cid: intent.cid.clone(), publication }).await;
    }
    let Message::Offer { request, .. } = stage.message(&guest).await else { panic!("no offer") };
    guest.answer(request).await;
    assert!(matches!(stage.message(&guest).await, Message::Leave { .. }));
}

#[tokio::test]
async fn a_session_that_the_node_ends_is_gone() {
    let mut stage = Stage::new().await;
    let ada = testing::joiner("ada", "a");
    let (guest, location) = stage.publish(&ada).await;
    let leave = Leave { reason: LeaveReason::MediaFailed, rejoin: true };
    guest.tell(SessionEvent::Leave(leave)).await;
    guest.join.events.closed().await;
    let patched = stage.patch(&location, &ada, None, "a=end-of-candidates").await.unwrap();
    assert_eq!(problem(patched).await, (404, "NotFound".to_owned()));
    assert!(stage.requests.try_recv().is_err(), "the node already knows");
}

#[tokio::test]
async fn a_whip_session_without_any_track_left_ends() {
    let mut stage = Stage::new().await;
    let (guest, _) = stage.publish(&testing::joiner("ada", "a")).await;
    for track in ["TR_sound", "TR_section-1"] {
        guest.tell(SessionEvent::Unpublished { track: TrackSid::from(track) }).await;
    }
    assert!(matches!(stage.message(&guest).await, Message::Leave { .. }));
    guest.join.events.closed().await;
}

#[tokio::test]
async fn preconditions_of_a_patch_are_kept() {
    let mut stage = Stage::new().await;
    let ada = testing::joiner("ada", "a");
    let (_guest, location) = stage.publish(&ada).await;
    let restart = "a=ice-ufrag:wxyz\r\na=ice-pwd:9999999999999999999999\r\n";
    let stale = "a=ice-ufrag:olds\r\na=candidate:2 1 udp 1 192.0.2.1 9 typ host\r\n";
    let table = [
        (Some("\"ice-7\""), "a=end-of-candidates", 412, "PreconditionFailed"),
        (None, restart, 428, "PreconditionFailed"),
        (None, stale, 412, "PreconditionFailed"),
        (None, "nonsense", 400, "SdpMalformed"),
    ];
    for (etag, body, status, name) in table {
        let patched = stage.patch(&location, &ada, etag, body).await.unwrap();
        assert_eq!(problem(patched).await, (status, name.to_owned()), "{etag:?} {body}");
    }
    let wrong = stage.request("PATCH", &location, &ada).header("content-type", "application/sdp");
    assert_eq!(problem(send(wrong.body("")).await.unwrap()).await.0, 415);
    let plain = stage.patch(&location, &ada, None, "a=end-of-candidates").await.unwrap();
    assert_eq!(plain.status(), 204);
}

#[tokio::test]
async fn a_session_obeys_only_its_own_identity() {
    let mut stage = Stage::new().await;
    let (_guest, location) = stage.publish(&testing::joiner("ada", "a")).await;
    let others = [testing::joiner("eve", "a"), testing::joiner("ada", "b")];
    for token in others {
        let response = send(stage.request("DELETE", &location, &token)).await.unwrap();
        assert_eq!(problem(response).await, (404, "NotFound".to_owned()));
    }
    let response = send(stage.request("DELETE", &location, "")).await.unwrap();
    assert_eq!(problem(response).await.0, 401);
    let unknown = format!("/whip/a/{}", "0".repeat(32));
    let response = send(stage.request("DELETE", &unknown, &testing::joiner("ada", "a")));
    assert_eq!(problem(response.await.unwrap()).await.0, 404);
}

#[tokio::test]
async fn a_token_that_expired_during_the_session_may_still_end_it() {
    let now = Arc::new(AtomicU64::new(NOW_S * 1000));
    let read = Arc::clone(&now);
    let clock = Clock::new(move || LogTime(read.load(Ordering::Relaxed)));
    let served = testing::serve_at(testing::config(), clock).await;
    let (url, requests) = (served.url, served.requests);
    let mut stage = Stage { url, client: Client::new(), requests };
    let ada = testing::joiner("ada", "a");
    let (guest, location) = stage.publish(&ada).await;
    now.fetch_add(86_400_000, Ordering::Relaxed);
    let late = stage.post("/whip/a", &ada, SENDING).await.unwrap();
    assert_eq!(problem(late).await, (401, "TokenExpired".to_owned()));
    let ended = send(stage.request("DELETE", &location, &ada));
    assert!(matches!(stage.message(&guest).await, Message::Leave { .. }));
    assert_eq!(ended.await.unwrap().status(), 200);
}

fn publisher(identity: &str) -> Participant {
    let (camera, microphone) = (format!("{identity}-cam"), format!("{identity}-mic"));
    participant(identity, &[(&camera, Source::Camera), (&microphone, Source::Microphone)])
}

fn tracks(names: &[&str]) -> std::collections::BTreeSet<TrackSid> {
    names.iter().map(|name| TrackSid::from(*name)).collect()
}

#[tokio::test]
async fn a_whep_client_watches_and_follows_what_is_published() {
    let mut stage = Stage::new().await;
    let eve = testing::joiner("eve", "a");
    let posted = stage.post("/whep/a", &eve, &receiving());
    let listed = stage.call(|_| Ok(Answer::Participants(vec![publisher("ada")]))).await;
    assert!(matches!(listed, Call::ListParticipants { .. }));
    let guest = stage.join(vec![publisher("ada")]).await;
    let permission = &guest.join.grant.permission;
    assert!(permission.hidden && !permission.can_publish && !permission.can_publish_data);
    let call = stage.call(|_| Ok(Answer::Done)).await;
    let Call::UpdateSubscriptions { identity, tracks: wanted, subscribed: true, .. } = call else {
        panic!("{call:?}")
    };
    assert_eq!((identity, wanted), (Identity::from("eve"), tracks(&["ada-cam", "ada-mic"])));
    let Message::Offer { request, sending, .. } = stage.message(&guest).await else { panic!() };
    assert!(sending.is_empty());
    guest.answer(request).await;
    assert_eq!(posted.await.unwrap().status(), 201);

    // Ada goes, bob comes: his tracks take over the sections.
    let mut gone = publisher("ada");
    gone.state = ParticipantState::Disconnected;
    guest.tell(SessionEvent::Participants(vec![gone, publisher("bob")])).await;
    let call = stage.call(|_| Ok(Answer::Done)).await;
    let Call::UpdateSubscriptions { tracks: wanted, subscribed: true, .. } = call else {
        panic!("{call:?}")
    };
    assert_eq!(wanted, tracks(&["bob-cam", "bob-mic"]));
    guest.tell(SessionEvent::SectionsNeeded { audio: 0, video: 0 }).await;
    let Message::Offer { request: again, sdp, .. } = stage.message(&guest).await else { panic!() };
    assert_eq!((again, sdp), (request + 1, receiving()));
    guest.answer(again).await;

    // Sections that are still taken come free soon: the offer is made again.
    guest.tell(SessionEvent::SectionsNeeded { audio: 1, video: 1 }).await;
    let Message::Offer { request: later, .. } = stage.message(&guest).await else { panic!() };
    assert_eq!(later, request + 2);
}

#[tokio::test]
async fn a_room_with_nothing_to_watch_asks_to_come_again_and_is_not_opened() {
    let mut stage = Stage::new().await;
    let eve = testing::joiner("eve", "a");
    let missing = || Refusal {
        code: ErrorCode::RoomNotFound,
        message: "no such room".to_owned(),
        retry: Retry::Never,
    };
    let silent = participant("ada", &[]);
    let table = [
        ("/whep/a", Err(missing())),
        ("/whep/a", Ok(Answer::Participants(vec![silent]))),
        ("/whep/a?participant=bob", Ok(Answer::Participants(vec![publisher("ada")]))),
    ];
    for (path, answer) in table {
        let posted = stage.post(path, &eve, &receiving());
        stage.call(|_| answer).await;
        let response = posted.await.unwrap();
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(problem(response).await, (409, "NothingPublished".to_owned()));
    }
    assert!(stage.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_draining_node_takes_no_sessions() {
    let served = testing::serve(testing::config()).await;
    served.gateway.begin_drain();
    let (url, requests) = (served.url, served.requests);
    let stage = Stage { url, client: Client::new(), requests };
    let response = stage.post("/whip/a", &testing::joiner("ada", "a"), SENDING).await.unwrap();
    assert_eq!(problem(response).await, (503, "NodeDraining".to_owned()));
}

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use livekit_protocol as pb;
use proto::{id::RoomName, media::Source};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    time::Instant,
};

use super::{
    QUEUE_MAX, WebhookCounts, WebhookError, WebhookKind, Webhooks,
    queue::{Item, Push, Queues},
};
use crate::{
    config::Webhook,
    testing::{self, KEY, NOW_S},
};

const PATIENCE: Duration = Duration::from_secs(10);

type Received = (HeaderMap, Bytes);

/// A back end: tells what it received, answers as it is told to, and may be held up.
#[derive(Clone)]
struct Receiver {
    out: mpsc::Sender<Received>,
    answers: Arc<Mutex<Vec<StatusCode>>>,
    gate: Arc<Semaphore>,
}

struct BackEnd {
    url: String,
    received: mpsc::Receiver<Received>,
    gate: Arc<Semaphore>,
}

impl BackEnd {
    /// Answers with `answers`, last first, and then with 200.
    async fn new(answers: &[StatusCode]) -> Self {
        let (out, received) = mpsc::channel(1000);
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let answers = Arc::new(Mutex::new(answers.to_vec()));
        let state = Receiver { out, answers, gate: Arc::clone(&gate) };
        let router = Router::new().route("/hook", post(receive)).with_state(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, received, gate }
    }

    fn hold(&self) {
        let permits = self.gate.available_permits();
        self.gate.forget_permits(permits);
    }

    async fn next(&mut self) -> (HeaderMap, Bytes, pb::WebhookEvent) {
        let received = tokio::time::timeout(PATIENCE, self.received.recv());
        let (headers, body) = received.await.expect("an event in time").unwrap();
        let event = serde_json::from_slice(&body).unwrap();
        (headers, body, event)
    }
}

async fn receive(State(state): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    state.out.send((headers, body)).await.unwrap();
    state.gate.acquire().await.unwrap().forget();
    state.answers.lock().unwrap().pop().unwrap_or(StatusCode::OK)
}

fn webhooks(urls: &[&str]) -> Webhooks {
    let urls = urls.iter().map(|url| (*url).to_owned()).collect();
    let config = Webhook { urls, api_key: KEY.to_owned() };
    Webhooks::new(config, testing::keys(), testing::clock()).unwrap()
}

#[tokio::test]
async fn an_event_is_signed_over_its_body_as_receivers_check_it() {
    let mut back_end = BackEnd::new(&[]).await;
    let webhooks = webhooks(&[&back_end.url]);
    let mut ada = testing::participant("ada", &[("TR_VC1", Source::Camera)]);
    ada.client.capabilities = vec![4711];
    let camera = testing::publication("TR_VC1", Source::Camera);
    let room = testing::room("a");
    webhooks.notify(WebhookKind::TrackPublished, &room, Some(&ada), Some(&camera));
    let (headers, body, event) = back_end.next().await;

    assert_eq!(headers["content-type"], "application/webhook+json");
    assert!(headers["user-agent"].to_str().unwrap().starts_with("stoa/"));
    let token = headers["authorization"].to_str().unwrap();
    let claims = testing::keys().verify(token, NOW_S).unwrap();
    assert_eq!((claims.key.as_str(), claims.expires_at_s), (KEY, NOW_S + 300));
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    assert_eq!(claims.sha256, Some(STANDARD.encode(hash)));

    assert_eq!(event.event, "track_published");
    assert!(event.id.starts_with("EV_"));
    assert_eq!(event.created_at, i64::try_from(NOW_S).unwrap());
    assert_eq!(event.room.unwrap().name, "a");
    assert_eq!(event.participant.unwrap().identity, "ada");
    assert_eq!(event.track.unwrap().sid, "TR_VC1");
}

#[tokio::test]
async fn an_event_is_sent_again_until_the_receiver_recovers_and_order_is_kept() {
    let broken = StatusCode::SERVICE_UNAVAILABLE;
    let mut back_end = BackEnd::new(&[broken, broken]).await;
    let webhooks = webhooks(&[&back_end.url]);
    let room = testing::room("a");
    let order = [
        WebhookKind::RoomStarted,
        WebhookKind::ParticipantJoined,
        WebhookKind::ParticipantLeft,
        WebhookKind::RoomFinished,
    ];
    for kind in order {
        webhooks.notify(kind, &room, None, None);
    }
    let mut seen = Vec::new();
    for _ in 0..order.len() + 2 {
        seen.push(back_end.next().await.2);
    }
    let names: Vec<_> = seen.iter().map(|event| event.event.as_str()).collect();
    let expected: Vec<_> = order.iter().map(|kind| kind.event()).collect();
    assert_eq!(names[..3], ["room_started"; 3], "two attempts failed");
    assert_eq!(names[2..], expected);
    assert_eq!(seen[0].id, seen[2].id, "a repetition can be recognised");
    webhooks.drain(PATIENCE).await;
    assert_eq!(webhooks.counts(), WebhookCounts { sent: 4, refused: 0, dropped: 0 });
}

#[tokio::test]
async fn what_the_receiver_refuses_is_not_sent_again_and_told_in_the_next() {
    let mut back_end = BackEnd::new(&[StatusCode::FORBIDDEN]).await;
    let webhooks = webhooks(&[&back_end.url]);
    webhooks.notify(WebhookKind::RoomStarted, &testing::room("a"), None, None);
    webhooks.notify(WebhookKind::RoomFinished, &testing::room("a"), None, None);
    assert_eq!(back_end.next().await.2.event, "room_started");
    let (_, _, second) = back_end.next().await;
    assert_eq!(second.event, "room_finished");
    #[expect(deprecated, reason = "receivers still read it")]
    let dropped = second.num_dropped;
    assert_eq!(dropped, 1);
    webhooks.drain(PATIENCE).await;
    assert_eq!(webhooks.counts(), WebhookCounts { sent: 1, refused: 1, dropped: 0 });
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_neither_other_receivers_nor_other_rooms() {
    let mut slow = BackEnd::new(&[]).await;
    let mut good = BackEnd::new(&[]).await;
    slow.hold();
    let webhooks = webhooks(&[&slow.url, &good.url]);
    for room in ["a", "b"] {
        webhooks.notify(WebhookKind::RoomStarted, &testing::room(room), None, None);
        webhooks.notify(WebhookKind::RoomFinished, &testing::room(room), None, None);
    }
    for _ in 0..4 {
        good.next().await;
    }
    let mut rooms = [slow.next().await.2, slow.next().await.2].map(|e| e.room.unwrap().name);
    rooms.sort();
    assert_eq!(rooms, ["a", "b"]);
    webhooks.drain(Duration::ZERO).await;
    let counts = webhooks.counts();
    assert_eq!((counts.sent, counts.dropped), (4, 4), "the slow one's are given up at the end");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_delivered_grows_too_old() {
    // Nothing listens there: the port was given back.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let webhooks = webhooks(&[&url]);
    let began = Instant::now();
    webhooks.notify(WebhookKind::RoomStarted, &testing::room("a"), None, None);
    webhooks.drain(Duration::from_secs(3600)).await;
    assert_eq!(webhooks.counts(), WebhookCounts { sent: 0, refused: 0, dropped: 1 });
    assert!(began.elapsed() >= super::AGE_MAX, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    let queues = Queues::default();
    let room = RoomName::from("a");
    let item = || Item::new(Arc::new(pb::WebhookEvent::default()));
    assert_eq!(queues.push(0, &room, item()), Push::First);
    assert!((1..QUEUE_MAX).all(|_| queues.push(0, &room, item()) == Push::Waiting));
    assert_eq!(queues.push(0, &room, item()), Push::Full);
    assert_eq!(queues.push(0, &room, item()), Push::Full);
    assert_eq!(queues.push(1, &room, item()), Push::First, "addresses are apart");
    assert!(queues.pop(0, &room).is_some());
    assert_eq!(queues.push(0, &room, item()), Push::Waiting);
    let last = std::iter::from_fn(|| queues.pop(0, &room)).last().unwrap();
    assert_eq!(last.dropped_before, 2);
    assert_eq!(queues.push(0, &room, item()), Push::First, "an empty queue is gone");
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused() {
    let new = |url: &str, api_key: &str| {
        let config = Webhook { urls: vec![url.to_owned()], api_key: api_key.to_owned() };
        Webhooks::new(config, testing::keys(), testing::clock()).map(drop)
    };
    assert!(matches!(new("http://a/", "stranger"), Err(WebhookError::UnknownKey)));
    for url in ["", "a", "ftp://a/", "file:///etc/passwd", "https://"] {
        assert!(matches!(new(url, KEY), Err(WebhookError::Address { index: 0 })), "{url}");
    }
    assert!(new("https://a.example/hook", KEY).is_ok());
    assert!(Webhooks::new(Webhook::default(), testing::keys(), testing::clock()).is_ok());
}

//! The other end of the node's queue: it answers what a test tells it to.

use std::time::Duration;

use gateway::{
    Clock, Config, Gateway,
    auth::{Keys, Token},
    node::{Answer, Call, Join, Joined, Message, Refusal, Request, SessionEvent},
};
use proto::{
    id::ParticipantSid,
    room::{Participant, Room, RoomSettings},
    time::LogTime,
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

pub(crate) const NOW_S: u64 = 1_800_000_000;
/// Everything expected happens within this; it is long because machines that run tests are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Node {
    pub(crate) address: String,
    pub(crate) gateway: Gateway,
    requests: mpsc::Receiver<Request>,
    joined: u32,
}

pub(crate) struct Peer {
    pub(crate) sid: ParticipantSid,
    pub(crate) join: Box<Join>,
}

impl Peer {
    pub(crate) async fn tell(&self, event: SessionEvent) {
        self.join.events.send(event).await.unwrap();
    }
}

pub(crate) fn config() -> Config {
    Config { keys: keys(), dev: true, ..Config::default() }
}

pub(crate) fn keys() -> Keys {
    [("devkey", "secret")].into_iter().collect()
}

pub(crate) fn token(identity: &str) -> String {
    keys().sign(None, &Token::join(identity, "standup", NOW_S + 600)).unwrap()
}

impl Node {
    pub(crate) async fn start(config: Config) -> Self {
        let (requests_in, requests) = mpsc::channel(64);
        let gateway = Gateway::new(config, requests_in, Clock::new(|| LogTime(NOW_S * 1000)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = gateway.clone();
        tokio::spawn(async move {
            served.serve(listener, axum::Router::new(), std::future::pending()).await.unwrap();
        });
        Self { address, gateway, requests, joined: 0 }
    }

    pub(crate) async fn next(&mut self) -> Request {
        timeout(PATIENCE, self.requests.recv()).await.expect("no request came").unwrap()
    }

    /// Lets the next one in who asks.
    pub(crate) async fn admit(&mut self) -> Peer {
        let Request::Join { join, reply } = self.next().await else { panic!("not a join") };
        self.joined += 1;
        let sid = ParticipantSid::from(format!("PA_{}", self.joined));
        let participant = participant(&sid, &join);
        let room = room(&join);
        reply.send(Ok(Joined { participant, room, others: Vec::new() })).unwrap();
        Peer { sid, join }
    }

    pub(crate) async fn refuse(&mut self, refusal: Refusal) {
        let Request::Join { reply, .. } = self.next().await else { panic!("not a join") };
        let _ = reply.send(Err(refusal));
    }

    /// The next message of a session.
    pub(crate) async fn message(&mut self) -> (ParticipantSid, Message) {
        match self.next().await {
            Request::Session { session, message } => (session, message),
            other => panic!("not a session message: {other:?}"),
        }
    }

    /// A peer and its room, as the node sees them.
    pub(crate) fn describe(&self, peer: &Peer) -> (Room, Participant) {
        (room(&peer.join), participant(&peer.sid, &peer.join))
    }

    /// Answers the two questions of a session that comes back.
    pub(crate) async fn resync(&mut self, peer: &Peer) {
        for _ in 0..2 {
            let Request::Api { call, reply } = self.next().await else { panic!("not a call") };
            let answer = match call {
                Call::ListRooms { .. } => Answer::Rooms(vec![room(&peer.join)]),
                Call::ListParticipants { .. } => {
                    Answer::Participants(vec![participant(&peer.sid, &peer.join)])
                }
                other => panic!("{other:?}"),
            };
            reply.send(Ok(answer)).unwrap();
        }
    }
}

fn participant(sid: &ParticipantSid, join: &Join) -> Participant {
    Participant {
        name: join.grant.name.clone(),
        metadata: join.grant.metadata.clone(),
        attributes: join.grant.attributes.clone(),
        kind: join.grant.kind,
        permission: join.grant.permission.clone(),
        joined_at: LogTime(NOW_S * 1000),
        version: 1,
        auto_subscribe: join.auto_subscribe,
        client: proto::room::model::ClientTraits {
            protocol: join.client_protocol,
            capabilities: join.capabilities.clone(),
        },
        ..Participant::new(sid.clone(), join.identity.clone())
    }
}

fn room(join: &Join) -> Room {
    Room {
        sid: "RM_1".into(),
        name: join.room.clone(),
        settings: RoomSettings::default(),
        created_at: LogTime(NOW_S * 1000),
        participants: 1,
        publishers: 0,
        recording: false,
    }
}

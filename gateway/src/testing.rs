//! What tests of the doors share: a gateway on a loopback port, tokens, and the other end of the node's queue.

use std::sync::{Arc, Mutex};

use proto::{
    id::{Identity, ParticipantSid, RoomName, RoomSid, TrackSid},
    media::{Codec, MediaKind, Source},
    room::{Participant, ParticipantState, Publication, Room, RoomSettings},
    time::LogTime,
};
use tokio::{net::TcpListener, sync::mpsc};

use crate::{
    Clock, Config, Gateway,
    auth::{Keys, Token, VideoGrant},
    node::{Answer, Call, Refusal, Request},
};

pub(crate) const KEY: &str = "devkey";
pub(crate) const SECRET: &str = "a secret of more than thirty-two bytes";
/// The time tests begin at.
pub(crate) const NOW_S: u64 = 1_800_000_000;

pub(crate) fn keys() -> Keys {
    [(KEY, SECRET)].into_iter().collect()
}

pub(crate) fn config() -> Config {
    Config { keys: keys(), ..Config::default() }
}

pub(crate) fn clock() -> Clock {
    Clock::new(|| LogTime(NOW_S * 1000))
}

/// A served gateway: its address, and what it asks of the node.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) gateway: Gateway,
    pub(crate) requests: mpsc::Receiver<Request>,
}

/// Serves all doors on a loopback port for as long as the test's runtime lives.
pub(crate) async fn serve(config: Config) -> Served {
    serve_at(config, clock()).await
}

pub(crate) async fn serve_at(config: Config, clock: Clock) -> Served {
    let (requests_in, requests) = mpsc::channel(64);
    let gateway = Gateway::new(config, requests_in, clock);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = gateway.clone();
    tokio::spawn(async move {
        served.serve(listener, axum::Router::new(), std::future::pending()).await.unwrap();
    });
    Served { url, gateway, requests }
}

/// The calls a node was asked for, in order.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Answers calls as `answer` says and keeps their text.
pub(crate) fn answer_calls(
    mut requests: mpsc::Receiver<Request>,
    answer: impl Fn(&Call) -> Result<Answer, Refusal> + Send + 'static,
) -> Calls {
    let calls = Calls::default();
    let seen = calls.clone();
    tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            let Request::Api { call, reply } = request else { panic!("{request:?}") };
            seen.0.lock().unwrap().push(format!("{call:?}"));
            let _ = reply.send(answer(&call));
        }
    });
    calls
}

/// A signed token with the given rights, valid at [`NOW_S`] for ten minutes.
pub(crate) fn token(identity: &str, video: VideoGrant) -> String {
    let token = Token {
        sub: identity.to_owned(),
        exp: Some(NOW_S + 600),
        video: Some(video),
        ..Token::default()
    };
    keys().sign(Some(KEY), &token).unwrap()
}

/// May join a room.
pub(crate) fn joiner(identity: &str, room: &str) -> String {
    let room = Some(room.to_owned());
    token(identity, VideoGrant { room_join: Some(true), room, ..VideoGrant::default() })
}

/// May do everything the server API offers, in `room`.
pub(crate) fn administrator(room: &str) -> String {
    let yes = Some(true);
    let video = VideoGrant {
        room_create: yes,
        room_list: yes,
        room_admin: yes,
        room: Some(room.to_owned()),
        destination_room: Some("elsewhere".to_owned()),
        ..VideoGrant::default()
    };
    token("", video)
}

pub(crate) fn room(name: &str) -> Room {
    Room {
        sid: RoomSid::from("RM_1"),
        name: RoomName::from(name),
        settings: RoomSettings::default(),
        created_at: LogTime(NOW_S * 1000),
        participants: 1,
        publishers: 1,
        recording: false,
    }
}

pub(crate) fn participant(identity: &str, tracks: &[(&str, Source)]) -> Participant {
    Participant {
        name: identity.to_uppercase(),
        state: ParticipantState::Active,
        joined_at: LogTime(NOW_S * 1000),
        version: 1,
        client: proto::room::model::ClientTraits { protocol: 2, capabilities: Vec::new() },
        publications: tracks
            .iter()
            .map(|(sid, source)| (TrackSid::from(*sid), publication(sid, *source)))
            .collect(),
        ..Participant::new(ParticipantSid::from(format!("PA_{identity}")), Identity::from(identity))
    }
}

pub(crate) fn publication(sid: &str, source: Source) -> Publication {
    let sound = matches!(source, Source::Microphone | Source::ScreenShareAudio);
    Publication {
        codec: Some(if sound { Codec::Opus } else { Codec::Vp8 }),
        ..Publication::new(
            TrackSid::from(sid),
            if sound { MediaKind::Audio } else { MediaKind::Video },
            source,
        )
    }
}

use std::{io::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use futures_util::SinkExt as _;
use gateway::{
    Config,
    limit::Limits,
    node::{Leave, Message, Moved, SessionEvent},
};
use livekit_protocol as pb;
use pb::{signal_request::Message as Signal, signal_response::Message as Response};
use prost::Message as _;
use proto::room::LeaveReason;
use tokio_tungstenite::tungstenite;

use crate::{
    client::Client,
    node::{Node, Peer, config, token},
};

async fn joined(node: &mut Node, identity: &str) -> (Client, Peer) {
    let path = format!("/rtc?access_token={}&protocol=17", token(identity));
    let address = node.address.clone();
    let (client, peer) = tokio::join!(Client::connect(&address, &path), node.admit());
    let mut client = client.unwrap();
    assert!(matches!(client.next().await, Some(Response::Join(_))), "join comes first");
    (client, peer)
}

async fn back(node: &Node, identity: &str, sid: &str) -> Client {
    let token = token(identity);
    let path = format!("/rtc?access_token={token}&protocol=17&reconnect=1&sid={sid}");
    Client::connect(&node.address, &path).await.unwrap()
}

fn leave(response: Option<Response>) -> (i32, i32) {
    let Some(Response::Leave(leave)) = response else { panic!("{response:?}") };
    (leave.reason, leave.action)
}

#[tokio::test]
async fn a_participant_joins_gets_a_fresh_token_and_its_pings_answered() {
    let mut node = Node::start(config()).await;
    let path = format!("//rtc?access_token={}&protocol=17&auto_subscribe=0", token("ada"));
    let address = node.address.clone();
    let (client, peer) = tokio::join!(Client::connect(&address, &path), node.admit());
    let mut client = client.unwrap();
    let Some(Response::Join(join)) = client.next().await else { panic!() };
    assert_eq!(join.participant.unwrap().identity, "ada");
    assert_eq!(join.server_info.unwrap().protocol, 17);
    assert!(
        join.subscriber_primary && join.fast_publish && !join.enabled_publish_codecs.is_empty()
    );
    assert!(!peer.join.auto_subscribe && !peer.join.single_pc);
    let Some(Response::RefreshToken(fresh)) = client.next().await else { panic!() };
    assert!(crate::node::keys().verify(&fresh, crate::node::NOW_S).is_ok());
    client.send(Signal::PingReq(pb::Ping { timestamp: 7, rtt: 1 })).await;
    let Some(Response::PongResp(pong)) = client.next().await else { panic!() };
    assert_eq!(pong.last_ping_timestamp, 7);
}

#[tokio::test]
async fn a_join_request_brings_tracks_and_offer_and_join_is_still_first() {
    let mut node = Node::start(config()).await;
    let request = pb::JoinRequest {
        client_info: Some(pb::ClientInfo { protocol: 17, ..Default::default() }),
        connection_settings: Some(pb::ConnectionSettings {
            auto_subscribe: true,
            ..Default::default()
        }),
        add_track_requests: vec![pb::AddTrackRequest { cid: "mic".into(), ..Default::default() }],
        publisher_offer: Some(pb::SessionDescription {
            id: 1,
            sdp: "v=0\r\n".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&request.encode_to_vec()).unwrap();
    let wrapped = pb::WrappedJoinRequest { compression: 1, join_request: gzip.finish().unwrap() };
    let text = URL_SAFE.encode(wrapped.encode_to_vec());
    let path =
        format!("/rtc/v1?access_token={}&join_request={}", token("ada"), text.replace('=', "%3D"));
    let address = node.address.clone();
    let (client, peer) = tokio::join!(Client::connect(&address, &path), node.admit());
    let mut client = client.unwrap();
    assert!(peer.join.single_pc && peer.join.auto_subscribe);
    assert!(matches!(client.next().await, Some(Response::Join(join)) if !join.subscriber_primary));
    assert!(matches!(node.message().await.1, Message::Publish(intent) if intent.cid == "mic"));
    assert!(matches!(node.message().await.1, Message::Offer { request: 1, .. }));
    let answer = SessionEvent::Answer { request: 1, sdp: "v=0\r\n".into(), sections: Vec::new() };
    peer.tell(answer).await;
    assert!(matches!(client.news().await, Some(Response::Answer(answer)) if answer.id == 1));
}

#[tokio::test]
async fn a_good_bye_ends_the_session_at_once() {
    let mut node = Node::start(config()).await;
    let (mut client, peer) = joined(&mut node, "ada").await;
    client.send(Signal::Leave(pb::LeaveRequest::default())).await;
    let (sid, message) = node.message().await;
    assert_eq!(sid, peer.sid);
    assert!(matches!(message, Message::Leave { reason: LeaveReason::ClientInitiated }));
    assert!(client.news().await.is_none(), "the socket is closed");
}

#[tokio::test]
async fn a_client_that_lost_its_socket_finds_its_session_again() {
    let mut node = Node::start(config()).await;
    let (client, peer) = joined(&mut node, "ada").await;
    drop(client);
    let mut client = back(&node, "ada", peer.sid.as_str()).await;
    node.resync(&peer).await;
    assert!(matches!(client.next().await, Some(Response::Reconnect(_))), "reconnect comes first");
    assert!(matches!(client.news().await, Some(Response::Update(u)) if u.participants.len() == 1));
    assert!(matches!(client.news().await, Some(Response::RoomUpdate(_))));
    assert!(matches!(node.message().await.1, Message::Resumed));
}

#[tokio::test]
async fn a_newer_socket_replaces_one_that_only_its_client_knows_to_be_dead() {
    let mut node = Node::start(config()).await;
    let (mut old, peer) = joined(&mut node, "ada").await;
    let mut new = back(&node, "ada", peer.sid.as_str()).await;
    node.resync(&peer).await;
    assert!(matches!(new.next().await, Some(Response::Reconnect(_))));
    assert!(old.news().await.is_none());
}

#[tokio::test]
async fn nobody_takes_over_the_session_of_another_identity() {
    let mut node = Node::start(config()).await;
    let (_client, peer) = joined(&mut node, "ada").await;
    let mut thief = back(&node, "mallory", peer.sid.as_str()).await;
    let mismatch = pb::DisconnectReason::StateMismatch.into();
    assert_eq!(leave(thief.next().await), (mismatch, 2));
    assert!(thief.next().await.is_none());
}

#[tokio::test]
async fn an_unknown_session_is_told_to_join_anew() {
    let node = Node::start(config()).await;
    let mut client = back(&node, "ada", "PA_unknown").await;
    assert_eq!(leave(client.next().await), (pb::DisconnectReason::StateMismatch.into(), 2));
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn a_client_that_does_not_come_back_in_time_is_signed_off() {
    let config = Config { resume_after_max: Duration::from_millis(50), ..config() };
    let mut node = Node::start(config).await;
    let (client, _peer) = joined(&mut node, "ada").await;
    drop(client);
    let (_, message) = node.message().await;
    assert!(matches!(message, Message::Leave { reason: LeaveReason::SignalLost }), "{message:?}");
}

#[tokio::test]
async fn a_client_that_never_says_anything_is_signed_off() {
    let limits = Limits { idle_after_max: Duration::from_millis(50), ..Limits::default() };
    let config = Config { resume_after_max: Duration::from_millis(50), limits, ..config() };
    let mut node = Node::start(config).await;
    let (_client, _peer) = joined(&mut node, "ada").await;
    assert!(matches!(node.message().await.1, Message::Leave { reason: LeaveReason::SignalLost }));
}

#[tokio::test]
async fn the_nodes_good_bye_reaches_the_client_with_its_reason() {
    let mut node = Node::start(config()).await;
    let (mut client, peer) = joined(&mut node, "ada").await;
    let reason = LeaveReason::DuplicateIdentity;
    peer.tell(SessionEvent::Leave(Leave { reason, rejoin: false })).await;
    let duplicate = pb::DisconnectReason::DuplicateIdentity.into();
    assert_eq!(leave(client.news().await), (duplicate, 0));
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn garbage_is_survived_and_much_of_it_costs_only_the_socket() {
    let mut node = Node::start(config()).await;
    let (mut client, peer) = joined(&mut node, "ada").await;
    client.0.send(tungstenite::Message::binary(vec![0xFF; 64])).await.unwrap();
    client.send(Signal::Ping(1)).await;
    assert!(matches!(client.news().await, Some(Response::Pong(_))), "one bad frame is ignored");
    for _ in 0..10 {
        client.0.send(tungstenite::Message::binary(vec![0xFF; 64])).await.unwrap();
    }
    assert!(client.news().await.is_none());
    let mut client = back(&node, "ada", peer.sid.as_str()).await;
    node.resync(&peer).await;
    assert!(matches!(client.next().await, Some(Response::Reconnect(_))));
}

#[tokio::test]
async fn a_frame_beyond_the_limit_costs_only_the_socket() {
    let limits = Limits { frame_bytes_max: 1024, ..Limits::default() };
    let mut node = Node::start(Config { limits, ..config() }).await;
    let (mut client, peer) = joined(&mut node, "ada").await;
    client.0.send(tungstenite::Message::binary(vec![0; 4096])).await.unwrap();
    assert!(client.news().await.is_none());
    let mut client = back(&node, "ada", peer.sid.as_str()).await;
    node.resync(&peer).await;
    assert!(matches!(client.next().await, Some(Response::Reconnect(_))));
}

#[tokio::test]
async fn text_frames_are_not_spoken() {
    let mut node = Node::start(config()).await;
    let (mut client, _peer) = joined(&mut node, "ada").await;
    client.0.send(tungstenite::Message::text("{\"ping\":1}")).await.unwrap();
    assert!(client.news().await.is_none());
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_socket_and_nothing_else() {
    let limits = Limits { outbox_messages_max: 4, ..Limits::default() };
    let mut node = Node::start(Config { limits, ..config() }).await;
    let (client, peer) = joined(&mut node, "ada").await;
    let sdp = "x".repeat(1024 * 1024);
    for _ in 0..64 {
        let (sdp, sections) = (sdp.clone(), Vec::new());
        peer.tell(SessionEvent::Offer { sdp, sections }).await;
    }
    let mut new = back(&node, "ada", peer.sid.as_str()).await;
    node.resync(&peer).await;
    assert!(matches!(new.next().await, Some(Response::Reconnect(_))));
    drop(client);
}

#[tokio::test]
async fn messages_larger_than_the_outbox_still_go_out_one_by_one() {
    let limits = Limits { outbox_bytes_max: 1024, ..Limits::default() };
    let mut node = Node::start(Config { limits, ..config() }).await;
    let (mut client, peer) = joined(&mut node, "ada").await;
    for id in 1..4 {
        let (sdp, sections) = ("x".repeat(100_000), Vec::new());
        peer.tell(SessionEvent::Offer { sdp, sections }).await;
        assert!(matches!(client.news().await, Some(Response::Offer(offer)) if offer.id == id));
    }
}

#[tokio::test]
async fn who_was_moved_comes_back_under_its_new_name() {
    let mut node = Node::start(config()).await;
    let (mut client, peer) = joined(&mut node, "ada").await;
    let (room, mut participant) = node.describe(&peer);
    participant.sid = "PA_moved".into();
    let moved = Moved { room, participant, others: Vec::new() };
    peer.tell(SessionEvent::Moved(Box::new(moved))).await;
    let Some(Response::RoomMoved(moved)) = client.news().await else { panic!() };
    assert!(crate::node::keys().verify(&moved.token, crate::node::NOW_S).is_ok());
    drop(client);
    let mut client = back(&node, "ada", "PA_moved").await;
    node.resync(&peer).await;
    assert!(matches!(client.next().await, Some(Response::Reconnect(_))));
    let (sid, message) = node.message().await;
    assert_eq!(sid.as_str(), "PA_moved");
    assert!(matches!(message, Message::Resumed));
    let mut stale = back(&node, "ada", peer.sid.as_str()).await;
    assert_eq!(leave(stale.next().await).0, i32::from(pb::DisconnectReason::StateMismatch));
}

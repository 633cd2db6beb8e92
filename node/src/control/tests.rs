//! The control loop with real shards on loopback, driven through its queue as the doors drive it.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use cluster::link::Peers;
use gateway::{
    Clock,
    auth::Keys,
    node::{
        Answer, Call, Join, Joined, Leave, Message, PublishIntent, Refusal, Request, SessionEvent,
    },
    webhook::Webhooks,
};
use proto::{
    error::ErrorCode,
    grant::{Grant, Permission},
    id::{NodeId, ParticipantSid, RoomName, ShardId},
    media::{Codec, Delivery, MediaKind, Source},
    room::{
        Command, LeaveReason, Participant, ParticipantState, Publication, RoomSettings,
        command::Action,
    },
    time::LogTime,
};
use sfu_shard::api::ShardConfig;
use tokio::sync::{mpsc, oneshot, watch};

use super::{Across, Census, Control, Parts, across::Data};
use crate::replica::{Local, Replica as _, Ticket};

/// A test that waits longer than this has failed; nothing here takes a tenth of it.
const WITHIN: Duration = Duration::from_secs(20);

struct House {
    requests: mpsc::Sender<Request>,
    /// Who is linked to this node.
    peers: watch::Sender<Peers>,
    /// Frames from other nodes, and to them.
    frames: mpsc::Sender<(NodeId, Bytes)>,
    relayed: mpsc::Receiver<(NodeId, Bytes)>,
    stop: watch::Sender<bool>,
    shards: Vec<sfu_shard::ShardHandle>,
    threads: Option<sfu_shard::Threads>,
}

impl Drop for House {
    fn drop(&mut self) {
        for shard in &self.shards {
            let _ = shard.send(sfu_shard::api::Command::Stop);
        }
        if let Some(threads) = self.threads.take() {
            threads.join();
        }
    }
}

struct Guest {
    sid: ParticipantSid,
    joined: Joined,
    events: mpsc::Receiver<SessionEvent>,
}

fn house() -> House {
    house_with(Local::default())
}

fn house_with(replica: Local) -> House {
    let config = |shard: u8| ShardConfig {
        shard: ShardId(shard),
        shards: 2,
        udp: ([127, 0, 0, 1], 0).into(),
        announce: Vec::new(),
        announce_tcp: Vec::new(),
        bwe_start: None,
    };
    let shards = sfu_shard::start(vec![config(0), config(1)], None).unwrap();
    let handles = shards.handles.clone();
    let (requests_out, requests) = mpsc::channel(64);
    let (stop, stopped) = watch::channel(false);
    let (census, _) = watch::channel(Census::default());
    let (peers, seen) = watch::channel(Peers::new());
    let (out, relayed) = mpsc::channel(64);
    let (frames, incoming) = mpsc::channel(64);
    let clock = Clock::system();
    let webhooks = Webhooks::new(gateway::Webhook::default(), Keys::default(), clock).unwrap();
    tokio::spawn(Control::run(Parts {
        replica,
        shards: shards.handles,
        shard_events: shards.events,
        requests,
        webhooks,
        room_settings: RoomSettings::default(),
        auto_create: true,
        census,
        across: Across { peers: seen, out, incoming },
        stop: stopped,
    }));
    let (requests, threads) = (requests_out, Some(shards.threads));
    House { requests, peers, frames, relayed, stop, shards: handles, threads }
}

impl House {
    async fn try_join(&self, identity: &str, permission: Permission) -> Result<Guest, Refusal> {
        let (events_out, events) = mpsc::channel(64);
        let join = Join {
            room: "standup".into(),
            identity: identity.into(),
            grant: Grant { room_join: true, permission, ..Grant::default() },
            single_pc: true,
            auto_subscribe: true,
            client_protocol: 0,
            capabilities: Vec::new(),
            codecs: vec![Codec::Opus, Codec::Vp8],
            create: None,
            events: events_out,
        };
        let (reply, answer) = oneshot::channel();
        let request = Request::Join { join: Box::new(join), reply };
        self.requests.send(request).await.unwrap();
        let joined = tokio::time::timeout(WITHIN, answer).await.unwrap().unwrap()?;
        Ok(Guest { sid: joined.participant.sid.clone(), joined, events })
    }

    async fn join(&self, identity: &str) -> Guest {
        self.try_join(identity, Permission::default()).await.unwrap()
    }

    async fn say(&self, guest: &Guest, message: Message) {
        let request = Request::Session { session: guest.sid.clone(), message };
        self.requests.send(request).await.unwrap();
    }

    async fn call(&self, call: Call) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Api { call, reply }).await.unwrap();
        tokio::time::timeout(WITHIN, answer).await.unwrap().unwrap()
    }
}

impl Guest {
    /// Waits for the first event that `pick` takes.
    async fn hears<T>(&mut self, pick: impl Fn(&SessionEvent) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the session goes on");
                if let Some(found) = pick(&event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(WITHIN, found).await.expect("the event comes")
    }

    async fn leaves(&mut self) -> Leave {
        self.hears(|event| match event {
            SessionEvent::Leave(leave) => Some(leave.clone()),
            _ => None,
        })
        .await
    }
}

fn room() -> RoomName {
    "standup".into()
}

fn camera(cid: &str) -> PublishIntent {
    let publication = Publication {
        name: "cam".to_owned(),
        ..Publication::new("".into(), MediaKind::Video, Source::Camera)
    };
    PublishIntent { cid: cid.to_owned(), publication, backup_of: None }
}

#[tokio::test]
async fn a_second_participant_is_told_of_the_first_and_the_first_of_the_second() {
    let house = house();
    let mut ada = house.join("ada").await;
    let bob = house.join("bob").await;
    assert_eq!(bob.joined.others.len(), 1);
    let seen = ada
        .hears(|event| match event {
            SessionEvent::Participants(list) => list.iter().find(|p| p.sid == bob.sid).cloned(),
            _ => None,
        })
        .await;
    assert_eq!(seen.identity, "bob".into());
}

#[tokio::test]
async fn a_second_join_with_the_same_identity_replaces_the_first() {
    let house = house();
    let mut old = house.join("ada").await;
    let new = house.join("ada").await;
    let leave = old.leaves().await;
    assert_eq!(leave, Leave { reason: LeaveReason::DuplicateIdentity, rejoin: false });
    let Ok(Answer::Participants(list)) = house.call(Call::ListParticipants { room: room() }).await
    else {
        panic!("the room is there");
    };
    assert_eq!(list.iter().map(|p| &p.sid).collect::<Vec<_>>(), vec![&new.sid]);
}

#[tokio::test]
async fn a_hidden_participant_is_told_to_nobody() {
    let house = house();
    let hidden = Permission { hidden: true, ..Permission::default() };
    let ghost = house.try_join("ghost", hidden).await.unwrap();
    let mut ada = house.join("ada").await;
    assert!(ada.joined.others.is_empty());
    house.join("bob").await;
    let told = ada
        .hears(|event| match event {
            SessionEvent::Participants(list) if list.iter().any(|p| p.identity == "bob".into()) => {
                Some(list.clone())
            }
            _ => None,
        })
        .await;
    assert!(told.iter().all(|p| p.sid != ghost.sid));
}

#[tokio::test]
async fn a_track_is_announced_with_a_sid_and_refused_without_the_right() {
    let house = house();
    let mut ada = house.join("ada").await;
    house.say(&ada, Message::Publish(Box::new(camera("cid-1")))).await;
    let publication = ada
        .hears(|event| match event {
            SessionEvent::Published { cid, publication } if cid == "cid-1" => {
                Some(publication.clone())
            }
            _ => None,
        })
        .await;
    assert!(publication.sid.as_str().starts_with("TR_VC"), "{}", publication.sid);

    let mute = Permission { can_publish: false, ..Permission::default() };
    let mut bob = house.try_join("bob", mute).await.unwrap();
    house.say(&bob, Message::Publish(Box::new(camera("cid-2")))).await;
    let refusal = bob
        .hears(|event| match event {
            SessionEvent::PublishRefused { refusal, .. } => Some(refusal.clone()),
            _ => None,
        })
        .await;
    assert_eq!(refusal.code, ErrorCode::NotPermitted);
}

#[tokio::test]
async fn a_moderator_removes_a_participant_and_an_unknown_one_is_refused() {
    let house = house();
    let mut ada = house.join("ada").await;
    let remove = |who: &str| Call::RemoveParticipant { room: room(), identity: who.into() };
    house.call(remove("ada")).await.unwrap();
    assert_eq!(ada.leaves().await.reason, LeaveReason::Removed);
    assert_eq!(house.call(remove("ada")).await.unwrap_err().code, ErrorCode::ParticipantNotFound);
}

#[tokio::test]
async fn changed_rights_are_told_to_the_one_they_concern() {
    let house = house();
    let mut ada = house.join("ada").await;
    let permission = Permission { can_publish: false, ..Permission::default() };
    let update = Call::UpdateParticipant {
        room: room(),
        identity: "ada".into(),
        name: Some("Ada L.".to_owned()),
        metadata: None,
        attributes: BTreeMap::new(),
        permission: Some(permission.clone()),
    };
    let Ok(Answer::Participant(updated)) = house.call(update).await else {
        panic!("the participant is there");
    };
    assert_eq!((updated.name.as_str(), &updated.permission), ("Ada L.", &permission));
    let told = ada
        .hears(|event| match event {
            SessionEvent::Permission(participant) => Some(participant.permission.clone()),
            _ => None,
        })
        .await;
    assert_eq!(told, permission);
}

#[tokio::test]
async fn a_moved_participant_is_in_the_other_room_under_a_new_sid() {
    let house = house();
    let mut ada = house.join("ada").await;
    let to: RoomName = "lounge".into();
    let call =
        Call::MoveParticipant { room: room(), identity: "ada".into(), destination: to.clone() };
    house.call(call).await.unwrap();
    let moved = ada
        .hears(|event| match event {
            SessionEvent::Moved(moved) => Some(moved.clone()),
            _ => None,
        })
        .await;
    assert_eq!(moved.room.name, to);
    let found = house.call(Call::Participant { room: to, identity: "ada".into() }).await;
    let Ok(Answer::Participant(found)) = found else { panic!("the participant is there") };
    assert_eq!(found.sid, moved.participant.sid);
    assert_ne!(found.sid, ada.sid);
}

#[tokio::test]
async fn data_for_a_room_that_is_not_open_is_refused() {
    let house = house();
    let call = Call::SendData {
        room: "nowhere".into(),
        delivery: Delivery::Reliable,
        to: Vec::new(),
        to_sids: Vec::new(),
        payload: Bytes::new(),
    };
    assert_eq!(house.call(call).await.unwrap_err().code, ErrorCode::RoomNotFound);
}

#[tokio::test]
async fn a_stopping_node_tells_everybody_to_join_again() {
    let house = house();
    let mut ada = house.join("ada").await;
    house.stop.send_replace(true);
    assert_eq!(ada.leaves().await, Leave { reason: LeaveReason::ServerShutdown, rejoin: true });
}

#[tokio::test]
async fn a_session_that_does_not_drain_its_events_is_ended_and_others_go_on() {
    let house = house();
    let slow = house.join("slow").await;
    let mut ada = house.join("ada").await;
    for turn in 0..200 {
        let call = Call::UpdateRoomMetadata { room: room(), metadata: format!("turn {turn}") };
        house.call(call).await.unwrap();
        ada.hears(|event| matches!(event, SessionEvent::Room(_)).then_some(())).await;
    }
    let found = house.call(Call::Participant { room: room(), identity: "slow".into() }).await;
    assert_eq!(found.unwrap_err().code, ErrorCode::ParticipantNotFound);
    drop(slow);
}

/// A replica in which another node carries somebody.
fn with_somebody_elsewhere(node: NodeId) -> Local {
    let participant = Participant { node, ..Participant::new("PA_eve".into(), "eve".into()) };
    let action = Action::Join {
        room_sid: "RM_1".into(),
        create: Some(RoomSettings::default()),
        participant: Box::new(participant),
    };
    let mut replica = Local::default();
    replica.submit(LogTime(1), Ticket(u64::MAX), &Command { room: room(), action });
    replica
}

const ELSEWHERE: NodeId = NodeId(7);

#[tokio::test]
async fn data_reaches_those_whom_another_node_carries() {
    let mut house = house_with(with_somebody_elsewhere(ELSEWHERE));
    let data = |to: &str| Data {
        room: room(),
        delivery: Delivery::Reliable,
        to: vec![to.into()],
        to_sids: Vec::new(),
        payload: Bytes::from_static(b"hello"),
    };
    let send = |Data { room, delivery, to, to_sids, payload }: Data| Call::SendData {
        room,
        delivery,
        to,
        to_sids,
        payload,
    };
    house.join("ada").await;
    house.call(send(data("ada"))).await.unwrap();
    house.call(send(data("eve"))).await.unwrap();
    let relayed = tokio::time::timeout(WITHIN, house.relayed.recv()).await.unwrap().unwrap();
    let frame = postcard::from_bytes::<Data>(&relayed.1).unwrap();
    assert_eq!((relayed.0, frame), (ELSEWHERE, data("eve")));
    assert!(house.relayed.is_empty(), "what nobody there is meant to have is not sent there");
}

#[tokio::test]
async fn a_frame_that_does_not_read_does_no_harm() {
    let house = house();
    house.join("ada").await;
    house.frames.send((ELSEWHERE, Bytes::from_static(b"\xff\xff\xff\xff"))).await.unwrap();
    assert!(house.call(Call::ListParticipants { room: room() }).await.is_ok());
}

#[tokio::test]
async fn those_whom_a_lost_node_carried_leave_and_those_of_a_linked_one_stay() {
    let house = house_with(with_somebody_elsewhere(ELSEWHERE));
    house.peers.send_replace(Peers::from([(ELSEWHERE, 1)]));
    let mut ada = house.join("ada").await;
    assert_eq!(ada.joined.others.len(), 1);
    tokio::time::pause();
    house.peers.send_replace(Peers::new());
    let gone = |event: &SessionEvent| match event {
        SessionEvent::Participants(list) => list
            .iter()
            .find(|who| who.identity == "eve".into())
            .filter(|who| who.state == ParticipantState::Disconnected)
            .map(|who| who.sid.clone()),
        _ => None,
    };
    assert_eq!(ada.hears(gone).await, "PA_eve".into());
}

#[tokio::test]
async fn a_node_is_ready_when_somebody_leads() {
    let led = house();
    assert!(matches!(led.call(Call::Ready).await, Ok(Answer::Done)));
    let mut replica = Local::default();
    replica.leaderless = true;
    let leaderless = house_with(replica);
    assert_eq!(leaderless.call(Call::Ready).await.unwrap_err().code, ErrorCode::NoLeader);
}

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use tokio::time::Instant;

use super::{
    EMPTY_KEPT, Live, LiveError, MESSAGE_BYTES_MAX, RING_MAX, ROOMS_PER_SESSION_MAX, TICK_EVERY,
};
use crate::im::{
    mailbox::{Mailbox, Owner},
    wire::{
        Codec,
        pb::{self, server_frame::Body},
    },
};

fn session(id: u128) -> Arc<Mailbox> {
    let owner = Owner {
        user: format!("u{id}").parse().unwrap(),
        device: "d".parse().unwrap(),
        login: None,
        epoch: None,
    };
    Arc::new(Mailbox::new(id, owner, Codec::Protobuf))
}

fn said(text: &str, priority: pb::Priority) -> pb::LiveMessage {
    let kind = pb::content::Kind::Text(pb::Text { text: text.to_owned() });
    let content = Some(pb::Content { kind: Some(kind) });
    pb::LiveMessage { content, priority: priority.into(), ..pb::LiveMessage::default() }
}

fn told(mailbox: &Mailbox) -> Vec<pb::LiveBatch> {
    let mut batches = Vec::new();
    while let Some(frame) = mailbox.take(Instant::now()) {
        let frame = pb::ServerFrame::decode(frame.as_ref()).unwrap();
        let frames = match frame.body {
            Some(Body::Batch(batch)) => batch.frames,
            _ => vec![frame],
        };
        for frame in frames {
            let Some(Body::Live(batch)) = frame.body else { panic!("{frame:?}") };
            batches.push(batch);
        }
    }
    batches
}

#[test]
fn a_tick_tells_everybody_once_and_the_important_first() {
    let (mut live, now) = (Live::default(), Instant::now());
    let (ada, bob) = (session(1), session(2));
    live.join(now, Arc::clone(&ada), "show", 9).unwrap();
    live.join(now, Arc::clone(&bob), "show", 10).unwrap();
    live.send(now, 1, "show", said("usual", pb::Priority::Normal)).unwrap();
    let sent = live.send(now, 1, "show", said("gift", pb::Priority::High)).unwrap();
    assert_eq!((sent.offset, sent.epoch), (2, 9));
    live.like(now, 2, "show", 3);
    live.like(now, 3, "show", 3);
    live.handle_timeout(now);
    assert!(told(&bob).is_empty());
    live.handle_timeout(now + TICK_EVERY);
    for mailbox in [&ada, &bob] {
        let batches = told(mailbox);
        let offsets: Vec<_> =
            batches.iter().flat_map(|batch| &batch.messages).map(|m| m.offset).collect();
        assert_eq!(offsets, [2, 1]);
        assert_eq!((batches[0].came, batches[1].came), (2, 0));
        assert_eq!((batches[0].likes, batches[0].audience), (3, 2));
        assert_eq!(batches[0].messages[0].sender, "u1");
    }
    assert_eq!(live.poll_timeout(), None);
}

#[test]
fn those_who_come_late_are_told_the_newest() {
    let (mut live, mut now) = (Live::default(), Instant::now());
    live.join(now, session(1), "show", 1).unwrap();
    for _ in 0..RING_MAX + 1 {
        now += Duration::from_secs(1);
        live.send(now, 1, "show", said("x", pb::Priority::Normal)).unwrap();
    }
    let state = live.join(now, session(2), "show", 1).unwrap();
    assert_eq!(state.messages.len(), RING_MAX);
    assert_eq!(state.messages[0].offset, 2);
}

#[test]
fn too_much_is_refused_with_the_time_to_wait() {
    let (mut live, now) = (Live::default(), Instant::now());
    for id in 1..=20 {
        live.join(now, session(id), "show", 1).unwrap();
    }
    let mut send = |now, id, priority| live.send(now, id, "show", said("x", priority));
    for _ in 0..10 {
        send(now, 1, pb::Priority::High).unwrap();
    }
    let wait = Duration::from_millis(200);
    let refused = send(now, 1, pb::Priority::High);
    assert_eq!(refused, Err(LiveError::Throttled(wait)), "the user says too much");
    assert!(send(now + wait, 1, pb::Priority::High).is_ok());
    for id in 2..=11 {
        send(now, id, pb::Priority::Low).unwrap();
    }
    let refused = send(now, 12, pb::Priority::Low);
    assert_eq!(refused, Err(LiveError::Throttled(Duration::from_millis(100))), "the room is hot");
    assert!(send(now, 12, pb::Priority::Normal).is_ok(), "what is more important gets through");
}

#[test]
fn the_room_has_a_budget_of_bytes() {
    let (mut live, now) = (Live::default(), Instant::now());
    let large = "x".repeat(4_000);
    for id in 1..=9 {
        live.join(now, session(id), "show", 1).unwrap();
    }
    for id in 1..=8 {
        live.send(now, id, "show", said(&large, pb::Priority::High)).unwrap();
    }
    let refused = live.send(now, 9, "show", said(&large, pb::Priority::High));
    assert!(matches!(refused, Err(LiveError::Throttled(_))), "{refused:?}");
    let larger = "x".repeat(MESSAGE_BYTES_MAX);
    let refused = live.send(now, 9, "show", said(&larger, pb::Priority::High));
    assert_eq!(refused, Err(LiveError::TooLarge));
}

#[test]
fn only_who_is_in_the_room_speaks() {
    let (mut live, now) = (Live::default(), Instant::now());
    let refused = live.send(now, 1, "show", said("x", pb::Priority::High));
    assert_eq!(refused, Err(LiveError::NotJoined));
    live.join(now, session(1), "show", 1).unwrap();
    let refused = live.send(now, 2, "show", said("x", pb::Priority::High));
    assert_eq!(refused, Err(LiveError::NotJoined));
    live.leave_all(now, 1);
    let refused = live.send(now, 1, "show", said("x", pb::Priority::High));
    assert_eq!(refused, Err(LiveError::NotJoined));
}

#[test]
fn rooms_are_bounded_and_forgotten_when_they_stay_empty() {
    let (mut live, now) = (Live::default(), Instant::now());
    let ada = session(1);
    for index in 0..ROOMS_PER_SESSION_MAX {
        live.join(now, Arc::clone(&ada), &format!("r{index}"), 1).unwrap();
    }
    let refused = live.join(now, Arc::clone(&ada), "one more", 1);
    assert_eq!(refused, Err(LiveError::TooManyRooms));
    assert!(live.join(now, ada, "r0", 1).is_ok());
    live.leave_all(now, 1);
    live.handle_timeout(now + TICK_EVERY);
    assert_eq!(live.rooms.len(), ROOMS_PER_SESSION_MAX);
    live.handle_timeout(now + TICK_EVERY + EMPTY_KEPT);
    assert!(live.rooms.is_empty() && live.joined.is_empty());
    assert_eq!(live.poll_timeout(), None);
}

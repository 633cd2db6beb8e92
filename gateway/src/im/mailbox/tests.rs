use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use proto::im::id::Sequence;
use tokio::time::Instant;

use super::{Close, Mailbox, Owner, RING_FRAMES_MAX, RING_KEPT};
use crate::im::{
    outbox::{FRAMES_MAX, Item},
    wire::{
        Codec,
        pb::{self, server_frame::Body},
    },
};

fn mailbox() -> Mailbox {
    let owner = Owner {
        user: "ada".parse().unwrap(),
        device: "phone".parse().unwrap(),
        login: None,
        epoch: None,
    };
    Mailbox::new(7, owner, Codec::Protobuf)
}

fn message(seq: u64) -> Item {
    let push = pb::MessagePush {
        conversation: "g:a".to_owned(),
        message: Some(pb::Message { seq, ..pb::Message::default() }),
    };
    let frame = Codec::Protobuf.push(Body::Message(push));
    Item::Message(frame, "g:a".parse().unwrap(), Sequence(seq))
}

/// Push number and sequence of every message in a frame.
fn read(frame: &Bytes) -> Vec<(u64, u64)> {
    let frame = pb::ServerFrame::decode(frame.as_ref()).unwrap();
    let one = |frame: &pb::ServerFrame| match &frame.body {
        Some(Body::Message(push)) => (frame.push, push.message.as_ref().unwrap().seq),
        Some(Body::Hint(hint)) => (frame.push, hint.head),
        other => panic!("{other:?}"),
    };
    match &frame.body {
        Some(Body::Batch(batch)) => batch.frames.iter().map(one).collect(),
        _ => vec![one(&frame)],
    }
}

#[test]
fn what_waits_leaves_as_one_numbered_batch_and_can_be_sent_again() {
    let (mailbox, now) = (mailbox(), Instant::now());
    for seq in 11..=13 {
        mailbox.push(message(seq));
    }
    assert_eq!(read(&mailbox.take(now).unwrap()), [(1, 11), (2, 12), (3, 13)]);
    assert_eq!(mailbox.take(now), None);
    let again = |push| mailbox.missed(push).map(|all| all.iter().flat_map(read).collect());
    assert_eq!(again(0), Some(vec![(1, 11), (2, 12), (3, 13)]));
    assert_eq!(again(2), Some(vec![(3, 13)]));
    assert_eq!(again(3), Some(vec![]));
    assert_eq!(again(4), None, "more than was pushed");
    mailbox.acknowledge(2);
    assert_eq!(again(2), Some(vec![(3, 13)]));
    assert_eq!(again(1), None, "it said that it had more");
}

#[test]
fn what_is_old_or_too_much_is_not_kept() {
    let (mailbox, now) = (mailbox(), Instant::now());
    for seq in 1..=RING_FRAMES_MAX as u64 + 1 {
        mailbox.push(message(seq));
        let _ = mailbox.take(now);
    }
    assert_eq!(mailbox.missed(0), None);
    assert_eq!(mailbox.missed(1).unwrap().len(), RING_FRAMES_MAX);
    mailbox.trim(now + RING_KEPT + Duration::from_millis(1));
    assert_eq!(mailbox.missed(1), None);
    assert_eq!(mailbox.missed(RING_FRAMES_MAX as u64 + 1), Some(vec![]));
}

#[test]
fn messages_that_became_a_hint_are_told_again_as_a_hint() {
    let (mailbox, now) = (mailbox(), Instant::now());
    for seq in 1..=FRAMES_MAX as u64 + 1 {
        mailbox.push(message(seq));
    }
    assert_eq!(read(&mailbox.take(now).unwrap()), [(1, 257)]);
    assert_eq!(read(&mailbox.missed(0).unwrap()[0]), [(1, 257)]);
}

#[test]
fn a_client_that_reads_no_answers_is_closed_and_cannot_resume() {
    let mailbox = mailbox();
    for _ in 0..=FRAMES_MAX {
        mailbox.answer(1, Body::Done(pb::Done {}));
    }
    assert_eq!(mailbox.closed(), Some(Close::TooSlow));
    assert_eq!(mailbox.missed(0), None);
    mailbox.close(Close::Gone);
    assert_eq!(mailbox.closed(), Some(Close::TooSlow), "the first reason stands");
    mailbox.reopen();
    assert_eq!(mailbox.closed(), Some(Close::TooSlow));
}

#[test]
fn a_lost_socket_can_be_taken_over() {
    let mailbox = mailbox();
    mailbox.close(Close::Idle);
    mailbox.push(message(1));
    mailbox.reopen();
    assert_eq!(mailbox.closed(), None);
    assert_eq!(read(&mailbox.take(Instant::now()).unwrap()), [(1, 1)]);
}

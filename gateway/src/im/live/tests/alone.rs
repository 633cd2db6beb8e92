//! One node.

use std::time::Duration;

use proto::{im::Restraint, time::LogTime};

use super::{
    super::{
        EMPTY_KEPT, LiveError, MESSAGE_BYTES_MAX, RING_MAX, ROOMS_PER_SESSION_MAX, TICK_EVERY,
    },
    world::{World, room, said},
};
use crate::im::wire::pb::{self, server_frame::Body};

fn throttled(body: &Body) -> Option<u32> {
    match body {
        Body::Error(error) if error.name == "LiveThrottled" => error.retry_after_ms,
        Body::LiveSent(_) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tick_tells_everybody_once_and_the_important_first() {
    let mut world = World::new(1, 1);
    let mut ada = world.enter(0, "show");
    let mut bob = world.enter(0, "show");
    for person in [&mut ada, &mut bob] {
        person.read();
        person.batches.clear();
    }
    world.send(&mut ada, "show", said("usual", pb::Priority::Normal)).unwrap();
    world.send(&mut ada, "show", said("gift", pb::Priority::High)).unwrap();
    world.like(&bob, "show", 3);
    let eve = world.person(0);
    world.like(&eve, "show", 3);
    world.pass(TICK_EVERY * 3);
    for person in [&mut ada, &mut bob] {
        person.read();
        let batches = person.batches.iter().flat_map(|batch| &batch.messages);
        let offsets: Vec<_> = batches.map(|message| message.offset).collect();
        assert_eq!(offsets, [2, 1]);
        assert_eq!((person.likes, person.audience), (3, 2));
        assert_eq!(person.batches[0].messages[0].sender, "u1");
        assert_eq!(person.batches.len(), 2);
    }
    assert_eq!((ada.came, bob.went), (2, 0));
    assert!(matches!(ada.answers[&3], Body::LiveSent(pb::LiveSent { offset: 2, .. })));
}

#[test]
fn those_who_come_late_are_told_the_newest() {
    let mut world = World::new(1, 1);
    let mut ada = world.enter(0, "show");
    for index in 0..RING_MAX + 5 {
        let text = index.to_string();
        assert!(matches!(world.say(&mut ada, "show", &text), Body::LiveSent(_)));
    }
    let bob = world.enter(0, "show");
    assert_eq!(bob.shown.len(), RING_MAX);
    assert_eq!(bob.shown.first_key_value().unwrap().0, &6);
    assert_eq!(bob.shown.last_key_value().unwrap().0, &(RING_MAX as u64 + 5));
}

#[test]
fn too_much_is_refused_with_the_time_to_wait_and_not_said() {
    let mut world = World::new(1, 1);
    let mut people: Vec<_> = (0..12).map(|_| world.enter(0, "show")).collect();
    let mut taken = 0;
    let mut waits = Vec::new();
    for person in &mut people {
        for _ in 0..5 {
            let rid = world.send(person, "show", said("x", pb::Priority::Low)).unwrap();
            person.read();
            match throttled(&person.answers[&rid]) {
                None => taken += 1,
                Some(wait) => waits.push(wait),
            }
        }
    }
    assert_eq!(taken, 10, "ten of low priority a second");
    assert!(waits.iter().all(|wait| *wait > 0 && *wait <= 1_000), "{waits:?}");
    let one = &mut people[0];
    let mut own = 0;
    for _ in 0..20 {
        let rid = world.send(one, "show", said("x", pb::Priority::High)).unwrap();
        one.read();
        own += u32::from(throttled(&one.answers[&rid]).is_none());
    }
    assert_eq!(own, 5, "a burst of ten, five of which are gone");
    let large = said(&"x".repeat(MESSAGE_BYTES_MAX), pb::Priority::High);
    assert_eq!(world.send(one, "show", large), Err(LiveError::TooLarge));
    let mut stranger = world.person(0);
    let early = said("x", pb::Priority::High);
    assert_eq!(world.send(&mut stranger, "show", early), Err(LiveError::NotJoined));
}

#[test]
fn sessions_leave_rooms_end_and_both_are_forgotten() {
    let mut world = World::new(1, 1);
    let mut ada = world.person(0);
    for index in 0..ROOMS_PER_SESSION_MAX {
        world.join(&mut ada, &format!("r{index}")).unwrap();
    }
    assert_eq!(world.join(&mut ada, "one more"), Err(LiveError::TooManyRooms));
    assert!(world.join(&mut ada, "r0").is_ok());
    world.pass(Duration::from_secs(1));
    let (now, session) = (world.now, ada.mailbox.id);
    world.live(0).leave_all(now, session);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.live(0).counts(), (0, ROOMS_PER_SESSION_MAX));
    world.pass(EMPTY_KEPT);
    assert_eq!(world.live(0).counts(), (0, 0));
    assert!(world.log.leases.is_empty() && world.live(0).joined.is_empty());
    assert_eq!(world.live(0).poll_timeout(), None);
}

#[test]
fn what_happens_in_one_room_does_not_touch_another() {
    let mut world = World::new(1, 1);
    let mut ada = world.enter(0, "busy");
    let mut bob = world.enter(0, "quiet");
    bob.read();
    bob.batches.clear();
    for text in ["one", "two"] {
        world.say(&mut ada, "busy", text);
        let dirty = &world.live(0).dirty;
        assert!(!dirty.edges.contains(&room("quiet")) && !dirty.holds.contains(&room("quiet")));
    }
    bob.read();
    assert!(bob.batches.is_empty());
}

#[test]
fn without_a_leader_people_are_told_to_try_again() {
    let mut world = World::new(1, 1);
    world.log.without_leader = true;
    let mut ada = world.person(0);
    let rid = world.join(&mut ada, "show").unwrap();
    let early = said("x", pb::Priority::High);
    assert_eq!(world.send(&mut ada, "show", early), Err(LiveError::Unavailable));
    world.pass(Duration::from_secs(6));
    ada.read();
    let Body::Error(error) = &ada.answers[&rid] else { panic!("{:?}", ada.answers) };
    assert!(error.name == "LiveUnavailable" && error.retry_after_ms.is_some() && !error.unknown);
    assert_eq!(world.live(0).counts(), (0, 0));
    world.log.without_leader = false;
    world.enter(0, "show");
}

#[test]
fn an_ended_room_is_ended_for_everybody_and_may_begin_anew() {
    let mut world = World::new(1, 1);
    let mut ada = world.enter(0, "show");
    world.say(&mut ada, "show", "farewell");
    world.end(&room("show"), true);
    ada.read();
    assert!(ada.ended);
    let late = said("x", pb::Priority::High);
    assert_eq!(world.send(&mut ada, "show", late), Err(LiveError::NotJoined));
    let before = ada.epoch;
    let bob = world.enter(0, "show");
    assert!(bob.epoch > before && bob.shown.is_empty());
}

#[test]
fn the_back_end_says_something_where_nobody_is_and_is_not_limited() {
    let mut world = World::new(1, 1);
    let mut answers = Vec::new();
    for index in 0..20 {
        let (back, answer) = tokio::sync::oneshot::channel();
        let now = world.now;
        let message = said(&index.to_string(), pb::Priority::High);
        world.live(0).announce(now, &room("show"), message, back);
        answers.push(answer);
    }
    world.pass(Duration::from_secs(1));
    for answer in &mut answers {
        assert!(answer.try_recv().unwrap().is_ok());
    }
    assert_eq!(world.enter(0, "show").shown.len(), 20);
}

#[test]
fn who_is_muted_may_listen_and_who_is_sent_out_may_not_come_back() {
    let mut world = World::new(1, 1);
    let (mut ada, mut bob) = (world.enter(0, "show"), world.enter(0, "show"));
    let show = room("show");
    let restrain = |world: &mut World, who: &str, out, until| {
        let restraint = Restraint { who: who.to_owned(), guest: false, out, until: LogTime(until) };
        let mut lease = world.log.leases[&show].clone();
        lease.restrained = vec![restraint];
        world.log.leases.insert(show.clone(), lease.clone());
        let now = world.now;
        world.live(0).handle_lease(now, &show, &lease, true);
    };
    restrain(&mut world, "u1", false, 100);
    let at = |at| pb::LiveMessage { at, ..said("x", pb::Priority::High) };
    assert_eq!(world.send(&mut ada, "show", at(99)), Err(LiveError::Muted(100)));
    assert!(world.send(&mut bob, "show", at(99)).is_ok());
    assert!(world.send(&mut ada, "show", at(100)).is_ok(), "the time is over");
    restrain(&mut world, "u1", true, 100);
    ada.read();
    assert!(ada.ended);
    assert_eq!(world.send(&mut ada, "show", at(100)), Err(LiveError::NotJoined));
    assert_eq!(world.join(&mut ada, "show"), Err(LiveError::Out(100)));
    world.pass(Duration::from_secs(1));
    bob.read();
    assert!(!bob.ended);
    assert_eq!(bob.audience, 1);
    // Once nobody is there the node does not know any more, and asks.
    let (now, session) = (world.now, bob.mailbox.id);
    world.live(0).leave_all(now, session);
    world.pass(Duration::from_secs(1));
    let rid = world.join(&mut ada, "show").unwrap();
    world.pass(Duration::from_secs(1));
    ada.read();
    let Body::Error(error) = &ada.answers[&rid] else { panic!("{:?}", ada.answers) };
    assert_eq!(error.name, "Banned");
}

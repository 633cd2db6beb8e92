//! Several nodes.

use std::{collections::BTreeMap, time::Duration};

use proto::id::NodeId;

use super::{
    super::{LiveError, TAKE_AFTER},
    world::{Person, World, id, room, said},
};
use crate::im::wire::pb::{self, live_frame::What, server_frame::Body};

const SECOND: Duration = Duration::from_secs(1);

/// One person on each of three nodes; the first node orders.
fn show(world: &mut World) -> Vec<Person> {
    (0..3).map(|node| world.enter(node, "show")).collect()
}

fn holder(world: &World) -> NodeId {
    world.log.leases[&room("show")].holder
}

#[test]
fn people_on_all_nodes_see_the_same_in_the_same_order() {
    let mut world = World::new(3, 1);
    let mut people = show(&mut world);
    assert_eq!(holder(&world), id(0));
    for round in 0..4 {
        for person in &mut people {
            let text = format!("{}-{round}", person.mailbox.owner.user);
            world.send(person, "show", said(&text, pb::Priority::High)).unwrap();
        }
        world.pass(SECOND / 2);
    }
    world.like(&people[1], "show", 7);
    world.like(&people[2], "show", 4);
    world.pass(SECOND);
    for person in &mut people {
        person.read();
        let sent = person.answers.values().filter(|body| matches!(body, Body::LiveSent(_)));
        assert_eq!(sent.count(), 4);
        assert_eq!((person.likes, person.audience), (11, 3));
    }
    assert_eq!(people[0].shown.len(), 12);
    assert!(people.iter().all(|person| person.shown == people[0].shown));
    let late = world.enter(1, "show");
    assert_eq!((late.shown, late.epoch), (people[0].shown.clone(), people[0].epoch));
    let (now, session) = (world.now, people[2].mailbox.id);
    world.live(2).leave_all(now, session);
    world.pass(SECOND);
    people[0].read();
    assert_eq!((people[0].audience, people[0].went), (3, 1));
    assert_eq!(world.live(2).counts(), (0, 0));
}

#[test]
fn rates_are_of_the_room_wherever_one_is() {
    let mut world = World::new(3, 1);
    let mut people = show(&mut world);
    let mut taken = 0;
    for _ in 0..5 {
        for person in &mut people {
            world.send(person, "show", said("x", pb::Priority::Low)).unwrap();
        }
    }
    world.pass(SECOND / 2);
    for person in &mut people {
        person.read();
        for body in person.answers.values() {
            match body {
                Body::LiveSent(_) => taken += 1,
                Body::Error(error) => {
                    assert!(error.name == "LiveThrottled" && error.retry_after_ms > Some(0));
                }
                Body::LiveJoined(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(taken, 10);
    assert_eq!(people[2].shown.len(), 10);
}

/// Everything that was acknowledged is shown to everybody, at one offset, however much is lost and however late it comes.
#[test]
fn what_links_lose_is_made_good() {
    for seed in 0..40 {
        let mut world = World::new(3, seed);
        let mut people = show(&mut world);
        (world.lost, world.delay) = (25, 150);
        let mut likes = 0;
        for round in 0..30_u64 {
            let who = usize::try_from(world.random(3)).unwrap();
            let text = format!("{seed}-{round}");
            let person = &mut people[who];
            if world.send(person, "show", said(&text, pb::Priority::Normal)).is_ok() {
                likes += 1;
                world.like(&people[who], "show", 1);
            }
            let pause = Duration::from_millis(world.random(400));
            world.pass(pause);
            people.iter_mut().for_each(Person::read);
        }
        (world.lost, world.delay) = (0, 1);
        for _ in 0..25 {
            world.pass(SECOND);
            people.iter_mut().for_each(Person::read);
        }
        let mut acknowledged = BTreeMap::new();
        for person in &mut people {
            person.read();
            for body in person.answers.values() {
                if let Body::LiveSent(sent) = body {
                    assert!(acknowledged.insert(sent.offset, sent.epoch).is_none(), "seed {seed}");
                }
            }
        }
        for person in &people {
            assert_eq!(person.shown, people[0].shown, "seed {seed}");
            assert!(acknowledged.keys().all(|offset| person.shown.contains_key(offset)));
            assert_eq!((person.likes, person.audience), (likes, 3), "seed {seed}");
        }
    }
}

#[test]
fn a_dead_holder_is_replaced_under_a_new_epoch_with_what_was_said() {
    let mut world = World::new(3, 1);
    let mut people = show(&mut world);
    for text in ["one", "two"] {
        world.say(&mut people[1], "show", text);
    }
    world.like(&people[1], "show", 5);
    world.pass(SECOND);
    people[1].read();
    let before = people[1].epoch;
    let waits = world.send(&mut people[1], "show", said("lost?", pb::Priority::High)).unwrap();
    world.kill(0);
    people[1].read();
    let Body::Error(error) = &people[1].answers[&waits] else { panic!() };
    assert!(error.name == "LiveUnavailable" && error.unknown && error.retry_after_ms.is_some());
    let early = said("too early", pb::Priority::High);
    assert_eq!(world.send(&mut people[1], "show", early), Err(LiveError::Unavailable));
    world.pass(TAKE_AFTER + SECOND / 2);
    assert_ne!(holder(&world), id(0));
    assert!(matches!(world.say(&mut people[1], "show", "three"), Body::LiveSent(_)));
    for person in &mut people[1..] {
        person.read();
        assert!(person.epoch > before);
        assert_eq!(person.texts(), ["one", "two", "three"]);
        assert_eq!((person.likes, person.audience), (5, 2));
    }
    let late = world.enter(2, "show");
    assert_eq!(late.texts(), ["one", "two", "three"]);
}

#[test]
fn a_holder_that_began_anew_orders_anew() {
    let mut world = World::new(3, 1);
    let mut people = show(&mut world);
    world.say(&mut people[1], "show", "one");
    let before = people[1].epoch;
    // So quickly that nobody missed it.
    world.start(0);
    world.pass(SECOND);
    assert!(matches!(world.say(&mut people[1], "show", "two"), Body::LiveSent(_)));
    people[2].read();
    assert!(people[2].epoch > before);
    assert_eq!(people[2].texts().last(), Some(&"two"));
    assert_eq!(people[2].audience, 2);
}

#[test]
fn a_holder_without_a_quorum_orders_nothing_and_follows_when_it_is_back() {
    let mut world = World::new(3, 1);
    let mut people = show(&mut world);
    world.say(&mut people[0], "show", "one");
    world.cut_off(0, true);
    let refused = world.send(&mut people[0], "show", said("alone", pb::Priority::High));
    assert_eq!(refused, Err(LiveError::Unavailable));
    world.pass(2 * SECOND);
    assert_ne!(holder(&world), id(0));
    assert!(matches!(world.say(&mut people[1], "show", "two"), Body::LiveSent(_)));
    let refused = world.send(&mut people[0], "show", said("alone", pb::Priority::High));
    assert_eq!(refused, Err(LiveError::Unavailable));
    people[0].read();
    assert_eq!(people[0].texts(), ["one"]);
    world.cut_off(0, false);
    world.pass(3 * SECOND);
    assert!(matches!(world.say(&mut people[0], "show", "three"), Body::LiveSent(_)));
    for person in &mut people {
        person.read();
        assert_eq!(person.texts(), ["one", "two", "three"]);
        assert_eq!(person.audience, 3);
    }
    assert_eq!(world.live(0).counts(), (1, 0));
}

#[test]
fn a_quorum_that_was_lost_for_a_moment_changes_nothing() {
    let mut world = World::new(3, 1);
    let mut people = show(&mut world);
    world.say(&mut people[0], "show", "one");
    let (before, now) = (people[0].epoch, world.now);
    world.live(0).set_quorum(now, false);
    world.pass(SECOND / 10);
    let now = world.now;
    world.live(0).set_quorum(now, true);
    world.pass(2 * SECOND);
    assert!(matches!(world.say(&mut people[2], "show", "two"), Body::LiveSent(_)));
    assert_eq!((people[2].epoch, people[2].texts()), (before, vec!["one", "two"]));
}

#[test]
fn two_nodes_that_do_not_see_each_other_take_turns_more_and_more_slowly() {
    let mut world = World::new(3, 1);
    let _people = show(&mut world);
    for (one, two) in [(0, 1), (1, 0)] {
        world.cut.insert((one, two));
        let now = world.now;
        world.live(one).node_down(now, id(two));
    }
    let before = world.log.asked;
    world.pass(60 * SECOND);
    let asked = world.log.asked - before;
    assert!(asked <= 40, "{asked} questions in a minute");
}

#[test]
fn frames_that_nobody_would_send_change_nothing_and_open_nothing() {
    let mut world = World::new(2, 1);
    let mut ada = world.enter(0, "show");
    world.say(&mut ada, "show", "one");
    let epoch = ada.epoch;
    let message = said("forged", pb::Priority::High);
    let long = pb::LiveMessage { sender: "x".repeat(100_000), ..message.clone() };
    let whats = [
        What::Told(pb::LiveTold { head: 9, messages: vec![message.clone()], ..Default::default() }),
        What::Answer(pb::LiveAnswer { ticket: 1, what: None }),
        What::Ask(pb::LiveAsk { ticket: 1, message: Some(long) }),
        What::Ask(pb::LiveAsk { ticket: 1, message: None }),
        What::Attend(pb::LiveAttend {
            audience: u64::MAX,
            likes: u64::MAX,
            came: u32::MAX,
            went: u32::MAX,
            have: Some(u64::MAX),
            life: 1,
        }),
    ];
    for name in ["show", "none", "", &"x".repeat(300)] {
        for what in whats.clone().map(Some).into_iter().chain([None]) {
            for epoch in [0, epoch, u64::MAX] {
                let frame = pb::LiveFrame { room: name.to_owned(), epoch, what: what.clone() };
                let now = world.now;
                let frames = pb::LiveFrames { frames: vec![frame] };
                world.live(0).handle_frames(now, id(1), frames);
            }
        }
    }
    world.pass(2 * SECOND);
    ada.read();
    assert_eq!((ada.texts(), ada.epoch), (vec!["one"], epoch));
    assert_eq!(world.live(0).counts(), (1, 1));
    // A node that counts too much is believed for a while only.
    world.pass(40 * SECOND);
    ada.read();
    assert_eq!(ada.audience, 1);
    assert!(matches!(world.say(&mut ada, "show", "two"), Body::LiveSent(_)));
}

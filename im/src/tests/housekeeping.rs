//! What ends by itself.

use alloc::boxed::Box;
use core::time::Duration;

use proto::{
    im::{
        Action, Answer, Ask, Body, Event, GroupKind, MessageOptions, Reject, Reply, Sequence,
        Settings,
        command::{AccountAction, GroupAction, MessageAction},
        group::GroupRules,
        limit::EXPIRE_ROWS_MAX,
        message::Gone,
    },
    time::LogTime,
};

use super::make::{BACKEND, World, between, by, new_group, of_group, text, users};

const DAY: u64 = 24 * 3_600_000;

fn next_due(world: &World) -> Option<LogTime> {
    match world.ask(None, Ask::NextDue) {
        Ok(Answer::NextDue(due)) => due,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_with_an_end_ends_then() {
    let mut world = World::of(["ada", "bob"]);
    let talk = between("ada", "bob");
    let ttl = Some(Duration::from_secs(5));
    let options = MessageOptions { ttl, ..MessageOptions::default() };
    world.send_all("ada", &talk, text("burn"), options).unwrap();
    assert_eq!(next_due(&world), Some(LogTime(world.at.0 + 5_000)));
    world.later(4_999);
    world.keep_house();
    assert!(matches!(world.message(&talk, 1).body, Body::Content(_)));
    world.later(1);
    world.keep_house();
    assert!(matches!(world.message(&talk, 1).body, Body::Gone { how: Gone::Expired, .. }));
    assert_eq!(world.unread("bob", &talk), 1, "it was said nevertheless");
}

#[test]
fn a_group_that_keeps_messages_for_a_day_forgets_older_ones_and_nothing_else() {
    let mut world = World::of(["ada", "bob"]);
    world.on_group("ada", "club", new_group(GroupKind::Meeting, users(["bob"]))).unwrap();
    let talk = of_group("club");
    let retention = Some(Duration::from_hours(24));
    let rules = GroupRules { retention, ..GroupRules::default() };
    world.on_group("ada", "club", GroupAction::SetRules(Box::new(rules))).unwrap();
    for words in ["one", "two", "three"] {
        world.say("ada", &talk, words).unwrap();
        world.later(DAY / 2);
    }
    let reaction = MessageAction::React { reaction: "+1".into(), on: true };
    world.on_message("bob", &talk, 2, reaction).unwrap();
    world.keep_house();
    let seqs = |world: &World| {
        let all = world.history(Some("bob"), &talk);
        all.iter().map(|message| message.seq.0).collect::<alloc::vec::Vec<_>>()
    };
    assert_eq!(seqs(&world), [3]);
    assert_eq!(world.say("ada", &talk, "four"), Ok(Sequence(4)), "places go on");
    world.later(3 * DAY);
    world.keep_house();
    assert_eq!(seqs(&world), []);
    assert_eq!(world.say("ada", &talk, "five"), Ok(Sequence(5)));
    let trimmed = |event: &Event| matches!(event, Event::Trimmed { first: Sequence(3), .. });
    assert!(world.events.iter().any(trimmed));
    let rows = world.rows.iter().filter(|(key, _)| [b't', b'r'].contains(&key[1]));
    assert_eq!(rows.count(), 0, "nothing is left of what is gone");
}

#[test]
fn the_installations_retention_reaches_conversations_that_have_none() {
    let mut world = World::of(["ada", "bob", "cyd"]);
    for peer in ["bob", "cyd"] {
        world.say(peer, &between("ada", peer), "old").unwrap();
    }
    world.later(2 * DAY);
    let retention = Some(Duration::from_hours(24));
    let settings = Settings { retention, ..Settings::default() };
    world.act(BACKEND, Action::Configure(settings)).unwrap();
    world.keep_house();
    for peer in ["bob", "cyd"] {
        assert!(world.history(Some(peer), &between("ada", peer)).is_empty());
        assert_eq!(world.unread("ada", &between("ada", peer)), 0, "what is gone is not unread");
    }
    world.say("bob", &between("bob", "cyd"), "new").unwrap();
    assert!(next_due(&world).is_some_and(|due| due <= LogTime(world.at.0 + DAY)));
}

#[test]
fn housekeeping_does_a_bounded_piece_and_is_the_back_ends() {
    let mut world = World::of(["ada", "bob"]);
    world.on_group("ada", "club", new_group(GroupKind::Community, users(["bob"]))).unwrap();
    for _ in 0..200 {
        world.say("ada", &of_group("club"), "x").unwrap();
    }
    world.on_group("ada", "club", GroupAction::Dismiss).unwrap();
    let expire = |rows| Action::Expire { rows };
    assert_eq!(world.act(by("ada"), expire(10)), Err(Reject::NotPermitted));
    let mut rounds = 0;
    while world.act(BACKEND, expire(50)) != Ok(Reply::Expired { rows: 0 }) {
        rounds += 1;
        assert!(rounds < 20, "it ends");
    }
    assert!(rounds >= 4, "it was not done at once");
    let most = world.act(BACKEND, expire(u32::MAX)).unwrap();
    let most_allowed = u32::try_from(EXPIRE_ROWS_MAX).unwrap();
    assert!(matches!(most, Reply::Expired { rows } if rows <= most_allowed));
}

#[test]
fn old_keys_are_forgotten_when_nothing_needs_them() {
    let mut world = World::of(["ada", "bob"]);
    world.say("ada", &between("ada", "bob"), "x").unwrap();
    let due = next_due(&world).unwrap();
    assert!(due.0 >= world.at.0 + 7 * DAY && due.0 <= world.at.0 + 14 * DAY);
    world.at = due;
    world.keep_house();
    assert_eq!(next_due(&world), None);
    world.account("ada", AccountAction::Delete).unwrap();
    world.keep_house();
    assert_eq!(next_due(&world), None);
}

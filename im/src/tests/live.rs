//! Who orders a live room.

use alloc::{format, vec};

use proto::{
    id::NodeId,
    im::{
        Action, Event, LiveAction, LiveLease, LiveRoom, Reject, Reply, Restraint,
        limit::{LIVE_LEASE_KEPT, LIVE_RESTRAINED_MAX},
    },
    time::LogTime,
};

use super::make::{BACKEND, World, by};

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);

fn room(name: &str) -> LiveRoom {
    LiveRoom::try_from(name).unwrap()
}

fn ask(world: &mut World, name: &str, action: LiveAction) -> Option<LiveLease> {
    match world.act(BACKEND, Action::Live { room: room(name), action }) {
        Ok(Reply::Live(lease)) => lease,
        other => panic!("{other:?}"),
    }
}

fn take(world: &mut World, holder: NodeId, instead_of: Option<u64>) -> LiveLease {
    ask(world, "the show", LiveAction::Take { holder, instead_of }).unwrap()
}

fn kept_ms() -> u64 {
    u64::try_from(LIVE_LEASE_KEPT.as_millis()).unwrap()
}

#[test]
fn the_first_who_asks_has_it_and_the_others_are_told() {
    let mut world = World::of([]);
    let first = take(&mut world, ONE, None);
    assert_eq!(take(&mut world, TWO, None), first);
    assert_eq!(take(&mut world, TWO, Some(first.epoch - 1)), first);
    let held = |event: &&Event| matches!(event, Event::LiveHeld { lease, .. } if *lease == first);
    assert_eq!(world.events.iter().filter(held).count(), 1);
}

#[test]
fn it_is_taken_over_once_by_whoever_knows_the_epoch_that_ended() {
    let mut world = World::of([]);
    let first = take(&mut world, ONE, None);
    let second = take(&mut world, TWO, Some(first.epoch));
    assert!(second.holder == TWO && second.epoch > first.epoch);
    assert_eq!(take(&mut world, ONE, Some(first.epoch)), second);
    // The same node anew: what it had is lost.
    let third = take(&mut world, TWO, Some(second.epoch));
    assert!(third.epoch > second.epoch);
}

#[test]
fn it_ends_when_it_is_not_renewed_or_when_it_is_ended() {
    let mut world = World::of([]);
    let lease = take(&mut world, ONE, None);
    world.later(kept_ms() / 2);
    let renew = |holder, epoch| LiveAction::Renew { holder, epoch };
    let renewed = ask(&mut world, "the show", renew(ONE, lease.epoch)).unwrap();
    assert!(renewed.epoch == lease.epoch && renewed.until > lease.until);
    assert_eq!(ask(&mut world, "the show", renew(TWO, lease.epoch)), Some(renewed));
    world.later(kept_ms() / 2);
    world.keep_house();
    assert_eq!(
        ask(&mut world, "the show", renew(ONE, lease.epoch)).map(|l| l.epoch),
        Some(lease.epoch)
    );
    world.later(kept_ms());
    world.keep_house();
    let (room_name, epoch) = (room("the show"), lease.epoch);
    let ended = Event::LiveEnded { room: room_name, epoch, closed: false };
    assert!(world.events.contains(&ended));
    assert_eq!(ask(&mut world, "the show", renew(ONE, lease.epoch)), None);
    let next = take(&mut world, ONE, None);
    assert!(next.epoch > lease.epoch);
    let end = |epoch| LiveAction::End { epoch };
    assert_eq!(ask(&mut world, "the show", end(Some(lease.epoch))), Some(next.clone()));
    assert_eq!(ask(&mut world, "the show", end(Some(next.epoch))), None);
    assert!(take(&mut world, ONE, None).epoch > next.epoch);
    assert_eq!(ask(&mut world, "the show", end(None)), None);
    assert_eq!(ask(&mut world, "the show", end(None)), None);
}

#[test]
fn people_do_not_decide_who_orders() {
    let mut world = World::of(["ada"]);
    let action = LiveAction::Take { holder: ONE, instead_of: None };
    let refused = world.act(by("ada"), Action::Live { room: room("the show"), action });
    assert_eq!(refused, Err(Reject::NotPermitted));
    assert!(LiveRoom::try_from("").is_err() && LiveRoom::try_from("a\0b").is_err());
    assert!(LiveRoom::try_from("x".repeat(257).as_str()).is_err());
}

#[test]
fn restraints_are_kept_over_a_take_over_and_end_with_their_time() {
    let mut world = World::of([]);
    let restraint = |who: &str, millis: u64, at: LogTime| Restraint {
        who: who.into(),
        guest: false,
        out: false,
        until: LogTime(at.0 + millis),
    };
    let at = world.at;
    let eve = restraint("eve", 60_000, at);
    assert_eq!(ask(&mut world, "the show", LiveAction::Restrain(eve.clone())), None);
    let first = take(&mut world, ONE, None);
    let lease = ask(&mut world, "the show", LiveAction::Restrain(eve.clone())).unwrap();
    assert_eq!((lease.epoch, &lease.restrained), (first.epoch, &vec![eve.clone()]));
    assert_eq!(take(&mut world, TWO, Some(first.epoch)).restrained, [eve]);
    let bob = restraint("bob", 120_000, at);
    ask(&mut world, "the show", LiveAction::Restrain(bob.clone()));
    world.later(60_000);
    let lifted = restraint("nobody", 0, at);
    let lease = ask(&mut world, "the show", LiveAction::Restrain(lifted)).unwrap();
    assert_eq!(lease.restrained, [bob]);
    for count in 0..LIVE_RESTRAINED_MAX {
        let who = format!("u{count}");
        let more = LiveAction::Restrain(restraint(&who, 600_000, at));
        let result = world.act(BACKEND, Action::Live { room: room("the show"), action: more });
        assert_eq!(result.is_ok(), count + 1 < LIVE_RESTRAINED_MAX);
    }
}

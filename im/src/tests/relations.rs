//! Friends, requests, blocks and follows.

use alloc::{boxed::Box, string::String, vec::Vec};

use proto::im::{
    Action, Answer, Ask, Reject, Reply,
    account::{ContactRules, FriendRule},
    command::{AccountAction, FriendGroupAction, RelationAction},
    event::RequestOutcome,
    query::PageOf,
    relation::Relation,
};

use super::make::{World, by, user};

fn request(remark: &str) -> RelationAction {
    RelationAction::Request {
        message: "hello".into(),
        source: "party".into(),
        remark: remark.into(),
    }
}

fn accept(remark: &str) -> RelationAction {
    RelationAction::Accept { remark: remark.into() }
}

fn relation(world: &World, id: &str, peer: &str) -> Relation {
    let ask = Ask::Relation { user: user(id), peer: user(peer) };
    match world.ask(Some(id), ask) {
        Ok(Answer::Relation(relation)) => *relation,
        other => panic!("{other:?}"),
    }
}

const WAITS: Result<Reply, Reject> = Ok(Reply::Request(RequestOutcome::Waits));
const ACCEPTED: Result<Reply, Reject> = Ok(Reply::Request(RequestOutcome::Accepted));

#[test]
fn a_request_waits_with_both_and_accepting_makes_both_friends() {
    let mut world = World::of(["ada", "bob"]);
    assert_eq!(world.relate("ada", "bob", request("my bob")), WAITS);
    let asked = relation(&world, "ada", "bob").asked_by_owner.unwrap();
    let waiting = relation(&world, "bob", "ada").asked_by_peer.unwrap();
    assert_eq!((asked.remark.as_str(), waiting.remark.as_str()), ("my bob", ""));
    assert_eq!(world.relate("bob", "ada", accept("my ada")), ACCEPTED);
    for (one, other, remark) in [("ada", "bob", "my bob"), ("bob", "ada", "my ada")] {
        let relation = relation(&world, one, other);
        let friend = relation.friend.unwrap();
        assert_eq!((friend.remark.as_str(), friend.source.as_str()), (remark, "party"));
        assert_eq!((relation.asked_by_owner, relation.asked_by_peer), (None, None));
    }
    assert_eq!(world.relate("bob", "ada", accept("")), ACCEPTED, "again");
    assert_eq!(world.relate("ada", "bob", request("")), ACCEPTED, "again");
}

#[test]
fn what_becomes_of_a_request_is_the_askeds_to_rule() {
    let rules = [
        (FriendRule::Anyone, ACCEPTED),
        (FriendRule::Approval, WAITS),
        (FriendRule::Nobody, Err(Reject::ContactRefused { user: user("bob") })),
    ];
    for (friends, expected) in rules {
        let mut world = World::of(["ada", "bob"]);
        let rules = ContactRules { friends, ..ContactRules::default() };
        world.account("bob", AccountAction::SetRules { rules }).unwrap();
        assert_eq!(world.relate("ada", "bob", request("")), expected, "{friends:?}");
    }
}

#[test]
fn two_who_ask_each_other_are_friends() {
    let mut world = World::of(["ada", "bob"]);
    world.relate("ada", "bob", request("b")).unwrap();
    assert_eq!(world.relate("bob", "ada", request("a")), ACCEPTED);
    assert_eq!(relation(&world, "ada", "bob").friend.unwrap().remark, "b");
    assert_eq!(relation(&world, "bob", "ada").friend.unwrap().remark, "a");
}

#[test]
fn a_request_ends_by_refusal_by_taking_back_or_by_time() {
    let mut world = World::of(["ada", "bob"]);
    for (who, action) in [("bob", RelationAction::Refuse), ("ada", RelationAction::Cancel)] {
        world.relate("ada", "bob", request("")).unwrap();
        let peer = if who == "ada" { "bob" } else { "ada" };
        world.relate(who, peer, action.clone()).unwrap();
        assert_eq!(relation(&world, "bob", "ada"), Relation::default());
        assert_eq!(world.relate(who, peer, action), Err(Reject::RequestNotFound));
    }
    world.relate("ada", "bob", request("")).unwrap();
    world.later(31 * 24 * 3_600_000);
    assert_eq!(world.relate("bob", "ada", accept("")), Err(Reject::RequestNotFound));
    assert_eq!(relation(&world, "bob", "ada"), Relation::default());
    world.keep_house();
}

#[test]
fn a_block_ends_requests_and_follows_and_lets_nothing_new_come() {
    let mut world = World::of(["ada", "bob"]);
    world.relate("bob", "ada", request("")).unwrap();
    world.relate("bob", "ada", RelationAction::Follow).unwrap();
    world.relate("ada", "bob", RelationAction::Block).unwrap();
    let left = relation(&world, "bob", "ada");
    assert_eq!(left, Relation::default(), "the blocked one is not told");
    for action in [request(""), RelationAction::Follow] {
        assert_eq!(world.relate("bob", "ada", action), Err(Reject::Blocked));
    }
    world.relate("ada", "bob", RelationAction::Unblock).unwrap();
    assert_eq!(world.relate("bob", "ada", request("")), WAITS);
}

#[test]
fn friends_stay_friends_under_a_block_until_one_ends_it() {
    let mut world = World::of(["ada", "bob"]);
    world.befriend("ada", "bob");
    world.relate("ada", "bob", RelationAction::Block).unwrap();
    assert!(relation(&world, "bob", "ada").friend.is_some());
    world.relate("bob", "ada", RelationAction::Unfriend).unwrap();
    assert!(relation(&world, "ada", "bob").friend.is_none());
    let gone = Err(Reject::NotFriends { user: user("bob") });
    assert_eq!(world.relate("ada", "bob", RelationAction::Unfriend), gone);
}

#[test]
fn nobody_relates_to_itself_or_to_nobody() {
    let mut world = World::of(["ada"]);
    assert_eq!(world.relate("ada", "ada", request("")), Err(Reject::Oneself));
    let nobody = Err(Reject::AccountNotFound { user: user("eve") });
    for action in [request(""), RelationAction::Block, RelationAction::Follow] {
        assert_eq!(world.relate("ada", "eve", action), nobody);
    }
}

#[test]
fn a_friend_group_that_is_gone_is_not_shown_and_its_number_not_used_again() {
    let mut world = World::of(["ada", "bob"]);
    world.befriend("ada", "bob");
    let make = |world: &mut World, name: &str| {
        let action = FriendGroupAction::Create { name: name.into() };
        match world.act(by("ada"), Action::FriendGroup(action)) {
            Ok(Reply::FriendGroup(number)) => number,
            other => panic!("{other:?}"),
        }
    };
    let (work, home) = (make(&mut world, "work"), make(&mut world, "home"));
    assert_eq!(make(&mut world, "work"), work, "the name leads to the same one");
    let set = |groups: &[u16]| RelationAction::SetFriend {
        remark: None,
        groups: Some(groups.iter().copied().collect()),
    };
    world.relate("ada", "bob", set(&[work, home])).unwrap();
    let remove = Action::FriendGroup(FriendGroupAction::Remove { number: work });
    world.act(by("ada"), remove).unwrap();
    assert_eq!(relation(&world, "ada", "bob").friend.unwrap().groups, [home].into());
    assert_ne!(make(&mut world, "work"), work);
    assert_eq!(world.relate("ada", "bob", set(&[work])), Err(Reject::FriendGroupNotFound));
    let rename = FriendGroupAction::Rename { number: work, name: "x".into() };
    let result = world.act(by("ada"), Action::FriendGroup(rename));
    assert_eq!(result, Err(Reject::FriendGroupNotFound));
}

#[test]
fn lists_come_in_pages_and_only_to_their_owner() {
    let mut world = World::of(["ada", "b1", "b2", "b3"]);
    for peer in ["b1", "b2", "b3"] {
        world.befriend("ada", peer);
    }
    let page = |after: Option<&str>| PageOf { after: after.map(user), limit: 2 };
    let mut seen: Vec<String> = Vec::new();
    for (after, more) in [(None, true), (Some("b2"), false)] {
        let Ok(Answer::Friends(found)) =
            world.ask(Some("ada"), Ask::Friends(user("ada"), page(after)))
        else {
            panic!("no page");
        };
        assert_eq!(found.more, more);
        seen.extend(found.rows.iter().map(|(id, _)| id.as_str().into()));
    }
    assert_eq!(seen, ["b1", "b2", "b3"]);
    let asks: [Box<dyn Fn() -> Ask>; 4] = [
        Box::new(|| Ask::Friends(user("ada"), page(None))),
        Box::new(|| Ask::Blocks(user("ada"), page(None))),
        Box::new(|| Ask::RequestsIn(user("ada"), page(None))),
        Box::new(|| Ask::Tally(user("ada"))),
    ];
    for ask in asks {
        assert_eq!(world.ask(Some("b1"), ask()), Err(Reject::NotPermitted));
    }
}

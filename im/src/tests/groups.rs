//! Groups: who comes in, who may do what, and how they end.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use proto::{
    im::{
        Action, Actor, Answer, Ask, Event, GroupKind, Reject, Reply, Role,
        account::{Allowed, ContactRules},
        command::{AccountAction, GroupAction, GroupChange},
        event::RequestOutcome,
        group::{GroupRules, InviteRule, JoinRule},
        query::PageOf,
    },
    time::LogTime,
};

use super::make::{World, group, key, new_group, of_group, user, users};

const KINDS: [GroupKind; 4] =
    [GroupKind::Private, GroupKind::Public, GroupKind::Meeting, GroupKind::Community];

/// Ada's group with Bob and Cyd; Dan and Eve are outside. Where there are administrators, Bob is one.
fn club(kind: GroupKind) -> World {
    let mut world = World::of(["ada", "bob", "cyd", "dan", "eve"]);
    world.on_group("ada", "club", new_group(kind, users(["bob", "cyd"]))).unwrap();
    if kind != GroupKind::Private {
        world.on_group("ada", "club", set_role("bob", Role::Admin)).unwrap();
    }
    world
}

fn set_role(id: &str, role: Role) -> GroupAction {
    GroupAction::SetRole { user: user(id), role }
}

fn join() -> GroupAction {
    GroupAction::Join { message: "please".into() }
}

fn remove<const N: usize>(ids: [&str; N]) -> GroupAction {
    GroupAction::Remove { users: users(ids), ban_until: None }
}

fn rename(name: &str) -> GroupAction {
    GroupAction::Update(Box::new(GroupChange { name: Some(name.into()), ..GroupChange::default() }))
}

fn members(world: &World) -> BTreeMap<alloc::string::String, Role> {
    let page = PageOf { after: None, limit: 100 };
    match world.ask(None, Ask::Members(group("club"), page)) {
        Ok(Answer::Members(page)) => {
            page.rows.into_iter().map(|(id, member)| (id.as_str().into(), member.role)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_kind_lets_people_in_its_own_way() {
    let closed = Err(Reject::JoinClosed);
    let waits = Ok(Reply::Request(RequestOutcome::Waits));
    let is_in = Ok(Reply::Request(RequestOutcome::Accepted));
    let expected = [closed, waits, is_in.clone(), is_in];
    for (kind, expected) in KINDS.into_iter().zip(expected) {
        let mut world = club(kind);
        assert_eq!(world.on_group("dan", "club", join()), expected, "{kind:?}");
        assert_eq!(
            members(&world).contains_key("dan"),
            expected.is_ok() && kind >= GroupKind::Meeting
        );
    }
}

#[test]
fn who_may_do_what() {
    let invite = || GroupAction::Invite { users: users(["eve"]) };
    let mute = |id: &str| GroupAction::Mute { user: user(id), until: LogTime(u64::MAX) };
    let attribute =
        || GroupAction::SetAttribute { key: "k".into(), value: Some("v".into()), expected: None };
    let transfer = || GroupAction::Transfer { to: user("cyd") };
    // Whether owner (ada), administrator (bob; in private groups a member) and member (cyd) may, by kind.
    type Row = (&'static str, GroupAction, [[bool; 3]; 4]);
    let all = [true; 3];
    let moderators = [true, true, false];
    let owner = [true, false, false];
    let rows: [Row; 8] = [
        ("rename", rename("x"), [all, moderators, moderators, moderators]),
        ("invite", invite(), [all, moderators, all, all]),
        ("attribute", attribute(), [all, moderators, moderators, moderators]),
        (
            "mute all",
            GroupAction::MuteAll { on: true },
            [owner, moderators, moderators, moderators],
        ),
        (
            "rules",
            GroupAction::SetRules(Box::new(GroupRules {
                join: JoinRule::Closed,
                ..GroupRules::default()
            })),
            [owner; 4],
        ),
        ("role", set_role("cyd", Role::Admin), [[false; 3], owner, owner, owner]),
        ("transfer", transfer(), [owner; 4]),
        ("dismiss", GroupAction::Dismiss, [[false; 3], owner, owner, owner]),
    ];
    for (name, action, by_kind) in rows {
        for (kind, expected) in KINDS.into_iter().zip(by_kind) {
            for (id, may) in ["ada", "bob", "cyd"].into_iter().zip(expected) {
                let result = club(kind).on_group(id, "club", action.clone());
                assert_eq!(result.is_ok(), may, "{name} by {id} in {kind:?}: {result:?}");
            }
        }
    }
    for (id, whom, may) in [
        ("ada", "bob", true),
        ("bob", "ada", false),
        ("bob", "bob", false),
        ("bob", "cyd", true),
        ("cyd", "bob", false),
    ] {
        let mut world = club(GroupKind::Public);
        let muted = world.on_group(id, "club", mute(whom));
        assert_eq!(muted.is_ok(), may, "{id} mutes {whom}: {muted:?}");
    }
}

#[test]
fn an_administrator_answers_requests_and_a_full_group_takes_nobody() {
    let mut world = club(GroupKind::Public);
    world.on_group("dan", "club", join()).unwrap();
    world.on_group("eve", "club", join()).unwrap();
    let answer = |id: &str, accept| GroupAction::AnswerJoin { user: user(id), accept };
    let by_member = world.on_group("cyd", "club", answer("dan", true));
    assert_eq!(by_member, Err(Reject::NotPermitted));
    let rules = GroupRules { members_max: 4, ..GroupRules::default() };
    world.on_group("ada", "club", GroupAction::SetRules(Box::new(rules))).unwrap();
    world.on_group("bob", "club", answer("dan", true)).unwrap();
    let full = world.on_group("bob", "club", answer("eve", true));
    assert!(matches!(full, Err(Reject::TooMany { limit: 4, .. })));
    world.on_group("bob", "club", answer("eve", false)).unwrap();
    let again = world.on_group("bob", "club", answer("eve", false));
    assert_eq!(again, Err(Reject::RequestNotFound));
    assert_eq!(members(&world).len(), 4);
}

#[test]
fn invitations_name_those_who_cannot_come() {
    let mut world = club(GroupKind::Meeting);
    let invitations = Allowed::Friends;
    let rules = ContactRules { invitations, ..ContactRules::default() };
    world.account("dan", AccountAction::SetRules { rules }).unwrap();
    let invite = GroupAction::Invite { users: users(["bob", "dan", "eve", "nobody"]) };
    let Ok(Reply::Members { done, failed }) = world.on_group("cyd", "club", invite) else {
        panic!("no reply");
    };
    let why: BTreeMap<_, _> = failed.into_iter().collect();
    assert_eq!(done, 1);
    assert_eq!(why[&user("bob")], Reject::AlreadyMember { user: user("bob") });
    assert_eq!(why[&user("dan")], Reject::ContactRefused { user: user("dan") });
    assert_eq!(why[&user("nobody")], Reject::AccountNotFound { user: user("nobody") });
    // The back end asks nobody.
    let action = GroupAction::Invite { users: users(["dan"]) };
    let action = Action::Group { group: group("club"), action };
    let actor = Actor::Backend { user: None };
    assert!(matches!(world.act(actor, action), Ok(Reply::Members { done: 1, .. })));
}

#[test]
fn who_is_banned_stays_out_until_then() {
    let mut world = club(GroupKind::Meeting);
    let until = LogTime(world.at.0 + 1_000);
    let action = GroupAction::Remove { users: users(["cyd"]), ban_until: Some(until) };
    world.on_group("bob", "club", action).unwrap();
    let banned = |until| Err(Reject::Banned { user: user("cyd"), until });
    assert_eq!(world.on_group("cyd", "club", join()), banned(Some(until)));
    world.later(1_000);
    assert!(world.on_group("cyd", "club", join()).is_ok());
    let ban = |until| GroupAction::Ban { user: user("cyd"), until };
    let inside = world.on_group("bob", "club", ban(None));
    assert_eq!(inside, Err(Reject::AlreadyMember { user: user("cyd") }));
    world.on_group("cyd", "club", GroupAction::Leave).unwrap();
    world.on_group("bob", "club", ban(None)).unwrap();
    assert_eq!(world.on_group("cyd", "club", join()), banned(None));
    world.on_group("bob", "club", GroupAction::Unban { user: user("cyd") }).unwrap();
    assert!(world.on_group("cyd", "club", join()).is_ok());
}

#[test]
fn nobody_removes_who_stands_as_high() {
    let mut world = club(GroupKind::Public);
    let Ok(Reply::Members { done, failed }) =
        world.on_group("bob", "club", remove(["ada", "bob", "cyd", "dan"]))
    else {
        panic!("no reply");
    };
    let failed: Vec<_> = failed.into_iter().map(|(id, _)| id).collect();
    assert_eq!((done, failed), (1, ["ada", "bob", "dan"].map(user).into()));
    let member = world.on_group("cyd", "club", remove(["bob"]));
    assert_eq!(member, Err(Reject::NotMember { user: user("cyd") }));
    let left = world.events.iter().any(|event| {
        matches!(event, Event::Left { users, by: Some(by), .. }
            if *users == [user("cyd")] && *by == user("bob"))
    });
    assert!(left);
}

#[test]
fn an_owner_gives_the_group_away_before_it_leaves() {
    let mut world = club(GroupKind::Public);
    let stays = world.on_group("ada", "club", GroupAction::Leave);
    assert_eq!(stays, Err(Reject::OwnerStays));
    world.on_group("ada", "club", GroupAction::Transfer { to: user("bob") }).unwrap();
    assert_eq!(members(&world)["bob"], Role::Owner);
    world.on_group("ada", "club", GroupAction::Leave).unwrap();

    let mut world = club(GroupKind::Private);
    for id in ["ada", "bob"] {
        world.on_group(id, "club", GroupAction::Leave).unwrap();
    }
    assert_eq!(members(&world), [("cyd".into(), Role::Member)].into());
    world.on_group("cyd", "club", GroupAction::Leave).unwrap();
    let gone = world.ask(None, Ask::Group(group("club")));
    assert_eq!(gone, Err(Reject::GroupNotFound { group: group("club") }));
}

#[test]
fn a_deleted_owner_is_followed_by_an_administrator() {
    let mut world = club(GroupKind::Public);
    world.account("ada", AccountAction::Delete).unwrap();
    world.keep_house();
    assert_eq!(members(&world), [("bob".into(), Role::Owner), ("cyd".into(), Role::Member)].into());
}

#[test]
fn a_dismissed_group_is_gone_at_once_and_its_rows_later() {
    let mut world = club(GroupKind::Public);
    world.say("cyd", &of_group("club"), "x").unwrap();
    world.on_group("dan", "club", join()).unwrap();
    world.on_group("ada", "club", GroupAction::Dismiss).unwrap();
    let gone = Reject::GroupNotFound { group: group("club") };
    assert_eq!(world.say("cyd", &of_group("club"), "x"), Err(gone.clone()));
    assert_eq!(world.on_group("dan", "club", join()), Err(gone));
    world.keep_house();
    for id in ["ada", "bob", "cyd", "dan"] {
        assert_eq!(
            world.ask(Some(id), Ask::Memberships(user(id))),
            Ok(Answer::Memberships(Vec::new()))
        );
    }
    let again = world.on_group("ada", "club", new_group(GroupKind::Public, users([])));
    assert_eq!(again, Err(Reject::GroupExists { group: group("club") }));
    let left = |table: u8| {
        world.rows.iter().filter(|(key, _)| key[1] == table && key.ends_with(b"club\0")).count()
    };
    assert_eq!((left(b'm'), left(b's'), left(b'j'), left(b'g')), (0, 0, 0, 1));
}

#[test]
fn rules_stay_within_the_kind() {
    let open = GroupRules { join: JoinRule::Free, ..GroupRules::default() };
    let big = GroupRules { members_max: 10_001, join: JoinRule::Closed, ..GroupRules::default() };
    let shut =
        GroupRules { invite: InviteRule::Nobody, join: JoinRule::Closed, ..GroupRules::default() };
    let mut world = club(GroupKind::Private);
    let mut set = |rules| world.on_group("ada", "club", GroupAction::SetRules(Box::new(rules)));
    assert_eq!(set(open), Err(Reject::KindForbids));
    assert!(matches!(set(big), Err(Reject::TooMany { .. })));
    assert_eq!(set(shut), Ok(Reply::Done));
    let invite = GroupAction::Invite { users: users(["eve"]) };
    assert_eq!(world.on_group("ada", "club", invite), Err(Reject::JoinClosed));
}

#[test]
fn an_attribute_changes_only_if_nobody_else_changed_it() {
    let mut world = club(GroupKind::Public);
    let mut set = |value: Option<&str>, expected| {
        let (key, value) = ("colour".into(), value.map(Into::into));
        let action = GroupAction::SetAttribute { key, value, expected };
        world.on_group("ada", "club", action)
    };
    let Ok(Reply::Attribute { version }) = set(Some("red"), Some(0)) else {
        panic!("no version");
    };
    let changed = Err(Reject::AttributeChanged { version });
    assert_eq!(set(Some("blue"), Some(0)), changed);
    assert_eq!(set(Some("red"), Some(0)), Ok(Reply::Attribute { version }), "it is so");
    assert!(set(Some("blue"), Some(version)).is_ok());
    assert_eq!(set(None, None), Ok(Reply::Attribute { version: 0 }));
    let Ok(Reply::Attribute { version: later }) = set(Some("red"), Some(0)) else {
        panic!("no version");
    };
    assert!(later > version, "a version does not come again");
}

#[test]
fn a_counter_counts_each_key_once() {
    let mut world = club(GroupKind::Meeting);
    let mut count = |add, number| {
        let action = GroupAction::Count { name: "likes".into(), add, key: key(number) };
        world.on_group("cyd", "club", action)
    };
    assert_eq!(count(2, 1), Ok(Reply::Counter { value: 2 }));
    assert_eq!(count(2, 1), Ok(Reply::Counter { value: 2 }));
    assert_eq!(count(3, 2), Ok(Reply::Counter { value: 5 }));
    assert_eq!(count(i64::MAX, 3), Err(Reject::CounterOverflow));
}

#[test]
fn strangers_see_the_door_sign_only() {
    let mut world = club(GroupKind::Public);
    let notice = Some("secret".into());
    let change = GroupChange { notice, name: Some("n".into()), ..GroupChange::default() };
    world.on_group("ada", "club", GroupAction::Update(Box::new(change))).unwrap();
    let seen = |id: Option<&str>| match world.ask(id, Ask::Group(group("club"))) {
        Ok(Answer::Group(view)) => (view.value.info.name, view.value.info.notice.text),
        other => panic!("{other:?}"),
    };
    assert_eq!(seen(Some("cyd")), ("n".into(), "secret".into()));
    assert_eq!(seen(Some("eve")), ("n".into(), "".into()));
    let page = || PageOf { after: None, limit: 9 };
    for (id, ask) in [
        ("eve", Ask::Members(group("club"), page())),
        ("eve", Ask::Attributes(group("club"))),
        ("cyd", Ask::Bans(group("club"), page())),
        ("cyd", Ask::JoinRequests(group("club"), page())),
        ("ada", Ask::Groups(PageOf { after: None, limit: 9 })),
    ] {
        assert!(world.ask(Some(id), ask.clone()).is_err(), "{id} asks {ask:?}");
    }
}

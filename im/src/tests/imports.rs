//! What is brought in from elsewhere.

use alloc::{boxed::Box, collections::BTreeSet, string::String, vec, vec::Vec};

use proto::{
    im::{
        Action, Answer, Ask, Content, ConversationId, Event, GroupKind, MessageOptions, Reject,
        Reply, Role,
        command::{
            GroupAction, GroupChange, ImportedMessage, NewFriendship, NewGroup, NewMember, OldGroup,
        },
        event::Imported::{self, Created, Exists, Refused},
        group::GroupInfo,
        id::{ClientKey, Sequence},
        limit::IMPORT_MAX,
        message::Mentions,
        query::{Search, SearchPlace},
    },
    time::LogTime,
};

use super::make::{BACKEND, START, World, between, by, group, key, of_group, text, user, users};

/// A year before the world began.
const LONG_AGO: LogTime = LogTime(START.0 - 31_536_000_000);

fn bring(world: &mut World, action: Action) -> Vec<Imported> {
    match world.act(BACKEND, action).unwrap() {
        Reply::Imported(outcomes) => outcomes,
        reply => panic!("{reply:?}"),
    }
}

fn friends(one: &str, other: &str) -> NewFriendship {
    NewFriendship {
        user: user(one),
        peer: user(other),
        remark: "the other".into(),
        peer_remark: "the one".into(),
        source: "old system".into(),
        since: LONG_AGO,
    }
}

fn old(sender: &str, number: u8, after_ms: u64, words: &str) -> ImportedMessage {
    ImportedMessage {
        sender: user(sender),
        key: key(number),
        at: LogTime(LONG_AGO.0 + after_ms),
        content: text(words),
        options: MessageOptions::default(),
    }
}

fn old_group(
    id: &str,
    owner: &str,
    kind: GroupKind,
    members: BTreeSet<proto::im::UserId>,
) -> OldGroup {
    let info = GroupInfo { name: "from elsewhere".into(), ..GroupInfo::default() };
    let new = NewGroup { key: key(0), kind, info, rules: None, members };
    OldGroup { group: group(id), owner: user(owner), new, created_at: LONG_AGO }
}

fn messages(conversation: &ConversationId, messages: Vec<ImportedMessage>) -> Action {
    Action::ImportMessages { conversation: conversation.clone(), messages }
}

fn member(id: &str, role: Role) -> NewMember {
    NewMember {
        user: user(id),
        role,
        card: String::new(),
        joined_at: LONG_AGO,
        muted_until: LogTime(0),
    }
}

#[test]
fn friends_come_with_their_remarks_and_since_when() {
    let mut world = World::of(["ada", "bob", "cyd"]);
    let rows = vec![
        friends("ada", "bob"),
        friends("bob", "ada"),
        friends("ada", "ada"),
        friends("ada", "nobody"),
    ];
    let outcomes = bring(&mut world, Action::ImportFriends { friends: rows });
    let unknown = Reject::AccountNotFound { user: user("nobody") };
    assert_eq!(outcomes, [Created, Exists, Refused(Reject::Oneself), Refused(unknown)]);
    for (one, other, remark) in [("ada", "bob", "the other"), ("bob", "ada", "the one")] {
        let ask = Ask::Relation { user: user(one), peer: user(other) };
        let Ok(Answer::Relation(relation)) = world.ask(None, ask) else { panic!("no relation") };
        let friend = relation.friend.unwrap();
        assert_eq!((friend.since, friend.remark.as_str()), (LONG_AGO, remark));
    }
}

#[test]
fn only_back_ends_import() {
    let mut world = World::of(["ada", "bob"]);
    let friends = Action::ImportFriends { friends: vec![friends("ada", "bob")] };
    let said = messages(&between("ada", "bob"), vec![old("bob", 1, 0, "I owe you")]);
    let groups = Action::ImportGroups { groups: vec![] };
    for action in [friends, said, groups] {
        assert_eq!(world.act(by("ada"), action), Err(Reject::NotPermitted));
    }
    world
        .act(
            BACKEND,
            Action::ImportGroups {
                groups: vec![old_group("club", "ada", GroupKind::Public, users([]))],
            },
        )
        .unwrap();
    let members = GroupAction::Import { members: vec![member("bob", Role::Admin)] };
    assert_eq!(world.on_group("ada", "club", members), Err(Reject::NotPermitted));
}

#[test]
fn messages_keep_their_time_and_sender_and_nobody_is_told() {
    let mut world = World::of(["ada", "bob"]);
    let talk = between("ada", "bob");
    let rows = vec![old("ada", 1, 0, "once"), old("bob", 2, 5, "upon"), old("ada", 1, 9, "again")];
    assert_eq!(bring(&mut world, messages(&talk, rows.clone())), [Created, Created, Exists]);
    assert!(!world.events.iter().any(|event| matches!(event, Event::Message { .. })));
    let history = world.history(Some("bob"), &talk);
    let told: Vec<_> = history.iter().map(|m| (m.seq.0, m.at.0 - LONG_AGO.0)).collect();
    assert_eq!(told, [(1, 0), (2, 5)]);
    assert_eq!(history[1].sender, Some(user("bob")));
    assert_eq!((world.unread("ada", &talk), world.unread("bob", &talk)), (0, 0));
    // Again is harmless, and what is said from then on counts as ever.
    assert_eq!(bring(&mut world, messages(&talk, rows)), [Exists, Exists, Exists]);
    assert_eq!(world.say("ada", &talk, "a time"), Ok(Sequence(3)));
    assert_eq!(world.unread("bob", &talk), 1);
}

#[test]
fn a_row_that_cannot_be_is_refused_and_the_others_are_not() {
    let mut world = World::of(["ada", "bob", "cyd"]);
    let talk = between("ada", "bob");
    let empty =
        ImportedMessage { content: Content::Text { text: String::new() }, ..old("ada", 3, 6, "") };
    let rows = vec![
        old("ada", 1, 5, "late"),
        old("bob", 2, 4, "early"),
        empty,
        old("cyd", 4, 7, "not mine"),
        old("bob", 5, 8, "last"),
    ];
    let outcomes = bring(&mut world, messages(&talk, rows));
    assert_eq!(outcomes[1], Refused(Reject::OutOfOrder));
    assert!(matches!(outcomes[2], Refused(Reject::Length { .. })));
    assert_eq!(outcomes[3], Refused(Reject::NotMember { user: user("cyd") }));
    assert_eq!((&outcomes[0], &outcomes[4]), (&Created, &Created));
    world.say("ada", &talk, "now").unwrap();
    assert_eq!(
        bring(&mut world, messages(&talk, vec![old("bob", 6, 9, "then")])),
        [Refused(Reject::OutOfOrder)]
    );
}

#[test]
fn what_is_imported_lies_behind_and_not_ahead() {
    let mut world = World::of(["ada", "bob"]);
    let talk = between("ada", "bob");
    let ahead = ImportedMessage {
        at: LogTime(START.0 * 2),
        options: MessageOptions {
            ttl: Some(core::time::Duration::from_secs(1)),
            mentions: Mentions { all: true, users: users(["bob"]) },
            ..MessageOptions::default()
        },
        ..old("ada", 1, 0, "to come")
    };
    assert_eq!(bring(&mut world, messages(&talk, vec![ahead])), [Created]);
    assert_eq!(world.message(&talk, 1).at, START);
    world.later(100_000);
    world.keep_house();
    assert_eq!(world.history(None, &talk).len(), 1);
    assert_eq!(world.ask(None, Ask::Mentions(user("bob"), talk)), Ok(Answer::Mentions(vec![])));
}

#[test]
fn imported_messages_that_are_too_old_are_trimmed_like_others() {
    let mut world = World::of(["ada", "bob", "cyd"]);
    let settings = proto::im::Settings {
        retention: Some(core::time::Duration::from_hours(24)),
        ..proto::im::Settings::default()
    };
    world.act(BACKEND, Action::Configure(settings)).unwrap();
    let talk = between("ada", "bob");
    world.say("ada", &talk, "new").unwrap();
    let old_talk = between("ada", "cyd");
    bring(&mut world, messages(&old_talk, vec![old("ada", 1, 0, "old")]));
    world.keep_house();
    assert_eq!(world.history(None, &old_talk).len(), 0);
    assert_eq!(world.history(None, &talk).len(), 1);
}

#[test]
fn groups_come_with_owner_members_roles_and_time_and_say_nothing() {
    for kind in [GroupKind::Private, GroupKind::Public, GroupKind::Meeting, GroupKind::Community] {
        let mut world = World::of(["ada", "bob", "cyd", "dan"]);
        let club = old_group("club", "ada", kind, users(["bob"]));
        let rows = vec![club.clone(), club, old_group("other", "nobody", kind, users([]))];
        let outcomes = bring(&mut world, Action::ImportGroups { groups: rows });
        let unknown = Reject::AccountNotFound { user: user("nobody") };
        assert_eq!(outcomes, [Created, Exists, Refused(unknown)], "{kind:?}");
        let rows = vec![
            member("bob", Role::Member),
            member("cyd", Role::Admin),
            member("dan", Role::Owner),
        ];
        let action =
            Action::Group { group: group("club"), action: GroupAction::Import { members: rows } };
        let outcomes = bring(&mut world, action);
        let admin = if kind == GroupKind::Private { Refused(Reject::KindForbids) } else { Created };
        assert_eq!(outcomes, [Exists, admin, Refused(Reject::NotPermitted)], "{kind:?}");
        let talk = of_group("club");
        assert_eq!(world.history(None, &talk).len(), 0, "{kind:?}: something was said");
        assert_eq!(world.view("bob", &talk).member.joined_at, LONG_AGO);
        let said = messages(&talk, vec![old("ada", 1, 0, "hello"), old("dan", 2, 1, "left since")]);
        assert_eq!(bring(&mut world, said), [Created, Created]);
        assert_eq!(world.history(Some("bob"), &talk).len(), 2);
        assert_eq!(world.unread("bob", &talk), 0);
        let rename = GroupChange { name: Some("renamed".into()), ..GroupChange::default() };
        world.on_group("ada", "club", GroupAction::Update(Box::new(rename))).unwrap();
    }
}

#[test]
fn one_command_brings_a_bounded_number() {
    let mut world = World::of(["ada"]);
    let many: Vec<_> = (0..=IMPORT_MAX).map(|n| old("ada", 1, n as u64, "x")).collect();
    let too_many = messages(&between("ada", "bob"), many);
    assert!(matches!(world.act(BACKEND, too_many), Err(Reject::Length { .. })));
    let crowd: BTreeSet<_> = (0..IMPORT_MAX).map(|n| user(&alloc::format!("u{n}"))).collect();
    let groups = vec![old_group("club", "ada", GroupKind::Community, crowd)];
    assert!(matches!(
        world.act(BACKEND, Action::ImportGroups { groups }),
        Err(Reject::Length { .. })
    ));
}

fn search(
    world: &World,
    id: &str,
    words: &str,
    conversation: Option<&ConversationId>,
) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let ask = Search {
            user: user(id),
            words: words.into(),
            conversation: conversation.cloned(),
            sender: None,
            after,
            limit: 2,
        };
        let answer = world.ask(Some(id), Ask::Search(Box::new(ask)));
        let Ok(Answer::Found(found)) = answer else { panic!("{answer:?}") };
        assert!(found.messages.len() <= 2);
        all.extend(found.messages.iter().map(|(c, m)| (alloc::format!("{c}"), m.seq.0)));
        after = found.next;
        if after.is_none() {
            return all;
        }
    }
}

#[test]
fn people_find_words_in_what_they_may_see_and_nothing_else() {
    let mut world = World::of(["ada", "bob", "cyd"]);
    let (talk, other) = (between("ada", "bob"), between("bob", "cyd"));
    for words in ["The Red house", "a red car", "blue", "RED again", "tired readers"] {
        world.say("ada", &talk, words).unwrap();
    }
    world.say("cyd", &other, "red, but not for Ada").unwrap();
    let told =
        |found: Vec<(String, u64)>| found.into_iter().map(|(_, seq)| seq).collect::<Vec<_>>();
    assert_eq!(told(search(&world, "ada", "red", None)), [5, 4, 2, 1]);
    assert_eq!(told(search(&world, "ada", " Red  HOUSE ", Some(&talk))), [1]);
    assert_eq!(search(&world, "bob", "red", None).len(), 5);
    assert_eq!(search(&world, "cyd", "red", None).len(), 1);
    let hide = proto::im::command::ConversationAction::HideMessages { seqs: [Sequence(4)].into() };
    world.on_conversation("ada", &talk, hide).unwrap();
    assert_eq!(told(search(&world, "ada", "red", None)), [5, 2, 1]);
    assert_eq!(told(search(&world, "bob", "red", Some(&talk))), [5, 4, 2, 1]);
    let ask = |user_id: &str, words: &str| Search {
        user: user(user_id),
        words: words.into(),
        conversation: Some(other.clone()),
        sender: None,
        after: None,
        limit: 10,
    };
    let foreign = world.ask(Some("ada"), Ask::Search(Box::new(ask("ada", "red"))));
    assert_eq!(foreign, Err(Reject::ConversationNotFound));
    let spied = world.ask(Some("ada"), Ask::Search(Box::new(ask("bob", "red"))));
    assert_eq!(spied, Err(Reject::NotPermitted));
    let nothing = world.ask(Some("bob"), Ask::Search(Box::new(ask("bob", "  "))));
    assert!(matches!(nothing, Err(Reject::Length { .. })));
}

#[test]
fn a_search_looks_at_a_bounded_number_and_goes_on() {
    let mut world = World::of(["ada", "bob"]);
    let talk = between("ada", "bob");
    let limit = proto::im::limit::SEARCH_ROWS_MAX;
    let mut number = 0_u64;
    while number <= limit as u64 {
        let rows = (0..IMPORT_MAX as u64).map(|n| ImportedMessage {
            key: ClientKey(u128::from(number + n + 1).to_be_bytes()),
            ..old("ada", 0, number + n, if number + n == 0 { "needle" } else { "hay" })
        });
        // Not by `run`, whose look at all rows after each command is not what this is about.
        let action = messages(&talk, rows.collect());
        let command = proto::im::Command { actor: BACKEND, action };
        let mut batch = proto::store::Batch::new();
        crate::apply(&world.rows, world.at, &command, &mut batch).unwrap();
        world.rows.write(batch);
        number += IMPORT_MAX as u64;
    }
    let ask = |after| Search {
        user: user("bob"),
        words: "needle".into(),
        conversation: None,
        sender: None,
        after,
        limit: 10,
    };
    let Ok(Answer::Found(first)) = world.ask(Some("bob"), Ask::Search(Box::new(ask(None)))) else {
        panic!("nothing");
    };
    assert!(first.messages.is_empty());
    let next: SearchPlace = first.next.unwrap();
    assert!(next.before.0 > 1 && next.before.0 < number);
    let Ok(Answer::Found(second)) = world.ask(Some("bob"), Ask::Search(Box::new(ask(Some(next)))))
    else {
        panic!("nothing");
    };
    assert_eq!(second.messages.len(), 1);
    assert_eq!(second.next, None);
}

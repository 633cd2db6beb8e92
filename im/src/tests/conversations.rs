//! Cursors, unread messages, receipts, settings and the list.

use alloc::{boxed::Box, vec::Vec};

use proto::{
    im::{
        Answer, Ask, GroupKind, MessageOptions, Reject, Sequence,
        command::{ConversationAction, SettingsChange},
        query::{ListPlace, PageOf, UnreadTotal},
    },
    store::Direction,
    time::LogTime,
};

use super::make::{World, between, new_group, of_group, text, user, users};

fn pin(world: &mut World, id: &str, peer: &str) {
    let change = SettingsChange { pinned: Some(true), ..SettingsChange::default() };
    let action = ConversationAction::Update(Box::new(change));
    world.on_conversation(id, &between(id, peer), action).unwrap();
}

fn list(world: &World, id: &str) -> Vec<ListPlace> {
    let (mut places, mut after) = (Vec::new(), None);
    loop {
        let page = PageOf { after, limit: 2 };
        let Ok(Answer::Conversations(page)) =
            world.ask(Some(id), Ask::Conversations(user(id), page))
        else {
            panic!("no list");
        };
        places.extend(page.rows.into_iter().map(|(place, _)| place));
        if !page.more {
            return places;
        }
        after = places.last().cloned();
    }
}

#[test]
fn unread_is_what_others_said_since_one_read_or_wrote() {
    let mut world = World::of(["ada", "bob"]);
    let talk = between("ada", "bob");
    for _ in 0..3 {
        world.say("ada", &talk, "x").unwrap();
    }
    assert_eq!((world.unread("ada", &talk), world.unread("bob", &talk)), (0, 3));
    world.read("bob", &talk, 2);
    assert_eq!(world.unread("bob", &talk), 1);
    world.read("bob", &talk, 1);
    assert_eq!(world.unread("bob", &talk), 1, "a cursor does not go back");
    world.say("bob", &talk, "x").unwrap();
    assert_eq!((world.unread("ada", &talk), world.unread("bob", &talk)), (1, 0));
    let quiet = MessageOptions { no_unread: true, ..MessageOptions::default() };
    world.send_all("bob", &talk, text("quiet"), quiet).unwrap();
    assert_eq!(world.unread("ada", &talk), 1);
    let beyond = ConversationAction::Read { seq: Sequence(9) };
    let result = world.on_conversation("ada", &talk, beyond);
    assert_eq!(result, Err(Reject::MessageNotFound { seq: Sequence(9) }));
}

#[test]
fn each_kind_of_group_counts_and_shows_what_it_should() {
    for (kind, counts, sees_before) in [
        (GroupKind::Private, true, false),
        (GroupKind::Public, true, false),
        (GroupKind::Meeting, false, true),
        (GroupKind::Community, true, true),
    ] {
        let mut world = World::of(["ada", "bob", "cyd"]);
        world.on_group("ada", "club", new_group(kind, users(["bob"]))).unwrap();
        let talk = of_group("club");
        world.say("ada", &talk, "before").unwrap();
        let invite = proto::im::command::GroupAction::Invite { users: users(["cyd"]) };
        world.on_group("ada", "club", invite).unwrap();
        assert_eq!(world.unread("cyd", &talk), 0, "{kind:?}: nothing before one came");
        world.say("ada", &talk, "after").unwrap();
        assert_eq!(world.unread("bob", &talk), if counts { 2 } else { 0 }, "{kind:?}");
        assert_eq!(world.unread("cyd", &talk), u64::from(counts), "{kind:?}");
        let seen = world.history(Some("cyd"), &talk);
        let said = seen.iter().filter(|message| message.sender.is_some()).count();
        assert_eq!(said, if sees_before { 2 } else { 1 }, "{kind:?}");
    }
}

#[test]
fn receipts_come_from_cursors() {
    let mut world = World::of(["ada", "bob", "cyd", "dan"]);
    let members = users(["bob", "cyd", "dan"]);
    world.on_group("ada", "club", new_group(GroupKind::Meeting, members)).unwrap();
    let talk = of_group("club");
    world.say("ada", &talk, "x").unwrap();
    world.read("bob", &talk, 1);
    let delivered = ConversationAction::Delivered { seq: Sequence(1) };
    world.on_conversation("cyd", &talk, delivered).unwrap();
    let Ok(Answer::Receipts(receipts)) =
        world.ask(Some("ada"), Ask::Receipts(talk.clone(), Sequence(1)))
    else {
        panic!("no receipts");
    };
    assert_eq!(receipts.read, users(["bob"]));
    assert_eq!(receipts.delivered, users(["cyd"]));
    assert_eq!(receipts.unread, users(["dan"]));
    let private = between("ada", "bob");
    world.say("ada", &private, "x").unwrap();
    world.read("bob", &private, 1);
    assert_eq!(world.view("ada", &private).peer.unwrap().read, Sequence(1));
}

#[test]
fn the_list_has_pinned_ones_first_then_the_latest_and_pages_meet() {
    let mut world = World::of(["ada", "b1", "b2", "b3", "b4", "b5"]);
    for peer in ["b1", "b2", "b3", "b4", "b5"] {
        world.later(1);
        world.say(peer, &between("ada", peer), "x").unwrap();
    }
    pin(&mut world, "ada", "b2");
    world.later(1);
    world.say("b1", &between("ada", "b1"), "x").unwrap();
    let order: Vec<_> = list(&world, "ada").into_iter().map(|place| place.conversation).collect();
    assert_eq!(order, ["b2", "b1", "b5", "b4", "b3"].map(|peer| between("ada", peer)));
}

#[test]
fn a_hidden_conversation_comes_back_with_the_next_message() {
    let mut world = World::of(["ada", "bob"]);
    let talk = between("ada", "bob");
    world.say("bob", &talk, "x").unwrap();
    pin(&mut world, "ada", "bob");
    let hide = ConversationAction::Hide { clear: true };
    world.on_conversation("ada", &talk, hide).unwrap();
    assert!(list(&world, "ada").is_empty() && list(&world, "bob").len() == 1);
    world.say("bob", &talk, "y").unwrap();
    assert_eq!(list(&world, "ada").len(), 1);
    assert_eq!(world.history(Some("ada"), &talk).len(), 1, "what was cleared stays so");
    assert_eq!(world.history(Some("bob"), &talk).len(), 2);
}

#[test]
fn what_one_deletes_for_itself_others_still_see() {
    let mut world = World::of(["ada", "bob"]);
    let talk = between("ada", "bob");
    for words in ["a", "b", "c"] {
        world.say("ada", &talk, words).unwrap();
    }
    let hide = ConversationAction::HideMessages { seqs: [Sequence(1), Sequence(3)].into() };
    world.on_conversation("bob", &talk, hide).unwrap();
    let seen = |id| world.history(Some(id), &talk).iter().map(|m| m.seq.0).collect::<Vec<_>>();
    assert_eq!((seen("ada"), seen("bob")), ([1, 2, 3].into(), [2].into()));
    assert!(world.view("bob", &talk).last.is_none() && world.view("ada", &talk).last.is_some());
    let one = world.ask(Some("bob"), Ask::Message(talk.clone(), Sequence(1)));
    assert_eq!(one, Err(Reject::MessageNotFound { seq: Sequence(1) }));
}

#[test]
fn history_goes_both_ways_without_gaps() {
    let mut world = World::of(["ada", "bob"]);
    let talk = between("ada", "bob");
    for _ in 0..7 {
        world.say("ada", &talk, "x").unwrap();
    }
    let page = |from: u64, direction| {
        let (conversation, from) = (talk.clone(), Sequence(from));
        let ask = Ask::History { conversation, from, direction, limit: 3 };
        match world.ask(Some("bob"), ask) {
            Ok(Answer::History(page)) => {
                let seqs: Vec<u64> = page.messages.iter().map(|message| message.seq.0).collect();
                (seqs, page.next.map(|next| next.0))
            }
            other => panic!("{other:?}"),
        }
    };
    let up = [(1, Some(4)), (4, Some(7)), (7, None)].map(|(from, next)| {
        (page(from, Direction::Up), (from..=7).take(3).collect::<Vec<_>>(), next)
    });
    for (found, seqs, next) in up {
        assert_eq!(found, (seqs, next));
    }
    assert_eq!(page(0, Direction::Down), ([7, 6, 5].into(), Some(4)));
    assert_eq!(page(2, Direction::Down), ([2, 1].into(), None));
    assert_eq!(page(u64::MAX, Direction::Up), (Vec::new(), None));
    assert_eq!(page(u64::MAX, Direction::Down).1, Some(4));
    let stranger = Ask::History {
        conversation: talk.clone(),
        from: Sequence(1),
        direction: Direction::Up,
        limit: 9,
    };
    assert_eq!(world.ask(Some("eve"), stranger), Err(Reject::ConversationNotFound));
}

#[test]
fn the_badge_leaves_muted_conversations_out() {
    let mut world = World::of(["ada", "bob", "cyd"]);
    for peer in ["bob", "cyd"] {
        world.say(peer, &between("ada", peer), "x").unwrap();
    }
    let muted_until = Some(LogTime(u64::MAX));
    let change = SettingsChange { muted_until, ..SettingsChange::default() };
    let action = ConversationAction::Update(Box::new(change));
    world.on_conversation("ada", &between("ada", "bob"), action).unwrap();
    let total = UnreadTotal { messages: 2, badge: 1, conversations: 2 };
    assert_eq!(world.ask(Some("ada"), Ask::Unread(user("ada"))), Ok(Answer::Unread(total)));
}

//! Sending, and what becomes of messages.

use alloc::{boxed::Box, string::String, vec, vec::Vec};
use core::time::Duration;

use proto::im::{
    Action, Answer, Ask, Body, Content, Event, GroupKind, MessageOptions, Reject, Reply, Sequence,
    account::{Allowed, ContactRules},
    command::{AccountAction, GroupAction, MessageAction, RelationAction, Send},
    limit::{CONTENT_BYTES_MAX, PINS_MAX, REACTIONS_PER_USER_MAX},
    message::{File, Gone, Mentions, Picture},
};

use super::make::{World, between, by, key, new_group, of_group, text, user, users};

fn withdraw(how: Gone) -> MessageAction {
    MessageAction::Withdraw { how }
}

fn edit(words: &str) -> MessageAction {
    MessageAction::Edit { content: Box::new(text(words)) }
}

fn react(reaction: &str, on: bool) -> MessageAction {
    MessageAction::React { reaction: reaction.into(), on }
}

fn club(kind: GroupKind) -> World {
    let mut world = World::of(["ada", "bob", "cyd"]);
    world.on_group("ada", "club", new_group(kind, users(["bob", "cyd"]))).unwrap();
    world
}

#[test]
fn a_key_is_one_message_for_a_week_however_often_it_is_sent() {
    let mut world = World::of(["ada", "bob"]);
    let conversation = between("ada", "bob");
    let send = |world: &mut World, words: &str| {
        let (conversation, content) = (conversation.clone(), text(words));
        let options = MessageOptions::default();
        let send = Send { conversation, key: key(7), content, options };
        world.act(by("ada"), Action::Send(Box::new(send)))
    };
    let at = world.at;
    let seq = Sequence(1);
    assert_eq!(send(&mut world, "hi"), Ok(Reply::Sent { seq, at, duplicate: false }));
    for _ in 0..7 {
        world.later(24 * 3_600_000);
        world.keep_house();
        assert_eq!(send(&mut world, "hi"), Ok(Reply::Sent { seq, at, duplicate: true }));
    }
    // Even when it may no longer be sent: the answer was lost, not the message.
    world.relate("bob", "ada", RelationAction::Block).unwrap();
    assert_eq!(send(&mut world, "hi"), Ok(Reply::Sent { seq, at, duplicate: true }));
    world.relate("bob", "ada", RelationAction::Unblock).unwrap();
    world.later(8 * 24 * 3_600_000);
    world.keep_house();
    let sent = send(&mut world, "hi");
    assert!(matches!(sent, Ok(Reply::Sent { seq: Sequence(2), duplicate: false, .. })));
}

#[test]
fn who_may_write_to_whom() {
    let mut world = World::of(["ada", "bob"]);
    let conversation = between("ada", "bob");
    let rule = |world: &mut World, messages| {
        let rules = ContactRules { messages, ..ContactRules::default() };
        world.account("bob", AccountAction::SetRules { rules }).unwrap();
        world.say("ada", &conversation, "hi").map(|_| ())
    };
    let refused = Err(Reject::ContactRefused { user: user("bob") });
    assert_eq!(rule(&mut world, Allowed::Nobody), refused);
    assert_eq!(rule(&mut world, Allowed::Friends), refused);
    world.befriend("ada", "bob");
    assert_eq!(rule(&mut world, Allowed::Friends), Ok(()));
    world.relate("bob", "ada", RelationAction::Block).unwrap();
    assert_eq!(rule(&mut world, Allowed::Anyone), Err(Reject::Blocked));
    let nobody = world.say("ada", &between("ada", "eve"), "hi");
    assert_eq!(nobody, Err(Reject::AccountNotFound { user: user("eve") }));
    let others = world.say("ada", &between("bob", "eve"), "hi");
    assert_eq!(others, Err(Reject::ConversationNotFound));
}

#[test]
fn content_is_checked() {
    let mut world = World::of(["ada", "bob"]);
    let conversation = between("ada", "bob");
    let file = |url: &str| File { url: url.into(), ..File::default() };
    let long = "x".repeat(CONTENT_BYTES_MAX + 1);
    let place =
        |latitude_e6| Content::Location { latitude_e6, longitude_e6: 0, title: String::new() };
    let custom =
        |kind: &str| Content::Custom { kind: kind.into(), data: vec![1], summary: String::new() };
    let rows = [
        (text(""), false),
        (text(&long), false),
        (text(&long[1..]), true),
        (Content::File { file: file("") }, false),
        (Content::Image { file: file("https://x"), picture: Picture::default() }, true),
        (Content::Voice { file: file("https://x"), duration_ms: 1 }, true),
        (place(90_000_001), false),
        (place(i32::MIN), false),
        (place(-90_000_000), true),
        (custom(""), false),
        (custom("gift"), true),
        (Content::Merged { title: "t".into(), items: vec![] }, false),
        (Content::Tip(proto::im::message::Tip::Left { user: user("bob") }), false),
    ];
    for (content, good) in rows {
        let sent = world.send_all("ada", &conversation, content.clone(), MessageOptions::default());
        assert_eq!(sent.is_ok(), good, "{content:?}");
    }
    let ttl = Some(Duration::ZERO);
    let options = MessageOptions { ttl, ..MessageOptions::default() };
    assert!(world.send_all("ada", &conversation, text("x"), options).is_err());
    let reply_to = Some(Sequence(99));
    let options = MessageOptions { reply_to, ..MessageOptions::default() };
    let sent = world.send_all("ada", &conversation, text("x"), options);
    assert_eq!(sent, Err(Reject::MessageNotFound { seq: Sequence(99) }));
}

#[test]
fn a_sender_recalls_for_two_minutes_and_an_administrator_always() {
    let mut world = club(GroupKind::Public);
    let conversation = of_group("club");
    for _ in 0..3 {
        world.say("bob", &conversation, "oops").unwrap();
    }
    let first = world.view("bob", &conversation).head.head.0 - 2;
    let recall = || withdraw(Gone::Recalled);
    assert!(world.on_message("bob", &conversation, first, recall()).is_ok());
    let cyd = world.on_message("cyd", &conversation, first + 1, recall());
    assert_eq!(cyd, Err(Reject::NotPermitted));
    world.later(121_000);
    let late = world.on_message("bob", &conversation, first + 1, recall());
    assert_eq!(late, Err(Reject::TooLate));
    assert!(world.on_message("ada", &conversation, first + 1, recall()).is_ok());
    assert!(world.on_message("bob", &conversation, first + 2, withdraw(Gone::Deleted)).is_ok());
    let message = world.message(&conversation, first);
    assert!(matches!(message.body, Body::Gone { how: Gone::Recalled, .. }));
    let gone = Err(Reject::MessageNotFound { seq: Sequence(first) });
    assert_eq!(world.on_message("bob", &conversation, first, edit("again")), gone);
    assert_eq!(world.on_message("cyd", &conversation, first, react("+", true)), gone);
}

#[test]
fn an_edit_keeps_what_was_said_before() {
    let mut world = World::of(["ada", "bob"]);
    let conversation = between("ada", "bob");
    world.say("ada", &conversation, "one").unwrap();
    let reply = world.on_message("ada", &conversation, 1, edit("two"));
    assert_eq!(reply, Ok(Reply::Revised { revision: 1 }));
    let again = world.on_message("ada", &conversation, 1, edit("two"));
    assert_eq!(again, Ok(Reply::Revised { revision: 1 }), "nothing more happens");
    world.on_message("ada", &conversation, 1, edit("three")).unwrap();
    assert_eq!(world.on_message("bob", &conversation, 1, edit("x")), Err(Reject::NotPermitted));
    let Ok(Answer::Edits(edits)) =
        world.ask(Some("bob"), Ask::Edits(conversation.clone(), Sequence(1)))
    else {
        panic!("no edits");
    };
    let before: Vec<Content> = edits.into_iter().map(|edit| edit.content).collect();
    assert_eq!(before, [text("one"), text("two")]);
    assert_eq!(world.message(&conversation, 1).body, Body::Content(text("three")));
    // A device that knows revision 1 is told of the message once, as it is.
    let revisions = Ask::Revisions { conversation: conversation.clone(), after: 1, limit: 9 };
    let Ok(Answer::Revisions(page)) = world.ask(Some("bob"), revisions) else {
        panic!("no revisions");
    };
    assert_eq!(page.rows.len(), 1);
    world.relate("bob", "ada", RelationAction::Block).unwrap();
    assert_eq!(world.on_message("ada", &conversation, 1, edit("rude")), Err(Reject::Blocked));
}

#[test]
fn reactions_are_counted_once_for_each_user() {
    let mut world = club(GroupKind::Meeting);
    let conversation = of_group("club");
    world.say("ada", &conversation, "like me").unwrap();
    for id in ["bob", "bob", "cyd"] {
        world.on_message(id, &conversation, 1, react("+1", true)).unwrap();
    }
    world.on_message("cyd", &conversation, 1, react("-1", true)).unwrap();
    world.on_message("cyd", &conversation, 1, react("-1", false)).unwrap();
    let message = world.message(&conversation, 1);
    assert_eq!(message.reactions, [("+1".into(), 2)].into());
    for index in 0..REACTIONS_PER_USER_MAX {
        let on = world.on_message("ada", &conversation, 1, react(&std::format!("r{index}"), true));
        assert!(on.is_ok());
    }
    let more = world.on_message("ada", &conversation, 1, react("more", true));
    assert!(matches!(more, Err(Reject::TooMany { .. })));
    let zero = world.on_message("ada", &conversation, 1, react("a\0b", true));
    assert_eq!(zero, Err(Reject::ContentInvalid));
    world.on_message("ada", &conversation, 1, withdraw(Gone::Deleted)).unwrap();
    world.keep_house();
    assert!(world.message(&conversation, 1).reactions.is_empty());
}

#[test]
fn pins_are_the_administrators_and_few() {
    let mut world = club(GroupKind::Meeting);
    let conversation = of_group("club");
    for _ in 0..=PINS_MAX {
        world.say("ada", &conversation, "important").unwrap();
    }
    let pin = |on| MessageAction::Pin { on };
    assert_eq!(world.on_message("bob", &conversation, 1, pin(true)), Err(Reject::NotPermitted));
    for seq in 1..=PINS_MAX as u64 {
        world.on_message("ada", &conversation, seq, pin(true)).unwrap();
    }
    let last = PINS_MAX as u64 + 1;
    let full = world.on_message("ada", &conversation, last, pin(true));
    assert!(matches!(full, Err(Reject::TooMany { .. })));
    world.on_message("ada", &conversation, 1, pin(false)).unwrap();
    world.on_message("ada", &conversation, last, pin(true)).unwrap();
    let Ok(Answer::Pins(pins)) = world.ask(Some("bob"), Ask::Pins(conversation)) else {
        panic!("no pins");
    };
    assert_eq!(pins.len(), PINS_MAX);
}

#[test]
fn mentions_are_found_until_they_are_read() {
    let mut world = club(GroupKind::Public);
    let conversation = of_group("club");
    let mention = |all: bool, ids: &[&str]| MessageOptions {
        mentions: Mentions { all, users: ids.iter().map(|id| user(id)).collect() },
        ..MessageOptions::default()
    };
    let all = world.send_all("bob", &conversation, text("all"), mention(true, &[]));
    assert_eq!(all, Err(Reject::NotPermitted));
    world.send_all("ada", &conversation, text("all"), mention(true, &[])).unwrap();
    world.send_all("ada", &conversation, text("cyd"), mention(false, &["cyd"])).unwrap();
    let head = world.view("cyd", &conversation).head.head.0;
    let found = |world: &World, id: &str| match world
        .ask(Some(id), Ask::Mentions(user(id), conversation.clone()))
    {
        Ok(Answer::Mentions(seqs)) => seqs.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!((found(&world, "bob"), found(&world, "cyd"), found(&world, "ada")), (1, 2, 0));
    world.read("cyd", &conversation, head - 1);
    assert_eq!(found(&world, "cyd"), 1);
}

#[test]
fn who_is_muted_or_outside_cannot_write() {
    let mut world = club(GroupKind::Public);
    let conversation = of_group("club");
    let until = proto::time::LogTime(world.at.0 + 1_000);
    let mute = GroupAction::Mute { user: user("bob"), until };
    world.on_group("ada", "club", mute).unwrap();
    assert_eq!(world.say("bob", &conversation, "x"), Err(Reject::Muted { until }));
    world.later(1_000);
    assert!(world.say("bob", &conversation, "x").is_ok());
    world.on_group("ada", "club", GroupAction::MuteAll { on: true }).unwrap();
    assert!(matches!(world.say("bob", &conversation, "x"), Err(Reject::Muted { .. })));
    assert!(world.say("ada", &conversation, "order!").is_ok());
    world.run(&super::make::create("dan")).unwrap();
    assert_eq!(world.say("dan", &conversation, "x"), Err(Reject::NotMember { user: user("dan") }));
    let last = world.events.iter().rev().find_map(|event| match event {
        Event::Message { message, .. } => Some(message.sender.clone()),
        _ => None,
    });
    assert_eq!(last, Some(Some(user("ada"))));
}

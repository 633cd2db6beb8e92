use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message as _;
use proto::{
    error::ErrorCode,
    id::NodeId,
    im::{
        account::AccountState,
        conversation::Entity,
        event::{Event, GroupPart, SessionEnd},
        id::{ClientKey, ConversationId, GroupId, Sequence, SessionId, UserId, UserSeq},
        message::{Body as Held, Content, Message, MessageOptions},
    },
    time::LogTime,
};
use tokio::time::Instant;

use super::{
    Hub, SESSIONS_MAX, SUBSCRIPTIONS_MAX,
    presence::{
        BELIEVED_FOR, COALESCE_FOR, DOUBTED_FOR, OFFLINE_AFTER, PresenceError, REFRESH_EVERY, Wish,
    },
};
use crate::im::{
    mailbox::{Close, Mailbox, Owner},
    wire::{
        Codec,
        pb::{self, server_frame::Body},
    },
};

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn group(name: &str) -> GroupId {
    name.parse().unwrap()
}

fn conversation(text: &str) -> ConversationId {
    text.parse().unwrap()
}

struct World {
    hub: Hub,
    now: Instant,
    sessions: u64,
}

impl World {
    fn new() -> Self {
        Self { hub: Hub::default(), now: Instant::now(), sessions: 0 }
    }

    fn attach(&mut self, name: &str, device: &str) -> Arc<Mailbox> {
        self.sessions += 1;
        let owner = Owner {
            user: user(name),
            device: device.parse().unwrap(),
            login: Some(SessionId(self.sessions)),
            epoch: Some(1),
        };
        let mailbox = Arc::new(Mailbox::new(self.sessions.into(), owner, Codec::Protobuf));
        self.hub.attach(self.now, Arc::clone(&mailbox));
        mailbox
    }

    fn enter(&mut self, name: &str, groups: &[&str]) -> Arc<Mailbox> {
        let mailbox = self.attach(name, name);
        self.hub.load(&user(name), groups.iter().map(|name| group(name)));
        mailbox
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.hub.handle_timeout(self.now);
    }

    fn relayed(&mut self) -> Vec<Bytes> {
        self.hub.drain_relays().into_iter().map(|relay| relay.frame).collect()
    }
}

fn leave(world: &mut World, mailbox: &Mailbox) {
    world.hub.disconnected(world.now, &mailbox.owner.user);
    world.hub.detach(mailbox);
}

/// What a session was told, in words.
fn told(mailbox: &Mailbox) -> Vec<String> {
    let mut words = Vec::new();
    while let Some(frame) = mailbox.take(Instant::now()) {
        let frame = pb::ServerFrame::decode(frame.as_ref()).unwrap();
        match frame.body {
            Some(Body::Batch(batch)) => words.extend(batch.frames.iter().map(word)),
            _ => words.push(word(&frame)),
        }
    }
    words
}

fn word(frame: &pb::ServerFrame) -> String {
    match frame.body.as_ref().unwrap() {
        Body::Message(push) => {
            format!("{} {}", push.conversation, push.message.as_ref().unwrap().seq)
        }
        Body::MessageChanged(push) => format!("{} changed", push.conversation),
        Body::Hint(hint) => format!("{} hint {}", hint.conversation, hint.changed),
        Body::Receipt(receipt) => format!("{} read {}", receipt.user, receipt.read),
        Body::Changed(changed) => format!("change {} {}", changed.user_seq, changed.id),
        Body::Typing(typing) => format!("{} types {}", typing.user, typing.typing),
        Body::Presence(all) => {
            let one = |p: &pb::Presence| format!("{} {:?} {}", p.user, p.status(), p.text);
            all.presences.iter().map(one).collect::<Vec<_>>().join(",").trim_end().to_owned()
        }
        Body::MembersChanged(change) => format!("+{:?} -{:?}", change.joined, change.left),
        Body::GroupChanged(change) => format!("{} {:?}", change.group, change.part()),
        other => format!("{other:?}"),
    }
}

fn message(seq: u64) -> Box<Message> {
    Box::new(Message {
        seq: Sequence(seq),
        at: LogTime(1),
        sender: Some(user("ada")),
        key: ClientKey([1; 16]),
        body: Held::Content(Content::Text { text: "hello".to_owned() }),
        options: MessageOptions::default(),
        counted: seq,
        revision: 0,
        edits: 0,
        edited_at: None,
        reactions: std::collections::BTreeMap::new(),
        pinned: false,
    })
}

fn came(text: &str, seq: u64) -> Event {
    Event::Message { conversation: conversation(text), message: message(seq) }
}

#[test]
fn a_message_reaches_every_session_of_its_members_and_nobody_else() {
    let mut world = World::new();
    let ada = world.enter("ada", &["team"]);
    let phone = world.attach("ada", "phone");
    let bob = world.enter("bob", &["team"]);
    let eve = world.enter("eve", &[]);
    world.hub.handle_event(&came("g:team", 1));
    world.hub.handle_event(&came("c:ada:eve", 7));
    assert_eq!(told(&ada), ["g:team 1", "c:ada:eve 7"]);
    assert_eq!(told(&phone), ["g:team 1", "c:ada:eve 7"]);
    assert_eq!(told(&bob), ["g:team 1"]);
    assert_eq!(told(&eve), ["c:ada:eve 7"]);
}

#[test]
fn members_come_and_go_by_events() {
    let mut world = World::new();
    let ada = world.enter("ada", &["team"]);
    let bob = world.enter("bob", &[]);
    let (team, users) = (group("team"), vec![user("bob")]);
    world.hub.handle_event(&Event::Joined { group: team.clone(), users: users.clone() });
    world.hub.handle_event(&came("g:team", 1));
    world.hub.handle_event(&Event::Left { group: team.clone(), users, by: Some(user("ada")) });
    world.hub.handle_event(&came("g:team", 2));
    world.hub.handle_event(&Event::Dismissed { group: team });
    world.hub.handle_event(&came("g:team", 3));
    assert_eq!(told(&bob), ["+[\"bob\"] -[]", "+[] -[\"bob\"]", "g:team 1"]);
    let rest = ["+[\"bob\"] -[]", "+[] -[\"bob\"]", "team Dismissed", "g:team 1", "g:team 2"];
    assert_eq!(told(&ada), rest);
}

#[test]
fn what_events_say_while_groups_are_loaded_is_newer() {
    let mut world = World::new();
    let ada = world.attach("ada", "phone");
    let users = vec![user("ada")];
    world.hub.handle_event(&Event::Joined { group: group("new"), users: users.clone() });
    world.hub.handle_event(&Event::Left { group: group("old"), users, by: None });
    world.hub.handle_event(&Event::Dismissed { group: group("gone") });
    world.hub.load(&user("ada"), [group("old"), group("gone"), group("kept")]);
    for name in ["new", "old", "gone", "kept"] {
        world.hub.handle_event(&came(&format!("g:{name}"), 1));
    }
    let messages: Vec<_> = told(&ada).into_iter().filter(|word| word.ends_with(" 1")).collect();
    assert_eq!(messages, ["g:new 1", "g:kept 1"]);
}

#[test]
fn a_changed_message_is_told_whole_in_private_and_by_a_hint_in_groups() {
    let mut world = World::new();
    let ada = world.enter("ada", &["team"]);
    for text in ["c:ada:bob", "g:team"] {
        let conversation = conversation(text);
        world.hub.handle_event(&Event::MessageChanged { conversation, message: message(3) });
    }
    assert_eq!(told(&ada), ["c:ada:bob changed", "g:team hint true"]);
}

#[test]
fn changes_receipts_and_parts_of_groups_reach_whom_they_concern() {
    let mut world = World::new();
    let ada = world.enter("ada", &["team"]);
    let bob = world.enter("bob", &[]);
    world.hub.handle_event(&Event::Changed {
        user: user("ada"),
        user_seq: UserSeq(4),
        entity: Entity::Friend(user("bob")),
    });
    world.hub.handle_event(&Event::Receipt {
        conversation: conversation("c:ada:bob"),
        user: user("bob"),
        read: Sequence(9),
        delivered: Sequence(9),
    });
    world.hub.handle_event(&Event::GroupChanged {
        group: group("team"),
        part: GroupPart::Pins,
        version: 2,
        user: None,
        key: None,
    });
    assert_eq!(told(&ada), ["change 4 bob", "bob read 9", "team Pins"]);
    assert_eq!(told(&bob), ["bob read 9"]);
}

#[test]
fn sessions_end_with_their_log_in_their_epoch_or_their_account() {
    let mut world = World::new();
    let (first, second) = (world.attach("ada", "a"), world.attach("ada", "b"));
    world.hub.handle_event(&Event::SessionEnded {
        user: user("ada"),
        device: "a".parse().unwrap(),
        session: SessionId(1),
        reason: SessionEnd::LoggedOut,
    });
    assert_eq!(first.closed(), Some(Close::Unauthorized(ErrorCode::SessionEnded)));
    assert_eq!(second.closed(), None);
    let changed = |state, epoch| Event::AccountChanged { user: user("ada"), state, epoch };
    world.hub.handle_event(&changed(AccountState::Active, 1));
    assert_eq!(second.closed(), None);
    world.hub.handle_event(&changed(AccountState::Active, 2));
    assert_eq!(second.closed().unwrap().code(), 4401);
    let third = world.attach("ada", "c");
    world.hub.handle_event(&changed(AccountState::Disabled, 3));
    assert_eq!(third.closed().unwrap().code(), 4403);
}

#[test]
fn a_device_has_one_session_and_a_user_a_few() {
    let mut world = World::new();
    let first = world.attach("ada", "phone");
    let again = world.attach("ada", "phone");
    assert_eq!(first.closed(), Some(Close::Replaced));
    world.hub.detach(&first);
    for index in 0..SESSIONS_MAX {
        world.attach("ada", &format!("d{index}"));
    }
    assert_eq!(again.closed(), Some(Close::Replaced));
    assert_eq!(world.hub.counts(), (1, SESSIONS_MAX));
}

#[test]
fn presence_is_told_once_a_second_and_absence_after_a_while() {
    let mut world = World::new();
    let ada = world.enter("ada", &[]);
    let watched = world.hub.watch(&user("ada"), [user("bob")].into()).unwrap();
    assert_eq!(watched.presences[0].status(), pb::Status::Offline);
    let bob = world.enter("bob", &[]);
    let wish = |status, text: &str| Wish { status, text: text.to_owned() };
    world.hub.set_presence(world.now, &user("bob"), wish(pb::Status::Away, "lunch")).unwrap();
    assert!(told(&ada).is_empty());
    world.pass(COALESCE_FOR);
    assert_eq!(told(&ada), ["bob Away lunch"]);
    leave(&mut world, &bob);
    world.pass(Duration::from_secs(1));
    assert!(told(&ada).is_empty());
    world.pass(OFFLINE_AFTER);
    assert_eq!(told(&ada), ["bob Offline"]);
    leave(&mut world, &ada);
    world.pass(OFFLINE_AFTER);
    assert_eq!(world.hub.counts(), (0, 0));
    world.pass(REFRESH_EVERY);
    assert_eq!(world.hub.poll_timeout(), None);
    assert!(world.hub.watchers.is_empty() && world.hub.groups.is_empty());
}

#[test]
fn somebody_who_comes_back_at_once_was_never_away() {
    let mut world = World::new();
    let ada = world.enter("ada", &[]);
    world.hub.watch(&user("ada"), [user("bob")].into()).unwrap();
    world.enter("bob", &[]);
    world.pass(COALESCE_FOR);
    assert_eq!(told(&ada), ["bob Online"]);
    world.hub.disconnected(world.now, &user("bob"));
    world.pass(Duration::from_secs(3));
    world.hub.connected(world.now, &user("bob"));
    world.pass(OFFLINE_AFTER);
    assert!(told(&ada).is_empty());
}

#[test]
fn the_invisible_are_offline_to_others_and_themselves_to_their_devices() {
    let mut world = World::new();
    let ada = world.enter("ada", &[]);
    world.hub.watch(&user("ada"), [user("bob")].into()).unwrap();
    let bob = world.enter("bob", &[]);
    world.pass(COALESCE_FOR);
    let invisible = Wish { status: pb::Status::Invisible, text: String::new() };
    world.hub.set_presence(world.now, &user("bob"), invisible).unwrap();
    world.pass(COALESCE_FOR);
    assert_eq!(told(&ada), ["bob Online", "bob Offline"]);
    assert_eq!(told(&bob), ["bob Invisible"]);
    world.hub.handle_event(&came("c:ada:bob", 1));
    assert_eq!(told(&bob), ["c:ada:bob 1"]);
}

#[test]
fn what_cannot_be_wished_for_is_refused() {
    let mut world = World::new();
    world.enter("ada", &[]);
    let set = |world: &mut World, status, text: String| {
        world.hub.set_presence(world.now, &user("ada"), Wish { status, text })
    };
    let long = "x".repeat(65);
    let refused = set(&mut world, pb::Status::Online, long);
    assert_eq!(refused, Err(PresenceError::TextTooLong));
    let refused = set(&mut world, pb::Status::Offline, String::new());
    assert_eq!(refused, Err(PresenceError::Offline));
    let many = (0..=SUBSCRIPTIONS_MAX).map(|index| user(&format!("u{index}"))).collect();
    assert_eq!(world.hub.watch(&user("ada"), many), Err(PresenceError::TooMany));
}

#[test]
fn two_nodes_see_the_same_presence_and_typing() {
    let (mut here, mut there) = (World::new(), World::new());
    let ada = here.enter("ada", &["team"]);
    here.hub.watch(&user("ada"), [user("bob")].into()).unwrap();
    there.enter("bob", &["team"]);
    there.pass(COALESCE_FOR);
    there.hub.typing(&user("bob"), &conversation("g:team"), true);
    there.hub.typing(&user("bob"), &conversation("g:other"), true);
    for frame in there.relayed() {
        here.hub.handle_relay(here.now, NodeId(2), &frame);
    }
    assert_eq!(told(&ada), ["bob Online", "bob types true"]);
    here.hub.node_down(here.now, NodeId(2));
    assert_eq!(told(&ada), ["bob Offline", "bob types false"]);
    there.hub.node_up(there.now, NodeId(1));
    for frame in there.relayed() {
        here.hub.handle_relay(here.now, NodeId(2), &frame);
    }
    assert_eq!(told(&ada), ["bob Online"]);
    here.hub.handle_relay(here.now, NodeId(2), &Bytes::from_static(b"\xff\xff"));
}

#[test]
fn a_wish_on_one_node_holds_on_all() {
    let (mut here, mut there) = (World::new(), World::new());
    let phone = here.enter("ada", &[]);
    there.enter("ada", &[]);
    let busy = Wish { status: pb::Status::Busy, text: String::new() };
    there.hub.set_presence(there.now, &user("ada"), busy).unwrap();
    for frame in there.relayed() {
        here.hub.handle_relay(here.now, NodeId(2), &frame);
    }
    assert_eq!(told(&phone), ["ada Busy"]);
}

#[test]
fn an_invisible_user_who_comes_in_on_another_node_is_invisible_there() {
    let (mut here, mut there) = (World::new(), World::new());
    let ada = here.enter("ada", &[]);
    here.hub.watch(&user("ada"), [user("bob")].into()).unwrap();
    let bob = there.enter("bob", &[]);
    let invisible = Wish { status: pb::Status::Invisible, text: String::new() };
    there.hub.set_presence(there.now, &user("bob"), invisible).unwrap();
    // Nobody heard that; a link that comes up tells it again.
    there.relayed();
    there.hub.node_up(there.now, NodeId(1));
    for frame in there.relayed() {
        here.hub.handle_relay(here.now, NodeId(2), &frame);
    }
    let second = here.enter("bob", &[]);
    here.pass(COALESCE_FOR);
    assert!(told(&ada).is_empty());
    // He leaves everywhere, and with him goes his wish.
    leave(&mut there, &bob);
    leave(&mut here, &second);
    there.pass(OFFLINE_AFTER);
    here.pass(OFFLINE_AFTER);
    for frame in there.relayed() {
        here.hub.handle_relay(here.now, NodeId(2), &frame);
    }
    here.enter("bob", &[]);
    here.pass(COALESCE_FOR);
    assert_eq!(told(&ada), ["bob Online"]);
}

#[test]
fn a_node_that_started_anew_is_believed_what_it_tells_again() {
    let (mut here, mut there) = (World::new(), World::new());
    let ada = here.enter("ada", &[]);
    here.hub.watch(&user("ada"), [user("bob"), user("eve")].into()).unwrap();
    there.enter("bob", &[]);
    there.enter("eve", &[]);
    there.pass(COALESCE_FOR);
    for frame in there.relayed() {
        here.hub.handle_relay(here.now, NodeId(2), &frame);
    }
    assert_eq!(told(&ada), ["bob Online", "eve Online"]);
    let mut anew = World::new();
    anew.enter("bob", &[]);
    anew.pass(COALESCE_FOR);
    here.hub.node_up(here.now, NodeId(2));
    anew.hub.node_up(anew.now, NodeId(1));
    for frame in anew.relayed() {
        here.hub.handle_relay(here.now, NodeId(2), &frame);
    }
    here.pass(DOUBTED_FOR);
    assert_eq!(told(&ada), ["eve Offline"]);
}

#[test]
fn a_node_is_believed_as_long_as_it_tells_again() {
    let (mut here, mut there) = (World::new(), World::new());
    there.enter("bob", &[]);
    there.pass(COALESCE_FOR);
    // Nobody heard it the first time.
    there.relayed();
    let ada = here.enter("ada", &[]);
    here.hub.watch(&user("ada"), [user("bob")].into()).unwrap();
    there.pass(REFRESH_EVERY);
    for frame in there.relayed() {
        here.hub.handle_relay(here.now, NodeId(2), &frame);
    }
    assert_eq!(told(&ada), ["bob Online"]);
    for _ in 0..2 {
        here.pass(REFRESH_EVERY);
    }
    assert!(told(&ada).is_empty());
    here.pass(BELIEVED_FOR);
    assert_eq!(told(&ada), ["bob Offline"]);
}

//! Catching up by one cursor.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::ToString,
    vec::Vec,
};

use proptest::prelude::*;
use proto::{
    im::{
        Action, Answer, Ask, Command, Entity, Head, Query, Reply, Sequence, UserSeq,
        command::{ConversationAction, RelationAction},
        conversation::{ChangeHead, Retention},
        query::{ConversationView, HeadCursor, SyncFrom, Value},
    },
    store::{Batch, Memory},
};

use super::{
    make::{World, between, user},
    strategy::{config, history},
};
use crate::{apply, key, query, tx};

fn from(after: u64, heads: HeadCursor) -> SyncFrom {
    SyncFrom { user: user("ada"), after: UserSeq(after), heads, limit: 100 }
}

#[test]
fn a_thing_that_changed_often_is_told_once_as_it_is() {
    let mut world = World::of(["ada", "bob"]);
    let start = world.sync(from(0, HeadCursor::default()));
    for _ in 0..3 {
        world.relate("ada", "bob", RelationAction::Block).unwrap();
        world.relate("ada", "bob", RelationAction::Unblock).unwrap();
    }
    let answer = world.sync(from(start.next.0, start.next_heads));
    assert_eq!(answer.changes.len(), 1);
    assert!(matches!(&answer.changes[0], (_, Entity::Block(_), Value::Gone)));
    let again = world.sync(from(answer.next.0, answer.next_heads));
    assert!(again.changes.is_empty() && again.heads.is_empty() && !again.more);
}

#[test]
fn many_messages_are_one_head() {
    let mut world = World::of(["ada", "bob"]);
    let talk = between("ada", "bob");
    let start = world.sync(from(0, HeadCursor::default()));
    for _ in 0..50 {
        world.later(1);
        world.say("bob", &talk, "x").unwrap();
    }
    let answer = world.sync(from(start.next.0, start.next_heads));
    assert_eq!(answer.heads.len(), 1);
    assert_eq!((answer.heads[0].unread, answer.heads[0].head.head), (50, Sequence(50)));
    // Within the same millisecond a known head may come again, but a new message is never missed.
    world.say("bob", &talk, "y").unwrap();
    let next = world.sync(from(answer.next.0, answer.next_heads));
    assert_eq!(next.heads[0].head.head, Sequence(51));
}

#[test]
fn who_stands_before_what_was_forgotten_begins_anew() {
    let mut world = World::of(["ada", "bob"]);
    let log = ChangeHead { head: UserSeq(90), floor: UserSeq(80), rows: 0 };
    let mut batch = Batch::new();
    batch.put(key::change_head(&user("ada")).into_bytes(), tx::encode(&log));
    world.rows.write(batch);
    for (after, reset) in [(0, false), (79, true), (80, false), (90, false), (91, true)] {
        let answer = world.sync(from(after, HeadCursor::default()));
        assert_eq!((answer.reset, answer.next), (reset, UserSeq(90)), "after {after}");
    }
}

#[test]
fn what_is_unread_is_told_to_every_device() {
    let mut world = World::of(["ada", "bob"]);
    let talk = between("ada", "bob");
    world.say("bob", &talk, "x").unwrap();
    let start = world.sync(from(0, HeadCursor::default()));
    let read = ConversationAction::Read { seq: Sequence(1) };
    world.on_conversation("ada", &talk, read).unwrap();
    let answer = world.sync(from(start.next.0, start.next_heads));
    let [(_, Entity::Conversation(_), Value::Conversation(view))] = answer.changes.as_slice()
    else {
        panic!("{:?}", answer.changes);
    };
    assert_eq!((view.unread, view.member.read), (0, Sequence(1)));
}

/// What a device has put together from the answers it got.
#[derive(Default)]
struct Device {
    after: UserSeq,
    heads: HeadCursor,
    things: BTreeMap<Entity, Value>,
    conversations: BTreeMap<proto::im::ConversationId, ConversationView>,
}

impl Device {
    fn sync(&mut self, rows: &Memory, at: proto::time::LogTime) {
        for _ in 0..1_000 {
            let ask = SyncFrom {
                user: user("bob"),
                after: self.after,
                heads: self.heads.clone(),
                limit: 3,
            };
            let ask = Ask::Sync(alloc::boxed::Box::new(ask));
            let Ok(Answer::Sync(answer)) = query(rows, at, &Query { viewer: None, ask }) else {
                panic!("no answer");
            };
            assert!(!answer.reset);
            for (_, entity, value) in answer.changes {
                if let Entity::Conversation(id) = &entity {
                    match &value {
                        Value::Conversation(view) => {
                            self.conversations.insert(id.clone(), (**view).clone());
                        }
                        _ => {
                            self.conversations.remove(id);
                        }
                    }
                } else {
                    self.things.insert(entity, value);
                }
            }
            for view in answer.heads {
                self.conversations.insert(view.conversation.clone(), view);
            }
            (self.after, self.heads) = (answer.next, answer.next_heads);
            if !answer.more {
                return;
            }
        }
        panic!("syncing does not end");
    }

    fn friends(&self) -> BTreeSet<&str> {
        self.things
            .iter()
            .filter_map(|(entity, value)| match (entity, value) {
                (Entity::Friend(peer), Value::Friend(_)) => Some(peer.as_str()),
                _ => None,
            })
            .collect()
    }
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn a_device_that_syncs_now_and_then_knows_what_a_new_one_learns(
        steps in history(200), every in 1..20_usize
    ) {
        let mut rows = Memory::default();
        let mut old = Device::default();
        for (index, (at, command)) in steps.iter().enumerate() {
            let mut batch = Batch::new();
            let _outcome = apply(&rows, *at, command, &mut batch);
            rows.write(batch);
            // The account may be deleted, and then has nothing to sync.
            if is_deleted(&rows) {
                return Ok(());
            }
            if index % every == 0 {
                old.sync(&rows, *at);
            }
        }
        let at = steps.last().unwrap().0;
        // A dismissed group leaves each member's list when housekeeping comes to it.
        keep_house(&mut rows, at);
        if is_deleted(&rows) {
            return Ok(());
        }
        old.sync(&rows, at);
        let mut new = Device::default();
        new.sync(&rows, at);
        prop_assert_eq!(old.friends(), new.friends());
        let known = |device: &Device| -> Vec<_> {
            let views = device.conversations.iter();
            // When housekeeping looks at it next is nothing that devices are told.
            let head = |view: &ConversationView| Head {
                retention: Retention::default(),
                ..view.head.clone()
            };
            views.map(|(id, view)| (id.to_string(), head(view), view.unread)).collect()
        };
        prop_assert_eq!(known(&old), known(&new));
    }
}

/// Does everything that is due.
fn keep_house(rows: &mut Memory, at: proto::time::LogTime) {
    let action = Action::Expire { rows: 1_000 };
    let command = Command { actor: super::make::BACKEND, action };
    for _ in 0..100 {
        let mut batch = Batch::new();
        let outcome = apply(rows, at, &command, &mut batch).unwrap();
        rows.write(batch);
        if outcome.reply == (Reply::Expired { rows: 0 }) {
            return;
        }
    }
    panic!("housekeeping does not end");
}

/// Whether Bob was deleted.
fn is_deleted(rows: &Memory) -> bool {
    let account: Option<proto::im::Account> = tx::read(rows, &key::account(&user("bob")));
    account.is_some_and(|account| account.state == proto::im::AccountState::Deleted)
}

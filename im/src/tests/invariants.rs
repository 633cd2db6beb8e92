//! The checker finds what is broken on purpose.

use alloc::{boxed::Box, vec::Vec};

use proto::{
    im::{
        Friend, GroupKind, Head, Member, Message, Sequence, UserSeq,
        account::{Account, Tally},
        command::MessageAction,
        conversation::Entity,
        id::SessionId,
    },
    store::Batch,
};

use super::make::{World, between, new_group, of_group, user, users};
use crate::{
    Rule, check_invariants,
    key::{self, Row},
    tx,
};

fn world() -> World {
    let mut world = World::of(["ada", "bob", "cyd"]);
    world.befriend("ada", "bob");
    world.on_group("ada", "club", new_group(GroupKind::Public, users(["bob"]))).unwrap();
    for _ in 0..4 {
        world.say("ada", &of_group("club"), "x").unwrap();
        world.say("ada", &between("ada", "bob"), "x").unwrap();
    }
    let reaction = MessageAction::React { reaction: "+1".into(), on: true };
    world.on_message("ada", &of_group("club"), 4, reaction).unwrap();
    world
}

fn spoil<T>(row: Row<T>, change: impl Fn(&mut T) + 'static) -> Spoil
where
    T: serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    let bytes = row.bytes().to_vec();
    Spoil {
        key: bytes,
        change: Box::new(move |old| {
            let mut value: T = tx::decode(old);
            change(&mut value);
            tx::encode(&value)
        }),
    }
}

type Change = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A row and what it is changed to.
struct Spoil {
    key: Vec<u8>,
    change: Change,
}

#[test]
fn a_row_that_is_changed_behind_its_back_is_found() {
    let club = of_group("club");
    let (ada, bob) = (user("ada"), user("bob"));
    let rows = [
        (Rule::Friends, spoil(key::friend(&ada, &bob), |friend: &mut Friend| friend.since.0 += 1)),
        (
            Rule::Sessions,
            spoil(key::account(&ada), |account: &mut Account| {
                account.sessions.push(SessionId(1));
            }),
        ),
        (Rule::Tally, spoil(key::tally(&ada), |tally: &mut Tally| tally.groups += 1)),
        (
            Rule::ChangeLog,
            spoil(key::changed_at(&ada, &Entity::Account), |at: &mut UserSeq| {
                at.0 += 1;
            }),
        ),
        (Rule::Counted, spoil(key::head(&club), |head: &mut Head| head.counted += 1)),
        (Rule::Dense, spoil(key::head(&club), |head: &mut Head| head.first = Sequence(2))),
        (Rule::Head, spoil(key::head(&club), |head: &mut Head| head.members += 1)),
        (Rule::Revisions, spoil(key::head(&club), |head: &mut Head| head.revision = 0)),
        (
            Rule::Cursors,
            spoil(key::member(&club, &bob), |member: &mut Member| {
                member.delivered = Sequence(99);
            }),
        ),
        (
            Rule::Counted,
            spoil(key::member(&club, &bob), |member: &mut Member| {
                member.read_counted += 1;
            }),
        ),
        (
            Rule::Owner,
            spoil(key::member(&club, &bob), |member: &mut Member| {
                member.role = proto::im::Role::Owner;
            }),
        ),
        (
            Rule::Counted,
            spoil(key::message(&club, Sequence(5)), |message: &mut Message| {
                message.counted += 1;
            }),
        ),
        (
            Rule::Extras,
            spoil(key::message(&club, Sequence(5)), |message: &mut Message| {
                message.pinned = true;
            }),
        ),
        (
            Rule::Keys,
            spoil(key::message(&club, Sequence(5)), |message: &mut Message| {
                message.key.0[3] ^= 1;
            }),
        ),
    ];
    for (rule, Spoil { key, change }) in rows {
        let mut world = world();
        let old = proto::store::View::get(&world.rows, &key).expect("the row is there");
        let mut batch = Batch::new();
        batch.put(key, change(&old));
        world.rows.write(batch);
        let found = check_invariants(&world.rows).map_err(|broken| broken.rule);
        assert_eq!(found, Err(rule));
    }
}

#[test]
fn every_row_that_is_lost_is_found_unless_nothing_depends_on_it() {
    let world = world();
    let mut unnoticed: Vec<char> = Vec::new();
    for (key, _) in world.rows.iter() {
        let mut rows = world.rows.clone();
        let mut batch = Batch::new();
        batch.remove(key.to_vec());
        rows.write(batch);
        if check_invariants(&rows).is_ok() {
            unnoticed.push(char::from(key[1]));
        }
    }
    unnoticed.sort_unstable();
    unnoticed.dedup();
    // Credentials and profiles stand alone, and a client's key may have been forgotten.
    assert_eq!(unnoticed, ['A', 'p', 'x']);
}

//! Random histories: the state machine against the reference, its replicas against each other, and its promises.

use alloc::{collections::BTreeMap, vec::Vec};

use proptest::prelude::*;
use proto::{
    im::{Command, Event, Outcome, Reject},
    store::{Batch, Memory},
};

use super::{
    reference::{Reference, commands},
    strategy::{Step, config, history, history_of},
};
use crate::{apply, check_invariants};

fn run(rows: &mut Memory, (at, command): &Step) -> Result<Outcome, Reject> {
    let mut batch = Batch::new();
    let result = apply(rows, *at, command, &mut batch);
    assert!(result.is_ok() || batch.is_empty(), "a refusal wrote rows");
    rows.write(batch);
    result
}

proptest! {
    #![proptest_config(config(192))]

    #[test]
    fn random_histories_keep_every_invariant(steps in history(250)) {
        let mut rows = Memory::default();
        for step in &steps {
            let _outcome = run(&mut rows, step);
            prop_assert_eq!(check_invariants(&rows), Ok(()), "after {:?}", step);
        }
    }

    #[test]
    fn random_histories_end_where_the_reference_ends(
        steps in history_of(commands(), 200)
    ) {
        let mut rows = Memory::default();
        let mut reference = Reference::default();
        for step in &steps {
            let result = run(&mut rows, step);
            let expected = reference.apply(&step.1);
            prop_assert_eq!(result.is_ok(), expected, "{:?} was {:?}", step, result);
            reference.check(&rows, step.0);
        }
    }

    #[test]
    fn replicas_with_equal_histories_have_equal_rows(
        steps in history(100), batched in 1..7_usize
    ) {
        let (mut one, mut other) = (Memory::default(), Memory::default());
        // The other replica applies several commands on one batch, as a log does.
        for chunk in steps.chunks(batched) {
            let mut batch = Batch::new();
            for step in chunk {
                let outcome = apply(&other, step.0, &step.1, &mut batch);
                prop_assert_eq!(run(&mut one, step), outcome);
            }
            other.write(batch);
            prop_assert_eq!(&one, &other);
        }
    }

    #[test]
    fn a_repeated_command_does_nothing_twice(steps in history(100)) {
        let mut rows = Memory::default();
        for step in &steps {
            let first = run(&mut rows, step);
            let after = rows.clone();
            let second = run(&mut rows, step);
            if may_differ(&step.1) {
                continue;
            }
            prop_assert_eq!(&after, &rows, "{:?}: {:?} then {:?}", step, first, second);
        }
    }

    #[test]
    fn bytes_that_happen_to_be_commands_are_harmless(
        steps in history(60),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        picked in any::<prop::sample::Index>(),
    ) {
        let mut rows = Memory::default();
        for step in &steps {
            let _outcome = run(&mut rows, step);
        }
        let step = picked.get(&steps);
        let mut bytes = postcard::to_allocvec(&step.1).unwrap();
        for (place, byte) in &noise {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        if let Ok(command) = postcard::from_bytes::<Command>(&bytes) {
            // The log's time does not go back.
            let now = steps.last().map_or(step.0, |last| last.0);
            let _outcome = run(&mut rows, &(now, command));
            prop_assert_eq!(check_invariants(&rows), Ok(()));
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_danger(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut rows = Memory::default();
        if let Ok(command) = postcard::from_bytes::<Command>(&bytes) {
            let _outcome = run(&mut rows, &(super::make::START, command));
            prop_assert_eq!(check_invariants(&rows), Ok(()));
        }
    }
}

/// Commands that say "now", or go on with what is due: doing them again is not the same.
fn may_differ(command: &Command) -> bool {
    use proto::im::{
        Action,
        command::{AccountAction, GroupAction, RelationAction},
    };
    match &command.action {
        // Housekeeping goes on; a second refresh finds another token; voiding tokens again voids them again.
        Action::Expire { .. } | Action::Configure(_) => true,
        Action::Account { action, .. } => matches!(
            action,
            AccountAction::Refresh { .. }
                | AccountAction::RevokeAll
                | AccountAction::SetCredential { .. }
        ),
        // Asking again renews the request; who left may come in again.
        Action::Relation { action, .. } => matches!(action, RelationAction::Request { .. }),
        Action::Group { action, .. } => {
            matches!(action, GroupAction::Join { .. } | GroupAction::SetAttribute { .. })
        }
        _ => false,
    }
}

#[test]
fn histories_reach_what_they_are_to_test() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::new(config(1));
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..100 {
        let steps: Vec<Step> = history(250).new_tree(&mut runner).unwrap().current();
        let mut rows = Memory::default();
        for step in &steps {
            let result = run(&mut rows, step);
            let events = result.iter().flat_map(|outcome| &outcome.events);
            let whats = events.map(|event| match event {
                Event::Message { .. } => "message",
                Event::MessageChanged { .. } => "message changed",
                Event::Receipt { .. } => "receipt",
                Event::SessionEnded { .. } => "session ended",
                Event::Joined { .. } => "joined",
                Event::Left { .. } => "left",
                Event::Dismissed { .. } => "dismissed",
                Event::Trimmed { .. } => "trimmed",
                Event::GroupChanged { .. } => "group changed",
                Event::Changed { entity: proto::im::Entity::Friend(_), .. } => "friend",
                _ => "other",
            });
            let whats: Vec<&str> = whats.collect();
            let whys = result.as_ref().err().map(|reject| match reject {
                Reject::Blocked => "blocked",
                Reject::Muted { .. } => "muted",
                Reject::Banned { .. } => "banned",
                Reject::NotMember { .. } => "not a member",
                Reject::NotPermitted => "not permitted",
                Reject::OwnerStays => "owner stays",
                Reject::SessionEnded => "token void",
                Reject::ContactRefused { .. } => "contact refused",
                reject => reject.code().name(),
            });
            for what in whats.into_iter().chain(whys) {
                *seen.entry(what).or_default() += 1;
            }
        }
    }
    for what in [
        "message",
        "message changed",
        "receipt",
        "session ended",
        "joined",
        "left",
        "dismissed",
        "trimmed",
        "group changed",
        "friend",
        "blocked",
        "muted",
        "banned",
        "not a member",
        "not permitted",
        "owner stays",
        "token void",
        "contact refused",
    ] {
        assert!(seen.get(what).is_some_and(|count| *count >= 8), "{what} is rare: {seen:?}");
    }
}

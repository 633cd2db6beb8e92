use std::time::Duration;

use bytes::Bytes;

use super::{Leadership, Pending, Proposal, WEIGHT_MAX};
use crate::clock;

const FIRST: Leadership = Leadership { term: 1, node: 1 };
const SECOND: Leadership = Leadership { term: 2, node: 2 };

fn pending(batches: u64) -> Pending {
    let pending = Pending::new(7, 9);
    for number in 0..batches {
        pending.room.try_acquire().unwrap().forget();
        let until = clock::instant() + Duration::from_secs(number + 1);
        let batch = Bytes::from(number.to_string());
        let proposal = Proposal { tags: vec![number], batch, weight: 1, until, sent: None };
        pending.insert(number, proposal);
    }
    pending
}

fn next(pending: &Pending, leadership: Leadership) -> Option<u64> {
    pending.next_for(leadership, 9).map(|(number, _)| number)
}

#[test]
fn batches_go_out_in_order_and_no_more_than_allowed() {
    let pending = pending(3);
    assert_eq!(pending.next_for(FIRST, 2).unwrap().0, 0);
    assert_eq!(pending.next_for(FIRST, 2).unwrap().0, 1);
    assert_eq!(pending.next_for(FIRST, 2), None);
    assert_eq!(pending.settle(pending.origin(0)), Some(vec![0]));
    assert_eq!(pending.next_for(FIRST, 2).unwrap().0, 2);
}

#[test]
fn nothing_goes_to_a_new_leader_before_it_is_known_what_the_old_one_left() {
    let pending = pending(3);
    assert_eq!(next(&pending, FIRST), Some(0));
    assert_eq!(next(&pending, FIRST), Some(1));
    assert_eq!(next(&pending, SECOND), None);
    pending.led_by(FIRST);
    assert_eq!(next(&pending, SECOND), None, "an entry of the same leadership proves nothing");
    assert_eq!(pending.settle(pending.origin(0)), Some(vec![0]));
    pending.led_by(SECOND);
    assert_eq!(next(&pending, SECOND), Some(1), "it is lost for certain and goes again");
    assert_eq!(next(&pending, SECOND), Some(2));
}

#[test]
fn a_refusal_counts_only_from_the_leadership_it_was_sent_to() {
    let pending = pending(1);
    assert_eq!(next(&pending, SECOND), Some(0));
    pending.refused(0, FIRST);
    assert_eq!(next(&pending, SECOND), None);
    pending.refused(0, SECOND);
    assert_eq!(next(&pending, SECOND), Some(0));
}

#[test]
fn what_expires_unsent_is_certain_and_what_was_sent_is_not() {
    let pending = pending(2);
    assert_eq!(next(&pending, FIRST), Some(0));
    let later = clock::instant() + Duration::from_secs(60);
    assert_eq!(pending.expire(clock::instant()), []);
    assert_eq!(pending.expire(later), [(vec![0], false), (vec![1], true)]);
    assert_eq!(pending.settle(pending.origin(0)), None, "a tag has one outcome");
    assert_eq!(pending.room.available_permits(), WEIGHT_MAX);
}

#[test]
fn batches_of_other_nodes_and_other_lives_are_not_ours() {
    let pending = pending(1);
    for other in [Pending::new(7, 8), Pending::new(6, 9)] {
        assert_eq!(pending.settle(other.origin(0)), None);
    }
    assert_eq!(pending.settle(pending.origin(0)), Some(vec![0]));
}

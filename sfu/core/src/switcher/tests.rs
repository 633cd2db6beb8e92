use Quality::{High, Low, Medium};

use super::*;

const T: Instant = Instant(5_000_000);

fn switching(from: Quality, to: Quality) -> Switch {
    Switch::Switching { from, to, since: T }
}

#[test]
fn a_keyframe_of_the_wanted_encoding_completes_the_switch() {
    let slot = switching(Low, High).on_keyframe(T, High);
    assert_eq!(slot, Switch::Forwarding { quality: High });
}

#[test]
fn a_keyframe_of_another_encoding_changes_nothing() {
    assert_eq!(switching(Low, High).on_keyframe(T, Medium), switching(Low, High));
    let slot = Switch::Forwarding { quality: Low };
    assert_eq!(slot.on_keyframe(T, High), slot);
}

#[test]
fn a_starting_slot_takes_a_smaller_encoding_and_goes_on_to_the_target() {
    assert_eq!(Switch::Starting { to: High }.on_keyframe(T, Low), switching(Low, High));
    assert_eq!(Switch::Starting { to: Low }.on_keyframe(T, High), Switch::Starting { to: Low });
}

#[test]
fn a_way_up_is_abandoned_and_a_way_down_stops_the_larger_one() {
    let late = T + SWITCH_AFTER_MAX;
    assert_eq!(switching(Low, High).on_time(late), Switch::Forwarding { quality: Low });
    assert_eq!(switching(High, Low).on_time(late), Switch::Starting { to: Low });
    assert_eq!(switching(High, Low).on_time(T), switching(High, Low));
}

#[test]
fn a_target_back_to_the_current_encoding_cancels_the_switch() {
    assert_eq!(switching(Low, High).on_target(T, Some(Low)), Switch::Forwarding { quality: Low });
}

#[test]
fn no_target_pauses_and_a_new_target_starts_again() {
    assert_eq!(switching(Low, High).on_target(T, None), Switch::Paused);
    assert_eq!(Switch::Paused.on_target(T, Some(Medium)), Switch::Starting { to: Medium });
}

use super::story::check;

#[test]
fn a_second_join_with_the_same_identity_replaces_the_first() {
    check(
        "ada joins PA_1
         > the room opens
         > ada PA_1 is in
         > 1 in, 0 publishing
         ada publishes camera TR_1
         > ada has TR_1
         > ada v2 Joined
         > 1 in, 1 publishing
         ada joins PA_2
         > ada has TR_1 no more
         > ada PA_1 left: DuplicateIdentity
         > ada PA_2 is in
         > 1 in, 0 publishing",
    );
}

#[test]
fn the_same_join_twice_brings_one_participant() {
    check(
        "ada joins
         > the room opens
         > ada PA_ada is in
         > 1 in, 0 publishing
         ada joins",
    );
}

#[test]
fn a_message_of_an_older_session_changes_nothing() {
    check(
        "ada joins PA_1
         > the room opens
         > ada PA_1 is in
         > 1 in, 0 publishing
         ada joins PA_2
         > ada PA_1 left: DuplicateIdentity
         > ada PA_2 is in
         ada of PA_1 leaves
         > refused: participant does not exist: ada
         ada of PA_2 activates
         > ada v2 Active
         ada of PA_2 activates",
    );
}

#[test]
fn a_room_must_exist_for_those_who_may_not_open_it() {
    check(
        "ada joins existing
         > refused: requested room does not exist: hall
         create
         > the room opens
         ada joins existing
         > ada PA_ada is in
         > 1 in, 0 publishing",
    );
}

#[test]
fn a_full_room_still_takes_helpers_and_a_returning_identity() {
    check(
        "create for 1
         > the room opens
         ada joins PA_1
         > ada PA_1 is in
         > 1 in, 0 publishing
         bob joins
         > refused: the room has 1 participants, which is its limit
         ada joins PA_2
         > ada PA_1 left: DuplicateIdentity
         > ada PA_2 is in
         helper joins agent
         > helper PA_helper is in
         eve joins hidden
         > eve PA_eve is in
         camera-man joins egress
         > camera-man PA_camera-man is in
         > 1 in, 0 publishing, recording
         camera-man leaves
         > camera-man PA_camera-man left: ClientInitiated
         > 1 in, 0 publishing",
    );
}

#[test]
fn a_hidden_session_that_returns_visible_needs_a_free_place() {
    check(
        "create for 1
         > the room opens
         eve joins PA_1 hidden
         > eve PA_1 is in
         ada joins
         > ada PA_ada is in
         > 1 in, 0 publishing
         eve joins PA_2
         > refused: the room has 1 participants, which is its limit",
    );
}

#[test]
fn only_the_trusted_change_their_own_attributes_and_an_empty_value_deletes() {
    check(
        "ada joins trusted
         > the room opens
         > ada PA_ada is in
         > 1 in, 0 publishing
         bob joins
         > bob PA_bob is in
         > 2 in, 0 publishing
         ada sets mood glad
         > ada v2 Joined mood=glad
         ada sets mood glad
         ada unsets mood
         > ada v3 Joined
         bob sets mood sad
         > refused: updating own metadata is not permitted
         bob is given seat 4
         > bob v2 Joined seat=4",
    );
}

#[test]
fn nobody_acts_in_a_room_without_being_there() {
    check(
        "ada leaves
         > refused: requested room does not exist: hall
         create
         > the room opens
         ada leaves
         > refused: participant does not exist: ada",
    );
}

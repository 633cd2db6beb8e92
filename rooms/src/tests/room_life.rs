use proto::{
    id::NodeId,
    room::{RoomSettings, command::Action},
    time::LogTime,
};

use super::{
    make::{command, create},
    story::check,
};
use crate::Rooms;

#[test]
fn creating_an_open_room_again_changes_nothing() {
    let rooms = check(
        "create for 2
         > the room opens
         create for 9",
    );
    assert_eq!(rooms.rooms().next().unwrap().settings.participants_max, 2);
}

#[test]
fn a_room_that_nobody_visits_closes_after_its_empty_timeout() {
    check(
        "at second 100
         create keeping 30 5
         > the room opens
         at second 129
         expire
         at second 130
         expire
         > the room closes: RoomClosed
         expire",
    );
}

#[test]
fn a_room_closes_its_departure_timeout_after_the_last_one_left() {
    check(
        "create keeping 30 5
         > the room opens
         at second 20
         ada joins
         > ada PA_ada is in
         > 1 in, 0 publishing
         at second 99
         expire
         ada leaves
         > ada PA_ada left: ClientInitiated
         > 0 in, 0 publishing
         at second 103
         expire
         at second 104
         expire
         > the room closes: RoomClosed",
    );
}

#[test]
fn a_lost_node_takes_those_with_it_whom_it_carried_until_then() {
    let rooms = check(
        "at second 10
         ada joins through-7
         > the room opens
         > ada PA_ada is in
         > 1 in, 0 publishing
         ada publishes camera TR_1
         > ada has TR_1
         > ada v2 Joined
         > 1 in, 1 publishing
         bob joins
         > bob PA_bob is in
         > 2 in, 1 publishing
         at second 20
         eve joins through-7
         > eve PA_eve is in
         > 3 in, 1 publishing
         node 7 is lost at 15
         > ada has TR_1 no more
         > ada PA_ada left: NodeLost
         > 2 in, 0 publishing
         node 7 is lost at 15",
    );
    let loss = rooms.losses(NodeId(7)).next().unwrap();
    assert_eq!(loss.action, Action::Lose { node: NodeId(7), until: LogTime(20_000) });
    assert!(rooms.carriers().contains(&NodeId(7)) && rooms.losses(NodeId(9)).next().is_none());
}

#[test]
fn a_hidden_participant_keeps_a_room_open() {
    check(
        "create keeping 1 1
         > the room opens
         eve joins hidden
         > eve PA_eve is in
         at second 60
         expire",
    );
}

#[test]
fn closing_a_room_sends_everybody_out_with_their_tracks() {
    let rooms = check(
        "ada joins
         > the room opens
         > ada PA_ada is in
         > 1 in, 0 publishing
         bob joins
         > bob PA_bob is in
         > 2 in, 0 publishing
         ada publishes camera TR_1
         > ada has TR_1
         > ada v2 Joined
         > 2 in, 1 publishing
         close
         > ada has TR_1 no more
         > ada PA_ada left: RoomDeleted
         > bob PA_bob left: RoomDeleted
         > the room closes: RoomDeleted
         close
         > refused: requested room does not exist: hall",
    );
    assert_eq!(rooms.rooms().count(), 0);
    assert_eq!(rooms.next_expiry(), None);
}

#[test]
fn a_new_announcement_changes_the_room_once() {
    check(
        "create
         > the room opens
         announce welcome
         > 0 in, 0 publishing, says welcome
         announce welcome",
    );
}

#[test]
fn the_next_expiry_is_the_earliest_of_all_rooms() {
    let mut rooms = Rooms::new();
    for (name, at) in [("late", 9_000), ("early", 2_000), ("later", 10_000)] {
        rooms.apply(LogTime(at), &command(name, create(RoomSettings::default()))).unwrap();
    }
    // "early" was created after "late" by the log: its time is clamped to 9 s, and names break the tie.
    assert_eq!(rooms.next_expiry(), Some((LogTime(309_000), "early".into())));
}

#[test]
fn log_time_never_runs_backwards() {
    check(
        "at second 50
         create keeping 10 10
         > the room opens
         at second 10
         ada joins
         > ada PA_ada is in
         > 1 in, 0 publishing
         ada leaves
         > ada PA_ada left: ClientInitiated
         > 0 in, 0 publishing
         at second 59
         expire
         at second 60
         expire
         > the room closes: RoomClosed",
    );
}

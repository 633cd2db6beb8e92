use cluster::Machine as _;
use proto::{
    id::RoomName,
    room::{Command, RoomSettings, command::Action},
    store::{Batch, Memory, View as _},
    time::LogTime,
};

use super::{House, Outcome, Position, chat_entry, read_rooms, room_entry};

fn apply(house: &mut House, rows: &mut Memory, at: u64, entry: &[u8]) -> Outcome {
    let mut batch = Batch::new();
    let outcome = house.apply(rows, LogTime(at), entry, &mut batch);
    rows.write(batch);
    outcome
}

fn create(room: &str) -> Command {
    let action = Action::Create { sid: "RM_1".into(), settings: RoomSettings::default() };
    Command { room: room.into(), action }
}

#[test]
fn an_open_room_is_one_row_and_a_closed_one_none() {
    let (mut house, mut rows) = (House::default(), Memory::default());
    for (at, room) in [(5, "hall"), (6, "yard")] {
        let outcome = apply(&mut house, &mut rows, at, &room_entry(&create(room)).unwrap());
        assert!(matches!(outcome, Outcome::Room { .. }), "{outcome:?}");
    }
    let close = Command { room: "hall".into(), action: Action::Close };
    apply(&mut house, &mut rows, 7, &room_entry(&close).unwrap());
    let (position, rooms) = read_rooms(&rows).unwrap();
    assert_eq!(position, Position { at: LogTime(7), count: 3 });
    assert_eq!(rooms, house.rooms);
    let names: Vec<RoomName> = rooms.rooms().map(|room| room.name).collect();
    assert_eq!(names, ["yard".into()]);
}

#[test]
fn a_machine_restored_from_rows_goes_on_as_the_one_that_wrote_them() {
    let (mut house, mut rows) = (House::default(), Memory::default());
    apply(&mut house, &mut rows, 5, &room_entry(&create("hall")).unwrap());
    let mut other = House::default();
    other.restore(&rows);
    let mut others = rows.clone();
    for room in ["yard", "hall", "cellar"] {
        let entry = room_entry(&create(room)).unwrap();
        apply(&mut house, &mut rows, 9, &entry);
        apply(&mut other, &mut others, 9, &entry);
    }
    assert_eq!(rows, others);
}

#[test]
fn an_entry_of_a_later_program_changes_nothing() {
    let (mut house, mut rows) = (House::default(), Memory::default());
    for entry in [&[9_u8][..], &[], &[1]] {
        let outcome = apply(&mut house, &mut rows, 5, entry);
        assert!(matches!(outcome, Outcome::Unreadable), "{outcome:?}");
    }
    assert_eq!(rows, Memory::default());
}

#[test]
fn chat_and_rooms_keep_to_their_own_rows() {
    let (mut house, mut rows) = (House::default(), Memory::default());
    apply(&mut house, &mut rows, 5, &room_entry(&create("hall")).unwrap());
    let before = rows.get(&[proto::store::space::ROOMS, 0]);
    let settings = proto::im::account::Settings::default();
    let command = proto::im::Command {
        actor: proto::im::Actor::Backend { user: None },
        action: proto::im::Action::Configure(settings),
    };
    let outcome = apply(&mut house, &mut rows, 6, &chat_entry(command).unwrap());
    assert!(matches!(outcome, Outcome::Chat(Ok(_))), "{outcome:?}");
    assert_eq!(rows.get(&[proto::store::space::ROOMS, 0]), before);
}

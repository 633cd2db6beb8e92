use alloc::{vec, vec::Vec};

use proto::{media::Source, time::LogTime};

use super::make::{command, join, of, participant, publication, publish};
use crate::{RestoreError, Rooms, SNAPSHOT_LAYOUT, invariant::Broken};

fn some_rooms() -> Rooms {
    let mut rooms = Rooms::new();
    let actions = [
        join(participant("ada", "PA_1")),
        join(participant("bob", "PA_2")),
        of("ada", publish(publication("TR_1", Source::Camera))),
        of("bob", publish(publication("TR_2", Source::Camera))),
    ];
    for action in actions {
        rooms.apply(LogTime(7), &command("hall", action)).unwrap();
    }
    rooms
}

#[test]
fn a_snapshot_restores_to_the_same_state_and_bytes() {
    let rooms = some_rooms();
    let bytes = rooms.snapshot();
    let restored = Rooms::restore(&bytes).unwrap();
    assert_eq!(restored, rooms);
    assert_eq!(restored.snapshot(), bytes);
}

#[test]
fn every_cut_of_a_snapshot_and_every_longer_one_is_refused() {
    let mut bytes = some_rooms().snapshot();
    for len in 0..bytes.len() {
        assert_eq!(Rooms::restore(&bytes[..len]), Err(RestoreError::Malformed), "{len} bytes");
    }
    bytes.push(0);
    assert_eq!(Rooms::restore(&bytes), Err(RestoreError::Malformed));
}

#[test]
fn a_snapshot_of_another_layout_is_named() {
    let bytes = postcard::to_allocvec(&(SNAPSHOT_LAYOUT + 1)).unwrap();
    let found = SNAPSHOT_LAYOUT + 1;
    assert_eq!(Rooms::restore(&bytes), Err(RestoreError::Layout { found }));
}

#[test]
fn a_snapshot_that_no_commands_lead_to_is_refused() {
    let bytes = some_rooms().snapshot();
    let forged: Vec<u8> = replace(&bytes, b"TR_2", b"TR_1");
    let broken = Broken::TrackMisfiled { track: "TR_1".into() };
    assert_eq!(Rooms::restore(&forged), Err(RestoreError::Incoherent(broken)));
}

#[test]
fn no_flipped_byte_of_a_snapshot_panics() {
    let bytes = some_rooms().snapshot();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut forged = bytes.clone();
            forged[at] ^= flip;
            if let Ok(rooms) = Rooms::restore(&forged) {
                rooms.check_invariants();
            }
        }
    }
}

fn replace(bytes: &[u8], from: &[u8; 4], to: &[u8; 4]) -> Vec<u8> {
    let mut out = vec![];
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        if rest.starts_with(from) {
            out.extend(to);
            rest = &rest[4..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

#[test]
fn rows_of_each_room_make_up_the_same_state() {
    let mut rooms = some_rooms();
    rooms.apply(LogTime(9), &command("yard", join(participant("cyd", "PA_3")))).unwrap();
    let rows: Vec<Vec<u8>> =
        ["hall", "yard"].iter().filter_map(|room| rooms.row(&(*room).into())).collect();
    let restored = Rooms::from_rows(rooms.at(), rows.iter().map(Vec::as_slice)).unwrap();
    assert_eq!(restored, rooms);
    assert_eq!(restored.snapshot(), rooms.snapshot());
    assert_eq!(rooms.row(&"cellar".into()), None);
}

#[test]
fn a_damaged_row_is_refused() {
    let row = some_rooms().row(&"hall".into()).unwrap();
    for len in 0..row.len() {
        let refused = Rooms::from_rows(LogTime(7), [&row[..len]]);
        assert_eq!(refused, Err(RestoreError::Malformed), "{len} bytes");
    }
    let twice = Rooms::from_rows(LogTime(7), [row.as_slice(), row.as_slice()]);
    assert_eq!(twice, Err(RestoreError::Malformed));
}

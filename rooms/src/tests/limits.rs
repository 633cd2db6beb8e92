use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec,
};
use std::format;

use proto::{
    media::Source,
    room::{
        Reject, RoomSettings,
        command::{Action, ParticipantAction},
        model::{
            ATTRIBUTES_BYTES_MAX, Audience, METADATA_BYTES_MAX, NAME_BYTES_MAX, PARTICIPANTS_MAX,
            PUBLICATIONS_MAX, TrackAccess,
        },
    },
    time::LogTime,
};

use super::make::{command, create, join, of, participant, publication, publish};
use crate::{EXCEPTIONS_MAX, MEMBERS_MAX, OPAQUE_NUMBERS_MAX, ROOMS_MAX, Rooms};

fn apply(rooms: &mut Rooms, action: Action) -> Result<(), Reject> {
    rooms.apply(LogTime(0), &command("hall", action)).map(drop)
}

fn with_ada() -> Rooms {
    let mut rooms = Rooms::new();
    apply(&mut rooms, join(participant("ada", "PA_ada"))).unwrap();
    rooms
}

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[test]
fn names_have_1_to_256_bytes() {
    let mut rooms = Rooms::new();
    let refused = |bytes| Err(Reject::NameLength { bytes, limit: NAME_BYTES_MAX });
    for bytes in [0, NAME_BYTES_MAX + 1] {
        let newcomer = participant(&text(bytes), "PA_1");
        assert_eq!(apply(&mut rooms, join(newcomer)), refused(bytes));
        let named = command(&text(bytes), create(RoomSettings::default()));
        assert_eq!(rooms.apply(LogTime(0), &named).map(drop), refused(bytes));
    }
    let mut shown = participant("ada", "PA_1");
    shown.name = text(NAME_BYTES_MAX + 1);
    assert_eq!(apply(&mut rooms, join(shown)), refused(NAME_BYTES_MAX + 1));
    assert_eq!(rooms, Rooms::new(), "a refused join opens no room");
    apply(&mut rooms, join(participant(&text(NAME_BYTES_MAX), "PA_1"))).unwrap();
}

#[test]
fn metadata_and_attributes_end_at_their_limits() {
    let mut rooms = with_ada();
    let refused = |bytes, limit| Err(Reject::MetadataTooLarge { bytes, limit });
    let too_much = text(METADATA_BYTES_MAX + 1);
    let verdict = refused(METADATA_BYTES_MAX + 1, METADATA_BYTES_MAX);
    assert_eq!(apply(&mut rooms, Action::SetMetadata { metadata: too_much.clone() }), verdict);
    let update = |metadata: Option<String>, attributes| {
        of("ada", ParticipantAction::Update { name: None, metadata, attributes, by_self: false })
    };
    assert_eq!(apply(&mut rooms, update(Some(too_much), BTreeMap::new())), verdict);
    let half = |key: &str| BTreeMap::from([(key.into(), text(ATTRIBUTES_BYTES_MAX / 2))]);
    apply(&mut rooms, update(None, half("a"))).unwrap();
    let verdict = refused(ATTRIBUTES_BYTES_MAX + 2, ATTRIBUTES_BYTES_MAX);
    assert_eq!(apply(&mut rooms, update(None, half("b"))), verdict);
    apply(&mut rooms, update(None, half("a"))).unwrap();
}

#[test]
fn a_participant_publishes_at_most_64_tracks() {
    let mut rooms = with_ada();
    let mut another =
        |n| apply(&mut rooms, of("ada", publish(publication(&format!("TR_{n}"), Source::Camera))));
    for n in 0..PUBLICATIONS_MAX {
        another(n).unwrap();
    }
    assert_eq!(another(PUBLICATIONS_MAX), Err(Reject::TooManyTracks { limit: PUBLICATIONS_MAX }));
}

#[test]
fn wishes_and_audiences_are_bounded() {
    let mut rooms = with_ada();
    let wish = |from, count| {
        let tracks = (from..from + count).map(|n| format!("TR_{n}").into()).collect();
        of("ada", ParticipantAction::SetSubscribed { tracks, subscribed: false })
    };
    apply(&mut rooms, wish(0, EXCEPTIONS_MAX)).unwrap();
    apply(&mut rooms, wish(0, EXCEPTIONS_MAX)).unwrap();
    let verdict = Err(Reject::ListTooLong { entries: EXCEPTIONS_MAX + 1, limit: EXCEPTIONS_MAX });
    assert_eq!(apply(&mut rooms, wish(EXCEPTIONS_MAX, 1)), verdict);

    let tracks: BTreeSet<_> = (0..16_384).map(|n| format!("TR_{n}").into()).collect();
    let named = BTreeMap::from([("bob".into(), TrackAccess::Only(tracks))]);
    let audience = ParticipantAction::SetAudience { audience: Audience::Only(named) };
    let verdict = Err(Reject::ListTooLong { entries: 16_385, limit: 16_384 });
    assert_eq!(apply(&mut rooms, of("ada", audience)), verdict);
}

#[test]
fn opaque_numbers_are_bounded() {
    let mut rooms = Rooms::new();
    let mut ada = participant("ada", "PA_ada");
    ada.client.capabilities = vec![0; OPAQUE_NUMBERS_MAX + 1];
    let verdict =
        Err(Reject::ListTooLong { entries: OPAQUE_NUMBERS_MAX + 1, limit: OPAQUE_NUMBERS_MAX });
    assert_eq!(apply(&mut rooms, join(ada)), verdict);
}

/// Fills rooms without applying commands one by one, which would check each state on the way.
fn crowd(rooms: &mut Rooms, sessions: core::ops::Range<usize>, hidden: bool) {
    let room = rooms.rooms.get_mut(&proto::id::RoomName::from("hall")).unwrap();
    for n in sessions {
        let mut newcomer = participant(&format!("{n}"), &format!("PA_{n}"));
        newcomer.permission.hidden = hidden;
        room.join(LogTime(0), &newcomer).unwrap();
    }
    rooms.expiries.clear();
    rooms.check_invariants();
}

#[test]
fn a_room_holds_10_000_participants_and_as_many_uncounted() {
    let mut rooms = Rooms::new();
    apply(&mut rooms, create(RoomSettings { participants_max: u32::MAX, ..Default::default() }))
        .unwrap();
    crowd(&mut rooms, 0..PARTICIPANTS_MAX as usize, false);
    let one_more = || participant("one more", "PA_x");
    let full = |limit| Err(Reject::RoomFull { limit });
    assert_eq!(apply(&mut rooms, join(one_more())), full(PARTICIPANTS_MAX));
    crowd(&mut rooms, PARTICIPANTS_MAX as usize..MEMBERS_MAX, true);
    let mut hidden = one_more();
    hidden.permission.hidden = true;
    assert_eq!(apply(&mut rooms, join(hidden)), full(2 * PARTICIPANTS_MAX));
}

#[test]
fn at_most_100_000_rooms_are_open() {
    let mut rooms = Rooms::new();
    for n in 0..ROOMS_MAX {
        let open = command(&format!("{n}"), create(RoomSettings::default()));
        rooms.apply(LogTime(0), &open).unwrap();
    }
    let verdict = Err(Reject::TooManyRooms { limit: ROOMS_MAX });
    assert_eq!(apply(&mut rooms, create(RoomSettings::default())), verdict);
    assert_eq!(apply(&mut rooms, join(participant("ada", "PA_1"))), verdict);
    rooms.check_invariants();
}

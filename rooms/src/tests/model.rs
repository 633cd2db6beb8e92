//! Random histories: the state machine against the reference, its events against its state, and its promises.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::time::Duration;
use std::format;

use proptest::{
    collection::{btree_map, btree_set, vec},
    prelude::*,
    test_runner::RngSeed,
};
use proto::{
    grant::Permission,
    id::{Identity, NodeId, RoomName, TrackSid},
    media::{Codec, Source},
    room::{
        Command, Event, LeaveReason, Participant, ParticipantState, Reject, Room, RoomSettings,
        command::{Action, ParticipantAction},
        event::What,
        model::{Audience, TrackAccess},
    },
    time::LogTime,
};

use super::{make, reference::Reference};
use crate::Rooms;

/// A step of a history: milliseconds on the log's clock (which may go back), and the command.
type Step = (u64, Command);

/// Gates with a fixed seed; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` make it a search.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(2);
    }
    config
}

fn name(prefix: &'static str, count: u8) -> impl Strategy<Value = String> {
    (0..count).prop_map(move |n| format!("{prefix}{n}"))
}

fn track() -> impl Strategy<Value = TrackSid> {
    name("TR_", 4).prop_map(TrackSid::from)
}

fn identity() -> impl Strategy<Value = Identity> {
    name("user", 3).prop_map(Identity::from)
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![Just(Source::Camera), Just(Source::Microphone), Just(Source::ScreenShare)]
}

fn settings() -> impl Strategy<Value = RoomSettings> {
    (0..30_u64, 0..10_u64, prop_oneof![1 => 1..3_u32, 2 => Just(0)]).prop_map(
        |(empty, departed, participants_max)| RoomSettings {
            empty_timeout: Duration::from_secs(empty),
            departure_timeout: Duration::from_secs(departed),
            participants_max,
            metadata: String::new(),
        },
    )
}

fn permission() -> impl Strategy<Value = Permission> {
    let often = || prop::bool::weighted(0.9);
    let rarely = || prop::bool::weighted(0.2);
    let flags = (often(), often(), any::<bool>(), rarely(), rarely());
    (flags, prop_oneof![2 => Just(BTreeSet::new()), 1 => btree_set(source(), 1..3)]).prop_map(
        |(flags, publish_sources)| Permission {
            can_publish: flags.0,
            can_subscribe: flags.1,
            can_publish_data: true,
            publish_sources,
            can_update_metadata: flags.2,
            hidden: flags.3,
            recorder: flags.4,
        },
    )
}

fn audience() -> impl Strategy<Value = Audience> {
    let access =
        prop_oneof![Just(TrackAccess::All), btree_set(track(), 0..3).prop_map(TrackAccess::Only),];
    prop_oneof![
        3 => Just(Audience::All),
        1 => btree_map(identity(), access, 0..4).prop_map(Audience::Only),
    ]
}

fn participant() -> impl Strategy<Value = Participant> {
    let ids = (identity(), name("PA_", 3));
    let carried = (0..3_u16, any::<bool>());
    (ids, permission(), carried, audience()).prop_map(
        |((identity, sid), permission, (node, auto), audience)| Participant {
            node: NodeId(node),
            permission,
            auto_subscribe: auto,
            audience,
            ..make::participant(identity.as_str(), &sid)
        },
    )
}

fn participant_action() -> impl Strategy<Value = ParticipantAction> {
    let attribute = prop_oneof![Just(String::new()), name("value", 2)];
    prop_oneof![
        1 => Just(ParticipantAction::Activate),
        1 => Just(ParticipantAction::Leave { reason: LeaveReason::ClientInitiated }),
        1 => (btree_map(name("key", 2), attribute, 0..2), any::<bool>()).prop_map(
            |(attributes, by_self)| ParticipantAction::Update {
                name: None, metadata: None, attributes, by_self
            }
        ),
        1 => permission().prop_map(|permission| ParticipantAction::SetPermission { permission }),
        12 => (track(), source()).prop_map(
            |(sid, source)| make::publish(make::publication(sid.as_str(), source))
        ),
        2 => track().prop_map(|track| ParticipantAction::Unpublish { track }),
        3 => (track(), any::<bool>()).prop_map(
            |(track, muted)| ParticipantAction::SetMuted { track, muted }
        ),
        1 => track().prop_map(|track| ParticipantAction::UpdateTrack {
            track, codec: Some(Codec::Vp8), encodings: None, audio_features: None
        }),
        3 => (btree_set(track(), 0..4), any::<bool>()).prop_map(
            |(tracks, subscribed)| ParticipantAction::SetSubscribed { tracks, subscribed }
        ),
        3 => audience().prop_map(|audience| ParticipantAction::SetAudience { audience }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let sid = prop::option::weighted(0.1, name("PA_", 3).prop_map(Into::into));
    prop_oneof![
        2 => settings().prop_map(make::create),
        1 => Just(Action::Close),
        8 => Just(Action::Expire),
        1 => name("news", 2).prop_map(|metadata| Action::SetMetadata { metadata }),
        16 => (participant(), prop::option::weighted(0.8, settings())).prop_map(
            |(participant, create)| Action::Join {
                room_sid: "RM_2".into(), create, participant: Box::new(participant)
            }
        ),
        1 => (0..3_u16, 0..400_000_u64).prop_map(
            |(node, until)| Action::Lose { node: NodeId(node), until: LogTime(until) }
        ),
        80 => (identity(), sid, participant_action()).prop_map(
            |(identity, sid, action)| Action::Participant { identity, sid, action }
        ),
    ]
}

fn history() -> impl Strategy<Value = Vec<Step>> {
    let command = (name("room", 2), action())
        .prop_map(|(room, action)| Command { room: room.into(), action });
    let step = (0..6_000_u64, 0..4_000_u64, command);
    vec(step, 1..120).prop_map(|steps| {
        let mut now = 0;
        let stamp = |(after, late, command): (u64, u64, Command)| {
            now += after;
            (now.saturating_sub(late), command)
        };
        steps.into_iter().map(stamp).collect()
    })
}

fn apply(rooms: &mut Rooms, (at, command): &Step) -> Result<Vec<Event>, Reject> {
    let result = rooms.apply(LogTime(*at), command);
    rooms.check_invariants();
    result
}

/// Who receives which track, asked one by one and all at once.
fn subscriptions(rooms: &Rooms, room: &RoomName) -> Vec<(Identity, TrackSid)> {
    let mut single = Vec::new();
    let mut listed = Vec::new();
    for subscriber in rooms.participants(room) {
        let tracks = rooms.participants(room).flat_map(|owner| owner.publications.keys());
        let received = tracks.filter(|t| rooms.is_subscribed(room, &subscriber.identity, t));
        single.extend(received.map(|track| (subscriber.identity.clone(), track.clone())));
        for (owner, publication) in rooms.subscriptions(room, &subscriber.identity) {
            assert_eq!(rooms.track(room, &publication.sid).map(|(o, _)| &o.sid), Some(&owner));
            listed.push((subscriber.identity.clone(), publication.sid));
        }
    }
    single.sort();
    listed.sort();
    assert_eq!(single, listed);
    single
}

fn assert_like_reference(rooms: &Rooms, reference: &Reference) {
    let names: Vec<RoomName> = rooms.rooms().map(|room| room.name).collect();
    assert!(names.iter().eq(reference.rooms.keys()), "{names:?} are open");
    for (name, expected) in &reference.rooms {
        let room = rooms.room(name).unwrap();
        let counts = (room.participants as usize, room.publishers as usize);
        assert_eq!(counts, expected.counts(), "participants and publishers");
        let mut people: Vec<_> = expected.people.iter().collect();
        people.sort_by_key(|person| &person.identity);
        assert_eq!(rooms.participants(name).count(), people.len(), "size of the roster");
        for (found, person) in rooms.participants(name).zip(people) {
            assert_eq!((&found.identity, &found.sid), (&person.identity, &person.sid));
            assert_eq!(found.state == ParticipantState::Active, person.active);
            assert_eq!(found.counts(), person.counts);
            let mut tracks = person.tracks.clone();
            tracks.sort();
            let published = found.publications.values();
            let found: Vec<_> = published.map(|t| (t.sid.clone(), t.source, t.muted)).collect();
            assert_eq!(found, tracks, "publications");
        }
        assert_eq!(subscriptions(rooms, name), expected.subscriptions(), "subscriptions");
    }
    let due = reference.rooms.iter().filter_map(|(n, room)| Some((room.expires_at()?, n.clone())));
    assert_eq!(rooms.next_expiry(), due.min(), "next expiry");
}

/// What somebody knows who sees only the events.
#[derive(Default)]
struct Mirror(BTreeMap<RoomName, (Room, BTreeMap<Identity, Participant>)>);

impl Mirror {
    fn see(&mut self, event: Event) {
        let Event { room: name, what } = event;
        if let What::RoomOpened(room) = what {
            assert!(self.0.insert(name, (room, BTreeMap::new())).is_none(), "opened twice");
            return;
        }
        let (room, people) = self.0.get_mut(&name).expect("the room opened before");
        match what {
            What::RoomChanged(changed) => *room = changed,
            What::RoomClosed(..) => {
                assert!(people.is_empty(), "closed with people inside");
                self.0.remove(&name);
            }
            What::ParticipantJoined(who) => {
                assert!(people.insert(who.identity.clone(), who).is_none(), "joined twice");
            }
            What::ParticipantChanged(who) => {
                let old = people.insert(who.identity.clone(), who.clone()).expect("joined before");
                assert!(who.version > old.version, "the version rises");
            }
            What::ParticipantLeft(who, _) => {
                let old = people.remove(&who.identity).expect("joined before");
                assert!(who.version > old.version && who.state == ParticipantState::Disconnected);
            }
            What::TrackPublished(who, track) => {
                let tracks = &mut people.get_mut(&who).expect("joined before").publications;
                assert!(tracks.insert(track.sid.clone(), track).is_none(), "published twice");
            }
            What::TrackChanged(who, track) => {
                let tracks = &mut people.get_mut(&who).expect("joined before").publications;
                assert!(tracks.insert(track.sid.clone(), track).is_some(), "unknown track");
            }
            What::TrackUnpublished(who, track) => {
                let tracks = &mut people.get_mut(&who).expect("joined before").publications;
                assert!(tracks.remove(&track.sid).is_some(), "unknown track");
            }
            What::RoomOpened(_)
            | What::SubscriptionsChanged { .. }
            | What::AccessChanged { .. } => {}
        }
    }

    fn assert_like(&self, rooms: &Rooms) {
        assert!(self.0.values().map(|(room, _)| room.clone()).eq(rooms.rooms()));
        for (name, (_, people)) in &self.0 {
            assert!(people.values().eq(rooms.participants(name)));
        }
    }
}

/// Subscriptions that moved between sessions and tracks that stayed must have been announced.
fn assert_moves_are_said(before: &Rooms, after: &Rooms, room: &RoomName, events: &[Event]) {
    let old: BTreeSet<_> = subscriptions(before, room).into_iter().collect();
    let new: BTreeSet<_> = subscriptions(after, room).into_iter().collect();
    for (subscriber, track) in old.symmetric_difference(&new) {
        let session = |rooms: &Rooms| rooms.participant(room, subscriber).map(|p| p.sid.clone());
        let owner = |rooms: &Rooms| rooms.track(room, track).map(|(owner, _)| owner.sid.clone());
        if session(before) != session(after) || owner(before) != owner(after) {
            continue;
        }
        let is_said = events.iter().any(|event| match &event.what {
            What::SubscriptionsChanged { subscriber: who, tracks } => {
                who == subscriber && (tracks.is_empty() || tracks.contains(track))
            }
            _ => false,
        });
        assert!(is_said, "{subscriber}'s subscription of {track} moved silently: {events:?}");
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_histories_end_where_the_reference_ends(steps in history()) {
        let mut rooms = Rooms::new();
        let mut reference = Reference::default();
        for step in &steps {
            let result = apply(&mut rooms, step);
            let expected = reference.apply(LogTime(step.0), &step.1);
            prop_assert_eq!(result.is_ok(), expected.is_ok(), "{:?} was {:?}", step, result);
            assert_like_reference(&rooms, &reference);
        }
    }

    #[test]
    fn events_alone_tell_the_whole_state(steps in history()) {
        let mut rooms = Rooms::new();
        let mut mirror = Mirror::default();
        for step in &steps {
            let before = rooms.clone();
            let events = apply(&mut rooms, step).unwrap_or_default();
            assert_moves_are_said(&before, &rooms, &step.1.room, &events);
            events.into_iter().for_each(|event| mirror.see(event));
            mirror.assert_like(&rooms);
        }
    }

    #[test]
    fn a_refusal_and_a_repetition_change_nothing(steps in history()) {
        let mut rooms = Rooms::new();
        for step in &steps {
            let before = rooms.clone();
            let first = apply(&mut rooms, step);
            let after = rooms.clone();
            let second = apply(&mut rooms, step);
            prop_assert_eq!(&rooms, &after, "{:?} twice", step);
            prop_assert!(second.is_err() || second == Ok(Vec::new()), "{:?}: {:?}", step, second);
            if first.is_err() || first == Ok(Vec::new()) {
                prop_assert_eq!(&first, &second);
                prop_assert_eq!(Rooms { at: rooms.at, ..before }, after);
            }
        }
    }

    #[test]
    fn replicas_with_equal_histories_are_byte_identical(steps in history(), cut in 0..120_usize) {
        let (mut one, mut other) = (Rooms::new(), Rooms::new());
        for (index, step) in steps.iter().enumerate() {
            prop_assert_eq!(apply(&mut one, step), apply(&mut other, step));
            let bytes = one.snapshot();
            prop_assert_eq!(&bytes, &other.snapshot());
            // The other replica is restarted from a snapshot in the middle of its history.
            if index == cut {
                other = Rooms::restore(&bytes).unwrap();
                prop_assert_eq!(&other, &one);
                prop_assert_eq!(other.snapshot(), bytes);
            }
        }
    }
}

#[test]
fn histories_reach_what_they_are_to_test() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::new(config());
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..200 {
        let steps = history().new_tree(&mut runner).unwrap().current();
        let mut rooms = Rooms::new();
        for step in &steps {
            let result = rooms.apply(LogTime(step.0), &step.1);
            let whats = result.iter().flatten().map(|event| match &event.what {
                What::RoomClosed(_, LeaveReason::RoomClosed) => "expired",
                What::ParticipantLeft(_, LeaveReason::DuplicateIdentity) => "replaced",
                What::TrackUnpublished(..) => "unpublished",
                What::TrackChanged(..) => "track changed",
                What::AccessChanged { allowed: true, .. } => "admitted",
                What::AccessChanged { allowed: false, .. } => "forbidden",
                What::SubscriptionsChanged { .. } => "subscriptions changed",
                _ => "other",
            });
            whats.for_each(|what| *seen.entry(what).or_default() += 1);
            let why = result.as_ref().err().map(|reject| match reject {
                Reject::RoomFull { .. } => "full",
                Reject::PublishNotPermitted { .. } => "publish not permitted",
                Reject::SubscribeNotPermitted => "subscribe not permitted",
                Reject::TrackSidTaken { .. } => "sid taken",
                _ => "other refusal",
            });
            why.into_iter().for_each(|why| *seen.entry(why).or_default() += 1);
        }
        let received = rooms.rooms().map(|room| subscriptions(&rooms, &room.name).len());
        *seen.entry("received at the end").or_default() +=
            u32::try_from(received.sum::<usize>()).unwrap();
    }
    for what in [
        "expired",
        "replaced",
        "unpublished",
        "track changed",
        "admitted",
        "forbidden",
        "subscriptions changed",
        "full",
        "publish not permitted",
        "subscribe not permitted",
        "sid taken",
        "received at the end",
    ] {
        assert!(seen.get(what).is_some_and(|count| *count >= 10), "{what} is rare: {seen:?}");
    }
}

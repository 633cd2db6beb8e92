use alloc::vec;

use proto::{
    media::{Codec, Encoding, Quality, Source},
    room::{Reject, command::ParticipantAction, event::What},
    time::LogTime,
    unit::Bitrate,
};

use super::{
    make::{command, of},
    story::check,
};

#[test]
fn the_same_publish_twice_makes_one_track() {
    check(
        "ada joins
         > the room opens
         > ada PA_ada is in
         > 1 in, 0 publishing
         ada publishes camera TR_1
         > ada has TR_1
         > ada v2 Joined
         > 1 in, 1 publishing
         ada publishes camera TR_1
         ada publishes microphone TR_2
         > ada has TR_2
         > ada v3 Joined
         ada unpublishes TR_1
         > ada has TR_1 no more
         > ada v4 Joined
         ada unpublishes TR_1
         > refused: track does not exist: TR_1
         ada unpublishes TR_2
         > ada has TR_2 no more
         > ada v5 Joined
         > 1 in, 0 publishing",
    );
}

#[test]
fn a_track_sid_belongs_to_one_publisher() {
    check(
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
         bob publishes camera TR_1
         > refused: track sid is taken: TR_1
         bob mutes TR_1
         > refused: track does not exist: TR_1",
    );
}

#[test]
fn muting_is_said_once() {
    check(
        "ada joins
         > the room opens
         > ada PA_ada is in
         > 1 in, 0 publishing
         ada publishes camera TR_1
         > ada has TR_1
         > ada v2 Joined
         > 1 in, 1 publishing
         ada mutes TR_1
         > ada has TR_1 muted
         > ada v3 Joined
         ada mutes TR_1
         ada unmutes TR_1
         > ada has TR_1 changed
         > ada v4 Joined",
    );
}

#[test]
fn tracks_end_with_the_permission_to_publish_them() {
    let rooms = check(
        "ada joins
         > the room opens
         > ada PA_ada is in
         > 1 in, 0 publishing
         ada publishes camera TR_1
         > ada has TR_1
         > ada v2 Joined
         > 1 in, 1 publishing
         ada publishes microphone TR_2
         > ada has TR_2
         > ada v3 Joined
         ada may subscribe microphone
         > ada has TR_1 no more
         > ada v4 Joined
         ada may subscribe microphone
         ada publishes camera TR_3
         > refused: publishing from Camera is not permitted
         ada may subscribe
         > ada has TR_2 no more
         > ada v5 Joined
         > 1 in, 0 publishing
         ada may publish
         > ada v6 Joined
         > ada receives anew
         ada may hide
         > ada v7 Joined
         > 0 in, 0 publishing",
    );
    let refused = Reject::PublishNotPermitted { publish: Source::Camera };
    assert_eq!(rooms.may_publish(&"hall".into(), &"ada".into(), Source::Camera), Err(refused));
}

#[test]
fn what_arrives_is_noted_smallest_encoding_first_and_once() {
    let mut rooms = check(
        "ada joins
         > the room opens
         > ada PA_ada is in
         > 1 in, 0 publishing
         ada publishes camera TR_1
         > ada has TR_1
         > ada v2 Joined
         > 1 in, 1 publishing",
    );
    let encoding = |quality| Encoding { quality, width: 0, height: 0, bitrate: Bitrate::ZERO };
    let news = ParticipantAction::UpdateTrack {
        track: "TR_1".into(),
        codec: Some(Codec::Vp8),
        encodings: Some(vec![encoding(Quality::High), encoding(Quality::Low)]),
        audio_features: None,
    };
    let news = command("hall", of("ada", news));
    let events = rooms.apply(LogTime(0), &news).unwrap();
    let What::TrackChanged(_, track) = &events[0].what else { panic!("{events:?}") };
    assert_eq!(track.codec, Some(Codec::Vp8));
    assert_eq!(track.encodings, [encoding(Quality::Low), encoding(Quality::High)]);
    assert_eq!(rooms.apply(LogTime(0), &news), Ok(vec![]));
}

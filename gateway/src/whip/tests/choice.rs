use std::collections::{BTreeMap, BTreeSet};

use proto::{
    id::{Identity, TrackSid},
    media::Source,
    room::{Participant, model::Audience},
};

use super::receiving;
use crate::{
    testing::participant,
    whip::{
        choose::{Slots, Viewer},
        offer::parse_offer,
    },
};

fn viewer(audio: usize, video: usize) -> Viewer {
    Viewer {
        identity: Identity::from("viewer"),
        whose: None,
        slots: Slots { audio, video },
        chosen: BTreeSet::new(),
        refused: BTreeSet::new(),
    }
}

fn choose(viewer: &Viewer, participants: &[Participant]) -> Vec<String> {
    let roster: BTreeMap<_, _> = participants.iter().map(|p| (p.sid.clone(), p.clone())).collect();
    viewer.choose(&roster).into_iter().map(|sid| sid.to_string()).collect()
}

fn meeting() -> Vec<Participant> {
    vec![
        participant("ada", &[("a-cam", Source::Camera), ("a-mic", Source::Microphone)]),
        participant(
            "bob",
            &[
                ("b-cam", Source::Camera),
                ("b-mic", Source::Microphone),
                ("b-screen", Source::ScreenShare),
            ],
        ),
    ]
}

#[test]
fn slots_are_the_receiving_sections_of_an_offer() {
    let offer = parse_offer(receiving().as_bytes()).unwrap();
    assert_eq!(Slots::of(&offer), Slots { audio: 1, video: 1 });
}

#[test]
fn a_screen_goes_before_cameras_and_its_owner_is_heard_first() {
    assert_eq!(choose(&viewer(1, 1), &meeting()), ["b-mic", "b-screen"]);
    assert_eq!(choose(&viewer(2, 2), &meeting()), ["a-cam", "a-mic", "b-mic", "b-screen"]);
    assert_eq!(choose(&viewer(9, 0), &meeting()), ["a-mic", "b-mic"]);
}

#[test]
fn one_participant_may_be_asked_for() {
    let only_ada = Viewer { whose: Some(Identity::from("ada")), ..viewer(9, 9) };
    assert_eq!(choose(&only_ada, &meeting()), ["a-cam", "a-mic"]);
    let nobody = Viewer { whose: Some(Identity::from("eve")), ..viewer(9, 9) };
    assert!(choose(&nobody, &meeting()).is_empty());
}

#[test]
fn muted_tracks_come_last_and_the_choice_is_kept() {
    let mut meeting = meeting();
    meeting[1].publications.remove(&TrackSid::from("b-screen"));
    let keeping = Viewer { chosen: BTreeSet::from([TrackSid::from("b-cam")]), ..viewer(0, 1) };
    assert_eq!(choose(&keeping, &meeting), ["b-cam"]);
    assert_eq!(choose(&viewer(0, 1), &meeting), ["a-cam"]);
    meeting[1].publications.get_mut(&TrackSid::from("b-cam")).unwrap().muted = true;
    assert_eq!(choose(&keeping, &meeting), ["a-cam"]);
}

#[test]
fn tracks_that_are_not_for_the_viewer_are_left_out() {
    let mut meeting = meeting();
    meeting[0].audience = Audience::Only(BTreeMap::new());
    meeting[1].permission.hidden = true;
    meeting.push(participant("viewer", &[("own", Source::Camera)]));
    assert!(choose(&viewer(9, 9), &meeting).is_empty());
    let refused = Viewer { refused: BTreeSet::from([TrackSid::from("own")]), ..viewer(9, 9) };
    assert!(choose(&refused, &meeting).is_empty());
}

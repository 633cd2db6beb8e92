use alloc::vec::Vec;
use std::string::{String, ToString};

use super::story::check;
use crate::Rooms;

/// Ada publishes two tracks; bob is subscribed by himself, cid chooses.
const THREE: &str = "
    ada joins
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
    bob joins
    > bob PA_bob is in
    > 2 in, 1 publishing
    cid joins choosing
    > cid PA_cid is in
    > 3 in, 1 publishing
";

fn then(story: &str) -> Rooms {
    let mut whole = String::from(THREE);
    whole.push_str(story);
    check(&whole)
}

fn received(rooms: &Rooms, who: &str) -> Vec<String> {
    let tracks = rooms.subscriptions(&"hall".into(), &who.into());
    tracks.iter().map(|(_, track)| track.sid.to_string()).collect()
}

#[test]
fn others_tracks_are_received_unless_one_chooses() {
    let rooms = then("");
    assert_eq!(received(&rooms, "bob"), ["TR_1", "TR_2"]);
    assert!(received(&rooms, "cid").is_empty());
    assert!(received(&rooms, "ada").is_empty(), "nobody receives its own");
    assert!(received(&rooms, "nobody").is_empty());
}

#[test]
fn a_wish_beats_auto_subscribe_and_is_said_once() {
    let rooms = then(
        "bob unsubscribes TR_1
         > bob receives anew [TR_1]
         bob unsubscribes TR_1
         cid subscribes TR_1 TR_2
         > cid receives anew [TR_1, TR_2]
         cid unsubscribes TR_2
         > cid receives anew [TR_2]",
    );
    assert_eq!(received(&rooms, "bob"), ["TR_2"]);
    assert_eq!(received(&rooms, "cid"), ["TR_1"]);
    assert!(rooms.is_subscribed(&"hall".into(), &"cid".into(), &"TR_1".into()));
    assert!(!rooms.is_subscribed(&"hall".into(), &"cid".into(), &"TR_2".into()));
}

#[test]
fn a_wish_for_an_unknown_track_is_remembered_and_ends_with_the_track() {
    let rooms = then(
        "cid subscribes TR_9
         > cid receives anew [TR_9]
         bob publishes screen TR_9
         > bob has TR_9
         > bob v2 Joined
         > 3 in, 2 publishing",
    );
    assert_eq!(received(&rooms, "cid"), ["TR_9"]);
    let rooms = then(
        "cid subscribes TR_2
         > cid receives anew [TR_2]
         ada unpublishes TR_2
         > ada has TR_2 no more
         > ada v4 Joined
         ada publishes microphone TR_2
         > ada has TR_2
         > ada v5 Joined",
    );
    assert!(received(&rooms, "cid").is_empty(), "the wish was for the track that ended");
}

#[test]
fn an_audience_tells_those_whose_access_changes() {
    let rooms = then(
        "ada admits bob:TR_1
         > ada v4 Joined
         > PA_ada refuses bob to TR_2
         > bob receives anew [TR_2]
         > PA_ada refuses cid to TR_1
         > PA_ada refuses cid to TR_2
         > cid receives anew [TR_1, TR_2]
         ada admits bob:TR_1
         ada admits bob:TR_1 cid
         > ada v5 Joined
         > PA_ada admits cid to TR_1
         > PA_ada admits cid to TR_2
         > cid receives anew [TR_1, TR_2]",
    );
    assert_eq!(received(&rooms, "bob"), ["TR_1"]);
    assert!(received(&rooms, "cid").is_empty(), "admitted, but it chooses");
}

#[test]
fn subscriptions_end_with_the_permission_and_wishes_outlast_it() {
    let rooms = then(
        "bob unsubscribes TR_1
         > bob receives anew [TR_1]
         bob may publish
         > bob v2 Joined
         > bob receives anew
         bob subscribes TR_1
         > refused: subscribing is not permitted
         cid may publish
         > cid v2 Joined
         > cid receives anew",
    );
    assert!(received(&rooms, "bob").is_empty());
    let rooms = then(
        "bob unsubscribes TR_1
         > bob receives anew [TR_1]
         bob may publish
         > bob v2 Joined
         > bob receives anew
         bob may publish subscribe
         > bob v3 Joined
         > bob receives anew",
    );
    assert_eq!(received(&rooms, "bob"), ["TR_2"]);
}

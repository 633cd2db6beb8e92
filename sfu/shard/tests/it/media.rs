//! Pictures and sound from one client to others.

use proto::media::Quality;
use sfu_shard::api::{Event, PeerMode};
use str0m::media::{
    Direction::{RecvOnly, SendOnly},
    MediaKind::{Audio, Video},
};

use crate::{client::Arrived, world::World};

const QHF: &[&str] = &["q", "h", "f"];

#[track_caller]
fn assert_continuous(arrived: &[Arrived]) {
    let mut seqs: Vec<u64> = arrived.iter().map(|packet| packet.seq).collect();
    seqs.sort_unstable();
    for pair in seqs.windows(2) {
        assert_eq!(pair[0] + 1, pair[1], "{seqs:?}");
    }
}

#[test]
fn simulcast_pictures_reach_a_subscriber_with_continuous_numbers() {
    let mut world = World::new(1, true);
    let publisher = world.join(0, PeerMode::Single, &[(Video, SendOnly, QHF)]);
    let track = world.publish(publisher, 0, &["q", "h", "f"]);
    let viewer = world.join(0, PeerMode::Single, &[(Video, RecvOnly, &[])]);
    world.subscribe(viewer, track);
    world.until("pictures arrive", |w| w.clients[viewer].publisher.arrived.len() > 60);
    let arrived = &world.clients[viewer].publisher.arrived;
    assert!(arrived[0].keyframe, "it starts with a key frame");
    assert_continuous(arrived);
    assert!(world.has(|e| matches!(e, Event::Subscribed { track: t, .. } if *t == track)));
    for quality in Quality::ALL {
        assert!(
            world.has(|e| matches!(e, Event::MediaStarted { quality: q, .. } if *q == quality))
        );
    }
}

#[test]
fn a_viewer_that_wants_less_is_switched_to_a_smaller_encoding() {
    let mut world = World::new(1, false);
    let publisher = world.join(0, PeerMode::Single, &[(Video, SendOnly, QHF)]);
    let track = world.publish(publisher, 0, &["q", "h", "f"]);
    let viewer = world.join(0, PeerMode::Single, &[(Video, RecvOnly, &[])]);
    world.subscribe(viewer, track);
    let last = |w: &World| w.clients[viewer].publisher.arrived.last().map(|packet| packet.len);
    world.until("the largest encoding arrives", |w| last(w) == Some(900));
    world.view(viewer, track, Quality::Low);
    world.until("the smallest encoding arrives", |w| last(w) == Some(300));
    world.view(viewer, track, Quality::High);
    world.until("the largest encoding arrives again", |w| last(w) == Some(900));
    let arrived = &world.clients[viewer].publisher.arrived;
    assert_continuous(arrived);
    let changes = arrived.windows(2).filter(|pair| pair[0].len != pair[1].len);
    assert!(changes.clone().count() >= 2);
    assert!(changes.clone().all(|pair| pair[1].keyframe), "encodings change at key frames");
    let ids: Vec<u16> = arrived.iter().filter_map(|packet| packet.picture_id).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "picture ids go on: {ids:?}");
    assert!(arrived.windows(2).all(|pair| pair[0].time < pair[1].time), "time goes on");
}

#[test]
fn a_track_crosses_to_another_shard() {
    let mut world = World::new(2, true);
    let publisher =
        world.join(0, PeerMode::Single, &[(Video, SendOnly, QHF), (Audio, SendOnly, &[])]);
    let video = world.publish(publisher, 0, &["q", "h", "f"]);
    let audio = world.publish_audio(publisher, 1);
    let sections: &[(_, _, &[&str])] = &[(Video, RecvOnly, &[]), (Audio, RecvOnly, &[])];
    let viewers =
        [world.join(1, PeerMode::Single, sections), world.join(1, PeerMode::Dual, sections)];
    for viewer in viewers {
        world.subscribe(viewer, video);
        world.subscribe(viewer, audio);
    }
    for viewer in viewers {
        world.until("pictures and sound arrive", |w| {
            let arrived = &w.clients[viewer].downlink().arrived;
            let large = arrived.iter().filter(|packet| packet.len == 900).count();
            large > 30 && arrived.iter().filter(|packet| packet.len == 80).count() > 30
        });
    }
    assert!(world.shards.handles[0].counters.relayed.packets.get() > 60);
    world.unsubscribe(viewers[0], video);
    world.unsubscribe(viewers[1], video);
    world.until("nobody wants it any more", |w| {
        w.has(|e| matches!(e, Event::Wanted { track, quality_max: None } if *track == video))
    });
}

#[test]
fn a_track_that_ends_is_unsubscribed_and_its_section_serves_another() {
    for mode in [PeerMode::Single, PeerMode::Dual] {
        let mut world = World::new(1, false);
        let sections: &[(_, _, &[&str])] = &[(Video, SendOnly, &[]), (Video, SendOnly, &[])];
        let publisher = world.join(0, PeerMode::Single, sections);
        let first = world.publish(publisher, 0, &[]);
        let second = world.publish(publisher, 1, &[]);
        let viewer = world.join(0, mode, &[(Video, RecvOnly, &[])]);
        world.subscribe(viewer, first);
        world.until("the first arrives", |w| w.clients[viewer].downlink().arrived.len() > 20);
        world.unsubscribe(viewer, first);
        world.subscribe(viewer, second);
        world.until("the second arrives", |w| {
            w.has(|e| matches!(e, Event::Subscribed { track, .. } if *track == second))
        });
        let seen = world.clients[viewer].downlink().arrived.len();
        world.until("more of it arrives", |w| {
            w.clients[viewer].downlink().arrived.len() > seen + 20
        });
        let arrived = world.clients[viewer].downlink().arrived.clone();
        let ssrcs: std::collections::BTreeSet<_> =
            arrived.iter().map(|packet| packet.ssrc).collect();
        assert_eq!(ssrcs.len(), 2, "a player connects again only under a fresh SSRC");
        for ssrc in ssrcs {
            let of: Vec<_> = arrived.iter().filter(|packet| packet.ssrc == ssrc).cloned().collect();
            assert_continuous(&of);
        }
        assert!(world.clients[viewer].last_description.contains(&format!("TR_{}", second.0)));
        assert!(!world.clients[viewer].last_description.contains(&format!("TR_{} ", first.0)));
    }
}

#[test]
fn a_speaker_is_told_and_a_muted_track_is_silent() {
    let mut world = World::new(1, false);
    let publisher = world.join(0, PeerMode::Single, &[(Audio, SendOnly, &[])]);
    let track = world.publish_audio(publisher, 0);
    let listener = world.join(0, PeerMode::Single, &[(Audio, RecvOnly, &[])]);
    world.subscribe(listener, track);
    world.until("somebody speaks", |w| {
        w.has(|e| matches!(e, Event::Speakers { changes } if changes.iter().any(|c| c.active)))
    });
    world.until("sound arrives", |w| w.clients[listener].publisher.arrived.len() > 10);
    world.send(0, sfu_shard::api::Command::Mute { track, muted: true });
    world.until("speech ends", |w| {
        w.has(|e| matches!(e, Event::Speakers { changes } if changes.iter().any(|c| !c.active)))
    });
}

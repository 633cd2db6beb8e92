//! How clients connect: one connection or two, restarts, TCP.

use sfu_shard::api::{Command, Event, Pc as Which, PeerMode};
use str0m::media::{
    Direction::{RecvOnly, SendOnly},
    MediaKind::{Audio, Video},
};

use crate::{client::Pc, world::World};

#[test]
fn a_dual_client_is_offered_what_it_subscribes_to() {
    let mut world = World::new(1, true);
    let publisher = world.join(0, PeerMode::Dual, &[(Video, SendOnly, &["q", "h", "f"])]);
    let track = world.publish(publisher, 0, &["q", "h", "f"]);
    let viewer = world.join(0, PeerMode::Dual, &[(Audio, SendOnly, &[])]);
    world.subscribe(viewer, track);
    world.until("pictures arrive", |w| w.clients[viewer].downlink().arrived.len() > 30);
    let text = &world.clients[viewer].last_description;
    assert!(text.contains(&format!("a=msid:PA_x|TR_{0} TR_{0}", track.0)), "{text}");
    for pc in [Which::Publisher, Which::Subscriber] {
        assert!(world.has(|e| matches!(e, Event::Connected { pc: p, .. } if *p == pc)));
    }
}

#[test]
fn a_single_client_is_asked_for_sections_it_lacks() {
    let mut world = World::new(1, false);
    let publisher = world.join(0, PeerMode::Single, &[(Video, SendOnly, &[])]);
    let track = world.publish(publisher, 0, &[]);
    let viewer = world.join(0, PeerMode::Single, &[(Audio, RecvOnly, &[])]);
    world.until("the viewer is connected", |w| w.clients[viewer].publisher.connected);
    let text = world.clients[viewer].last_description.clone();
    assert!(text.contains("a=inactive") && !text.contains("a=msid:"), "{text}");
    world.subscribe(viewer, track);
    world.until("pictures arrive", |w| w.clients[viewer].publisher.arrived.len() > 20);
    let (audio, video) = (0, 1);
    assert!(world.has(
        |e| matches!(e, Event::SectionsNeeded { audio: a, video: v, .. } if (*a, *v) == (audio, video))
    ));
}

#[test]
fn packets_that_come_before_the_answer_are_not_lost() {
    let mut world = World::new(1, false);
    let viewer = world.join(0, PeerMode::Dual, &[(Audio, SendOnly, &[])]);
    let id = world.clients[viewer].id;
    world.unanswered.insert(id);
    let begun = crate::client::now();
    world.until("the offer came and checks were sent", |w| {
        w.has(|e| matches!(e, Event::Offer { .. })) && begun.elapsed().as_millis() > 300
    });
    assert!(!world.clients[viewer].downlink().connected);
    // The answer was made when the offer came; its text is the client's current description.
    let sdp = world.clients[viewer].answer.clone();
    let late = crate::client::now();
    world.send(0, Command::Answer { peer: id, sdp });
    world.until("it is connected", |w| w.clients[viewer].downlink().connected);
    assert!(late.elapsed().as_millis() < 2000);
}

#[test]
fn a_client_that_restarts_ice_goes_on() {
    let mut world = World::new(1, false);
    let publisher = world.join(0, PeerMode::Single, &[(Video, SendOnly, &[])]);
    let track = world.publish(publisher, 0, &[]);
    let viewer = world.join(0, PeerMode::Single, &[(Video, RecvOnly, &[])]);
    world.subscribe(viewer, track);
    world.until("pictures arrive", |w| w.clients[viewer].publisher.arrived.len() > 20);
    let sdp = world.clients[publisher].publisher.restart();
    let peer = world.clients[publisher].id;
    world.send(0, Command::Offer { peer, request: 9, sdp });
    let answers = world.clients[publisher].answers;
    world.until("the restart is answered", |w| w.clients[publisher].answers > answers);
    let text = &world.clients[publisher].last_description;
    let ufrag = text.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap();
    assert_eq!(sfu_shard::ufrag::parse(ufrag).map(|ufrag| ufrag.generation), Some(1));
    let seen = world.clients[viewer].publisher.arrived.len();
    world.until("more pictures arrive", |w| w.clients[viewer].publisher.arrived.len() > seen + 50);
}

#[test]
fn a_dual_client_that_asks_for_it_is_offered_a_restart() {
    let mut world = World::new(1, false);
    let publisher = world.join(0, PeerMode::Dual, &[(Video, SendOnly, &[])]);
    let track = world.publish(publisher, 0, &[]);
    let viewer = world.join(0, PeerMode::Dual, &[(Audio, SendOnly, &[])]);
    world.subscribe(viewer, track);
    world.until("pictures arrive", |w| w.clients[viewer].downlink().arrived.len() > 20);
    let ufrag = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        sfu_shard::ufrag::parse(line.unwrap()).unwrap()
    };
    let before = ufrag(&world.clients[viewer].last_description);
    world.send(0, Command::Restart { peer: world.clients[viewer].id });
    world.until("a restart is offered", |w| {
        ufrag(&w.clients[viewer].last_description).generation == before.generation + 1
    });
    let seen = world.clients[viewer].downlink().arrived.len();
    world.until("more pictures arrive", |w| w.clients[viewer].downlink().arrived.len() > seen + 50);
}

#[test]
fn a_client_behind_a_udp_firewall_connects_by_tcp() {
    let mut world = World::new(2, true);
    let publisher = world.join(1, PeerMode::Single, &[(Video, SendOnly, &["q", "h", "f"])]);
    let track = world.publish(publisher, 0, &["q", "h", "f"]);
    let tcp = Pc::tcp(world.shards.tcp.unwrap());
    let viewer = world.join_with(1, PeerMode::Single, &[(Video, RecvOnly, &[])], tcp);
    world.subscribe(viewer, track);
    world.until("pictures arrive", |w| w.clients[viewer].publisher.arrived.len() > 30);
}

#[test]
fn a_peer_that_is_closed_leaves_nothing_behind() {
    let mut world = World::new(1, false);
    let publisher = world.join(0, PeerMode::Single, &[(Video, SendOnly, &[])]);
    let track = world.publish(publisher, 0, &[]);
    let viewer = world.join(0, PeerMode::Dual, &[(Audio, SendOnly, &[])]);
    world.subscribe(viewer, track);
    world.until("pictures arrive", |w| w.clients[viewer].downlink().arrived.len() > 20);
    for client in [publisher, viewer] {
        let peer = world.clients[client].id;
        world.send(0, Command::Close { peer });
    }
    world.until("nobody is left", |w| w.shards.handles[0].counters.peers.get() == 0);
}

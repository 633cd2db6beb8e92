//! Strangers on the socket.

use std::net::UdpSocket;

use sfu_shard::{
    api::{Command, Event, PeerMode},
    counters::Drop,
};
use str0m::media::{
    Direction::{RecvOnly, SendOnly},
    MediaKind::Video,
};

use crate::world::World;

/// A binding request for a user name, without a valid signature.
fn binding_request(username: &str) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(6u16.to_be_bytes());
    body.extend(u16::try_from(username.len()).unwrap().to_be_bytes());
    body.extend(username.as_bytes());
    body.resize(body.len().next_multiple_of(4), 0);
    let mut packet = vec![0, 1];
    packet.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    packet.extend([0x21, 0x12, 0xa4, 0x42]);
    packet.extend([5; 12]);
    packet.extend(body);
    packet
}

#[test]
fn garbage_and_unknown_names_are_counted_and_harmless() {
    let mut world = World::new(1, false);
    let publisher = world.join(0, PeerMode::Single, &[(Video, SendOnly, &[])]);
    let track = world.publish(publisher, 0, &[]);
    let viewer = world.join(0, PeerMode::Single, &[(Video, RecvOnly, &[])]);
    world.subscribe(viewer, track);
    world.until("pictures arrive", |w| w.clients[viewer].publisher.arrived.len() > 10);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = world.shards.handles[0].udp;
    let own = world.clients[viewer].last_description.clone();
    let ufrag = own.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap();
    let mut state = 1u32;
    for len in 0..200 {
        let bytes: Vec<u8> = (0..len)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect();
        stranger.send_to(&bytes, target).unwrap();
        for first in [0u8, 22, 0x80] {
            let mut bytes = bytes.clone();
            bytes.insert(0, first);
            stranger.send_to(&bytes, target).unwrap();
        }
        stranger.send_to(&binding_request("nobody:x"), target).unwrap();
        stranger.send_to(&binding_request(&format!("{ufrag}:x")), target).unwrap();
    }
    let counters = std::sync::Arc::clone(&world.shards.handles[0].counters);
    world.until("the strangers were counted", |_| {
        counters.dropped(Drop::UnknownUfrag) > 100 && counters.dropped(Drop::UnknownSource) > 100
    });
    let seen = world.clients[viewer].publisher.arrived.len();
    world.until("pictures go on", |w| w.clients[viewer].publisher.arrived.len() > seen + 20);
    assert_eq!(counters.panics.get(), 0);
}

#[test]
fn descriptions_that_cannot_be_used_are_refused() {
    let mut world = World::new(1, false);
    let client = world.join(0, PeerMode::Single, &[(Video, RecvOnly, &[])]);
    let peer = world.clients[client].id;
    world.until("the good offer is answered", |w| w.clients[client].answers == 1);
    for sdp in ["", "v=0", "hello", "m=audio 9 x 1\r\n"] {
        world.send(0, Command::Offer { peer, request: 7, sdp: sdp.into() });
    }
    world.send(0, Command::Answer { peer, sdp: "v=0".into() });
    world.until("all are refused", |w| {
        w.events.iter().filter(|(_, e)| matches!(e, Event::Refused { .. })).count() == 5
    });
}

//! Data messages both ways.

use bytes::Bytes;
use proto::media::Delivery;
use sfu_shard::api::{Command, Event, PeerMode};
use str0m::media::{Direction::RecvOnly, MediaKind::Audio};

use crate::world::World;

#[test]
fn messages_travel_both_ways_in_both_modes() {
    for mode in [PeerMode::Single, PeerMode::Dual] {
        let mut world = World::new(1, false);
        let client = world.join(0, mode, &[(Audio, RecvOnly, &[])]);
        let id = world.clients[client].id;
        // Before anything is connected: it waits.
        let payload = Bytes::from_static(b"early");
        world.send(0, Command::Send { peers: vec![id], delivery: Delivery::Reliable, payload });
        world.until("the early message arrives", |w| {
            w.clients[client].downlink().data.iter().any(|(_, data)| data == b"early")
        });
        world
            .until("the client can send", |w| w.clients[client].publisher.send("_reliable", b"up"));
        world.until("the client can send lossy", |w| {
            w.clients[client].publisher.send("_lossy", b"lo")
        });
        for (text, how) in [(&b"up"[..], Delivery::Reliable), (b"lo", Delivery::Lossy)] {
            world.until("the message arrives at the node", |w| {
                w.has(|e| {
                    matches!(e, Event::Data { delivery, payload, .. }
                    if *delivery == how && payload == text)
                })
            });
        }
        world.until("the lossy channel is open", |w| {
            w.clients[client].downlink().channels.contains_key("_lossy")
        });
        let payload = Bytes::from_static(b"down");
        world.send(0, Command::Send { peers: vec![id], delivery: Delivery::Lossy, payload });
        world.until("the lossy message arrives", |w| {
            let data = &w.clients[client].downlink().data;
            data.iter().any(|(label, data)| label == "_lossy" && data == b"down")
        });
    }
}

#[test]
fn a_client_that_never_connects_does_not_hoard_messages() {
    let mut world = World::new(1, false);
    let client = world.join(0, PeerMode::Single, &[(Audio, RecvOnly, &[])]);
    let id = world.clients[client].id;
    for _ in 0..200 {
        let payload = Bytes::from(vec![0; 1000]);
        world.send(0, Command::Send { peers: vec![id], delivery: Delivery::Reliable, payload });
    }
    let dropped = |w: &World| w.shards.handles[0].counters.dropped(sfu_shard::counters::Drop::Data);
    world.until("messages beyond the limit are dropped", |w| dropped(w) == 136);
}

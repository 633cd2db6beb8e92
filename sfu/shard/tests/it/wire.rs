//! A shard without a socket.

use proto::id::ShardId;
use sfu_shard::{
    api::{Command, ShardConfig},
    counters::Drop,
    start_on_wire,
    wire::{self, Run},
};

use crate::world::{PATIENCE, loopback};

#[test]
fn a_shard_on_a_wire_judges_what_comes_over_it_and_ends_when_told() {
    let (own, mut other) = wire::pair();
    let config = ShardConfig {
        shard: ShardId(0),
        shards: 1,
        udp: ([10, 0, 0, 1], 4000).into(),
        announce: Vec::new(),
        announce_tcp: Vec::new(),
        bwe_start: None,
    };
    let shards = start_on_wire(config, own).unwrap();
    let shard = shards.handles[0].clone();
    let run = Run { source: loopback(), destination: shard.udp, stride: 100 };
    other.send(run, &[0x80; 250]).unwrap();
    shard.wake();
    let deadline = crate::client::now() + PATIENCE;
    while shard.counters.dropped(Drop::UnknownSource) < 3 {
        assert!(crate::client::now() < deadline, "three datagrams of strangers are counted");
        std::thread::yield_now();
    }
    assert_eq!(shard.counters.received.bytes.get(), 250);
    shard.send(Command::Stop).unwrap();
    shards.join();
}

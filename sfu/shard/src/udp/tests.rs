use std::time::Duration;

use super::*;

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn filled(sizes: &[(u16, usize)]) -> Outbox {
    let mut outbox = Outbox::default();
    for (port, len) in sizes {
        outbox.push(false, address(1), address(*port), &vec![7; *len]);
    }
    outbox
}

fn runs(outbox: &Outbox, max: usize) -> Vec<(usize, usize)> {
    let mut first = 0;
    let mut runs = Vec::new();
    while let Some(run) = outbox.run(first, max) {
        runs.push((run.end - first, run.bytes));
        first = run.end;
    }
    runs
}

#[test]
fn equal_datagrams_to_one_place_make_one_run_with_a_shorter_end() {
    let outbox = filled(&[(2, 100), (2, 100), (2, 60), (2, 100)]);
    assert_eq!(runs(&outbox, 64), [(3, 260), (1, 100)]);
}

#[test]
fn another_place_or_a_longer_datagram_starts_another_run() {
    let outbox = filled(&[(2, 100), (3, 100), (3, 101), (3, 101)]);
    assert_eq!(runs(&outbox, 64), [(1, 100), (1, 100), (2, 202)]);
}

#[test]
fn runs_are_bounded_in_segments_and_bytes() {
    let outbox = filled(&[(2, 10); 10]);
    assert_eq!(runs(&outbox, 4), [(4, 40), (4, 40), (2, 20)]);
    let outbox = filled(&[(2, 30_000); 3]);
    assert_eq!(runs(&outbox, 64), [(2, 60_000), (1, 30_000)]);
}

#[test]
fn runs_arrive_as_single_datagrams() {
    let receiver = std::net::UdpSocket::bind(address(0)).unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let socket = Socket::new(std::net::UdpSocket::bind(address(0)).unwrap()).unwrap();
    let mut udp = Udp::Socket(socket);
    let outbox = filled(&[(receiver.local_addr().unwrap().port(), 700); 5]);
    let counters = Counters::default();
    udp.send(&outbox, &counters);
    for _ in 0..5 {
        assert_eq!(receiver.recv(&mut [0; 2000]).unwrap(), 700);
    }
    assert_eq!(counters.sent.packets.get(), 5);
}

#[test]
fn runs_over_a_wire_are_counted_and_come_back_as_single_datagrams() {
    let (wire, mut other) = wire::pair();
    let mut udp = Udp::Wire(wire);
    let counters = Counters::default();
    udp.send(&filled(&[(2, 700), (2, 700), (2, 60), (3, 10)]), &counters);
    assert_eq!((counters.sends.get(), counters.sent.packets.get()), (2, 4));
    let mut buffer = vec![0; 4096];
    let (run, bytes) = other.receive(&mut buffer).unwrap();
    assert_eq!((run.destination, run.stride, bytes.len()), (address(2), 700, 1460));
    other.send(run, &[1; 1460]).unwrap();
    let mut batch = Batch::new();
    assert!(udp.receive(&mut batch));
    let lens: Vec<usize> = batch.datagrams().map(|(_, bytes)| bytes.len()).collect();
    assert_eq!(lens, [700, 700, 60]);
    assert!(!udp.receive(&mut batch));
}

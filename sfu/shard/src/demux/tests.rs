use super::*;

fn at(port: u16) -> Remote {
    (false, ([10, 0, 0, 1], port).into())
}

fn secs(secs: u64) -> Instant {
    Instant(secs * 1_000_000)
}

#[test]
fn an_address_in_use_stays_with_its_owner() {
    let mut demux = Demux::default();
    assert!(demux.learn(at(1), 7, secs(0)));
    assert_eq!(demux.hear(at(1), secs(10)), Some(7));
    assert!(!demux.learn(at(1), 8, secs(11)));
    assert_eq!(demux.owner(at(1)), Some(7));
}

#[test]
fn a_silent_address_can_be_taken_over() {
    let mut demux = Demux::default();
    demux.learn(at(1), 7, secs(0));
    assert!(demux.learn(at(1), 8, secs(10)));
    assert_eq!(demux.owner(at(1)), Some(8));
    demux.forget(7);
    assert_eq!(demux.owner(at(1)), Some(8));
}

#[test]
fn the_same_port_over_tcp_is_another_address() {
    let mut demux = Demux::default();
    demux.learn(at(1), 7, secs(0));
    assert_eq!(demux.owner((true, at(1).1)), None);
}

#[test]
fn a_connection_keeps_its_latest_addresses_only() {
    let mut demux = Demux::default();
    for port in 0..40 {
        demux.learn(at(port), 7, secs(0));
    }
    assert_eq!(demux.owner(at(0)), None);
    assert_eq!(demux.owner(at(39)), Some(7));
    demux.forget(7);
    assert!(demux.owners.is_empty() && demux.addresses.is_empty());
}

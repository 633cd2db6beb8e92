use super::*;

#[test]
fn a_steady_stream_is_measured_within_two_percent() {
    let mut meter = RateMeter::default();
    for step in 0..200 {
        meter.add(Instant(step * 10_000), 1_250);
    }
    let rate = meter.bitrate(Instant(2_000_000)).as_bps();
    assert!((980_000..=1_020_000).contains(&rate), "{rate}");
}

#[test]
fn silence_forgets_everything_after_a_second() {
    let mut meter = RateMeter::default();
    meter.add(Instant(0), 1_000);
    assert_eq!(meter.total(Instant(1_200_000)), 0);
    assert_eq!(meter.bitrate(Instant(1_200_000)), Bitrate::ZERO);
}

#[test]
fn the_first_packet_does_not_look_like_a_flood() {
    let mut meter = RateMeter::default();
    meter.add(Instant(77), 1_000);
    assert!(meter.bitrate(Instant(77)) <= Bitrate::from_kbps(32));
}

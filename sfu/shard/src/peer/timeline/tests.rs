use super::*;

fn ms(ms: u64) -> Instant {
    Instant(ms * 1000)
}

#[test]
fn the_first_slot_goes_out_as_it_is() {
    let mut line = Timeline::default();
    let out = line.map(SlotId(1), (SeqNo(5), RtpTime(900)), ms(0), 90_000);
    assert_eq!(out, Some((SeqNo(5), RtpTime(900))));
}

#[test]
fn another_slot_follows_without_a_gap_and_after_the_time_that_passed() {
    let mut line = Timeline::default();
    for n in 0..10 {
        line.map(
            SlotId(1),
            (SeqNo(100 + n), RtpTime(3000 * u32::try_from(n).unwrap())),
            ms(33 * n),
            90_000,
        );
    }
    let out = line.map(SlotId(2), (SeqNo(7), RtpTime(1_000_000)), ms(33 * 9 + 100), 90_000);
    assert_eq!(out, Some((SeqNo(110), RtpTime(27_000 + 9_000))));
    let out = line.map(SlotId(2), (SeqNo(8), RtpTime(1_003_000)), ms(33 * 9 + 133), 90_000);
    assert_eq!(out, Some((SeqNo(111), RtpTime(27_000 + 12_000))));
}

#[test]
fn a_late_packet_of_the_new_slot_does_not_reuse_a_number_of_the_old() {
    let mut line = Timeline::default();
    line.map(SlotId(1), (SeqNo(50), RtpTime(0)), ms(0), 48_000);
    line.map(SlotId(2), (SeqNo(10), RtpTime(0)), ms(20), 48_000);
    assert_eq!(line.map(SlotId(2), (SeqNo(9), RtpTime(0)), ms(21), 48_000), None);
    assert!(line.map(SlotId(2), (SeqNo(11), RtpTime(0)), ms(22), 48_000).is_some());
}

#[test]
fn reordered_packets_keep_their_places() {
    let mut line = Timeline::default();
    assert_eq!(line.map(SlotId(1), (SeqNo(3), RtpTime(3)), ms(0), 1).unwrap().0, SeqNo(3));
    assert_eq!(line.map(SlotId(1), (SeqNo(1), RtpTime(1)), ms(1), 1).unwrap().0, SeqNo(1));
    assert_eq!(line.map(SlotId(2), (SeqNo(0), RtpTime(1)), ms(2), 1).unwrap().0, SeqNo(4));
}

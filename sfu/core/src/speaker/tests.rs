use super::*;

#[test]
fn eighths_follow_the_amplitude() {
    for (level, expect) in
        [(127, 1), (35, 1), (18, 1), (17, 2), (12, 2), (11, 3), (7, 4), (3, 6), (1, 7), (0, 8)]
    {
        assert_eq!(eighths(level), expect, "-{level} dBov");
    }
}

#[test]
fn a_window_of_loud_packets_begins_speech_and_two_quiet_ones_end_it() {
    let mut loudness = Loudness::default();
    (0..20).for_each(|_| loudness.add(20, 35));
    assert_eq!(loudness.end_window(), Some((1, true)));
    assert_eq!(loudness.end_window(), None);
    assert_eq!(loudness.end_window(), Some((0, false)));
    assert!(!loudness.is_pending());
}

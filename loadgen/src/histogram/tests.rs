use std::time::Duration;

use super::{Histogram, bucket, upper};

#[test]
fn a_bucket_holds_what_it_says_and_is_narrow() {
    for us in (0..5_000).chain([65_535, 65_536, 1_000_000, 59_999_999]) {
        let bucket = bucket(us);
        assert!(us <= upper(bucket), "{us} is above its bucket");
        assert!(bucket == 0 || us > upper(bucket - 1), "{us} belongs to an earlier bucket");
        assert!(upper(bucket) - us <= us / 32 + 1, "the bucket of {us} is too wide");
    }
}

#[test]
fn percentiles_are_those_of_what_was_recorded() {
    let (mut one, mut other) = (Histogram::default(), Histogram::default());
    for ms in 1..=500 {
        one.record(Duration::from_millis(ms));
        other.record(Duration::from_millis(500 + ms));
    }
    one.merge(&other);
    assert_eq!(one.count(), 1000);
    for (per_mille, ms) in [(500, 500.0), (990, 990.0), (1000, 1000.0)] {
        let said = one.ms(per_mille);
        assert!(said >= ms && said <= ms * 1.04, "{per_mille}: {said}");
    }
    assert!((one.max_ms() - 1000.0).abs() < 0.001);
}

#[test]
fn nothing_recorded_has_no_latency() {
    assert!(Histogram::default().ms(990).abs() < f64::EPSILON);
}

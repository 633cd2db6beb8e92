use super::*;

fn judged(loss: f32, rtt_ms: u64, silent: Duration) -> Option<ConnectionQuality> {
    let mut meter = Meter::new(Instant(0));
    for _ in 0..20 {
        meter.on_health(Health { rtt: Some(Duration::from_millis(rtt_ms)), loss });
    }
    let now = Instant(0) + Duration::from_secs(60);
    meter.judge(now, now - silent).map(|(quality, _)| quality)
}

#[test]
fn quality_falls_with_loss_and_delay_and_silence() {
    let quiet = Duration::from_secs(1);
    assert_eq!(judged(0.0, 30, quiet), Some(ConnectionQuality::Excellent));
    assert_eq!(judged(0.08, 60, quiet), Some(ConnectionQuality::Good));
    assert_eq!(judged(0.30, 60, quiet), Some(ConnectionQuality::Poor));
    assert_eq!(judged(0.0, 900, quiet), Some(ConnectionQuality::Poor));
    assert_eq!(judged(0.0, 30, Duration::from_secs(11)), Some(ConnectionQuality::Lost));
}

#[test]
fn only_changes_are_told_and_not_too_often() {
    let mut meter = Meter::new(Instant(0));
    assert_eq!(meter.judge(Instant(1), Instant(1)), None);
    let later = Instant(0) + JUDGE_EVERY;
    assert!(meter.judge(later, later).is_some());
    let later = later + JUDGE_EVERY;
    assert_eq!(meter.judge(later, later), None);
}

#[test]
fn scores_stay_in_range() {
    for (loss, rtt) in [(0.0, 0.0), (1.0, 0.0), (0.0, 60_000.0), (1.0, 60_000.0)] {
        assert!((1.0..=5.0).contains(&score(loss, rtt)));
    }
}

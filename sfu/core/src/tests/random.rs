//! Random histories: what must hold whatever the network and the viewers do.

use alloc::{collections::BTreeSet, vec};

use proptest::prelude::*;

use super::*;

/// What happens in one step of 33 ms.
#[derive(Clone, Debug)]
struct Step {
    /// Which packets are lost, and which come one step late; by bit.
    lost: u16,
    late: u16,
    /// Which packets come again, one step late.
    again: u16,
    keyframes: u8,
    /// A new view's largest encoding, or none.
    view: Option<u8>,
    /// Mute, unmute, or neither.
    mute: Option<bool>,
    estimate_kbps: Option<u64>,
}

fn step(lossy: bool) -> impl Strategy<Value = Step> {
    let faults = if lossy { 0..=u16::MAX } else { 0..=0 };
    (
        (faults.clone(), faults.clone(), faults.clone()),
        (any::<u8>(), any::<u8>()),
        (prop::option::weighted(0.1, 0..3_u8), prop::option::weighted(0.03, any::<bool>())),
        prop::option::weighted(0.1, 20..800_u64),
    )
        .prop_map(|((a, b, c), (k1, k2), (view, mute), estimate_kbps)| Step {
            lost: a & b,
            late: a & c,
            again: b & c & !a,
            keyframes: k1 & k2,
            view,
            mute,
            estimate_kbps,
        })
}

struct Run {
    outputs: Vec<Vec<Output>>,
    /// Forwards with the packets they carry, in the order they went out.
    sent: Vec<(Forward, Quality, Packet)>,
}

fn run(steps: &[Step], temporal: bool, reports: bool) -> Run {
    let mut world = World::with_camera();
    let mut senders = Sender::simulcast(CAMERA);
    for sender in &mut senders {
        (sender.temporal, sender.reports) = (temporal, reports);
    }
    let mut run = Run { outputs: vec![], sent: vec![] };
    let mut held: Vec<(TrackKey, Quality, Packet)> = vec![];
    for step in steps {
        let mut packets = core::mem::take(&mut held);
        for (nth, sender) in senders.iter_mut().enumerate() {
            packets.extend(sender.frame(world.now, step.keyframes >> nth & 1 == 1));
        }
        let mut arriving = vec![];
        for (nth, mut packet) in packets.into_iter().enumerate() {
            if step.lost >> (nth % 16) & 1 == 1 {
                continue;
            }
            packet.2.arrived_at = world.now;
            let late = step.late >> (nth % 16) & 1 == 1;
            if late || step.again >> (nth % 16) & 1 == 1 {
                held.push(packet);
            }
            if !late {
                arriving.push(packet);
            }
        }
        let outputs = world.burst(&arriving);
        for forward in forwards(&outputs) {
            let (_, quality, packet) = arriving[usize::from(forward.packet)];
            run.sent.push((forward, quality, packet));
        }
        run.outputs.push(outputs);
        if let Some(view) = step.view {
            let quality_max = Quality::ALL[usize::from(view)];
            run.outputs
                .push(world.view(0, ViewSettings { quality_max, ..ViewSettings::default() }));
        }
        if let Some(muted) = step.mute {
            run.outputs.push(world.put(Input::Mute { track: CAMERA, muted }));
        }
        if let Some(kbps) = step.estimate_kbps {
            run.outputs.push(world.estimate(ADA, kbps));
        }
        run.outputs.push(world.pass(FRAME));
    }
    run
}

/// Picture id of a forward.
fn picture(forward: &Forward) -> u16 {
    match forward.rewrite {
        Rewrite::Picture { picture_id: Some(PictureId::Long(id)), .. } => id,
        _ => unreachable!(),
    }
}

fn starts(packet: &Packet) -> bool {
    matches!(packet.picture, Picture::Vp8(vp8) if vp8.keyframe && vp8.start)
}

/// Runs of forwards between changes of encoding (or restarts after a pause cannot be told apart: same encoding).
fn runs(
    sent: &[(Forward, Quality, Packet)],
) -> impl Iterator<Item = &[(Forward, Quality, Packet)]> {
    sent.chunk_by(|a, b| a.1 == b.1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_number_is_sent_twice_and_none_stands_for_two_packets(
        steps in prop::collection::vec(step(true), 1..120), temporal: bool, reports: bool,
    ) {
        let run = run(&steps, temporal, reports);
        let mut seen = BTreeSet::new();
        for (forward, ..) in &run.sent {
            prop_assert!(seen.insert(forward.seq.0), "{} twice", forward.seq.0);
        }
    }

    #[test]
    fn every_change_of_encoding_is_at_a_key_frame_and_moves_time_and_sequence_ahead(
        steps in prop::collection::vec(step(true), 1..120), temporal: bool, reports: bool,
    ) {
        let run = run(&steps, temporal, reports);
        let mut newest: Option<(u64, RtpTime)> = None;
        for part in runs(&run.sent) {
            let first = &part[0];
            prop_assert!(starts(&first.2));
            if let Some((seq, time)) = newest {
                prop_assert_eq!(first.0.seq.0, seq + 1);
                prop_assert!(first.0.time.distance_from(time) > 0);
            }
            for (forward, ..) in part {
                newest = Some(newest.map_or((forward.seq.0, forward.time), |(seq, time)| {
                    let ahead = forward.time.distance_from(time) > 0;
                    (seq.max(forward.seq.0), if ahead { forward.time } else { time })
                }));
            }
        }
    }

    #[test]
    fn without_loss_there_is_no_gap_and_pictures_count_by_one(
        steps in prop::collection::vec(step(false), 1..120), temporal: bool, reports: bool,
    ) {
        let run = run(&steps, temporal, reports);
        for pair in run.sent.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            prop_assert_eq!(b.0.seq.0, a.0.seq.0 + 1);
            let same = a.1 == b.1 && a.2.time == b.2.time;
            let ahead = b.0.time.distance_from(a.0.time);
            prop_assert!((same && ahead == 0) || (!same && ahead > 0));
            let step = u16::from(!same);
            prop_assert_eq!(picture(&b.0), (picture(&a.0) + step) & 0x7fff);
        }
    }

    #[test]
    fn within_an_encoding_gaps_are_as_they_came(
        steps in prop::collection::vec(step(true), 1..120), reports: bool,
    ) {
        let mut steps = steps;
        steps.iter_mut().for_each(|step| (step.mute, step.estimate_kbps) = (None, None));
        let run = run(&steps, false, reports);
        for part in runs(&run.sent) {
            let first = &part[0];
            for (forward, _, packet) in part {
                prop_assert_eq!(forward.seq.0 - first.0.seq.0, packet.seq.0 - first.2.seq.0);
            }
        }
    }

    #[test]
    fn the_same_history_has_the_same_outcome(
        steps in prop::collection::vec(step(true), 1..60), temporal: bool,
    ) {
        prop_assert_eq!(run(&steps, temporal, true).outputs, run(&steps, temporal, true).outputs);
    }
}

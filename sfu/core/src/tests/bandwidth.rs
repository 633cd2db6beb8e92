use alloc::vec;

use Quality::{High, Low};

use super::*;

fn states(outputs: &[Output]) -> Vec<(u32, bool)> {
    let state = |output: &Output| match output {
        Output::StreamState { slot, paused } => Some((slot.0, *paused)),
        _ => None,
    };
    outputs.iter().filter_map(state).collect()
}

/// Plays three encodings, all key frames, so that every switch happens at once.
fn play(world: &mut World, senders: &mut [Sender], time: Duration) -> Vec<Output> {
    let end = world.now + time;
    let mut outputs = vec![];
    while world.now < end {
        let mut packets = vec![];
        for sender in &mut *senders {
            packets.extend(sender.frame(world.now, true));
        }
        outputs.extend(world.burst(&packets));
        outputs.extend(world.pass(FRAME));
    }
    outputs
}

/// Packets of a frame tell the encoding: 1, 2 or 3.
fn per_frame(outputs: &[Output], slot: u32, time: Duration) -> f64 {
    let sent = forwards(outputs).iter().filter(|f| f.slot.0 == slot).count();
    sent as f64 / (time.as_secs_f64() * 30.0)
}

fn check(world: &mut World, senders: &mut [Sender], slot: u32, packets: f64) {
    let time = Duration::from_secs(1);
    let outputs = play(world, senders, time);
    let rate = per_frame(&outputs, slot, time);
    assert!((rate - packets).abs() < 0.2, "slot {slot} got {rate} packets a frame, not {packets}");
}

#[test]
fn the_estimate_chooses_the_encoding() {
    let mut world = World::with_camera();
    let mut senders = Sender::simulcast(CAMERA);
    play(&mut world, &mut senders, Duration::from_secs(3));
    check(&mut world, &mut senders, 0, 3.0);
    // Measured: about 99, 198 and 297 kbit/s.
    world.estimate(ADA, 260);
    check(&mut world, &mut senders, 0, 2.0);
    world.estimate(ADA, 150);
    check(&mut world, &mut senders, 0, 1.0);
}

#[test]
fn the_way_up_waits_for_lasting_headroom() {
    let mut world = World::with_camera();
    let mut senders = Sender::simulcast(CAMERA);
    world.estimate(ADA, 150);
    play(&mut world, &mut senders, Duration::from_secs(3));
    world.estimate(ADA, 600);
    check(&mut world, &mut senders, 0, 1.0);
    play(&mut world, &mut senders, Duration::from_secs(1));
    check(&mut world, &mut senders, 0, 3.0);
}

#[test]
fn a_stream_without_bandwidth_is_paused_and_goes_on_and_sound_is_kept() {
    let mut world = World::with_camera();
    world.add_voice();
    world.subscribe(ADA, 1, VOICE);
    let mut senders = Sender::simulcast(CAMERA);
    play(&mut world, &mut senders, Duration::from_secs(3));
    assert_eq!(states(&world.estimate(ADA, 40)), [], "a moment of doubt pauses nothing");
    let outputs = play(&mut world, &mut senders, Duration::from_secs(4));
    assert_eq!(states(&outputs), []);
    let outputs = play(&mut world, &mut senders, Duration::from_secs(2));
    assert_eq!(states(&outputs), [(0, true)]);
    let packet = voice(world.now, 1, 127);
    assert_eq!(forwards(&world.burst(&[packet])).len(), 1);
    check(&mut world, &mut senders, 0, 0.0);
    assert_eq!(states(&world.estimate(ADA, 600)), []);
    let outputs = play(&mut world, &mut senders, Duration::from_secs(3));
    assert_eq!(states(&outputs), [(0, false)]);
}

#[test]
fn a_shared_screen_goes_before_cameras_and_priority_before_all() {
    let mut world = World::with_camera();
    let screen = TrackKey(8);
    world.add_camera(screen, Source::ScreenShare);
    world.subscribe(ADA, 1, screen);
    let mut senders = [Sender::simulcast(CAMERA), Sender::simulcast(screen)].concat();
    play(&mut world, &mut senders, Duration::from_secs(3));
    world.estimate(ADA, 160);
    let outputs = play(&mut world, &mut senders, Duration::from_secs(6));
    assert_eq!(states(&outputs), [(0, true)]);
    let first = ViewSettings { priority: 1, ..ViewSettings::default() };
    let outputs = world.view(0, first);
    assert_eq!(states(&outputs), [(1, true)]);
    let outputs = play(&mut world, &mut senders, Duration::from_secs(3));
    assert_eq!(states(&outputs), [(0, false)]);
}

#[test]
fn a_small_or_hidden_view_takes_little_or_nothing() {
    let mut world = World::with_camera();
    let mut senders = Sender::simulcast(CAMERA);
    play(&mut world, &mut senders, Duration::from_secs(1));
    let size = |w, h| ViewSettings { size: Some((w, h)), ..ViewSettings::default() };
    world.view(0, size(600, 340));
    play(&mut world, &mut senders, Duration::from_secs(1));
    check(&mut world, &mut senders, 0, 2.0);
    world.view(0, size(160, 90));
    play(&mut world, &mut senders, Duration::from_secs(1));
    check(&mut world, &mut senders, 0, 1.0);
    world.view(0, ViewSettings { disabled: true, ..ViewSettings::default() });
    check(&mut world, &mut senders, 0, 0.0);
}

#[test]
fn the_estimator_hears_what_is_wanted() {
    let mut world = World::with_camera();
    let mut senders = Sender::simulcast(CAMERA);
    play(&mut world, &mut senders, Duration::from_secs(3));
    let mut outputs = world.estimate(ADA, 150);
    outputs.extend(play(&mut world, &mut senders, Duration::from_secs(1)));
    let said = outputs.iter().rev().find_map(|output| match output {
        Output::Bitrates { minimum, desired, .. } => Some((*minimum, *desired)),
        _ => None,
    });
    let (minimum, desired) = said.unwrap();
    assert!(minimum > Bitrate::from_kbps(200) && minimum < Bitrate::from_kbps(260), "{minimum}");
    assert!(desired > Bitrate::from_kbps(290) && desired < Bitrate::from_kbps(360), "{desired}");
}

#[test]
fn an_encoding_that_appears_is_used() {
    let mut world = World::with_camera();
    let [mut low, _, mut high] = Sender::simulcast(CAMERA);
    check(&mut world, core::slice::from_mut(&mut low), 0, 1.0);
    let packets = high.frame(world.now, false);
    let outputs = world.burst(&packets);
    assert_eq!(keyframe_requests(&outputs), [High]);
    check(&mut world, &mut [low, high], 0, 3.0);
}

#[test]
fn the_only_encoding_is_used_though_it_is_larger_than_the_view() {
    let mut world = World::with_camera();
    let high = Sender::new(CAMERA, High);
    world.view(0, ViewSettings { quality_max: Low, ..ViewSettings::default() });
    let mut senders = [high];
    play(&mut world, &mut senders, Duration::from_millis(100));
    check(&mut world, &mut senders, 0, 3.0);
}

#[test]
fn short_of_the_smallest_encoding_its_upper_temporal_layers_go_first() {
    let mut world = World::with_camera();
    let mut sender = Sender::new(CAMERA, Low);
    sender.temporal = true;
    let packets = sender.frame(world.now, true);
    world.burst(&packets);
    let time = Duration::from_secs(3);
    world.play(core::slice::from_mut(&mut sender), time);
    // Measured: 99 kbit/s, a quarter of it in the lowest layer and a quarter in the middle one.
    assert_eq!(states(&world.estimate(ADA, 60)), []);
    world.play(core::slice::from_mut(&mut sender), FRAME * 4);
    let outputs = world.play(core::slice::from_mut(&mut sender), time);
    assert!((per_frame(&outputs, 0, time) - 0.5).abs() < 0.05);
}

#[test]
fn who_stays_short_has_the_estimator_look_for_more_ever_more_rarely() {
    let mut world = World::with_camera();
    let mut senders = Sender::simulcast(CAMERA);
    play(&mut world, &mut senders, Duration::from_secs(3));
    world.estimate(ADA, 150);
    let mut rises = |seconds| {
        let outputs = play(&mut world, &mut senders, Duration::from_secs(seconds));
        let told: Vec<Bitrate> = outputs
            .iter()
            .filter_map(|output| match output {
                Output::Bitrates { desired, .. } => Some(*desired),
                _ => None,
            })
            .collect();
        (told.windows(2).filter(|pair| pair[1] > pair[0].percent(150)).count(), told)
    };
    let (count, told) = rises(12);
    assert_eq!(count, 2, "{told:?}");
    let (count, told) = rises(40);
    assert!((2..=3).contains(&count), "{told:?}");
}

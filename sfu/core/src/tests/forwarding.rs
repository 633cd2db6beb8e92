use alloc::vec;

use Quality::{High, Low, Medium};
use proto::time::Instant;

use super::*;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn outputs_come_subscriber_by_subscriber_in_burst_order_then_relays() {
    let mut world = World::with_camera();
    world.add_camera(TrackKey(8), Source::Camera);
    world.put(Input::AddSubscriber { subscriber: BOB });
    world.subscribe(BOB, 1, CAMERA);
    world.subscribe(BOB, 2, TrackKey(8));
    world.put(Input::Link { link: LinkId(0), track: CAMERA, quality_max: Some(Low) });
    let (mut a, mut b) = (Sender::new(CAMERA, Low), Sender::new(TrackKey(8), Low));
    let mut packets = vec![];
    for _ in 0..2 {
        packets.extend(b.frame(world.now, true));
        packets.extend(a.frame(world.now, true));
    }
    let outputs = world.burst(&packets);
    let order: Vec<_> = forwards(&outputs).iter().map(|f| (f.subscriber.0, f.packet)).collect();
    assert_eq!(order, [(1, 0), (1, 1), (1, 2), (1, 3), (0, 1), (0, 3)]);
    let relays: Vec<_> = outputs.iter().skip(6).take(2).copied().collect();
    let relay = |packet| Output::Relay { link: LinkId(0), packet };
    assert_eq!(relays, [relay(1), relay(3)]);
}

#[test]
fn packets_that_nobody_wants_produce_nothing_but_take_an_index() {
    let mut world = World::with_camera();
    let mut sender = Sender::new(CAMERA, Low);
    let stray = Sender::new(TrackKey(999), Low).frame(world.now, true);
    let key = sender.frame(world.now, true);
    let outputs = world.burst(&[stray, key].concat());
    let sent = forwards(&outputs);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].packet, 1);
}

#[test]
fn a_slot_starts_with_a_key_frame_only() {
    let mut world = World::with_camera();
    let mut sender = Sender::new(CAMERA, Low);
    let packets = sender.frame(world.now, false);
    assert_eq!(forwards(&world.burst(&packets)), []);
    let packets = sender.frame(world.now, true);
    let sent = forwards(&world.burst(&packets));
    assert_eq!(sent.len(), 1);
    assert!(sent[0].seq.0 < 65_536);
}

#[test]
fn a_burst_of_more_than_the_maximum_is_cut_and_counted() {
    let mut world = World::with_camera();
    let mut sender = Sender::new(CAMERA, Low);
    let mut packets = sender.frame(world.now, true);
    for _ in 0..BURST_MAX {
        packets.extend(sender.frame(world.now, false));
    }
    assert_eq!(forwards(&world.burst(&packets)).len(), BURST_MAX);
    assert_eq!(world.core.stats().burst_overflows, 1);
}

#[test]
fn a_key_frame_is_asked_for_at_once_and_again_every_half_second_until_it_comes() {
    let mut world = World::new();
    world.add_camera(CAMERA, Source::Camera);
    let mut sender = Sender::new(CAMERA, High);
    let packets = sender.frame(world.now, false);
    world.burst(&packets);
    world.put(Input::AddSubscriber { subscriber: ADA });
    world.put(Input::AddSubscriber { subscriber: BOB });
    assert_eq!(keyframe_requests(&world.subscribe(ADA, 0, CAMERA)), [High]);
    assert_eq!(keyframe_requests(&world.subscribe(BOB, 1, CAMERA)), []);
    assert_eq!(keyframe_requests(&world.play(&mut [sender.clone()], secs(1))), [High, High]);
    sender.seq += 100;
    let packets = sender.frame(world.now, true);
    world.burst(&packets);
    assert_eq!(keyframe_requests(&world.pass(secs(2))), []);
}

#[test]
fn requests_of_viewers_and_links_are_merged() {
    let mut world = World::with_camera();
    world.put(Input::Link { link: LinkId(0), track: CAMERA, quality_max: Some(High) });
    let mut sender = Sender::new(CAMERA, High);
    let packets = sender.frame(world.now, true);
    world.burst(&packets);
    world.play(&mut [sender], secs(1));
    assert_eq!(keyframe_requests(&world.put(Input::KeyframeRequest { slot: SlotId(0) })), [High]);
    let link = Input::LinkKeyframeRequest { track: CAMERA, quality: High };
    assert_eq!(keyframe_requests(&world.put(link.clone())), []);
    assert_eq!(keyframe_requests(&world.put(link)), []);
    assert_eq!(keyframe_requests(&world.pass(secs(2))), [High]);
}

#[test]
fn the_numbers_go_on_over_a_switch() {
    let mut world = World::with_camera();
    let mut senders = Sender::simulcast(CAMERA);
    let mut sent = vec![];
    for step in 0..60 {
        let mut packets = vec![];
        for sender in &mut senders {
            // All have a key frame at the start; High has one more, later.
            packets.extend(
                sender.frame(world.now, step == 0 || (step == 30 && sender.quality == High)),
            );
        }
        sent.extend(forwards(&world.burst(&packets)));
        world.pass(FRAME);
        if step == 10 {
            world.view(0, ViewSettings { quality_max: Low, ..ViewSettings::default() });
        }
    }
    let first = sent[0].seq.0;
    for (nth, forward) in sent.iter().enumerate() {
        assert_eq!(forward.seq.0, first + nth as u64);
    }
    let times: Vec<_> = sent.iter().map(|f| f.time).collect();
    assert!(times.windows(2).all(|pair| pair[1].distance_from(pair[0]) >= 0));
}

#[test]
fn sender_reports_align_the_time_of_two_encodings() {
    let mut world = World::with_camera();
    let mut senders = Sender::simulcast(CAMERA);
    let [low, _, high] = &mut senders;
    (low.reports, high.reports) = (true, true);
    let start = world.now;
    let packets = low.frame(world.now, true);
    let first = forwards(&world.burst(&packets))[0].time;
    world.now = start + Duration::from_millis(100);
    // The large encoding's key frame is of the moment 100 ms after the start, and arrives 50 ms late.
    let mut packets = high.frame(world.now, true);
    world.now = start + Duration::from_millis(150);
    packets.iter_mut().for_each(|(_, _, packet)| packet.arrived_at = world.now);
    let switched = forwards(&world.burst(&packets))[0].time;
    assert_eq!(switched.distance_from(first), 9_000);
}

#[test]
fn time_that_had_to_hurry_at_a_switch_is_given_back() {
    let mut world = World::with_camera();
    let mut senders = Sender::simulcast(CAMERA);
    senders.iter_mut().for_each(|sender| sender.reports = true);
    let (start, mut first, mut last) = (world.now, None, RtpTime(0));
    for step in 0..200 {
        let quality_max = if step % 2 == 0 { High } else { Low };
        world.view(0, ViewSettings { quality_max, ..ViewSettings::default() });
        let mut packets = vec![];
        for sender in &mut senders {
            packets.extend(sender.frame(world.now, true));
        }
        // The smaller encoding is ahead: its frame of this moment is sent before the larger one's.
        let sent = forwards(&world.burst(&packets));
        last = sent.last().unwrap().time;
        first.get_or_insert(last);
        if step < 199 {
            world.pass(FRAME);
        }
    }
    let elapsed = i64::try_from(world.now.since(start).as_micros() * 9 / 100).unwrap();
    let error = i64::from(last.distance_from(first.unwrap())) - elapsed;
    assert!(error.abs() <= 3_000, "{error} ticks off after 200 switches");
}

#[test]
fn padding_is_left_out_without_a_gap() {
    let mut world = World::with_camera();
    let mut sender = Sender::new(CAMERA, Low);
    let mut packets = sender.frame(world.now, true);
    packets.extend(sender.frame(world.now, true));
    packets.extend(sender.frame(world.now + FRAME, false));
    packets[1].2.payload_len = 0;
    packets[1].2.picture = Picture::Opaque { keyframe: false };
    let sent = forwards(&world.burst(&packets));
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1].seq.0, sent[0].seq.0 + 1);
}

#[test]
fn an_encoding_that_starts_over_is_followed_from_its_next_key_frame() {
    let mut world = World::with_camera();
    let mut sender = Sender::new(CAMERA, Low);
    let packets = sender.frame(world.now, true);
    let before = forwards(&world.burst(&packets))[0];
    world.play(core::slice::from_mut(&mut sender), secs(1));
    sender.seq += 1_000_000;
    let packets = sender.frame(world.now, false);
    let outputs = world.burst(&packets);
    assert_eq!((forwards(&outputs).len(), keyframe_requests(&outputs)), (0, vec![Low]));
    let packets = sender.frame(world.now, true);
    let after = forwards(&world.burst(&packets))[0];
    assert!(after.seq.0 < before.seq.0 + 40, "{} after {}", after.seq.0, before.seq.0);
}

#[test]
fn late_packets_from_before_the_switch_are_dropped_and_others_keep_their_place() {
    let mut world = World::with_camera();
    let mut high = Sender::new(CAMERA, High);
    let before = high.frame(world.now, false);
    let key = high.frame(world.now, true);
    world.burst(&before[..1]);
    let sent = forwards(&world.burst(&[key[0], key[2]]));
    assert_eq!(sent[1].seq.0, sent[0].seq.0 + 2);
    let late = forwards(&world.burst(&[before[1], key[1], key[1]]));
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].seq.0, sent[0].seq.0 + 1);
    assert_eq!(world.core.stats().repeated, 1);
}

#[test]
fn a_muted_track_is_silent_and_starts_again_with_a_key_frame() {
    let mut world = World::with_camera();
    let mut sender = Sender::new(CAMERA, Low);
    let packets = sender.frame(world.now, true);
    let before = forwards(&world.burst(&packets))[0];
    world.put(Input::Mute { track: CAMERA, muted: true });
    let packets = sender.frame(world.now, true);
    assert_eq!(forwards(&world.burst(&packets)), []);
    world.pass(secs(20));
    let outputs = world.put(Input::Mute { track: CAMERA, muted: false });
    assert_eq!(keyframe_requests(&outputs).len(), 1);
    let packets = sender.frame(world.now, false);
    assert_eq!(forwards(&world.burst(&packets)), []);
    let packets = sender.frame(world.now, true);
    let after = forwards(&world.burst(&packets))[0];
    assert_eq!(after.seq.0, before.seq.0 + 1);
    assert!(after.time.distance_from(before.time) > 0);
}

#[test]
fn a_dead_encoding_is_left_for_a_living_one() {
    let mut world = World::with_camera();
    let [mut low, _, mut high] = Sender::simulcast(CAMERA);
    let packets = [low.frame(world.now, true), high.frame(world.now, true)].concat();
    world.burst(&packets);
    world.play(&mut [low.clone(), high], secs(1));
    low.seq += 100;
    let outputs = world.play(core::slice::from_mut(&mut low), secs(2));
    assert!(keyframe_requests(&outputs).contains(&Low));
    let packets = low.frame(world.now, true);
    assert_eq!(forwards(&world.burst(&packets)).len(), 1);
}

#[test]
fn upper_temporal_layers_are_left_out_without_a_gap() {
    let mut world = World::with_camera();
    let mut sender = Sender::new(CAMERA, Low);
    sender.temporal = true;
    let packets = sender.frame(world.now, true);
    world.burst(&packets);
    world.play(core::slice::from_mut(&mut sender), secs(2));
    world.view(0, ViewSettings { fps_max: Some(15), ..ViewSettings::default() });
    world.play(core::slice::from_mut(&mut sender), FRAME * 4);
    let sent = forwards(&world.play(core::slice::from_mut(&mut sender), secs(2)));
    assert!((29..=32).contains(&sent.len()), "{}", sent.len());
    assert!(sent.windows(2).all(|pair| pair[1].seq.0 == pair[0].seq.0 + 1));
    let ids: Vec<_> = sent.iter().map(picture_id).collect();
    assert!(ids.windows(2).all(|pair| pair[1] == (pair[0] + 1) & 0x7fff));
}

fn picture_id(forward: &Forward) -> u16 {
    let Rewrite::Picture { picture_id: Some(PictureId::Long(id)), .. } = forward.rewrite else {
        unreachable!()
    };
    id
}

#[test]
fn sound_flows_at_once_and_asks_for_no_key_frame() {
    let mut world = World::new();
    world.add_voice();
    world.put(Input::AddSubscriber { subscriber: ADA });
    assert_eq!(keyframe_requests(&world.subscribe(ADA, 0, VOICE)), []);
    let packet = voice(world.now, 5, 127);
    assert_eq!(forwards(&world.burst(&[packet])).len(), 1);
}

fn speakers(outputs: &[Output]) -> Vec<(u8, bool)> {
    let change = |output: &Output| match output {
        Output::Speaker { eighths, active, .. } => Some((*eighths, *active)),
        _ => None,
    };
    outputs.iter().filter_map(change).collect()
}

fn talk(world: &mut World, seq: &mut u64, level: u8, packets: u64) -> Vec<(u8, bool)> {
    let mut changes = vec![];
    for _ in 0..packets {
        *seq += 1;
        changes.extend(speakers(&world.burst(&[voice(world.now, *seq, level)])));
        changes.extend(speakers(&world.pass(Duration::from_millis(20))));
    }
    changes
}

#[test]
fn a_speaker_is_told_once_and_ended_by_silence() {
    let mut world = World::new();
    let mut seq = 0;
    world.add_voice();
    assert_eq!(talk(&mut world, &mut seq, 70, 50), []);
    assert_eq!(talk(&mut world, &mut seq, 30, 100), [(1, true)]);
    assert_eq!(talk(&mut world, &mut seq, 10, 100), [(2, true), (3, true)]);
    assert_eq!(talk(&mut world, &mut seq, 90, 100), [(0, false)]);
}

#[test]
fn a_click_is_not_speech() {
    let mut world = World::new();
    let mut seq = 0;
    world.add_voice();
    assert_eq!(talk(&mut world, &mut seq, 5, 3), []);
    assert_eq!(talk(&mut world, &mut seq, 127, 40), []);
}

#[test]
fn muting_or_removing_a_speaker_ends_its_speech() {
    for input in [Input::Mute { track: VOICE, muted: true }, Input::RemoveTrack { track: VOICE }] {
        let mut world = World::new();
        world.add_voice();
        talk(&mut world, &mut 0, 20, 40);
        assert_eq!(speakers(&world.put(input)), [(0, false)]);
        assert_eq!(speakers(&world.pass(secs(3))), []);
    }
}

#[test]
fn a_speaker_who_sends_nothing_any_more_is_ended() {
    let mut world = World::new();
    world.add_voice();
    talk(&mut world, &mut 0, 20, 40);
    assert_eq!(speakers(&world.pass(secs(3))), [(0, false)]);
}

fn wanted(outputs: &[Output]) -> Vec<Option<Quality>> {
    let change = |output: &Output| match output {
        Output::Wanted { quality_max, .. } => Some(*quality_max),
        _ => None,
    };
    outputs.iter().filter_map(change).collect()
}

#[test]
fn more_is_wanted_at_once_and_less_after_three_seconds() {
    let mut world = World::new();
    world.add_camera(CAMERA, Source::Camera);
    world.put(Input::AddSubscriber { subscriber: ADA });
    assert_eq!(wanted(&world.subscribe(ADA, 0, CAMERA)), [Some(High)]);
    let small = ViewSettings { size: Some((300, 170)), ..ViewSettings::default() };
    assert_eq!(wanted(&world.view(0, small)), []);
    assert_eq!(wanted(&world.pass(Duration::from_millis(2_900))), []);
    assert_eq!(wanted(&world.pass(secs(1))), [Some(Low)]);
    let link = Input::Link { link: LinkId(1), track: CAMERA, quality_max: Some(Medium) };
    assert_eq!(wanted(&world.put(link)), [Some(Medium)]);
    world.put(Input::Link { link: LinkId(1), track: CAMERA, quality_max: None });
    world.put(Input::Unsubscribe { slot: SlotId(0) });
    assert_eq!(wanted(&world.pass(secs(4))), [None]);
}

#[test]
fn what_nobody_ever_wanted_is_said_after_three_seconds() {
    let mut world = World::new();
    world.add_camera(CAMERA, Source::Camera);
    assert_eq!(wanted(&world.pass(secs(4))), [None]);
}

#[test]
fn ids_out_of_range_and_unknown_names_are_counted_not_followed() {
    let mut world = World::with_camera();
    world.subscribe(ADA, u32::MAX, CAMERA);
    world.subscribe(BOB, 3, CAMERA);
    world.subscribe(ADA, 4, TrackKey(12_345));
    world.put(Input::Unsubscribe { slot: SlotId(77) });
    world.put(Input::AddSubscriber { subscriber: SubscriberId(u32::MAX) });
    assert_eq!(world.core.stats().unknown, 5);
}

#[test]
fn nothing_is_left_of_what_was_removed() {
    let mut world = World::with_camera();
    let mut sender = Sender::new(CAMERA, Low);
    let packets = sender.frame(world.now, true);
    world.burst(&packets);
    world.put(Input::RemoveSubscriber { subscriber: ADA });
    world.put(Input::RemoveTrack { track: CAMERA });
    let packets = sender.frame(world.now, true);
    assert_eq!(world.burst(&packets), []);
    world.pass(secs(2));
    let idle = matches!(world.core.poll_output(), Output::Timeout(Instant(_), Reason::Idle));
    assert!(idle);
}

//! Cost of a forwarded packet: nanoseconds and allocations, by number of subscribers and for a 30 x 30 room.
//!
//! Run with `cargo bench -p sfu-core`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and prints"
)]

use std::{alloc::System, hint::black_box, time::Instant as Wall};

use proto::{
    id::TrackKey,
    media::{Codec, MediaKind, Quality, RtpTime, SeqNo, Source},
    time::Instant,
};
use sfu_core::{
    Config, Core, Input, Output, Packet, Picture, PictureId, SlotId, SubscriberId, Track, Vp8,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Packets of a picture: 2.5 Mbit/s at 30 pictures a second and 1200 bytes.
const PACKETS: u64 = 9;

fn main() {
    println!("subscribers x tracks     ns/forward  allocations/forward     forwards");
    for subscribers in [1, 10, 100, 500] {
        measure(subscribers, 1, 2_000_000 / subscribers);
    }
    measure(30, 30, 3_000);
}

fn measure(subscribers: u32, tracks: u32, rounds: u32) {
    let mut core = room(subscribers, tracks);
    let mut now = Instant(0);
    for round in 0..100 {
        now = Instant(round * 33_333);
        burst(&mut core, now, round, tracks);
    }
    let region = Region::new(ALLOCATOR);
    let start = Wall::now();
    let mut forwards = 0;
    let first = now.0 / 33_333 + 1;
    for round in first..first + u64::from(rounds / 9 + 1) {
        forwards += burst(&mut core, Instant(round * 33_333), round, tracks);
    }
    let nanos = start.elapsed().as_nanos();
    let allocations = region.change().allocations;
    let count = u128::from(forwards.max(1));
    println!(
        "{subscribers:>11} x {tracks:<6} {:>14} {:>20.5} {forwards:>12}",
        nanos / count,
        f64::from(u32::try_from(allocations).unwrap_or(u32::MAX)) / forwards as f64,
    );
}

/// Everybody sees every track.
fn room(subscribers: u32, tracks: u32) -> Core {
    let mut core = Core::new(Config::default());
    let mut put = |input| {
        core.handle_input(Instant(0), input);
        while !matches!(core.poll_output(), Output::Timeout(..)) {}
    };
    for track in 0..tracks {
        let spec = Track {
            kind: MediaKind::Video,
            source: Source::Camera,
            encodings: [None; 3],
            muted: false,
            home: true,
        };
        put(Input::AddTrack { track: TrackKey(u64::from(track)), spec });
    }
    for subscriber in 0..subscribers {
        put(Input::AddSubscriber { subscriber: SubscriberId(subscriber) });
        for track in 0..tracks {
            let slot = SlotId(subscriber * tracks + track);
            let track = TrackKey(u64::from(track));
            put(Input::Subscribe { subscriber: SubscriberId(subscriber), slot, track });
        }
    }
    core
}

/// One picture of every track, in bursts; returns how many packets were forwarded.
fn burst(core: &mut Core, now: Instant, round: u64, tracks: u32) -> u64 {
    let mut forwards = 0;
    let mut pending = 0;
    for track in 0..u64::from(tracks) {
        for nth in 0..PACKETS {
            let packet = packet(now, round, nth);
            let (track, quality) = (TrackKey(track), Quality::Low);
            core.handle_input(now, Input::Rtp { track, quality, packet: &packet });
            pending += 1;
            if pending == sfu_core::BURST_MAX {
                forwards += drain(core);
                pending = 0;
            }
        }
    }
    forwards += drain(core);
    core.handle_input(now, Input::Timeout);
    forwards + drain(core)
}

fn drain(core: &mut Core) -> u64 {
    let mut forwards = 0;
    loop {
        match core.poll_output() {
            Output::Timeout(..) => return forwards,
            Output::Forward(forward) => {
                black_box(forward);
                forwards += 1;
            }
            _ => {}
        }
    }
}

fn packet(now: Instant, round: u64, nth: u64) -> Packet {
    Packet {
        arrived_at: now,
        seq: SeqNo(1 + round * PACKETS + nth),
        time: RtpTime(u32::try_from(round * 3_000).unwrap_or(0)),
        marker: nth + 1 == PACKETS,
        codec: Codec::Vp8,
        payload_len: 1_188,
        picture: Picture::Vp8(Vp8 {
            keyframe: round == 0,
            start: nth == 0,
            picture_id: Some(PictureId::Long(u16::try_from(round % 32_768).unwrap_or(0))),
            tl0: Some(u8::try_from(round % 256).unwrap_or(0)),
            temporal: Some(0),
            sync: false,
            key_index: None,
        }),
        audio_level: None,
        sender_clock: None,
    }
}

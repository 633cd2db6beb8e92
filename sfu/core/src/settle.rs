//! What follows from a change: bandwidth is shared out again, slots get targets, the shard hears of it.

use core::time::Duration;

use proto::{
    media::{MediaKind, Quality, Source},
    unit::Bitrate,
};

use crate::{
    allocate::{self, CLIMB_AFTER, Grant, HEADROOM_PERCENT, Held, PAUSE_AFTER, Rung, Rungs, Wish},
    engine::Core,
    input::{SlotId, SubscriberId},
    keyframe::Need,
    output::Output,
    rewrite::TEMPORAL_ALL,
    slot::{Climb, Shortage, Slot},
    track::{EncodingState, TrackState},
};

/// Rates, deaths of encodings, time-outs and shares are looked at this often.
pub(crate) const SETTLE_EVERY: Duration = Duration::from_millis(500);

/// Estimates are acted on at most this often, unless they are below what is used.
pub(crate) const ESTIMATE_EVERY: Duration = Duration::from_millis(100);

/// Part of an estimate that is kept back for retransmissions, reports and bursts, in percent.
const RESERVE_PERCENT: u64 = 5;

/// Bit rates are told again when they changed by more than this, in percent.
const BITRATES_CHANGE_PERCENT: u64 = 10;

impl Core {
    /// Marks a subscriber whose bandwidth must be shared out again.
    pub(crate) fn touch(&mut self, subscriber: u32) {
        if let Some(state) = self.subscribers.get_mut(subscriber)
            && !state.dirty
        {
            state.dirty = true;
            self.todo.dirty.push(subscriber);
        }
    }

    /// Marks every subscriber of a track.
    pub(crate) fn touch_track(&mut self, track: u32) {
        let Some(state) = self.tracks.get_mut(track) else {
            return;
        };
        let slots = core::mem::take(&mut state.slots);
        for slot in &slots {
            if let Some(subscriber) = self.slots.get(*slot).map(|slot| slot.subscriber) {
                self.touch(subscriber);
            }
        }
        if let Some(state) = self.tracks.get_mut(track) {
            state.slots = slots;
        }
    }

    /// Looks at everything that changes with time alone.
    pub(crate) fn tick(&mut self) {
        let now = self.now;
        for (_, track) in self.tracks.iter_mut() {
            for quality in Quality::ALL {
                if let Some(flow) = &mut track.encodings.at_mut(quality).flow {
                    flow.smooth(now);
                }
            }
        }
        for (_, slot) in self.slots.iter_mut() {
            slot.switch = slot.switch.on_time(now);
        }
        self.todo.dirty.clear();
        for (id, subscriber) in self.subscribers.iter_mut() {
            subscriber.dirty = true;
            self.todo.dirty.push(id);
        }
        for track in 0..self.tracks.end() {
            self.say_wanted(track);
        }
        let idle = self.tracks.is_empty() && self.subscribers.is_empty();
        self.due.tick_at = (!idle).then(|| now + SETTLE_EVERY);
    }

    /// Shares out what was marked. Runs before the burst is served, so that the key frame with which an encoding appears
    /// already completes a switch to it.
    pub(crate) fn settle(&mut self) {
        while let Some(track) = self.todo.appeared.pop() {
            self.touch_track(track);
        }
        while let Some((track, quality)) = self.todo.restarted.pop() {
            self.need_keyframe(track, quality, Need::Viewer);
        }
        let mut dirty = core::mem::take(&mut self.todo.dirty);
        for subscriber in dirty.drain(..) {
            self.share_out(subscriber);
        }
        self.todo.dirty = dirty;
    }

    /// Tells what of a track is wanted, if that changed.
    pub(crate) fn say_wanted(&mut self, id: u32) {
        let Some(track) = self.tracks.get(id) else {
            return;
        };
        let by_slots = track
            .slots
            .iter()
            .filter_map(|slot| self.slots.get(*slot))
            .filter(|slot| !slot.view.disabled)
            .map(|slot| track.covering(slot.view.size, slot.view.quality_max))
            .max();
        let want = by_slots.max(track.links.iter().map(|(_, quality)| *quality).max());
        let (wanted, say) = track.wanted.on_want(self.now, want);
        let key = track.key;
        if let Some(track) = self.tracks.get_mut(id) {
            track.wanted = wanted;
        }
        if say {
            self.events.push_back(Output::Wanted { track: key, quality_max: want });
        }
    }

    fn share_out(&mut self, id: u32) {
        let now = self.now;
        let mut wishes = core::mem::take(&mut self.todo.wishes);
        wishes.clear();
        let Some(subscriber) = self.subscribers.get_mut(id) else {
            self.todo.wishes = wishes;
            return;
        };
        subscriber.dirty = false;
        subscriber.shared_at = Some(now);
        let estimate = subscriber.estimate;
        let slots = core::mem::take(&mut subscriber.slots);
        let mut audio = Bitrate::ZERO;
        for slot_id in &slots {
            let Some(slot) = self.slots.get(*slot_id) else {
                continue;
            };
            let Some(track) = self.tracks.get(slot.track) else {
                continue;
            };
            if track.muted || slot.view.disabled {
                self.give(*slot_id, Grant::Idle);
            } else if track.kind == MediaKind::Audio {
                audio = audio
                    + track
                        .encodings
                        .iter()
                        .filter_map(|(_, e)| Some(e.flow.as_ref()?.smoothed))
                        .sum();
                let quality = self.audio_quality(slot);
                self.give(*slot_id, Grant::Granted { quality, temporal: TEMPORAL_ALL });
            } else {
                wishes.push(self.wish(*slot_id, slot, track));
            }
        }
        if let Some(subscriber) = self.subscribers.get_mut(id) {
            subscriber.slots = slots;
        }
        let budget = estimate.map(|rate| rate.percent(100 - RESERVE_PERCENT) - audio);
        allocate::share(budget, &mut wishes);
        for wish in &wishes {
            self.fulfil(wish);
        }
        self.say_bitrates(id, audio, &wishes);
        self.todo.wishes = wishes;
    }

    fn audio_quality(&self, slot: &Slot) -> Quality {
        let Some(track) = self.tracks.get(slot.track) else {
            return Quality::Low;
        };
        let usable = Quality::ALL.into_iter().find(|quality| track.is_usable(self.now, *quality));
        usable.unwrap_or(Quality::Low)
    }

    fn wish(&self, id: u32, slot: &Slot, track: &TrackState) -> Wish {
        let now = self.now;
        let cap = track.covering(slot.view.size, slot.view.quality_max);
        let rungs = self.rungs(slot, track, cap);
        let held = match slot.grant {
            Grant::Idle => Held::Fresh,
            Grant::Starved => Held::Starved,
            Grant::Granted { quality, temporal } => {
                let below = rungs
                    .iter()
                    .take_while(|rung| (rung.quality, rung.temporal) <= (quality, temporal));
                Held::At(below.count().saturating_sub(1))
            }
        };
        let desired = track
            .encodings
            .iter()
            .rev()
            .find(|(quality, e)| *quality <= cap && (e.announced.is_some() || e.flow.is_some()))
            .map_or_else(
                || rungs.top().map_or(Bitrate::ZERO, |rung| rung.rate),
                |(quality, encoding)| encoding.bitrate(now, quality),
            );
        let (width, height) = slot.view.size.unwrap_or((0, 0));
        Wish {
            slot: id,
            class: class(slot, track),
            pixels: u64::from(width) * u64::from(height),
            rungs,
            held,
            ready: matches!(slot.climb, Climb::Since(at) if now.since(at) >= CLIMB_AFTER),
            patient: match slot.shortage {
                Shortage::None => true,
                Shortage::Since(at) => now.since(at) < PAUSE_AFTER,
            },
            desired,
            rung: None,
            climbing: false,
            short: false,
        }
    }

    /// The steps that a slot may take: temporal layers of the smallest encoding, then the larger encodings.
    fn rungs(&self, slot: &Slot, track: &TrackState, cap: Quality) -> Rungs {
        let now = self.now;
        let mut rungs = Rungs::default();
        let usable = |quality: &Quality| track.is_usable(now, *quality);
        let below = Quality::ALL.into_iter().filter(|quality| *quality <= cap).filter(usable);
        let none_below = below.clone().next().is_none();
        let above = Quality::ALL.into_iter().filter(usable).take(usize::from(none_below));
        for (nth, quality) in below.chain(above).enumerate() {
            let encoding = track.encodings.at(quality);
            let rate = encoding.bitrate(now, quality);
            let fps_layer = fps_layer(encoding, slot.view.fps_max);
            if nth == 0 {
                for layer in 0..fps_layer.min(top_layer(encoding)) {
                    let rate = layer_rate(encoding, rate, layer);
                    rungs.push(Rung { quality, temporal: layer, rate });
                }
            }
            let rate = layer_rate(encoding, rate, fps_layer);
            rungs.push(Rung { quality, temporal: fps_layer, rate });
        }
        if rungs.top().is_none() {
            let rate = track.encodings.at(cap).bitrate(now, cap);
            rungs.push(Rung { quality: cap, temporal: TEMPORAL_ALL, rate });
        }
        rungs
    }

    fn fulfil(&mut self, wish: &Wish) {
        let grant =
            wish.rung.and_then(|rung| wish.rungs.get(rung)).map_or(Grant::Starved, |rung| {
                Grant::Granted { quality: rung.quality, temporal: rung.temporal }
            });
        let now = self.now;
        if let Some(slot) = self.slots.get_mut(wish.slot) {
            slot.climb = match (wish.climbing, slot.climb) {
                (false, _) => Climb::Level,
                (true, Climb::Level) => Climb::Since(now),
                (true, since @ Climb::Since(_)) => since,
            };
            slot.shortage = match (wish.short, slot.shortage) {
                (false, _) => Shortage::None,
                (true, Shortage::None) => Shortage::Since(now),
                (true, since @ Shortage::Since(_)) => since,
            };
        }
        self.give(wish.slot, grant);
    }

    /// Gives a slot its grant and sets its switch on the way.
    fn give(&mut self, id: u32, grant: Grant) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        let starved = (slot.grant == Grant::Starved, grant == Grant::Starved);
        if starved.0 != starved.1 {
            self.events.push_back(Output::StreamState { slot: SlotId(id), paused: starved.1 });
        }
        slot.grant = grant;
        let target = match grant {
            Grant::Idle | Grant::Starved => None,
            Grant::Granted { quality, temporal } => {
                slot.rewriter.set_temporal(temporal);
                Some(quality)
            }
        };
        let before = slot.switch;
        slot.switch = before.on_target(self.now, target);
        let (track, waits_for) = (slot.track, slot.switch.waits_for());
        if let Some(quality) = waits_for.filter(|_| slot.switch != before) {
            self.need_keyframe(track, quality, Need::Slot);
        }
    }

    fn say_bitrates(&mut self, id: u32, audio: Bitrate, wishes: &[Wish]) {
        let used: Bitrate = wishes.iter().map(Wish::granted).sum();
        let desired = audio + wishes.iter().map(|wish| wish.desired).sum();
        let step = wishes.iter().find_map(|wish| Some(wish.next_rate()? - wish.granted()));
        let minimum = step.map_or(used, |step| (used + step).percent(HEADROOM_PERCENT)) + audio;
        let scaled = |rate: Bitrate| {
            let kept = 100 - RESERVE_PERCENT;
            Bitrate::from_bps(rate.as_bps().saturating_mul(100) / kept)
        };
        let (minimum, desired) = (scaled(minimum), scaled(desired.max(minimum)));
        let short = wishes.iter().any(|wish| wish.desired > wish.granted());
        let Some(subscriber) = self.subscribers.get_mut(id) else {
            return;
        };
        subscriber.knock = subscriber.knock.on_share(self.now, short);
        let lowered = scaled(used + audio);
        let (minimum, desired) =
            if subscriber.knock.is_lowered() { (lowered, lowered) } else { (minimum, desired) };
        let same =
            subscriber.said.is_some_and(|said| close(said.0, minimum) && close(said.1, desired));
        if !same {
            subscriber.said = Some((minimum, desired));
            let subscriber = SubscriberId(id);
            self.events.push_back(Output::Bitrates { subscriber, minimum, desired });
        }
    }
}

/// Highest temporal layer in which something came in the last second.
fn top_layer(encoding: &EncodingState) -> u8 {
    let Some(flow) = encoding.flow.as_ref() else {
        return 0;
    };
    let all = flow.up_to.last().map_or(0, |(bytes, _)| *bytes);
    let top = flow.up_to.iter().position(|(bytes, _)| *bytes == all).unwrap_or(0);
    u8::try_from(top).unwrap_or(0)
}

/// Highest temporal layer that stays within a number of pictures a second.
fn fps_layer(encoding: &EncodingState, fps_max: Option<u32>) -> u8 {
    let (Some(fps_max), Some(flow)) = (fps_max, encoding.flow.as_ref()) else {
        return TEMPORAL_ALL;
    };
    // A tenth more is measurement noise.
    let too_many = |pictures: u64| pictures * 10 > u64::from(fps_max) * 11;
    (0_u8..)
        .zip(&flow.up_to)
        .find(|(_, (_, pictures))| too_many(*pictures))
        .map_or(TEMPORAL_ALL, |(layer, _)| layer.saturating_sub(1))
}

/// The part of a rate that the temporal layers up to `layer` take.
fn layer_rate(encoding: &EncodingState, rate: Bitrate, layer: u8) -> Bitrate {
    let Some(flow) = encoding.flow.as_ref() else {
        return rate;
    };
    let (Some((part, _)), Some((all, _))) = (flow.up_to.get(usize::from(layer)), flow.up_to.last())
    else {
        return rate;
    };
    part.saturating_mul(rate.as_bps()).checked_div(*all).map_or(rate, Bitrate::from_bps)
}

/// Explicit priority first, then shared screens before everything else.
fn class(slot: &Slot, track: &TrackState) -> u64 {
    let by_source = match track.source {
        Source::ScreenShare => 1,
        Source::Unknown | Source::Camera | Source::Microphone | Source::ScreenShareAudio => 0,
    };
    u64::from(slot.view.priority) * 2 + by_source
}

fn close(a: Bitrate, b: Bitrate) -> bool {
    let apart = a.max(b) - a.min(b);
    apart <= a.percent(BITRATES_CHANGE_PERCENT)
}

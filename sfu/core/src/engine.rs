//! The core itself: its tables, its inputs one by one, and the order of its outputs.
//!
//! Hot path: `handle_input` with a packet, and `poll_output`.

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::time::Duration;

use proto::{id::TrackKey, media::Quality, time::Instant, unit::Bitrate};

use crate::{
    allocate::Wish,
    fanout::{Burst, Relayed},
    input::{Input, LinkId, SlotId, SubscriberId, Track},
    keyframe::Need,
    output::{Forward, Output, Reason},
    settle::{ESTIMATE_EVERY, SETTLE_EVERY},
    slot::{Slot, SubscriberState},
    table::Table,
    track::TrackState,
};

/// A core without work asks to be called again after this long.
const IDLE_AFTER: Duration = Duration::from_secs(10);

/// What can be chosen about a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Sound at or below this level counts as speech, 0..=127 in -dBov. 35 is what the field uses.
    pub speaking_level_max: u8,
}

impl Default for Config {
    fn default() -> Self {
        Self { speaking_level_max: 35 }
    }
}

/// What went wrong since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets beyond [`crate::BURST_MAX`], dropped.
    pub burst_overflows: u64,
    /// Packets that came a second time or too late to tell, dropped.
    pub repeated: u64,
    /// Inputs that named a track, slot or subscriber that does not exist or is out of range.
    pub unknown: u64,
}

/// Decides who gets which packet. See the crate's documentation for the loop.
#[derive(Debug)]
pub struct Core {
    pub(crate) config: Config,
    pub(crate) stats: Stats,
    pub(crate) now: Instant,
    pub(crate) keys: BTreeMap<TrackKey, u32>,
    pub(crate) tracks: Table<TrackState>,
    pub(crate) slots: Table<Slot>,
    pub(crate) subscribers: Table<SubscriberState>,
    pub(crate) burst: Burst,
    pub(crate) forwards: Vec<Forward>,
    pub(crate) relays: Vec<Relayed>,
    pub(crate) events: VecDeque<Output>,
    drain: Drain,
    pub(crate) todo: Todo,
    pub(crate) due: Due,
}

/// What an input left to be done when the burst is served. Ids are dense.
#[derive(Debug, Default)]
pub(crate) struct Todo {
    /// Tracks of which an encoding appeared.
    pub(crate) appeared: Vec<u32>,
    /// Encodings whose numbers started over in the middle of something.
    pub(crate) restarted: Vec<(u32, Quality)>,
    /// Subscribers whose bandwidth is to be shared out.
    pub(crate) dirty: Vec<u32>,
    /// Tracks of which a key frame is to be asked.
    pub(crate) asking: Vec<u32>,
    /// Empty; kept for its memory.
    pub(crate) wishes: Vec<Wish>,
}

/// When something must be done without an input; `None`: nothing is pending.
#[derive(Debug, Default)]
pub(crate) struct Due {
    pub(crate) keyframe_at: Option<Instant>,
    pub(crate) speakers_at: Option<Instant>,
    pub(crate) tick_at: Option<Instant>,
}

/// How far the drain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drain {
    /// The burst has not been looked at.
    Fresh,
    /// Forwards of one subscriber, the next of them.
    Forwards(usize),
    /// Relays, the next of them.
    Relays(usize),
    /// Everything else.
    Events,
}

impl Core {
    /// An empty core.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            stats: Stats::default(),
            now: Instant::default(),
            keys: BTreeMap::new(),
            tracks: Table::default(),
            slots: Table::default(),
            subscribers: Table::default(),
            burst: Burst::default(),
            forwards: Vec::new(),
            relays: Vec::new(),
            events: VecDeque::new(),
            drain: Drain::Fresh,
            todo: Todo::default(),
            due: Due::default(),
        }
    }

    /// Takes one input. Outputs follow from [`Core::poll_output`].
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        if self.drain == Drain::Events {
            self.drain = Drain::Fresh;
        }
        match input {
            Input::Rtp { track, quality, packet } => self.on_rtp(track, quality, packet),
            Input::AddTrack { track, spec } => self.on_add_track(track, &spec),
            Input::RemoveTrack { track } => self.on_remove_track(track),
            Input::Mute { track, muted } => self.on_mute(track, muted),
            Input::AddSubscriber { subscriber } => self.on_add_subscriber(subscriber),
            Input::RemoveSubscriber { subscriber } => self.on_remove_subscriber(subscriber),
            Input::Subscribe { subscriber, slot, track } => {
                self.on_subscribe(subscriber, slot, track);
            }
            Input::Unsubscribe { slot } => self.on_unsubscribe(slot),
            Input::View { slot, settings } => {
                let Some(state) = self.slots.get_mut(slot.0) else {
                    self.stats.unknown += 1;
                    return;
                };
                state.view = settings;
                let (subscriber, track) = (state.subscriber, state.track);
                self.touch(subscriber);
                self.say_wanted(track);
            }
            Input::Link { link, track, quality_max } => self.on_link(link, track, quality_max),
            Input::Estimate { subscriber, estimate } => self.on_estimate(subscriber, estimate),
            Input::KeyframeRequest { slot } => {
                if let Some(state) = self.slots.get(slot.0)
                    && let Some(quality) = state.switch.current()
                {
                    self.need_keyframe(state.track, quality, Need::Viewer);
                }
            }
            Input::LinkKeyframeRequest { track, quality } => {
                if let Some(id) = self.keys.get(&track).copied() {
                    self.need_keyframe(id, quality, Need::Viewer);
                }
            }
            Input::Timeout => self.on_timeout(),
        }
    }

    /// Returns the next thing to do; [`Output::Timeout`] when there is nothing until then.
    pub fn poll_output(&mut self) -> Output {
        loop {
            match self.drain {
                Drain::Fresh => {
                    self.forwards.clear();
                    self.settle();
                    self.address_burst();
                    self.drain = Drain::Forwards(0);
                }
                Drain::Forwards(next) => {
                    if let Some(forward) = self.forwards.get(next) {
                        self.drain = Drain::Forwards(next + 1);
                        return Output::Forward(*forward);
                    }
                    let more = self.serve_next();
                    self.drain = if more { Drain::Forwards(0) } else { Drain::Relays(0) };
                }
                Drain::Relays(next) => {
                    if let Some((link, packet)) = self.relays.get(next) {
                        self.drain = Drain::Relays(next + 1);
                        return Output::Relay { link: *link, packet: *packet };
                    }
                    self.relays.clear();
                    self.end_burst();
                    if self.due.keyframe_at.is_some_and(|at| at <= self.now) {
                        self.ask_keyframes();
                    }
                    self.drain = Drain::Events;
                }
                Drain::Events => {
                    return self.events.pop_front().unwrap_or_else(|| self.next_timeout());
                }
            }
        }
    }

    /// Returns what went wrong since the start.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    fn next_timeout(&self) -> Output {
        let (at, reason) = [
            (self.due.keyframe_at, Reason::Keyframe),
            (self.due.speakers_at, Reason::Speakers),
            (self.due.tick_at, Reason::Allocate),
        ]
        .into_iter()
        .filter_map(|(at, reason)| Some((at?, reason)))
        .min_by_key(|(at, _)| *at)
        .unwrap_or((self.now + IDLE_AFTER, Reason::Idle));
        Output::Timeout(at, reason)
    }

    fn on_timeout(&mut self) {
        if self.due.speakers_at.is_some_and(|at| at <= self.now) {
            self.judge_speakers();
        }
        if self.due.tick_at.is_some_and(|at| at <= self.now) {
            self.tick();
        }
    }

    fn on_add_track(&mut self, key: TrackKey, spec: &Track) {
        self.start_ticking();
        if let Some(id) = self.keys.get(&key).copied() {
            self.on_mute(key, spec.muted);
            if let Some(track) = self.tracks.get_mut(id) {
                track.announce(spec);
            }
            self.touch_track(id);
            self.say_wanted(id);
            return;
        }
        let id = self.tracks.vacant();
        if self.tracks.insert(id, TrackState::new(self.now, key, spec)) {
            self.keys.insert(key, id);
        } else {
            self.stats.unknown += 1;
        }
    }

    fn on_remove_track(&mut self, key: TrackKey) {
        let Some((id, mut track)) = self.keys.remove(&key).and_then(|id| {
            let track = self.tracks.remove(id)?;
            Some((id, track))
        }) else {
            self.stats.unknown += 1;
            return;
        };
        self.end_speech(key, &mut track);
        self.todo.asking.retain(|asking| *asking != id);
        for slot in track.slots {
            self.forget_slot(slot);
        }
    }

    fn on_mute(&mut self, key: TrackKey, muted: bool) {
        let Some(id) = self.keys.get(&key).copied() else {
            self.stats.unknown += 1;
            return;
        };
        let Some(track) = self.tracks.get_mut(id).filter(|track| track.muted != muted) else {
            return;
        };
        track.muted = muted;
        if muted && track.loudness.silence() {
            self.events.push_back(Output::Speaker { track: key, eighths: 0, active: false });
        }
        self.touch_track(id);
    }

    fn on_add_subscriber(&mut self, subscriber: SubscriberId) {
        self.start_ticking();
        if self.subscribers.get(subscriber.0).is_some() {
            self.on_remove_subscriber(subscriber);
        }
        if !self.subscribers.insert(subscriber.0, SubscriberState::default()) {
            self.stats.unknown += 1;
        }
    }

    fn on_remove_subscriber(&mut self, subscriber: SubscriberId) {
        let Some(state) = self.subscribers.remove(subscriber.0) else {
            self.stats.unknown += 1;
            return;
        };
        self.todo.dirty.retain(|dirty| *dirty != subscriber.0);
        for slot in state.slots {
            self.on_unsubscribe(SlotId(slot));
        }
    }

    fn on_subscribe(&mut self, subscriber: SubscriberId, slot: SlotId, key: TrackKey) {
        if self.slots.get(slot.0).is_some() {
            self.on_unsubscribe(slot);
        }
        let Some(id) = self.keys.get(&key).copied() else {
            self.stats.unknown += 1;
            return;
        };
        let (Some(track), Some(state)) =
            (self.tracks.get_mut(id), self.subscribers.get_mut(subscriber.0))
        else {
            self.stats.unknown += 1;
            return;
        };
        if !self.slots.insert(slot.0, Slot::new(slot.0, subscriber.0, id)) {
            self.stats.unknown += 1;
            return;
        }
        track.slots.push(slot.0);
        state.slots.push(slot.0);
        self.touch(subscriber.0);
        self.say_wanted(id);
    }

    fn on_unsubscribe(&mut self, slot: SlotId) {
        let Some(track) = self.forget_slot(slot.0) else {
            self.stats.unknown += 1;
            return;
        };
        if let Some(state) = self.tracks.get_mut(track) {
            state.slots.retain(|other| *other != slot.0);
        }
        self.say_wanted(track);
    }

    /// Removes a slot and its subscriber's knowledge of it; returns its track.
    fn forget_slot(&mut self, slot: u32) -> Option<u32> {
        let state = self.slots.remove(slot)?;
        if let Some(subscriber) = self.subscribers.get_mut(state.subscriber) {
            subscriber.slots.retain(|other| *other != slot);
            self.touch(state.subscriber);
        }
        Some(state.track)
    }

    fn on_link(&mut self, link: LinkId, key: TrackKey, quality_max: Option<Quality>) {
        let Some((id, track)) = self.keys.get(&key).and_then(|id| {
            let track = self.tracks.get_mut(*id)?;
            Some((*id, track))
        }) else {
            self.stats.unknown += 1;
            return;
        };
        track.links.retain(|(other, _)| *other != link);
        if let Some(quality) = quality_max {
            track.links.push((link, quality));
        }
        self.say_wanted(id);
    }

    fn on_estimate(&mut self, subscriber: SubscriberId, estimate: Option<Bitrate>) {
        let Some(state) = self.subscribers.get_mut(subscriber.0) else {
            self.stats.unknown += 1;
            return;
        };
        let less = match (state.estimate, estimate) {
            (Some(old), Some(new)) => new < old.percent(95),
            (None, Some(_)) => true,
            (_, None) => false,
        };
        state.estimate = estimate;
        let rested = state.shared_at.is_none_or(|at| self.now.since(at) >= ESTIMATE_EVERY);
        if less || rested {
            self.touch(subscriber.0);
        }
    }

    fn end_speech(&mut self, key: TrackKey, track: &mut TrackState) {
        if track.loudness.silence() {
            self.events.push_back(Output::Speaker { track: key, eighths: 0, active: false });
        }
    }

    fn start_ticking(&mut self) {
        self.due.tick_at.get_or_insert(self.now + SETTLE_EVERY);
    }
}

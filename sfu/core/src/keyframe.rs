//! When key frames are asked for. One publisher serves many viewers, so requests are merged and spaced.

use core::time::Duration;

use proto::{media::Quality, time::Instant};

use crate::{engine::Core, output::Output};

/// Requests for one encoding are at least this far apart. Closer ones cost the publisher bandwidth for every viewer's
/// impatience, sparser ones are felt when a request or its key frame is lost.
pub(crate) const ASK_EVERY: Duration = Duration::from_millis(500);

/// The spacing for an encoding of which nothing has arrived for a while.
const ASK_SILENT_EVERY: Duration = Duration::from_secs(3);

/// Nothing arrived for this long: the encoding is silent.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// What is to be asked of one encoding.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asking {
    pub(crate) need: Need,
    /// When it was last asked; `None`: never.
    asked_at: Option<Instant>,
}

/// Who needs a key frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nobody.
    #[default]
    Nobody,
    /// A viewer whose picture broke: asked once.
    Viewer,
    /// A slot that waits to start or switch: asked until it comes.
    Slot,
}

impl Core {
    /// A key frame is needed.
    pub(crate) fn need_keyframe(&mut self, track: u32, quality: Quality, need: Need) {
        let Some(state) = self.tracks.get_mut(track) else {
            return;
        };
        if state.kind == proto::media::MediaKind::Audio || state.muted {
            return;
        }
        let asking = state.asking.at_mut(quality);
        if asking.need != Need::Slot {
            asking.need = need;
        }
        self.due.keyframe_at = Some(self.now);
        if !self.todo.asking.contains(&track) {
            self.todo.asking.push(track);
        }
    }

    /// Asks for what is due and finds when to ask again.
    pub(crate) fn ask_keyframes(&mut self) {
        self.due.keyframe_at = None;
        let mut asking = core::mem::take(&mut self.todo.asking);
        asking.retain(|track| self.ask_keyframes_of(*track));
        self.todo.asking = asking;
    }

    /// Returns whether anything remains to be asked of the track.
    fn ask_keyframes_of(&mut self, id: u32) -> bool {
        let now = self.now;
        let mut remains = false;
        for quality in Quality::ALL {
            let Some(track) = self.tracks.get(id) else {
                return false;
            };
            let Asking { need, asked_at } = *track.asking.at(quality);
            let slots = &self.slots;
            let waited_for = || {
                track
                    .slots
                    .iter()
                    .filter_map(|slot| slots.get(*slot))
                    .any(|slot| slot.switch.waits_for() == Some(quality))
            };
            if need == Need::Nobody || track.muted || (need == Need::Slot && !waited_for()) {
                self.set_need(id, quality, Need::Nobody);
                continue;
            }
            let flow = track.encodings.at(quality).flow.as_ref();
            let silent = flow.is_none_or(|flow| now.since(flow.last_at) >= SILENT_AFTER);
            let every = if silent { ASK_SILENT_EVERY } else { ASK_EVERY };
            let due_at = asked_at.map_or(now, |at| at + every);
            if due_at > now {
                remains = true;
                self.due.keyframe_at =
                    Some(self.due.keyframe_at.map_or(due_at, |at| at.min(due_at)));
                continue;
            }
            let key = track.key;
            self.events.push_back(Output::RequestKeyframe { track: key, quality });
            remains |= need == Need::Slot;
            if let Some(track) = self.tracks.get_mut(id) {
                let need = if need == Need::Slot { Need::Slot } else { Need::Nobody };
                *track.asking.at_mut(quality) = Asking { need, asked_at: Some(now) };
            }
            if need == Need::Slot {
                let next = now + every;
                self.due.keyframe_at = Some(self.due.keyframe_at.map_or(next, |at| at.min(next)));
            }
        }
        remains
    }

    fn set_need(&mut self, track: u32, quality: Quality, need: Need) {
        if let Some(track) = self.tracks.get_mut(track) {
            track.asking.at_mut(quality).need = need;
        }
    }
}

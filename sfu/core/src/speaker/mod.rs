//! Who speaks, and how loudly, from the audio levels that publishers write on their packets (RFC 6464).
//!
//! Hot path: `add` is constant work per packet.

use core::time::Duration;

use proto::time::Instant;

use crate::{
    engine::{Config, Core},
    output::Output,
    track::TrackState,
};

/// Loudness is judged over windows of this length. Shorter flickers, longer lags.
pub(crate) const WINDOW: Duration = Duration::from_millis(400);

/// Silence, -dBov.
const SILENCE: u8 = 127;

/// Fewer loud packets than this are a click, not speech.
const LOUD_PACKETS_MIN: u32 = 4;

/// The share of a window's packets that must be loud, in percent.
const LOUD_PERCENT: u32 = 40;

/// Quiet windows after which speech has ended.
const QUIET_WINDOWS_MAX: u8 = 2;

/// Louder than these, in -dBov, is more than 1/8, 2/8 .. 7/8 of full scale: -20 log10(k / 8), rounded down.
const EIGHTHS: [u32; 7] = [18, 12, 8, 6, 4, 2, 1];

/// The loudness of one track.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loudness {
    packets: u32,
    loud: u32,
    /// Sum of the levels of loud packets, -dBov.
    levels: u32,
    voice: Voice,
}

/// Whether a track is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Voice {
    #[default]
    Silent,
    /// Smoothed level in -dBov, what was last said of it, and how many windows were quiet since.
    Speaking { level: u32, eighths: u8, quiet: u8 },
}

impl Loudness {
    /// Counts a packet's level.
    pub(crate) fn add(&mut self, level: u8, threshold: u8) {
        self.packets = self.packets.saturating_add(1);
        if level <= threshold {
            self.loud = self.loud.saturating_add(1);
            self.levels = self.levels.saturating_add(u32::from(level.min(SILENCE)));
        }
    }

    /// Whether the next window's end matters.
    pub(crate) const fn is_pending(&self) -> bool {
        self.packets > 0 || matches!(self.voice, Voice::Speaking { .. })
    }

    /// Ends a window; returns the loudness in eighths and whether it counts as speaking, if that changed.
    pub(crate) fn end_window(&mut self) -> Option<(u8, bool)> {
        let heard = self.loud >= LOUD_PACKETS_MIN && self.loud * 100 >= self.packets * LOUD_PERCENT;
        let mean = self.levels.checked_div(self.loud).unwrap_or(0);
        let before = self.voice;
        self.voice = match (before, heard) {
            (Voice::Silent, false) => Voice::Silent,
            (Voice::Silent, true) => {
                Voice::Speaking { level: mean, eighths: eighths(mean), quiet: 0 }
            }
            (Voice::Speaking { level, .. }, true) => {
                let level = (level + 2 * mean) / 3;
                Voice::Speaking { level, eighths: eighths(level), quiet: 0 }
            }
            (Voice::Speaking { quiet, .. }, false) if quiet + 1 >= QUIET_WINDOWS_MAX => {
                Voice::Silent
            }
            (Voice::Speaking { level, eighths, quiet }, false) => {
                Voice::Speaking { level, eighths, quiet: quiet + 1 }
            }
        };
        (self.packets, self.loud, self.levels) = (0, 0, 0);
        (said(before) != said(self.voice)).then(|| said(self.voice))
    }

    /// Ends speech at once; returns whether there was any.
    pub(crate) fn silence(&mut self) -> bool {
        let spoke = self.voice != Voice::Silent;
        *self = Self::default();
        spoke
    }
}

const fn said(voice: Voice) -> (u8, bool) {
    match voice {
        Voice::Silent => (0, false),
        Voice::Speaking { eighths, .. } => (eighths, true),
    }
}

fn eighths(level: u32) -> u8 {
    EIGHTHS.iter().map(|bound| u8::from(level < *bound)).sum::<u8>() + 1
}

impl Core {
    /// Ends a window on every track that is judged here.
    pub(crate) fn judge_speakers(&mut self) {
        for (_, track) in self.tracks.iter_mut() {
            if let Some((eighths, active)) = track.loudness.end_window() {
                self.events.push_back(Output::Speaker { track: track.key, eighths, active });
            }
        }
        let pending = self.tracks.iter().any(|(_, track)| track.loudness.is_pending());
        self.due.speakers_at = pending.then(|| self.now + WINDOW);
    }
}

/// Takes an audio packet's level into account; returns whether a window must end some time.
pub(crate) fn hear(track: &mut TrackState, config: &Config, level: Option<u8>) -> bool {
    let Some(level) = level.filter(|_| track.home) else {
        return false;
    };
    track.loudness.add(level, config.speaking_level_max);
    true
}

/// When a window that begins at `now` ends.
pub(crate) fn window_end(now: Instant) -> Instant {
    now + WINDOW
}

#[cfg(test)]
mod tests;

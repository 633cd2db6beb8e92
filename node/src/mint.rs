//! New ids. Randomness is drawn here, outside the state machines, and travels in commands.

use proto::{
    id::{ParticipantSid, RoomSid, TrackSid},
    media::{MediaKind, Source},
};
use rand::RngExt as _;

/// Digits and letters without those that are easily confused; the field's alphabet for sids.
const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

fn random_text(prefix: &str, len: usize) -> String {
    let mut rng = rand::rng();
    let tail = (0..len).filter_map(|_| ALPHABET.get(rng.random_range(0..ALPHABET.len())));
    prefix.chars().chain(tail.map(|byte| char::from(*byte))).collect()
}

/// `RM_` and 12 characters.
pub(crate) fn room_sid() -> RoomSid {
    random_text("RM_", 12).into()
}

/// `PA_` and 12 characters.
pub(crate) fn participant_sid() -> ParticipantSid {
    random_text("PA_", 12).into()
}

/// `TR_`, a letter for the kind, one for the source, and 10 characters.
pub(crate) fn track_sid(kind: MediaKind, source: Source) -> TrackSid {
    let kind = match kind {
        MediaKind::Audio => 'A',
        MediaKind::Video => 'V',
    };
    let source = match source {
        Source::Camera => 'C',
        Source::Microphone => 'M',
        Source::ScreenShare => 'S',
        Source::ScreenShareAudio => 's',
        Source::Unknown => 'U',
    };
    random_text(&format!("TR_{kind}{source}"), 10).into()
}

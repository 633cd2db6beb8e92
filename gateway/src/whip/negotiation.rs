//! What a client offered, and when its offer is made again without it.

use std::time::Duration;

use proto::media::{MediaKind, Mid};
use tokio::time::Instant;

/// A section whose track ended is free after about this long: the end travels between media threads.
const FREE_AFTER: Duration = Duration::from_millis(200);
/// How often a taken section is waited for.
const WAITS_MAX: u32 = 10;

/// The client's side of the negotiation.
pub(super) struct Negotiation {
    /// The offer, with the ICE credentials of now.
    pub(super) offer: String,
    /// The client's user name fragment of now.
    pub(super) ufrag: Option<String>,
    /// What the client sends: section, track id, kind.
    pub(super) sending: Vec<(Mid, String, MediaKind)>,
    /// The last offer's number.
    pub(super) request: u32,
    /// How many ICE sessions there were.
    pub(super) generation: u32,
    /// When the offer is to be made again, if it is.
    pub(super) again_at: Option<Instant>,
    /// How often the offer was made again because sections were taken, since the viewer's choice changed.
    pub(super) waits: u32,
}

impl Negotiation {
    /// The node wants another offer. This client cannot add sections, but those of tracks that end come free soon.
    pub(super) fn on_sections_needed(&mut self, audio: u32, video: u32) {
        let now = Instant::now();
        if audio == 0 && video == 0 {
            self.again_at = Some(now);
        } else if self.waits < WAITS_MAX {
            self.waits += 1;
            self.again_at = self.again_at.or(Some(now + FREE_AFTER));
        }
    }
}

//! What a WHIP offer sends, as tracks of the room.

use std::collections::BTreeSet;

use proto::{
    id::TrackSid,
    media::{Encoding, MediaKind, Mid, Quality, Source},
    room::Publication,
    unit::Bitrate,
};

use super::offer::{Offer, OfferSection};

/// What the client sends, by section. Track ids that are missing or used twice are replaced.
pub(super) fn sending(offer: &Offer) -> Vec<(Mid, String, MediaKind)> {
    let mut used = BTreeSet::new();
    let sections = offer.sections.iter().filter(|section| section.direction.sends());
    sections
        .map(|section| {
            let named = section
                .track
                .clone()
                .filter(|track| !used.contains(track) && !track.starts_with("section-"));
            let cid = named.unwrap_or_else(|| format!("section-{}", section.mid));
            used.insert(cid.clone());
            (section.mid, cid, section.kind)
        })
        .collect()
}

/// Sources of the sections of an offer: the first of a kind is camera or microphone, the next the screen and its sound.
#[derive(Default)]
pub(super) struct Sources {
    audio: usize,
    video: usize,
}

impl Sources {
    pub(super) fn next(&mut self, kind: MediaKind) -> Source {
        let (count, order) = match kind {
            MediaKind::Audio => (&mut self.audio, [Source::Microphone, Source::ScreenShareAudio]),
            MediaKind::Video => (&mut self.video, [Source::Camera, Source::ScreenShare]),
        };
        let source = order.get(*count).copied().unwrap_or_default();
        *count += 1;
        source
    }
}

/// A section as a track; its sid is minted by the node.
pub(super) fn publication(section: &OfferSection, source: Source) -> Publication {
    let encoding = |quality| Encoding { quality, width: 0, height: 0, bitrate: Bitrate::ZERO };
    let encodings = match section.kind {
        MediaKind::Audio => 0,
        MediaKind::Video => section.rids.len().max(1),
    };
    Publication {
        encodings: Quality::ALL.into_iter().take(encodings).map(encoding).collect(),
        stereo: section.stereo && section.kind == MediaKind::Audio,
        ..Publication::new(TrackSid::from(""), section.kind, source)
    }
}

//! Picks the tracks a viewer with few media sections receives.

use std::collections::{BTreeMap, BTreeSet};

use proto::{
    id::{Identity, ParticipantSid, TrackSid},
    media::{MediaKind, Source},
    room::{Participant, Publication},
};

use super::offer::Offer;

/// How many tracks of each kind an offer has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slots {
    pub(super) audio: usize,
    pub(super) video: usize,
}

impl Slots {
    pub(super) fn of(offer: &Offer) -> Self {
        let count = |kind| {
            let fitting = offer.sections.iter().filter(|s| s.kind == kind);
            fitting.filter(|s| s.direction.receives()).count()
        };
        Self { audio: count(MediaKind::Audio), video: count(MediaKind::Video) }
    }
}

/// Who watches.
#[derive(Clone, Debug)]
pub(super) struct Viewer {
    pub(super) identity: Identity,
    /// Whose tracks it asked for; `None`: everybody's.
    pub(super) whose: Option<Identity>,
    pub(super) slots: Slots,
    /// What it receives.
    pub(super) chosen: BTreeSet<TrackSid>,
    /// What could not be served to it.
    pub(super) refused: BTreeSet<TrackSid>,
}

type Candidate<'a> = (&'a Participant, &'a Publication);

impl Viewer {
    /// What it should receive of `roster`: screen shares before cameras, what is heard beside what is seen, tracks that
    /// are not muted first, and otherwise what it receives already, then who came first.
    pub(super) fn choose(
        &self,
        roster: &BTreeMap<ParticipantSid, Participant>,
    ) -> BTreeSet<TrackSid> {
        let video = self.best(roster, MediaKind::Video, self.slots.video, &BTreeSet::new());
        let seen = video.iter().map(|(owner, _)| &owner.sid).collect();
        let audio = self.best(roster, MediaKind::Audio, self.slots.audio, &seen);
        video.iter().chain(&audio).map(|(_, publication)| publication.sid.clone()).collect()
    }

    fn best<'a>(
        &self,
        roster: &'a BTreeMap<ParticipantSid, Participant>,
        kind: MediaKind,
        count: usize,
        seen: &BTreeSet<&ParticipantSid>,
    ) -> Vec<Candidate<'a>> {
        let mut candidates: Vec<Candidate<'a>> = roster
            .values()
            .filter(|owner| self.may_watch(owner))
            .flat_map(|owner| owner.publications.values().map(move |track| (owner, track)))
            .filter(|(_, track)| track.kind == kind && !self.refused.contains(&track.sid))
            .filter(|(owner, track)| owner.audience.admits(&self.identity, &track.sid))
            .collect();
        candidates.sort_by_key(|(owner, track)| {
            let kept = self.chosen.contains(&track.sid);
            let beside = seen.contains(&owner.sid);
            (track.muted, !beside, rank(track.source), !kept, owner.joined_at, &track.sid)
        });
        candidates.truncate(count);
        candidates
    }

    fn may_watch(&self, owner: &Participant) -> bool {
        owner.identity != self.identity
            && !owner.permission.hidden
            && self.whose.as_ref().is_none_or(|whose| *whose == owner.identity)
    }
}

/// Smaller goes first.
const fn rank(source: Source) -> u8 {
    match source {
        Source::ScreenShare | Source::Microphone => 0,
        Source::Camera | Source::ScreenShareAudio => 1,
        Source::Unknown => 2,
    }
}

//! What participants may do, and what ends when they may no longer.

use alloc::vec::Vec;

use proto::{
    grant::Permission,
    id::{Identity, TrackSid},
    media::Source,
    room::{Participant, Reject, event::What, model::PUBLICATIONS_MAX},
};

use crate::room::OpenRoom;

/// Refuses when `participant` may not publish another track from `source`.
pub(crate) fn check_publish(participant: &Participant, source: Source) -> Result<(), Reject> {
    if !participant.permission.allows_source(source) {
        return Err(Reject::PublishNotPermitted { publish: source });
    }
    if participant.publications.len() >= PUBLICATIONS_MAX {
        return Err(Reject::TooManyTracks { limit: PUBLICATIONS_MAX });
    }
    Ok(())
}

impl OpenRoom {
    /// Refuses when the participant asks for a change of itself that it may not make.
    pub(crate) fn check_update(&self, identity: &Identity, by_self: bool) -> Result<(), Reject> {
        let permission = &self.roster.session(identity, None)?.permission;
        if by_self && !permission.can_update_metadata {
            return Err(Reject::UpdateNotPermitted);
        }
        Ok(())
    }

    /// Replaces a participant's permissions; its tracks that are not allowed by them end.
    pub(crate) fn set_permission(
        &mut self,
        identity: &Identity,
        permission: &Permission,
    ) -> Result<Vec<What>, Reject> {
        let old = self.roster.session(identity, None)?;
        if old.permission == *permission {
            return Ok(Vec::new());
        }
        let can_subscribe_changed = old.permission.can_subscribe != permission.can_subscribe;
        let forbidden: Vec<TrackSid> = old
            .publications
            .values()
            .filter(|publication| !permission.allows_source(publication.source))
            .map(|publication| publication.sid.clone())
            .collect();
        let mut whats: Vec<What> = forbidden
            .iter()
            .filter_map(|track| self.roster.remove_track(identity, track))
            .map(|publication| What::TrackUnpublished(identity.clone(), publication))
            .collect();
        let changed = self.roster.change(identity, |participant| {
            participant.permission = permission.clone();
        })?;
        whats.push(What::ParticipantChanged(changed));
        if can_subscribe_changed {
            let subscriber = identity.clone();
            whats.push(What::SubscriptionsChanged { subscriber, tracks: Vec::new() });
        }
        Ok(whats)
    }
}

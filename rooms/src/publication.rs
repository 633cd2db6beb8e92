//! Tracks: how they come, change and end.

use alloc::{vec, vec::Vec};

use proto::{
    id::{Identity, TrackSid},
    media::{Codec, Encoding},
    room::{Publication, Reject, event::What},
};

use crate::{
    limit::{self, ENCODINGS_MAX, OPAQUE_NUMBERS_MAX},
    permission::check_publish,
    room::OpenRoom,
};

impl OpenRoom {
    /// Adds a track; nothing happens when the participant publishes it already.
    pub(crate) fn publish(
        &mut self,
        identity: &Identity,
        publication: &Publication,
    ) -> Result<Vec<What>, Reject> {
        match self.roster.owner(&publication.sid) {
            Some(owner) if owner == identity => return Ok(Vec::new()),
            Some(_) => {
                return Err(Reject::TrackSidTaken { track: publication.sid.clone() });
            }
            None => {}
        }
        limit::check_publication(publication)?;
        check_publish(self.roster.session(identity, None)?, publication.source)?;
        let mut publication = publication.clone();
        publication.encodings = limit::in_order(publication.encodings);
        self.roster.insert_track(identity, publication.clone())?;
        let changed = self.roster.change(identity, |_| {})?;
        Ok(vec![
            What::TrackPublished(identity.clone(), publication),
            What::ParticipantChanged(changed),
        ])
    }

    /// Ends a track.
    pub(crate) fn unpublish(
        &mut self,
        identity: &Identity,
        track: &TrackSid,
    ) -> Result<Vec<What>, Reject> {
        let publication =
            self.roster.remove_track(identity, track).ok_or_else(|| not_found(track))?;
        let changed = self.roster.change(identity, |_| {})?;
        Ok(vec![
            What::TrackUnpublished(identity.clone(), publication),
            What::ParticipantChanged(changed),
        ])
    }

    /// Notes what is known about a track; nothing happens when it is no news.
    pub(crate) fn update_track(
        &mut self,
        identity: &Identity,
        track: &TrackSid,
        codec: Option<Codec>,
        encodings: Option<&[Encoding]>,
        audio_features: Option<&[i32]>,
    ) -> Result<Vec<What>, Reject> {
        limit::check_list(encodings.map_or(0, <[_]>::len), ENCODINGS_MAX)?;
        limit::check_list(audio_features.map_or(0, <[_]>::len), OPAQUE_NUMBERS_MAX)?;
        self.change_track(identity, track, |publication| {
            if codec.is_some() {
                publication.codec = codec;
            }
            if let Some(encodings) = encodings {
                publication.encodings = limit::in_order(encodings.to_vec());
            }
            if let Some(features) = audio_features {
                publication.audio_features = features.to_vec();
            }
        })
    }

    /// Changes a track; nothing happens when it is the same afterwards. `change` leaves its sid alone.
    pub(crate) fn change_track(
        &mut self,
        identity: &Identity,
        track: &TrackSid,
        change: impl FnOnce(&mut Publication),
    ) -> Result<Vec<What>, Reject> {
        let old = self.roster.session(identity, None)?.publications.get(track);
        let old = old.ok_or_else(|| not_found(track))?;
        let mut publication = old.clone();
        change(&mut publication);
        if publication == *old {
            return Ok(Vec::new());
        }
        let new = publication.clone();
        let changed = self.roster.change(identity, |participant| {
            participant.publications.insert(track.clone(), new);
        })?;
        Ok(vec![
            What::TrackChanged(identity.clone(), publication),
            What::ParticipantChanged(changed),
        ])
    }
}

fn not_found(track: &TrackSid) -> Reject {
    Reject::TrackNotFound { track: track.clone() }
}

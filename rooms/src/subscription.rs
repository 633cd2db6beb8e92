//! Who receives what. A subscription is not stored: it follows from permission, audience, `auto_subscribe`
//! and the exceptions a participant asked for.

use alloc::{collections::BTreeSet, vec, vec::Vec};

use proto::{
    id::{Identity, TrackSid},
    room::{Participant, Publication, Reject, event::What, model::Audience},
};

use crate::{
    limit::{self, EXCEPTIONS_MAX},
    room::OpenRoom,
    roster::Member,
};

impl Member {
    /// Whether this member receives `track` of `owner`.
    pub(crate) fn receives(&self, owner: &Participant, track: &TrackSid) -> bool {
        let subscriber = &self.participant;
        subscriber.permission.can_subscribe
            && subscriber.identity != owner.identity
            && owner.audience.admits(&subscriber.identity, track)
            && subscriber.auto_subscribe != self.exceptions.contains(track)
    }
}

impl OpenRoom {
    /// Whether `subscriber` receives `track`.
    pub(crate) fn is_subscribed(&self, subscriber: &Identity, track: &TrackSid) -> bool {
        self.roster.member(subscriber).is_some_and(|member| {
            self.roster.track(track).is_some_and(|(owner, _)| member.receives(owner, track))
        })
    }

    /// Every track that `subscriber` receives, with its owner.
    pub(crate) fn subscriptions(
        &self,
        subscriber: &Identity,
    ) -> impl Iterator<Item = (&Participant, &Publication)> {
        let member = self.roster.member(subscriber);
        self.roster
            .participants()
            .flat_map(|owner| owner.publications.values().map(move |track| (owner, track)))
            .filter(move |(owner, track)| {
                member.is_some_and(|member| member.receives(owner, &track.sid))
            })
    }

    /// Subscribes to tracks or unsubscribes from them, published or not.
    pub(crate) fn set_subscribed(
        &mut self,
        identity: &Identity,
        tracks: &BTreeSet<TrackSid>,
        subscribed: bool,
    ) -> Result<Vec<What>, Reject> {
        let participant = self.roster.session(identity, None)?;
        if subscribed && !participant.permission.can_subscribe {
            return Err(Reject::SubscribeNotPermitted);
        }
        tracks.iter().try_for_each(|track| limit::check_id(track.as_str()))?;
        let wants_exception = subscribed != participant.auto_subscribe;
        let exceptions = self.roster.member(identity).map(|member| &member.exceptions);
        let has_exception = |track: &TrackSid| exceptions.is_some_and(|set| set.contains(track));
        let changed: Vec<TrackSid> = tracks
            .iter()
            .filter(|track| has_exception(track) != wants_exception)
            .cloned()
            .collect();
        if wants_exception {
            let entries = exceptions.map_or(0, BTreeSet::len) + changed.len();
            limit::check_list(entries, EXCEPTIONS_MAX)?;
        }
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        self.roster.change_exceptions(identity, |exceptions| {
            if wants_exception {
                exceptions.extend(changed.iter().cloned());
            } else {
                exceptions.retain(|track| !tracks.contains(track));
            }
        })?;
        Ok(vec![What::SubscriptionsChanged { subscriber: identity.clone(), tracks: changed }])
    }

    /// Says who may subscribe to a participant's tracks, and tells those whose access changes.
    pub(crate) fn set_audience(
        &mut self,
        identity: &Identity,
        audience: &Audience,
    ) -> Result<Vec<What>, Reject> {
        limit::check_audience(audience)?;
        let publisher = self.roster.session(identity, None)?;
        if publisher.audience == *audience {
            return Ok(Vec::new());
        }
        let mut access = Vec::new();
        for (subscriber, _) in self.roster.iter().filter(|(other, _)| *other != identity) {
            self.note_access(publisher, subscriber, audience, &mut access);
        }
        let changed = self.roster.change(identity, |participant| {
            participant.audience = audience.clone();
        })?;
        let mut whats = vec![What::ParticipantChanged(changed)];
        whats.append(&mut access);
        Ok(whats)
    }

    /// Tells which tracks of `publisher` the new `audience` opens or closes for `subscriber`.
    fn note_access(
        &self,
        publisher: &Participant,
        subscriber: &Identity,
        audience: &Audience,
        whats: &mut Vec<What>,
    ) {
        let mut tracks = Vec::new();
        for track in publisher.publications.keys() {
            let allowed = audience.admits(subscriber, track);
            if allowed == publisher.audience.admits(subscriber, track) {
                continue;
            }
            tracks.push(track.clone());
            whats.push(What::AccessChanged {
                publisher: publisher.sid.clone(),
                subscriber: subscriber.clone(),
                track: track.clone(),
                allowed,
            });
        }
        if !tracks.is_empty() {
            whats.push(What::SubscriptionsChanged { subscriber: subscriber.clone(), tracks });
        }
    }
}

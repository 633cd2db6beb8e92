//! Who is in a room: its members by identity, with what is derived from them kept beside.

use alloc::collections::{BTreeMap, BTreeSet};

use proto::{
    grant::ParticipantKind,
    id::{Identity, ParticipantSid, TrackSid},
    room::{Participant, Publication, Reject},
};
use serde::{Deserialize, Serialize, Serializer};

/// One session with what the room remembers about it alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// What everybody sees.
    pub(crate) participant: Participant,
    /// Tracks whose subscription is the opposite of `auto_subscribe`, published or not.
    /// At most [`crate::EXCEPTIONS_MAX`]; a track is forgotten when it ends.
    pub(crate) exceptions: BTreeSet<TrackSid>,
}

/// How many of each kind are in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Those that count towards the room's size.
    pub(crate) participants: u32,
    /// Those with at least one publication.
    pub(crate) publishers: u32,
    /// Recorders.
    pub(crate) recorders: u32,
}

/// The members of a room. What is derived (owners of tracks, tally) follows every change and is not serialised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "BTreeMap<Identity, Member>")]
pub(crate) struct Roster {
    members: BTreeMap<Identity, Member>,
    owners: BTreeMap<TrackSid, Identity>,
    tally: Tally,
}

impl Roster {
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Every member with its key, by identity.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Identity, &Member)> {
        self.members.iter()
    }

    pub(crate) fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.members.values().map(|member| &member.participant)
    }

    pub(crate) fn member(&self, identity: &Identity) -> Option<&Member> {
        self.members.get(identity)
    }

    pub(crate) fn participant(&self, identity: &Identity) -> Option<&Participant> {
        self.member(identity).map(|member| &member.participant)
    }

    /// The member's participant; refuses when it is absent, or present with another session than `sid`.
    pub(crate) fn session(
        &self,
        identity: &Identity,
        sid: Option<&ParticipantSid>,
    ) -> Result<&Participant, Reject> {
        self.participant(identity)
            .filter(|participant| sid.is_none_or(|sid| *sid == participant.sid))
            .ok_or_else(|| not_found(identity))
    }

    /// Who publishes `track`.
    pub(crate) fn owner(&self, track: &TrackSid) -> Option<&Identity> {
        self.owners.get(track)
    }

    /// Every published track with its owner, by sid.
    pub(crate) fn owners(&self) -> &BTreeMap<TrackSid, Identity> {
        &self.owners
    }

    /// A published track with its owner.
    pub(crate) fn track(&self, sid: &TrackSid) -> Option<(&Participant, &Publication)> {
        let participant = self.participant(self.owner(sid)?)?;
        Some((participant, participant.publications.get(sid)?))
    }

    /// Adds a member whose identity is not in the roster.
    pub(crate) fn insert(&mut self, member: Member) {
        self.tally.add(&member.participant);
        let identity = &member.participant.identity;
        for track in member.participant.publications.keys() {
            self.owners.insert(track.clone(), identity.clone());
        }
        self.members.insert(identity.clone(), member);
    }

    /// Takes a member out; everybody forgets its tracks.
    pub(crate) fn remove(&mut self, identity: &Identity) -> Option<Participant> {
        let Member { participant, .. } = self.members.remove(identity)?;
        self.tally.subtract(&participant);
        for track in participant.publications.keys() {
            self.forget(track);
        }
        Some(participant)
    }

    /// Changes a participant, raises its version and returns it as it is then.
    ///
    /// `change` leaves identity and the set of publications alone.
    pub(crate) fn change(
        &mut self,
        identity: &Identity,
        change: impl FnOnce(&mut Participant),
    ) -> Result<Participant, Reject> {
        let member = self.members.get_mut(identity).ok_or_else(|| not_found(identity))?;
        let participant = &mut member.participant;
        self.tally.subtract(participant);
        change(participant);
        participant.version = participant.version.wrapping_add(1);
        self.tally.add(participant);
        Ok(participant.clone())
    }

    /// Gives a participant another track; its version stays.
    pub(crate) fn insert_track(
        &mut self,
        identity: &Identity,
        publication: Publication,
    ) -> Result<(), Reject> {
        let member = self.members.get_mut(identity).ok_or_else(|| not_found(identity))?;
        self.tally.subtract(&member.participant);
        self.owners.insert(publication.sid.clone(), identity.clone());
        member.participant.publications.insert(publication.sid.clone(), publication);
        self.tally.add(&member.participant);
        Ok(())
    }

    /// Takes a track from a participant, if it has it; its version stays. Everybody forgets the track.
    pub(crate) fn remove_track(
        &mut self,
        identity: &Identity,
        track: &TrackSid,
    ) -> Option<Publication> {
        let participant = &mut self.members.get_mut(identity)?.participant;
        self.tally.subtract(participant);
        let publication = participant.publications.remove(track);
        self.tally.add(participant);
        if publication.is_some() {
            self.forget(track);
        }
        publication
    }

    /// Changes what a member wants against its `auto_subscribe`.
    pub(crate) fn change_exceptions(
        &mut self,
        identity: &Identity,
        change: impl FnOnce(&mut BTreeSet<TrackSid>),
    ) -> Result<(), Reject> {
        let member = self.members.get_mut(identity).ok_or_else(|| not_found(identity))?;
        change(&mut member.exceptions);
        Ok(())
    }

    fn forget(&mut self, track: &TrackSid) {
        self.owners.remove(track);
        for member in self.members.values_mut() {
            member.exceptions.remove(track);
        }
    }
}

impl Tally {
    pub(crate) fn add(&mut self, participant: &Participant) {
        self.participants += u32::from(participant.counts());
        self.publishers += u32::from(!participant.publications.is_empty());
        self.recorders += u32::from(records(participant));
    }

    fn subtract(&mut self, participant: &Participant) {
        self.participants -= u32::from(participant.counts());
        self.publishers -= u32::from(!participant.publications.is_empty());
        self.recorders -= u32::from(records(participant));
    }
}

impl From<BTreeMap<Identity, Member>> for Roster {
    fn from(members: BTreeMap<Identity, Member>) -> Self {
        let mut roster = Self::default();
        for (identity, member) in members {
            roster.tally.add(&member.participant);
            for track in member.participant.publications.keys() {
                roster.owners.insert(track.clone(), identity.clone());
            }
            roster.members.insert(identity, member);
        }
        roster
    }
}

impl Serialize for Roster {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.members.serialize(serializer)
    }
}

/// Whether a participant records the room.
fn records(participant: &Participant) -> bool {
    participant.permission.recorder || participant.kind == ParticipantKind::Egress
}

fn not_found(identity: &Identity) -> Reject {
    Reject::ParticipantNotFound { identity: identity.clone() }
}

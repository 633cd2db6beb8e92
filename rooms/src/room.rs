//! One open room: how it fills, empties, changes and closes.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec,
    vec::Vec,
};

use proto::{
    id::{Identity, NodeId, ParticipantSid, RoomName, RoomSid},
    room::{
        LeaveReason, Participant, ParticipantState, Reject, Room, RoomSettings,
        command::ParticipantAction, event::What, model::PARTICIPANTS_MAX,
    },
    time::LogTime,
};
use serde::{Deserialize, Serialize};

use crate::{
    limit::{self, MEMBERS_MAX},
    roster::{Member, Roster, Tally},
};

/// An open room with its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenRoom {
    pub(crate) sid: RoomSid,
    pub(crate) name: RoomName,
    pub(crate) settings: RoomSettings,
    pub(crate) created_at: LogTime,
    /// When somebody last left; `None` until then.
    pub(crate) last_left_at: Option<LogTime>,
    pub(crate) roster: Roster,
}

/// What of a room's members its [`Room`] shows.
type Figures = (u32, u32, bool);

impl OpenRoom {
    /// Opens a room, or refuses its name or settings.
    pub(crate) fn open(
        name: &RoomName,
        sid: &RoomSid,
        settings: &RoomSettings,
        at: LogTime,
    ) -> Result<Self, Reject> {
        limit::check_id(name.as_str())?;
        limit::check_id(sid.as_str())?;
        limit::check_settings(settings)?;
        Ok(Self {
            sid: sid.clone(),
            name: name.clone(),
            settings: settings.clone(),
            created_at: at,
            last_left_at: None,
            roster: Roster::default(),
        })
    }

    /// The room as events carry it.
    pub(crate) fn view(&self) -> Room {
        let (participants, publishers, recording) = self.figures();
        Room {
            sid: self.sid.clone(),
            name: self.name.clone(),
            settings: self.settings.clone(),
            created_at: self.created_at,
            participants,
            publishers,
            recording,
        }
    }

    /// When the room closes if nobody comes; `None` while somebody is there.
    pub(crate) fn expires_at(&self) -> Option<LogTime> {
        if !self.roster.is_empty() {
            return None;
        }
        Some(match self.last_left_at {
            None => self.created_at + self.settings.empty_timeout,
            Some(left_at) => left_at + self.settings.departure_timeout,
        })
    }

    /// Replaces the room's metadata.
    pub(crate) fn set_metadata(&mut self, metadata: &str) -> Result<Vec<What>, Reject> {
        limit::check_metadata(metadata)?;
        if self.settings.metadata == metadata {
            return Ok(Vec::new());
        }
        self.settings.metadata = metadata.into();
        Ok(vec![What::RoomChanged(self.view())])
    }

    /// Brings a participant in; an older session of the same identity is sent out first.
    pub(crate) fn join(
        &mut self,
        at: LogTime,
        newcomer: &Participant,
    ) -> Result<Vec<What>, Reject> {
        limit::check_participant(newcomer)?;
        let old = self.roster.participant(&newcomer.identity);
        if old.is_some_and(|old| old.sid == newcomer.sid) {
            return Ok(Vec::new());
        }
        self.check_space(newcomer, old)?;
        let before = self.figures();
        let mut whats = self.send_out(at, &newcomer.identity, LeaveReason::DuplicateIdentity);
        let mut participant = newcomer.clone();
        participant.state = ParticipantState::Joined;
        participant.joined_at = at;
        participant.version = 1;
        participant.publications = BTreeMap::new();
        participant.attributes.retain(|_, value| !value.is_empty());
        whats.push(What::ParticipantJoined(participant.clone()));
        self.roster.insert(Member { participant, exceptions: BTreeSet::new() });
        self.note_figures(before, &mut whats);
        Ok(whats)
    }

    /// Does what is asked of one participant.
    pub(crate) fn act(
        &mut self,
        at: LogTime,
        identity: &Identity,
        sid: Option<&ParticipantSid>,
        action: &ParticipantAction,
    ) -> Result<Vec<What>, Reject> {
        self.roster.session(identity, sid)?;
        let before = self.figures();
        let mut whats = match action {
            ParticipantAction::Activate => self.activate(identity),
            ParticipantAction::Leave { reason } => Ok(self.send_out(at, identity, *reason)),
            ParticipantAction::Update { name, metadata, attributes, by_self } => {
                self.check_update(identity, *by_self)?;
                self.update(identity, name.as_deref(), metadata.as_deref(), attributes)
            }
            ParticipantAction::SetPermission { permission } => {
                self.set_permission(identity, permission)
            }
            ParticipantAction::Publish { publication } => self.publish(identity, publication),
            ParticipantAction::Unpublish { track } => self.unpublish(identity, track),
            ParticipantAction::SetMuted { track, muted } => {
                self.change_track(identity, track, |publication| publication.muted = *muted)
            }
            ParticipantAction::UpdateTrack { track, codec, encodings, audio_features } => self
                .update_track(
                    identity,
                    track,
                    *codec,
                    encodings.as_deref(),
                    audio_features.as_deref(),
                ),
            ParticipantAction::SetSubscribed { tracks, subscribed } => {
                self.set_subscribed(identity, tracks, *subscribed)
            }
            ParticipantAction::SetAudience { audience } => self.set_audience(identity, audience),
        }?;
        self.note_figures(before, &mut whats);
        Ok(whats)
    }

    /// Sends out everybody that `node` carries and that joined until then.
    pub(crate) fn lose(&mut self, at: LogTime, node: NodeId, until: LogTime) -> Vec<What> {
        let before = self.figures();
        let lost = |who: &&Participant| who.node == node && who.joined_at <= until;
        let lost: Vec<Identity> =
            self.roster.participants().filter(lost).map(|who| who.identity.clone()).collect();
        let mut whats: Vec<What> = lost
            .iter()
            .flat_map(|identity| self.send_out(at, identity, LeaveReason::NodeLost))
            .collect();
        self.note_figures(before, &mut whats);
        whats
    }

    /// Sends everybody out and ends the room.
    pub(crate) fn close(mut self, at: LogTime, reason: LeaveReason) -> Vec<What> {
        let last = self.view();
        let identities: Vec<Identity> =
            self.roster.iter().map(|(identity, _)| identity.clone()).collect();
        let mut whats: Vec<What> =
            identities.iter().flat_map(|identity| self.send_out(at, identity, reason)).collect();
        whats.push(What::RoomClosed(last, reason));
        whats
    }

    /// Refuses when the room has no place for `newcomer` once `old` is gone.
    fn check_space(&self, newcomer: &Participant, old: Option<&Participant>) -> Result<(), Reject> {
        if self.roster.len() - usize::from(old.is_some()) >= MEMBERS_MAX {
            let limit = u32::try_from(MEMBERS_MAX).unwrap_or(u32::MAX);
            return Err(Reject::RoomFull { limit });
        }
        let limit = match self.settings.participants_max {
            0 => PARTICIPANTS_MAX,
            limit => limit.min(PARTICIPANTS_MAX),
        };
        let freed = u32::from(old.is_some_and(Participant::counts));
        if newcomer.counts() && self.roster.tally().participants - freed >= limit {
            return Err(Reject::RoomFull { limit });
        }
        Ok(())
    }

    fn activate(&mut self, identity: &Identity) -> Result<Vec<What>, Reject> {
        let state = self.roster.session(identity, None)?.state;
        if state == ParticipantState::Active {
            return Ok(Vec::new());
        }
        let changed = self.roster.change(identity, |participant| {
            participant.state = ParticipantState::Active;
        })?;
        Ok(vec![What::ParticipantChanged(changed)])
    }

    fn update(
        &mut self,
        identity: &Identity,
        name: Option<&str>,
        metadata: Option<&str>,
        attributes: &BTreeMap<String, String>,
    ) -> Result<Vec<What>, Reject> {
        let old = self.roster.session(identity, None)?;
        let name = name.unwrap_or(&old.name);
        let metadata = metadata.unwrap_or(&old.metadata);
        limit::check_label(name)?;
        limit::check_metadata(metadata)?;
        let mut merged = old.attributes.clone();
        merged.extend(attributes.iter().map(|(key, value)| (key.clone(), value.clone())));
        merged.retain(|_, value| !value.is_empty());
        limit::check_attributes(&merged)?;
        if name == old.name && metadata == old.metadata && merged == old.attributes {
            return Ok(Vec::new());
        }
        let (name, metadata) = (String::from(name), String::from(metadata));
        let changed = self.roster.change(identity, |participant| {
            participant.name = name;
            participant.metadata = metadata;
            participant.attributes = merged;
        })?;
        Ok(vec![What::ParticipantChanged(changed)])
    }

    /// Takes a participant out, if it is there, with its tracks.
    fn send_out(&mut self, at: LogTime, identity: &Identity, reason: LeaveReason) -> Vec<What> {
        let Some(mut gone) = self.roster.remove(identity) else {
            return Vec::new();
        };
        self.last_left_at = Some(at);
        gone.state = ParticipantState::Disconnected;
        gone.version = gone.version.wrapping_add(1);
        let mut whats: Vec<What> = gone
            .publications
            .values()
            .map(|publication| What::TrackUnpublished(identity.clone(), publication.clone()))
            .collect();
        whats.push(What::ParticipantLeft(gone, reason));
        whats
    }

    fn figures(&self) -> Figures {
        let Tally { participants, publishers, recorders } = self.roster.tally();
        (participants, publishers, recorders > 0)
    }

    /// Says that the room changed if its figures are no longer `before`.
    fn note_figures(&self, before: Figures, whats: &mut Vec<What>) {
        if self.figures() != before {
            whats.push(What::RoomChanged(self.view()));
        }
    }
}

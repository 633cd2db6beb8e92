//! What rooms should do, said in the simplest way: flat lists, no indexes, no events, everything computed on demand.

use alloc::{collections::BTreeMap, vec::Vec};

use proto::{
    grant::Permission,
    id::{Identity, NodeId, ParticipantSid, RoomName, TrackSid},
    media::Source,
    room::{
        Command, Participant, RoomSettings,
        command::{Action, ParticipantAction},
        model::{Audience, TrackAccess},
    },
    time::LogTime,
};

#[derive(Clone, Debug, Default)]
pub(super) struct Reference {
    now: LogTime,
    pub(super) rooms: BTreeMap<RoomName, ReferenceRoom>,
}

#[derive(Clone, Debug)]
pub(super) struct ReferenceRoom {
    settings: RoomSettings,
    empty_since: LogTime,
    visited: bool,
    pub(super) people: Vec<Person>,
}

#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) identity: Identity,
    pub(super) sid: ParticipantSid,
    pub(super) active: bool,
    node: NodeId,
    came_at: LogTime,
    pub(super) counts: bool,
    permission: Permission,
    auto: bool,
    /// Every wish since joining, for tracks that have not ended since.
    wishes: Vec<(TrackSid, bool)>,
    audience: Audience,
    pub(super) tracks: Vec<(TrackSid, Source, bool)>,
}

/// The command is refused.
#[derive(Debug)]
pub(super) struct Refused;

impl Reference {
    pub(super) fn apply(&mut self, at: LogTime, command: &Command) -> Result<(), Refused> {
        self.now = self.now.max(at);
        let now = self.now;
        let known = self.rooms.get_mut(&command.room);
        match (&command.action, known) {
            (Action::Create { .. } | Action::Expire, None) => {
                if let Action::Create { settings, .. } = &command.action {
                    self.rooms.insert(command.room.clone(), ReferenceRoom::new(settings, now));
                }
                Ok(())
            }
            (Action::Join { create: Some(settings), participant, .. }, None) => {
                let mut room = ReferenceRoom::new(settings, now);
                room.join(now, participant)?;
                self.rooms.insert(command.room.clone(), room);
                Ok(())
            }
            (_, None) => Err(Refused),
            (Action::Create { .. }, Some(_)) => Ok(()),
            (Action::Close, Some(_)) => {
                self.rooms.remove(&command.room);
                Ok(())
            }
            (Action::Expire, Some(room)) => {
                if room.expires_at().is_some_and(|due| due <= now) {
                    self.rooms.remove(&command.room);
                }
                Ok(())
            }
            (Action::SetMetadata { metadata }, Some(room)) => {
                room.settings.metadata.clone_from(metadata);
                Ok(())
            }
            (Action::Join { participant, .. }, Some(room)) => room.join(now, participant),
            (Action::Participant { identity, sid, action }, Some(room)) => {
                let is_meant = |person: &Person| {
                    person.identity == *identity && sid.as_ref().is_none_or(|s| *s == person.sid)
                };
                let index = room.people.iter().position(is_meant).ok_or(Refused)?;
                room.act(now, index, action)
            }
            (Action::Lose { node, until }, Some(room)) => {
                let lost = |p: &Person| p.node == *node && p.came_at <= *until;
                while let Some(index) = room.people.iter().position(lost) {
                    room.remove(index);
                    room.empty_since = now;
                }
                Ok(())
            }
        }
    }
}

impl ReferenceRoom {
    fn new(settings: &RoomSettings, now: LogTime) -> Self {
        let settings = settings.clone();
        Self { settings, empty_since: now, visited: false, people: Vec::new() }
    }

    pub(super) fn expires_at(&self) -> Option<LogTime> {
        let RoomSettings { empty_timeout, departure_timeout, .. } = self.settings;
        let after = if self.visited { departure_timeout } else { empty_timeout };
        self.people.is_empty().then(|| self.empty_since + after)
    }

    /// Counted participants, publishers.
    pub(super) fn counts(&self) -> (usize, usize) {
        let publishing = self.people.iter().filter(|person| !person.tracks.is_empty());
        (self.people.iter().filter(|person| person.counts).count(), publishing.count())
    }

    /// Who receives which track.
    pub(super) fn subscriptions(&self) -> Vec<(Identity, TrackSid)> {
        let mut all = Vec::new();
        for subscriber in self.people.iter().filter(|person| person.permission.can_subscribe) {
            for owner in self.people.iter().filter(|owner| owner.identity != subscriber.identity) {
                for (track, ..) in &owner.tracks {
                    let wish = subscriber.wishes.iter().rev().find(|(wished, _)| wished == track);
                    let wanted = wish.map_or(subscriber.auto, |(_, wanted)| *wanted);
                    if wanted && owner.lets(&subscriber.identity, track) {
                        all.push((subscriber.identity.clone(), track.clone()));
                    }
                }
            }
        }
        all.sort();
        all
    }

    fn join(&mut self, now: LogTime, newcomer: &Participant) -> Result<(), Refused> {
        if self.people.iter().any(|p| p.identity == newcomer.identity && p.sid == newcomer.sid) {
            return Ok(());
        }
        let others = self.people.iter().filter(|p| p.identity != newcomer.identity && p.counts);
        let limit = self.settings.participants_max as usize;
        if newcomer.counts() && limit > 0 && others.count() >= limit {
            return Err(Refused);
        }
        if let Some(index) = self.people.iter().position(|p| p.identity == newcomer.identity) {
            self.remove(index);
        }
        self.visited = true;
        self.people.push(Person {
            identity: newcomer.identity.clone(),
            sid: newcomer.sid.clone(),
            active: false,
            node: newcomer.node,
            came_at: now,
            counts: newcomer.counts(),
            permission: newcomer.permission.clone(),
            auto: newcomer.auto_subscribe,
            wishes: Vec::new(),
            audience: newcomer.audience.clone(),
            tracks: Vec::new(),
        });
        Ok(())
    }

    fn act(
        &mut self,
        now: LogTime,
        index: usize,
        action: &ParticipantAction,
    ) -> Result<(), Refused> {
        let taken = |room: &Self, track: &TrackSid| {
            room.people.iter().position(|person| person.tracks.iter().any(|(sid, ..)| sid == track))
        };
        let person = &mut self.people[index];
        match action {
            ParticipantAction::Activate => person.active = true,
            ParticipantAction::Leave { .. } => {
                self.remove(index);
                self.empty_since = now;
            }
            ParticipantAction::Update { by_self, .. } => {
                if *by_self && !person.permission.can_update_metadata {
                    return Err(Refused);
                }
            }
            ParticipantAction::SetPermission { permission } => {
                person.permission = permission.clone();
                person.counts = !permission.hidden && !permission.recorder;
                let ended = person.tracks.iter().filter(|(_, s, _)| !permission.allows_source(*s));
                let ended: Vec<_> = ended.map(|(sid, ..)| sid.clone()).collect();
                ended.iter().for_each(|track| self.end(track));
            }
            ParticipantAction::Publish { publication } => {
                let source = publication.source;
                let allowed = person.permission.allows_source(source);
                match taken(self, &publication.sid) {
                    Some(owner) if owner == index => {}
                    None if allowed => {
                        self.people[index].tracks.push((publication.sid.clone(), source, false));
                    }
                    Some(_) | None => return Err(Refused),
                }
            }
            ParticipantAction::Unpublish { track } => {
                if taken(self, track) != Some(index) {
                    return Err(Refused);
                }
                self.end(track);
            }
            ParticipantAction::SetMuted { track, muted } => {
                let found = person.tracks.iter_mut().find(|(sid, ..)| sid == track);
                found.ok_or(Refused)?.2 = *muted;
            }
            ParticipantAction::UpdateTrack { track, .. } => {
                person.tracks.iter().find(|(sid, ..)| sid == track).ok_or(Refused)?;
            }
            ParticipantAction::SetSubscribed { tracks, subscribed } => {
                if *subscribed && !person.permission.can_subscribe {
                    return Err(Refused);
                }
                person.wishes.extend(tracks.iter().map(|track| (track.clone(), *subscribed)));
            }
            ParticipantAction::SetAudience { audience } => person.audience = audience.clone(),
        }
        Ok(())
    }

    fn remove(&mut self, index: usize) {
        for (track, ..) in self.people[index].tracks.clone() {
            self.end(&track);
        }
        self.people.remove(index);
    }

    fn end(&mut self, track: &TrackSid) {
        for person in &mut self.people {
            person.tracks.retain(|(sid, ..)| sid != track);
            person.wishes.retain(|(sid, _)| sid != track);
        }
    }
}

impl Person {
    fn lets(&self, subscriber: &Identity, track: &TrackSid) -> bool {
        let Audience::Only(named) = &self.audience else {
            return true;
        };
        match named.get(subscriber) {
            Some(TrackAccess::All) => true,
            Some(TrackAccess::Only(tracks)) => tracks.contains(track),
            None => false,
        }
    }
}

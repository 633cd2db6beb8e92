//! The machine of rooms under the simulation.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proto::{
    grant::Permission,
    id::{Identity, RoomName, TrackSid},
    media::{Codec, MediaKind, Source},
    room::{
        Command, Event, LeaveReason, Participant, Publication, Reject, Room, RoomSettings,
        command::{Action, ParticipantAction},
        event::What,
        model::{Audience, TrackAccess},
    },
    time::LogTime,
};
use rooms::Rooms;

use super::{Replicated, Script, Seen};
use crate::{
    dice::Dice,
    fault::{Fault, hold},
};

const ROOMS: u64 = 3;
const PEOPLE: u64 = 6;
const TRACKS: u64 = 8;
const STEP_MS: u64 = 1_500;
/// Clocks of leaders differ: a command may be stamped earlier than the one before.
const BACK_MS: u64 = 1_000;
/// Sometimes people go home: for so many commands they only leave, and what is empty expires.
const QUIET_COMMANDS: u64 = 40;
const QUIET_PERMILLE: u64 = 8;

/// `rooms`.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    rooms: Rooms,
}

impl Replicated for Calls {
    type Command = (LogTime, Command);
    type Outcome = Result<Vec<Event>, Reject>;
    type Script = CallScript;

    fn empty() -> Self {
        Self::default()
    }

    fn apply(&mut self, batch: &[Self::Command]) -> Vec<Self::Outcome> {
        batch.iter().map(|(at, command)| self.rooms.apply(*at, command)).collect()
    }

    fn snapshot(&self) -> Vec<u8> {
        self.rooms.snapshot()
    }

    fn restore(bytes: &[u8]) -> Result<Self, Fault> {
        let rooms = Rooms::restore(bytes).map_err(|error| Fault(error.to_string()))?;
        Ok(Self { rooms })
    }

    /// A state that is put together from its bytes or from its rows was looked over, and is the same.
    fn check(&self) -> Result<(), Fault> {
        let again = Self::restore(&self.rooms.snapshot())?;
        hold(again.rooms == self.rooms, || "restored from its snapshot it differs".into())?;
        let names = self.rooms.rooms().map(|room| room.name);
        let rows: Vec<Vec<u8>> = names.filter_map(|name| self.rooms.row(&name)).collect();
        let again = Rooms::from_rows(self.rooms.at(), rows.iter().map(Vec::as_slice))
            .map_err(|error| Fault(error.to_string()))?;
        hold(again == self.rooms, || "restored from its rows it differs".into())
    }
}

/// People who call each other, and what was said of them.
pub struct CallScript {
    dice: Dice,
    now: u64,
    told: BTreeMap<RoomName, Told>,
    seen: Seen,
    quiet: u64,
}

/// A room as somebody knows it who hears the events only.
struct Told {
    room: Room,
    people: BTreeMap<Identity, Participant>,
}

impl Script<Calls> for CallScript {
    fn new(dice: Dice) -> Self {
        Self { dice, now: 1_700_000_000_000, told: BTreeMap::new(), seen: Seen::new(), quiet: 0 }
    }

    fn next(&mut self) -> (LogTime, Command) {
        self.now += self.dice.below(STEP_MS);
        let at = LogTime(self.now.saturating_sub(self.dice.below(BACK_MS)));
        let room = RoomName::from(format!("room{}", self.dice.below(ROOMS)));
        if self.dice.below(1_000) < QUIET_PERMILLE {
            self.quiet = QUIET_COMMANDS;
        }
        self.quiet = self.quiet.saturating_sub(1);
        let action = if self.quiet > 0 { self.going_home() } else { self.action() };
        (at, Command { room, action })
    }

    fn hear(
        &mut self,
        _: &(LogTime, Command),
        outcome: &Result<Vec<Event>, Reject>,
    ) -> Result<(), Fault> {
        let events = outcome.as_ref().map(Vec::as_slice).unwrap_or_default();
        if outcome.is_err() {
            *self.seen.entry("refused").or_default() += 1;
        }
        events.iter().try_for_each(|event| self.see(event))
    }

    fn seen(&self) -> Seen {
        self.seen.clone()
    }

    fn compare(&mut self, calls: &Calls) -> Result<(), Fault> {
        let rooms = &calls.rooms;
        let open: Vec<Room> = rooms.rooms().collect();
        let told: Vec<Room> = self.told.values().map(|told| told.room.clone()).collect();
        hold(open == told, || format!("open are {open:?}, told {told:?}"))?;
        for (name, told) in &self.told {
            let same = told.people.values().eq(rooms.participants(name));
            hold(same, || format!("{name} holds others than were told"))?;
            let tracks: usize = told.people.values().map(|person| person.publications.len()).sum();
            *self.seen.entry("people in rooms").or_default() += told.people.len() as u64;
            for person in told.people.keys() {
                let received = rooms.subscriptions(name, person).len();
                hold(received <= tracks, || format!("{person} receives more than there is"))?;
            }
        }
        Ok(())
    }
}

impl CallScript {
    fn see(&mut self, Event { room: name, what }: &Event) -> Result<(), Fault> {
        let wrong = || Fault(format!("{name}: {what:?} was not due"));
        *self.seen.entry(name_of(what)).or_default() += 1;
        if let What::RoomOpened(room) = what {
            let told = Told { room: room.clone(), people: BTreeMap::new() };
            return match self.told.insert(name.clone(), told) {
                None => Ok(()),
                Some(_) => Err(wrong()),
            };
        }
        let told = self.told.get_mut(name).ok_or_else(wrong)?;
        let is_due = match what {
            What::RoomChanged(room) => {
                told.room = room.clone();
                true
            }
            What::RoomClosed(..) => {
                let empty = told.people.is_empty();
                self.told.remove(name);
                empty
            }
            What::ParticipantJoined(who) => {
                told.people.insert(who.identity.clone(), who.clone()).is_none()
            }
            What::ParticipantChanged(who) => {
                let old = told.people.insert(who.identity.clone(), who.clone());
                old.is_some_and(|old| who.version > old.version)
            }
            What::ParticipantLeft(who, _) => {
                let old = told.people.remove(&who.identity);
                old.is_some_and(|old| old.sid == who.sid && old.publications.is_empty())
            }
            What::TrackPublished(who, track) => {
                tracks(told, who)?.insert(track.sid.clone(), track.clone()).is_none()
            }
            What::TrackChanged(who, track) => {
                tracks(told, who)?.insert(track.sid.clone(), track.clone()).is_some()
            }
            What::TrackUnpublished(who, track) => tracks(told, who)?.remove(&track.sid).is_some(),
            _ => true,
        };
        if is_due { Ok(()) } else { Err(wrong()) }
    }

    fn action(&mut self) -> Action {
        match self.dice.weighed(&[3, 1, 12, 2, 30, 100]) {
            0 => Action::Create { sid: "RM_1".into(), settings: self.settings() },
            1 => Action::Close,
            2 => Action::Expire,
            3 => Action::SetMetadata { metadata: format!("news{}", self.dice.below(9)) },
            4 => Action::Join {
                room_sid: "RM_2".into(),
                create: self.dice.chance(80).then(|| self.settings()),
                participant: Box::new(self.participant()),
            },
            _ => Action::Participant {
                identity: self.identity(),
                sid: self.dice.chance(10).then(|| format!("PA_{}", self.dice.below(9)).into()),
                action: self.participant_action(),
            },
        }
    }

    fn going_home(&mut self) -> Action {
        if self.dice.chance(30) {
            return Action::Expire;
        }
        let action = ParticipantAction::Leave { reason: LeaveReason::ClientInitiated };
        Action::Participant { identity: self.identity(), sid: None, action }
    }

    fn identity(&mut self) -> Identity {
        format!("person{}", self.dice.below(PEOPLE)).into()
    }

    fn track(&mut self) -> TrackSid {
        format!("TR_{}", self.dice.below(TRACKS)).into()
    }

    fn tracks(&mut self) -> BTreeSet<TrackSid> {
        (0..self.dice.below(4)).map(|_| self.track()).collect()
    }

    fn settings(&mut self) -> RoomSettings {
        RoomSettings {
            empty_timeout: Duration::from_secs(self.dice.below(60)),
            departure_timeout: Duration::from_secs(self.dice.below(20)),
            participants_max: if self.dice.chance(30) { 2 } else { 0 },
            metadata: String::new(),
        }
    }

    fn permission(&mut self) -> Permission {
        Permission {
            can_publish: self.dice.chance(90),
            can_subscribe: self.dice.chance(90),
            hidden: self.dice.chance(10),
            ..Permission::default()
        }
    }

    fn audience(&mut self) -> Audience {
        if self.dice.chance(70) {
            return Audience::All;
        }
        let access = |dice: &mut Self| {
            if dice.dice.chance(50) { TrackAccess::All } else { TrackAccess::Only(dice.tracks()) }
        };
        Audience::Only((0..self.dice.below(4)).map(|_| (self.identity(), access(self))).collect())
    }

    fn participant(&mut self) -> Participant {
        let identity = self.identity();
        Participant {
            permission: self.permission(),
            auto_subscribe: self.dice.chance(70),
            audience: self.audience(),
            ..Participant::new(format!("PA_{}", self.dice.below(9)).into(), identity)
        }
    }

    fn publication(&mut self) -> Publication {
        let kinds = [
            (Source::Camera, MediaKind::Video),
            (Source::Microphone, MediaKind::Audio),
            (Source::ScreenShare, MediaKind::Video),
        ];
        let (source, kind) =
            self.dice.pick(&kinds).copied().unwrap_or((Source::Unknown, MediaKind::Video));
        Publication::new(self.track(), kind, source)
    }

    fn participant_action(&mut self) -> ParticipantAction {
        match self.dice.weighed(&[6, 6, 3, 2, 20, 4, 5, 2, 6, 4]) {
            0 => ParticipantAction::Activate,
            1 => ParticipantAction::Leave { reason: LeaveReason::ClientInitiated },
            2 => ParticipantAction::Update {
                name: Some(format!("name{}", self.dice.below(9))),
                metadata: None,
                attributes: BTreeMap::from([("key".into(), format!("{}", self.dice.below(2)))]),
                by_self: self.dice.chance(50),
            },
            3 => ParticipantAction::SetPermission { permission: self.permission() },
            4 => ParticipantAction::Publish { publication: Box::new(self.publication()) },
            5 => ParticipantAction::Unpublish { track: self.track() },
            6 => ParticipantAction::SetMuted { track: self.track(), muted: self.dice.chance(50) },
            7 => ParticipantAction::UpdateTrack {
                track: self.track(),
                codec: Some(Codec::Vp8),
                encodings: None,
                audio_features: None,
            },
            8 => {
                let subscribed = self.dice.chance(50);
                ParticipantAction::SetSubscribed { tracks: self.tracks(), subscribed }
            }
            _ => ParticipantAction::SetAudience { audience: self.audience() },
        }
    }
}

fn tracks<'a>(
    told: &'a mut Told,
    who: &Identity,
) -> Result<&'a mut BTreeMap<TrackSid, Publication>, Fault> {
    let person = told.people.get_mut(who);
    let absent = || Fault(format!("{who} is not there and has a track"));
    person.map(|person| &mut person.publications).ok_or_else(absent)
}

const fn name_of(what: &What) -> &'static str {
    match what {
        What::RoomOpened(_) => "room opened",
        What::RoomClosed(_, LeaveReason::RoomClosed) => "room expired",
        What::ParticipantLeft(_, LeaveReason::DuplicateIdentity) => "participant replaced",
        What::ParticipantLeft(..) => "participant left",
        What::TrackPublished(..) => "track published",
        What::TrackUnpublished(..) => "track unpublished",
        What::SubscriptionsChanged { .. } => "subscriptions changed",
        _ => "other",
    }
}

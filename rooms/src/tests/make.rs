//! Short ways to write down commands.

use alloc::boxed::Box;

use proto::{
    media::{MediaKind, Source},
    room::{
        Command, Participant, Publication, RoomSettings,
        command::{Action, ParticipantAction},
    },
};

pub(super) fn participant(identity: &str, sid: &str) -> Participant {
    Participant::new(sid.into(), identity.into())
}

pub(super) fn publication(sid: &str, source: Source) -> Publication {
    let kind = match source {
        Source::Microphone | Source::ScreenShareAudio => MediaKind::Audio,
        Source::Unknown | Source::Camera | Source::ScreenShare => MediaKind::Video,
    };
    Publication::new(sid.into(), kind, source)
}

pub(super) fn command(room: &str, action: Action) -> Command {
    Command { room: room.into(), action }
}

pub(super) fn create(settings: RoomSettings) -> Action {
    Action::Create { sid: "RM_1".into(), settings }
}

pub(super) fn join(participant: Participant) -> Action {
    Action::Join {
        room_sid: "RM_1".into(),
        create: Some(RoomSettings::default()),
        participant: Box::new(participant),
    }
}

pub(super) fn of(identity: &str, action: ParticipantAction) -> Action {
    Action::Participant { identity: identity.into(), sid: None, action }
}

pub(super) fn publish(publication: Publication) -> ParticipantAction {
    ParticipantAction::Publish { publication: Box::new(publication) }
}

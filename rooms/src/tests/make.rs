//! Short ways to write down commands.

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};

use proto::{
    grant::{ParticipantKind, Permission},
    id::NodeId,
    media::{MediaKind, Source},
    room::{
        Command, Participant, ParticipantState, Publication, RoomSettings,
        command::{Action, ParticipantAction},
        model::Audience,
    },
    time::LogTime,
};

pub(super) fn participant(identity: &str, sid: &str) -> Participant {
    Participant {
        sid: sid.into(),
        identity: identity.into(),
        name: String::new(),
        metadata: String::new(),
        attributes: BTreeMap::new(),
        kind: ParticipantKind::Standard,
        state: ParticipantState::Joined,
        permission: Permission::default(),
        joined_at: LogTime(0),
        version: 0,
        node: NodeId(0),
        auto_subscribe: true,
        client: proto::room::model::ClientTraits::default(),
        publications: BTreeMap::new(),
        audience: Audience::All,
    }
}

pub(super) fn publication(sid: &str, source: Source) -> Publication {
    let kind = match source {
        Source::Microphone | Source::ScreenShareAudio => MediaKind::Audio,
        Source::Unknown | Source::Camera | Source::ScreenShare => MediaKind::Video,
    };
    Publication {
        sid: sid.into(),
        kind,
        source,
        name: String::new(),
        muted: false,
        codec: None,
        encodings: Vec::new(),
        stream: String::new(),
        stereo: false,
        disable_dtx: false,
        disable_red: false,
        encryption: 0,
        audio_features: Vec::new(),
        backup_codec: None,
    }
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

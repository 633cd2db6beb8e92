//! A story: lines that say what is asked, each followed by `>` lines that say what happens.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::time::Duration;
use std::format;

use proto::{
    grant::{ParticipantKind, Permission},
    id::{Identity, NodeId},
    media::Source,
    room::{
        LeaveReason, Participant, Reject, Room, RoomSettings,
        command::{Action, ParticipantAction},
        event::What,
        model::{Audience, TrackAccess},
    },
    time::LogTime,
};

use super::make;
use crate::Rooms;

/// Tells the story in room `hall` and compares what happened with what it says. Returns the end.
pub(super) fn check(story: &str) -> Rooms {
    let mut rooms = Rooms::new();
    let mut at = LogTime(0);
    let (mut told, mut happened) = (Vec::new(), Vec::new());
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        told.push(String::from(line));
        if line.starts_with('>') {
            continue;
        }
        happened.push(String::from(line));
        if let Some(seconds) = line.strip_prefix("at second ") {
            at = LogTime(seconds.parse::<u64>().unwrap() * 1000);
            continue;
        }
        match rooms.apply(at, &make::command("hall", read(line))) {
            Ok(events) => happened.extend(events.iter().map(|event| write(&event.what))),
            Err(reject) => happened.push(write_refusal(&reject)),
        }
        rooms.check_invariants();
    }
    assert_eq!(happened.join("\n"), told.join("\n"), "\nwhat happened (left) is not what is told");
    rooms
}

fn read(line: &str) -> Action {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["create"] => make::create(RoomSettings::default()),
        ["create", "for", max] => make::create(RoomSettings {
            participants_max: max.parse().unwrap(),
            ..RoomSettings::default()
        }),
        ["create", "keeping", empty, departed] => make::create(RoomSettings {
            empty_timeout: Duration::from_secs(empty.parse().unwrap()),
            departure_timeout: Duration::from_secs(departed.parse().unwrap()),
            ..RoomSettings::default()
        }),
        ["close"] => Action::Close,
        ["expire"] => Action::Expire,
        ["announce", text] => Action::SetMetadata { metadata: text.into() },
        ["node", node, "is", "lost", "at", seconds] => Action::Lose {
            node: NodeId(node.parse().unwrap()),
            until: LogTime(seconds.parse::<u64>().unwrap() * 1000),
        },
        [who, "joins", ref how @ ..] => read_join(who, how),
        [who, "of", sid, ref what @ ..] => Action::Participant {
            identity: who.into(),
            sid: Some(sid.into()),
            action: read_participant(what),
        },
        [who, ref what @ ..] => make::of(who, read_participant(what)),
        [] => panic!("an empty line"),
    }
}

fn read_join(who: &str, how: &[&str]) -> Action {
    let mut participant = make::participant(who, &format!("PA_{who}"));
    let mut create = Some(RoomSettings::default());
    for word in how {
        match *word {
            "hidden" => participant.permission.hidden = true,
            "recording" => participant.permission.recorder = true,
            "agent" => participant.kind = ParticipantKind::Agent,
            "egress" => participant.kind = ParticipantKind::Egress,
            "choosing" => participant.auto_subscribe = false,
            "trusted" => participant.permission.can_update_metadata = true,
            "existing" => create = None,
            "through-7" => participant.node = NodeId(7),
            sid => participant.sid = sid.into(),
        }
    }
    Action::Join { room_sid: "RM_1".into(), create, participant: Box::new(participant) }
}

fn read_participant(what: &[&str]) -> ParticipantAction {
    let set = |tracks: &[&str]| tracks.iter().map(|track| (*track).into()).collect();
    match *what {
        ["activates"] => ParticipantAction::Activate,
        ["leaves"] => ParticipantAction::Leave { reason: LeaveReason::ClientInitiated },
        ["publishes", source, track] => {
            make::publish(make::publication(track, read_source(source)))
        }
        ["unpublishes", track] => ParticipantAction::Unpublish { track: track.into() },
        ["mutes", track] => ParticipantAction::SetMuted { track: track.into(), muted: true },
        ["unmutes", track] => ParticipantAction::SetMuted { track: track.into(), muted: false },
        ["subscribes", ref tracks @ ..] => {
            ParticipantAction::SetSubscribed { tracks: set(tracks), subscribed: true }
        }
        ["unsubscribes", ref tracks @ ..] => {
            ParticipantAction::SetSubscribed { tracks: set(tracks), subscribed: false }
        }
        ["admits", ref whom @ ..] => {
            ParticipantAction::SetAudience { audience: read_audience(whom) }
        }
        ["may", ref rights @ ..] => {
            ParticipantAction::SetPermission { permission: read_permission(rights) }
        }
        ["sets", key, value] => read_update(&[(key, value)], true),
        ["unsets", key] => read_update(&[(key, "")], true),
        ["is", "given", key, value] => read_update(&[(key, value)], false),
        _ => panic!("not a sentence: {what:?}"),
    }
}

fn read_update(pairs: &[(&str, &str)], by_self: bool) -> ParticipantAction {
    let attributes = pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    ParticipantAction::Update { name: None, metadata: None, attributes, by_self }
}

fn read_source(word: &str) -> Source {
    match word {
        "camera" => Source::Camera,
        "microphone" => Source::Microphone,
        "screen" => Source::ScreenShare,
        _ => panic!("not a source: {word}"),
    }
}

/// `all`, `nobody`, or names; `bob:TR_1` admits to one track.
fn read_audience(whom: &[&str]) -> Audience {
    if whom == ["all"] {
        return Audience::All;
    }
    let mut named: BTreeMap<Identity, TrackAccess> = BTreeMap::new();
    for word in whom.iter().filter(|word| **word != "nobody") {
        let access = |track: &str| TrackAccess::Only(BTreeSet::from([track.into()]));
        let (who, access) = match word.split_once(':') {
            Some((who, track)) => (who, access(track)),
            None => (*word, TrackAccess::All),
        };
        named.insert(who.into(), access);
    }
    Audience::Only(named)
}

/// Of `publish`, `subscribe`, `update`, `hide` and sources; what is not named is not allowed.
fn read_permission(rights: &[&str]) -> Permission {
    let mut permission =
        Permission { can_publish: false, can_subscribe: false, ..Permission::default() };
    for right in rights {
        match *right {
            "publish" => permission.can_publish = true,
            "subscribe" => permission.can_subscribe = true,
            "update" => permission.can_update_metadata = true,
            "hide" => permission.hidden = true,
            source => {
                permission.can_publish = true;
                permission.publish_sources.insert(read_source(source));
            }
        }
    }
    permission
}

fn write(what: &What) -> String {
    match what {
        What::RoomOpened(_) => "> the room opens".into(),
        What::RoomChanged(room) => write_room(room),
        What::RoomClosed(_, reason) => format!("> the room closes: {reason:?}"),
        What::ParticipantJoined(who) => format!("> {} {} is in", who.identity, who.sid),
        What::ParticipantChanged(who) => write_participant(who),
        What::ParticipantLeft(who, why) => format!("> {} {} left: {why:?}", who.identity, who.sid),
        What::TrackPublished(who, track) => format!("> {who} has {}", track.sid),
        What::TrackChanged(who, track) => {
            format!("> {who} has {}{}", track.sid, if track.muted { " muted" } else { " changed" })
        }
        What::TrackUnpublished(who, track) => format!("> {who} has {} no more", track.sid),
        What::SubscriptionsChanged { subscriber, tracks } if tracks.is_empty() => {
            format!("> {subscriber} receives anew")
        }
        What::SubscriptionsChanged { subscriber, tracks } => {
            format!("> {subscriber} receives anew {tracks:?}")
        }
        What::AccessChanged { publisher, subscriber, track, allowed } => {
            let verb = if *allowed { "admits" } else { "refuses" };
            format!("> {publisher} {verb} {subscriber} to {track}")
        }
    }
}

fn write_room(room: &Room) -> String {
    let recording = if room.recording { ", recording" } else { "" };
    let metadata = &room.settings.metadata;
    let says = if metadata.is_empty() { String::new() } else { format!(", says {metadata}") };
    format!("> {} in, {} publishing{recording}{says}", room.participants, room.publishers)
}

fn write_participant(who: &Participant) -> String {
    let mut text = format!("> {} v{} {:?}", who.identity, who.version, who.state);
    for (key, value) in &who.attributes {
        text.push_str(&format!(" {key}={value}"));
    }
    text
}

fn write_refusal(reject: &Reject) -> String {
    format!("> refused: {reject}")
}

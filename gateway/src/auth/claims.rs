//! The claims of an access token as written, and what they mean after defaults.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proto::{
    grant::{Grant, ParticipantKind, Permission},
    id::{Identity, RoomName},
    media::Source,
    room::RoomSettings,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The claim set as it travels. Claims that are not named here survive in `other`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Token {
    /// The API key that issued it; set by [`super::Keys::sign`].
    pub iss: String,
    /// The identity.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sub: String,
    /// The identity, where `sub` is empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jti: String,
    /// Not valid after this time, in seconds since the Unix epoch. Required to be accepted.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "seconds")]
    pub exp: Option<u64>,
    /// Not valid before this time, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "seconds")]
    pub nbf: Option<u64>,
    /// Display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Application data shown to all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// Application key-value data shown to all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<BTreeMap<String, String>>,
    /// Kind of participant: standard, ingress, egress, sip, agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Base64 of the SHA-256 of the body that travels with the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What the room is opened with, if this participant opens it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_config: Option<RoomConfig>,
    /// Rights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoGrant>,
    /// Everything else, kept as it was.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// The `video` claim: rights in rooms. Absent is not the same as false.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VideoGrant {
    /// May join the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_join: Option<bool>,
    /// May create and delete rooms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_create: Option<bool>,
    /// May list rooms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_list: Option<bool>,
    /// May record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_record: Option<bool>,
    /// May moderate the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_admin: Option<bool>,
    /// The room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// Where participants may be moved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_room: Option<String>,
    /// May publish; absent: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish: Option<bool>,
    /// May subscribe; absent: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe: Option<bool>,
    /// May send data; absent: as `can_publish`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_data: Option<bool>,
    /// Names of sources that may be published; empty or absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_sources: Option<Vec<String>>,
    /// May change its own name, metadata and attributes; absent: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_update_own_metadata: Option<bool>,
    /// Is not shown to others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// Everything else, kept as it was (`recorder` and `agent` among it are read).
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// The `roomConfig` claim, as far as it is honoured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoomConfig {
    /// Closes when nobody came for so many seconds.
    #[serde(skip_serializing_if = "Option::is_none", alias = "empty_timeout")]
    pub empty_timeout: Option<u32>,
    /// Closes when everybody has been gone for so many seconds.
    #[serde(skip_serializing_if = "Option::is_none", alias = "departure_timeout")]
    pub departure_timeout: Option<u32>,
    /// Most participants.
    #[serde(skip_serializing_if = "Option::is_none", alias = "max_participants")]
    pub max_participants: Option<u32>,
    /// Application data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// Everything else, kept as it was.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// What a checked token means.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// The API key that issued it.
    pub key: String,
    /// Who it was issued to, if anybody.
    pub identity: Option<Identity>,
    /// Rights and description, defaults filled in.
    pub grant: Grant,
    /// When it stops being valid, in seconds since the Unix epoch.
    pub expires_at_s: u64,
    /// Base64 of the SHA-256 of a body, for webhooks.
    pub sha256: Option<String>,
    /// As it was written, for tokens derived from it.
    pub token: Token,
}

impl Claims {
    /// The meaning of a token whose signature was checked.
    #[must_use]
    pub fn new(key: String, expires_at_s: u64, token: Token) -> Self {
        let name = if token.sub.is_empty() { &token.jti } else { &token.sub };
        Self {
            key,
            identity: (!name.is_empty()).then(|| Identity::from(name.as_str())),
            grant: token.grant(),
            expires_at_s,
            sha256: token.sha256.clone(),
            token,
        }
    }

    /// What a room opened by this token is created with, over `defaults`; `None` when the token says nothing.
    #[must_use]
    pub fn room_settings(&self, defaults: &RoomSettings) -> Option<RoomSettings> {
        let config = self.token.room_config.as_ref()?;
        let seconds = |value: Option<u32>, or: Duration| {
            value.filter(|s| *s > 0).map_or(or, |s| Duration::from_secs(s.into()))
        };
        Some(RoomSettings {
            empty_timeout: seconds(config.empty_timeout, defaults.empty_timeout),
            departure_timeout: seconds(config.departure_timeout, defaults.departure_timeout),
            participants_max: config
                .max_participants
                .filter(|max| *max > 0)
                .unwrap_or(defaults.participants_max),
            metadata: config.metadata.clone().unwrap_or_else(|| defaults.metadata.clone()),
        })
    }
}

impl Token {
    /// A token for `identity` to join `room`, valid until `exp` (seconds since the Unix epoch).
    #[must_use]
    pub fn join(identity: &str, room: &str, exp: u64) -> Self {
        Self {
            sub: identity.to_owned(),
            exp: Some(exp),
            video: Some(VideoGrant {
                room_join: Some(true),
                room: Some(room.to_owned()),
                ..VideoGrant::default()
            }),
            ..Self::default()
        }
    }

    /// This token with the rights and description a participant has now, valid until `exp`.
    #[must_use]
    pub fn refreshed(&self, permission: &Permission, exp: u64) -> Self {
        let video = self.video.clone().unwrap_or_default();
        let sources = permission.publish_sources.iter().map(|s| source_name(*s).to_owned());
        Self {
            exp: Some(exp),
            nbf: None,
            video: Some(VideoGrant {
                can_publish: Some(permission.can_publish),
                can_subscribe: Some(permission.can_subscribe),
                can_publish_data: Some(permission.can_publish_data),
                can_publish_sources: (!permission.publish_sources.is_empty())
                    .then(|| sources.collect()),
                can_update_own_metadata: Some(permission.can_update_metadata),
                hidden: permission.hidden.then_some(true),
                ..video
            }),
            ..self.clone()
        }
    }

    /// Rights and description, defaults filled in.
    #[must_use]
    pub fn grant(&self) -> Grant {
        let none = VideoGrant::default();
        let video = self.video.as_ref().unwrap_or(&none);
        let room = |name: &Option<String>| {
            name.as_deref().filter(|name| !name.is_empty()).map(RoomName::from)
        };
        Grant {
            room_join: video.room_join.unwrap_or(false),
            room_create: video.room_create.unwrap_or(false),
            room_list: video.room_list.unwrap_or(false),
            room_admin: video.room_admin.unwrap_or(false),
            room_record: video.room_record.unwrap_or(false),
            room: room(&video.room),
            destination_room: room(&video.destination_room),
            permission: video.permission(),
            kind: kind_from_name(self.kind.as_deref().unwrap_or_default(), video.flag("agent")),
            name: self.name.clone().unwrap_or_default(),
            metadata: self.metadata.clone().unwrap_or_default(),
            attributes: self.attributes.clone().unwrap_or_default(),
        }
    }
}

impl VideoGrant {
    /// Rights inside the room, defaults filled in.
    #[must_use]
    pub fn permission(&self) -> Permission {
        let can_publish = self.can_publish.unwrap_or(true);
        let sources = self.can_publish_sources.as_deref().unwrap_or_default();
        Permission {
            can_publish,
            can_subscribe: self.can_subscribe.unwrap_or(true),
            can_publish_data: self.can_publish_data.unwrap_or(can_publish),
            publish_sources: sources
                .iter()
                .map(|name| source_from_name(name))
                .collect::<BTreeSet<Source>>(),
            can_update_metadata: self.can_update_own_metadata.unwrap_or(false),
            hidden: self.hidden.unwrap_or(false),
            recorder: self.flag("recorder"),
        }
    }

    fn flag(&self, name: &str) -> bool {
        self.other.get(name).and_then(Value::as_bool).unwrap_or(false)
    }
}

/// An unknown name stays in the set as [`Source::Unknown`], so that it never widens an empty set to all.
fn source_from_name(name: &str) -> Source {
    match name.to_ascii_lowercase().as_str() {
        "camera" => Source::Camera,
        "microphone" => Source::Microphone,
        "screen_share" => Source::ScreenShare,
        "screen_share_audio" => Source::ScreenShareAudio,
        _ => Source::Unknown,
    }
}

const fn source_name(source: Source) -> &'static str {
    match source {
        Source::Unknown => "unknown",
        Source::Camera => "camera",
        Source::Microphone => "microphone",
        Source::ScreenShare => "screen_share",
        Source::ScreenShareAudio => "screen_share_audio",
    }
}

fn kind_from_name(name: &str, agent: bool) -> ParticipantKind {
    match name.to_ascii_lowercase().as_str() {
        "ingress" => ParticipantKind::Ingress,
        "egress" => ParticipantKind::Egress,
        "sip" => ParticipantKind::Sip,
        "agent" => ParticipantKind::Agent,
        _ if agent => ParticipantKind::Agent,
        _ => ParticipantKind::Standard,
    }
}

/// Reads a NumericDate (RFC 7519 section 2), which may have a fraction.
fn seconds<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    let number = Option::<f64>::deserialize(input)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, NaN is 0"
    )]
    Ok(number.map(|seconds| seconds as u64))
}

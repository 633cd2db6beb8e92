//! Our nouns as messages of the room dialect, and back.

use livekit_protocol as pb;
use proto::{
    grant::{ParticipantKind, Permission},
    media::{Codec, ConnectionQuality, Delivery, Encoding, MediaKind, Quality, Source},
    room::{LeaveReason, Participant, ParticipantState, Publication, Room},
    unit::Bitrate,
};

/// A room. `enabled_codecs` is left empty.
pub(crate) fn room(room: &Room) -> pb::Room {
    pb::Room {
        sid: room.sid.to_string(),
        name: room.name.to_string(),
        empty_timeout: seconds(room.settings.empty_timeout),
        departure_timeout: seconds(room.settings.departure_timeout),
        max_participants: room.settings.participants_max,
        creation_time: signed(room.created_at.as_secs()),
        creation_time_ms: signed(room.created_at.0),
        metadata: room.settings.metadata.clone(),
        num_participants: room.participants,
        num_publishers: room.publishers,
        active_recording: room.recording,
        ..pb::Room::default()
    }
}

/// A participant with its tracks.
pub(crate) fn participant_info(participant: &Participant) -> pb::ParticipantInfo {
    pb::ParticipantInfo {
        sid: participant.sid.to_string(),
        identity: participant.identity.to_string(),
        state: participant_state(participant.state).into(),
        tracks: participant.publications.values().map(track_info).collect(),
        metadata: participant.metadata.clone(),
        joined_at: signed(participant.joined_at.as_secs()),
        joined_at_ms: signed(participant.joined_at.0),
        name: participant.name.clone(),
        version: participant.version,
        permission: Some(permission(&participant.permission)),
        is_publisher: !participant.publications.is_empty(),
        kind: participant_kind(participant.kind).into(),
        attributes: participant.attributes.clone().into_iter().collect(),
        client_protocol: participant.client.protocol,
        capabilities: participant.client.capabilities.clone(),
        ..pb::ParticipantInfo::default()
    }
}

/// A track.
#[expect(deprecated, reason = "clients below protocol 17 read the deprecated fields")]
pub(crate) fn track_info(publication: &Publication) -> pb::TrackInfo {
    let layers = video_layers(&publication.encodings);
    let largest = publication.encodings.iter().max_by_key(|e| e.width.max(e.height));
    let codecs = publication.codec.into_iter().chain(publication.backup_codec);
    pb::TrackInfo {
        sid: publication.sid.to_string(),
        r#type: track_type(publication.kind).into(),
        name: publication.name.clone(),
        muted: publication.muted,
        width: largest.map_or(0, |e| e.width),
        height: largest.map_or(0, |e| e.height),
        simulcast: publication.encodings.len() > 1,
        disable_dtx: publication.disable_dtx,
        source: track_source(publication.source).into(),
        mime_type: publication.codec.map(Codec::mime).unwrap_or_default().to_owned(),
        codecs: codecs
            .map(|codec| pb::SimulcastCodecInfo {
                mime_type: codec.mime().to_owned(),
                layers: layers.clone(),
                ..pb::SimulcastCodecInfo::default()
            })
            .collect(),
        layers,
        stereo: publication.stereo,
        disable_red: publication.disable_red,
        encryption: publication.encryption,
        stream: publication.stream.clone(),
        audio_features: publication.audio_features.clone(),
        ..pb::TrackInfo::default()
    }
}

/// Encodings as video layers. The only one of a track without simulcast is called HIGH and has no rid, as clients do.
pub(crate) fn video_layers(encodings: &[Encoding]) -> Vec<pb::VideoLayer> {
    let mut layers: Vec<_> = encodings.iter().map(video_layer).collect();
    if let [only] = layers.as_mut_slice() {
        only.quality = pb::VideoQuality::High.into();
        only.rid.clear();
    }
    layers
}

fn video_layer(encoding: &Encoding) -> pb::VideoLayer {
    let (rid, spatial_layer) = match encoding.quality {
        Quality::Low => ("q", 0),
        Quality::Medium => ("h", 1),
        Quality::High => ("f", 2),
    };
    pb::VideoLayer {
        quality: video_quality(encoding.quality).into(),
        width: encoding.width,
        height: encoding.height,
        bitrate: u32::try_from(encoding.bitrate.as_bps()).unwrap_or(u32::MAX),
        spatial_layer,
        rid: rid.to_owned(),
        ..pb::VideoLayer::default()
    }
}

/// Encodings from announced layers: ordered by quality, each at most once, `OFF` dropped.
pub(crate) fn encodings(layers: &[pb::VideoLayer]) -> Vec<Encoding> {
    let mut encodings: Vec<Encoding> = layers
        .iter()
        .filter_map(|layer| {
            Some(Encoding {
                quality: quality(layer.quality)?,
                width: layer.width,
                height: layer.height,
                bitrate: Bitrate::from_bps(layer.bitrate.into()),
            })
        })
        .collect();
    encodings.sort_by_key(|encoding| encoding.quality);
    encodings.dedup_by_key(|encoding| encoding.quality);
    encodings
}

/// Rights of a participant.
#[expect(deprecated, reason = "clients still read `recorder`")]
pub(crate) fn permission(permission: &Permission) -> pb::ParticipantPermission {
    pb::ParticipantPermission {
        can_subscribe: permission.can_subscribe,
        can_publish: permission.can_publish,
        can_publish_data: permission.can_publish_data,
        can_publish_sources: permission
            .publish_sources
            .iter()
            .map(|source| track_source(*source).into())
            .collect(),
        hidden: permission.hidden,
        recorder: permission.recorder,
        can_update_metadata: permission.can_update_metadata,
        ..pb::ParticipantPermission::default()
    }
}

/// Rights as a moderator sets them.
#[expect(deprecated, reason = "server SDKs still write `recorder`")]
pub(crate) fn permission_from(permission: &pb::ParticipantPermission) -> Permission {
    Permission {
        can_publish: permission.can_publish,
        can_subscribe: permission.can_subscribe,
        can_publish_data: permission.can_publish_data,
        publish_sources: permission.can_publish_sources.iter().map(|s| source(*s)).collect(),
        can_update_metadata: permission.can_update_metadata,
        hidden: permission.hidden,
        recorder: permission.recorder,
    }
}

/// Why a participant left.
pub(crate) const fn disconnect_reason(reason: LeaveReason) -> pb::DisconnectReason {
    match reason {
        LeaveReason::ClientInitiated => pb::DisconnectReason::ClientInitiated,
        LeaveReason::DuplicateIdentity => pb::DisconnectReason::DuplicateIdentity,
        LeaveReason::ServerShutdown => pb::DisconnectReason::ServerShutdown,
        LeaveReason::Removed => pb::DisconnectReason::ParticipantRemoved,
        LeaveReason::RoomDeleted => pb::DisconnectReason::RoomDeleted,
        LeaveReason::RoomClosed => pb::DisconnectReason::RoomClosed,
        LeaveReason::SignalLost | LeaveReason::NodeLost => pb::DisconnectReason::SignalClose,
        LeaveReason::MediaFailed => pb::DisconnectReason::MediaFailure,
        LeaveReason::Moved => pb::DisconnectReason::Migration,
    }
}

/// The kind of a participant.
pub(crate) const fn participant_kind(kind: ParticipantKind) -> pb::participant_info::Kind {
    match kind {
        ParticipantKind::Standard => pb::participant_info::Kind::Standard,
        ParticipantKind::Ingress => pb::participant_info::Kind::Ingress,
        ParticipantKind::Egress => pb::participant_info::Kind::Egress,
        ParticipantKind::Sip => pb::participant_info::Kind::Sip,
        ParticipantKind::Agent => pb::participant_info::Kind::Agent,
    }
}

/// How far a participant's connection has come.
pub(crate) const fn participant_state(state: ParticipantState) -> pb::participant_info::State {
    match state {
        ParticipantState::Joined => pb::participant_info::State::Joined,
        ParticipantState::Active => pb::participant_info::State::Active,
        ParticipantState::Disconnected => pb::participant_info::State::Disconnected,
    }
}

/// Where a track comes from.
pub(crate) const fn track_source(source: Source) -> pb::TrackSource {
    match source {
        Source::Unknown => pb::TrackSource::Unknown,
        Source::Camera => pb::TrackSource::Camera,
        Source::Microphone => pb::TrackSource::Microphone,
        Source::ScreenShare => pb::TrackSource::ScreenShare,
        Source::ScreenShareAudio => pb::TrackSource::ScreenShareAudio,
    }
}

/// Where a track comes from; unknown numbers are [`Source::Unknown`].
pub(crate) fn source(source: i32) -> Source {
    match pb::TrackSource::try_from(source) {
        Ok(pb::TrackSource::Camera) => Source::Camera,
        Ok(pb::TrackSource::Microphone) => Source::Microphone,
        Ok(pb::TrackSource::ScreenShare) => Source::ScreenShare,
        Ok(pb::TrackSource::ScreenShareAudio) => Source::ScreenShareAudio,
        Ok(pb::TrackSource::Unknown) | Err(_) => Source::Unknown,
    }
}

/// What a track carries.
pub(crate) const fn track_type(kind: MediaKind) -> pb::TrackType {
    match kind {
        MediaKind::Audio => pb::TrackType::Audio,
        MediaKind::Video => pb::TrackType::Video,
    }
}

/// What a track carries; `None` for data and unknown numbers.
pub(crate) fn media_kind(kind: i32) -> Option<MediaKind> {
    match pb::TrackType::try_from(kind) {
        Ok(pb::TrackType::Audio) => Some(MediaKind::Audio),
        Ok(pb::TrackType::Video) => Some(MediaKind::Video),
        Ok(pb::TrackType::Data) | Err(_) => None,
    }
}

/// A quality.
pub(crate) const fn video_quality(quality: Quality) -> pb::VideoQuality {
    match quality {
        Quality::Low => pb::VideoQuality::Low,
        Quality::Medium => pb::VideoQuality::Medium,
        Quality::High => pb::VideoQuality::High,
    }
}

/// A quality; `None` for `OFF` and unknown numbers.
pub(crate) fn quality(quality: i32) -> Option<Quality> {
    match pb::VideoQuality::try_from(quality) {
        Ok(pb::VideoQuality::Low) => Some(Quality::Low),
        Ok(pb::VideoQuality::Medium) => Some(Quality::Medium),
        Ok(pb::VideoQuality::High) => Some(Quality::High),
        Ok(pb::VideoQuality::Off) | Err(_) => None,
    }
}

/// How good a connection is.
pub(crate) const fn connection_quality(quality: ConnectionQuality) -> pb::ConnectionQuality {
    match quality {
        ConnectionQuality::Lost => pb::ConnectionQuality::Lost,
        ConnectionQuality::Poor => pb::ConnectionQuality::Poor,
        ConnectionQuality::Good => pb::ConnectionQuality::Good,
        ConnectionQuality::Excellent => pb::ConnectionQuality::Excellent,
    }
}

/// How data travels.
pub(crate) const fn data_kind(delivery: Delivery) -> pb::data_packet::Kind {
    match delivery {
        Delivery::Reliable => pb::data_packet::Kind::Reliable,
        Delivery::Lossy => pb::data_packet::Kind::Lossy,
    }
}

/// How data travels; unknown numbers are reliable.
pub(crate) fn delivery(kind: i32) -> Delivery {
    match pb::data_packet::Kind::try_from(kind) {
        Ok(pb::data_packet::Kind::Lossy) => Delivery::Lossy,
        Ok(pb::data_packet::Kind::Reliable) | Err(_) => Delivery::Reliable,
    }
}

/// Codecs as clients are told which they may publish with.
pub(crate) fn codec_list(codecs: &[Codec]) -> Vec<pb::Codec> {
    codecs
        .iter()
        .map(|codec| pb::Codec { mime: codec.mime().to_owned(), fmtp_line: String::new() })
        .collect()
}

/// A codec's short name in dynacast messages, such as `vp8`.
pub(crate) fn codec_name(codec: Codec) -> String {
    codec.mime().rsplit('/').next().unwrap_or_default().to_ascii_lowercase()
}

fn seconds(time: std::time::Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

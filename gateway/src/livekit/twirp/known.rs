//! Takes out of messages the enum numbers that we do not know. The binary form carries them, the JSON form cannot.

use livekit_protocol as pb;

/// A participant without unknown numbers.
pub(crate) fn participant(mut info: pb::ParticipantInfo) -> pb::ParticipantInfo {
    info.capabilities.retain(|n| pb::client_info::Capability::try_from(*n).is_ok());
    info.tracks = info.tracks.into_iter().map(track).collect();
    info
}

/// A track without unknown numbers.
pub(crate) fn track(mut info: pb::TrackInfo) -> pb::TrackInfo {
    info.audio_features.retain(|n| pb::AudioTrackFeature::try_from(*n).is_ok());
    if pb::encryption::Type::try_from(info.encryption).is_err() {
        info.encryption = pb::encryption::Type::Custom.into();
    }
    info
}

//! The bounds of the replicated state, and the checks that keep commands within them.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use proto::{
    media::{Encoding, Quality},
    room::{
        Reject, RoomSettings,
        model::{
            ATTRIBUTES_BYTES_MAX, Audience, METADATA_BYTES_MAX, NAME_BYTES_MAX, PARTICIPANTS_MAX,
            Participant, Publication, TrackAccess,
        },
    },
};

/// Most rooms open at once. Bounds the log's state: an empty room costs about half a kilobyte.
pub const ROOMS_MAX: usize = 100_000;
/// Most sessions in a room, those that do not count towards its size included.
pub const MEMBERS_MAX: usize = 2 * PARTICIPANTS_MAX as usize;
/// Most tracks whose subscription a participant holds against its `auto_subscribe`. Nobody decodes as many.
pub const EXCEPTIONS_MAX: usize = 4_096;
/// Most identities and tracks, together, that an audience names. More than a full room of participants.
pub const AUDIENCE_ENTRIES_MAX: usize = 16_384;
/// Most opaque numbers in one list of a participant or publication (capabilities, audio features).
pub const OPAQUE_NUMBERS_MAX: usize = 64;
/// Most encodings of a publication: one for each [`Quality`].
pub const ENCODINGS_MAX: usize = Quality::ALL.len();

/// Checks a room name, identity or sid: 1..=[`NAME_BYTES_MAX`] bytes.
pub(crate) fn check_id(text: &str) -> Result<(), Reject> {
    if text.is_empty() {
        return Err(Reject::NameLength { bytes: 0, limit: NAME_BYTES_MAX });
    }
    check_label(text)
}

/// Checks a name for display, which may be empty: 0..=[`NAME_BYTES_MAX`] bytes.
pub(crate) fn check_label(text: &str) -> Result<(), Reject> {
    if text.len() > NAME_BYTES_MAX {
        return Err(Reject::NameLength { bytes: text.len(), limit: NAME_BYTES_MAX });
    }
    Ok(())
}

/// Checks the metadata of a room or participant.
pub(crate) fn check_metadata(metadata: &str) -> Result<(), Reject> {
    check_size(metadata.len(), METADATA_BYTES_MAX)
}

/// Checks the attributes of a participant, keys and values together.
pub(crate) fn check_attributes(attributes: &BTreeMap<String, String>) -> Result<(), Reject> {
    let bytes = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
    check_size(bytes, ATTRIBUTES_BYTES_MAX)
}

/// Checks the length of a list.
pub(crate) fn check_list(entries: usize, limit: usize) -> Result<(), Reject> {
    if entries > limit { Err(Reject::ListTooLong { entries, limit }) } else { Ok(()) }
}

/// Checks what a room would be opened with.
pub(crate) fn check_settings(settings: &RoomSettings) -> Result<(), Reject> {
    check_metadata(&settings.metadata)
}

/// Checks a newcomer.
pub(crate) fn check_participant(newcomer: &Participant) -> Result<(), Reject> {
    check_id(newcomer.sid.as_str())?;
    check_id(newcomer.identity.as_str())?;
    check_label(&newcomer.name)?;
    check_metadata(&newcomer.metadata)?;
    check_attributes(&newcomer.attributes)?;
    check_list(newcomer.client.capabilities.len(), OPAQUE_NUMBERS_MAX)?;
    check_audience(&newcomer.audience)
}

/// Checks a new publication.
pub(crate) fn check_publication(publication: &Publication) -> Result<(), Reject> {
    check_id(publication.sid.as_str())?;
    check_label(&publication.name)?;
    check_label(&publication.stream)?;
    check_list(publication.encodings.len(), ENCODINGS_MAX)?;
    check_list(publication.audio_features.len(), OPAQUE_NUMBERS_MAX)
}

/// Checks an audience: how much it names, and how long the names are.
pub(crate) fn check_audience(audience: &Audience) -> Result<(), Reject> {
    let Audience::Only(named) = audience else {
        return Ok(());
    };
    let mut entries = named.len();
    for (identity, access) in named {
        check_id(identity.as_str())?;
        if let TrackAccess::Only(tracks) = access {
            entries += tracks.len();
            tracks.iter().try_for_each(|track| check_id(track.as_str()))?;
        }
    }
    check_list(entries, AUDIENCE_ENTRIES_MAX)
}

/// Orders encodings by size and keeps the first of each, as [`Publication::encodings`] promises.
pub(crate) fn in_order(mut encodings: Vec<Encoding>) -> Vec<Encoding> {
    encodings.sort_by_key(|encoding| encoding.quality);
    encodings.dedup_by_key(|encoding| encoding.quality);
    encodings
}

fn check_size(bytes: usize, limit: usize) -> Result<(), Reject> {
    if bytes > limit { Err(Reject::MetadataTooLarge { bytes, limit }) } else { Ok(()) }
}

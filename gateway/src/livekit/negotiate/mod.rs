//! Which sending section of an offer belongs to which announced track. Pure.
//!
//! Announcements and offers come in any order, and browsers change track ids; the rules are those of the dialect's
//! reference server: the id in the section decides, then an id of one of the codecs, then what the section carried
//! before, then the first announced track of that kind that no section names.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use livekit_protocol as pb;
use proto::{
    id::TrackSid,
    media::{Codec, Encoding, MediaKind, Mid, Quality},
    room::{Publication, model::NAME_BYTES_MAX},
};

use super::{convert, sdp::Sending};
use crate::node::PublishIntent;

#[cfg(test)]
mod tests;

/// Most tracks a client may announce without sending them.
pub const PENDING_MAX: usize = 20;
/// Most announcements that may wait for an earlier track of the same id to end.
pub const QUEUED_MAX: usize = 3;
/// Most codecs one announcement may name.
const CODECS_MAX: usize = 8;

/// What becomes of an announcement.
#[derive(Clone, Debug)]
pub enum Announced {
    /// It goes to the node.
    Publish(Box<PublishIntent>),
    /// It waits until the earlier track of the same id has ended.
    Queued,
    /// Too many are waiting.
    LimitExceeded,
    /// Tracks of this type are not announced this way.
    Unsupported,
    /// A required part is missing or too long.
    Invalid,
}

/// Tracks that a session publishes or is about to, by the client's ids.
#[derive(Debug, Default)]
pub struct Uplink {
    codecs: Vec<Codec>,
    tracks: BTreeMap<String, Track>,
    sections: BTreeMap<Mid, String>,
    announced: u64,
}

#[derive(Debug)]
struct Track {
    /// Position in the order of announcements.
    order: u64,
    request: pb::AddTrackRequest,
    kind: MediaKind,
    /// Ids of its codecs, where they differ from its own.
    aliases: Vec<String>,
    sid: Option<TrackSid>,
    codec: Option<Codec>,
    offered: bool,
    queue: VecDeque<pb::AddTrackRequest>,
}

impl Uplink {
    /// Nothing published; `codecs` may be.
    #[must_use]
    pub fn new(codecs: Vec<Codec>) -> Self {
        Self { codecs, ..Self::default() }
    }

    /// Takes an announcement.
    pub fn announce(&mut self, request: pb::AddTrackRequest) -> Announced {
        let Some(kind) = convert::media_kind(request.r#type) else {
            return Announced::Unsupported;
        };
        if !is_valid(&request) {
            return Announced::Invalid;
        }
        if let Some(track) = self.tracks.get_mut(&request.cid) {
            if track.queue.len() >= QUEUED_MAX {
                return Announced::LimitExceeded;
            }
            track.queue.push_back(request);
            return Announced::Queued;
        }
        if self.tracks.values().filter(|track| !track.offered).count() >= PENDING_MAX {
            return Announced::LimitExceeded;
        }
        Announced::Publish(Box::new(self.insert(request, kind, VecDeque::new())))
    }

    /// Takes the sending sections of an offer. Returns what the node is told of them, and announcements whose turn
    /// has come because an earlier track of their id is no longer sent.
    pub fn offered(
        &mut self,
        sections: Vec<Sending>,
    ) -> (Vec<(Mid, String, MediaKind)>, Vec<PublishIntent>) {
        let named: BTreeSet<String> =
            sections.iter().filter_map(|section| self.canonical(section.cid.as_deref()?)).collect();
        let mut taken = BTreeSet::new();
        let mut resolved = Vec::with_capacity(sections.len());
        for section in sections {
            let Some(cid) = self.resolve(&section, &named, &taken) else { continue };
            taken.insert(cid.clone());
            resolved.push((section.mid, cid, section.kind));
        }
        self.sections = resolved.iter().map(|(mid, cid, _)| (*mid, cid.clone())).collect();
        for cid in &taken {
            if let Some(track) = self.tracks.get_mut(cid) {
                track.offered = true;
            }
        }
        let ended: Vec<String> = self
            .tracks
            .iter()
            .filter(|(cid, track)| track.offered && !taken.contains(*cid))
            .map(|(cid, _)| cid.clone())
            .collect();
        let next = ended.iter().filter_map(|cid| self.remove(cid)).collect();
        (resolved, next)
    }

    /// The node accepted the track announced as `cid`.
    pub fn published(&mut self, cid: &str, publication: &Publication) {
        if let Some(track) = self.tracks.get_mut(cid) {
            track.sid = Some(publication.sid.clone());
            track.codec = publication.codec.or(track.codec);
        }
    }

    /// The node refused the track announced as `cid`. Returns the announcement, and the next of the same id.
    pub fn refused(&mut self, cid: &str) -> (Option<pb::AddTrackRequest>, Option<PublishIntent>) {
        let request = self.tracks.get(cid).map(|track| track.request.clone());
        (request, self.remove(cid))
    }

    /// The node ended `sid`. Returns whether the client was still sending it, and announcements whose turn has come.
    pub fn unpublished(&mut self, sid: &TrackSid) -> (bool, Vec<PublishIntent>) {
        let cids: Vec<String> = self
            .tracks
            .iter()
            .filter(|(_, track)| track.sid.as_ref() == Some(sid))
            .map(|(cid, _)| cid.clone())
            .collect();
        let next = cids.iter().filter_map(|cid| self.remove(cid)).collect();
        (!cids.is_empty(), next)
    }

    /// Forgets everything that was published; the client moved and announces anew, or keeps sending the same sections.
    pub fn rename(&mut self, publications: &BTreeMap<TrackSid, Publication>) {
        for publication in publications.values() {
            let of_kind = |track: &&mut Track| {
                track.kind == publication.kind
                    && convert::source(track.request.source) == publication.source
            };
            if let Some(track) = self.tracks.values_mut().find(of_kind) {
                track.sid = Some(publication.sid.clone());
            }
        }
    }

    /// Learns the codec of an own track.
    pub fn learn(&mut self, publication: &Publication) {
        let of_sid = |track: &&mut Track| track.sid.as_ref() == Some(&publication.sid);
        if let Some(track) = self.tracks.values_mut().find(of_sid) {
            track.codec = publication.codec.or(track.codec);
        }
    }

    /// Whether the client publishes `sid`.
    #[must_use]
    pub fn owns(&self, sid: &str) -> bool {
        self.find(sid).is_some()
    }

    /// Kind and codec of an own track, the codec once known.
    #[must_use]
    pub fn kind_of(&self, sid: &TrackSid) -> Option<(MediaKind, Option<Codec>)> {
        self.find(sid.as_str()).map(|track| (track.kind, track.codec))
    }

    fn find(&self, sid: &str) -> Option<&Track> {
        self.tracks.values().find(|track| track.sid.as_ref().is_some_and(|own| own.as_str() == sid))
    }

    /// The announced id that a section's id stands for.
    fn canonical(&self, raw: &str) -> Option<String> {
        if self.tracks.contains_key(raw) {
            return Some(raw.to_owned());
        }
        self.tracks
            .iter()
            .find(|(_, track)| track.aliases.iter().any(|alias| alias == raw))
            .map(|(cid, _)| cid.clone())
    }

    fn resolve(
        &self,
        section: &Sending,
        named: &BTreeSet<String>,
        taken: &BTreeSet<String>,
    ) -> Option<String> {
        let free = |cid: &String| !taken.contains(cid);
        let by_id = section.cid.as_deref().and_then(|raw| self.canonical(raw)).filter(free);
        let by_section = || {
            let before = self.sections.get(&section.mid)?;
            let same = self.tracks.get(before).is_some_and(|track| track.kind == section.kind);
            Some(before.clone()).filter(|cid| same && free(cid) && !named.contains(cid))
        };
        let by_kind = || {
            self.tracks
                .iter()
                .filter(|(cid, track)| {
                    track.kind == section.kind
                        && !track.offered
                        && !named.contains(*cid)
                        && free(cid)
                })
                .min_by_key(|(_, track)| track.order)
                .map(|(cid, _)| cid.clone())
        };
        by_id.or_else(by_section).or_else(by_kind).or_else(|| section.cid.clone())
    }

    fn insert(
        &mut self,
        request: pb::AddTrackRequest,
        kind: MediaKind,
        queue: VecDeque<pb::AddTrackRequest>,
    ) -> PublishIntent {
        let intent = intent(&request, kind, &self.codecs);
        let aliases = request
            .simulcast_codecs
            .iter()
            .map(|codec| codec.cid.clone())
            .filter(|cid| !cid.is_empty() && *cid != request.cid)
            .collect();
        let codec = intent.publication.codec;
        let cid = request.cid.clone();
        self.announced += 1;
        let order = self.announced;
        let track =
            Track { order, request, kind, aliases, sid: None, codec, offered: false, queue };
        self.tracks.insert(cid, track);
        intent
    }

    /// Ends a track; the next announcement of the same id takes its place.
    fn remove(&mut self, cid: &str) -> Option<PublishIntent> {
        let mut queue = self.tracks.remove(cid)?.queue;
        let request = queue.pop_front()?;
        let kind = convert::media_kind(request.r#type)?;
        Some(self.insert(request, kind, queue))
    }
}

fn is_valid(request: &pb::AddTrackRequest) -> bool {
    let id_fits = (1..=NAME_BYTES_MAX).contains(&request.cid.len());
    let texts_fit = request.name.len() <= NAME_BYTES_MAX && request.stream.len() <= NAME_BYTES_MAX;
    id_fits && texts_fit && request.simulcast_codecs.len() <= CODECS_MAX
}

/// What the node is asked to publish for an announcement.
#[expect(deprecated, reason = "clients below protocol 17 write these")]
fn intent(request: &pb::AddTrackRequest, kind: MediaKind, allowed: &[Codec]) -> PublishIntent {
    let has = |feature: pb::AudioTrackFeature| request.audio_features.contains(&i32::from(feature));
    let named = request.simulcast_codecs.iter().map(|codec| Codec::from_mime(&codec.codec));
    let mut usable = named
        .filter(|codec| codec.is_none_or(|codec| codec.kind() == kind && allowed.contains(&codec)));
    // A codec that may not be used gives way to whatever the offer holds.
    let codec = usable.next().flatten();
    let backup_codec = usable.next().flatten().filter(|backup| Some(*backup) != codec);
    PublishIntent {
        cid: request.cid.clone(),
        publication: Publication {
            sid: TrackSid::from(""),
            kind,
            source: convert::source(request.source),
            name: request.name.clone(),
            muted: request.muted,
            codec,
            encodings: if kind == MediaKind::Video { encodings(request) } else { Vec::new() },
            stream: request.stream.clone(),
            stereo: request.stereo || has(pb::AudioTrackFeature::TfStereo),
            disable_dtx: request.disable_dtx || has(pb::AudioTrackFeature::TfNoDtx),
            disable_red: request.disable_red,
            encryption: request.encryption,
            audio_features: request.audio_features.clone(),
            backup_codec,
        },
        backup_of: (!request.sid.is_empty()).then(|| TrackSid::from(request.sid.as_str())),
    }
}

/// Announced encodings; a single one is the smallest by our convention, whatever the client calls it.
fn encodings(request: &pb::AddTrackRequest) -> Vec<Encoding> {
    let codec = request.simulcast_codecs.first().map(|codec| codec.layers.as_slice());
    let layers =
        if request.layers.is_empty() { codec.unwrap_or_default() } else { &request.layers };
    let mut encodings = convert::encodings(layers);
    if encodings.is_empty() {
        encodings.push(Encoding {
            quality: Quality::Low,
            width: request.width,
            height: request.height,
            bitrate: proto::unit::Bitrate::ZERO,
        });
    }
    if let [only] = encodings.as_mut_slice() {
        only.quality = Quality::Low;
    }
    encodings
}

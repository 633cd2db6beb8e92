//! What is read from session descriptions and candidates, and nothing more. Pure; the media threads parse SDP in full.

use proto::media::{MediaKind, Mid};
use serde::Deserialize;
use serde_json::json;

#[cfg(test)]
mod tests;

/// Largest description that is accepted, in bytes. An offer of 200 sections is below it.
pub const SDP_BYTES_MAX: usize = 512 * 1024;
/// Most media sections of a description that are looked at.
pub const SECTIONS_MAX: usize = 512;
/// Largest candidate message in bytes.
pub const CANDIDATE_BYTES_MAX: usize = 4096;

/// A section of an offer that the client sends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Which section.
    pub mid: Mid,
    /// What it carries.
    pub kind: MediaKind,
    /// The client's id of the track, if the section names it.
    pub cid: Option<String>,
}

/// Reads the sections of `sdp` that the client sends sound or pictures on, in order.
///
/// Sections without a usable mid, rejected ones and data channels are left out.
#[must_use]
pub fn sending(sdp: &str) -> Vec<Sending> {
    let mut sections = Vec::new();
    let mut section: Option<Section<'_>> = None;
    for line in sdp.lines() {
        let line = line.trim_end();
        if let Some(media) = line.strip_prefix("m=") {
            sections.extend(section.take().and_then(Section::sending));
            if sections.len() >= SECTIONS_MAX {
                return sections;
            }
            section = Some(Section::new(media));
        } else if let Some(section) = &mut section {
            section.on_line(line);
        }
    }
    sections.extend(section.and_then(Section::sending));
    sections
}

/// A media section while it is read.
struct Section<'a> {
    kind: Option<MediaKind>,
    port_zero: bool,
    bundle_only: bool,
    sends: bool,
    mid: Option<Mid>,
    cid: Option<&'a str>,
}

impl<'a> Section<'a> {
    fn new(media: &str) -> Self {
        let mut words = media.split_ascii_whitespace();
        let kind = match words.next() {
            Some("audio") => Some(MediaKind::Audio),
            Some("video") => Some(MediaKind::Video),
            _ => None,
        };
        let port_zero = words.next() == Some("0");
        Self { kind, port_zero, bundle_only: false, sends: true, mid: None, cid: None }
    }

    fn on_line(&mut self, line: &'a str) {
        match line {
            "a=sendrecv" | "a=sendonly" => self.sends = true,
            "a=recvonly" | "a=inactive" => self.sends = false,
            "a=bundle-only" => self.bundle_only = true,
            _ => {
                if let Some(mid) = line.strip_prefix("a=mid:") {
                    self.mid = Mid::new(mid.trim());
                } else if let Some(msid) = line.strip_prefix("a=msid:") {
                    self.cid = msid.split_ascii_whitespace().nth(1);
                } else if let Some((_, msid)) =
                    line.strip_prefix("a=ssrc:").and_then(|ssrc| ssrc.split_once(" msid:"))
                {
                    self.cid = self.cid.or_else(|| msid.split_ascii_whitespace().nth(1));
                }
            }
        }
    }

    /// Port 0 rejects a section, unless it only says that it rides in a bundle.
    fn sending(self) -> Option<Sending> {
        let live = self.sends && (!self.port_zero || self.bundle_only);
        let (kind, mid) = (self.kind.filter(|_| live)?, self.mid?);
        Some(Sending { mid, kind, cid: self.cid.map(str::to_owned) })
    }
}

/// An ICE candidate as browsers write it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// In `candidate:` form (RFC 8839 section 5.1); empty at the end of candidates.
    #[serde(default)]
    pub candidate: String,
    /// The section it belongs to, by name.
    #[serde(default)]
    pub sdp_mid: Option<String>,
    /// The section it belongs to, by number.
    #[serde(default, rename = "sdpMLineIndex")]
    pub sdp_mline_index: Option<u32>,
}

/// A candidate that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ICE candidate could not be read")]
pub struct CandidateError;

/// Reads a candidate from its JSON form.
///
/// # Errors
/// [`CandidateError`] when it is not such JSON, or larger than [`CANDIDATE_BYTES_MAX`].
pub fn parse_candidate(json: &str) -> Result<Candidate, CandidateError> {
    if json.len() > CANDIDATE_BYTES_MAX {
        return Err(CandidateError);
    }
    serde_json::from_str(json).map_err(|_| CandidateError)
}

/// Writes a candidate in its JSON form, with all three fields: one client fails without any of them.
#[must_use]
pub fn candidate_json(candidate: &str, mid: &str, line: u32) -> String {
    json!({ "candidate": candidate, "sdpMid": mid, "sdpMLineIndex": line }).to_string()
}

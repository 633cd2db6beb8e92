//! Session descriptions as text: what the connection library cannot say itself is written into what it made.
//!
//! Text only: no state, no decision. The library does not read its own text again, so this is safe
//! (names of received tracks, unused sections, Opus parameters).

use std::fmt::Write as _;

use proto::media::{MediaKind, Mid};

/// The longest description that is read.
pub const SDP_BYTES_MAX: usize = 256 * 1024;

/// Which way media flows in a section, from its author's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways (also when nothing is said).
    SendRecv,
    /// From the author.
    SendOnly,
    /// To the author.
    RecvOnly,
    /// None.
    Inactive,
}

impl Direction {
    /// Whether the author sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the author receives.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    fn parse(line: &str) -> Option<Self> {
        match line {
            "a=sendrecv" => Some(Self::SendRecv),
            "a=sendonly" => Some(Self::SendOnly),
            "a=recvonly" => Some(Self::RecvOnly),
            "a=inactive" => Some(Self::Inactive),
            _ => None,
        }
    }
}

/// One media section of sound or pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which.
    pub mid: Mid,
    /// What it carries.
    pub kind: MediaKind,
    /// Which way, from the author's side.
    pub direction: Direction,
}

/// Lists the sections of sound and pictures, in order. Sections without a usable mid are left out.
#[must_use]
pub fn lines(sdp: &str) -> Vec<Line> {
    sections(sdp).filter_map(line).collect()
}

fn line(section: &str) -> Option<Line> {
    let kind = kind(section)?;
    let mid = Mid::new(attribute(section, "a=mid:")?)?;
    let direction = section.lines().find_map(Direction::parse).unwrap_or(Direction::SendRecv);
    Some(Line { mid, kind, direction })
}

fn kind(section: &str) -> Option<MediaKind> {
    if section.starts_with("m=audio") {
        Some(MediaKind::Audio)
    } else if section.starts_with("m=video") {
        Some(MediaKind::Video)
    } else {
        None
    }
}

fn attribute<'a>(section: &'a str, name: &str) -> Option<&'a str> {
    section.lines().find_map(|line| line.strip_prefix(name))
}

/// Splits a description into its session part and media sections.
fn split(sdp: &str) -> (&str, &str) {
    let at = if sdp.starts_with("m=") { Some(0) } else { sdp.find("\nm=").map(|at| at + 1) };
    sdp.split_at(at.unwrap_or(sdp.len()))
}

fn sections(sdp: &str) -> impl Iterator<Item = &str> {
    let mut rest = split(sdp).1;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find("\nm=").map_or(rest.len(), |at| at + 1);
        let (section, next) = rest.split_at(end);
        rest = next;
        Some(section)
    })
}

/// What is written into one section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// What the author sends here.
    pub outbound: Outbound,
    /// Parameters appended to Opus, such as `;usedtx=1`.
    pub opus: String,
}

/// What the author sends in a section, as far as it must be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outbound {
    /// As it stands.
    #[default]
    Keep,
    /// A track of these names: stream and track.
    Named(String, String),
    /// Nothing: the section is inactive, or only receives.
    Nothing,
}

/// Writes edits into a description; `edit` is asked for each section of sound or pictures.
#[must_use]
pub fn rewrite(sdp: &str, mut edit: impl FnMut(&Line) -> Edit) -> String {
    let mut out = String::with_capacity(sdp.len() + 512);
    for line in split(sdp).0.lines() {
        if line.starts_with("a=msid-semantic:") {
            push(&mut out, "a=msid-semantic: WMS *");
        } else {
            push(&mut out, line);
        }
    }
    for section in sections(sdp) {
        match line(section) {
            Some(line) => rewrite_section(&mut out, section, &edit(&line)),
            None => section.lines().for_each(|line| push(&mut out, line)),
        }
    }
    out
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push_str("\r\n");
}

fn rewrite_section(out: &mut String, section: &str, edit: &Edit) {
    let opus = opus_payload_type(section);
    let mut fmtp_seen = opus.is_none() || edit.opus.is_empty();
    for line in section.lines() {
        let fmtp = opus.filter(|pt| is_fmtp(line, pt));
        if fmtp.is_some() && !edit.opus.is_empty() {
            fmtp_seen = true;
            let _ = write!(out, "{line}{}\r\n", edit.opus);
            continue;
        }
        match &edit.outbound {
            Outbound::Keep => push(out, line),
            Outbound::Named(stream, track) => name_line(out, line, stream, track),
            Outbound::Nothing => silence_line(out, line),
        }
    }
    if let (false, Some(pt)) = (fmtp_seen, opus) {
        let _ = write!(out, "a=fmtp:{pt} {}\r\n", edit.opus.trim_start_matches(';'));
    }
}

fn is_fmtp(line: &str, pt: &str) -> bool {
    line.strip_prefix("a=fmtp:").and_then(|rest| rest.split_once(' ')).is_some_and(|(n, _)| n == pt)
}

fn opus_payload_type(section: &str) -> Option<&str> {
    section
        .lines()
        .filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '))
        .find(|(_, name)| name.get(..5).is_some_and(|name| name.eq_ignore_ascii_case("opus/")))
        .map(|(pt, _)| pt)
}

fn name_line(out: &mut String, line: &str, stream: &str, track: &str) {
    if line.starts_with("a=msid:") {
        let _ = write!(out, "a=msid:{stream} {track}\r\n");
        return;
    }
    match line.split_once(" msid:") {
        Some((head, _)) if head.starts_with("a=ssrc:") => {
            let _ = write!(out, "{head} msid:{stream} {track}\r\n");
        }
        Some(_) | None => push(out, line),
    }
}

fn silence_line(out: &mut String, line: &str) {
    match line {
        "a=sendonly" => push(out, "a=inactive"),
        "a=sendrecv" => push(out, "a=recvonly"),
        _ if ["a=msid:", "a=ssrc:", "a=ssrc-group:"].iter().any(|name| line.starts_with(name)) => {}
        _ => push(out, line),
    }
}

/// ICE credentials as written in a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// User name fragment.
    pub ufrag: String,
    /// Password.
    pub password: String,
}

/// Replaces the author's ICE credentials, also in its candidates.
#[must_use]
pub fn replace_credentials(sdp: &str, old: &Credentials, new: &Credentials) -> String {
    let mut out = String::with_capacity(sdp.len() + 64);
    for line in sdp.lines() {
        if line.starts_with("a=ice-ufrag:") {
            let _ = write!(out, "a=ice-ufrag:{}\r\n", new.ufrag);
        } else if line.starts_with("a=ice-pwd:") {
            let _ = write!(out, "a=ice-pwd:{}\r\n", new.password);
        } else if line.starts_with("a=candidate:") {
            let (old, new) = (format!(" ufrag {}", old.ufrag), format!(" ufrag {}", new.ufrag));
            push(&mut out, &line.replace(&old, &new));
        } else {
            push(&mut out, line);
        }
    }
    out
}

/// Whether a name may stand in `a=msid` (RFC 8830: 1 to 64 token characters).
#[must_use]
pub fn is_msid_name(name: &str) -> bool {
    let token = |byte: u8| matches!(byte, 0x21 | 0x23..=0x27 | 0x2a | 0x2b | 0x2d | 0x2e | 0x30..=0x39 | 0x41..=0x5a | 0x5e..=0x7e);
    (1..=64).contains(&name.len()) && name.bytes().all(token)
}

/// The order of simulcast rids, smallest encoding first: `q h f`, `l m h`, or else by name.
pub fn sort_rids(rids: &mut [String]) {
    for order in [["q", "h", "f"], ["l", "m", "h"]] {
        let place = |rid: &String| order.iter().position(|name| name == rid);
        if rids.iter().all(|rid| place(rid).is_some()) {
            rids.sort_by_key(place);
            return;
        }
    }
    rids.sort();
}

#[cfg(test)]
mod tests;

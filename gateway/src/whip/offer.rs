//! Reads of an offer what the doors need: its media sections, their direction, their track ids and
//! simulcast ids. Pure and bounded; the media plane reads the rest itself.

use std::fmt::Write as _;

use proto::media::{MediaKind, Mid, Rid};

/// Largest body of an offer, in bytes.
pub const OFFER_BYTES_MAX: usize = 64 * 1024;
/// Most media sections of one offer. Browsers with many tracks stay below 20.
pub const SECTIONS_MAX: usize = 64;
/// Longest track id that is taken from `a=msid`, in bytes; a longer one is replaced.
pub const TRACK_ID_BYTES_MAX: usize = 128;
/// Most simulcast encodings of a section that are looked at.
const RIDS_MAX: usize = 8;

/// Why a description could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct SdpError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a line of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Larger than the limit of its door.
    #[error("the body is too large")]
    TooLarge,
    /// Not text.
    #[error("the body is not UTF-8 text")]
    NotText,
    /// The first line of a description is missing.
    #[error("a session description starts with v=0")]
    Version,
    /// Not of the form `x=value`.
    #[error("the line is not of the form x=value")]
    Form,
    /// A media line lacks words.
    #[error("the media line needs a kind, a port, a protocol and formats")]
    Media,
    /// The identification of a section cannot be used.
    #[error("a=mid has 1 to 16 printable ASCII characters")]
    Mid,
    /// A section has no identification.
    #[error("a media section before this line has no a=mid")]
    MidMissing,
    /// Two sections have one identification.
    #[error("two media sections have this a=mid")]
    MidTwice,
    /// More sections than [`SECTIONS_MAX`].
    #[error("there are too many media sections")]
    TooManySections,
    /// No media section at all.
    #[error("there is no media section")]
    NoSections,
    /// A candidate, user name fragment or password is empty, too long or has forbidden characters.
    #[error("the ICE attribute cannot be read")]
    Ice,
    /// More candidates than the limit of a fragment.
    #[error("there are too many candidates")]
    TooManyCandidates,
}

/// Which way media of a section flows, seen from who offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// Only from the client.
    SendOnly,
    /// Only to the client.
    RecvOnly,
    /// Not at all.
    Inactive,
}

impl Direction {
    /// Whether the client sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the client receives.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    fn from_attribute(name: &str) -> Option<Self> {
        match name {
            "sendrecv" => Some(Self::SendRecv),
            "sendonly" => Some(Self::SendOnly),
            "recvonly" => Some(Self::RecvOnly),
            "inactive" => Some(Self::Inactive),
            _ => None,
        }
    }
}

/// One section for sound or pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferSection {
    /// Its identification.
    pub mid: Mid,
    /// What it carries.
    pub kind: MediaKind,
    /// Which way.
    pub direction: Direction,
    /// The client's track id, the second word of `a=msid`, if it is there and usable.
    pub track: Option<String>,
    /// Simulcast encodings the client sends, in its order; empty without simulcast.
    pub rids: Vec<Rid>,
    /// The client wants or sends two channels of sound.
    pub stereo: bool,
}

/// What an offer says, as far as the doors need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Sections for sound and pictures that were not rejected, in order.
    pub sections: Vec<OfferSection>,
    /// The client's ICE user name fragment, of the first section that names one.
    pub ufrag: Option<String>,
}

/// Reads an offer's body.
///
/// # Errors
/// [`SdpError`] with the line at fault.
pub fn parse_offer(body: &[u8]) -> Result<Offer, SdpError> {
    if body.len() > OFFER_BYTES_MAX {
        return Err(SdpError { line: 1, fault: Fault::TooLarge });
    }
    let text =
        std::str::from_utf8(body).map_err(|_| SdpError { line: 1, fault: Fault::NotText })?;
    let mut reader = Reader::default();
    let mut last = 1;
    for (line, key, value) in lines(text) {
        last = line;
        let (key, value) = (key, value).split_ok(line)?;
        if line == 1 && (key != 'v' || value != "0") {
            return Err(SdpError { line, fault: Fault::Version });
        }
        reader.take(line, key, value)?;
    }
    reader.finish(last)
}

/// The lines of a description: number from 1, key, value. A line of another form has no key.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, Option<char>, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim_end()));
    numbered.filter(|(_, line)| !line.is_empty()).map(|(number, line)| {
        let key = line.chars().next().filter(|c| c.is_ascii_lowercase());
        match line.get(1..).and_then(|rest| rest.strip_prefix('=')) {
            Some(value) if key.is_some() => (number, key, value),
            _ => (number, None, line),
        }
    })
}

/// Turns a line without a key into an error.
trait SplitOk<'a> {
    fn split_ok(self, line: usize) -> Result<(char, &'a str), SdpError>;
}

impl<'a> SplitOk<'a> for (Option<char>, &'a str) {
    fn split_ok(self, line: usize) -> Result<(char, &'a str), SdpError> {
        let key = self.0.ok_or(SdpError { line, fault: Fault::Form })?;
        Ok((key, self.1))
    }
}

/// The section being read; `kind` is `None` for data channels and kinds that are not carried.
struct Draft {
    kind: Option<MediaKind>,
    port: u16,
    bundle_only: bool,
    mid: Option<Mid>,
    direction: Direction,
    track: Option<String>,
    rids: Vec<Rid>,
    stereo: bool,
}

#[derive(Default)]
struct Reader {
    offer: Offer,
    direction: Direction,
    draft: Option<Draft>,
    mids: Vec<Mid>,
}

impl Reader {
    fn take(&mut self, line: usize, key: char, value: &str) -> Result<(), SdpError> {
        match key {
            'm' => self.open_section(line, value),
            'a' => self.take_attribute(line, value),
            _ => Ok(()),
        }
    }

    fn open_section(&mut self, line: usize, value: &str) -> Result<(), SdpError> {
        self.close_section(line)?;
        let media = |fault| SdpError { line, fault };
        let mut words = value.split_ascii_whitespace();
        let (Some(kind), Some(port), Some(_), Some(_)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(media(Fault::Media));
        };
        let port = port.split('/').next().and_then(|p| p.parse().ok());
        let port = port.ok_or_else(|| media(Fault::Media))?;
        if self.mids.len() >= SECTIONS_MAX {
            return Err(media(Fault::TooManySections));
        }
        let kind = match kind {
            "audio" => Some(MediaKind::Audio),
            "video" => Some(MediaKind::Video),
            _ => None,
        };
        let direction = self.direction;
        let (mid, track, rids) = (None, None, Vec::new());
        let (bundle_only, stereo) = (false, false);
        self.draft = Some(Draft { kind, port, bundle_only, mid, direction, track, rids, stereo });
        Ok(())
    }

    fn take_attribute(&mut self, line: usize, value: &str) -> Result<(), SdpError> {
        let (name, value) = value.split_once(':').unwrap_or((value, ""));
        if name == "ice-ufrag" && self.offer.ufrag.is_none() {
            self.offer.ufrag = Some(ice_text(value, line)?.to_owned());
        }
        let direction = Direction::from_attribute(name);
        let Some(draft) = &mut self.draft else {
            self.direction = direction.unwrap_or(self.direction);
            return Ok(());
        };
        draft.direction = direction.unwrap_or(draft.direction);
        match name {
            "mid" => {
                let mid = Mid::new(value.trim()).ok_or(SdpError { line, fault: Fault::Mid })?;
                if self.mids.contains(&mid) {
                    return Err(SdpError { line, fault: Fault::MidTwice });
                }
                self.mids.push(mid);
                draft.mid = Some(mid);
            }
            "bundle-only" => draft.bundle_only = true,
            "msid" if draft.track.is_none() => draft.track = track_of_msid(value),
            "simulcast" => draft.rids = sent_rids(value),
            "fmtp" => draft.stereo |= is_stereo(value),
            _ => {}
        }
        Ok(())
    }

    fn close_section(&mut self, line: usize) -> Result<(), SdpError> {
        let Some(draft) = self.draft.take() else { return Ok(()) };
        let Draft { kind, port, bundle_only, mid, direction, track, rids, stereo } = draft;
        let mid = mid.ok_or(SdpError { line, fault: Fault::MidMissing })?;
        if let Some(kind) = kind.filter(|_| port != 0 || bundle_only) {
            let section = OfferSection { mid, kind, direction, track, rids, stereo };
            self.offer.sections.push(section);
        }
        Ok(())
    }

    fn finish(mut self, line: usize) -> Result<Offer, SdpError> {
        self.close_section(line)?;
        if self.mids.is_empty() {
            return Err(SdpError { line, fault: Fault::NoSections });
        }
        Ok(self.offer)
    }
}

fn track_of_msid(value: &str) -> Option<String> {
    let track = value.split_ascii_whitespace().nth(1)?;
    (track.len() <= TRACK_ID_BYTES_MAX).then(|| track.to_owned())
}

/// Whether `a=fmtp:111 minptime=10;stereo=1` and the like speak of two channels (RFC 7587 6.1).
fn is_stereo(value: &str) -> bool {
    let parameters = value.split_once(' ').map_or("", |(_, parameters)| parameters);
    parameters.split(';').any(|p| matches!(p.trim(), "stereo=1" | "sprop-stereo=1"))
}

/// The ids behind `send` in `a=simulcast:send q;h;f recv ..` (RFC 8853); of alternatives the first, paused or not.
fn sent_rids(value: &str) -> Vec<Rid> {
    let mut words = value.split_ascii_whitespace();
    let Some(list) = words.by_ref().find(|w| *w == "send").and_then(|_| words.next()) else {
        return Vec::new();
    };
    let first = |streams: &str| {
        Rid::new(streams.split(',').next().unwrap_or(streams).trim_start_matches('~'))
    };
    list.split(';').filter_map(first).take(RIDS_MAX).collect()
}

/// Checks an ICE user name fragment or password (RFC 8839 5.4): 4 to 256 characters of its alphabet.
pub(super) fn ice_text(value: &str, line: usize) -> Result<&str, SdpError> {
    let value = value.trim();
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'=');
    let good = (4..=256).contains(&value.len()) && value.bytes().all(known);
    if good { Ok(value) } else { Err(SdpError { line, fault: Fault::Ice }) }
}

/// The ICE credentials and candidates of a description that we made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceLines {
    /// User name fragment, of the first section that has one.
    pub ufrag: String,
    /// Password, of the first section that has one.
    pub pwd: String,
    /// Candidates in `candidate:` form, each once.
    pub candidates: Vec<String>,
    /// Whether the side that wrote it only answers checks (RFC 8445 2.7).
    pub lite: bool,
    /// The value of the first media line.
    pub media: String,
    /// The identification of the first section.
    pub mid: String,
}

/// Reads ICE credentials and candidates of an answer.
#[must_use]
pub fn ice_of(sdp: &str) -> IceLines {
    let mut ice = IceLines::default();
    for (_, key, value) in lines(sdp) {
        match (key, value.split_once(':')) {
            (Some('m'), _) if ice.media.is_empty() => value.clone_into(&mut ice.media),
            (Some('a'), None) if value == "ice-lite" => ice.lite = true,
            (Some('a'), Some((name, text))) => ice.take(name, text, value),
            _ => {}
        }
    }
    ice
}

impl IceLines {
    fn take(&mut self, name: &str, text: &str, value: &str) {
        match name {
            "ice-ufrag" if self.ufrag.is_empty() => text.clone_into(&mut self.ufrag),
            "ice-pwd" if self.pwd.is_empty() => text.clone_into(&mut self.pwd),
            "mid" if self.mid.is_empty() => text.clone_into(&mut self.mid),
            "candidate" if !self.candidates.iter().any(|c| c == value) => {
                self.candidates.push(value.to_owned());
            }
            _ => {}
        }
    }
}

/// The offer again with new ICE credentials and without candidates: an ICE restart (RFC 8839 4.4.1.1.1).
#[must_use]
pub fn restarted(offer: &str, ufrag: &str, pwd: &str) -> String {
    let mut out = String::with_capacity(offer.len() + 64);
    for line in offer.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        let written = if line.starts_with("a=ice-ufrag:") {
            write!(out, "a=ice-ufrag:{ufrag}\r\n")
        } else if line.starts_with("a=ice-pwd:") {
            write!(out, "a=ice-pwd:{pwd}\r\n")
        } else if line.starts_with("a=candidate:") || line.starts_with("a=end-of-candidates") {
            Ok(())
        } else {
            write!(out, "{line}\r\n")
        };
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
    }
    out
}

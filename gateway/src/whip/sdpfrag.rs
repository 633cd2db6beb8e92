//! Fragments of session descriptions as trickled by `PATCH` (RFC 8840, RFC 9725 section 4.3).
//! Pure and bounded.

use std::fmt::Write as _;

use super::offer::{Fault, IceLines, SdpError, ice_text, lines};

/// Largest body of a fragment, in bytes.
pub const FRAGMENT_BYTES_MAX: usize = 16 * 1024;
/// Most candidates of one fragment.
pub const CANDIDATES_MAX: usize = 64;
/// Longest candidate, in bytes.
const CANDIDATE_BYTES_MAX: usize = 512;

/// What a client trickled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// User name fragment the candidates belong to; a new one asks for an ICE restart.
    pub ufrag: Option<String>,
    /// Password that goes with it.
    pub pwd: Option<String>,
    /// Candidates in `candidate:` form.
    pub candidates: Vec<String>,
    /// No more candidates will come.
    pub end_of_candidates: bool,
}

/// Reads the body of a `PATCH`.
///
/// # Errors
/// [`SdpError`] with the line at fault.
pub fn parse_fragment(body: &[u8]) -> Result<Fragment, SdpError> {
    if body.len() > FRAGMENT_BYTES_MAX {
        return Err(SdpError { line: 1, fault: Fault::TooLarge });
    }
    let text =
        std::str::from_utf8(body).map_err(|_| SdpError { line: 1, fault: Fault::NotText })?;
    let mut fragment = Fragment::default();
    for (line, key, value) in lines(text) {
        match key {
            None => return Err(SdpError { line, fault: Fault::Form }),
            Some('a') => fragment.take(line, value)?,
            Some(_) => {}
        }
    }
    Ok(fragment)
}

impl Fragment {
    fn take(&mut self, line: usize, value: &str) -> Result<(), SdpError> {
        let (name, text) = value.split_once(':').unwrap_or((value, ""));
        match name {
            "ice-ufrag" if self.ufrag.is_none() => {
                self.ufrag = Some(ice_text(text, line)?.to_owned());
            }
            "ice-pwd" if self.pwd.is_none() => self.pwd = Some(ice_text(text, line)?.to_owned()),
            "end-of-candidates" => self.end_of_candidates = true,
            "candidate" => {
                // An empty candidate is another way to say that no more will come.
                if text.trim().is_empty() {
                    self.end_of_candidates = true;
                    return Ok(());
                }
                let plain = value.len() <= CANDIDATE_BYTES_MAX
                    && value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
                if !plain {
                    return Err(SdpError { line, fault: Fault::Ice });
                }
                if self.candidates.len() >= CANDIDATES_MAX {
                    return Err(SdpError { line, fault: Fault::TooManyCandidates });
                }
                self.candidates.push(value.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether this asks for an ICE restart of a session whose client was `ufrag` so far.
    #[must_use]
    pub fn restarts(&self, ufrag: Option<&str>) -> bool {
        self.pwd.is_some() && self.ufrag.is_some() && self.ufrag.as_deref() != ufrag
    }
}

/// Writes the fragment that answers an ICE restart.
#[must_use]
pub fn write_fragment(ice: &IceLines) -> String {
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        let written = write!(out, "{text}\r\n");
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
    };
    if ice.lite {
        line(format_args!("a=ice-lite"));
    }
    line(format_args!("a=ice-ufrag:{}", ice.ufrag));
    line(format_args!("a=ice-pwd:{}", ice.pwd));
    line(format_args!("m={}", ice.media));
    line(format_args!("a=mid:{}", ice.mid));
    for candidate in &ice.candidates {
        line(format_args!("a={candidate}"));
    }
    line(format_args!("a=end-of-candidates"));
    out
}

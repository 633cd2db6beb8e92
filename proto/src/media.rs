//! Media newtypes and small enums shared by the room model and the packet plane.

use core::fmt;

use serde::{Deserialize, Serialize};

/// RTP synchronisation source (RFC 3550 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssrc(pub u32);

/// RTP sequence number extended to 64 bits, so that order needs no wrap rules. The wire carries the low 16 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeqNo(pub u64);

/// RTP timestamp in units of the codec's clock, 32 bits, wrapping (RFC 3550 section 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RtpTime(pub u32);

impl RtpTime {
    /// This time moved forward by `ticks`, wrapping.
    #[must_use]
    pub const fn wrapping_add(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// Signed distance in ticks from `earlier` to this time, by the shorter way round.
    #[must_use]
    pub const fn distance_from(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }
}

/// What is heard or seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// Where a track comes from.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Source {
    /// Not said.
    #[default]
    Unknown,
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
    /// A shared screen or window.
    ScreenShare,
    /// The sound of a shared screen.
    ScreenShareAudio,
}

/// Codecs that are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// Opus (RFC 7587), 48 kHz clock.
    Opus,
    /// Redundant audio around Opus (RFC 2198).
    OpusRed,
    /// VP8 (RFC 7741), 90 kHz clock.
    Vp8,
    /// VP9 (RFC 9628), 90 kHz clock.
    Vp9,
    /// H.264 (RFC 6184), 90 kHz clock.
    H264,
    /// AV1 (AV1 RTP specification 1.0), 90 kHz clock.
    Av1,
}

impl Codec {
    /// What the codec carries.
    #[must_use]
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::Opus | Self::OpusRed => MediaKind::Audio,
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::Av1 => MediaKind::Video,
        }
    }

    /// RTP clock rate in Hz.
    #[must_use]
    pub const fn clock_hz(self) -> u32 {
        match self.kind() {
            MediaKind::Audio => 48_000,
            MediaKind::Video => 90_000,
        }
    }

    /// The media type as written in SDP and signalling, such as `video/VP8`.
    #[must_use]
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Opus => "audio/opus",
            Self::OpusRed => "audio/red",
            Self::Vp8 => "video/VP8",
            Self::Vp9 => "video/VP9",
            Self::H264 => "video/H264",
            Self::Av1 => "video/AV1",
        }
    }

    /// Reads a media type, with or without its `audio/` or `video/`, in any case.
    #[must_use]
    pub fn from_mime(mime: &str) -> Option<Self> {
        let name = mime.rsplit('/').next().unwrap_or(mime);
        [Self::Opus, Self::OpusRed, Self::Vp8, Self::Vp9, Self::H264, Self::Av1].into_iter().find(
            |codec| codec.mime().rsplit('/').next().is_some_and(|n| n.eq_ignore_ascii_case(name)),
        )
    }
}

/// One simulcast encoding of a track, by size. The order is the order of sizes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Quality {
    /// The smallest; rid `q`, and the only one of a track without simulcast.
    #[default]
    Low,
    /// The middle; rid `h`.
    Medium,
    /// The largest; rid `f`.
    High,
}

impl Quality {
    /// Every quality, smallest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// Dense index, 0 is the smallest.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// One encoding as announced by its publisher. Announced sizes may be wrong: the key frame decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoding {
    /// Which encoding.
    pub quality: Quality,
    /// Pixels, 0 if not said.
    pub width: u32,
    /// Pixels, 0 if not said.
    pub height: u32,
    /// Rate the publisher aims at, zero if not said.
    pub bitrate: crate::unit::Bitrate,
}

/// RTP stream id of a simulcast encoding (RFC 8851), 1..=8 ASCII characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rid([u8; 8]);

/// Identification of a media section (RFC 8843), 1..=16 ASCII characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mid([u8; 16]);

macro_rules! short_text {
    ($name:ident, $len:literal) => {
        impl $name {
            /// Reads the id; `None` when it is empty, too long or not printable ASCII.
            #[must_use]
            pub fn new(text: &str) -> Option<Self> {
                let mut bytes = [0; $len];
                let fits =
                    (1..=$len).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
                bytes.get_mut(..text.len()).filter(|_| fits)?.copy_from_slice(text.as_bytes());
                Some(Self(bytes))
            }

            /// Returns the id's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                let len = self.0.iter().position(|b| *b == 0).unwrap_or($len);
                core::str::from_utf8(self.0.get(..len).unwrap_or(&[])).unwrap_or("")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

short_text!(Rid, 8);
short_text!(Mid, 16);

/// How a data message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Delivery {
    /// Ordered and retransmitted.
    Reliable,
    /// Unordered, sent once.
    Lossy,
}

/// What one viewer wants of one track, from viewport hints and from the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewSettings {
    /// The largest encoding wanted.
    pub quality_max: Quality,
    /// Pixels shown, (width, height); chooses the smallest encoding that covers it. `None`: by `quality_max` alone.
    pub size: Option<(u32, u32)>,
    /// Frames a second wanted at most; `None`: all.
    pub fps_max: Option<u32>,
    /// Nothing is forwarded while set (scrolled out of sight).
    pub disabled: bool,
    /// Larger goes first when bandwidth is short; 0 is the default and means: by source.
    pub priority: u32,
}

impl Default for ViewSettings {
    fn default() -> Self {
        Self { quality_max: Quality::High, size: None, fps_max: None, disabled: false, priority: 0 }
    }
}

/// How good a participant's connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionQuality {
    /// No packets arrive.
    Lost,
    /// Frequent faults.
    Poor,
    /// Small faults.
    Good,
    /// No faults a user can see.
    #[default]
    Excellent,
}

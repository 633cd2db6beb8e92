//! RTP header extensions the library does not know, carried through as they came.

use proto::media::Codec;
use str0m::rtp::{
    Extension, ExtensionMap, ExtensionSerializer, ExtensionValues, UserExtensionValues,
};

/// AV1's dependency descriptor (AV1 RTP specification 1.0 appendix A); also used with VP9 by browsers.
const DEPENDENCY_DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// The longest element of the one-byte form (RFC 8285 section 4.2).
const ONE_BYTE_FORM_MAX: usize = 16;

/// The longest descriptor carried through; the two-byte form allows 255.
const DESCRIPTOR_MAX: usize = 200;

/// A dependency descriptor as it came.
#[derive(Debug)]
struct Descriptor(Box<[u8]>);

#[derive(Debug)]
struct Passthrough;

impl ExtensionSerializer for Passthrough {
    fn write_to(&self, buf: &mut [u8], ev: &ExtensionValues) -> usize {
        let Some(descriptor) = ev.user_values.get::<Descriptor>() else { return 0 };
        let Some(place) = buf.get_mut(..descriptor.0.len()) else { return 0 };
        place.copy_from_slice(&descriptor.0);
        descriptor.0.len()
    }

    fn parse_value(&self, buf: &[u8], ev: &mut ExtensionValues) -> bool {
        if buf.is_empty() || buf.len() > DESCRIPTOR_MAX {
            return false;
        }
        ev.user_values.set(Descriptor(buf.into()));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, ev: &ExtensionValues) -> bool {
        ev.user_values.get::<Descriptor>().is_some_and(|d| d.0.len() > ONE_BYTE_FORM_MAX)
    }
}

/// The extensions offered and answered. Ids are those of Chromium where it has one.
pub(super) fn map() -> ExtensionMap {
    let mut map = ExtensionMap::empty();
    map.set(1, Extension::AudioLevel);
    map.set(3, Extension::TransportSequenceNumber);
    map.set(4, Extension::RtpMid);
    map.set(5, Extension::AbsoluteCaptureTime);
    map.set(10, Extension::RtpStreamId);
    map.set(11, Extension::RepairedRtpStreamId);
    map.set(12, Extension::with_serializer(DEPENDENCY_DESCRIPTOR, Passthrough));
    map.set(13, Extension::VideoOrientation);
    map
}

/// What of a packet's extensions goes on to subscribers; the rest belongs to one hop.
///
/// A dependency descriptor numbers the frames of one encoding. It goes on where one encoding is the whole track (AV1 and
/// VP9 layers within a stream); with simulcast the numbers would jump back when the encoding changes.
pub(super) fn forwarded(codec: Codec, values: &mut ExtensionValues) -> ExtensionValues {
    let user_values = match codec {
        Codec::Av1 | Codec::Vp9 => std::mem::take(&mut values.user_values),
        Codec::Opus | Codec::OpusRed | Codec::Vp8 | Codec::H264 => UserExtensionValues::default(),
    };
    ExtensionValues {
        audio_level: values.audio_level,
        voice_activity: values.voice_activity,
        video_orientation: values.video_orientation,
        abs_capture_time: values.abs_capture_time.take(),
        user_values,
        ..ExtensionValues::default()
    }
}

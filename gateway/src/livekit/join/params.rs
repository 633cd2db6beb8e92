//! What a client asks for when it opens its socket, from the query string. Pure.

use std::{collections::BTreeMap, io::Read as _};

use base64::{Engine as _, alphabet, engine};
use livekit_protocol as pb;
use pb::signal_request::Message as Request;
use prost::Message as _;
use proto::id::ParticipantSid;

use crate::error::Error;

/// Largest `join_request` before decoding, in bytes. Offers inside make it some kilobytes.
pub const JOIN_REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Most tracks a join may announce at once.
const ADD_TRACKS_MAX: usize = 32;
/// Lowest protocol number we speak.
pub const PROTOCOL_MIN: i32 = 1;

/// Accepts both alphabets' common form: URL-safe, padded or not.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::URL_SAFE,
    engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A join or resume as asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// One peer connection or two.
    pub single_pc: bool,
    /// Whether tracks of others are subscribed by themselves.
    pub auto_subscribe: bool,
    /// The session to come back to.
    pub resume: Option<Resume>,
    /// The client's program.
    pub client: pb::ClientInfo,
    /// Metadata in place of the token's, if the token allows it.
    pub metadata: String,
    /// Attributes over the token's, if the token allows it.
    pub attributes: BTreeMap<String, String>,
    /// Requests that came with the join, in the order in which they count.
    pub opening: Vec<Request>,
}

/// A session to come back to.
#[derive(Clone, Debug, PartialEq)]
pub struct Resume {
    /// Its own sid.
    pub sid: ParticipantSid,
    /// Why, as the client numbers it.
    pub reason: i32,
}

impl Attempt {
    /// Reads the query string. `join_request`, where present, decides everything.
    ///
    /// # Errors
    /// [`Error::Malformed`] and [`Error::TooLarge`].
    pub fn from_query(query: &str, inflated_bytes_max: usize) -> Result<Self, Error> {
        let pairs: BTreeMap<String, String> =
            serde_urlencoded::from_str(query).map_err(|_| Error::Malformed("the query string"))?;
        match pairs.get("join_request").filter(|text| !text.is_empty()) {
            Some(text) => Ok(Self::from_request(decode_join_request(text, inflated_bytes_max)?)),
            None => Self::from_pairs(&pairs),
        }
    }

    fn from_request(request: pb::JoinRequest) -> Self {
        let settings = request.connection_settings.unwrap_or_default();
        let tracks = request.add_track_requests.into_iter().take(ADD_TRACKS_MAX);
        let sync = request.sync_state.filter(|_| request.reconnect);
        let opening = sync.map(Request::SyncState).into_iter();
        let opening = opening.chain(tracks.map(Request::AddTrack));
        let opening = opening.chain(request.publisher_offer.map(Request::Offer));
        Self {
            single_pc: true,
            auto_subscribe: settings.auto_subscribe,
            resume: request.reconnect.then(|| Resume {
                sid: request.participant_sid.into(),
                reason: request.reconnect_reason,
            }),
            client: request.client_info.unwrap_or_default(),
            metadata: request.metadata,
            attributes: request.participant_attributes.into_iter().collect(),
            opening: opening.collect(),
        }
    }

    fn from_pairs(pairs: &BTreeMap<String, String>) -> Result<Self, Error> {
        let text = |name: &str| pairs.get(name).cloned().unwrap_or_default();
        let number = |name: &str| pairs.get(name).and_then(|n| n.parse().ok()).unwrap_or_default();
        let flag = |name: &str| pairs.get(name).map(|value| is_true(value));
        Ok(Self {
            single_pc: false,
            auto_subscribe: flag("auto_subscribe").unwrap_or(true),
            resume: flag("reconnect")
                .unwrap_or(false)
                .then(|| Resume { sid: text("sid").into(), reason: number("reconnect_reason") }),
            client: pb::ClientInfo {
                sdk: sdk(&text("sdk")).into(),
                version: text("version"),
                protocol: number("protocol"),
                os: text("os"),
                os_version: text("os_version"),
                device_model: text("device_model"),
                browser: text("browser"),
                browser_version: text("browser_version"),
                network: text("network"),
                client_protocol: number("client_protocol"),
                capabilities: text("capabilities").split(',').filter_map(capability).collect(),
                ..pb::ClientInfo::default()
            },
            metadata: String::new(),
            attributes: pairs
                .get("attributes")
                .map(|text| attributes(text))
                .transpose()?
                .unwrap_or_default(),
            opening: Vec::new(),
        })
    }
}

/// Decodes a `join_request`: base64url of a wrapper, around a join request that may be compressed.
///
/// # Errors
/// [`Error::Malformed`] when it is not that; [`Error::TooLarge`] beyond `inflated_bytes_max`.
pub fn decode_join_request(
    text: &str,
    inflated_bytes_max: usize,
) -> Result<pb::JoinRequest, Error> {
    if text.len() > JOIN_REQUEST_BYTES_MAX {
        return Err(Error::TooLarge { limit: JOIN_REQUEST_BYTES_MAX });
    }
    let malformed = || Error::Malformed("join_request");
    let wrapped = BASE64.decode(text).map_err(|_| malformed())?;
    let wrapped = pb::WrappedJoinRequest::decode(wrapped.as_slice()).map_err(|_| malformed())?;
    let bytes = match pb::wrapped_join_request::Compression::try_from(wrapped.compression) {
        Ok(pb::wrapped_join_request::Compression::None) => wrapped.join_request,
        Ok(pb::wrapped_join_request::Compression::Gzip) => {
            inflate(&wrapped.join_request, inflated_bytes_max)?
        }
        Err(_) => return Err(malformed()),
    };
    pb::JoinRequest::decode(bytes.as_slice()).map_err(|_| malformed())
}

/// Inflates at most `bytes_max`, whatever the compressed text promises.
fn inflate(compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    flate2::read::GzDecoder::new(compressed)
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|_| Error::Malformed("join_request"))?;
    if bytes.len() > bytes_max {
        return Err(Error::TooLarge { limit: bytes_max });
    }
    Ok(bytes)
}

fn attributes(text: &str) -> Result<BTreeMap<String, String>, Error> {
    let json = BASE64.decode(text).map_err(|_| Error::Malformed("attributes"))?;
    serde_json::from_slice(&json).map_err(|_| Error::Malformed("attributes"))
}

fn is_true(value: &str) -> bool {
    value == "1" || value.eq_ignore_ascii_case("true")
}

fn sdk(name: &str) -> pb::client_info::Sdk {
    use pb::client_info::Sdk;
    match name.to_ascii_lowercase().as_str() {
        "js" => Sdk::Js,
        "ios" | "swift" => Sdk::Swift,
        "android" => Sdk::Android,
        "flutter" => Sdk::Flutter,
        "go" => Sdk::Go,
        "unity" => Sdk::Unity,
        "unityweb" => Sdk::UnityWeb,
        "reactnative" => Sdk::ReactNative,
        "rust" => Sdk::Rust,
        "python" => Sdk::Python,
        "cpp" => Sdk::Cpp,
        "node" => Sdk::Node,
        "esp32" => Sdk::Esp32,
        _ => Sdk::Unknown,
    }
}

fn capability(name: &str) -> Option<i32> {
    pb::client_info::Capability::from_str_name(name.trim()).map(i32::from)
}

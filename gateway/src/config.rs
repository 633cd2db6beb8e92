//! What the operator decides about the doors.

use std::time::Duration;

use proto::{media::Codec, room::RoomSettings};

use crate::{auth::Keys, limit::Limits};

/// Configuration of the doors. Everything has a default but the keys: without keys nobody comes in.
#[derive(Clone, Debug)]
pub struct Config {
    /// API keys whose tokens are accepted.
    pub keys: Keys,
    /// Faults may be simulated and the pages' own tokens issued.
    pub dev: bool,
    /// Told to clients; empty if there are no regions.
    pub region: String,
    /// Names this node to clients and in logs, such as `ND_0`.
    pub node: String,
    /// TURN and STUN servers that clients should use besides the node itself.
    pub ice_servers: Vec<IceServer>,
    /// Moderators may unmute somebody else's track.
    pub enable_remote_unmute: bool,
    /// Where notices are sent.
    pub webhook: Option<Webhook>,
    /// Codecs that may be published.
    pub codecs: Vec<Codec>,
    /// What rooms are opened with where a token's `roomConfig` leaves something open.
    pub room_defaults: RoomSettings,
    /// A participant whose signalling broke is kept for this long. Longer keeps ghosts, shorter breaks calls in tunnels.
    pub resume_after_max: Duration,
    /// Clients whose `User-Agent` contains one of these use two peer connections.
    pub dual_pc_agents: Vec<String>,
    /// The client's address is taken from the last entry of `X-Forwarded-For`. Only behind a proxy that sets it.
    pub behind_proxy: bool,
    /// Bounds of what outside parties may use.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            dev: false,
            region: String::new(),
            node: "ND_0".to_owned(),
            ice_servers: Vec::new(),
            enable_remote_unmute: false,
            webhook: None,
            codecs: vec![
                Codec::Opus,
                Codec::OpusRed,
                Codec::Vp8,
                Codec::H264,
                Codec::Vp9,
                Codec::Av1,
            ],
            room_defaults: RoomSettings::default(),
            resume_after_max: Duration::from_secs(15),
            dual_pc_agents: Vec::new(),
            behind_proxy: false,
            limits: Limits::default(),
        }
    }
}

/// A TURN or STUN server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceServer {
    /// Its URLs, such as `turn:example.org:3478?transport=udp`.
    pub urls: Vec<String>,
    /// User name for TURN.
    pub username: String,
    /// Secret for TURN.
    pub credential: String,
}

/// Where notices of what happens in rooms are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhook {
    /// The key that signs them.
    pub api_key: String,
    /// The back ends.
    pub urls: Vec<String>,
}

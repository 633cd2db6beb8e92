//! Configuration: defaults, then a TOML file, then `STOA_*` environment variables, then flags. Later wins.
//!
//! An unknown key is an error that names the nearest known one: a typo must not silently run with a default.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
    value::{Dict, Value},
};
use serde::{Deserialize, Serialize};

use crate::limits::ChatLimits;

/// The HTTP port that every other port is counted from.
pub(crate) const PORT_BASE: u16 = 7880;
/// UDP ports reserved for shards below the node-link port.
pub(crate) const SHARDS_MAX: u8 = 8;

/// Everything an operator can set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    /// Development mode: known key, loopback, faults on request, tokens for the demo page.
    pub(crate) dev: bool,
    /// Where the node keeps its files.
    pub(crate) data: PathBuf,
    /// HTTP port; every other port keeps its distance to it.
    pub(crate) port_base: u16,
    /// Address the HTTP and media ports listen on.
    pub(crate) bind: IpAddr,
    /// API keys and their secrets.
    pub(crate) keys: BTreeMap<String, String>,
    /// Media.
    pub(crate) rtc: Rtc,
    /// Defaults of rooms.
    pub(crate) room: Room,
    /// Chat.
    pub(crate) chat: Chat,
    /// Who is told of events.
    pub(crate) webhook: Webhook,
    /// The nodes that keep the state together.
    pub(crate) cluster: Cluster,
    /// Limits of the doors.
    pub(crate) limit: Limit,
    /// What is logged.
    pub(crate) log: Log,
    /// How long a stopping node waits for its rooms to empty, in seconds.
    pub(crate) drain_s: u64,
}

/// Media settings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rtc {
    /// Media threads; 0: one per core.
    pub(crate) shards: u8,
    /// Address the media ports listen on, if not `bind`. In development mode media listens on every address, because
    /// a browser with a network does not pair its addresses with loopback alone.
    pub(crate) bind: Option<IpAddr>,
    /// Addresses that clients are told to reach the node at; empty: the bound address, or the machine's own.
    pub(crate) node_ips: Vec<IpAddr>,
    /// Whether media over TCP is offered.
    pub(crate) tcp_disabled: bool,
    /// Servers told to clients for traversal, such as `turn:turn.example.org`.
    pub(crate) ice_servers: Vec<IceServer>,
    /// Codecs offered, by media type; empty: all that are forwarded.
    pub(crate) codecs: Vec<String>,
}

/// A server for NAT traversal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct IceServer {
    /// Its URLs.
    pub(crate) urls: Vec<String>,
    /// User name.
    pub(crate) username: String,
    /// Password.
    pub(crate) credential: String,
}

/// Defaults of rooms that do not say otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Room {
    /// Whether a join opens a room that does not exist.
    pub(crate) auto_create: bool,
    /// Seconds after which a room that nobody came to closes.
    pub(crate) empty_timeout_s: u64,
    /// Seconds after which a room that everybody left closes.
    pub(crate) departure_timeout_s: u64,
    /// Most participants; 0: no limit of its own.
    pub(crate) max_participants: u32,
    /// Whether moderators may unmute somebody else's track.
    pub(crate) enable_remote_unmute: bool,
}

/// Chat.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Chat {
    /// Whether people may make accounts by themselves. Always in development mode.
    pub(crate) sign_up: bool,
    /// Signs access tokens of chat, the same on every node; empty: derived from the API keys, so that changing those ends
    /// every access token (log-ins go on with their refresh tokens).
    pub(crate) secret: String,
    /// Whether calls have no live room of their name.
    pub(crate) live_in_calls_disabled: bool,
    /// Bounds of what clients may use.
    pub(crate) limits: ChatLimits,
}

/// Who is told of events.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Webhook {
    /// Where events are posted.
    pub(crate) urls: Vec<String>,
    /// The API key whose secret signs them.
    pub(crate) api_key: String,
}

/// The nodes that keep the state together.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Cluster {
    /// This node's id. Never given out twice: a node that lost its data gets a new one.
    pub(crate) node: u16,
    /// Folder with this node's certificate, made by `stoa cluster init`; empty: a node by itself, without links.
    pub(crate) certificates: PathBuf,
    /// Where other nodes reach this one, `host:port` (UDP); empty: the address it listens on.
    pub(crate) address: String,
    /// Where clients of other nodes are sent, such as `https://b.example.org`.
    pub(crate) http: String,
    /// A new node waits until `stoa cluster add` makes it part of a cluster; otherwise it is the first of its own.
    pub(crate) join: bool,
}

/// Limits of the doors.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Limit {
    /// Most WebSockets at once.
    pub(crate) sockets_max: usize,
    /// Joins a second from one address.
    pub(crate) joins_per_second: u32,
}

/// What is logged.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Log {
    /// A filter such as `info` or `info,sfu_shard=debug`.
    pub(crate) level: String,
    /// One JSON object a line instead of text.
    pub(crate) json: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dev: false,
            data: PathBuf::from("stoa-data"),
            port_base: PORT_BASE,
            bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            keys: BTreeMap::new(),
            rtc: Rtc::default(),
            room: Room::default(),
            chat: Chat::default(),
            webhook: Webhook::default(),
            cluster: Cluster::default(),
            limit: Limit::default(),
            log: Log::default(),
            drain_s: 60,
        }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self {
            auto_create: true,
            empty_timeout_s: 300,
            departure_timeout_s: 20,
            max_participants: 0,
            enable_remote_unmute: false,
        }
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            node: 1,
            certificates: PathBuf::new(),
            address: String::new(),
            http: String::new(),
            join: false,
        }
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self { sockets_max: 20_000, joins_per_second: 200 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), json: false }
    }
}

/// What flags may override.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// `--dev`.
    pub(crate) dev: bool,
    /// `--data`.
    pub(crate) data: Option<PathBuf>,
    /// `--port-base`.
    pub(crate) port_base: Option<u16>,
    /// `--bind`.
    pub(crate) bind: Option<IpAddr>,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// The file cannot be read, a key is unknown or has the wrong type, or the whole makes no sense.
    pub(crate) fn load(file: Option<&Path>, flags: Flags) -> anyhow::Result<Self> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            if !file.is_file() {
                bail!("configuration file {} does not exist", file.display());
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        figment = figment.merge(Env::prefixed("STOA_").ignore(&["keys", "log"]).split("__"));
        reject_unknown(&figment)?;
        let mut config: Self = figment.extract().context("reading the configuration")?;
        if let Ok(level) = std::env::var("STOA_LOG") {
            config.log.level = level;
        }
        if let Ok(keys) = std::env::var("STOA_KEYS") {
            config.keys.extend(keys_from_text(&keys)?);
        }
        config.override_by(flags);
        config.check()?;
        Ok(config)
    }

    fn override_by(&mut self, flags: Flags) {
        self.dev |= flags.dev;
        if self.dev {
            self.keys.entry("devkey".to_owned()).or_insert_with(|| "secret".to_owned());
            self.bind = IpAddr::V4(Ipv4Addr::LOCALHOST);
            self.rtc.bind.get_or_insert(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            self.drain_s = 0;
        }
        self.data = flags.data.unwrap_or_else(|| std::mem::take(&mut self.data));
        self.port_base = flags.port_base.unwrap_or(self.port_base);
        self.bind = flags.bind.unwrap_or(self.bind);
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.keys.is_empty() {
            bail!(
                "no API key is configured: set [keys] in the file, STOA_KEYS=\"key: secret\", or use --dev"
            );
        }
        if self.port_base < 1024 || self.port_base > u16::MAX - 32 {
            bail!("port_base is {}, allowed are 1024 to {}", self.port_base, u16::MAX - 32);
        }
        if self.rtc.shards > SHARDS_MAX {
            bail!(
                "rtc.shards is {}, at most {SHARDS_MAX} fit below the node-link port",
                self.rtc.shards
            );
        }
        if !self.webhook.urls.is_empty() && !self.keys.contains_key(&self.webhook.api_key) {
            bail!("webhook.api_key {:?} is none of the configured keys", self.webhook.api_key);
        }
        self.chat.limits.check()?;
        if self.cluster.join && self.cluster.certificates.as_os_str().is_empty() {
            bail!("cluster.join needs cluster.certificates: make them with `stoa cluster init`");
        }
        for mime in &self.rtc.codecs {
            if proto::media::Codec::from_mime(mime).is_none() {
                bail!(
                    "rtc.codecs names {mime:?}, which is not forwarded; known are audio/opus, video/VP8, video/H264, video/VP9, video/AV1"
                );
            }
        }
        Ok(())
    }

    /// Where HTTP and WebSocket listen.
    #[must_use]
    pub(crate) const fn http(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port_base)
    }

    /// The address the media ports listen on.
    #[must_use]
    pub(crate) const fn media_bind(&self) -> IpAddr {
        match self.rtc.bind {
            Some(bind) => bind,
            None => self.bind,
        }
    }

    /// Where media over TCP listens.
    #[must_use]
    pub(crate) const fn ice_tcp(&self) -> SocketAddr {
        SocketAddr::new(self.media_bind(), self.port_base + 1)
    }

    /// Where a shard's media over UDP listens.
    #[must_use]
    pub(crate) const fn udp(&self, shard: u8) -> SocketAddr {
        SocketAddr::new(self.media_bind(), self.port_base + 2 + shard as u16)
    }

    /// Where node links listen.
    #[must_use]
    pub(crate) const fn links(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port_base + 10)
    }

    /// How many media threads to run.
    #[must_use]
    pub(crate) fn shards(&self) -> u8 {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let wanted = if self.rtc.shards == 0 { cores } else { usize::from(self.rtc.shards) };
        u8::try_from(wanted).unwrap_or(SHARDS_MAX).clamp(1, SHARDS_MAX)
    }

    /// Settings of rooms that do not say otherwise.
    #[must_use]
    pub(crate) fn room_settings(&self) -> proto::room::RoomSettings {
        proto::room::RoomSettings {
            empty_timeout: Duration::from_secs(self.room.empty_timeout_s),
            departure_timeout: Duration::from_secs(self.room.departure_timeout_s),
            participants_max: self.room.max_participants,
            metadata: String::new(),
        }
    }
}

/// Reads `key: secret`, one a line.
fn keys_from_text(text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let (key, secret) = line.split_once(':').context("STOA_KEYS wants \"key: secret\"")?;
            Ok((key.trim().to_owned(), secret.trim().to_owned()))
        })
        .collect()
}

/// Refuses keys that no default knows.
fn reject_unknown(figment: &Figment) -> anyhow::Result<()> {
    let known = Figment::from(Serialized::defaults(Config::default()));
    let given: Dict = figment.extract().context("reading the configuration")?;
    let known: Dict = known.extract().context("reading the defaults")?;
    reject_unknown_in(&given, &known, "")
}

fn reject_unknown_in(given: &Dict, known: &Dict, path: &str) -> anyhow::Result<()> {
    for (key, value) in given {
        let Some(default) = known.get(key) else {
            let nearest = known
                .keys()
                .map(|known| (strsim::damerau_levenshtein(key, known), known))
                .min()
                .map_or_else(String::new, |(_, known)| format!("; did you mean {path}{known}?"));
            bail!("unknown configuration key {path}{key}{nearest}");
        };
        // The key names under [keys] are the operator's own.
        if let (Value::Dict(_, given), Value::Dict(_, known)) = (value, default)
            && key != "keys"
        {
            reject_unknown_in(given, known, &format!("{path}{key}."))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> anyhow::Result<Config> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("stoa.toml");
        std::fs::write(&file, text)?;
        Config::load(Some(&file), Flags { dev: true, ..Flags::default() })
    }

    #[test]
    fn an_unknown_key_is_refused_and_its_nearest_is_named() {
        let error = load("[room]\nempty_timout_s = 3\n").unwrap_err().to_string();
        assert!(error.contains("room.empty_timout_s"), "{error}");
        assert!(error.contains("did you mean room.empty_timeout_s?"), "{error}");
    }

    #[test]
    fn development_mode_knows_the_development_key_and_listens_on_loopback() {
        let config = load("bind = \"0.0.0.0\"\n").unwrap();
        assert_eq!(config.keys.get("devkey").map(String::as_str), Some("secret"));
        assert!(config.bind.is_loopback());
    }

    #[test]
    fn every_port_keeps_its_distance_to_the_base() {
        let config = load("port_base = 20000\n").unwrap();
        assert_eq!(config.http().port(), 20000);
        assert_eq!(config.ice_tcp().port(), 20001);
        assert_eq!(config.udp(1).port(), 20003);
    }

    #[test]
    fn a_webhook_key_that_is_not_configured_is_refused() {
        let error = load("[webhook]\nurls = [\"http://127.0.0.1:1/\"]\napi_key = \"other\"\n");
        assert!(error.unwrap_err().to_string().contains("webhook.api_key"));
    }

    #[test]
    fn limits_of_chat_are_read_and_checked() {
        let config = load("[chat.limits]\nframe_bytes = 8192\n").unwrap();
        assert_eq!(config.chat.limits.frame_bytes, Some(8_192));
        let error = load("[chat.limits]\nsends_per_second = 0\n").unwrap_err().to_string();
        assert!(error.contains("chat.limits.sends_per_second"), "{error}");
        let error = load("[chat.limits]\nsend_per_second = 1\n").unwrap_err().to_string();
        assert!(error.contains("did you mean chat.limits.sends_per_second?"), "{error}");
    }

    #[test]
    fn keys_are_read_one_a_line() {
        let keys = keys_from_text("a: b\n c : d \n").unwrap();
        assert_eq!(keys.get("c").map(String::as_str), Some("d"));
        assert!(keys_from_text("nonsense").is_err());
    }

    #[test]
    fn no_key_at_all_is_refused_with_what_to_do() {
        let error = Config::load(None, Flags::default()).unwrap_err().to_string();
        assert!(error.contains("--dev"), "{error}");
    }
}

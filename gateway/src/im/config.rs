//! What the operator decides about chat.

use std::{fmt, time::Duration};

use proto::id::NodeId;

/// Configuration of chat.
#[derive(Clone, Debug)]
pub struct Config {
    /// Signs access tokens; the same on every node. Without one, tokens of this node end with its process.
    pub secret: Secret,
    /// People may make accounts by themselves.
    pub sign_up: bool,
    /// How long an access token is good.
    pub access_lives: Duration,
    /// How long a refresh token is good.
    pub refresh_lives: Duration,
    /// Whoever may join a call may join the live room of its name, with the call's token; it ends with the call.
    pub live_in_calls: bool,
    /// This node.
    pub node: NodeId,
    /// Bounds of what clients may use.
    pub limits: Limits,
}

impl Config {
    /// The defaults, with a secret.
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        Self {
            secret,
            sign_up: false,
            access_lives: Duration::from_mins(15),
            refresh_lives: Duration::from_hours(24 * 30),
            live_in_calls: true,
            node: NodeId::default(),
            limits: Limits::default(),
        }
    }
}

/// A secret that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// A secret made from another one, which it does not give away.
    #[must_use]
    pub fn derived(from: &[u8]) -> Self {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, from);
        Self::from(aws_lc_rs::hmac::sign(&key, b"stoa chat access tokens"))
    }

    /// The bytes.
    pub(crate) const fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<T: AsRef<[u8]>> From<T> for Secret {
    fn from(bytes: T) -> Self {
        Self(bytes.as_ref().into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Bounds of what one client may use. Each has a counter that rises when it is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest frame of a client, in bytes.
    pub frame_bytes_max: usize,
    /// Frames a second of one socket, on average.
    pub frames_per_second: u32,
    /// Frames of one socket at once.
    pub frames_burst: u32,
    /// Messages a second of one socket, on average.
    pub sends_per_second: u32,
    /// Messages of one socket at once.
    pub sends_burst: u32,
    /// Questions a second of one socket, on average.
    pub pulls_per_second: u32,
    /// Questions of one socket at once.
    pub pulls_burst: u32,
    /// Requests of one socket that wait for the node. Beyond it nothing is read.
    pub in_flight_max: usize,
    /// Refused frames in a row, before the socket is closed.
    pub refused_max: u32,
    /// The first frame has to come within this.
    pub connect_after_max: Duration,
    /// A socket is pinged about this often, and given up after two that are not answered.
    pub ping_every: Duration,
    /// A session whose socket broke waits for its client for this long.
    pub resume_after_max: Duration,
    /// A frame has to be taken by the client's system within this.
    pub write_after_max: Duration,
    /// Bounds of the REST API.
    pub rest: RestLimits,
}

/// Bounds of what one may ask by REST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestLimits {
    /// Requests a second of one user.
    pub user_per_second: u32,
    /// Requests a second of all back ends.
    pub backend_per_second: u32,
    /// Log-ins tried a minute for one account.
    pub logins_per_minute: u32,
    /// Accounts made a minute from one address.
    pub sign_ups_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 64 * 1024,
            frames_per_second: 20,
            frames_burst: 60,
            sends_per_second: 5,
            sends_burst: 20,
            pulls_per_second: 10,
            pulls_burst: 40,
            in_flight_max: 32,
            refused_max: 200,
            connect_after_max: Duration::from_secs(5),
            ping_every: Duration::from_secs(25),
            resume_after_max: Duration::from_mins(1),
            write_after_max: Duration::from_secs(30),
            rest: RestLimits::default(),
        }
    }
}

impl Default for RestLimits {
    fn default() -> Self {
        Self {
            user_per_second: 20,
            backend_per_second: 2_000,
            logins_per_minute: 10,
            sign_ups_per_minute: 60,
        }
    }
}

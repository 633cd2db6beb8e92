//! Accounts, their devices, their profiles, and the settings of the whole installation.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::id::{ClientKey, DeviceId, SessionId};
use crate::time::LogTime;

/// Whether an account may be used.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum AccountState {
    /// It may.
    #[default]
    Active,
    /// An administrator has switched it off; it can be switched on again.
    Disabled,
    /// It is gone; its id is not given to another.
    Deleted,
}

/// An account as it is checked on every request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Whether it may be used.
    pub state: AccountState,
    /// Tokens of an earlier epoch are void.
    pub epoch: u32,
    /// When it was made.
    pub created_at: LogTime,
    /// The key it was made with: the same request again is not refused.
    pub key: ClientKey,
    /// Its live log-ins, oldest first.
    pub sessions: Vec<SessionId>,
    /// Who may reach it.
    pub rules: ContactRules,
}

/// Who may reach an account, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRules {
    /// Who becomes its friend.
    pub friends: FriendRule,
    /// Who may write to it.
    pub messages: Allowed,
    /// Who may put it into a group.
    pub invitations: Allowed,
}

/// What happens to a friend request.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum FriendRule {
    /// It is accepted at once.
    Anyone,
    /// It waits for an answer.
    #[default]
    Approval,
    /// It is refused at once.
    Nobody,
}

/// Who is allowed something.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Allowed {
    /// Everybody who is not blocked.
    #[default]
    Anyone,
    /// Friends.
    Friends,
    /// Nobody.
    Nobody,
}

/// How an account proves who it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credential {
    /// By a password; the hash in PHC string form.
    Password(String),
    /// By tokens that the application signs; no password works.
    External,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(..)",
            Self::External => "External",
        })
    }
}

/// A hash of a refresh token.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RefreshHash(pub [u8; 32]);

impl fmt::Debug for RefreshHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshHash(..)")
    }
}

/// What a device runs on.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Platform {
    /// A browser.
    #[default]
    Web,
    /// A phone or tablet of Apple's.
    Ios,
    /// A phone or tablet with Android.
    Android,
    /// Windows.
    Windows,
    /// macOS.
    Mac,
    /// Linux.
    Linux,
    /// Anything else, as a bot.
    Other,
}

/// Which log-ins of an account may live side by side. A new one ends those it cannot live with.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum DevicePolicy {
    /// One.
    Single,
    /// One in a browser and one elsewhere.
    Dual,
    /// One in a browser, one mobile and one on a desktop.
    Triple,
    /// As many as there may be.
    #[default]
    Multi,
}

/// One device with a live log-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The log-in.
    pub session: SessionId,
    /// What it runs on.
    pub platform: Platform,
    /// What its owner calls it.
    pub name: String,
    /// When it logged in.
    pub since: LogTime,
    /// When its refresh token was last changed.
    pub refreshed_at: LogTime,
    /// When its refresh token ends.
    pub expires_at: LogTime,
    /// The refresh token that is good.
    pub refresh: RefreshHash,
    /// Those before it, newest first.
    pub refresh_before: Vec<RefreshHash>,
}

/// Who may see a custom field.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Visibility {
    /// Everybody.
    #[default]
    Public,
    /// Friends and the account itself.
    Friends,
    /// The account itself.
    Private,
}

/// A field that the application defines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomField {
    /// Its value.
    pub value: String,
    /// Who may see it.
    pub visibility: Visibility,
}

/// What an account says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Display name; empty for none.
    pub name: String,
    /// Address of its picture; empty for none.
    pub avatar: String,
    /// Some words about itself.
    pub about: String,
    /// Gender, as the application numbers it.
    pub gender: u8,
    /// Birthday as `YYYYMMDD`, 0 for none. Shown to friends only.
    pub birthday: u32,
    /// The application's fields.
    pub custom: BTreeMap<String, CustomField>,
    /// Rises with every change.
    pub version: u64,
}

/// An account to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAccount {
    /// Its id.
    pub user: super::id::UserId,
    /// How it proves who it is.
    pub credential: Credential,
    /// Its first profile.
    pub profile: Profile,
    /// Who may reach it.
    pub rules: ContactRules,
}

/// Settings of the whole installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Which log-ins of an account may live side by side.
    pub devices: DevicePolicy,
    /// How long a sender may recall a message.
    pub recall_within: Duration,
    /// How long a sender may edit a message.
    pub edit_within: Duration,
    /// How long a sender may delete a message for everybody.
    pub delete_within: Duration,
    /// How long messages are kept where the group does not say; `None`: for ever.
    pub retention: Option<Duration>,
    /// How long a friend request or a request to join waits for an answer.
    pub request_lives: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            devices: DevicePolicy::Multi,
            recall_within: Duration::from_mins(2),
            edit_within: Duration::from_hours(24),
            delete_within: Duration::from_hours(48),
            retention: None,
            request_lives: Duration::from_hours(24 * 30),
        }
    }
}

/// How many of each an account has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Friends.
    pub friends: u32,
    /// Blocked accounts.
    pub blocks: u32,
    /// Accounts it follows.
    pub following: u32,
    /// Accounts that follow it.
    pub followers: u32,
    /// Friend requests waiting for it.
    pub requests_in: u32,
    /// Friend requests it waits for.
    pub requests_out: u32,
    /// Conversations in its list, groups included.
    pub conversations: u32,
    /// Groups it is in.
    pub groups: u32,
    /// Conversations it pinned.
    pub pinned: u32,
}

/// A log-in as shown in lists: nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// The device.
    pub device: DeviceId,
    /// The log-in.
    pub session: SessionId,
    /// What it runs on.
    pub platform: Platform,
    /// What its owner calls it.
    pub name: String,
    /// When it logged in.
    pub since: LogTime,
    /// When its refresh token was last changed.
    pub refreshed_at: LogTime,
    /// When its refresh token ends.
    pub expires_at: LogTime,
}

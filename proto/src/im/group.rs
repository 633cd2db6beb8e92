//! Groups: kinds, rules, members and what else they hold.

use alloc::{collections::BTreeMap, string::String};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::{ClientKey, Sequence, UserId};
use crate::time::LogTime;

/// What kind of group it is; each is a bundle of policies.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum GroupKind {
    /// Colleagues or friends: members bring others in, everybody edits, no administrators, the owner may leave.
    #[default]
    Private,
    /// An interest group: people apply and are approved.
    Public,
    /// A meeting: anybody joins, nothing is counted as unread, newcomers see what was said.
    Meeting,
    /// A community: as a meeting, but large, and counted.
    Community,
}

/// A member's standing. Ordered: who stands higher may act on who stands lower.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Role {
    /// Takes part.
    #[default]
    Member,
    /// Moderates.
    Admin,
    /// Owns the group.
    Owner,
}

/// What happens to somebody who wants to join.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum JoinRule {
    /// Is in.
    Free,
    /// Waits for an administrator.
    #[default]
    Approval,
    /// Is refused.
    Closed,
}

/// Who may bring others in.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum InviteRule {
    /// Every member.
    #[default]
    Members,
    /// Administrators and the owner.
    Admins,
    /// Nobody.
    Nobody,
}

/// Words pinned above a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The words; empty for none.
    pub text: String,
    /// Who wrote them; `None`: the back end.
    pub by: Option<UserId>,
    /// When.
    pub at: LogTime,
}

/// A group, without its members and what is counted with its conversation (see `Head`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// What kind it is.
    pub kind: GroupKind,
    /// Its owner; only private groups may have none.
    pub owner: Option<UserId>,
    /// The key it was made with: the same request again is not refused.
    pub key: ClientKey,
    /// When it was made.
    pub created_at: LogTime,
    /// When it was dismissed, if it was. Its id is not given to another.
    pub dismissed_at: Option<LogTime>,
    /// What people see of it.
    pub info: GroupInfo,
    /// What its owner decided.
    pub rules: GroupRules,
}

/// What people see of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupInfo {
    /// Name; empty for none.
    pub name: String,
    /// Address of its picture; empty for none.
    pub avatar: String,
    /// Some words about it.
    pub about: String,
    /// Words pinned above it.
    pub notice: Notice,
    /// The application's fields.
    pub custom: BTreeMap<String, String>,
}

/// What a group's owner decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRules {
    /// What happens to somebody who wants to join.
    pub join: JoinRule,
    /// Who may bring others in.
    pub invite: InviteRule,
    /// Most members.
    pub members_max: u32,
    /// Whether newcomers see what was said before.
    pub open_history: bool,
    /// How long messages are kept; `None`: as the installation says.
    pub retention: Option<Duration>,
}

/// A participant of a conversation, private ones included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Standing; in a private conversation both are members.
    pub role: Role,
    /// Since when.
    pub joined_at: LogTime,
    /// The first message it may see.
    pub visible_from: Sequence,
    /// Up to here it has read. Never goes back; sending a message counts as reading up to it.
    pub read: Sequence,
    /// How many messages up to `read` count as unread for others; see `Message::counted`.
    pub read_counted: u64,
    /// Up to here a device of its has received. Never goes back, never below `read`.
    pub delivered: Sequence,
    /// Until when it may not write.
    pub muted_until: LogTime,
    /// Its name in this group; empty for none.
    pub card: String,
    /// The application's fields.
    pub custom: BTreeMap<String, String>,
    /// Who brought it in, if somebody did.
    pub inviter: Option<UserId>,
}

/// Somebody waits to be let in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// Words of the asker.
    pub message: String,
    /// When it was asked last.
    pub at: LogTime,
    /// When it ends by itself.
    pub expires_at: LogTime,
}

/// Somebody may not come in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Who decided it; `None`: the back end.
    pub by: Option<UserId>,
    /// Since when.
    pub at: LogTime,
    /// Until when; `None`: for ever.
    pub until: Option<LogTime>,
}

/// A group's attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its value.
    pub value: String,
    /// The group's version that it was last changed with, never 0; used to change it only if nobody else did.
    pub version: u64,
}

/// A pinned message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Who pinned it; `None`: the back end.
    pub by: Option<UserId>,
    /// When.
    pub at: LogTime,
}

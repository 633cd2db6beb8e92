//! Conversations: the row that every message moves, and what a user keeps about them.

use alloc::{collections::BTreeSet, string::String};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::{ConversationId, DeviceId, GroupId, Sequence, UserId, UserSeq};
use crate::time::LogTime;

/// Where a conversation stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its last message; 0 for none.
    pub head: Sequence,
    /// Its first message that is kept; `head + 1` when none is.
    pub first: Sequence,
    /// How many messages up to `head` count as unread.
    pub counted: u64,
    /// How many messages before `first` counted as unread.
    pub counted_before: u64,
    /// Rises whenever a message that stands is changed (edit, recall, reaction, pin).
    pub revision: u64,
    /// Rises whenever the group itself changes (info, rules, members, attributes, pins).
    pub version: u64,
    /// When any of the above last changed.
    pub at: LogTime,
    /// When the last message came, or the conversation was made.
    pub said_at: LogTime,
    /// How many members it has.
    pub members: u32,
    /// How many of them are administrators, the owner not counted.
    pub admins: u32,
    /// How many wait to be let in.
    pub waiting: u32,
    /// Only administrators may write.
    pub muted: bool,
    /// Whether messages count as unread at all.
    pub counts: bool,
    /// How long messages are kept, and whether the group itself says so.
    pub retention: Retention,
}

/// How long messages are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// How long; `None`: for ever.
    pub keep: Option<Duration>,
    /// Whether the group itself says so; otherwise it follows the installation.
    pub own: bool,
    /// When housekeeping looks at it next.
    pub due: Option<LogTime>,
}

/// What a user keeps about a conversation, equal on all devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserConversation {
    /// Since when it is in the list.
    pub since: LogTime,
    /// Everything up to here was cleared for this user.
    pub cleared: Sequence,
    /// The user took it off the list when its last message was this; a later one brings it back. `None`: is in the list.
    pub hidden: Option<Sequence>,
    /// The user's settings.
    pub settings: ConversationSettings,
}

/// A user's settings of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationSettings {
    /// Stands on top of the list.
    pub pinned: bool,
    /// No push until then; `LogTime(u64::MAX)`: for ever; `LogTime(0)`: not muted.
    pub muted_until: LogTime,
    /// Marks, as the application numbers its bits (star, unread, fold, ..).
    pub marks: u32,
    /// What the user began to write.
    pub draft: String,
    /// The user's folders it is in.
    pub folders: BTreeSet<String>,
}

/// A thing of a user that can change. The change log has one row for each that ever changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Entity {
    /// Its account (rules, state).
    Account,
    /// Its profile.
    Profile,
    /// A log-in.
    Device(DeviceId),
    /// A friend.
    Friend(UserId),
    /// A request from this account.
    RequestIn(UserId),
    /// A request to this account.
    RequestOut(UserId),
    /// Its friend groups.
    FriendGroups,
    /// A blocked account.
    Block(UserId),
    /// A followed account.
    Following(UserId),
    /// A conversation: in or out, settings, read mark.
    Conversation(ConversationId),
    /// A message the user deleted for itself.
    Hidden(ConversationId, Sequence),
    /// The user's request to join a group.
    JoinRequest(GroupId),
}

/// Where a user's change log stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeHead {
    /// The last change.
    pub head: UserSeq,
    /// Changes up to here may have been forgotten: who stands before it must read everything anew.
    pub floor: UserSeq,
    /// How many rows the log has.
    pub rows: u64,
}

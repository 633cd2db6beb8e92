//! What is brought in from elsewhere, with the times it had there. A time that lies ahead becomes that of the log.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::NewGroup;
use crate::{
    im::{
        group::Role,
        id::{ClientKey, GroupId, UserId},
        message::{Content, MessageOptions},
    },
    time::LogTime,
};

/// Two who were friends elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewFriendship {
    /// The one.
    pub user: UserId,
    /// The other.
    pub peer: UserId,
    /// What `user` calls `peer`.
    pub remark: String,
    /// What `peer` calls `user`.
    pub peer_remark: String,
    /// Where they met, as the application says.
    pub source: String,
    /// Since when; `LogTime(0)`: now.
    pub since: LogTime,
}

/// A group that was elsewhere. It is made with its owner and those of `new.members` who can be; nothing is said in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldGroup {
    /// Its id.
    pub group: GroupId,
    /// Whose it is.
    pub owner: UserId,
    /// What it is.
    pub new: NewGroup,
    /// Since when; `LogTime(0)`: now.
    pub created_at: LogTime,
}

/// A member of a group that was elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMember {
    /// Who.
    pub user: UserId,
    /// `Admin` or `Member`; the owner is one already.
    pub role: Role,
    /// Its name in the group.
    pub card: String,
    /// Since when; `LogTime(0)`: now.
    pub joined_at: LogTime,
    /// Until when it may not write.
    pub muted_until: LogTime,
}

/// A message that was sent elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedMessage {
    /// Who sent it.
    pub sender: UserId,
    /// Its key: known, the message is left as it is.
    pub key: ClientKey,
    /// When; not before the conversation's last message.
    pub at: LogTime,
    /// What it holds.
    pub content: Content,
    /// How it travelled. It never counts as unread and has no end.
    pub options: MessageOptions,
}

//! Why a command or query was refused. A refusal is a value in the log's result; nothing was changed.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::id::{GroupId, Sequence, UserId};
use crate::{error::ErrorCode, time::LogTime};

/// What was too long, too large or too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Part {
    /// A name, remark, label or key.
    Name,
    /// An address of a file or picture.
    Url,
    /// Words about something.
    About,
    /// A custom field.
    Custom,
    /// A credential hash.
    Credential,
    /// The words of a request.
    Request,
    /// A draft.
    Draft,
    /// A message's content.
    Content,
    /// A message's data beside its content.
    Data,
    /// A reaction.
    Reaction,
    /// An attribute or counter.
    Attribute,
    /// A list in a command.
    List,
    /// A page.
    Page,
    /// The life of a message.
    Ttl,
}

/// Of what there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Many {
    /// Friends of an account.
    Friends,
    /// Requests that wait.
    Requests,
    /// Blocked accounts.
    Blocks,
    /// Followed accounts.
    Follows,
    /// Friend groups.
    FriendGroups,
    /// Conversations of an account.
    Conversations,
    /// Groups of an account.
    Groups,
    /// Pinned conversations.
    PinnedConversations,
    /// Folders of a conversation.
    Folders,
    /// Members of a group.
    Members,
    /// Administrators of a group.
    Admins,
    /// Custom fields.
    Fields,
    /// Attributes or counters.
    Attributes,
    /// Pinned messages.
    Pins,
    /// Reactions on a message.
    Reactions,
    /// Edits of a message.
    Edits,
    /// Mentioned users.
    Mentions,
    /// Live rooms.
    LiveRooms,
    /// People who are restrained in a live room.
    LiveRestrained,
}

/// A refusal, with what explains it.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum Reject {
    /// There is no such account, or no longer.
    #[error("account does not exist: {user}")]
    AccountNotFound {
        /// The id asked for.
        user: UserId,
    },
    /// There is an account of that id, or there was one.
    #[error("account id is taken: {user}")]
    AccountExists {
        /// The id asked for.
        user: UserId,
    },
    /// The account is switched off.
    #[error("account is disabled: {user}")]
    AccountDisabled {
        /// Whose.
        user: UserId,
    },
    /// The log-in has ended, or its tokens are void.
    #[error("the session has ended")]
    SessionEnded,
    /// The refresh token is not the device's.
    #[error("the refresh token is not valid")]
    RefreshInvalid,
    /// Nobody acts: the back end must say in whose name.
    #[error("the action needs a user in whose name it is done")]
    ActorMissing,
    /// The role, or being who one is, does not allow this.
    #[error("not permitted")]
    NotPermitted,
    /// It cannot be done with oneself.
    #[error("not possible with oneself")]
    Oneself,
    /// They are not friends.
    #[error("not a friend: {user}")]
    NotFriends {
        /// Who is not.
        user: UserId,
    },
    /// No such request waits, or no longer.
    #[error("there is no such request")]
    RequestNotFound,
    /// The account takes no requests, messages or invitations from this one.
    #[error("{user} does not accept this")]
    ContactRefused {
        /// Who.
        user: UserId,
    },
    /// One of them blocked the other.
    #[error("blocked")]
    Blocked,
    /// There is no friend group of that number.
    #[error("there is no such friend group")]
    FriendGroupNotFound,
    /// There is no such group, or no longer.
    #[error("group does not exist: {group}")]
    GroupNotFound {
        /// The id asked for.
        group: GroupId,
    },
    /// There is a group of that id, or there was one.
    #[error("group id is taken: {group}")]
    GroupExists {
        /// The id asked for.
        group: GroupId,
    },
    /// The account is not a member.
    #[error("{user} is not a member")]
    NotMember {
        /// Who is not.
        user: UserId,
    },
    /// The account is a member already.
    #[error("{user} is a member")]
    AlreadyMember {
        /// Who is.
        user: UserId,
    },
    /// The group does not let people in that way.
    #[error("the group does not admit this way")]
    JoinClosed,
    /// The account is kept out of the group.
    #[error("{user} is banned")]
    Banned {
        /// Who.
        user: UserId,
        /// Until when; `None`: for ever.
        until: Option<LogTime>,
    },
    /// The member, or everybody, may not write.
    #[error("muted until {}", until.0)]
    Muted {
        /// Until when; `LogTime(u64::MAX)`: until it is lifted.
        until: LogTime,
    },
    /// The owner must give the group away first.
    #[error("the owner cannot leave")]
    OwnerStays,
    /// Groups of this kind do not have that.
    #[error("groups of this kind do not have this")]
    KindForbids,
    /// The attribute was changed by somebody else.
    #[error("the attribute has version {version}")]
    AttributeChanged {
        /// The version it has; 0: it does not exist.
        version: u64,
    },
    /// A number became too large.
    #[error("the counter would overflow")]
    CounterOverflow,
    /// The client key was used for something else.
    #[error("the client key was used for something else")]
    KeyUsed,
    /// There is no such conversation for the account.
    #[error("there is no such conversation")]
    ConversationNotFound,
    /// There is no such message, or no longer, or not for the account.
    #[error("there is no message {seq}")]
    MessageNotFound {
        /// The place asked for.
        seq: Sequence,
    },
    /// The message may no longer be changed by its sender.
    #[error("the time to change the message is over")]
    TooLate,
    /// A content that users do not send, or that cannot be edited.
    #[error("this content cannot be sent")]
    ContentInvalid,
    /// The group is too large for that.
    #[error("the group has more than {limit} members")]
    GroupTooLarge {
        /// How many it may have.
        limit: u32,
    },
    /// Something has the wrong length.
    #[error("{part:?} has {bytes}, the limit is {limit}")]
    Length {
        /// What.
        part: Part,
        /// Its length in bytes or items.
        bytes: usize,
        /// The largest allowed.
        limit: usize,
    },
    /// There are too many of something.
    #[error("{what:?}: {limit} is the limit")]
    TooMany {
        /// Of what.
        what: Many,
        /// How many there may be.
        limit: u32,
    },
    /// An imported message is older than the last one of its conversation.
    #[error("the conversation has a later message")]
    OutOfOrder,
}

impl Reject {
    /// The stable code of this refusal.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::AccountNotFound { .. } => ErrorCode::AccountNotFound,
            Self::AccountExists { .. } => ErrorCode::AccountExists,
            Self::AccountDisabled { .. } => ErrorCode::AccountDisabled,
            Self::SessionEnded => ErrorCode::SessionEnded,
            Self::RefreshInvalid => ErrorCode::RefreshInvalid,
            Self::ActorMissing => ErrorCode::ActorMissing,
            Self::NotPermitted => ErrorCode::ChatNotPermitted,
            Self::Oneself => ErrorCode::Oneself,
            Self::NotFriends { .. } => ErrorCode::NotFriends,
            Self::RequestNotFound => ErrorCode::RequestNotFound,
            Self::ContactRefused { .. } => ErrorCode::ContactRefused,
            Self::Blocked => ErrorCode::Blocked,
            Self::FriendGroupNotFound => ErrorCode::FriendGroupNotFound,
            Self::GroupNotFound { .. } => ErrorCode::GroupNotFound,
            Self::GroupExists { .. } => ErrorCode::GroupExists,
            Self::NotMember { .. } => ErrorCode::NotMember,
            Self::AlreadyMember { .. } => ErrorCode::AlreadyMember,
            Self::JoinClosed => ErrorCode::JoinClosed,
            Self::Banned { .. } => ErrorCode::Banned,
            Self::Muted { .. } => ErrorCode::Muted,
            Self::OwnerStays => ErrorCode::OwnerStays,
            Self::KindForbids => ErrorCode::KindForbids,
            Self::AttributeChanged { .. } => ErrorCode::AttributeChanged,
            Self::CounterOverflow => ErrorCode::CounterOverflow,
            Self::KeyUsed => ErrorCode::KeyUsed,
            Self::ConversationNotFound => ErrorCode::ConversationNotFound,
            Self::MessageNotFound { .. } => ErrorCode::MessageNotFound,
            Self::TooLate => ErrorCode::TooLate,
            Self::ContentInvalid => ErrorCode::ContentInvalid,
            Self::GroupTooLarge { .. } => ErrorCode::GroupTooLarge,
            Self::Length { .. } => ErrorCode::FieldLength,
            Self::TooMany { .. } => ErrorCode::TooMany,
            Self::OutOfOrder => ErrorCode::OutOfOrder,
        }
    }
}

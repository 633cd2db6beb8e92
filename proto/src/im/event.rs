//! What came of a command: the reply to who asked, and events for everybody's sockets.
//!
//! Every node sees the events of every command, in log order. A node delivers `Message`, `MessageChanged` and
//! `Receipt` of a private conversation to the sockets of its two users, and of a group to its members who are
//! connected there: it learns a user's groups when the user connects (`Ask::Memberships`) and keeps up with
//! `Joined`, `Left` and `Dismissed`. `Changed` and `SessionEnded` go to the sockets of the user they name.

use alloc::{boxed::Box, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{
    account::AccountState,
    conversation::Entity,
    id::{ConversationId, DeviceId, GroupId, Sequence, SessionId, UserId, UserSeq},
    live::{LiveLease, LiveRoom},
    message::Message,
    reject::Reject,
};
use crate::time::LogTime;

/// What came of a command that was not refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// For who asked.
    pub reply: Reply,
    /// For everybody whom it concerns, in order.
    pub events: Vec<Event>,
}

/// The answer to who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// It is so.
    Done,
    /// The message has its place.
    Sent {
        /// Which.
        seq: Sequence,
        /// When it was committed.
        at: LogTime,
        /// It had it already: the key was known.
        duplicate: bool,
    },
    /// What became of each account of an import, in order.
    Imported(Vec<Imported>),
    /// The device is logged in.
    LoggedIn {
        /// The log-in.
        session: SessionId,
        /// The epoch for its tokens.
        epoch: u32,
    },
    /// The refresh token was changed.
    Refreshed {
        /// The epoch for new tokens.
        epoch: u32,
    },
    /// The refresh token had been used before: somebody copied it, and the log-in was ended.
    Reused,
    /// What became of a request, to a friend or to a group.
    Request(RequestOutcome),
    /// The friend group's number.
    FriendGroup(u16),
    /// Who could not be brought in, or removed, and why.
    Members {
        /// How many could.
        done: u32,
        /// Who could not.
        failed: Vec<(UserId, Reject)>,
    },
    /// The attribute's new version; 0 when it was removed.
    Attribute {
        /// Which.
        version: u64,
    },
    /// The counter's new value.
    Counter {
        /// Which.
        value: i64,
    },
    /// The conversation's new revision.
    Revised {
        /// Which.
        revision: u64,
    },
    /// Housekeeping: how many rows were touched.
    Expired {
        /// How many.
        rows: u32,
    },
    /// Who orders the live room now, if anybody.
    Live(Option<LiveLease>),
}

/// What became of one account of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Imported {
    /// It was made.
    Created,
    /// It existed and was left as it is.
    Exists,
    /// It was refused.
    Refused(Reject),
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RequestOutcome {
    /// It waits for an answer.
    Waits,
    /// They are friends, or the user is in.
    Accepted,
}

/// Why a log-in ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SessionEnd {
    /// It logged out, or was logged out by its owner or an administrator.
    LoggedOut,
    /// Another log-in took its place.
    Replaced,
    /// All were ended.
    Revoked,
    /// An old refresh token of it was used: somebody copied it.
    Reused,
    /// The account was disabled.
    Disabled,
    /// The account was deleted.
    Deleted,
}

/// Which part of a group changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GroupPart {
    /// What people see, its rules, its owner, or whether all are muted.
    Info,
    /// Somebody's role, card, fields or mute. Coming and going is said by `Joined` and `Left`.
    Members,
    /// Who is kept out.
    Bans,
    /// Who waits to be let in.
    Requests,
    /// Attributes.
    Attributes,
    /// Counters.
    Counters,
    /// Pinned messages.
    Pins,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A message came. For its sender it also means: read up to here.
    Message {
        /// In which conversation.
        conversation: ConversationId,
        /// Which.
        message: Box<Message>,
    },
    /// A message that stands was changed.
    MessageChanged {
        /// In which conversation.
        conversation: ConversationId,
        /// Its new whole.
        message: Box<Message>,
    },
    /// Somebody has read, or received, up to somewhere.
    Receipt {
        /// In which conversation.
        conversation: ConversationId,
        /// Who.
        user: UserId,
        /// Has read up to here.
        read: Sequence,
        /// Has received up to here.
        delivered: Sequence,
    },
    /// A thing of a user has changed.
    Changed {
        /// Whose.
        user: UserId,
        /// The place in its change log.
        user_seq: UserSeq,
        /// What.
        entity: Entity,
    },
    /// A log-in has ended: its sockets close.
    SessionEnded {
        /// Whose.
        user: UserId,
        /// On which device.
        device: DeviceId,
        /// Which.
        session: SessionId,
        /// Why.
        reason: SessionEnd,
    },
    /// Tokens of earlier epochs are void, or the account's state changed: sockets of older tokens close.
    AccountChanged {
        /// Whose.
        user: UserId,
        /// The new state.
        state: AccountState,
        /// The new epoch.
        epoch: u32,
    },
    /// Members came into a group. Precedes any tip about it.
    Joined {
        /// Which group.
        group: GroupId,
        /// Who.
        users: Vec<UserId>,
    },
    /// Members are gone from a group. Follows any tip about it, so that they see it, too.
    Left {
        /// Which group.
        group: GroupId,
        /// Who.
        users: Vec<UserId>,
        /// By whom they were removed; `None`: left, or the back end.
        by: Option<UserId>,
    },
    /// A group changed.
    GroupChanged {
        /// Which.
        group: GroupId,
        /// Which part of it.
        part: GroupPart,
        /// Its new version.
        version: u64,
        /// Whom it concerns, if it is about one.
        user: Option<UserId>,
        /// Which attribute or counter, if it is about one.
        key: Option<String>,
    },
    /// A group is gone: nobody is a member any more.
    Dismissed {
        /// Which.
        group: GroupId,
    },
    /// Messages before this one are gone.
    Trimmed {
        /// In which conversation.
        conversation: ConversationId,
        /// The first that is kept.
        first: Sequence,
    },
    /// The settings of the installation changed.
    Configured,
    /// Another node orders a live room, or the same one anew: whatever an earlier epoch had is void. With the same epoch:
    /// others are restrained there.
    LiveHeld {
        /// Which room.
        room: LiveRoom,
        /// Who, and by which epoch.
        lease: LiveLease,
    },
    /// A live room is over.
    LiveEnded {
        /// Which.
        room: LiveRoom,
        /// What was its epoch.
        epoch: u64,
        /// It was ended for everybody; otherwise nobody was in it, or its lease was forgotten.
        closed: bool,
    },
}

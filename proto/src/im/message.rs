//! Messages: what they hold, how they travel, and what becomes of them.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    group::Role,
    id::{ClientKey, Sequence, UserId},
};
use crate::time::LogTime;

/// A message in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its place in the conversation.
    pub seq: Sequence,
    /// When it was committed.
    pub at: LogTime,
    /// Who sent it; `None` for tips of the system.
    pub sender: Option<UserId>,
    /// The sender's key.
    pub key: ClientKey,
    /// What it holds, or what became of that.
    pub body: Body,
    /// How it travels.
    pub options: MessageOptions,
    /// How many messages of the conversation up to this one count as unread for those who have not read them.
    pub counted: u64,
    /// The conversation's revision at which the message was last changed; 0 for never.
    pub revision: u64,
    /// How often it was edited.
    pub edits: u16,
    /// When it was last edited.
    pub edited_at: Option<LogTime>,
    /// Reactions and how many gave each.
    pub reactions: BTreeMap<String, u32>,
    /// Whether it is pinned.
    pub pinned: bool,
}

/// What a message holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// This.
    Content(Content),
    /// Nothing any more.
    Gone {
        /// Why.
        how: Gone,
        /// Who did it; `None`: the back end or time.
        by: Option<UserId>,
        /// When.
        at: LogTime,
    },
}

/// Why a message holds nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Gone {
    /// Recalled: people see that something was.
    Recalled,
    /// Deleted for everybody: people see nothing.
    Deleted,
    /// Its time was over.
    Expired,
}

/// What people send each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// A picture.
    Image {
        /// Where it is.
        file: File,
        /// Its size on the screen.
        picture: Picture,
    },
    /// A voice message.
    Voice {
        /// Where it is.
        file: File,
        /// How long it is.
        duration_ms: u32,
    },
    /// A film.
    Video {
        /// Where it is.
        file: File,
        /// Its size on the screen.
        picture: Picture,
        /// How long it is.
        duration_ms: u32,
    },
    /// Any file.
    File {
        /// Where it is.
        file: File,
    },
    /// A place.
    Location {
        /// Degrees north, in millionths.
        latitude_e6: i32,
        /// Degrees east, in millionths.
        longitude_e6: i32,
        /// What it is called.
        title: String,
    },
    /// Whatever the application means.
    Custom {
        /// Which kind, for those who look for one.
        kind: String,
        /// The application's bytes.
        data: Vec<u8>,
        /// What to show where it is not understood.
        summary: String,
    },
    /// Several messages as one.
    Merged {
        /// Above them.
        title: String,
        /// The messages, in order.
        items: Vec<MergedItem>,
    },
    /// Something happened in the group. Only the system sends these.
    Tip(Tip),
}

/// A file somewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its address.
    pub url: String,
    /// Its name.
    pub name: String,
    /// Its media type.
    pub mime: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// A hash of it, as the application makes one; may be empty.
    pub digest: String,
}

/// What a picture or film looks like before it is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Address of a small version; may be empty.
    pub thumbnail: String,
}

/// A message within a merged one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedItem {
    /// Who sent it, as shown.
    pub sender: String,
    /// When.
    pub at: LogTime,
    /// Its content as words.
    pub text: String,
}

/// What happened in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tip {
    /// It was made.
    Created {
        /// By whom; `None`: the back end.
        by: Option<UserId>,
    },
    /// Members came.
    Joined {
        /// Who, the first of them.
        users: Vec<UserId>,
        /// How many in all.
        count: u32,
        /// Who brought them in, if somebody did.
        by: Option<UserId>,
    },
    /// A member left.
    Left {
        /// Who.
        user: UserId,
    },
    /// Members were removed.
    Removed {
        /// Who, the first of them.
        users: Vec<UserId>,
        /// How many in all.
        count: u32,
        /// By whom; `None`: the back end.
        by: Option<UserId>,
    },
    /// It has another owner.
    OwnerChanged {
        /// Who.
        to: UserId,
    },
    /// Somebody's standing changed.
    RoleChanged {
        /// Whose.
        user: UserId,
        /// To what.
        role: Role,
    },
    /// It has another name.
    Renamed {
        /// Which.
        name: String,
        /// By whom; `None`: the back end.
        by: Option<UserId>,
    },
    /// It has another notice.
    NoticeChanged {
        /// By whom; `None`: the back end.
        by: Option<UserId>,
    },
    /// Everybody was muted, or no longer is.
    MutedAll {
        /// Which of the two.
        on: bool,
        /// By whom; `None`: the back end.
        by: Option<UserId>,
    },
}

/// How urgent a message is, where not all can be delivered.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Priority {
    /// Dropped first.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Dropped last.
    High,
}

/// Who is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mentions {
    /// Everybody in the group; needs the right to.
    pub all: bool,
    /// These.
    pub users: BTreeSet<UserId>,
}

/// How a message travels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageOptions {
    /// It does not count as unread.
    pub no_unread: bool,
    /// It is not pushed to those who are away.
    pub no_push: bool,
    /// It asks for a receipt.
    pub wants_receipt: bool,
    /// It expires this long after it was committed.
    pub ttl: Option<Duration>,
    /// Who is meant.
    pub mentions: Mentions,
    /// How urgent it is.
    pub priority: Priority,
    /// The message it answers.
    pub reply_to: Option<Sequence>,
    /// The application's words beside the content.
    pub data: String,
}

/// An earlier form of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// What it held.
    pub content: Content,
    /// Until when.
    pub until: LogTime,
}

impl Message {
    /// Whether somebody who has not read it counts it as unread: people's messages that do not say otherwise,
    /// where the conversation counts at all.
    #[must_use]
    pub const fn may_count(&self) -> bool {
        self.sender.is_some() && !self.options.no_unread
    }
}

//! What is asked of conversations and messages.

use alloc::{boxed::Box, collections::BTreeSet, string::String};

use serde::{Deserialize, Serialize};

use crate::{
    im::{
        id::{ClientKey, ConversationId, Sequence},
        message::{Content, Gone, MessageOptions},
    },
    time::LogTime,
};

/// A message to be sent. With an equal key again: answered as before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    /// Where to. A private conversation opens with its first message.
    pub conversation: ConversationId,
    /// The client's key.
    pub key: ClientKey,
    /// What it holds.
    pub content: Content,
    /// How it travels.
    pub options: MessageOptions,
}

/// What is asked about a message that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageAction {
    /// Takes its content away for everybody: `Recalled` or `Deleted`. The sender for a while, administrators always.
    Withdraw {
        /// How.
        how: Gone,
    },
    /// Gives it another content. The sender, for a while. The content it has: nothing more happens.
    Edit {
        /// The new content.
        content: Box<Content>,
    },
    /// Adds or removes the acting user's reaction.
    React {
        /// Which.
        reaction: String,
        /// Adds it, or removes it.
        on: bool,
    },
    /// Pins it, or no longer. Administrators; in private conversations and groups everybody.
    Pin {
        /// Which of the two.
        on: bool,
    },
}

/// What is asked about what the acting user keeps of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConversationAction {
    /// Has read up to here.
    Read {
        /// Where.
        seq: Sequence,
    },
    /// Has received up to here.
    Delivered {
        /// Where.
        seq: Sequence,
    },
    /// Changes settings.
    Update(Box<SettingsChange>),
    /// Clears everything there is, for this user.
    Clear,
    /// Takes it off the list until something new comes, and clears it if asked to.
    Hide {
        /// Whether it is cleared too.
        clear: bool,
    },
    /// Deletes messages for this user, at most `PAGE_MAX`.
    HideMessages {
        /// Which.
        seqs: BTreeSet<Sequence>,
    },
}

/// A change of a user's settings of a conversation. Fields that are `None` stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsChange {
    /// Stands on top of the list.
    pub pinned: Option<bool>,
    /// No push until then.
    pub muted_until: Option<LogTime>,
    /// Marks.
    pub marks: Option<u32>,
    /// What the user began to write.
    pub draft: Option<String>,
    /// The user's folders it is in.
    pub folders: Option<BTreeSet<String>>,
}

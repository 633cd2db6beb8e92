//! What may be asked of chat. Commands are total: whatever they hold, a replica answers with a reply or a refusal.
//!
//! Everything random or hashed in a command was made by its proposer. Repeating a command is harmless: where it
//! would do something twice it carries a key.

mod account;
mod conversation;
mod group;
mod import;
mod relation;

use alloc::{boxed::Box, vec::Vec};

use serde::{Deserialize, Serialize};

pub use self::{
    account::{AccountAction, Keep, Login, ProfileChange},
    conversation::{ConversationAction, MessageAction, Send, SettingsChange},
    group::{GroupAction, GroupChange, NewGroup},
    import::{ImportedMessage, NewFriendship, NewMember, OldGroup},
    relation::{FriendGroupAction, RelationAction},
};
use super::{
    account::{NewAccount, Settings},
    id::{ConversationId, GroupId, Sequence, SessionId, UserId},
    live::{LiveAction, LiveRoom},
};

/// A request to the replicated state. Variants below are append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Who asks.
    pub actor: Actor,
    /// What is asked.
    pub action: Action,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// A user, by a token.
    User {
        /// The account.
        user: UserId,
        /// The log-in of the token; refused once it has ended. `None` for tokens without one.
        session: Option<SessionId>,
        /// The epoch of the token; refused once the account has a later one. `None` for tokens without one.
        epoch: Option<u32>,
    },
    /// The application's back end or an administrator: may do everything that makes sense.
    Backend {
        /// In whose name, where an action needs a user.
        user: Option<UserId>,
    },
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// About an account.
    Account {
        /// Which.
        user: UserId,
        /// What.
        action: AccountAction,
    },
    /// Makes several accounts, at most `IMPORT_MAX`. Back end only.
    ImportAccounts {
        /// Those; one that exists is left as it is.
        accounts: Vec<NewAccount>,
    },
    /// About the acting user and another.
    Relation {
        /// The other.
        peer: UserId,
        /// What.
        action: RelationAction,
    },
    /// About the acting user's friend groups.
    FriendGroup(FriendGroupAction),
    /// About a group.
    Group {
        /// Which.
        group: GroupId,
        /// What.
        action: GroupAction,
    },
    /// A message of the acting user.
    Send(Box<Send>),
    /// About a message that stands.
    Message {
        /// In which conversation.
        conversation: ConversationId,
        /// Which message.
        seq: Sequence,
        /// What.
        action: MessageAction,
    },
    /// About what the acting user keeps of a conversation.
    Conversation {
        /// Which.
        conversation: ConversationId,
        /// What.
        action: ConversationAction,
    },
    /// Replaces the settings of the installation. Back end only.
    Configure(Settings),
    /// Housekeeping: does what is due, about `rows` rows of it, at most `EXPIRE_ROWS_MAX`. Back end only.
    Expire {
        /// How many.
        rows: u32,
    },
    /// Makes friends of several pairs, at most `IMPORT_MAX`, whatever their rules. Back end only.
    ImportFriends {
        /// Those; who are friends stay as they are.
        friends: Vec<NewFriendship>,
    },
    /// Makes several groups as they were elsewhere, at most `IMPORT_MAX`. Back end only.
    ImportGroups {
        /// Those; one that exists is left as it is.
        groups: Vec<OldGroup>,
    },
    /// Appends messages as they were sent elsewhere, at most `IMPORT_MAX`. Nobody is told, nothing counts as unread.
    /// Back end only.
    ImportMessages {
        /// To which conversation; a private one opens with it.
        conversation: ConversationId,
        /// Those, the oldest first; one whose key is known is left as it is.
        messages: Vec<ImportedMessage>,
    },
    /// About who orders a live room. Back end only.
    Live {
        /// Which room.
        room: LiveRoom,
        /// What.
        action: LiveAction,
    },
}

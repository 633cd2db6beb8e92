//! What is asked about another account.

use alloc::{collections::BTreeSet, string::String};

use serde::{Deserialize, Serialize};

/// What a user asks about another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelationAction {
    /// Asks to be friends. If the peer asked too, or lets anybody, they are friends at once.
    Request {
        /// Words for the peer.
        message: String,
        /// Where they met, as the application says.
        source: String,
        /// The remark to have about the new friend.
        remark: String,
    },
    /// Takes the request back.
    Cancel,
    /// Accepts the peer's request.
    Accept {
        /// The remark to have about the new friend.
        remark: String,
    },
    /// Refuses the peer's request.
    Refuse,
    /// Makes them friends, whatever their rules. Back end only.
    Befriend {
        /// Where they met, as the application says.
        source: String,
    },
    /// Ends the friendship on both sides.
    Unfriend,
    /// Changes what the user keeps about a friend. `None` stays.
    SetFriend {
        /// The remark.
        remark: Option<String>,
        /// The friend groups.
        groups: Option<BTreeSet<u16>>,
    },
    /// Blocks the peer: it can neither write nor ask nor follow. A friendship stays, requests and follows end.
    Block,
    /// Ends that.
    Unblock,
    /// Follows the peer.
    Follow,
    /// Ends that.
    Unfollow,
}

/// What is asked about the acting user's friend groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FriendGroupAction {
    /// Makes one; if there is one of that name, answers with it.
    Create {
        /// Its name.
        name: String,
    },
    /// Gives one another name.
    Rename {
        /// Its number.
        number: u16,
        /// Its new name.
        name: String,
    },
    /// Removes one; the friends stay friends.
    Remove {
        /// Its number.
        number: u16,
    },
}

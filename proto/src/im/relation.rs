//! Friends, requests, blocks and follows: one row with each side that it concerns.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
};

use serde::{Deserialize, Serialize};

use crate::time::LogTime;

/// What an account holds about one of its friends. The friend holds the same about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Friend {
    /// Since when; equal on both sides.
    pub since: LogTime,
    /// What the owner calls the friend.
    pub remark: String,
    /// The owner's friend groups that the friend is in.
    pub groups: BTreeSet<u16>,
    /// Where they met, as the application says; equal on both sides.
    pub source: String,
}

/// A friend request that waits. Both sides hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FriendRequest {
    /// Words of the asker.
    pub message: String,
    /// Where they met, as the application says.
    pub source: String,
    /// The remark the asker wants to have about the new friend; empty in the other's row.
    pub remark: String,
    /// When it was asked last.
    pub at: LogTime,
    /// When it ends by itself.
    pub expires_at: LogTime,
}

/// A blocked account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Since when.
    pub since: LogTime,
}

/// A followed account or a follower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// Since when; equal on both sides.
    pub since: LogTime,
}

/// An account's friend groups by number. Numbers are not used again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FriendGroups {
    /// The number of the next one.
    pub next: u16,
    /// Names by number.
    pub names: BTreeMap<u16, String>,
}

/// Everything between two accounts, as one of them sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// They are friends.
    pub friend: Option<Friend>,
    /// The owner blocked the peer.
    pub blocked: Option<Block>,
    /// The owner follows the peer.
    pub following: Option<Follow>,
    /// The peer follows the owner.
    pub follower: Option<Follow>,
    /// The peer asked the owner.
    pub asked_by_peer: Option<FriendRequest>,
    /// The owner asked the peer.
    pub asked_by_owner: Option<FriendRequest>,
}

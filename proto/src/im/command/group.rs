//! What is asked of groups.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use super::NewMember;
use crate::{
    im::{
        group::{GroupInfo, GroupKind, GroupRules, Role},
        id::{ClientKey, UserId},
    },
    time::LogTime,
};

/// What is asked of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupAction {
    /// Makes it. With an equal key again: nothing more happens.
    Create(Box<NewGroup>),
    /// Changes what people see of it.
    Update(Box<GroupChange>),
    /// Changes its rules. Owner.
    SetRules(Box<GroupRules>),
    /// Dismisses it. Owner, but of private groups only the back end.
    Dismiss,
    /// Joins, or asks to.
    Join {
        /// Words for the administrators.
        message: String,
    },
    /// Takes a request to join back.
    CancelJoin,
    /// Answers a request to join. Administrators.
    AnswerJoin {
        /// Whose.
        user: UserId,
        /// Whether it is let in.
        accept: bool,
    },
    /// Brings users in, at most `PAGE_MAX`, of the back end `IMPORT_MAX`. Those who cannot be are named in the reply.
    Invite {
        /// Those.
        users: BTreeSet<UserId>,
    },
    /// Leaves.
    Leave,
    /// Removes members, at most `PAGE_MAX`. Who stands higher.
    Remove {
        /// Those.
        users: BTreeSet<UserId>,
        /// Keeps them out until then, too; `LogTime(u64::MAX)`: for ever.
        ban_until: Option<LogTime>,
    },
    /// Keeps somebody out who is not a member. Administrators.
    Ban {
        /// Who.
        user: UserId,
        /// Until when; `None`: for ever.
        until: Option<LogTime>,
    },
    /// Ends that. Administrators.
    Unban {
        /// Who.
        user: UserId,
    },
    /// Makes a member an administrator, or no longer. Owner.
    SetRole {
        /// Whose.
        user: UserId,
        /// `Admin` or `Member`.
        role: Role,
    },
    /// Gives the group to a member. Owner.
    Transfer {
        /// To whom.
        to: UserId,
    },
    /// Lets a member not write until then. Who stands higher. A time that has passed ends it.
    Mute {
        /// Whom.
        user: UserId,
        /// Until when.
        until: LogTime,
    },
    /// Lets nobody but administrators write. Administrators.
    MuteAll {
        /// Whether.
        on: bool,
    },
    /// Changes a member's card and fields: its own, or who stands higher.
    UpdateMember {
        /// Whose.
        user: UserId,
        /// The card; `None` stays.
        card: Option<String>,
        /// Fields to set, or to remove (`None`).
        custom: BTreeMap<String, Option<String>>,
    },
    /// Changes an attribute.
    SetAttribute {
        /// Its key.
        key: String,
        /// Its value; `None` removes it.
        value: Option<String>,
        /// Only if it has this version; 0: only if there is none. `None`: in any case.
        expected: Option<u64>,
    },
    /// Adds to a counter, which begins with 0.
    Count {
        /// Its key.
        name: String,
        /// How much.
        add: i64,
        /// The request's key.
        key: ClientKey,
    },
    /// Removes a counter.
    RemoveCounter {
        /// Its key.
        name: String,
    },
    /// Brings members in as they were elsewhere, at most `IMPORT_MAX`. Nothing is said in the conversation. Back end
    /// only.
    Import {
        /// Those; who is a member stays as it is.
        members: Vec<NewMember>,
    },
}

/// A group to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewGroup {
    /// The request's key.
    pub key: ClientKey,
    /// What kind.
    pub kind: GroupKind,
    /// What people see of it.
    pub info: GroupInfo,
    /// Its rules; `None`: those of its kind.
    pub rules: Option<GroupRules>,
    /// First members beside the owner (the acting user), at most `PAGE_MAX`.
    pub members: BTreeSet<UserId>,
}

/// A change of what people see of a group. Fields that are `None` stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupChange {
    /// Name.
    pub name: Option<String>,
    /// Address of its picture.
    pub avatar: Option<String>,
    /// Some words about it.
    pub about: Option<String>,
    /// Words pinned above it.
    pub notice: Option<String>,
    /// Fields to set, or to remove (`None`).
    pub custom: BTreeMap<String, Option<String>>,
}

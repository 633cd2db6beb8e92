//! What may be asked of chat. Commands are total: whatever they hold, a replica answers with a reply or a refusal.
//!
//! Everything random or hashed in a command was made by its proposer. Repeating a command is harmless: where it
//! would do something twice it carries a key.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use super::{
    account::{
        AccountState, ContactRules, Credential, NewAccount, Platform, Profile, RefreshHash,
        Settings,
    },
    group::{GroupInfo, GroupKind, GroupRules, Role},
    id::{ClientKey, ConversationId, DeviceId, GroupId, Sequence, SessionId, UserId},
    message::{Content, Gone, MessageOptions},
};
use crate::time::LogTime;

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
}

/// What is asked of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountAction {
    /// Makes it. With an equal key again: nothing more happens. Back end only (the door decides about sign-up).
    Create {
        /// The request's key.
        key: ClientKey,
        /// How it proves who it is.
        credential: Credential,
        /// Its first profile.
        profile: Box<Profile>,
        /// Who may reach it.
        rules: ContactRules,
    },
    /// Switches it on or off; off ends all its log-ins. Back end only; `Deleted` is not a state to set.
    SetState {
        /// The new state.
        state: AccountState,
    },
    /// Deletes it. Its relations and memberships are removed by housekeeping, its messages stay.
    Delete,
    /// Changes how it proves who it is. Back end only (the door has checked the old one).
    SetCredential {
        /// The new one.
        credential: Credential,
        /// Ends all log-ins but this one, and voids tokens; `None` leaves them.
        keep_only: Option<Keep>,
    },
    /// Changes who may reach it.
    SetRules {
        /// The new rules.
        rules: ContactRules,
    },
    /// Changes its profile. Fields that are `None` stay.
    UpdateProfile(Box<ProfileChange>),
    /// Logs a device in, once the door has checked the credential. Back end only.
    Login(Box<Login>),
    /// Gives a device a new refresh token for the present one. Back end only (the door has hashed both).
    Refresh {
        /// The device.
        device: DeviceId,
        /// The log-in.
        session: SessionId,
        /// The hash of the token that was presented.
        presented: RefreshHash,
        /// The hash of the new one.
        next: RefreshHash,
        /// When the new one ends.
        expires_at: LogTime,
    },
    /// Ends one log-in.
    Logout {
        /// Which.
        session: SessionId,
    },
    /// Ends all log-ins and voids all tokens.
    RevokeAll,
}

/// What lives on when all other log-ins end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// This log-in. Tokens are void nevertheless: it refreshes.
    Session(SessionId),
}

/// A device logs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The device.
    pub device: DeviceId,
    /// The new log-in.
    pub session: SessionId,
    /// What it runs on.
    pub platform: Platform,
    /// What its owner calls it.
    pub name: String,
    /// The hash of its refresh token.
    pub refresh: RefreshHash,
    /// When that ends.
    pub expires_at: LogTime,
}

/// A change of a profile. Fields that are `None` stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileChange {
    /// Display name.
    pub name: Option<String>,
    /// Address of its picture.
    pub avatar: Option<String>,
    /// Some words about itself.
    pub about: Option<String>,
    /// Gender, as the application numbers it.
    pub gender: Option<u8>,
    /// Birthday as `YYYYMMDD`.
    pub birthday: Option<u32>,
    /// Fields to set, or to remove (`None`).
    pub custom: BTreeMap<String, Option<super::account::CustomField>>,
}

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

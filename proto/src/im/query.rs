//! What may be read from chat, and the answers.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use super::{
    account::{Account, AccountState, Credential, DeviceInfo, Profile, Settings, Tally},
    conversation::{Entity, Head, UserConversation},
    group::{Attribute, Ban, Group, JoinRequest, Member, Pin},
    id::{ConversationId, GroupId, Sequence, SessionId, UserId, UserSeq},
    message::{Edit, Message},
    relation::{Block, Follow, Friend, FriendGroups, FriendRequest, Relation},
};
use crate::{store::Direction, time::LogTime};

/// A question to the replicated state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Who asks, and so sees what this account may see; `None`: the back end sees everything.
    pub viewer: Option<UserId>,
    /// What is asked.
    pub ask: Ask,
}

/// A part of an ordered list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOf<K> {
    /// Begins after this key.
    pub after: Option<K>,
    /// At most so many, at most `PAGE_MAX`.
    pub limit: usize,
}

/// What is asked. "Own" are questions about an account that only it and the back end may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The settings of the installation.
    Settings,
    /// An own account.
    Account(UserId),
    /// How an account proves who it is. Back end only.
    Credential(UserId),
    /// Whether a token is good: its log-in lives, its epoch holds, its account is active. Back end only.
    Access {
        /// Whose.
        user: UserId,
        /// Which log-in.
        session: Option<SessionId>,
        /// Which epoch.
        epoch: Option<u32>,
    },
    /// Own log-ins.
    Devices(UserId),
    /// Accounts by id. Back end only.
    Accounts(PageOf<UserId>),
    /// How many of each an own account has.
    Tally(UserId),
    /// Profiles, at most `PAGE_MAX`, as far as the viewer may see.
    Profiles(Vec<UserId>),
    /// Everything between an own account and another.
    Relation {
        /// The own.
        user: UserId,
        /// The other.
        peer: UserId,
    },
    /// Own friends by id.
    Friends(UserId, PageOf<UserId>),
    /// Own friend groups.
    FriendGroups(UserId),
    /// Requests that wait for an own account, by id.
    RequestsIn(UserId, PageOf<UserId>),
    /// Requests that an own account waits for, by id.
    RequestsOut(UserId, PageOf<UserId>),
    /// Own blocks by id.
    Blocks(UserId, PageOf<UserId>),
    /// Whom an account follows, by id. Own.
    Following(UserId, PageOf<UserId>),
    /// Who follows an account, by id. Own.
    Followers(UserId, PageOf<UserId>),
    /// Own conversations, the latest first, pinned ones before all others.
    Conversations(UserId, PageOf<ListPlace>),
    /// One own conversation.
    Conversation(UserId, ConversationId),
    /// Ids of all groups an own account is in: for a node that gets its socket.
    Memberships(UserId),
    /// Unread messages of an own account over all conversations.
    Unread(UserId),
    /// What changed for an own account.
    Sync(Box<SyncFrom>),
    /// Messages.
    History {
        /// Of which conversation.
        conversation: ConversationId,
        /// From here on, inclusive. Going down, 0 means the last.
        from: Sequence,
        /// Up or down. The answer has the order asked for.
        direction: Direction,
        /// At most so many, at most `PAGE_MAX`.
        limit: usize,
    },
    /// Messages that were changed after a revision, in order of change, one row each.
    Revisions {
        /// Of which conversation.
        conversation: ConversationId,
        /// After this revision.
        after: u64,
        /// At most so many, at most `PAGE_MAX`.
        limit: usize,
    },
    /// One message.
    Message(ConversationId, Sequence),
    /// Earlier forms of a message, the oldest first.
    Edits(ConversationId, Sequence),
    /// Who gave a reaction, by id.
    Reactions(ConversationId, Sequence, String, PageOf<UserId>),
    /// Who has read and received a message, up to `RECEIPT_MEMBERS_MAX` members.
    Receipts(ConversationId, Sequence),
    /// Where the participants of a conversation stand, by id.
    Cursors(ConversationId, PageOf<UserId>),
    /// Pinned messages, by place.
    Pins(ConversationId),
    /// Messages of a conversation that mention an own account, unread ones, at most `PAGE_MAX`.
    Mentions(UserId, ConversationId),
    /// A group; who is not a member sees what it may join.
    Group(GroupId),
    /// Groups by id. Back end only.
    Groups(PageOf<GroupId>),
    /// Members by id. Members only.
    Members(GroupId, PageOf<UserId>),
    /// One member. Members only.
    Member(GroupId, UserId),
    /// Who waits to be let in. Administrators only.
    JoinRequests(GroupId, PageOf<UserId>),
    /// Who is kept out. Administrators only.
    Bans(GroupId, PageOf<UserId>),
    /// Attributes. Members only.
    Attributes(GroupId),
    /// Counters. Members only.
    Counters(GroupId),
    /// When housekeeping has something to do next. Back end only.
    NextDue,
    /// Messages of own conversations by words.
    Search(Box<Search>),
}

/// What to search for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// In whose conversations.
    pub user: UserId,
    /// All of these words, without case, whole or as parts of others.
    pub words: String,
    /// In this one only.
    pub conversation: Option<ConversationId>,
    /// Of this one only.
    pub sender: Option<UserId>,
    /// Goes on here.
    pub after: Option<SearchPlace>,
    /// At most so many, at most `PAGE_MAX`.
    pub limit: usize,
}

/// How far a search has come: conversations by id, messages of each from the last down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPlace {
    /// In this conversation.
    pub conversation: ConversationId,
    /// Before this message.
    pub before: Sequence,
}

/// What was found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Messages, with where they are.
    pub messages: Vec<(ConversationId, Message)>,
    /// Where to go on; `None`: this was all.
    pub next: Option<SearchPlace>,
}

/// A place in a user's list of conversations, which is ordered by it, descending.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListPlace {
    /// Pinned ones come first.
    pub pinned: bool,
    /// Then the latest.
    pub at: LogTime,
    /// Then by id.
    pub conversation: ConversationId,
}

/// From where a device wants to be told what changed. Ask again with what the answer says until `more` is false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncFrom {
    /// Whose.
    pub user: UserId,
    /// The last change it knows; 0 for none.
    pub after: UserSeq,
    /// How far it knows the heads of conversations.
    pub heads: HeadCursor,
    /// At most so many changes and so many heads, at most `PAGE_MAX` each.
    pub limit: usize,
}

/// How far a device knows the heads of its user's conversations.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HeadCursor {
    /// Those that moved before are known.
    pub at: LogTime,
    /// Of those that moved at `at`, those up to here are known; `None`: none.
    pub after: Option<ConversationId>,
}

/// The answer to a [`Ask::Sync`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncAnswer {
    /// Changes were forgotten: the device must read everything anew and go on from `next`.
    pub reset: bool,
    /// Things that changed, each once, with their present value.
    pub changes: Vec<(UserSeq, Entity, Value)>,
    /// The last change the device knows with this answer.
    pub next: UserSeq,
    /// Conversations whose head moved: messages came, or were changed, or the group was. Some may be known already.
    pub heads: Vec<ConversationView>,
    /// How far the device knows the heads with this answer.
    pub next_heads: HeadCursor,
    /// There is more of either.
    pub more: bool,
}

/// The present value of a thing that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// It is gone.
    Gone,
    /// It is there, and the entity says all.
    There,
    /// The account.
    Account(Box<Account>),
    /// The profile.
    Profile(Box<Profile>),
    /// A log-in.
    Device(Box<DeviceInfo>),
    /// A friend.
    Friend(Box<Friend>),
    /// A request.
    Request(Box<FriendRequest>),
    /// Friend groups.
    FriendGroups(Box<FriendGroups>),
    /// A block.
    Block(Block),
    /// A follow.
    Follow(Follow),
    /// A conversation.
    Conversation(Box<ConversationView>),
    /// A request to join.
    JoinRequest(Box<JoinRequest>),
}

/// A conversation as one user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationView {
    /// Which.
    pub conversation: ConversationId,
    /// Where it stands.
    pub head: Head,
    /// What the user keeps of it.
    pub own: UserConversation,
    /// The user's part in it: role, cursors, mute.
    pub member: Member,
    /// Where the other one stands, if it is private.
    pub peer: Option<CursorView>,
    /// How many messages the user has not read, without its own and those that do not count.
    pub unread: u64,
    /// Whether it is in the list: it is not hidden, or something came since.
    pub listed: bool,
    /// Its last message, if the user sees one.
    pub last: Option<Box<Message>>,
}

/// A profile as somebody else may see it, with what the viewer needs beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileView {
    /// Whose.
    pub user: UserId,
    /// Whether the account may be used.
    pub state: AccountState,
    /// What the viewer may see.
    pub profile: Profile,
}

/// A group as the viewer may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// Which.
    pub group: GroupId,
    /// What it is.
    pub value: Group,
    /// Where its conversation stands: counts, version, whether all are muted.
    pub head: Head,
    /// The viewer's part in it, if it is a member.
    pub member: Option<Member>,
}

/// Part of a list, by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<K, V> {
    /// Rows, ascending.
    pub rows: Vec<(K, V)>,
    /// There are more after the last one.
    pub more: bool,
}

/// Messages, in the order asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryPage {
    /// The messages the viewer may see, without those it deleted for itself.
    pub messages: Vec<Message>,
    /// The first message the viewer could see now: pages end there.
    pub first: Sequence,
    /// The last message there is.
    pub head: Sequence,
    /// The conversation's revision.
    pub revision: u64,
    /// Where to go on; `None`: this was the end.
    pub next: Option<Sequence>,
}

/// Who has read and received a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipts {
    /// Who has read it, the sender not counted.
    pub read: BTreeSet<UserId>,
    /// Who has received it and not read it.
    pub delivered: BTreeSet<UserId>,
    /// Who could see it and has neither.
    pub unread: BTreeSet<UserId>,
}

/// Where a participant stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CursorView {
    /// Has read up to here.
    pub read: Sequence,
    /// Has received up to here.
    pub delivered: Sequence,
}

/// Unread messages over all conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnreadTotal {
    /// In all conversations of the list.
    pub messages: u64,
    /// Without muted conversations: the badge.
    pub badge: u64,
    /// Conversations with unread messages.
    pub conversations: u32,
}

/// Whether a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The account's state; `None`: there is no such account.
    pub state: Option<AccountState>,
    /// The account's epoch.
    pub epoch: u32,
    /// The log-in lives and the epoch holds and the account is active.
    pub good: bool,
}

/// The answer to an [`Ask`], of the like name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To `Settings`.
    Settings(Settings),
    /// To `Account`.
    Account(Account),
    /// To `Credential`, with the account's state and epoch.
    Credential(Credential, AccountState, u32),
    /// To `Access`.
    Access(Access),
    /// To `Devices`.
    Devices(Vec<DeviceInfo>),
    /// To `Accounts`.
    Accounts(Page<UserId, Account>),
    /// To `Tally`.
    Tally(Tally),
    /// To `Profiles`: those that exist.
    Profiles(Vec<ProfileView>),
    /// To `Relation`.
    Relation(Box<Relation>),
    /// To `Friends`.
    Friends(Page<UserId, Friend>),
    /// To `FriendGroups`.
    FriendGroups(FriendGroups),
    /// To `RequestsIn` and `RequestsOut`.
    Requests(Page<UserId, FriendRequest>),
    /// To `Blocks`.
    Blocks(Page<UserId, Block>),
    /// To `Following` and `Followers`.
    Follows(Page<UserId, Follow>),
    /// To `Conversations`.
    Conversations(Page<ListPlace, ConversationView>),
    /// To `Conversation`.
    Conversation(Box<ConversationView>),
    /// To `Memberships`.
    Memberships(Vec<GroupId>),
    /// To `Unread`.
    Unread(UnreadTotal),
    /// To `Sync`.
    Sync(Box<SyncAnswer>),
    /// To `History`.
    History(HistoryPage),
    /// To `Revisions`: messages by revision, and whether there are more.
    Revisions(Page<u64, Message>),
    /// To `Message`.
    Message(Box<Message>),
    /// To `Edits`.
    Edits(Vec<Edit>),
    /// To `Reactions`.
    Reactions(Page<UserId, LogTime>),
    /// To `Receipts`.
    Receipts(Receipts),
    /// To `Cursors`.
    Cursors(Page<UserId, CursorView>),
    /// To `Pins`.
    Pins(Vec<(Sequence, Pin)>),
    /// To `Mentions`.
    Mentions(Vec<Sequence>),
    /// To `Group`.
    Group(Box<GroupView>),
    /// To `Groups`.
    Groups(Page<GroupId, Group>),
    /// To `Members`.
    Members(Page<UserId, Member>),
    /// To `Member`.
    Member(Box<Member>),
    /// To `JoinRequests`.
    JoinRequests(Page<UserId, JoinRequest>),
    /// To `Bans`.
    Bans(Page<UserId, Ban>),
    /// To `Attributes`.
    Attributes(BTreeMap<String, Attribute>),
    /// To `Counters`.
    Counters(BTreeMap<String, i64>),
    /// To `NextDue`.
    NextDue(Option<LogTime>),
    /// To `Search`.
    Found(Box<Found>),
}

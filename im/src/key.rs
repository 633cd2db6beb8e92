//! Where every row lies. A key is the space, a table, then ids (closed by a zero byte, which no id has) and big-endian
//! numbers. Rows belong to one owner, an account or a conversation, whose id comes first.

use alloc::{borrow::ToOwned, vec::Vec};
use core::marker::PhantomData;

use proto::{
    im::{
        Account, Block, Credential, Device, DeviceId, Follow, Friend, FriendRequest, Group,
        GroupId, Head, LiveLease, LiveRoom, Member, Message, Pair, Profile, Sequence, Settings,
        UserConversation, UserId, UserSeq,
        account::Tally,
        conversation::{ChangeHead, Entity},
        group::{Ban, JoinRequest, Pin},
        id::{ClientKey, ConversationId},
        message::Edit,
        relation::FriendGroups,
    },
    store::space,
    time::LogTime,
};

use crate::{
    group::{Attributes, Counters},
    keyed::Done,
    live::LiveTally,
    wheel::Task,
};

/// The tables. A letter is never used for another table.
pub(crate) mod table {
    pub(crate) const ACCOUNT: u8 = b'a';
    pub(crate) const CREDENTIAL: u8 = b'A';
    pub(crate) const PROFILE: u8 = b'p';
    pub(crate) const DEVICE: u8 = b'd';
    pub(crate) const TALLY: u8 = b'k';
    pub(crate) const FRIEND: u8 = b'f';
    pub(crate) const REQUEST_IN: u8 = b'q';
    pub(crate) const REQUEST_OUT: u8 = b'Q';
    pub(crate) const BLOCK: u8 = b'b';
    pub(crate) const FOLLOWING: u8 = b'w';
    pub(crate) const FOLLOWER: u8 = b'W';
    pub(crate) const FRIEND_GROUPS: u8 = b'G';
    pub(crate) const OWN: u8 = b'c';
    pub(crate) const CHANGE_HEAD: u8 = b'L';
    pub(crate) const CHANGE: u8 = b'l';
    pub(crate) const CHANGED_AT: u8 = b'e';
    pub(crate) const HIDDEN: u8 = b'H';
    pub(crate) const GROUP: u8 = b'g';
    pub(crate) const HEAD: u8 = b'h';
    pub(crate) const MEMBER: u8 = b'm';
    pub(crate) const BAN: u8 = b'n';
    pub(crate) const JOIN_REQUEST: u8 = b'j';
    pub(crate) const ATTRIBUTES: u8 = b'v';
    pub(crate) const COUNTERS: u8 = b'u';
    pub(crate) const MESSAGE: u8 = b's';
    pub(crate) const DONE: u8 = b'x';
    pub(crate) const EDIT: u8 = b'E';
    pub(crate) const REACTION: u8 = b't';
    pub(crate) const PIN: u8 = b'i';
    pub(crate) const REVISION: u8 = b'r';
    pub(crate) const MENTION: u8 = b'@';
    pub(crate) const WHEEL: u8 = b'z';
    pub(crate) const SETTINGS: u8 = b'S';
    pub(crate) const LIVE: u8 = b'V';
    pub(crate) const LIVE_TALLY: u8 = b'Y';
}

/// The key of a row that holds a `T`.
pub(crate) struct Row<T> {
    key: Vec<u8>,
    holds: PhantomData<fn() -> T>,
}

impl<T> Row<T> {
    /// The bytes of the key.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.key
    }

    /// The bytes of the key.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.key
    }
}

/// A key being written.
pub(crate) struct Key(Vec<u8>);

impl Key {
    /// The prefix of a table.
    pub(crate) fn of(table: u8) -> Self {
        let mut key = Vec::with_capacity(96);
        key.extend([space::IM, table]);
        Self(key)
    }

    /// An id, closed.
    pub(crate) fn text(mut self, id: &str) -> Self {
        self.0.extend_from_slice(id.as_bytes());
        self.0.push(0);
        self
    }

    pub(crate) fn user(self, user: &UserId) -> Self {
        self.text(user.as_str())
    }

    pub(crate) fn conversation(mut self, conversation: &ConversationId) -> Self {
        match conversation {
            ConversationId::Private(pair) => {
                self.0.push(b'c');
                self.user(pair.low()).user(pair.high())
            }
            ConversationId::Group(group) => {
                self.0.push(b'g');
                self.text(group.as_str())
            }
        }
    }

    pub(crate) fn number(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0
    }

    fn row<T>(self) -> Row<T> {
        Row { key: self.0, holds: PhantomData }
    }
}

pub(crate) fn settings() -> Row<Settings> {
    Key::of(table::SETTINGS).row()
}

pub(crate) fn account(user: &UserId) -> Row<Account> {
    Key::of(table::ACCOUNT).user(user).row()
}

pub(crate) fn credential(user: &UserId) -> Row<Credential> {
    Key::of(table::CREDENTIAL).user(user).row()
}

pub(crate) fn profile(user: &UserId) -> Row<Profile> {
    Key::of(table::PROFILE).user(user).row()
}

pub(crate) fn device(user: &UserId, device: &DeviceId) -> Row<Device> {
    Key::of(table::DEVICE).user(user).text(device.as_str()).row()
}

pub(crate) fn tally(user: &UserId) -> Row<Tally> {
    Key::of(table::TALLY).user(user).row()
}

pub(crate) fn friend(owner: &UserId, peer: &UserId) -> Row<Friend> {
    Key::of(table::FRIEND).user(owner).user(peer).row()
}

pub(crate) fn request_in(owner: &UserId, asker: &UserId) -> Row<FriendRequest> {
    Key::of(table::REQUEST_IN).user(owner).user(asker).row()
}

pub(crate) fn request_out(owner: &UserId, asked: &UserId) -> Row<FriendRequest> {
    Key::of(table::REQUEST_OUT).user(owner).user(asked).row()
}

pub(crate) fn block(owner: &UserId, peer: &UserId) -> Row<Block> {
    Key::of(table::BLOCK).user(owner).user(peer).row()
}

pub(crate) fn following(owner: &UserId, peer: &UserId) -> Row<Follow> {
    Key::of(table::FOLLOWING).user(owner).user(peer).row()
}

pub(crate) fn follower(owner: &UserId, peer: &UserId) -> Row<Follow> {
    Key::of(table::FOLLOWER).user(owner).user(peer).row()
}

pub(crate) fn friend_groups(owner: &UserId) -> Row<FriendGroups> {
    Key::of(table::FRIEND_GROUPS).user(owner).row()
}

/// What a user keeps of a conversation.
pub(crate) fn own(user: &UserId, conversation: &ConversationId) -> Row<UserConversation> {
    Key::of(table::OWN).user(user).conversation(conversation).row()
}

pub(crate) fn change_head(user: &UserId) -> Row<ChangeHead> {
    Key::of(table::CHANGE_HEAD).user(user).row()
}

pub(crate) fn change(user: &UserId, at: UserSeq) -> Row<Entity> {
    Key::of(table::CHANGE).user(user).number(at.0).row()
}

/// Who orders a live room.
pub(crate) fn live(room: &LiveRoom) -> Row<LiveLease> {
    Key::of(table::LIVE).text(room.as_str()).row()
}

/// What is known of all live rooms together.
pub(crate) fn live_tally() -> Row<LiveTally> {
    Key::of(table::LIVE_TALLY).row()
}

/// Where in its user's change log an entity stands.
pub(crate) fn changed_at(user: &UserId, entity: &Entity) -> Row<UserSeq> {
    Key::of(table::CHANGED_AT).user(user).raw(&crate::tx::encode(entity)).row()
}

/// A message that a user deleted for itself.
pub(crate) fn hidden(user: &UserId, conversation: &ConversationId, seq: Sequence) -> Row<()> {
    Key::of(table::HIDDEN).user(user).conversation(conversation).number(seq.0).row()
}

pub(crate) fn group(group: &GroupId) -> Row<Group> {
    Key::of(table::GROUP).text(group.as_str()).row()
}

pub(crate) fn head(conversation: &ConversationId) -> Row<Head> {
    Key::of(table::HEAD).conversation(conversation).row()
}

pub(crate) fn member(conversation: &ConversationId, user: &UserId) -> Row<Member> {
    Key::of(table::MEMBER).conversation(conversation).user(user).row()
}

pub(crate) fn ban(group: &GroupId, user: &UserId) -> Row<Ban> {
    Key::of(table::BAN).text(group.as_str()).user(user).row()
}

pub(crate) fn join_request(group: &GroupId, user: &UserId) -> Row<JoinRequest> {
    Key::of(table::JOIN_REQUEST).text(group.as_str()).user(user).row()
}

pub(crate) fn attributes(group: &GroupId) -> Row<Attributes> {
    Key::of(table::ATTRIBUTES).text(group.as_str()).row()
}

pub(crate) fn counters(group: &GroupId) -> Row<Counters> {
    Key::of(table::COUNTERS).text(group.as_str()).row()
}

pub(crate) fn message(conversation: &ConversationId, seq: Sequence) -> Row<Message> {
    Key::of(table::MESSAGE).conversation(conversation).number(seq.0).row()
}

/// What was done for a client's key, in a bucket of time.
pub(crate) fn done(
    bucket: u64,
    conversation: &ConversationId,
    user: &UserId,
    key: ClientKey,
) -> Row<Done> {
    Key::of(table::DONE).number(bucket).conversation(conversation).user(user).raw(&key.0).row()
}

pub(crate) fn edit(conversation: &ConversationId, seq: Sequence, number: u16) -> Row<Edit> {
    Key::of(table::EDIT).conversation(conversation).number(seq.0).number(number.into()).row()
}

/// When a user gave a reaction.
pub(crate) fn reaction(
    conversation: &ConversationId,
    seq: Sequence,
    reaction: &str,
    user: &UserId,
) -> Row<LogTime> {
    Key::of(table::REACTION)
        .conversation(conversation)
        .number(seq.0)
        .text(reaction)
        .user(user)
        .row()
}

pub(crate) fn pin(conversation: &ConversationId, seq: Sequence) -> Row<Pin> {
    Key::of(table::PIN).conversation(conversation).number(seq.0).row()
}

/// Which message was changed with a revision.
pub(crate) fn revision(conversation: &ConversationId, revision: u64) -> Row<Sequence> {
    Key::of(table::REVISION).conversation(conversation).number(revision).row()
}

/// A message that mentions a user, or everybody (`None`).
pub(crate) fn mention(
    conversation: &ConversationId,
    user: Option<&UserId>,
    seq: Sequence,
) -> Row<()> {
    mentions(conversation, user).number(seq.0).row()
}

/// The prefix of messages that mention a user, or everybody (`None`).
pub(crate) fn mentions(conversation: &ConversationId, user: Option<&UserId>) -> Key {
    // No id is empty, so the empty text is everybody.
    Key::of(table::MENTION).conversation(conversation).text(user.map_or("", UserId::as_str))
}

/// Work that is due at a time.
pub(crate) fn wheel(due: LogTime, task: &Task) -> Row<()> {
    Key::of(table::WHEEL).number(due.0).raw(&crate::tx::encode(task)).row()
}

/// What is left of a key after a prefix.
pub(crate) struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// What follows `prefix` in `key`; nothing if it does not start so.
    pub(crate) fn of(key: &'a [u8], prefix: &[u8]) -> Self {
        Self(key.strip_prefix(prefix).unwrap_or_default())
    }

    /// The next id's text.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..)?;
        core::str::from_utf8(text).ok()
    }

    pub(crate) fn user(&mut self) -> Option<UserId> {
        UserId::try_from(self.text()?).ok()
    }

    pub(crate) fn conversation(&mut self) -> Option<ConversationId> {
        let (kind, rest) = self.0.split_first()?;
        self.0 = rest;
        match kind {
            b'c' => Pair::new(self.user()?, self.user()?).ok().map(ConversationId::Private),
            b'g' => GroupId::try_from(self.text()?).ok().map(ConversationId::Group),
            _ => None,
        }
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*number))
    }

    /// The next so many bytes.
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Everything that is left.
    pub(crate) fn raw(&self) -> &'a [u8] {
        self.0
    }
}

/// The prefix of a user's rows in a table.
pub(crate) fn of_user(table: u8, user: &UserId) -> Vec<u8> {
    Key::of(table).user(user).bytes()
}

/// The prefix of a conversation's rows in a table.
pub(crate) fn of_conversation(table: u8, conversation: &ConversationId) -> Vec<u8> {
    Key::of(table).conversation(conversation).bytes()
}

/// The prefix of a group's rows in a table that only groups have.
pub(crate) fn of_group(table: u8, group: &GroupId) -> Vec<u8> {
    Key::of(table).text(group.as_str()).bytes()
}

/// The key after which a page goes on: the prefix and the id it ended with, or just the prefix.
pub(crate) fn after(prefix: &[u8], id: Option<&str>) -> Vec<u8> {
    let mut key = prefix.to_owned();
    if let Some(id) = id {
        key.extend_from_slice(id.as_bytes());
        // Ids are closed by 0; what follows the row itself has 1 in that place.
        key.push(1);
    }
    key
}

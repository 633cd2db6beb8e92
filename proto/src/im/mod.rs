//! The words of chat: ids ([`id`]), nouns ([`account`], [`relation`], [`group`], [`message`], [`conversation`]),
//! what may be asked of the replicated state ([`command`]), what it answers and tells ([`event`]), what may be
//! read from it ([`query`]), why it refuses ([`reject`]) and how much of anything there may be ([`limit`]).
//!
//! Ids that are text are checked when they are made or decoded, so whoever holds one holds a good one. Commands
//! carry everything that is random or hashed; the log stamps the time.

pub mod account;
pub mod command;
pub mod conversation;
pub mod event;
pub mod group;
pub mod id;
pub mod limit;
pub mod live;
pub mod message;
pub mod query;
pub mod reject;
pub mod relation;

pub use account::{Account, AccountState, Credential, Device, Platform, Profile, Settings};
pub use command::{Action, Actor, Command};
pub use conversation::{Entity, Head, UserConversation};
pub use event::{Event, Outcome, Reply};
pub use group::{Group, GroupKind, Member, Role};
pub use id::{
    ClientKey, ConversationId, DeviceId, GroupId, IdError, Pair, Sequence, SessionId, UserId,
    UserSeq,
};
pub use live::{LiveAction, LiveLease, LiveRoom, Restraint};
pub use message::{Body, Content, Message, MessageOptions};
pub use query::{Answer, Ask, Query};
pub use reject::Reject;
pub use relation::{Block, Follow, Friend, FriendRequest};

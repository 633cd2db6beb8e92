//! Names of things in chat. Text ids are 1 to 64 bytes of ASCII letters, digits and `- _ . @ + = | ~`: they stand in
//! paths, keys and logs as they are.

use alloc::{
    string::{String, ToString},
    sync::Arc,
};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

/// Longest text id, in bytes.
pub const ID_BYTES_MAX: usize = 64;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    /// It is empty or too long.
    #[error("an id has {bytes} bytes, allowed are 1 to {}", ID_BYTES_MAX)]
    Length {
        /// Its length.
        bytes: usize,
    },
    /// It has a character that ids do not have.
    #[error("ids have ASCII letters, digits and -_.@+=|~ only")]
    Character,
    /// It is not a conversation id: `g:<group>` or `c:<user>:<user>` with the users in ascending order.
    #[error("a conversation id is g:<group> or c:<user>:<user>, users ascending")]
    Conversation,
    /// A private conversation has two different users.
    #[error("a private conversation has two different users")]
    Alone,
}

/// Checks the text of an id.
fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() || text.len() > ID_BYTES_MAX {
        return Err(IdError::Length { bytes: text.len() });
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@+=|~".contains(&byte);
    if text.bytes().all(is_allowed) { Ok(()) } else { Err(IdError::Character) }
}

macro_rules! checked_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = IdError;

            fn try_from(text: &str) -> Result<Self, IdError> {
                check(text).map(|()| Self(Arc::from(text)))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::try_from(text.as_str())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::try_from(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(IdVisitor).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Reads a text and refuses what is no id.
struct IdVisitor;

impl serde::de::Visitor<'_> for IdVisitor {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Arc<str>, E> {
        check(text).map_err(E::custom)?;
        Ok(Arc::from(text))
    }
}

checked_id!(
    /// An account: chosen by who creates it, never used for another one.
    UserId
);
checked_id!(
    /// A group: chosen by who creates it, or minted; never used for another one.
    GroupId
);
checked_id!(
    /// One installation of a client, chosen by it and kept over log-ins.
    DeviceId
);

/// One log-in of a device; minted by the proposer, unique within its account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u64);

/// A key that the client (or the proposer) makes for a request, so that repeating the request does nothing twice.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientKey(pub [u8; 16]);

/// The place of a message in its conversation: 1, 2, 3, .. without gaps. 0 stands before the first message.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

/// The place of a change in a user's change log. 0 stands before the first change.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UserSeq(pub u64);

impl Sequence {
    /// The one after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The one before, 0 for the first.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl UserSeq {
    /// The one after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UserSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "se_{:016x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Two different users, the lower id first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawPair")]
pub struct Pair {
    low: UserId,
    high: UserId,
}

/// A pair as it is written, before it is checked.
#[derive(Deserialize)]
struct RawPair {
    low: UserId,
    high: UserId,
}

impl TryFrom<RawPair> for Pair {
    type Error = IdError;

    fn try_from(RawPair { low, high }: RawPair) -> Result<Self, IdError> {
        if low < high { Ok(Self { low, high }) } else { Err(IdError::Conversation) }
    }
}

impl Pair {
    /// Puts two users in order.
    ///
    /// # Errors
    /// [`IdError::Alone`] when they are one.
    pub fn new(one: UserId, other: UserId) -> Result<Self, IdError> {
        match one.cmp(&other) {
            core::cmp::Ordering::Less => Ok(Self { low: one, high: other }),
            core::cmp::Ordering::Equal => Err(IdError::Alone),
            core::cmp::Ordering::Greater => Ok(Self { low: other, high: one }),
        }
    }

    /// The user with the lower id.
    #[must_use]
    pub const fn low(&self) -> &UserId {
        &self.low
    }

    /// The user with the higher id.
    #[must_use]
    pub const fn high(&self) -> &UserId {
        &self.high
    }

    /// The one who is not `user`; `None` when `user` is neither.
    #[must_use]
    pub fn other(&self, user: &UserId) -> Option<&UserId> {
        if *user == self.low {
            Some(&self.high)
        } else if *user == self.high {
            Some(&self.low)
        } else {
            None
        }
    }
}

/// A conversation: of two users, or of a group. Its text form is `c:<low>:<high>` or `g:<group>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConversationId {
    /// Between two users.
    Private(Pair),
    /// In a group.
    Group(GroupId),
}

impl ConversationId {
    /// The private conversation of two users.
    ///
    /// # Errors
    /// [`IdError::Alone`] when they are one.
    pub fn between(one: &UserId, other: &UserId) -> Result<Self, IdError> {
        Pair::new(one.clone(), other.clone()).map(Self::Private)
    }

    /// The group, if it is one's.
    #[must_use]
    pub const fn group(&self) -> Option<&GroupId> {
        match self {
            Self::Private(_) => None,
            Self::Group(group) => Some(group),
        }
    }

    /// The two users, if it is private.
    #[must_use]
    pub const fn pair(&self) -> Option<&Pair> {
        match self {
            Self::Private(pair) => Some(pair),
            Self::Group(_) => None,
        }
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private(pair) => write!(f, "c:{}:{}", pair.low, pair.high),
            Self::Group(group) => write!(f, "g:{group}"),
        }
    }
}

impl FromStr for ConversationId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once(':') {
            Some(("g", group)) => GroupId::try_from(group).map(Self::Group),
            Some(("c", pair)) => {
                let (low, high) = pair.split_once(':').ok_or(IdError::Conversation)?;
                let raw = RawPair { low: low.parse()?, high: high.parse()? };
                Pair::try_from(raw).map(Self::Private)
            }
            _ => Err(IdError::Conversation),
        }
    }
}

impl From<&ConversationId> for String {
    fn from(conversation: &ConversationId) -> Self {
        conversation.to_string()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::{ConversationId, IdError, UserId};

    #[test]
    fn an_id_is_short_and_plain() {
        assert!(UserId::try_from("ada.L-1_@x+y=|~").is_ok());
        assert_eq!(UserId::try_from(""), Err(IdError::Length { bytes: 0 }));
        assert_eq!(UserId::try_from("x".repeat(65)), Err(IdError::Length { bytes: 65 }));
        for text in ["a:b", "a/b", "a b", "\u{e4}", "a\0"] {
            assert_eq!(UserId::try_from(text), Err(IdError::Character), "{text:?}");
        }
    }

    #[test]
    fn a_conversation_has_one_text_form() {
        let (ada, bob) = ("ada".parse().unwrap(), "bob".parse().unwrap());
        let private = ConversationId::between(&bob, &ada).unwrap();
        assert_eq!(private, ConversationId::between(&ada, &bob).unwrap());
        assert_eq!(private.to_string(), "c:ada:bob");
        for text in ["c:ada:bob", "g:team"] {
            assert_eq!(text.parse::<ConversationId>().unwrap().to_string(), text);
        }
        for text in ["c:bob:ada", "c:ada:ada", "c:ada", "g:", "x:ada", "ada", ""] {
            assert!(text.parse::<ConversationId>().is_err(), "{text:?}");
        }
        assert_eq!(ConversationId::between(&ada, &ada), Err(IdError::Alone));
    }
}

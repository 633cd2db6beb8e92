//! What clients ask for, as commands and questions to the node, and the node's answers as the schema tells them.
//!
//! Pure: both doors, the socket and the REST API, use it; what is minted or hashed comes in as an argument.

pub mod ask;
mod content;
mod group;
pub mod output;
mod people;
mod text;

pub use ask::read;
pub(crate) use content::{read as read_content, read_options};
pub(crate) use group::{read_kind, read_role, read_rules as read_group_rules, write_plain};
pub(crate) use people::{profile, read_platform, read_rules, write_account};
use proto::im::{
    command::Action,
    id::{ClientKey, UserId},
    query::Ask,
};
pub(crate) use text::{session, user};

use crate::error::Error;

/// What a request comes to: a change, a question, or a change and then a question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The change.
    pub action: Option<Action>,
    /// The question; its answer is told instead of the change's reply.
    pub ask: Option<Ask>,
    /// What the answer is about, where the node's answer does not say: a conversation or a name.
    pub about: String,
}

/// In whose name a request is read.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The user.
    pub user: &'a UserId,
    /// A fresh key, for requests that bring none.
    pub key: ClientKey,
}

impl Asked {
    pub(crate) fn change(action: Action) -> Self {
        Self { action: Some(action), ..Self::default() }
    }

    pub(crate) fn question(ask: Ask) -> Self {
        Self { ask: Some(ask), ..Self::default() }
    }

    pub(crate) fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }

    pub(crate) fn then(self, ask: Ask) -> Self {
        Self { ask: Some(ask), ..self }
    }
}

/// What reading a request gives.
pub type Read = Result<Asked, Error>;

/// The content of a live message, checked as that of any other.
///
/// # Errors
/// [`Error::Malformed`].
pub(crate) fn live_content(
    content: Option<crate::im::wire::pb::Content>,
) -> Result<crate::im::wire::pb::Content, Error> {
    content::read(content).map(|content| content::write(&content))
}

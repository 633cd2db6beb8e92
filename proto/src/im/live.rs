//! Who orders a live room. What is said in it never passes through the log: only this does.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::id::IdError;
use crate::{id::NodeId, time::LogTime};

/// The name of a live room: that of a room of calls, or any other. 1..=256 bytes without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LiveRoom(Arc<str>);

/// The longest name of a live room, in bytes.
pub const LIVE_ROOM_BYTES_MAX: usize = 256;

impl LiveRoom {
    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for LiveRoom {
    type Error = IdError;

    fn try_from(name: &str) -> Result<Self, IdError> {
        if name.is_empty() || name.len() > LIVE_ROOM_BYTES_MAX {
            return Err(IdError::Length { bytes: name.len() });
        }
        if name.chars().any(char::is_control) {
            return Err(IdError::Character);
        }
        Ok(Self(Arc::from(name)))
    }
}

impl<'de> Deserialize<'de> for LiveRoom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::try_from(name.as_str()).map_err(D::Error::custom)
    }
}

impl fmt::Display for LiveRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LiveRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Somebody who may not write in a live room, or not be in it, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restraint {
    /// The account, or the identity in the call. 1..=256 bytes.
    pub who: String,
    /// It is an identity in a call.
    pub guest: bool,
    /// May not be in it either.
    pub out: bool,
    /// Until when.
    pub until: LogTime,
}

/// Who orders a live room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveLease {
    /// The node.
    pub holder: NodeId,
    /// Never used twice, in any room; a later one is greater.
    pub epoch: u64,
    /// When it ends, unless it is renewed.
    pub until: LogTime,
    /// Who is restrained there; whoever orders the room next knows it as well.
    pub restrained: Vec<Restraint>,
}

/// What is asked about a live room's lease. Back end only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LiveAction {
    /// Takes it, with a new epoch, if nobody has it or who has it has it by this epoch. Answered with the lease as it is then.
    Take {
        /// Who takes it.
        holder: NodeId,
        /// The epoch that is known to have ended.
        instead_of: Option<u64>,
    },
    /// Keeps it. Answered with the lease as it is then.
    Renew {
        /// Who has it.
        holder: NodeId,
        /// By which epoch.
        epoch: u64,
    },
    /// Ends it: the room is over.
    End {
        /// Only if it is held by this epoch; `None`: in any case.
        epoch: Option<u64>,
    },
    /// Restrains somebody, or, with a time that has passed, no longer. The room must be held.
    Restrain(Restraint),
}

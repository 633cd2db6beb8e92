//! Who belongs to the cluster.

use std::{collections::BTreeMap, fmt};

use proto::id::NodeId;
use serde::{Deserialize, Serialize};

/// Where a node is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Node links, `host:port` (UDP).
    pub address: String,
    /// The node's doors, as a URL; shown to operators and to clients that are sent elsewhere.
    pub http: String,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// What a node is to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Counts in elections and commits.
    Voter,
    /// Follows the log only.
    Learner,
}

/// Every node of the cluster.
pub type Nodes = BTreeMap<NodeId, (Member, Role)>;

//! Adding, removing and replacing nodes; only the leader does it, any node may ask it to.

use std::collections::BTreeSet;

use openraft::{
    ChangeMembers, RaftMetrics,
    async_runtime::watch::WatchReceiver,
    errors::{ClientWriteError, RaftError},
};
use proto::id::NodeId;
use serde::{Deserialize, Serialize};

use crate::{
    links::node_id,
    member::{Member, Nodes, Role},
    raft::{Raft, Types, machine, types::StoredMembership},
    store::Store,
};

/// A change to who belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    Add { id: u64, member: Member, role: Role },
    Remove { id: u64 },
    HandOver { from: u64 },
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ChangeError {
    /// Nobody leads now; ask again.
    #[error("no leader is known; try again")]
    NoLeader,
    /// The id was given out before; a node that lost its data needs a new one.
    #[error("node id {0} was used before; choose another")]
    IdUsed(u16),
    /// There is no such node.
    #[error("node {0} is not a member")]
    NotMember(u16),
    /// The cluster would have no voter.
    #[error("the last voter cannot be removed")]
    LastVoter,
    /// No other voter can take over.
    #[error("no other voter can lead")]
    NobodyElse,
    /// Another change is under way, or consensus refused it.
    #[error("the change was refused: {0}")]
    Refused(String),
}

/// Makes changes while this node leads.
#[derive(Clone)]
pub(crate) struct Administrator {
    pub(crate) raft: Raft,
    pub(crate) store: Store,
}

/// The members in a membership.
pub(crate) fn nodes(membership: &StoredMembership) -> Nodes {
    let voters: BTreeSet<u64> = membership.voter_ids().collect();
    membership
        .nodes()
        .map(|(id, member)| {
            let role = if voters.contains(id) { Role::Voter } else { Role::Learner };
            (node_id(*id), (member.clone(), role))
        })
        .collect()
}

fn refused(error: RaftError<Types, ClientWriteError<Types>>) -> ChangeError {
    match error {
        RaftError::APIError(
            ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_),
        ) => ChangeError::NoLeader,
        other => ChangeError::Refused(other.to_string()),
    }
}

impl Administrator {
    fn membership(&self) -> StoredMembership {
        let metrics = self.raft.metrics();
        let membership = metrics.borrow_watched().membership_config.clone();
        (*membership).clone()
    }

    pub(crate) async fn change(&self, change: Change) -> Result<(), ChangeError> {
        match change {
            Change::Add { id, member, role } => self.add(id, member, role).await,
            Change::Remove { id } => self.remove(id).await,
            Change::HandOver { from } => self.hand_over(from).await,
        }
    }

    async fn add(&self, id: u64, member: Member, role: Role) -> Result<(), ChangeError> {
        let known = nodes(&self.membership());
        match known.get(&node_id(id)) {
            Some((_, Role::Voter)) => return Ok(()),
            Some((_, Role::Learner)) => {}
            None => {
                let used = self.store.read(|view| machine::is_used(view, id));
                if used.unwrap_or(true) {
                    return Err(ChangeError::IdUsed(node_id(id).0));
                }
                self.raft.add_learner(id, member, false).await.map_err(refused)?;
            }
        }
        self.caught_up(id).await?;
        if role == Role::Voter {
            let voters = ChangeMembers::AddVoterIds(BTreeSet::from([id]));
            self.raft.change_membership(voters, true).await.map_err(refused)?;
        }
        Ok(())
    }

    /// Returns when a node has everything that was in the log at the time of the call, by snapshot if it must.
    async fn caught_up(&self, id: u64) -> Result<(), ChangeError> {
        let goal = self.raft.metrics().borrow_watched().last_log_index;
        let wait = self.raft.wait(None);
        let mut leads = true;
        let reached = |metrics: &RaftMetrics<Types>| {
            let Some(replication) = &metrics.replication else { return true };
            let matched = replication.get(&id).and_then(Option::as_ref);
            matched.map(|matched| matched.index) >= goal
        };
        if let Ok(metrics) = wait.metrics(reached, "a node catches up").await {
            leads = metrics.replication.is_some();
        }
        if leads { Ok(()) } else { Err(ChangeError::NoLeader) }
    }

    async fn remove(&self, id: u64) -> Result<(), ChangeError> {
        let known = nodes(&self.membership());
        let Some((_, role)) = known.get(&node_id(id)) else {
            return Err(ChangeError::NotMember(node_id(id).0));
        };
        if *role == Role::Voter {
            if known.values().filter(|(_, role)| *role == Role::Voter).count() == 1 {
                return Err(ChangeError::LastVoter);
            }
            let voters = ChangeMembers::RemoveVoters(BTreeSet::from([id]));
            self.raft.change_membership(voters, true).await.map_err(refused)?;
        }
        let gone = ChangeMembers::RemoveNodes(BTreeSet::from([id]));
        self.raft.change_membership(gone, true).await.map_err(refused)?;
        Ok(())
    }

    /// Hands leadership to the voter that has the most of the log.
    async fn hand_over(&self, from: u64) -> Result<(), ChangeError> {
        let metrics = self.raft.metrics();
        let to = {
            let metrics = metrics.borrow_watched();
            let voters: BTreeSet<u64> = metrics.membership_config.voter_ids().collect();
            let Some(replication) = &metrics.replication else { return Ok(()) };
            replication
                .iter()
                .filter(|(id, _)| **id != from && voters.contains(*id))
                .max_by_key(|(_, matched)| matched.as_ref().map(|matched| matched.index))
                .map(|(id, _)| *id)
        };
        let to = to.ok_or(ChangeError::NobodyElse)?;
        let handed = self.raft.trigger().transfer_leader(to).await;
        handed.map_err(|error| ChangeError::Refused(error.to_string()))
    }
}

/// The addresses that links need.
pub(crate) fn addresses(nodes: &Nodes) -> std::collections::BTreeMap<NodeId, String> {
    nodes.iter().map(|(id, (member, _))| (*id, member.address.clone())).collect()
}

//! What openraft carries for us.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use openraft::{EntryPayload, vote::leader_id_adv};
use serde::{Deserialize, Serialize};

use crate::{
    log::{Entry, EntryId, EntryKind, Vote},
    member::Member,
};

openraft::declare_raft_types!(
    /// The types of our log.
    pub(crate) Types:
        D = Commands,
        R = Applied,
        NodeId = u64,
        Node = Member,
);

pub(crate) type LogId = openraft::type_config::alias::LogIdOf<Types>;
pub(crate) type RaftEntry = openraft::type_config::alias::EntryOf<Types>;
pub(crate) type RaftVote = openraft::type_config::alias::VoteOf<Types>;
pub(crate) type StoredMembership = openraft::type_config::alias::StoredMembershipOf<Types>;
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<Types>;
type LeaderId = leader_id_adv::LeaderId<u64, u64>;

/// Answers go out by the local log, so consensus carries none.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Applied;

/// Which node proposed a batch, in which life of it, and which of its batches this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) node: u16,
    pub(crate) life: u64,
    pub(crate) batch: u64,
}

/// One entry's commands: the batch of one proposer, with the leader's time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Commands {
    /// Milliseconds since the Unix epoch by the leader's clock; clamped when applied.
    pub(crate) at: u64,
    /// As [`Commands::encode`] writes it: read only by who applies it.
    pub(crate) batch: Bytes,
}

const ORIGIN_BYTES: usize = 18;

impl Commands {
    /// The proposer's part: where it comes from, then each command with its length.
    pub(crate) fn encode<'a>(
        origin: Origin,
        commands: impl Iterator<Item = &'a Bytes> + Clone,
    ) -> Bytes {
        let size = commands.clone().map(|command| command.len().saturating_add(4)).sum::<usize>();
        let mut bytes = BytesMut::with_capacity(size.saturating_add(ORIGIN_BYTES));
        bytes.put_u16_le(origin.node);
        bytes.put_u64_le(origin.life);
        bytes.put_u64_le(origin.batch);
        for command in commands {
            bytes.put_u32_le(u32::try_from(command.len()).unwrap_or(u32::MAX));
            bytes.put_slice(command);
        }
        bytes.freeze()
    }

    /// Where a batch comes from, and its commands; `None` when it is cut.
    pub(crate) fn decode(mut batch: Bytes) -> Option<(Origin, Vec<Bytes>)> {
        if batch.len() < ORIGIN_BYTES {
            return None;
        }
        let origin = Origin {
            node: batch.get_u16_le(),
            life: batch.get_u64_le(),
            batch: batch.get_u64_le(),
        };
        let mut commands = Vec::new();
        while !batch.is_empty() {
            let length = usize::try_from(batch.try_get_u32_le().ok()?).ok()?;
            if batch.len() < length {
                return None;
            }
            commands.push(batch.split_to(length));
        }
        Some((origin, commands))
    }
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "commands of {} bytes at {}", self.batch.len(), self.at)
    }
}

impl fmt::Display for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

pub(crate) fn id_of(log_id: LogId) -> EntryId {
    let LeaderId { term, node_id } = *log_id.committed_leader_id();
    EntryId { term, node: node_id, index: log_id.index }
}

pub(crate) const fn log_id_of(id: EntryId) -> LogId {
    LogId { leader_id: LeaderId { term: id.term, node_id: id.node }, index: id.index }
}

pub(crate) const fn stored_vote(vote: &RaftVote) -> Vote {
    let LeaderId { term, node_id } = vote.leader_id;
    Vote { term, node: node_id, committed: vote.committed }
}

pub(crate) const fn raft_vote(vote: Vote) -> RaftVote {
    RaftVote {
        leader_id: LeaderId { term: vote.term, node_id: vote.node },
        committed: vote.committed,
    }
}

pub(crate) fn stored_entry(entry: RaftEntry) -> postcard::Result<Entry> {
    let (kind, payload) = match entry.payload {
        EntryPayload::Blank => (EntryKind::Blank, Bytes::new()),
        EntryPayload::Membership(membership) => {
            (EntryKind::Membership, postcard::to_stdvec(&membership)?.into())
        }
        EntryPayload::Normal(Commands { at, batch }) => {
            let mut bytes = BytesMut::with_capacity(batch.len().saturating_add(8));
            bytes.put_u64_le(at);
            bytes.put_slice(&batch);
            (EntryKind::Normal, bytes.freeze())
        }
    };
    Ok(Entry { id: id_of(entry.log_id), kind, payload })
}

pub(crate) fn raft_entry(mut entry: Entry) -> postcard::Result<RaftEntry> {
    let payload = match entry.kind {
        EntryKind::Blank => EntryPayload::Blank,
        EntryKind::Membership => EntryPayload::Membership(postcard::from_bytes(&entry.payload)?),
        EntryKind::Normal => {
            let at = entry.payload.try_get_u64_le();
            let at = at.map_err(|_| postcard::Error::DeserializeUnexpectedEnd)?;
            EntryPayload::Normal(Commands { at, batch: entry.payload })
        }
    };
    Ok(RaftEntry { log_id: log_id_of(entry.id), payload })
}

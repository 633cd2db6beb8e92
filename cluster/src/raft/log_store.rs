//! openraft's log over ours.

use std::{fmt::Debug, io, ops::RangeBounds};

use openraft::{
    LogState, OptionalSend, RaftLogReader,
    storage::{IOFlushed, RaftLogStorage},
};
use tokio::sync::oneshot;

use super::types::{
    LogId, RaftEntry, RaftVote, Types, id_of, log_id_of, raft_entry, raft_vote, stored_entry,
    stored_vote,
};
use crate::log::{Done, Log};

/// What one read for replication gathers.
const READ_BYTES_MAX: usize = 2 << 20;

/// A handle on the log; clones share it.
#[derive(Clone)]
pub(crate) struct LogStore {
    log: Log,
}

impl LogStore {
    pub(crate) const fn new(log: Log) -> Self {
        Self { log }
    }

    async fn read(&self, from: u64, to: u64, bytes_max: usize) -> io::Result<Vec<RaftEntry>> {
        let range = from..to;
        let entries = if self.log.in_memory(&range) {
            self.log.read(range, bytes_max)?
        } else {
            let log = self.log.clone();
            tokio::task::spawn_blocking(move || log.read(range, bytes_max))
                .await
                .map_err(io::Error::other)??
        };
        entries.into_iter().map(|entry| raft_entry(entry).map_err(io::Error::other)).collect()
    }
}

/// A callback that a task can wait for.
fn waited() -> (Done, impl Future<Output = io::Result<()>>) {
    let (sender, receiver) = oneshot::channel();
    let done: Done = Box::new(move |outcome| {
        // Nobody waits any more: the node is stopping.
        let _gone = sender.send(outcome);
    });
    (done, async { receiver.await.map_err(io::Error::other)? })
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<RaftEntry>, io::Error> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let from = match range.start_bound() {
            Included(from) => *from,
            Excluded(before) => before.saturating_add(1),
            Unbounded => 0,
        };
        let to = match range.end_bound() {
            Included(last) => last.saturating_add(1),
            Excluded(to) => *to,
            Unbounded => u64::MAX,
        };
        let (_, last) = self.log.bounds();
        let to = to.min(last.map_or(0, |last| last.index.saturating_add(1)));
        let from = from.max(self.log.first().unwrap_or_default());
        self.read(from, to, usize::MAX).await
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<RaftEntry>, io::Error> {
        self.read(start, end, READ_BYTES_MAX).await
    }

    async fn read_vote(&mut self) -> Result<Option<RaftVote>, io::Error> {
        Ok(self.log.vote().map(raft_vote))
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let (purged, last) = self.log.bounds();
        Ok(LogState { last_purged_log_id: purged.map(log_id_of), last_log_id: last.map(log_id_of) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> Result<(), io::Error> {
        let (done, outcome) = waited();
        self.log.save_vote(stored_vote(vote), done).await?;
        outcome.await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        if let Some(committed) = committed {
            self.log.save_committed(id_of(committed));
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        // It was written without a sync: it may have run ahead of the entries that a power cut left.
        let (_, last) = self.log.bounds();
        let held = |committed: &crate::log::EntryId| {
            last.is_some_and(|last| committed.index <= last.index)
        };
        Ok(self.log.committed().filter(held).map(log_id_of))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Result<Vec<_>, _> = entries.into_iter().map(stored_entry).collect();
        let entries = entries.map_err(io::Error::other)?;
        self.log.append(entries, Box::new(move |outcome| callback.io_completed(outcome))).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let (done, outcome) = waited();
        let last = last.map(id_of);
        let since = last.map_or(0, |last| last.index.saturating_add(1));
        self.log.truncate(since, last, done).await?;
        outcome.await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let (done, outcome) = waited();
        self.log.purge(id_of(upto), done).await?;
        outcome.await
    }
}

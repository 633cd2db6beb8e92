//! The thread that writes: gather, write once, sync once, call back in order.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{
    Done, Entry, EntryId, Options, Request, Shared, Vote,
    record::{HEADER_BYTES, Kind, Record},
    recover,
    segment::{self, Head, Segment},
};

/// A group ends when it has this many bytes, so that its first writers do not wait for its last.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// Room for the first record of a segment.
const HEAD_BYTES_MAX: usize = 4096;
/// Requests in a group.
const GROUP_MAX: usize = 1024;

impl Head {
    pub(super) fn purge(&mut self, upto: EntryId) {
        self.purged = self.purged.max(Some(upto));
        if self.last.is_none_or(|last| last.index < upto.index) {
            self.last = Some(upto);
        }
    }
}

/// What the disk knows, and the segment written to.
pub(super) struct Writer {
    pub(super) dir: PathBuf,
    pub(super) options: Options,
    pub(super) segment: Segment,
    /// How much of the segment is durable.
    pub(super) durable: usize,
    pub(super) head: Head,
}

/// One thing to write, or to do when everything before it is written.
enum Step {
    Record { kind: Kind, id: EntryId, payload: Bytes },
    AppendEnds,
}

/// Requests that share a write and a sync.
#[derive(Default)]
struct Group {
    requests: usize,
    steps: Vec<Step>,
    bytes: usize,
    callbacks: Vec<Done>,
    must_sync: bool,
    closes: bool,
}

pub(super) struct Committer {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Request>,
    writer: Writer,
    _lock: File,
}

impl Committer {
    pub(super) const fn new(
        shared: Arc<Shared>,
        queue: mpsc::Receiver<Request>,
        writer: Writer,
        lock: File,
    ) -> Self {
        Self { shared, queue, writer, _lock: lock }
    }

    /// Runs until the log is dropped or closed, or a write fails.
    pub(super) fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            let (mut group, outcome) = self.write_group(first);
            let callbacks = std::mem::take(&mut group.callbacks);
            match outcome {
                Ok(()) if group.closes => {
                    // The folder is free before the caller hears of it.
                    drop(self);
                    callbacks.into_iter().for_each(|done| done(Ok(())));
                    return;
                }
                Ok(()) => callbacks.into_iter().for_each(|done| done(Ok(()))),
                Err(error) => {
                    tracing::error!(%error, "the log cannot be written; the node must stop");
                    return self.fail(callbacks, &error);
                }
            }
        }
    }

    /// Answers what was asked and whatever comes with the failure, until nobody asks any more.
    fn fail(mut self, callbacks: Vec<Done>, error: &io::Error) {
        let failed = || Err(io::Error::new(error.kind(), error.to_string()));
        callbacks.into_iter().for_each(|done| done(failed()));
        self.queue.close();
        while let Some(request) = self.queue.blocking_recv() {
            match request {
                Request::Append { done, .. }
                | Request::Vote { done, .. }
                | Request::Truncate { done, .. }
                | Request::Purge { done, .. }
                | Request::Close { done } => done(failed()),
                Request::Committed { .. } => {}
            }
        }
    }

    fn write_group(&mut self, first: Request) -> (Group, io::Result<()>) {
        let mut group = Group::default();
        let mut head = self.writer.head;
        group.take(first, &mut head);
        while !group.closes
            && group.requests < GROUP_MAX
            && group.bytes < GROUP_BYTES_MAX
            && let Ok(next) = self.queue.try_recv()
        {
            group.take(next, &mut head);
        }
        let outcome = self.write(&group).map(|offsets| {
            self.writer.head = head;
            self.finish(&group, &offsets);
        });
        (group, outcome)
    }

    /// Writes and syncs; returns where each record begins.
    fn write(&mut self, group: &Group) -> io::Result<Vec<u32>> {
        if self.writer.segment.position.saturating_add(group.bytes) > self.writer.segment.size {
            self.roll(group.bytes)?;
        }
        let writer = &mut self.writer;
        let base = writer.segment.position;
        let synced = u32::try_from(writer.durable).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(group.bytes);
        let mut offsets = Vec::with_capacity(group.steps.len());
        for step in &group.steps {
            if let Step::Record { kind, id, payload } = step {
                let offset = base.saturating_add(bytes.len());
                offsets.push(u32::try_from(offset).map_err(io::Error::other)?);
                Record { kind: *kind, id: *id, synced, payload }.encode(&mut bytes);
            }
        }
        writer.segment.file.write_all_at(&bytes, base as u64)?;
        writer.segment.position = base.saturating_add(bytes.len());
        if group.must_sync {
            writer.segment.file.sync_data()?;
            writer.durable = writer.segment.position;
        }
        Ok(offsets)
    }

    /// Ends the segment, whose bytes must all be durable before a later segment exists, and begins the next.
    fn roll(&mut self, group_bytes: usize) -> io::Result<()> {
        let writer = &mut self.writer;
        writer.segment.file.sync_data()?;
        let size = writer.options.segment_bytes.max(group_bytes.saturating_add(HEAD_BYTES_MAX));
        let number = writer.segment.number.saturating_add(1);
        writer.segment = Segment::create(&writer.dir, number, size, &writer.head)?;
        writer.durable = writer.segment.position;
        self.shared.index().segments.push_back(recover::listed(&writer.segment));
        Ok(())
    }

    /// Lets the index follow the disk, and unlinks what nobody needs.
    fn finish(&self, group: &Group, offsets: &[u32]) {
        let mut gone = Vec::new();
        let mut offsets = offsets.iter();
        let mut index = self.shared.index();
        for step in &group.steps {
            let Step::Record { kind, id, .. } = step else {
                index.append_written(self.writer.options.recent_bytes);
                continue;
            };
            let offset = offsets.next().copied().unwrap_or_default();
            match kind {
                Kind::Blank | Kind::Normal | Kind::Membership => {
                    index.wrote(id.index, offset);
                    index.figures.entries = index.figures.entries.saturating_add(1);
                }
                Kind::Truncate => index.disk_truncate(id.index),
                Kind::Purge => gone.extend(index.disk_forget(id.index)),
                Kind::Head | Kind::Vote | Kind::Committed => {}
            }
        }
        index.figures.syncs = index.figures.syncs.saturating_add(u64::from(group.must_sync));
        index.figures.bytes = index.figures.bytes.saturating_add(group.bytes as u64);
        if let Some(last) = index.segments.back_mut() {
            last.bytes = self.writer.segment.position as u64;
        }
        drop(index);
        for segment in gone {
            // A file that stays is found and removed when the log is next opened.
            if let Err(error) = fs::remove_file(&segment.path) {
                tracing::warn!(%error, path = %segment.path.display(), "an old log segment stays");
            }
        }
    }
}

impl Group {
    fn take(&mut self, request: Request, head: &mut Head) {
        self.requests = self.requests.saturating_add(1);
        match request {
            Request::Append { entries, done } => {
                for Entry { id, kind, payload } in entries {
                    self.record(segment::record_kind(kind), id, payload);
                    head.last = Some(id);
                }
                self.steps.push(Step::AppendEnds);
                self.durably(done);
            }
            Request::Vote { vote, done } => {
                self.record(Kind::Vote, vote.to_id(), Bytes::new());
                head.vote = Some(Vote::from_id(vote.to_id()));
                self.durably(done);
            }
            Request::Committed { id } => {
                self.record(Kind::Committed, id, Bytes::new());
                head.committed = Some(id);
            }
            Request::Truncate { since, last, done } => {
                let payload = postcard::to_stdvec(&last).unwrap_or_default();
                let since = EntryId { index: since, ..EntryId::default() };
                self.record(Kind::Truncate, since, payload.into());
                head.last = last;
                self.durably(done);
            }
            Request::Purge { upto, done } => {
                self.record(Kind::Purge, upto, Bytes::new());
                head.purge(upto);
                self.durably(done);
            }
            Request::Close { done } => {
                self.closes = true;
                self.durably(done);
            }
        }
    }

    fn record(&mut self, kind: Kind, id: EntryId, payload: Bytes) {
        self.bytes = self.bytes.saturating_add(HEADER_BYTES).saturating_add(payload.len());
        self.steps.push(Step::Record { kind, id, payload });
    }

    fn durably(&mut self, done: Done) {
        self.must_sync = true;
        self.callbacks.push(done);
    }
}

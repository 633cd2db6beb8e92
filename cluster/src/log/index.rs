//! Where each entry is: in memory, or at an offset of a segment.

use std::{collections::VecDeque, fs::File, io, path::PathBuf, sync::Arc};

use super::{Entry, EntryId, LogFigures, Vote};

/// An entry in memory and the append that brought it, counted from 1.
struct Recent {
    entry: Entry,
    append: u64,
}

/// Live entries of one segment, dense from `first`.
pub(super) struct SegmentIndex {
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    pub(super) first: u64,
    pub(super) offsets: VecDeque<u32>,
    pub(super) bytes: u64,
}

impl SegmentIndex {
    fn end(&self) -> u64 {
        self.first.saturating_add(self.offsets.len() as u64)
    }
}

pub(super) enum Place {
    Absent,
    Memory(Entry),
    Disk { file: Arc<File>, offset: u32 },
}

/// Everything readers ask for. `vote`, `committed`, `purged`, `last` and `recent` run ahead of the disk; `segments` follows it.
#[derive(Default)]
pub(super) struct Index {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<EntryId>,
    pub(super) purged: Option<EntryId>,
    pub(super) last: Option<EntryId>,
    pub(super) figures: LogFigures,
    pub(super) segments: VecDeque<SegmentIndex>,
    recent: VecDeque<Recent>,
    recent_bytes: usize,
    /// Appends taken, and of them appends on disk.
    appends: u64,
    appends_written: u64,
}

impl Index {
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        self.appends = self.appends.saturating_add(1);
        for entry in entries {
            // A new log may be begun anywhere by openraft's own tests; on disk it would not open again.
            let next = self.last.map(|last| last.index.saturating_add(1));
            if next.is_some_and(|next| entry.id.index != next) {
                return Err(io::Error::other("an entry does not follow the last one"));
            }
            self.last = Some(entry.id);
            self.recent_bytes = self.recent_bytes.saturating_add(weight(entry));
            self.recent.push_back(Recent { entry: entry.clone(), append: self.appends });
        }
        Ok(())
    }

    pub(super) fn truncate(&mut self, since: u64, last: Option<EntryId>) -> Option<EntryId> {
        if self.last.is_some_and(|known| known.index >= since) {
            self.last = last.or(self.purged);
        }
        while let Some(recent) = self.recent.pop_back_if(|recent| recent.entry.id.index >= since) {
            self.recent_bytes = self.recent_bytes.saturating_sub(weight(&recent.entry));
        }
        self.last
    }

    pub(super) fn purge(&mut self, upto: EntryId) {
        self.purged = self.purged.max(Some(upto));
        if self.last.is_none_or(|last| last.index < upto.index) {
            self.last = Some(upto);
        }
        while let Some(recent) =
            self.recent.pop_front_if(|recent| recent.entry.id.index <= upto.index)
        {
            self.recent_bytes = self.recent_bytes.saturating_sub(weight(&recent.entry));
        }
    }

    pub(super) fn recent_first(&self) -> Option<u64> {
        self.recent.front().map(|recent| recent.entry.id.index)
    }

    pub(super) fn place(&self, index: u64) -> Place {
        if self.last.is_none_or(|last| index > last.index)
            || self.purged.is_some_and(|purged| index <= purged.index)
        {
            return Place::Absent;
        }
        if let Some(first) = self.recent_first().filter(|first| *first <= index) {
            return usize::try_from(index - first)
                .ok()
                .and_then(|at| self.recent.get(at))
                .map_or(Place::Absent, |recent| Place::Memory(recent.entry.clone()));
        }
        // The last segment that reaches so far: earlier ones hold smaller indexes.
        for segment in self.segments.iter().rev() {
            if segment.first <= index && index < segment.end() {
                let at = usize::try_from(index - segment.first).ok();
                return at.and_then(|at| segment.offsets.get(at)).map_or(Place::Absent, |offset| {
                    Place::Disk { file: Arc::clone(&segment.file), offset: *offset }
                });
            }
        }
        Place::Absent
    }

    /// Notes where an entry was written, in the last segment.
    pub(super) fn wrote(&mut self, index: u64, offset: u32) {
        if let Some(segment) = self.segments.back_mut() {
            if segment.offsets.is_empty() {
                segment.first = index;
            }
            segment.offsets.push_back(offset);
        }
    }

    pub(super) fn disk_truncate(&mut self, since: u64) {
        for segment in self.segments.iter_mut().rev() {
            let keep = usize::try_from(since.saturating_sub(segment.first)).unwrap_or(usize::MAX);
            if keep < segment.offsets.len() {
                segment.offsets.truncate(keep);
            } else if !segment.offsets.is_empty() {
                break;
            }
        }
    }

    /// Forgets entries up to `upto`; returns segments that hold none any more, the one written to excepted.
    pub(super) fn disk_forget(&mut self, upto: u64) -> Vec<SegmentIndex> {
        for segment in &mut self.segments {
            while segment.first <= upto && segment.offsets.pop_front().is_some() {
                segment.first = segment.first.saturating_add(1);
            }
        }
        let mut gone = Vec::new();
        while self.segments.len() > 1
            && let Some(segment) = self.segments.pop_front_if(|segment| segment.offsets.is_empty())
        {
            gone.push(segment);
        }
        gone
    }

    /// The first entry a segment holds and the one past the last, of live entries.
    pub(super) fn disk_range(&self) -> Option<(u64, u64)> {
        let mut live = self.segments.iter().filter(|segment| !segment.offsets.is_empty());
        let first = live.next()?;
        Some((first.first, live.next_back().unwrap_or(first).end()))
    }

    /// Notes that one more append is on disk and lets old entries go.
    pub(super) fn append_written(&mut self, bytes_max: usize) {
        self.appends_written = self.appends_written.saturating_add(1);
        let written = self.appends_written;
        while self.recent_bytes > bytes_max
            && let Some(recent) = self.recent.pop_front_if(|recent| recent.append <= written)
        {
            self.recent_bytes = self.recent_bytes.saturating_sub(weight(&recent.entry));
        }
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}

const fn weight(entry: &Entry) -> usize {
    entry.payload.len().saturating_add(64)
}

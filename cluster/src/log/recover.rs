//! Reads the segments back when a log is opened.

use std::{collections::VecDeque, fs, path::Path};

use super::{
    LogError, Options, Vote,
    committer::Writer,
    index::{Index, SegmentIndex},
    record::{self, Found, Kind, Record},
    segment::{self, Head, Segment},
};
use crate::file::sync_dir;

/// Reads every segment in order, cuts a torn tail, and leaves the last segment ready for writing.
pub(super) fn recover(dir: &Path, options: Options) -> Result<(Index, Writer), LogError> {
    let at = |source| LogError::Io { path: dir.to_owned(), source };
    let mut numbers = segment::list(dir).map_err(at)?;
    remove_unborn(dir, &mut numbers)?;
    let mut replay = Replay::default();
    let mut open = None;
    for (place, number) in numbers.iter().enumerate() {
        let is_last = place + 1 == numbers.len();
        let segment = replay.segment(dir, *number, is_last, options)?;
        open = is_last.then_some(segment);
    }
    let Replay { mut index, head, gone } = replay;
    let segment = match open {
        Some(segment) => segment,
        None => {
            let segment =
                Segment::create(dir, 0, options.segment_bytes, &Head::default()).map_err(at)?;
            index.segments.push_back(listed(&segment));
            segment
        }
    };
    check_dense(&index, &segment)?;
    index.vote = head.vote;
    index.committed = head.committed;
    index.purged = head.purged;
    index.last = head.last;
    for segment in gone {
        fs::remove_file(&segment.path).map_err(at)?;
    }
    let durable = segment.position;
    Ok((index, Writer { dir: dir.to_owned(), options, segment, durable, head }))
}

pub(super) fn listed(segment: &Segment) -> SegmentIndex {
    SegmentIndex {
        path: segment.path.clone(),
        file: segment.file.clone(),
        first: 0,
        offsets: VecDeque::new(),
        bytes: segment.position as u64,
    }
}

/// A segment whose first record was not finished holds nothing: the node died while it was made.
fn remove_unborn(dir: &Path, numbers: &mut Vec<u64>) -> Result<(), LogError> {
    let Some(last) = numbers.last().copied() else { return Ok(()) };
    let path = segment::path(dir, last);
    let at = |source| LogError::Io { path: path.clone(), source };
    let (_, bytes) = segment::read_whole(&path).map_err(at)?;
    let has_head = matches!(
        record::decode(&bytes), Found::Record(record) if record.kind == Kind::Head
    );
    if has_head {
        return Ok(());
    }
    if record::proof_behind(&bytes, 0).is_some() {
        return Err(LogError::Damaged { path, offset: 0 });
    }
    fs::remove_file(&path).map_err(at)?;
    sync_dir(dir).map_err(at)?;
    numbers.pop();
    Ok(())
}

/// What is live must be everything between the last removed and the last entry.
fn check_dense(index: &Index, segment: &Segment) -> Result<(), LogError> {
    let gap = || LogError::Gap { path: segment.path.clone(), offset: segment.position };
    let next = |id: Option<super::EntryId>| id.map_or(0, |id| id.index.saturating_add(1));
    match index.disk_range() {
        None if next(index.purged) == next(index.last) => Ok(()),
        Some((first, end)) if first == next(index.purged) && end == next(index.last) => Ok(()),
        None | Some(_) => Err(gap()),
    }
}

#[derive(Default)]
struct Replay {
    index: Index,
    head: Head,
    gone: Vec<SegmentIndex>,
}

impl Replay {
    fn segment(
        &mut self,
        dir: &Path,
        number: u64,
        is_last: bool,
        options: Options,
    ) -> Result<Segment, LogError> {
        let path = segment::path(dir, number);
        let at = |source| LogError::Io { path: path.clone(), source };
        let (file, bytes) = segment::read_whole(&path).map_err(at)?;
        let size = options.segment_bytes.max(bytes.len());
        let mut segment = Segment { number, path: path.clone(), file, position: 0, size };
        let is_first = self.index.segments.is_empty();
        self.index.segments.push_back(listed(&segment));
        let damage = self.records(&bytes, is_first, &mut segment)?;
        let durable_behind = record::proof_behind(&bytes, segment.position).is_some();
        if durable_behind || (damage && !is_last) {
            return Err(LogError::Damaged { path, offset: segment.position });
        }
        if is_last && (damage || bytes.len() < options.segment_bytes) {
            segment.cut().map_err(at)?;
        }
        if let Some(listed) = self.index.segments.back_mut() {
            listed.bytes = segment.position as u64;
        }
        Ok(segment)
    }

    /// Replays records from the start; returns whether damage ended them.
    fn records(
        &mut self,
        bytes: &[u8],
        is_first: bool,
        segment: &mut Segment,
    ) -> Result<bool, LogError> {
        while segment.position < bytes.len() {
            match bytes.get(segment.position..).map_or(Found::Empty, record::decode) {
                Found::Empty => return Ok(false),
                Found::Damage => return Ok(true),
                Found::Record(record) => {
                    let begins = segment.position == 0;
                    if begins != (record.kind == Kind::Head)
                        || !self.record(&record, is_first, segment.position)
                    {
                        let offset = segment.position;
                        return Err(LogError::Gap { path: segment.path.clone(), offset });
                    }
                    segment.position = segment.position.saturating_add(record.bytes());
                }
            }
        }
        Ok(false)
    }

    /// Replays one record; false when it does not fit what came before.
    fn record(&mut self, record: &Record<'_>, is_first: bool, offset: usize) -> bool {
        let head = &mut self.head;
        match record.kind {
            Kind::Head => {
                let Ok(stored) = postcard::from_bytes::<Head>(record.payload) else { return false };
                if !is_first {
                    return stored == *head;
                }
                *head = stored;
            }
            Kind::Vote => head.vote = Some(Vote::from_id(record.id)),
            Kind::Committed => head.committed = Some(record.id),
            Kind::Blank | Kind::Normal | Kind::Membership => {
                let next = head.last.map_or(0, |last| last.index.saturating_add(1));
                let Ok(offset) = u32::try_from(offset) else { return false };
                if record.id.index != next {
                    return false;
                }
                head.last = Some(record.id);
                self.index.wrote(record.id.index, offset);
            }
            Kind::Truncate => {
                let Ok(last) = postcard::from_bytes(record.payload) else { return false };
                head.last = last;
                self.index.disk_truncate(record.id.index);
            }
            Kind::Purge => {
                head.purge(record.id);
                // The node died between noting the purge and unlinking the files.
                self.gone.extend(self.index.disk_forget(record.id.index));
            }
        }
        self.index.purged = self.head.purged;
        self.index.last = self.head.last;
        true
    }
}

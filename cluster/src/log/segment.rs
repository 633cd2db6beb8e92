//! One segment file.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Entry, EntryId, EntryKind, LogError, Vote,
    record::{self, Found, HEADER_BYTES, Kind, PAYLOAD_BYTES_MAX, Record},
};
use crate::file::sync_dir;

/// What the log knew when a segment was begun, so that older segments can be unlinked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<EntryId>,
    pub(super) purged: Option<EntryId>,
    pub(super) last: Option<EntryId>,
}

/// A segment open for writing.
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    /// Where the next record goes.
    pub(super) position: usize,
    /// What is allocated.
    pub(super) size: usize,
}

impl Segment {
    /// Makes the file, allocates it, writes its head, and makes both file and name durable.
    pub(super) fn create(dir: &Path, number: u64, size: usize, head: &Head) -> io::Result<Self> {
        let path = path(dir, number);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        match Self::begin(file, &path, number, size, head) {
            Ok(segment) => {
                sync_dir(dir)?;
                Ok(segment)
            }
            Err(error) => {
                // An empty file would be found at the next start and removed there; try now.
                let _left = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    fn begin(file: File, path: &Path, number: u64, size: usize, head: &Head) -> io::Result<Self> {
        allocate(&file, size)?;
        let payload = postcard::to_stdvec(head).map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        Record { kind: Kind::Head, id: EntryId::default(), synced: 0, payload: &payload }
            .encode(&mut bytes);
        file.write_all_at(&bytes, 0)?;
        file.sync_all()?;
        let position = bytes.len();
        Ok(Self { number, path: path.to_owned(), file: Arc::new(file), position, size })
    }

    /// Cuts everything from `position` on and allocates the rest again, empty.
    pub(super) fn cut(&self) -> io::Result<()> {
        self.file.set_len(self.position as u64)?;
        allocate(&self.file, self.size)?;
        self.file.sync_all()
    }
}

/// Reserves the file's space, so that a full disk is met when a segment begins and syncs need no new size.
fn allocate(file: &File, size: usize) -> io::Result<()> {
    use rustix::{fs::FallocateFlags, io::Errno};
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size as u64) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(size as u64),
        Err(errno) => Err(errno.into()),
    }
}

/// Holds the folder until the file is dropped.
pub(super) fn lock(dir: &Path) -> Result<File, LogError> {
    let path = dir.join("LOCK");
    let at = |source| LogError::Io { path: path.clone(), source };
    let file = OpenOptions::new().create(true).append(true).open(&path).map_err(at)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LogError::InUse { path }),
        Err(TryLockError::Error(source)) => Err(at(source)),
    }
}

pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.log"))
}

/// Numbers of the segments in a folder, ascending.
pub(super) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for file in fs::read_dir(dir)? {
        let name = file?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
        numbers.extend(number.and_then(|hex| u64::from_str_radix(hex, 16).ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

pub(super) fn read_whole(path: &Path) -> io::Result<(Arc<File>, Vec<u8>)> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((Arc::new(file), bytes))
}

/// Reads one entry back and checks that it is the one asked for.
pub(super) fn read_entry(file: &File, offset: u32, index: u64) -> io::Result<Entry> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a log entry does not read back");
    let mut bytes = vec![0; HEADER_BYTES];
    file.read_exact_at(&mut bytes, u64::from(offset))?;
    let length = bytes.get(4..8).and_then(|length| length.first_chunk());
    let length = usize::try_from(length.map_or(u32::MAX, |length| u32::from_le_bytes(*length)))
        .ok()
        .filter(|length| *length <= PAYLOAD_BYTES_MAX)
        .ok_or_else(damaged)?;
    bytes.resize(HEADER_BYTES.saturating_add(length), 0);
    let payload = bytes.get_mut(HEADER_BYTES..).ok_or_else(damaged)?;
    file.read_exact_at(payload, u64::from(offset).saturating_add(HEADER_BYTES as u64))?;
    let Found::Record(record) = record::decode(&bytes) else { return Err(damaged()) };
    let kind = entry_kind(record.kind).filter(|_| record.id.index == index).ok_or_else(damaged)?;
    let id = record.id;
    Ok(Entry { id, kind, payload: Bytes::from(bytes).slice(HEADER_BYTES..) })
}

pub(super) const fn entry_kind(kind: Kind) -> Option<EntryKind> {
    match kind {
        Kind::Blank => Some(EntryKind::Blank),
        Kind::Normal => Some(EntryKind::Normal),
        Kind::Membership => Some(EntryKind::Membership),
        Kind::Head | Kind::Vote | Kind::Committed | Kind::Truncate | Kind::Purge => None,
    }
}

pub(super) const fn record_kind(kind: EntryKind) -> Kind {
    match kind {
        EntryKind::Blank => Kind::Blank,
        EntryKind::Normal => Kind::Normal,
        EntryKind::Membership => Kind::Membership,
    }
}

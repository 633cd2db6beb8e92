//! One record of a segment: 40 bytes of header, then the payload.
//!
//! `crc32 | length u32 | kind u8, "stL" | synced u32 | index u64 | term u64 | node u64 | payload`, little endian; the checksum
//! covers everything behind itself. `synced` is how much of the segment was durable when the record was written: a
//! record that reads well proves that everything before its `synced` was on disk once, so damage there is no torn tail.

use super::{EntryId, Vote};

pub(crate) const HEADER_BYTES: usize = 40;
/// Larger payloads are damage: the proposer's batches end far below.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 64 << 20;
const MAGIC: [u8; 3] = *b"stL";
const MAGIC_AT: usize = 9;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// First record of a segment: what the log knew when it was begun.
    Head = 1,
    Blank = 2,
    Normal = 3,
    Membership = 4,
    Vote = 5,
    Committed = 6,
    /// Entries from `index` on are gone.
    Truncate = 7,
    /// Entries up to and with `index` are gone.
    Purge = 8,
}

impl Kind {
    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Head,
            2 => Self::Blank,
            3 => Self::Normal,
            4 => Self::Membership,
            5 => Self::Vote,
            6 => Self::Committed,
            7 => Self::Truncate,
            8 => Self::Purge,
            _ => return None,
        })
    }
}

/// What stands at a position of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    Record(Record<'a>),
    /// Space that was never written.
    Empty,
    /// Neither a record nor empty.
    Damage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) kind: Kind,
    pub(crate) id: EntryId,
    pub(crate) synced: u32,
    pub(crate) payload: &'a [u8],
}

impl Record<'_> {
    pub(crate) const fn bytes(&self) -> usize {
        HEADER_BYTES.saturating_add(self.payload.len())
    }

    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        let start = into.len();
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        into.extend_from_slice(&[0; 4]);
        into.extend_from_slice(&length.to_le_bytes());
        into.push(self.kind as u8);
        into.extend_from_slice(&MAGIC);
        into.extend_from_slice(&self.synced.to_le_bytes());
        for number in [self.id.index, self.id.term, self.id.node] {
            into.extend_from_slice(&number.to_le_bytes());
        }
        into.extend_from_slice(self.payload);
        let crc = into.get(start + 4..).map_or(0, crc32fast::hash);
        if let Some(place) = into.get_mut(start..start + 4) {
            place.copy_from_slice(&crc.to_le_bytes());
        }
    }
}

impl Vote {
    pub(crate) const fn to_id(self) -> EntryId {
        EntryId { term: self.term, node: self.node, index: self.committed as u64 }
    }

    pub(crate) const fn from_id(id: EntryId) -> Self {
        Self { term: id.term, node: id.node, committed: id.index == 1 }
    }
}

/// Reads what stands at the start of `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Found<'_> {
    if bytes.iter().take(HEADER_BYTES).all(|byte| *byte == 0) {
        return Found::Empty;
    }
    record(bytes).map_or(Found::Damage, Found::Record)
}

/// Finds a record behind damage that proves the damaged place was durable: its offset.
pub(crate) fn proof_behind(bytes: &[u8], damaged_at: usize) -> Option<usize> {
    let mut from = damaged_at;
    loop {
        let rest = bytes.get(from..)?;
        let hit = rest.windows(MAGIC.len()).position(|window| window == MAGIC)?;
        let magic_at = from.checked_add(hit)?;
        let at = magic_at.checked_sub(MAGIC_AT);
        if let Some(at) = at.filter(|at| *at > damaged_at)
            && let Some(found) = bytes.get(at..).and_then(record)
            && usize::try_from(found.synced).is_ok_and(|synced| synced > damaged_at)
        {
            return Some(at);
        }
        from = magic_at.checked_add(1)?;
    }
}

fn record(bytes: &[u8]) -> Option<Record<'_>> {
    let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
    let length = usize::try_from(u32_at(header, 4)?).ok()?;
    if header.get(MAGIC_AT..MAGIC_AT + 3)? != MAGIC || length > PAYLOAD_BYTES_MAX {
        return None;
    }
    let end = HEADER_BYTES.checked_add(length)?;
    if crc32fast::hash(bytes.get(4..end)?) != u32_at(header, 0)? {
        return None;
    }
    Some(Record {
        kind: Kind::from_byte(*header.get(8)?)?,
        id: EntryId {
            index: u64_at(header, 16)?,
            term: u64_at(header, 24)?,
            node: u64_at(header, 32)?,
        },
        synced: u32_at(header, 12)?,
        payload: bytes.get(HEADER_BYTES..end)?,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

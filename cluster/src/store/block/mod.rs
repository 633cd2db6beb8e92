//! Rows packed into blocks.
//!
//! sled pays for each item: a leaf holds at most sixteen, and every few inserts split one. Many small rows in one item cost
//! a fraction. A block holds the rows from its key up to the next block's key, in key order, each as
//! `key length u32 | value length u32 | key | value`, little endian. It is cut in pieces when it grows too large.

#[cfg(test)]
mod tests;

use super::{StoreError, rows::Change};

/// A larger block is cut.
const BLOCK_BYTES_MAX: usize = 4096;
/// A piece is closed when it has this many bytes: there is room for what comes behind.
const PIECE_BYTES: usize = 3072;
const LENGTHS_BYTES: usize = 8;

/// One row.
pub(super) type Row<'a> = (&'a [u8], &'a [u8]);

/// Reads a block.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(block: &'a [u8]) -> Self {
        Self(block)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Row<'a>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let row = split(&mut self.0);
        if row.is_none() {
            // Nothing behind damage can be read.
            self.0 = &[];
        }
        Some(row.ok_or(StoreError::Panicked))
    }
}

fn split<'a>(rest: &mut &'a [u8]) -> Option<Row<'a>> {
    let (key_length, behind) = rest.split_first_chunk::<4>()?;
    let (value_length, behind) = behind.split_first_chunk::<4>()?;
    let key_length = usize::try_from(u32::from_le_bytes(*key_length)).ok()?;
    let value_length = usize::try_from(u32::from_le_bytes(*value_length)).ok()?;
    let (key, behind) = behind.split_at_checked(key_length)?;
    let (value, behind) = behind.split_at_checked(value_length)?;
    *rest = behind;
    Some((key, value))
}

/// The value of a key in a block.
pub(super) fn find<'a>(block: &'a [u8], key: &[u8]) -> Result<Option<&'a [u8]>, StoreError> {
    for row in Reader::new(block) {
        let (found, value) = row?;
        if found >= key {
            return Ok((found == key).then_some(value));
        }
    }
    Ok(None)
}

/// The rows of a block after changes to some of them. Changes are in key order, each key once.
pub(super) fn changed<'a>(
    block: &'a [u8],
    changes: &[Change<'a>],
) -> Result<Vec<Row<'a>>, StoreError> {
    let mut rows = Vec::with_capacity(changes.len().saturating_add(32));
    let mut changes = changes.iter().peekable();
    for row in Reader::new(block) {
        let (key, value) = row?;
        while let Some((new, value)) = changes.next_if(|(changed, _)| *changed < key) {
            rows.extend(value.map(|value| (*new, value)));
        }
        match changes.next_if(|(changed, _)| *changed == key) {
            Some((_, value)) => rows.extend(value.map(|value| (key, value))),
            None => rows.push((key, value)),
        }
    }
    rows.extend(changes.filter_map(|(key, value)| value.map(|value| (*key, value))));
    Ok(rows)
}

/// Packs rows: each block with its first row's key. No rows make no block.
pub(super) fn pack<'a>(rows: &[Row<'a>]) -> Vec<(&'a [u8], Vec<u8>)> {
    let bytes =
        |row: &Row<'_>| row.0.len().saturating_add(row.1.len()).saturating_add(LENGTHS_BYTES);
    let whole: usize = rows.iter().map(bytes).sum();
    let limit = if whole <= BLOCK_BYTES_MAX { BLOCK_BYTES_MAX } else { PIECE_BYTES };
    let mut blocks: Vec<(&[u8], Vec<u8>)> = Vec::new();
    for row in rows {
        let fits = |block: &Vec<u8>| block.len().saturating_add(bytes(row)) <= limit;
        match blocks.last_mut().filter(|(_, block)| fits(block)) {
            Some((_, block)) => put(block, *row),
            None => {
                let mut block = Vec::with_capacity(limit.min(whole));
                put(&mut block, *row);
                blocks.push((row.0, block));
            }
        }
    }
    blocks
}

fn put(block: &mut Vec<u8>, (key, value): Row<'_>) {
    for length in [key.len(), value.len()] {
        block.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }
    block.extend_from_slice(key);
    block.extend_from_slice(value);
}

//! Rows as checksummed frames: the form of snapshots, of backups, and of what is being flushed.
//!
//! A file is `magic, frame*`; a frame is `length u32 | crc32 u32 | tag u8, bytes`. The first frame is the header, row frames follow,
//! the last is the end with the number of rows: a file without it was cut.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

const MAGIC: [u8; 8] = *b"stoa\x01\r\n\x1a";
/// Rows are gathered until a frame has this size.
pub(crate) const FRAME_BYTES: usize = 1 << 20;
/// A frame holds at most one gathering and one largest row; more is damage.
const FRAME_BYTES_MAX: usize = 80 << 20;
const REMOVED: u32 = u32::MAX;

const HEADER: u8 = 1;
const ROWS: u8 = 2;
const END: u8 = 3;

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Writes rows.
pub(crate) struct FrameWriter<W> {
    into: W,
    frame: Vec<u8>,
    rows: u64,
}

impl<W: Write> FrameWriter<W> {
    /// Begins with a header.
    pub(crate) fn begin(mut into: W, header: &impl Serialize) -> io::Result<Self> {
        into.write_all(&MAGIC)?;
        let mut writer = Self { into, frame: vec![HEADER], rows: 0 };
        let header = postcard::to_stdvec(header).map_err(io::Error::other)?;
        writer.frame.extend_from_slice(&header);
        writer.end_frame()?;
        Ok(writer)
    }

    /// Adds a row, or the removal of one.
    pub(crate) fn row(&mut self, key: &[u8], value: Option<&[u8]>) -> io::Result<()> {
        let too_long = |_| damaged("a row is too long");
        if self.frame.is_empty() {
            self.frame.push(ROWS);
        }
        let key_length = u32::try_from(key.len()).map_err(too_long)?;
        let length = value.map_or(Ok(REMOVED), |value| u32::try_from(value.len()));
        self.frame.extend_from_slice(&key_length.to_le_bytes());
        self.frame.extend_from_slice(&length.map_err(too_long)?.to_le_bytes());
        self.frame.extend_from_slice(key);
        self.frame.extend_from_slice(value.unwrap_or_default());
        self.rows = self.rows.saturating_add(1);
        if self.frame.len() >= FRAME_BYTES { self.end_frame() } else { Ok(()) }
    }

    /// Writes the end; the file is whole then.
    pub(crate) fn end(mut self) -> io::Result<(W, u64)> {
        if !self.frame.is_empty() {
            self.end_frame()?;
        }
        self.frame.push(END);
        self.frame.extend_from_slice(&self.rows.to_le_bytes());
        self.end_frame()?;
        self.into.flush()?;
        Ok((self.into, self.rows))
    }

    fn end_frame(&mut self) -> io::Result<()> {
        let length = u32::try_from(self.frame.len()).map_err(|_| damaged("a frame is too long"))?;
        self.into.write_all(&length.to_le_bytes())?;
        self.into.write_all(&crc32fast::hash(&self.frame).to_le_bytes())?;
        self.into.write_all(&self.frame)?;
        self.frame.clear();
        Ok(())
    }
}

/// Reads rows.
pub(crate) struct FrameReader<R> {
    from: R,
    rows: u64,
}

impl<R: Read> FrameReader<R> {
    /// Reads the header.
    pub(crate) fn begin<H: DeserializeOwned>(mut from: R) -> io::Result<(Self, H)> {
        let mut magic = [0; MAGIC.len()];
        from.read_exact(&mut magic)?;
        if magic != MAGIC {
            return Err(damaged("not a file of rows"));
        }
        let mut reader = Self { from, rows: 0 };
        let frame = reader.frame()?;
        let Some((&HEADER, header)) = frame.split_first() else {
            return Err(damaged("a file of rows has no header"));
        };
        let header = postcard::from_bytes(header).map_err(io::Error::other)?;
        Ok((reader, header))
    }

    /// The rows of the next frame; `None` at the end of a whole file.
    #[expect(clippy::type_complexity, reason = "rows, as they are everywhere here")]
    pub(crate) fn rows(&mut self) -> io::Result<Option<Vec<(Vec<u8>, Option<Vec<u8>>)>>> {
        let frame = self.frame()?;
        let Some((tag, mut rest)) = frame.split_first() else {
            return Err(damaged("an empty frame"));
        };
        if *tag == END {
            let whole = rest == self.rows.to_le_bytes();
            return if whole { Ok(None) } else { Err(damaged("rows are missing")) };
        }
        if *tag != ROWS {
            return Err(damaged("an unknown frame"));
        }
        let mut rows = Vec::new();
        while !rest.is_empty() {
            rows.push(row(&mut rest).ok_or_else(|| damaged("a row is cut"))?);
        }
        self.rows = self.rows.saturating_add(rows.len() as u64);
        Ok(Some(rows))
    }

    fn frame(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; 8];
        self.from.read_exact(&mut head)?;
        let [a, b, c, d, e, f, g, h] = head;
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(damaged("a frame is too long"));
        }
        let mut frame = vec![0; length];
        self.from.read_exact(&mut frame)?;
        if crc32fast::hash(&frame) == u32::from_le_bytes([e, f, g, h]) {
            Ok(frame)
        } else {
            Err(damaged("a frame's checksum differs"))
        }
    }
}

fn row(rest: &mut &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let mut number = || {
        let (number, after) = rest.split_first_chunk()?;
        *rest = after;
        Some(u32::from_le_bytes(*number))
    };
    let (key_length, length) = (number()?, number()?);
    let mut bytes = |length: u32| {
        let (bytes, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        *rest = after;
        Some(bytes.to_vec())
    };
    let key = bytes(key_length)?;
    let value = if length == REMOVED { None } else { Some(bytes(length)?) };
    Some((key, value))
}

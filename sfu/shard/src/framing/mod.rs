//! Datagrams in a byte stream: each behind its length in two bytes (RFC 4571 section 2).

/// The largest datagram taken from a stream; larger ones end the connection.
pub const FRAME_MAX: usize = 4096;

/// Bytes of the length in front of a frame.
pub const HEADER_LEN: usize = 2;

/// A frame, and what follows it.
pub type Split<'a> = (&'a [u8], &'a [u8]);

/// The peer announced a frame larger than [`FRAME_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {len} bytes is larger than {FRAME_MAX}")]
pub struct FrameTooLarge {
    /// The announced length.
    pub len: usize,
}

/// The length in front of a frame; `None` when the datagram cannot be framed.
#[must_use]
pub fn header(datagram_len: usize) -> Option<[u8; HEADER_LEN]> {
    u16::try_from(datagram_len).ok().map(u16::to_be_bytes)
}

/// Splits the first frame off: `Ok(None)` when it is not complete yet, else the frame and what follows.
///
/// # Errors
/// [`FrameTooLarge`] when the stream cannot be one of ours.
pub fn split(stream: &[u8]) -> Result<Option<Split<'_>>, FrameTooLarge> {
    let Some(([high, low], rest)) = stream.split_first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    if len > FRAME_MAX {
        return Err(FrameTooLarge { len });
    }
    Ok(rest.split_at_checked(len))
}

#[cfg(test)]
mod tests;

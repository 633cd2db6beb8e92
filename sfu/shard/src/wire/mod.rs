//! Datagrams through memory instead of a socket, for benchmarks and tests: what a shard costs and does without a kernel.
//! Two bounded rings for each direction, one of envelopes and one of the bytes they are about; a datagram is copied in
//! and copied out, as a socket does, and nothing is allocated after [`pair`].

use std::{io::Write as _, net::SocketAddr};

use rtrb::{Consumer, Producer, RingBuffer};

/// Bytes that wait in one direction at most, as in the buffer of a shard's socket.
pub const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Runs that wait in one direction at most.
pub const RUNS_MAX: usize = 16_384;

/// Where datagrams lie that go the same way, back to back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Who sent them.
    pub source: SocketAddr,
    /// Who is to get them.
    pub destination: SocketAddr,
    /// Bytes of each; the last may be shorter.
    pub stride: usize,
}

/// The other end does not keep up: a ring is full, and the run is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the wire is full")]
pub struct Full;

/// One end of a wire. It tells nobody that something was sent: whoever sends wakes the other side.
#[derive(Debug)]
pub struct Wire {
    out: Producer<Envelope>,
    out_bytes: Producer<u8>,
    into: Consumer<Envelope>,
    into_bytes: Consumer<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Envelope {
    run: Run,
    len: usize,
}

/// Makes a wire: what is sent at one end is received at the other, in order.
#[must_use]
pub fn pair() -> (Wire, Wire) {
    let (a_out, b_into) = RingBuffer::new(RUNS_MAX);
    let (b_out, a_into) = RingBuffer::new(RUNS_MAX);
    let (a_out_bytes, b_into_bytes) = RingBuffer::new(BYTES_MAX);
    let (b_out_bytes, a_into_bytes) = RingBuffer::new(BYTES_MAX);
    let a = Wire { out: a_out, out_bytes: a_out_bytes, into: a_into, into_bytes: a_into_bytes };
    let b = Wire { out: b_out, out_bytes: b_out_bytes, into: b_into, into_bytes: b_into_bytes };
    (a, b)
}

impl Wire {
    /// Sends the datagrams of a run.
    ///
    /// # Errors
    /// [`Full`] when there is no room for all of them; then none is sent.
    pub fn send(&mut self, run: Run, datagrams: &[u8]) -> Result<(), Full> {
        if self.out.is_full() || self.out_bytes.slots() < datagrams.len() {
            return Err(Full);
        }
        // The bytes go first: whoever sees the envelope sees them too.
        self.out_bytes.write_all(datagrams).map_err(|_| Full)?;
        self.out.push(Envelope { run, len: datagrams.len() }).map_err(|_| Full)
    }

    /// Whether a run waits.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.into.is_empty()
    }

    /// Takes the next run that came, with as many of its bytes as the buffer holds.
    pub fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> Option<(Run, &'b [u8])> {
        let Envelope { run, len } = self.into.pop().ok()?;
        let chunk = self.into_bytes.read_chunk(len).ok()?;
        let mut filled = 0;
        let (head, tail) = chunk.as_slices();
        for slice in [head, tail] {
            let rest = buffer.get_mut(filled..).unwrap_or_default();
            let count = rest.len().min(slice.len());
            if let (Some(rest), Some(slice)) = (rest.get_mut(..count), slice.get(..count)) {
                rest.copy_from_slice(slice);
            }
            filled += count;
        }
        chunk.commit_all();
        Some((run, buffer.get(..filled).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests;

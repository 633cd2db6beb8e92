//! Frames on a stream: a length, then bytes.

use bytes::{Bytes, BytesMut};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use super::{LinkError, Stream};

/// A batch of entries for replication is below this; more is an error of the other side.
pub(crate) const FRAME_BYTES_MAX: usize = 96 << 20;

/// What a stream is for; its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Service {
    Append = 1,
    Vote = 2,
    PreVote = 3,
    TransferLeader = 4,
    Snapshot = 5,
    Propose = 6,
    ReadIndex = 7,
    Admin = 8,
    Channel = 9,
    Heartbeat = 10,
}

impl Service {
    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Append,
            2 => Self::Vote,
            3 => Self::PreVote,
            4 => Self::TransferLeader,
            5 => Self::Snapshot,
            6 => Self::Propose,
            7 => Self::ReadIndex,
            8 => Self::Admin,
            9 => Self::Channel,
            10 => Self::Heartbeat,
            _ => return None,
        })
    }
}

/// The writing half.
pub(crate) struct FrameSender {
    into: Box<dyn AsyncWrite + Send + Unpin>,
}

/// The reading half.
pub(crate) struct FrameReceiver {
    from: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
}

/// Begins a stream for a service.
pub(crate) async fn begin(
    stream: Stream,
    service: Service,
) -> Result<(FrameSender, FrameReceiver), LinkError> {
    let Stream { mut writing, reading } = stream;
    writing.write_all(&[service as u8]).await?;
    Ok((FrameSender { into: writing }, FrameReceiver { from: BufReader::new(reading) }))
}

/// Reads what an incoming stream is for.
pub(crate) async fn accept(
    stream: Stream,
) -> Result<(Service, FrameSender, FrameReceiver), LinkError> {
    let Stream { writing, mut reading } = stream;
    let byte = reading.read_u8().await?;
    let service = Service::from_byte(byte).ok_or(postcard::Error::DeserializeBadEnum)?;
    Ok((service, FrameSender { into: writing }, FrameReceiver { from: BufReader::new(reading) }))
}

impl FrameSender {
    /// Sends one frame of several parts.
    pub(crate) async fn send(&mut self, parts: &[&[u8]]) -> Result<(), LinkError> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let length = u32::try_from(length).map_err(|_| postcard::Error::SerializeBufferFull)?;
        let mut frame =
            BytesMut::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>() + 4);
        frame.extend_from_slice(&length.to_le_bytes());
        parts.iter().for_each(|part| frame.extend_from_slice(part));
        self.into.write_all(&frame).await?;
        Ok(self.into.flush().await?)
    }

    pub(crate) async fn send_value(&mut self, value: &impl Serialize) -> Result<(), LinkError> {
        self.send(&[&postcard::to_stdvec(value)?]).await
    }

    /// Ends the direction; what was sent still arrives.
    pub(crate) async fn finish(mut self) -> Result<(), LinkError> {
        Ok(self.into.shutdown().await?)
    }
}

impl FrameReceiver {
    /// The next frame; `None` when the other side has finished.
    pub(crate) async fn receive(&mut self) -> Result<Option<Bytes>, LinkError> {
        let mut length = [0; 4];
        match self.from.read(&mut length[..1]).await? {
            0 => return Ok(None),
            _ => self.from.read_exact(&mut length[1..]).await?,
        };
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(postcard::Error::DeserializeBadVarint.into());
        }
        let mut frame = BytesMut::zeroed(length);
        self.from.read_exact(&mut frame).await?;
        Ok(Some(frame.freeze()))
    }

    pub(crate) async fn receive_value<T: DeserializeOwned>(
        &mut self,
    ) -> Result<Option<T>, LinkError> {
        let Some(frame) = self.receive().await? else { return Ok(None) };
        Ok(Some(postcard::from_bytes(&frame)?))
    }
}

//! A WebSocket that carries frames of one codec.

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::{Duration, timeout};

use crate::im::{
    mailbox::Close,
    op::output,
    wire::{
        Codec,
        pb::{self, server_frame::Body},
    },
};

/// A socket that is closed by us may take this long to say good-bye.
const LINGER_AFTER_MAX: Duration = Duration::from_secs(2);
/// Clients come back after a random time of up to this long, in milliseconds.
const RECONNECT_WITHIN_MS: u32 = 5_000;

pub(super) struct Pipe {
    socket: WebSocket,
    pub(super) codec: Codec,
}

/// What a socket brought.
pub(super) enum Incoming {
    Frame(Box<pb::ClientFrame>),
    /// Something that is no frame of the protocol.
    Unreadable,
    /// A sign of life.
    Alive,
    /// It is gone.
    Lost,
}

/// The socket takes nothing any more.
pub(super) struct Broken;

impl Pipe {
    pub(super) const fn new(socket: WebSocket, codec: Codec) -> Self {
        Self { socket, codec }
    }

    pub(super) async fn next(&mut self) -> Incoming {
        let frame = match self.socket.next().await {
            Some(Ok(Message::Binary(frame))) if self.codec == Codec::Protobuf => frame,
            Some(Ok(Message::Text(text))) if self.codec == Codec::Json => text.into(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Incoming::Alive,
            Some(Ok(Message::Binary(_) | Message::Text(_))) => return Incoming::Unreadable,
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Incoming::Lost,
        };
        match self.codec.decode(&frame) {
            Ok(frame) => Incoming::Frame(Box::new(frame)),
            Err(_) => {
                metrics::counter!("stoa_im_frames_malformed_total").increment(1);
                Incoming::Unreadable
            }
        }
    }

    pub(super) async fn send(&mut self, frame: Bytes) -> Result<(), Broken> {
        let message = match self.codec {
            Codec::Protobuf => Message::Binary(frame),
            Codec::Json => {
                Message::Text(frame.try_into().map_err(|_: std::str::Utf8Error| Broken)?)
            }
        };
        self.socket.send(message).await.map_err(|_| Broken)
    }

    pub(super) async fn ping(&mut self) -> Result<(), Broken> {
        self.socket.send(Message::Ping(Bytes::new())).await.map_err(|_| Broken)
    }

    /// Says why, and closes. A client that closed by itself is only answered, which reading on does.
    /// Takes its time if the client does.
    pub(super) async fn close(mut self, close: Close, reason: Option<pb::Error>) {
        let said = async {
            if close != Close::Gone {
                let closing = pb::Closing {
                    code: close.code().into(),
                    reason: Some(reason.unwrap_or_else(|| output::code(close.error()))),
                    reconnect_within_ms: RECONNECT_WITHIN_MS,
                    alternatives: Vec::new(),
                };
                let frame = self.codec.push(Body::Closing(closing));
                self.send(frame).await?;
                let reason = close.error().name().into();
                let frame = CloseFrame { code: close.code(), reason };
                self.socket.send(Message::Close(Some(frame))).await.map_err(|_| Broken)?;
            }
            while let Some(Ok(_)) = self.socket.next().await {}
            Ok::<_, Broken>(())
        };
        let _ = timeout(LINGER_AFTER_MAX, said).await;
    }
}

//! One chat socket, as docs/im.md describes it.

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use tokio::{
    net::TcpStream,
    time::{Duration, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Message,
        client::IntoClientRequest as _,
        http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::WebSocketConfig,
    },
};

use crate::{
    token::Key,
    wire::{Ask, Told, encode, pb},
};

const PROTOCOL: &str = "stoa.im.v1.pb";
/// Opening a socket is given up after this long.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes read at once: many sockets are idle.
const READ_BYTES: usize = 4 * 1024;
/// Pushes between two acknowledgements of them.
const ACK_EVERY: u64 = 50;

/// An open socket that has said `connect`.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    rid: u32,
    push: u64,
    acked: u64,
    /// What the server said on `connect`.
    pub(crate) connected: pb::Connected,
}

/// Somebody, and which node they go to.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) user: String,
    pub(crate) device: String,
    /// `http://host:port`.
    pub(crate) url: String,
    pub(crate) key: Key,
}

impl Socket {
    /// Opens a socket for somebody.
    pub(crate) async fn open(person: &Person) -> Result<Self> {
        timeout(PATIENCE, Self::enter(person)).await.context("the socket did not open in time")?
    }

    async fn enter(person: &Person) -> Result<Self> {
        let host = person.url.strip_prefix("http://").context("a URL begins with http://")?;
        let tcp = TcpStream::connect(host).await?;
        tcp.set_nodelay(true)?;
        let mut request = format!("ws://{host}/im/v1/ws").into_client_request()?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        let config = WebSocketConfig::default().read_buffer_size(READ_BYTES).write_buffer_size(0);
        let (stream, _) = client_async_with_config(request, tcp, Some(config)).await?;
        let connected = pb::Connected::default();
        let mut socket = Self { stream, rid: 0, push: 0, acked: 0, connected };
        let connect = pb::Connect {
            token: person.key.user(&person.user)?,
            device: person.device.clone(),
            ..pb::Connect::default()
        };
        match socket.ask(Ask::Connect(connect)).await? {
            Told::Connected(connected) => socket.connected = connected,
            other => bail!("connect was answered {other:?}"),
        }
        Ok(socket)
    }

    /// Sends a request and returns its number.
    pub(crate) async fn send(&mut self, ask: Ask) -> Result<u32> {
        self.rid = self.rid % 0x7fff_ffff + 1;
        let frame = Bytes::from(encode(self.rid, ask));
        self.stream.send(Message::Binary(frame)).await?;
        Ok(self.rid)
    }

    /// Sends a request and waits for its answer; pushes in between are thrown away.
    pub(crate) async fn ask(&mut self, ask: Ask) -> Result<Told> {
        let rid = self.send(ask).await?;
        loop {
            let mut answer = None;
            self.next(|from, told| {
                if from == rid {
                    answer = Some(told);
                }
            })
            .await?;
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
    }

    /// Waits for the next frame and shows what is in it. May be dropped while it waits; nothing is lost.
    pub(crate) async fn next(&mut self, mut show: impl FnMut(u32, Told)) -> Result<()> {
        let bytes = loop {
            match self.stream.next().await.context("the socket ended")?? {
                Message::Binary(bytes) => break bytes,
                Message::Close(frame) => return Err(anyhow!("the socket was closed: {frame:?}")),
                _ => {}
            }
        };
        let frame = pb::ServerFrame::decode(bytes)?;
        self.push = self.push.max(frame.push);
        match frame.body {
            Some(Told::Batch(batch)) => {
                for frame in batch.frames {
                    self.push = self.push.max(frame.push);
                    if let Some(told) = frame.body {
                        show(frame.rid, told);
                    }
                }
            }
            Some(told) => show(frame.rid, told),
            None => {}
        }
        Ok(())
    }

    /// Acknowledges pushes when enough of them came.
    pub(crate) async fn acknowledge(&mut self) -> Result<()> {
        if self.push >= self.acked + ACK_EVERY {
            self.acked = self.push;
            self.send(Ask::Ack(pb::Ack { push: self.push })).await?;
        }
        Ok(())
    }
}

//! A client's signalling socket.

use futures_util::{SinkExt as _, StreamExt as _};
use livekit_protocol as pb;
use pb::{signal_request::Message as Signal, signal_response::Message as Response};
use prost::Message as _;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message},
};

use crate::node::PATIENCE;

pub(crate) struct Client(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Why a socket was not opened: status and text.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) u16, pub(crate) String);

impl Client {
    pub(crate) async fn connect(address: &str, path: &str) -> Result<Self, Refused> {
        match timeout(PATIENCE, connect_async(format!("ws://{address}{path}"))).await.unwrap() {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                Err(Refused(response.status().as_u16(), String::from_utf8_lossy(&body).into()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn send(&mut self, message: Signal) {
        let frame = pb::SignalRequest { message: Some(message) }.encode_to_vec();
        self.0.send(Message::binary(frame)).await.unwrap();
    }

    /// The next response; `None` when the socket was closed.
    pub(crate) async fn next(&mut self) -> Option<Response> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("no response came") {
                Some(Ok(Message::Binary(frame))) => {
                    return pb::SignalResponse::decode(frame).unwrap().message;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(_) | Err(_)) | None => return None,
            }
        }
    }

    /// The next response that is no fresh token.
    pub(crate) async fn news(&mut self) -> Option<Response> {
        loop {
            match self.next().await {
                Some(Response::RefreshToken(_)) => {}
                other => return other,
            }
        }
    }
}

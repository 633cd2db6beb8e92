//! Echoes messages over a WebSocket that is set up as the chat socket is, for conformance suites, which judge by echoes.
//! `echo [BYTES]`: largest message, 16 MiB unless said. Prints the address it listens on.

use std::io::Write as _;

use axum::{
    Router,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    response::Response,
    routing::get,
};
use gateway::im::socket::tuned;

/// Largest message of the suites.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let asked = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let router = Router::new().route("/", get(open)).with_state(asked.unwrap_or(MESSAGE_BYTES_MAX));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", listener.local_addr()?)?;
    out.flush()?;
    axum::serve(listener, router).await
}

async fn open(State(bytes_max): State<usize>, upgrade: WebSocketUpgrade) -> Response {
    tuned(upgrade, bytes_max).on_upgrade(echo)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let is_content = matches!(message, Message::Text(_) | Message::Binary(_));
        if is_content && socket.send(message).await.is_err() {
            return;
        }
    }
}

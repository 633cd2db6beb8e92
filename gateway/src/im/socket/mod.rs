//! The door `/im/v1/ws`: a socket is opened, its first frame says who it is, then a session runs.

use axum::{
    Router,
    extract::{
        Request, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::{IntoResponse as _, Response},
    routing::get,
};

mod entry;
mod guest;
mod pipe;
mod session;

use super::{
    chat::Chat,
    token::{Bearer, User},
    wire::Codec,
};
use crate::{error::Error, livekit::join::address, shared::token_of};

/// Bytes read from a socket at once: one buffer a socket, and most sockets are idle.
const READ_BYTES: usize = 2 * 1024;
/// Bytes gathered before they are written: none, frames leave in batches as they are.
const WRITE_BYTES: usize = 0;
/// Largest message that is written, in bytes: a page of the largest messages.
const WRITE_BYTES_MAX: usize = 8 * 1024 * 1024;

pub(super) fn router(chat: Chat) -> Router {
    Router::new().route("/im/v1/ws", get(open)).with_state(chat)
}

async fn open(
    State(chat): State<Chat>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return Error::Malformed("this is a WebSocket").into_response();
    };
    let (parts, _) = request.into_parts();
    let let_in = || {
        let shared = &chat.shared;
        let address = address(shared, &parts.headers, &parts.extensions);
        shared.keeper.join(tokio::time::Instant::now(), address)?;
        if shared.draining() {
            return Err(Error::Draining);
        }
        let user = match token_of(&parts.headers, parts.uri.query()) {
            Some(token) => Some(who_of(&chat, &token)?),
            None => None,
        };
        Ok((user, shared.keeper.socket()?))
    };
    let (user, permit) = match let_in() {
        Ok(let_in) => let_in,
        Err(error) => {
            metrics::counter!("stoa_im_sockets_refused_total").increment(1);
            return error.into_response();
        }
    };
    let upgrade = tuned(upgrade, chat.config.limits.frame_bytes_max);
    let upgrade = upgrade.protocols(Codec::ALL.map(Codec::subprotocol));
    let asked = upgrade.requested_protocols().next().is_some();
    let selected = upgrade.selected_protocol().and_then(|name| name.to_str().ok());
    let codec = match selected.and_then(Codec::from_subprotocol) {
        Some(codec) => codec,
        // Who asks for nothing, such as a tool on a command line, is answered in what people can read.
        None if !asked => Codec::Json,
        None => return Error::Unsupported("none of the subprotocols").into_response(),
    };
    upgrade
        .on_upgrade(move |socket| entry::enter(chat, pipe::Pipe::new(socket, codec), user, permit))
}

/// A WebSocket as chat has it: small buffers, and no frame beyond the limit. Public for the example `echo`, by which
/// others' conformance suites judge it.
pub fn tuned(upgrade: WebSocketUpgrade, frame_bytes_max: usize) -> WebSocketUpgrade {
    upgrade
        .max_message_size(frame_bytes_max)
        .max_frame_size(frame_bytes_max)
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES)
        .max_write_buffer_size(WRITE_BYTES_MAX)
}

/// Who comes in.
enum Who {
    User(User),
    Guest(Box<guest::Guest>),
}

fn who_of(chat: &Chat, token: &str) -> Result<Who, Error> {
    match guest::Guest::read(chat, token) {
        Some(guest) => guest.map(Box::new).map(Who::Guest),
        None => user_of(chat, token).map(Who::User),
    }
}

/// The user of a token. Back ends have no sockets: they use the REST API.
fn user_of(chat: &Chat, token: &str) -> Result<User, Error> {
    match chat.tokens.verify(token, chat.now_s())? {
        Bearer::User(user) => Ok(user),
        Bearer::Backend => Err(Error::GrantMissing("im")),
    }
}

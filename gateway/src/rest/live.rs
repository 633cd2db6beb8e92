//! What back ends do in live rooms: say something, restrain people, end a room.

use axum::{
    Router,
    extract::{Path, Request, State},
    response::Response,
    routing::{delete, post, put},
};
use proto::{
    im::{Action, Command, LiveAction, LiveLease, LiveRoom, Reply, Restraint},
    time::LogTime,
};
use tokio::time::Instant;

use super::{
    document::Extra,
    handle::{backend, caller, encode, object, respond},
};
use crate::{
    error::Error,
    im::{
        Chat,
        live::{ANSWER_AFTER_MAX, LiveError},
        op,
        wire::pb,
    },
};

pub(super) const EXTRAS: &[Extra] = &[
    Extra {
        method: "POST",
        path: "/v1/rooms/{room}/live/messages",
        request: Some("LiveSend"),
        answer: "LiveSent",
        summary: "Says something in a live room, whether anybody is there or not. No rate limits it. Back ends only.",
        secured: true,
        keyed: false,
        query: &[],
    },
    Extra {
        method: "PUT",
        path: "/v1/rooms/{room}/live/restraints",
        request: Some("LiveRestrain"),
        answer: "Done",
        summary: "Lets somebody not write in a live room for a while, or not be in it. Back ends only.",
        secured: true,
        keyed: false,
        query: &[],
    },
    Extra {
        method: "DELETE",
        path: "/v1/rooms/{room}/live",
        request: None,
        answer: "Done",
        summary: "Ends a live room for everybody; what was said in it is gone. Back ends only.",
        secured: true,
        keyed: false,
        query: &[],
    },
];

pub(super) fn router() -> Router<Chat> {
    Router::new()
        .route("/v1/rooms/{room}/live/messages", post(say))
        .route("/v1/rooms/{room}/live/restraints", put(restrain))
        .route("/v1/rooms/{room}/live", delete(end))
}

fn room_of(name: &str) -> Result<LiveRoom, Error> {
    LiveRoom::try_from(name).map_err(|_| Error::Malformed("room is not a name"))
}

async fn say(State(chat): State<Chat>, Path(name): Path<String>, request: Request) -> Response {
    let answer = async {
        let send: pb::LiveSend = backend(&chat, request, "LiveSend").await?;
        let room = room_of(&name)?;
        let said = pb::LiveMessage {
            at: chat.shared.clock.now().0,
            priority: send.priority,
            content: Some(op::live_content(send.content)?),
            ..pb::LiveMessage::default()
        };
        let (back, sent) = tokio::sync::oneshot::channel();
        chat.live(|live| live.announce(Instant::now(), &room, said, back));
        let sent = match tokio::time::timeout(ANSWER_AFTER_MAX * 2, sent).await {
            Ok(Ok(sent)) => sent,
            Ok(Err(_)) | Err(_) => Err(LiveError::Unknown),
        };
        encode(&sent?)
    };
    respond(Box::pin(answer).await)
}

async fn restrain(
    State(chat): State<Chat>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let answer = async {
        let asked: pb::LiveRestrain = backend(&chat, request, "LiveRestrain").await?;
        let restraint = Restraint {
            who: asked.who,
            guest: asked.guest,
            out: asked.out,
            until: LogTime(match asked.for_ms {
                0 => 0,
                time => chat.shared.clock.now().0.saturating_add(time),
            }),
        };
        let held = change(&chat, &name, LiveAction::Restrain(restraint)).await?;
        held.ok_or(Error::NotFound)?;
        encode(&pb::Done {})
    };
    respond(Box::pin(answer).await)
}

async fn end(State(chat): State<Chat>, Path(name): Path<String>, request: Request) -> Response {
    let answer = async {
        let (parts, _, _) = object(request).await?;
        caller(&chat, &parts.headers, parts.uri.query()).await?.backend_only()?;
        change(&chat, &name, LiveAction::End { epoch: None }).await?;
        encode(&pb::Done {})
    };
    respond(Box::pin(answer).await)
}

async fn change(chat: &Chat, name: &str, action: LiveAction) -> Result<Option<LiveLease>, Error> {
    let action = Action::Live { room: room_of(name)?, action };
    let reply = chat.change(Command { actor: Chat::by_backend(None), action }).await?;
    let Reply::Live(lease) = reply else { return Err(Error::Internal) };
    Ok(lease)
}

//! Sessions: log-in, refresh, log-out. A refresh token names its user, device and log-in, and is good once.

use std::time::Duration;

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::{delete, post},
};
use bytes::Bytes;
use proto::{
    im::{
        Answer, Command, Query, Reply,
        account::{AccountState, Credential},
        command::{AccountAction, Action, Login},
        id::{DeviceId, SessionId, UserId},
        query::Ask,
        reject::Reject,
    },
    time::LogTime,
};
use tokio::time::Instant;

use super::{
    document::Extra,
    handle::{caller, encode, message, object, respond},
};
use crate::{
    error::Error,
    im::{
        Chat, op,
        token::{Access, refresh_hash},
        wire::pb,
    },
};

pub(super) const EXTRAS: &[Extra] = &[
    Extra {
        method: "POST",
        path: "/v1/sessions",
        request: Some("LogIn"),
        answer: "TokenPair",
        summary: "Logs a device in, by a password or by a back end.",
        secured: false,
        keyed: false,
        query: &[],
    },
    Extra {
        method: "POST",
        path: "/v1/sessions/refresh",
        request: Some("Refresh"),
        answer: "TokenPair",
        summary: "Changes a refresh token for new tokens. Using one twice ends the log-in.",
        secured: false,
        keyed: false,
        query: &[],
    },
    Extra {
        method: "DELETE",
        path: "/v1/sessions",
        request: None,
        answer: "Done",
        summary: "Ends all log-ins and voids all tokens.",
        secured: true,
        keyed: false,
        query: &["as"],
    },
    Extra {
        method: "DELETE",
        path: "/v1/sessions/current",
        request: None,
        answer: "Done",
        summary: "Logs out.",
        secured: true,
        keyed: false,
        query: &[],
    },
];

pub(super) fn router() -> Router<Chat> {
    Router::new()
        .route("/v1/sessions", post(log_in).delete(revoke))
        .route("/v1/sessions/refresh", post(refresh))
        .route("/v1/sessions/current", delete(log_out))
}

async fn log_in(State(chat): State<Chat>, request: Request) -> Response {
    respond(Box::pin(try_log_in(&chat, request)).await)
}

async fn try_log_in(chat: &Chat, request: Request) -> Result<Bytes, Error> {
    let (parts, asked): (_, pb::LogIn) = message(request, "LogIn").await?;
    let query = parts.uri.query();
    let is_backend = match crate::shared::token_of(&parts.headers, query) {
        None => false,
        Some(_) => caller(chat, &parts.headers, query).await?.is_backend(),
    };
    let platform = op::read_platform(asked.platform());
    let user: UserId = asked.user.parse().map_err(|_| Error::Malformed("user is not an id"))?;
    let device: DeviceId =
        asked.device.parse().map_err(|_| Error::Malformed("device is not an id"))?;
    if !is_backend {
        let name = format!("log-in {user}");
        chat.entries.minute(Instant::now(), name, chat.config.limits.rest.logins_per_minute)?;
        check_password(chat, &user, asked.password).await?;
    }
    let session = chat.mint.session();
    let (token, expires_at) = new_refresh(chat, &user, &device, session);
    let login = Login {
        device: device.clone(),
        session,
        platform,
        name: asked.name,
        refresh: refresh_hash(&token),
        expires_at,
    };
    let reply = change(chat, &user, AccountAction::Login(Box::new(login))).await?;
    let Reply::LoggedIn { session, epoch } = reply else { return Err(Error::Internal) };
    pair(chat, Access { user, device, login: session, epoch }, token, expires_at)
}

/// Whether it is the account's password. An unknown account takes as long as a known one, and is not told apart.
pub(super) async fn check_password(
    chat: &Chat,
    user: &UserId,
    password: String,
) -> Result<(), Error> {
    let query = Query { viewer: None, ask: Ask::Credential(user.clone()) };
    let (hash, state) = match chat.question(query).await {
        Ok(answer) => match *answer {
            Answer::Credential(Credential::Password(hash), state, _) => (Some(hash), state),
            Answer::Credential(Credential::External, state, _) => (None, state),
            _ => return Err(Error::Internal),
        },
        Err(Error::Rejected(_)) => (None, AccountState::Active),
        Err(error) => return Err(error),
    };
    chat.hasher.verify(password, hash).await?;
    match state {
        AccountState::Active => Ok(()),
        AccountState::Disabled => Err(Reject::AccountDisabled { user: user.clone() }.into()),
        AccountState::Deleted => Err(Error::PasswordWrong),
    }
}

async fn refresh(State(chat): State<Chat>, request: Request) -> Response {
    respond(Box::pin(try_refresh(&chat, request)).await)
}

async fn try_refresh(chat: &Chat, request: Request) -> Result<Bytes, Error> {
    let (_, asked): (_, pb::Refresh) = message(request, "Refresh").await?;
    let presented = refresh_hash(&asked.refresh_token);
    let named = named(&asked.refresh_token).ok_or(Reject::RefreshInvalid)?;
    let (user, device, session) = named;
    // By log-in, whose number only its holder knows: nobody uses up somebody else's tries.
    let name = format!("refresh {session}");
    chat.attempts.minute(Instant::now(), name, chat.config.limits.rest.logins_per_minute * 6)?;
    let (token, expires_at) = new_refresh(chat, &user, &device, session);
    let next = refresh_hash(&token);
    let action =
        AccountAction::Refresh { device: device.clone(), session, presented, next, expires_at };
    let Reply::Refreshed { epoch } = change(chat, &user, action).await? else {
        // It had been used before: the log-in is over.
        return Err(Reject::RefreshInvalid.into());
    };
    pair(chat, Access { user, device, login: session, epoch }, token, expires_at)
}

/// What a refresh token names; ids have no colons.
fn named(token: &str) -> Option<(UserId, DeviceId, SessionId)> {
    let mut parts = token.split(':');
    let user = parts.next()?.parse().ok()?;
    let device = parts.next()?.parse().ok()?;
    let session = op::session(parts.next()?).ok()?;
    parts.next().filter(|random| !random.is_empty())?;
    Some((user, device, session))
}

fn new_refresh(
    chat: &Chat,
    user: &UserId,
    device: &DeviceId,
    session: SessionId,
) -> (String, LogTime) {
    let token = format!("{user}:{device}:{session}:{}", chat.mint.refresh());
    (token, chat.shared.clock.now() + chat.config.refresh_lives)
}

fn pair(chat: &Chat, access: Access, refresh: String, until: LogTime) -> Result<Bytes, Error> {
    let now_s = chat.now_s();
    let lives: Duration = chat.config.access_lives;
    let expires_at_s = now_s.saturating_add(lives.as_secs());
    encode(&pb::TokenPair {
        user: access.user.to_string(),
        session: access.login.to_string(),
        access_token: chat.tokens.sign(&access, now_s, expires_at_s)?,
        access_expires_at: expires_at_s,
        refresh_token: refresh,
        refresh_expires_at: until.as_secs(),
    })
}

async fn revoke(State(chat): State<Chat>, request: Request) -> Response {
    let answer = async {
        let (parts, _, _) = object(request).await?;
        let caller = caller(&chat, &parts.headers, parts.uri.query()).await?;
        let user = caller.user.clone();
        let user = user.ok_or(Error::Malformed("a back end says in whose name: as"))?;
        let action = Action::Account { user, action: AccountAction::RevokeAll };
        chat.change(Command { actor: caller.actor(), action }).await?;
        encode(&pb::Done {})
    };
    respond(Box::pin(answer).await)
}

async fn log_out(State(chat): State<Chat>, request: Request) -> Response {
    let answer = async {
        let (parts, _, _) = object(request).await?;
        let caller = caller(&chat, &parts.headers, parts.uri.query()).await?;
        let token = caller.token().ok_or(Error::Malformed("a back end has no log-in"))?;
        let session = token.login.ok_or(Error::Malformed("the token has no log-in"))?;
        let action =
            Action::Account { user: token.user.clone(), action: AccountAction::Logout { session } };
        chat.change(Command { actor: caller.actor(), action }).await?;
        encode(&pb::Done {})
    };
    respond(Box::pin(answer).await)
}

async fn change(chat: &Chat, user: &UserId, action: AccountAction) -> Result<Reply, Error> {
    let action = Action::Account { user: user.clone(), action };
    chat.change(Command { actor: Chat::by_backend(None), action }).await
}

#[cfg(test)]
mod tests {
    use proto::im::id::SessionId;

    use super::named;

    #[test]
    fn a_refresh_token_names_whose_it_is() {
        let token = "ada:phone:se_000000000000feed:random";
        let (user, device, session) = named(token).unwrap();
        assert_eq!((user.as_str(), device.as_str(), session), ("ada", "phone", SessionId(0xfeed)));
        for bad in ["", "ada", "ada:phone", "ada:phone:se_1:", "a b:phone:se_1:x", "ada:phone:1:x"]
        {
            assert!(named(bad).is_none(), "{bad}");
        }
    }
}

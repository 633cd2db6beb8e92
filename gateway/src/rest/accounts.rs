//! Accounts: sign-up, import, state, password, deletion, presence.

use std::collections::BTreeSet;

use axum::{
    Router,
    extract::{Path, Request, State},
    response::Response,
    routing::{get, patch, post, put},
};
use bytes::Bytes;
use proto::{
    error::ErrorCode,
    im::{
        Answer, Command, Query, Reply,
        account::{AccountState, Credential, NewAccount},
        command::{AccountAction, Action, Keep},
        event::Imported,
        id::UserId,
        limit::IMPORT_MAX,
        query::{Ask, PageOf},
    },
};
use tokio::time::Instant;

use super::{
    document::Extra,
    handle::{backend, called, caller, encode, idempotency, message, object, respond},
    replay,
};
use crate::{
    error::Error,
    im::{Chat, op, op::output, wire::pb},
    livekit::join::address,
};

pub(super) const EXTRAS: &[Extra] = &[
    Extra {
        method: "POST",
        path: "/v1/accounts",
        request: Some("SignUp"),
        answer: "Account",
        summary: "Makes an account. Without a token only where sign-up is open.",
        secured: false,
        keyed: true,
        query: &[],
    },
    Extra {
        method: "GET",
        path: "/v1/accounts",
        request: None,
        answer: "Accounts",
        summary: "Lists accounts. Back ends only.",
        secured: true,
        keyed: false,
        query: &["after", "limit"],
    },
    Extra {
        method: "POST",
        path: "/v1/accounts/import",
        request: Some("Import"),
        answer: "ImportDone",
        summary: "Makes up to 500 accounts; those that exist stay as they are. Back ends only.",
        secured: true,
        keyed: false,
        query: &[],
    },
    Extra {
        method: "GET",
        path: "/v1/accounts/{user}",
        request: None,
        answer: "Account",
        summary: "Tells of an account: one's own, or any to back ends.",
        secured: true,
        keyed: false,
        query: &[],
    },
    Extra {
        method: "DELETE",
        path: "/v1/accounts/{user}",
        request: None,
        answer: "Done",
        summary: "Deletes an account: one's own, or any by back ends. Its id is not given again.",
        secured: true,
        keyed: false,
        query: &[],
    },
    Extra {
        method: "PATCH",
        path: "/v1/accounts/{user}/state",
        request: Some("StateSet"),
        answer: "Done",
        summary: "Switches an account on or off. Back ends only.",
        secured: true,
        keyed: false,
        query: &[],
    },
    Extra {
        method: "PUT",
        path: "/v1/accounts/{user}/password",
        request: Some("PasswordSet"),
        answer: "Done",
        summary: "Changes a password and ends all other log-ins.",
        secured: true,
        keyed: false,
        query: &[],
    },
    Extra {
        method: "GET",
        path: "/v1/presence",
        request: None,
        answer: "Presences",
        summary: "How users are, as others see them. At most 100.",
        secured: true,
        keyed: false,
        query: &["users"],
    },
];

pub(super) fn router() -> Router<Chat> {
    Router::new()
        .route("/v1/accounts", post(create).get(list))
        .route("/v1/accounts/import", post(import))
        .route("/v1/accounts/{user}", get(tell).delete(delete))
        .route("/v1/accounts/{user}/state", patch(set_state))
        .route("/v1/accounts/{user}/password", put(set_password))
        .route("/v1/presence", get(presence))
}

fn user_id(text: &str) -> Result<UserId, Error> {
    text.parse().map_err(|_| Error::Malformed("user is not an id"))
}

async fn create(State(chat): State<Chat>, request: Request) -> Response {
    respond(Box::pin(try_create(&chat, request)).await)
}

async fn try_create(chat: &Chat, request: Request) -> Result<Bytes, Error> {
    let (parts, sign_up): (_, pb::SignUp) = message(request, "SignUp").await?;
    let query = parts.uri.query();
    let token = crate::shared::token_of(&parts.headers, query);
    let is_backend = match token {
        None => false,
        Some(_) => caller(chat, &parts.headers, query).await?.is_backend(),
    };
    let address = address(&chat.shared, &parts.headers, &parts.extensions);
    if !is_backend {
        if !chat.config.sign_up {
            return Err(Error::SignUpClosed);
        }
        let name = format!("sign-up {address}");
        let per_minute = chat.config.limits.rest.sign_ups_per_minute;
        chat.entries.minute(Instant::now(), name, per_minute)?;
    }
    let who = if is_backend { "backend".to_owned() } else { format!("address {address}") };
    let key = idempotency(&who, &parts.headers)?;
    let key = key.map_or_else(|| chat.mint.key(chat.shared.clock.now()), |key| replay::key(&key));
    if sign_up.password.is_empty() && !is_backend {
        return Err(Error::PasswordWeak);
    }
    let account = account(chat, sign_up).await?;
    let user = account.user.clone();
    let NewAccount { credential, profile, rules, .. } = account;
    let profile = Box::new(profile);
    let action = AccountAction::Create { key, credential, profile, rules };
    by_backend(chat, &user, action).await?;
    told(chat, user).await
}

/// An account to be made. Hashing waits its turn.
async fn account(chat: &Chat, sign_up: pb::SignUp) -> Result<NewAccount, Error> {
    let user = user_id(&sign_up.user)?;
    let credential = if sign_up.password.is_empty() {
        Credential::External
    } else {
        Credential::Password(chat.hasher.hash(sign_up.password, chat.mint.bytes()).await?)
    };
    Ok(NewAccount {
        user,
        credential,
        profile: op::profile(sign_up.profile.unwrap_or_default())?,
        rules: op::read_rules(&sign_up.rules.unwrap_or_default()),
    })
}

async fn by_backend(chat: &Chat, user: &UserId, action: AccountAction) -> Result<Reply, Error> {
    let action = Action::Account { user: user.clone(), action };
    chat.change(Command { actor: Chat::by_backend(None), action }).await
}

async fn told(chat: &Chat, user: UserId) -> Result<Bytes, Error> {
    let query = Query { viewer: None, ask: Ask::Account(user.clone()) };
    let answer = chat.question(query).await?;
    let Answer::Account(account) = *answer else { return Err(Error::Internal) };
    encode(&op::write_account(user.as_str(), &account))
}

/// The part of a list that a query asks for.
pub(super) fn page_of<K>(
    query: Option<&str>,
    key: impl Fn(&str) -> Result<K, Error>,
) -> Result<PageOf<K>, Error> {
    let pairs = serde_urlencoded::from_str::<Vec<(String, String)>>(query.unwrap_or_default());
    let mut page = PageOf { after: None, limit: 50 };
    for (name, value) in pairs.map_err(|_| Error::Malformed("the query cannot be read"))? {
        match name.as_str() {
            "after" if !value.is_empty() => page.after = Some(key(&value)?),
            "limit" => {
                let limit: usize =
                    value.parse().map_err(|_| Error::Malformed("limit is no number"))?;
                page.limit = limit.clamp(1, proto::im::limit::PAGE_MAX);
            }
            _ => {}
        }
    }
    Ok(page)
}

async fn list(State(chat): State<Chat>, request: Request) -> Response {
    respond(Box::pin(try_list(&chat, request)).await)
}

async fn try_list(chat: &Chat, request: Request) -> Result<Bytes, Error> {
    let (parts, _, _) = object(request).await?;
    caller(chat, &parts.headers, parts.uri.query()).await?.backend_only()?;
    let page = page_of(parts.uri.query(), user_id)?;
    let answer = chat.question(Query { viewer: None, ask: Ask::Accounts(page) }).await?;
    let Answer::Accounts(page) = *answer else { return Err(Error::Internal) };
    let (accounts, next) =
        output::rows(&page, |user, account| op::write_account(user.as_str(), account));
    encode(&pb::Accounts { accounts, next })
}

async fn import(State(chat): State<Chat>, request: Request) -> Response {
    respond(Box::pin(try_import(&chat, request)).await)
}

async fn try_import(chat: &Chat, request: Request) -> Result<Bytes, Error> {
    let import: pb::Import = backend(chat, request, "Import").await?;
    if import.accounts.len() > IMPORT_MAX {
        return Err(Error::TooLarge { limit: IMPORT_MAX });
    }
    let mut rows = Vec::with_capacity(import.accounts.len());
    let mut accounts = Vec::with_capacity(import.accounts.len());
    for one in import.accounts {
        let named = one.user.clone();
        match account(chat, one).await {
            Ok(account) => {
                rows.push((named, None));
                accounts.push(account);
            }
            // What is wrong with one of them does not keep the others out.
            Err(error) if error.status().is_client_error() => rows.push((named, Some(error))),
            Err(error) => return Err(error),
        }
    }
    let step = |accounts| Action::ImportAccounts { accounts };
    let outcomes = super::import::in_steps(chat, accounts, step).await?;
    let mut outcomes = outcomes.iter();
    let accounts = rows.into_iter().map(|(user, wrong)| match wrong {
        Some(error) => refused(user, error.code(), error.to_string()),
        None => outcomes.next().map_or_else(
            || refused(user.clone(), ErrorCode::Internal, String::new()),
            |outcome| imported(user.clone(), outcome),
        ),
    });
    encode(&pb::ImportDone { accounts: accounts.collect() })
}

fn refused(user: String, code: ErrorCode, message: String) -> pb::ImportedOne {
    pb::ImportedOne { user, outcome: "refused".to_owned(), code: code.number().into(), message }
}

fn imported(user: String, outcome: &Imported) -> pb::ImportedOne {
    let done = |user, outcome: &str| pb::ImportedOne {
        user,
        outcome: outcome.to_owned(),
        ..pb::ImportedOne::default()
    };
    match outcome {
        Imported::Created => done(user, "created"),
        Imported::Exists => done(user, "exists"),
        Imported::Refused(reject) => refused(user, reject.code(), reject.to_string()),
    }
}

async fn tell(State(chat): State<Chat>, Path(user): Path<String>, request: Request) -> Response {
    let answer = async {
        let (parts, _, _) = object(request).await?;
        let caller = caller(&chat, &parts.headers, parts.uri.query()).await?;
        let user = user_id(&user)?;
        if caller.user.as_ref() != Some(&user) {
            caller.backend_only()?;
        }
        told(&chat, user).await
    };
    respond(Box::pin(answer).await)
}

async fn delete(State(chat): State<Chat>, Path(user): Path<String>, request: Request) -> Response {
    let answer = async {
        let (parts, _, _) = object(request).await?;
        let caller = caller(&chat, &parts.headers, parts.uri.query()).await?;
        let user = user_id(&user)?;
        let action = Action::Account { user, action: AccountAction::Delete };
        chat.change(Command { actor: caller.actor(), action }).await?;
        encode(&pb::Done {})
    };
    respond(Box::pin(answer).await)
}

async fn set_state(
    State(chat): State<Chat>,
    Path(user): Path<String>,
    request: Request,
) -> Response {
    let answer = async {
        let set: pb::StateSet = backend(&chat, request, "StateSet").await?;
        let state = if set.disabled { AccountState::Disabled } else { AccountState::Active };
        by_backend(&chat, &user_id(&user)?, AccountAction::SetState { state }).await?;
        encode(&pb::Done {})
    };
    respond(Box::pin(answer).await)
}

async fn set_password(
    State(chat): State<Chat>,
    Path(user): Path<String>,
    request: Request,
) -> Response {
    respond(Box::pin(try_set_password(&chat, &user, request)).await)
}

async fn try_set_password(chat: &Chat, user: &str, request: Request) -> Result<Bytes, Error> {
    let (caller, set): (_, pb::PasswordSet) = called(chat, request, "PasswordSet").await?;
    let user = user_id(user)?;
    let keep = match caller.token() {
        None => Keep::Nothing,
        Some(own) if own.user == user => {
            super::sessions::check_password(chat, &user, set.old_password).await?;
            own.login.map_or(Keep::Nothing, Keep::Session)
        }
        Some(_) => return Err(Error::GrantMissing("imAdmin")),
    };
    let hash = chat.hasher.hash(set.new_password, chat.mint.bytes()).await?;
    let credential = Credential::Password(hash);
    let action = AccountAction::SetCredential { credential, keep_only: Some(keep) };
    by_backend(chat, &user, action).await?;
    encode(&pb::Done {})
}

async fn presence(State(chat): State<Chat>, request: Request) -> Response {
    respond(Box::pin(try_presence(&chat, request)).await)
}

async fn try_presence(chat: &Chat, request: Request) -> Result<Bytes, Error> {
    let (parts, _, _) = object(request).await?;
    caller(chat, &parts.headers, parts.uri.query()).await?;
    let pairs =
        serde_urlencoded::from_str::<Vec<(String, String)>>(parts.uri.query().unwrap_or_default());
    let pairs = pairs.map_err(|_| Error::Malformed("the query cannot be read"))?;
    let lists = pairs.iter().filter(|(name, _)| name == "users").map(|(_, list)| list);
    let names = lists.flat_map(|list| list.split(',')).filter(|name| !name.is_empty());
    let users = names.map(user_id).collect::<Result<BTreeSet<_>, _>>()?;
    if users.len() > proto::im::limit::PAGE_MAX {
        return Err(Error::TooLarge { limit: proto::im::limit::PAGE_MAX });
    }
    encode(&chat.hub(|hub| hub.presences(&users)))
}

//! Bulk import of what was elsewhere: friends, groups, members, messages. Accounts are imported in `accounts`.

use axum::{
    Router,
    extract::{Path, Request, State},
    response::Response,
    routing::post,
};
use bytes::Bytes;
use proto::{
    im::{
        Command, ConversationId, Reply,
        command::{
            Action, GroupAction, ImportedMessage, NewFriendship, NewGroup, NewMember, OldGroup,
        },
        event::Imported,
        group::{GroupInfo, Notice},
        id::{ClientKey, GroupId},
        limit::IMPORT_MAX,
    },
    time::LogTime,
};

use super::{
    document::Extra,
    handle::{backend, encode, respond},
};
use crate::{
    error::Error,
    im::{Chat, op, wire::pb},
};

/// Rows in one command: short enough that those who chat meanwhile do not wait for it.
const STEP: usize = 100;

const fn extra(path: &'static str, request: &'static str, summary: &'static str) -> Extra {
    let (method, answer, request) = ("POST", "Imported", Some(request));
    Extra { method, path, request, answer, summary, secured: true, keyed: false, query: &[] }
}

pub(super) const EXTRAS: &[Extra] = &[
    extra(
        "/v1/friends/import",
        "FriendsImport",
        "Makes friends of up to 500 pairs, whatever their rules. Back ends only.",
    ),
    extra(
        "/v1/groups/import",
        "GroupsImport",
        "Makes groups as they were elsewhere: up to 500, members counted too. Nothing is said in them. Back ends only.",
    ),
    extra(
        "/v1/groups/{group}/members/import",
        "MembersImport",
        "Brings in up to 500 members as they were elsewhere. Nothing is said in the group. Back ends only.",
    ),
    extra(
        "/v1/conversations/{conversation}/messages/import",
        "MessagesImport",
        "Appends up to 500 messages with the time and sender they had elsewhere. They are neither unread nor pushed. Back ends only.",
    ),
];

pub(super) fn router() -> Router<Chat> {
    Router::new()
        .route("/v1/friends/import", post(friends))
        .route("/v1/groups/import", post(groups))
        .route("/v1/groups/{group}/members/import", post(members))
        .route("/v1/conversations/{conversation}/messages/import", post(messages))
}

/// One row: as the state takes it, or what is wrong with it.
type Row<T> = Result<T, Error>;

/// Brings rows in, some at a time, in order; what is wrong with one of them does not keep the others out.
async fn bring<T>(
    chat: &Chat,
    rows: Vec<Row<T>>,
    step: impl Fn(Vec<T>) -> Action,
) -> Result<Bytes, Error> {
    let mut told = Vec::with_capacity(rows.len());
    let mut good = Vec::new();
    for row in rows {
        match row {
            Ok(row) => {
                good.push(row);
                told.push(None);
            }
            Err(error) => told.push(Some(refused(&error))),
        }
    }
    let outcomes = in_steps(chat, good, step).await?;
    let mut outcomes = outcomes.iter().map(outcome);
    let rows = told.into_iter().map(|told| told.or_else(|| outcomes.next()).unwrap_or_default());
    encode(&pb::Imported { rows: rows.collect() })
}

/// Brings good rows in, a command for some of them at a time.
pub(super) async fn in_steps<T>(
    chat: &Chat,
    rows: Vec<T>,
    step: impl Fn(Vec<T>) -> Action,
) -> Result<Vec<Imported>, Error> {
    let mut outcomes = Vec::with_capacity(rows.len());
    let mut left = rows.into_iter().peekable();
    while left.peek().is_some() {
        let action = step(left.by_ref().take(STEP).collect());
        let reply = chat.change(Command { actor: Chat::by_backend(None), action }).await?;
        let Reply::Imported(done) = reply else { return Err(Error::Internal) };
        outcomes.extend(done);
    }
    Ok(outcomes)
}

fn refused(error: &Error) -> pb::ImportedRow {
    let code = error.code();
    pb::ImportedRow {
        outcome: "refused".to_owned(),
        code: code.number().into(),
        name: code.name().to_owned(),
        message: error.to_string(),
    }
}

fn outcome(imported: &Imported) -> pb::ImportedRow {
    let done =
        |outcome: &str| pb::ImportedRow { outcome: outcome.to_owned(), ..Default::default() };
    match imported {
        Imported::Created => done("created"),
        Imported::Exists => done("exists"),
        Imported::Refused(reject) => refused(&Error::Rejected(reject.clone())),
    }
}

const fn few(count: usize) -> Result<(), Error> {
    if count > IMPORT_MAX { Err(Error::TooLarge { limit: IMPORT_MAX }) } else { Ok(()) }
}

async fn friends(State(chat): State<Chat>, request: Request) -> Response {
    let answer = async {
        let import: pb::FriendsImport = backend(&chat, request, "FriendsImport").await?;
        few(import.friends.len())?;
        let rows = import.friends.into_iter().map(friendship).collect();
        bring(&chat, rows, |friends| Action::ImportFriends { friends }).await
    };
    respond(Box::pin(answer).await)
}

fn friendship(one: pb::FriendshipImport) -> Row<NewFriendship> {
    Ok(NewFriendship {
        user: op::user(&one.user)?,
        peer: op::user(&one.peer)?,
        remark: one.remark,
        peer_remark: one.peer_remark,
        source: one.source,
        since: LogTime(one.since),
    })
}

async fn groups(State(chat): State<Chat>, request: Request) -> Response {
    let answer = async {
        let import: pb::GroupsImport = backend(&chat, request, "GroupsImport").await?;
        few(import.groups.iter().map(|group| group.members.len() + 1).sum())?;
        let rows = import.groups.into_iter().map(group).collect();
        bring(&chat, rows, |groups| Action::ImportGroups { groups }).await
    };
    respond(Box::pin(answer).await)
}

fn group(one: pb::GroupImport) -> Row<OldGroup> {
    let kind = op::read_kind(one.kind());
    let info = GroupInfo {
        name: one.name,
        avatar: one.avatar,
        about: one.about,
        notice: Notice { text: one.notice, ..Notice::default() },
        custom: one.custom,
    };
    Ok(OldGroup {
        group: group_id(&one.id)?,
        owner: op::user(&one.owner)?,
        new: NewGroup {
            key: ClientKey::default(),
            kind,
            info,
            rules: one.rules.as_ref().map(op::read_group_rules),
            members: one.members.iter().map(|user| op::user(user)).collect::<Result<_, _>>()?,
        },
        created_at: LogTime(one.created_at),
    })
}

fn group_id(text: &str) -> Result<GroupId, Error> {
    text.parse().map_err(|_| Error::Malformed("group is not an id"))
}

async fn members(
    State(chat): State<Chat>,
    Path(group): Path<String>,
    request: Request,
) -> Response {
    let answer = async {
        let import: pb::MembersImport = backend(&chat, request, "MembersImport").await?;
        few(import.members.len())?;
        let group = group_id(&group)?;
        let rows = import.members.into_iter().map(member).collect();
        let step = |members| {
            let action = GroupAction::Import { members };
            Action::Group { group: group.clone(), action }
        };
        bring(&chat, rows, step).await
    };
    respond(Box::pin(answer).await)
}

fn member(one: pb::MemberImport) -> Row<NewMember> {
    let role = op::read_role(one.role());
    Ok(NewMember {
        user: op::user(&one.user)?,
        role,
        card: one.card,
        joined_at: LogTime(one.joined_at),
        muted_until: LogTime(one.muted_until),
    })
}

async fn messages(
    State(chat): State<Chat>,
    Path(conversation): Path<String>,
    request: Request,
) -> Response {
    let answer = async {
        let import: pb::MessagesImport = backend(&chat, request, "MessagesImport").await?;
        few(import.messages.len())?;
        let conversation = conversation.parse();
        let conversation: ConversationId =
            conversation.map_err(|_| Error::Malformed("conversation is not an id"))?;
        let rows = import.messages.into_iter().map(sent).collect();
        let step = |messages| {
            let conversation = conversation.clone();
            Action::ImportMessages { conversation, messages }
        };
        bring(&chat, rows, step).await
    };
    respond(Box::pin(answer).await)
}

fn sent(one: pb::MessageImport) -> Row<ImportedMessage> {
    let key = one.cmid.as_ref().try_into();
    Ok(ImportedMessage {
        sender: op::user(&one.sender)?,
        key: ClientKey(key.map_err(|_| Error::Malformed("cmid has other than 16 bytes"))?),
        at: LogTime(one.at),
        content: op::read_content(one.content)?,
        options: op::read_options(one.options)?,
    })
}

//! The node's answers as the schema tells them.

use std::time::Duration;

use proto::{
    error::{ErrorCode, Retry},
    im::{
        conversation::Entity,
        event::{Reply, RequestOutcome},
        id::{Sequence, UserId, UserSeq},
        query::{Answer, ConversationView, HistoryPage, Page, SyncAnswer, Value},
        reject::Reject,
    },
};

use super::{content, content::names, group, people, text};
use crate::{
    error::Error,
    im::wire::pb::{self, server_frame::Body},
};

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The answer to a change. `about`: what the request said it is about.
#[must_use]
pub fn reply(reply: Reply, about: &str) -> Body {
    match reply {
        Reply::Sent { seq, at, duplicate } => {
            Body::Sent(pb::Sent { conversation: about.to_owned(), seq: seq.0, at: at.0, duplicate })
        }
        Reply::Request(outcome) => {
            Body::Requested(pb::Requested { accepted: outcome == RequestOutcome::Accepted })
        }
        Reply::FriendGroup(number) => {
            Body::FriendGroup(pb::FriendGroup { number: number.into(), name: about.to_owned() })
        }
        Reply::Members { done, failed } => {
            let failed = failed.iter().map(|(user, reject)| member_failed(user, reject)).collect();
            Body::MembersDone(pb::MembersDone { done, failed })
        }
        Reply::Attribute { version } => {
            Body::Attribute(pb::Attribute { value: about.to_owned(), version })
        }
        Reply::Counter { value } => Body::Counter(pb::Counter { value }),
        Reply::Revised { revision } => Body::Revised(pb::Revised { revision }),
        // What accounts and housekeeping answer is told by their own doors.
        Reply::Done
        | Reply::Reused
        | Reply::Imported(_)
        | Reply::LoggedIn { .. }
        | Reply::Refreshed { .. }
        | Reply::Live(_)
        | Reply::Expired { .. } => Body::Done(pb::Done {}),
    }
}

fn member_failed(user: &UserId, reject: &Reject) -> pb::MemberFailed {
    let code = reject.code();
    pb::MemberFailed {
        user: user.to_string(),
        code: code.number().into(),
        name: code.name().to_owned(),
        message: reject.to_string(),
    }
}

/// A refusal as a frame tells it.
#[must_use]
pub fn error(error: &Error) -> pb::Error {
    let code = error.code();
    let (retry_after_ms, retry_node) = match error.retry() {
        Retry::Never => (None, None),
        Retry::After(after) => (Some(u32::try_from(after.as_millis()).unwrap_or(u32::MAX)), None),
        Retry::Elsewhere(node) => (Some(0), Some(node.0.into())),
    };
    pb::Error {
        code: code.number().into(),
        name: code.name().to_owned(),
        message: error.to_string(),
        retry_after_ms,
        retry_node,
        unknown: matches!(error, Error::OutcomeUnknown | Error::LiveUnavailable { unknown: true }),
    }
}

/// The answer to a question, `about` what the request said; `None` for questions that no client asks.
#[must_use]
pub fn answer(answer: &Answer, about: &str) -> Option<Body> {
    let body = match answer {
        Answer::Account(account) => Body::Account(people::write_account(about, account)),
        Answer::Devices(devices) => {
            let devices = devices.iter().map(people::write_device).collect();
            Body::Devices(pb::Devices { devices })
        }
        Answer::Profiles(profiles) => {
            let one = |view: &proto::im::query::ProfileView| {
                people::write_profile(view.user.as_str(), &view.profile)
            };
            Body::Profiles(pb::Profiles { profiles: profiles.iter().map(one).collect() })
        }
        Answer::Conversations(page) => {
            let next = if page.more { page.rows.last() } else { None };
            Body::Conversations(pb::Conversations {
                conversations: page.rows.iter().map(|(_, view)| conversation(view)).collect(),
                next: next.map(|(place, _)| text::place_text(place)).unwrap_or_default(),
            })
        }
        Answer::Conversation(view) => Body::Conversation(conversation(view)),
        Answer::Unread(unread) => Body::Unread(pb::Unread {
            messages: unread.messages,
            badge: unread.badge,
            conversations: unread.conversations,
        }),
        Answer::Sync(sync) => Body::Synced(synced(sync)),
        Answer::History(page) => Body::Messages(history(page, about)),
        Answer::Found(found) => Body::Found(pb::Found {
            messages: found
                .messages
                .iter()
                .map(|(conversation, message)| pb::MessagePush {
                    conversation: conversation.to_string(),
                    message: Some(content::write_message(message)),
                })
                .collect(),
            next: found.next.as_ref().map(text::search_text).unwrap_or_default(),
        }),
        Answer::Revisions(page) => Body::Revisions(pb::Revisions {
            messages: page.rows.iter().map(|(_, m)| content::write_message(m)).collect(),
            revision: page.rows.last().map_or(0, |(revision, _)| *revision),
            more: page.more,
        }),
        Answer::Edits(edits) => {
            let one = |edit: &proto::im::message::Edit| pb::EditInfo {
                content: Some(content::write(&edit.content)),
                until: edit.until.0,
            };
            Body::Edits(pb::Edits { edits: edits.iter().map(one).collect() })
        }
        Answer::Pins(pins) => sequences(pins.iter().map(|(seq, _)| *seq)),
        Answer::Mentions(seqs) => sequences(seqs.iter().copied()),
        Answer::Receipts(receipts) => Body::Receipts(pb::Receipts {
            read: names(&receipts.read),
            delivered: names(&receipts.delivered),
            unread: names(&receipts.unread),
        }),
        other => return answer_people(other, about).or_else(|| answer_group(other)),
    };
    Some(body)
}

fn answer_people(answer: &Answer, about: &str) -> Option<Body> {
    Some(match answer {
        Answer::Relation(relation) => {
            Body::Relation(people::write_relation(&about.parse().ok()?, relation))
        }
        Answer::Friends(page) => {
            let (friends, next) = rows(page, people::write_friend);
            Body::Friends(pb::Friends { friends, next })
        }
        Answer::FriendGroups(groups) => Body::FriendGroups(people::write_friend_groups(groups)),
        Answer::Requests(page) => {
            let (requests, next) = rows(page, people::write_request);
            Body::FriendRequests(pb::FriendRequests { requests, next })
        }
        Answer::Blocks(page) => users(page),
        Answer::Follows(page) => users(page),
        Answer::Reactions(page) => users(page),
        Answer::Cursors(page) => {
            let (cursors, next) = rows(page, |user, cursor| pb::Cursor {
                user: user.to_string(),
                read: cursor.read.0,
                delivered: cursor.delivered.0,
            });
            Body::Cursors(pb::Cursors { cursors, next })
        }
        _ => return None,
    })
}

fn answer_group(answer: &Answer) -> Option<Body> {
    Some(match answer {
        Answer::Group(view) => Body::Group(group::write(view)),
        Answer::Members(page) => {
            let (members, next) =
                rows(page, |user, member| group::write_member(Some(user), member));
            Body::Members(pb::Members { members, next })
        }
        Answer::JoinRequests(page) => {
            let (joins, next) = rows(page, |user, request| group::write_join(Some(user), request));
            Body::Joins(pb::Joins { joins, next })
        }
        Answer::Bans(page) => {
            let (bans, next) = rows(page, group::write_ban);
            Body::Bans(pb::Bans { bans, next })
        }
        Answer::Attributes(attributes) => {
            let one = |attribute: &proto::im::group::Attribute| pb::Attribute {
                value: attribute.value.clone(),
                version: attribute.version,
            };
            let attributes = attributes.iter().map(|(key, value)| (key.clone(), one(value)));
            Body::Attributes(pb::Attributes { attributes: attributes.collect() })
        }
        Answer::Counters(counters) => Body::Counters(pb::Counters { counters: counters.clone() }),
        _ => return None,
    })
}

/// The rows of a page, and the key to go on after.
pub(crate) fn rows<K: ToString, V, T>(
    page: &Page<K, V>,
    mut write: impl FnMut(&K, &V) -> T,
) -> (Vec<T>, String) {
    let next = if page.more { page.rows.last() } else { None };
    let next = next.map(|(key, _)| key.to_string()).unwrap_or_default();
    (page.rows.iter().map(|(key, value)| write(key, value)).collect(), next)
}

fn users<V>(page: &Page<UserId, V>) -> Body {
    let (users, next) = rows(page, |user, _| user.to_string());
    Body::Users(pb::Users { users, next })
}

fn sequences(seqs: impl Iterator<Item = Sequence>) -> Body {
    Body::Sequences(pb::Sequences { seqs: seqs.map(|seq| seq.0).collect() })
}

fn history(page: &HistoryPage, about: &str) -> pb::Messages {
    pb::Messages {
        conversation: about.to_owned(),
        messages: page.messages.iter().map(content::write_message).collect(),
        first: page.first.0,
        head: page.head.0,
        revision: page.revision,
        next: page.next.map(|seq| seq.0),
    }
}

pub(crate) fn conversation(view: &ConversationView) -> pb::Conversation {
    let settings = &view.own.settings;
    pb::Conversation {
        id: view.conversation.to_string(),
        head: view.head.head.0,
        first: view.head.first.0,
        revision: view.head.revision,
        version: view.head.version,
        at: view.head.at.0,
        members: view.head.members,
        read: view.member.read.0,
        delivered: view.member.delivered.0,
        unread: view.unread,
        pinned: settings.pinned,
        muted_until: settings.muted_until.0,
        marks: settings.marks,
        draft: settings.draft.clone(),
        folders: settings.folders.iter().cloned().collect(),
        listed: view.listed,
        last: view.last.as_deref().map(content::write_message),
        role: group::write_role(view.member.role).into(),
    }
}

fn synced(sync: &SyncAnswer) -> pb::Synced {
    pb::Synced {
        changes: sync.changes.iter().map(|(seq, what, value)| change(*seq, what, value)).collect(),
        conversations: sync.heads.iter().map(conversation).collect(),
        user_seq: sync.next.0,
        heads: text::heads_text(&sync.next_heads),
        more: sync.more,
        reset: sync.reset,
    }
}

/// What an entity is, its id, and the message if it is about one.
pub(crate) fn entity(entity: &Entity) -> (pb::Entity, String, u64) {
    let (what, id) = match entity {
        Entity::Account => (pb::Entity::Account, String::new()),
        Entity::Profile => (pb::Entity::Profile, String::new()),
        Entity::Device(device) => (pb::Entity::Device, device.to_string()),
        Entity::Friend(user) => (pb::Entity::Friend, user.to_string()),
        Entity::RequestIn(user) => (pb::Entity::RequestIn, user.to_string()),
        Entity::RequestOut(user) => (pb::Entity::RequestOut, user.to_string()),
        Entity::FriendGroups => (pb::Entity::FriendGroups, String::new()),
        Entity::Block(user) => (pb::Entity::Block, user.to_string()),
        Entity::Following(user) => (pb::Entity::Following, user.to_string()),
        Entity::Conversation(conversation) => (pb::Entity::Conversation, conversation.to_string()),
        Entity::Hidden(conversation, seq) => {
            return (pb::Entity::HiddenMessage, conversation.to_string(), seq.0);
        }
        Entity::JoinRequest(group) => (pb::Entity::JoinRequest, group.to_string()),
    };
    (what, id, 0)
}

fn change(user_seq: UserSeq, what: &Entity, value: &Value) -> pb::Change {
    use pb::change::Value as Told;
    let (kind, id, seq) = entity(what);
    let user = || id.parse::<UserId>().ok();
    let told = match value {
        Value::Gone | Value::There | Value::Block(_) | Value::Follow(_) => None,
        Value::Account(account) => Some(Told::Account(people::write_account("", account))),
        Value::Profile(profile) => Some(Told::Profile(people::write_profile("", profile))),
        Value::Device(device) => Some(Told::Device(people::write_device(device))),
        Value::Friend(friend) => {
            user().map(|user| Told::Friend(people::write_friend(&user, friend)))
        }
        Value::Request(request) => {
            user().map(|user| Told::Request(people::write_request(&user, request)))
        }
        Value::FriendGroups(groups) => {
            Some(Told::FriendGroups(people::write_friend_groups(groups)))
        }
        Value::Conversation(view) => Some(Told::Conversation(conversation(view))),
        Value::JoinRequest(request) => Some(Told::Join(group::write_join(None, request))),
    };
    pb::Change {
        user_seq: user_seq.0,
        entity: kind.into(),
        id,
        seq,
        gone: matches!(value, Value::Gone),
        value: told,
    }
}

/// A code on its own, for closing frames.
#[must_use]
pub fn code(code: ErrorCode) -> pb::Error {
    pb::Error {
        code: code.number().into(),
        name: code.name().to_owned(),
        message: code.text().to_owned(),
        ..pb::Error::default()
    }
}

/// A message as clients are told of it.
#[must_use]
pub fn message(message: &proto::im::message::Message) -> pb::Message {
    content::write_message(message)
}

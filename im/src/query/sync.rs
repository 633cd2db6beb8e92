//! Catching a device up: what changed of its user's things, and which conversations moved.

use alloc::{boxed::Box, vec::Vec};

use proto::{
    im::{
        Answer, ConversationId, Entity, Head, Reject, UserId, UserSeq,
        conversation::ChangeHead,
        limit::PAGE_MAX,
        query::{HeadCursor, SyncAnswer, SyncFrom, Value},
    },
    store::{Direction, Scan, after_prefix},
    time::LogTime,
};

use super::{Reader, account, conversation, relation};
use crate::{
    key::{self, Rest, table},
    tx,
};

pub(super) fn answer(reader: &Reader<'_>, from: &SyncFrom) -> Result<Answer, Reject> {
    reader.only(&from.user)?;
    let limit = from.limit.clamp(1, PAGE_MAX);
    let mut answer = SyncAnswer::default();
    changes(reader, from, limit, &mut answer);
    heads(reader, from, limit, &mut answer);
    Ok(Answer::Sync(Box::new(answer)))
}

/// Things that changed after the last change the device knows.
fn changes(reader: &Reader<'_>, from: &SyncFrom, limit: usize, answer: &mut SyncAnswer) {
    let user = &from.user;
    let log: ChangeHead = reader.read(&key::change_head(user)).unwrap_or_default();
    // Before the floor something may be missing; beyond the head is a log that is not this one.
    if (from.after < log.floor && from.after > UserSeq(0)) || from.after > log.head {
        answer.reset = true;
        answer.next = log.head;
        return;
    }
    let prefix = key::of_user(table::CHANGE, user);
    let start = key::change(user, from.after.next()).into_bytes();
    let mut found: Vec<(UserSeq, Entity)> = Vec::new();
    let mut more = false;
    reader.view.scan(&start, &after_prefix(&prefix), Direction::Up, &mut |key, value| {
        more = found.len() >= limit;
        if more {
            return Scan::Enough;
        }
        let seq = Rest::of(key, &prefix).number().map(UserSeq);
        found.extend(seq.map(|seq| (seq, tx::decode(value))));
        Scan::More
    });
    answer.more |= more;
    let last = found.last().map(|(seq, _)| *seq);
    answer.next = if more { last.unwrap_or(log.head) } else { log.head };
    let with_value = |(seq, entity): (UserSeq, Entity)| {
        let value = value(reader, user, &entity);
        (seq, entity, value)
    };
    answer.changes = found.into_iter().map(with_value).collect();
}

/// Conversations that moved since the device looked last. They are found by the user's list, so that a message writes
/// nothing for those who get it.
fn heads(reader: &Reader<'_>, from: &SyncFrom, limit: usize, answer: &mut SyncAnswer) {
    let mut moved: Vec<(LogTime, ConversationId)> = conversation::own_rows(reader, &from.user)
        .into_iter()
        .filter_map(|(conversation, own)| {
            let head: Head = reader.read(&key::head(&conversation))?;
            let at = head.at.max(own.since);
            let known = &from.heads;
            let is_news = at > known.at
                || (at == known.at && known.after.as_ref().is_none_or(|id| conversation > *id));
            is_news.then_some((at, conversation))
        })
        .collect();
    moved.sort();
    let more = moved.len() > limit;
    moved.truncate(limit);
    answer.more |= more;
    answer.next_heads = match moved.last() {
        None => HeadCursor { at: from.heads.at, after: None },
        // All are known; others that move within the same millisecond are told then, these perhaps once more.
        Some((at, _)) if !more => HeadCursor { at: *at, after: None },
        Some((at, conversation)) => HeadCursor { at: *at, after: Some(conversation.clone()) },
    };
    let views = moved
        .iter()
        .filter_map(|(_, conversation)| conversation::view(reader, &from.user, conversation));
    answer.heads = views.collect();
}

/// The present value of a thing.
fn value(reader: &Reader<'_>, user: &UserId, entity: &Entity) -> Value {
    let found = match entity {
        Entity::Account => reader.read(&key::account(user)).map(Box::new).map(Value::Account),
        Entity::Profile => reader.read(&key::profile(user)).map(Box::new).map(Value::Profile),
        Entity::Device(device) => account::devices(reader, user)
            .into_iter()
            .find(|info| info.device == *device)
            .map(|info| Value::Device(Box::new(info))),
        Entity::Friend(peer) => reader.read(&key::friend(user, peer)).map(|mut friend| {
            relation::hide_gone(&mut friend, &relation::friend_groups(reader, user));
            Value::Friend(Box::new(friend))
        }),
        Entity::RequestIn(peer) => {
            reader.read(&key::request_in(user, peer)).map(Box::new).map(Value::Request)
        }
        Entity::RequestOut(peer) => {
            reader.read(&key::request_out(user, peer)).map(Box::new).map(Value::Request)
        }
        Entity::FriendGroups => {
            Some(Value::FriendGroups(Box::new(relation::friend_groups(reader, user))))
        }
        Entity::Block(peer) => reader.read(&key::block(user, peer)).map(Value::Block),
        Entity::Following(peer) => reader.read(&key::following(user, peer)).map(Value::Follow),
        Entity::Conversation(id) => {
            conversation::view(reader, user, id).map(Box::new).map(Value::Conversation)
        }
        Entity::Hidden(id, seq) => reader.read(&key::hidden(user, id, *seq)).map(|()| Value::There),
        Entity::JoinRequest(group) => {
            reader.read(&key::join_request(group, user)).map(Box::new).map(Value::JoinRequest)
        }
    };
    found.unwrap_or(Value::Gone)
}

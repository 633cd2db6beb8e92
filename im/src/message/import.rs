//! What is brought in from elsewhere: friends, groups, messages. Every row is done or refused by itself; a refused one
//! has written nothing. Nobody is told of what was said or who came, because it is not news.

use alloc::{collections::BTreeSet, vec::Vec};

use proto::{
    im::{
        ConversationId, Head, Reject, Reply, Sequence,
        command::{ImportedMessage, NewFriendship, OldGroup, Send},
        event::Imported,
        limit::{IMPORT_MAX, LABEL_BYTES_MAX},
        message::Mentions,
        reject::Part,
    },
    time::LogTime,
};

use super::{bring, open_private};
use crate::{
    asker::{Asker, existing},
    check, content, group, key,
    keyed::{self, Done},
    relation,
    tx::Tx,
    wheel,
};

/// When something was elsewhere: not ahead of the log, and now where nobody knows.
pub(crate) fn past(tx: &Tx<'_>, at: LogTime) -> LogTime {
    if at == LogTime(0) { tx.at } else { at.min(tx.at) }
}

fn outcome(done: Result<bool, Reject>) -> Imported {
    match done {
        Ok(true) => Imported::Created,
        Ok(false) => Imported::Exists,
        Err(reject) => Imported::Refused(reject),
    }
}

/// Makes friends of pairs.
pub(crate) fn friends(
    tx: &mut Tx<'_>,
    asker: &Asker,
    friends: &[NewFriendship],
) -> Result<Reply, Reject> {
    asker.backend_only()?;
    check::within(Part::List, friends.len(), IMPORT_MAX)?;
    Ok(Reply::Imported(friends.iter().map(|new| outcome(friend(tx, new))).collect()))
}

fn friend(tx: &mut Tx<'_>, new: &NewFriendship) -> Result<bool, Reject> {
    if new.user == new.peer {
        return Err(Reject::Oneself);
    }
    for user in [&new.user, &new.peer] {
        existing(tx, user)?;
    }
    for words in [&new.remark, &new.peer_remark, &new.source] {
        check::within(Part::Name, words.len(), LABEL_BYTES_MAX)?;
    }
    let since = past(tx, new.since);
    relation::bring(tx, (&new.user, &new.remark), (&new.peer, &new.peer_remark), &new.source, since)
}

/// Makes groups.
pub(crate) fn groups(tx: &mut Tx<'_>, asker: &Asker, groups: &[OldGroup]) -> Result<Reply, Reject> {
    asker.backend_only()?;
    let rows = groups.iter().map(|old| old.new.members.len() + 1).sum();
    check::within(Part::List, rows, IMPORT_MAX)?;
    Ok(Reply::Imported(groups.iter().map(|old| outcome(group::bring(tx, old))).collect()))
}

/// Appends messages to a conversation.
pub(crate) fn messages(
    tx: &mut Tx<'_>,
    asker: &Asker,
    conversation: &ConversationId,
    messages: &[ImportedMessage],
) -> Result<Reply, Reject> {
    asker.backend_only()?;
    check::within(Part::List, messages.len(), IMPORT_MAX)?;
    let mut head = match (tx.read(&key::head(conversation)), conversation) {
        (Some(head), _) => head,
        (None, ConversationId::Private(pair)) => {
            for user in [pair.low(), pair.high()] {
                existing(tx, user)?;
            }
            open_private(tx, pair, conversation)?.0
        }
        (None, ConversationId::Group(group)) => {
            return Err(Reject::GroupNotFound { group: group.clone() });
        }
    };
    let before = head.head;
    let last = tx.read(&key::message(conversation, before));
    let mut last_at = last.map_or(LogTime(0), |last: proto::im::Message| last.at);
    let mut outcomes = Vec::with_capacity(messages.len());
    for old in messages {
        let done = message(tx, conversation, &mut head, &mut last_at, old);
        outcomes.push(outcome(done));
    }
    if head.head > before {
        // What came with its old time may be due before anything that was filed.
        wheel::refile_trim(tx, conversation, &mut head);
    }
    tx.put(key::head(conversation), &head);
    Ok(Reply::Imported(outcomes))
}

fn message(
    tx: &mut Tx<'_>,
    conversation: &ConversationId,
    head: &mut Head,
    last_at: &mut LogTime,
    old: &ImportedMessage,
) -> Result<bool, Reject> {
    if keyed::find(tx, conversation, &old.sender, old.key).is_some() {
        return Ok(false);
    }
    let sender = || Reject::AccountNotFound { user: old.sender.clone() };
    // Who sent it may be gone from the group, or for ever.
    tx.account(&old.sender).ok_or_else(sender)?;
    if conversation.pair().is_some_and(|pair| pair.other(&old.sender).is_none()) {
        return Err(Reject::NotMember { user: old.sender.clone() });
    }
    content::check(&old.content)?;
    content::check_options(&old.options)?;
    let at = past(tx, old.at);
    if at < *last_at {
        return Err(Reject::OutOfOrder);
    }
    if let Some(answered) = old.options.reply_to
        && (answered == Sequence(0) || answered > head.head)
    {
        return Err(Reject::MessageNotFound { seq: answered });
    }
    let mut options = old.options.clone();
    options.no_unread = true;
    options.no_push = true;
    options.ttl = None;
    // Who was meant has read it where it was.
    options.mentions = Mentions { all: false, users: BTreeSet::new() };
    let send = Send {
        conversation: conversation.clone(),
        key: old.key,
        content: old.content.clone(),
        options,
    };
    let seq = bring(tx, head, &old.sender, at, send);
    keyed::remember(tx, conversation, &old.sender, old.key, &Done::Sent { seq, at });
    *last_at = at;
    Ok(true)
}

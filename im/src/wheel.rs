//! What is due when, and housekeeping. Whatever could be long is a task here, done a bounded number of rows at a time
//! by `Action::Expire`; a task that is not finished stays due.

use alloc::vec::Vec;

use proto::{
    im::{
        Body, ConversationId, Event, GroupId, Head, LiveRoom, Message, Reject, Reply, Sequence,
        UserId, limit::EXPIRE_ROWS_MAX, message::Gone,
    },
    store::{Direction, Scan, View, after_prefix},
    time::LogTime,
};
use serde::{Deserialize, Serialize};

use crate::{
    asker::Asker,
    group,
    key::{self, Key, Rest, table},
    keyed, live, relation, revise,
    tx::{self, Tx},
};

/// Something to be done. Variants are append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Task {
    /// A friend request ends.
    FriendRequest { asker: UserId, asked: UserId },
    /// A request to join ends.
    JoinRequest { group: GroupId, user: UserId },
    /// A message's time is over.
    Message { conversation: ConversationId, seq: Sequence },
    /// Messages of a conversation have become too old.
    Trim { conversation: ConversationId },
    /// Reactions on a message that is gone.
    Reactions { conversation: ConversationId, seq: Sequence },
    /// What is held by, and about, a deleted account.
    ForgetAccount(UserId),
    /// What is left of a dismissed group.
    ForgetGroup(GroupId),
    /// The installation's retention changed: conversations after this one are to be told.
    Retention { after: Option<ConversationId> },
    /// Who orders a live room, unless it was renewed.
    LiveLease(LiveRoom),
}

/// Files work that is due at a time.
pub(crate) fn file(tx: &mut Tx<'_>, due: LogTime, task: &Task) {
    tx.put(key::wheel(due, task), &());
}

/// Takes filed work back.
pub(crate) fn unfile(tx: &mut Tx<'_>, due: LogTime, task: &Task) {
    tx.remove(key::wheel(due, task));
}

/// When something is due next.
pub(crate) fn next_due(view: &dyn View) -> Option<LogTime> {
    let mut first = None;
    let prefix = Key::of(table::WHEEL).bytes();
    view.scan_prefix(&prefix, Direction::Up, &mut |key, _| {
        first = Rest::of(key, &prefix).number().map(LogTime);
        Scan::Enough
    });
    let mut oldest = None;
    let prefix = Key::of(table::DONE).bytes();
    view.scan_prefix(&prefix, Direction::Up, &mut |key, _| {
        oldest = Rest::of(key, &prefix).number().map(keyed::forgotten_at);
        Scan::Enough
    });
    first.into_iter().chain(oldest).min()
}

/// Does what is due, about `rows` rows of it.
pub(crate) fn expire(tx: &mut Tx<'_>, asker: &Asker, rows: u32) -> Result<Reply, Reject> {
    asker.backend_only()?;
    let budget = usize::try_from(rows).unwrap_or(EXPIRE_ROWS_MAX).clamp(1, EXPIRE_ROWS_MAX);
    let mut left = budget;
    for (due, task) in due_tasks(tx, budget) {
        if left == 0 {
            break;
        }
        let (used, finished) = work(tx, &task, left);
        if finished {
            unfile(tx, due, &task);
        }
        left = left.saturating_sub(used.max(1));
    }
    left = left.saturating_sub(keyed::forget(tx, left));
    Ok(Reply::Expired { rows: u32::try_from(budget - left).unwrap_or(u32::MAX) })
}

fn due_tasks(tx: &Tx<'_>, limit: usize) -> Vec<(LogTime, Task)> {
    let prefix = Key::of(table::WHEEL).bytes();
    let end = Key::of(table::WHEEL).number(tx.at.0.saturating_add(1)).bytes();
    let mut tasks = Vec::new();
    tx.scan(&prefix, &end, Direction::Up, &mut |key, _| {
        let mut rest = Rest::of(key, &prefix);
        if let Some(due) = rest.number() {
            tasks.push((LogTime(due), tx::decode(rest.raw())));
        }
        if tasks.len() < limit { Scan::More } else { Scan::Enough }
    });
    tasks
}

/// Works on a task; returns how many rows that took, and whether it is finished.
fn work(tx: &mut Tx<'_>, task: &Task, budget: usize) -> (usize, bool) {
    match task {
        Task::FriendRequest { asker, asked } => {
            relation::drop_request(tx, asker, asked);
            (4, true)
        }
        Task::JoinRequest { group, user } => {
            group::drop_request(tx, group, user);
            (4, true)
        }
        Task::Message { conversation, seq } => {
            end_message(tx, conversation, *seq);
            (4, true)
        }
        Task::Trim { conversation } => trim(tx, conversation, budget),
        Task::Reactions { conversation, seq } => {
            let used = remove_reactions(tx, conversation, *seq, budget);
            (used, used < budget)
        }
        Task::ForgetAccount(user) => group::forget::account(tx, user, budget),
        Task::ForgetGroup(group) => group::forget::group(tx, group, budget),
        Task::Retention { after } => change_retention(tx, after.as_ref(), budget),
        Task::LiveLease(room) => {
            live::expire(tx, room);
            (3, true)
        }
    }
}

/// A message's time is over.
fn end_message(tx: &mut Tx<'_>, conversation: &ConversationId, seq: Sequence) {
    let head: Option<Head> = tx.read(&key::head(conversation));
    let message: Option<Message> = tx.read(&key::message(conversation, seq));
    let Some((mut head, mut message)) = head.zip(message) else {
        return;
    };
    if matches!(message.body, Body::Content(_)) {
        revise::empty(tx, conversation, &mut head, &mut message, (Gone::Expired, None));
        revise::revise(tx, conversation, &mut head, message);
        tx.put(key::head(conversation), &head);
    }
}

fn remove_reactions(
    tx: &mut Tx<'_>,
    conversation: &ConversationId,
    seq: Sequence,
    budget: usize,
) -> usize {
    let prefix = Key::of(table::REACTION).conversation(conversation).number(seq.0).bytes();
    tx.remove_prefix(&prefix, budget)
}

/// Files the next look at a conversation that keeps messages for a time only, if none is filed. The caller writes
/// the head.
pub(crate) fn begin_trim(tx: &mut Tx<'_>, conversation: &ConversationId, head: &mut Head) {
    if let (Some(keep), None) = (head.retention.keep, head.retention.due) {
        let due = tx.at + keep;
        head.retention.due = Some(due);
        file(tx, due, &Task::Trim { conversation: conversation.clone() });
    }
}

/// Files the look at a conversation anew after its retention changed. The caller writes the head.
pub(crate) fn refile_trim(tx: &mut Tx<'_>, conversation: &ConversationId, head: &mut Head) {
    let task = Task::Trim { conversation: conversation.clone() };
    if let Some(due) = head.retention.due.take() {
        unfile(tx, due, &task);
    }
    let oldest: Option<Message> = tx.read(&key::message(conversation, head.first));
    if let Some((keep, oldest)) = head.retention.keep.zip(oldest) {
        let due = oldest.at + keep;
        head.retention.due = Some(due);
        file(tx, due, &task);
    }
}

/// Removes messages that are too old, and looks again when the next one is.
fn trim(tx: &mut Tx<'_>, conversation: &ConversationId, budget: usize) -> (usize, bool) {
    let Some(mut head) = tx.read(&key::head(conversation)) else {
        return (1, true);
    };
    let first = head.first;
    let mut used = 0;
    let mut out_of_budget = false;
    while let (Some(keep), Some(message)) =
        (head.retention.keep, tx.read(&key::message(conversation, head.first)))
    {
        if message.at + keep > tx.at {
            break;
        }
        used += remove_message(tx, conversation, &mut head, &message, budget.saturating_sub(used));
        if used >= budget {
            out_of_budget = true;
            break;
        }
    }
    if head.first > first {
        // What was unread may be gone: devices are to look at the head.
        head.at = tx.at;
        let (conversation, first) = (conversation.clone(), head.first);
        tx.tell(Event::Trimmed { conversation, first });
    }
    if !out_of_budget {
        refile_trim(tx, conversation, &mut head);
    }
    tx.put(key::head(conversation), &head);
    (used, !out_of_budget)
}

/// Removes a message and what belongs to it; moves `head.first` only if nothing is left of it.
fn remove_message(
    tx: &mut Tx<'_>,
    conversation: &ConversationId,
    head: &mut Head,
    message: &Message,
    budget: usize,
) -> usize {
    let mut used = 1;
    if !message.reactions.is_empty() {
        used += remove_reactions(tx, conversation, message.seq, budget);
        if used > budget {
            return used;
        }
    }
    for number in 0..message.edits {
        tx.remove(key::edit(conversation, message.seq, number));
    }
    if message.revision > 0 {
        tx.remove(key::revision(conversation, message.revision));
    }
    if message.pinned {
        tx.remove(key::pin(conversation, message.seq));
    }
    if message.options.mentions.all {
        tx.remove(key::mention(conversation, None, message.seq));
    }
    for user in &message.options.mentions.users {
        tx.remove(key::mention(conversation, Some(user), message.seq));
    }
    tx.remove(key::message(conversation, message.seq));
    head.first = message.seq.next();
    head.counted_before = message.counted;
    used + usize::from(message.edits) + message.options.mentions.users.len()
}

/// Begins to tell all conversations of a new retention.
pub(crate) fn begin_retention_change(tx: &mut Tx<'_>) {
    file(tx, tx.at, &Task::Retention { after: None });
}

/// Tells some conversations of the installation's retention, and files the rest.
fn change_retention(
    tx: &mut Tx<'_>,
    after: Option<&ConversationId>,
    budget: usize,
) -> (usize, bool) {
    let keep = tx::settings(tx).retention;
    let prefix = Key::of(table::HEAD).bytes();
    let from = after.map_or_else(|| prefix.clone(), |after| after_prefix(key::head(after).bytes()));
    let mut heads: Vec<(ConversationId, Head)> = Vec::new();
    tx.scan(&from, &after_prefix(&prefix), Direction::Up, &mut |key, value| {
        if let Some(conversation) = Rest::of(key, &prefix).conversation() {
            heads.push((conversation, tx::decode(value)));
        }
        if heads.len() < budget { Scan::More } else { Scan::Enough }
    });
    let used = heads.len();
    let last = heads.last().map(|(conversation, _)| conversation.clone());
    for (conversation, mut head) in heads {
        if !head.retention.own && head.retention.keep != keep {
            head.retention.keep = keep;
            refile_trim(tx, &conversation, &mut head);
            tx.put(key::head(&conversation), &head);
        }
    }
    if used >= budget && last.is_some() {
        file(tx, tx.at, &Task::Retention { after: last });
    }
    (used, true)
}

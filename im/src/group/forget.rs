//! Removing what is left of dismissed groups and deleted accounts, some rows at a time.

use alloc::{vec, vec::Vec};

use proto::{
    im::{ConversationId, Entity, GroupId, Member, Role, UserConversation, UserId},
    store::{Direction, Scan, View},
};

use super::{
    Open, info,
    member::{crown, remove_rows, take_out, tell_left},
};
use crate::{
    asker::Asker,
    conversation,
    key::{self, Rest, table},
    relation,
    tx::{self, Tx},
};

/// About how many rows the end of one relation or membership touches.
const ROWS_EACH: usize = 12;
/// How many members are looked at to find who owns a group next.
const HEIRS_MAX: usize = 200;

/// Forgets a dismissed group; returns how many rows that took, and whether it is done.
pub(crate) fn group(tx: &mut Tx<'_>, id: &GroupId, budget: usize) -> (usize, bool) {
    let conversation = ConversationId::Group(id.clone());
    let count = (budget / ROWS_EACH).max(1);
    let members = users(tx, &key::of_conversation(table::MEMBER, &conversation), count);
    if !members.is_empty() {
        members.iter().for_each(|user| remove_rows(tx, id, user));
        return (members.len() * ROWS_EACH, false);
    }
    let waiting = users(tx, &key::of_group(table::JOIN_REQUEST, id), count);
    if !waiting.is_empty() {
        for user in &waiting {
            tx.remove(key::join_request(id, user));
            tx.changed(user, Entity::JoinRequest(id.clone()));
        }
        return (waiting.len() * ROWS_EACH, false);
    }
    tx.remove(key::attributes(id));
    tx.remove(key::counters(id));
    let of_messages =
        [table::MESSAGE, table::EDIT, table::REACTION, table::PIN, table::REVISION, table::MENTION];
    let prefixes = of_messages.map(|table| key::of_conversation(table, &conversation));
    let mut used = tx.remove_prefix(&key::of_group(table::BAN, id), budget);
    for prefix in prefixes {
        used += tx.remove_prefix(&prefix, budget.saturating_sub(used));
    }
    (used, used < budget)
}

/// Forgets a deleted account; returns how many rows that took, and whether it is done.
pub(crate) fn account(tx: &mut Tx<'_>, user: &UserId, budget: usize) -> (usize, bool) {
    let count = (budget / ROWS_EACH).max(1);
    let ended = end_relations(tx, user, count);
    if ended > 0 {
        return (ended * ROWS_EACH, false);
    }
    let prefix = key::of_user(table::OWN, user);
    let own: Vec<(ConversationId, UserConversation)> =
        tx::rows(tx, &prefix, count, |rest| rest.conversation());
    if !own.is_empty() {
        for (conversation, own) in &own {
            end_conversation(tx, user, conversation, own);
        }
        return (own.len() * ROWS_EACH, false);
    }
    tx.remove(key::friend_groups(user));
    let mut used = tx.remove_prefix(&key::of_user(table::BLOCK, user), budget);
    if used > 0 {
        let ended = u32::try_from(used).unwrap_or(u32::MAX);
        tx.count(user, |tally| tally.blocks = tally.blocks.saturating_sub(ended));
    }
    for table in [table::HIDDEN, table::CHANGE, table::CHANGED_AT] {
        used += tx.remove_prefix(&key::of_user(table, user), budget.saturating_sub(used));
    }
    let is_done = used < budget;
    if is_done {
        tx.remove(key::change_head(user));
        tx.remove(key::tally(user));
    }
    (used, is_done)
}

/// Ends up to `count` friendships, requests and follows of one sort; returns how many.
fn end_relations(tx: &mut Tx<'_>, user: &UserId, count: usize) -> usize {
    let sorts =
        [table::FRIEND, table::REQUEST_IN, table::REQUEST_OUT, table::FOLLOWING, table::FOLLOWER];
    for sort in sorts {
        let peers = users(tx, &key::of_user(sort, user), count);
        for peer in &peers {
            match sort {
                table::FRIEND => relation::part(tx, user, peer),
                table::REQUEST_IN => relation::drop_request(tx, peer, user),
                table::REQUEST_OUT => relation::drop_request(tx, user, peer),
                table::FOLLOWING => {
                    relation::unfollow(tx, user, peer);
                    true
                }
                _ => {
                    relation::unfollow(tx, peer, user);
                    true
                }
            };
        }
        if !peers.is_empty() {
            return peers.len();
        }
    }
    0
}

/// Takes a deleted account out of a conversation. Private ones stay with the other.
fn end_conversation(
    tx: &mut Tx<'_>,
    user: &UserId,
    conversation: &ConversationId,
    own: &UserConversation,
) {
    let Some(id) = conversation.group() else {
        conversation::count_pinned(tx, user, own.settings.pinned, false);
        tx.remove(key::own(user, conversation));
        tx.count(user, |tally| tally.conversations -= 1);
        return;
    };
    let asker = Asker::backend();
    let Ok(mut open) = Open::new(tx, &asker, id) else {
        remove_rows(tx, id, user);
        return;
    };
    if let Ok(member) = open.member_of(tx, user) {
        retire(tx, &mut open, user, member);
        open.keep(tx);
    }
}

/// Takes a member out of a group that goes on with another owner, if it must have one.
fn retire(tx: &mut Tx<'_>, open: &mut Open<'_>, user: &UserId, mut member: Member) {
    let needs_heir = member.role == Role::Owner && !open.policy.owner_may_leave;
    if let Some(heir) = needs_heir.then(|| heir(tx, open, user)).flatten() {
        crown(tx, open, &heir);
        member.role = Role::Member;
    }
    take_out(tx, open, user, &member);
    tell_left(tx, open, vec![user.clone()], None);
    if open.policy.owner_may_leave || open.group.owner.is_some() || open.head.members == 0 {
        return;
    }
    info::end(tx, open);
}

/// Who owns the group next: an administrator, or else a member, of the first there are.
fn heir(tx: &Tx<'_>, open: &Open<'_>, owner: &UserId) -> Option<UserId> {
    let prefix = key::of_conversation(table::MEMBER, &open.conversation);
    let mut members: Vec<(UserId, Member)> = tx::rows(tx, &prefix, HEIRS_MAX, |rest| rest.user());
    members.retain(|(user, _)| user != owner);
    members.sort_by_key(|(_, member)| core::cmp::Reverse(member.role));
    members.into_iter().next().map(|(user, _)| user)
}

/// Up to `limit` users whose rows have a prefix.
fn users(tx: &Tx<'_>, prefix: &[u8], limit: usize) -> Vec<UserId> {
    let mut users = Vec::new();
    tx.scan_prefix(prefix, Direction::Up, &mut |key, _| {
        users.extend(Rest::of(key, prefix).user());
        if users.len() < limit { Scan::More } else { Scan::Enough }
    });
    users
}

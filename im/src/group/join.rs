//! Coming into a group: by oneself, by approval, by invitation.

use alloc::{collections::BTreeSet, string::String, vec, vec::Vec};

use proto::im::{
    Entity, Event, GroupId, Member, Reject, Reply, Role, Sequence, UserConversation, UserId,
    account::Allowed,
    event::{GroupPart, RequestOutcome},
    group::{InviteRule, JoinRequest, JoinRule},
    limit::{
        CONVERSATIONS_MAX, GROUPS_MAX, IMPORT_MAX, JOIN_REQUESTS_MAX, PAGE_MAX, REQUEST_BYTES_MAX,
    },
    message::Tip,
    reject::{Many, Part},
};

use super::{Open, is_banned};
use crate::{
    asker::{Asker, active},
    check, key, message, relation,
    tx::{self, Tx},
    wheel::{self, Task},
};

/// How many of those who came are named in the conversation.
const NAMED_MAX: usize = 20;

/// The acting user comes in, or asks to.
pub(crate) fn join(tx: &mut Tx<'_>, open: &mut Open<'_>, words: &str) -> Result<Reply, Reject> {
    let user = open.asker.user()?;
    check::within(Part::Request, words.len(), REQUEST_BYTES_MAX)?;
    let is_in = Reply::Request(RequestOutcome::Accepted);
    if open.member.is_some() {
        return Ok(is_in);
    }
    check_banned(tx, open, user)?;
    match open.group.rules.join {
        JoinRule::Free => {}
        _ if open.asker.backend => {}
        JoinRule::Closed => return Err(Reject::JoinClosed),
        JoinRule::Approval => return ask(tx, open, user, words),
    }
    check_place(tx, open, user)?;
    admit(tx, open, vec![user.clone()], None);
    Ok(is_in)
}

fn check_banned(tx: &Tx<'_>, open: &Open<'_>, user: &UserId) -> Result<(), Reject> {
    match is_banned(tx, open.id, user) {
        Some(until) => Err(Reject::Banned { user: user.clone(), until }),
        None => Ok(()),
    }
}

/// Refuses if group or user have no place for another.
fn check_place(tx: &Tx<'_>, open: &Open<'_>, user: &UserId) -> Result<(), Reject> {
    check::room(Many::Members, open.head.members, open.group.rules.members_max)?;
    let tally = tx.tally(user);
    check::room(Many::Groups, tally.groups, GROUPS_MAX)?;
    check::room(Many::Conversations, tally.conversations, CONVERSATIONS_MAX)
}

fn ask(tx: &mut Tx<'_>, open: &mut Open<'_>, user: &UserId, words: &str) -> Result<Reply, Reject> {
    let row = key::join_request(open.id, user);
    let task = Task::JoinRequest { group: open.id.clone(), user: user.clone() };
    match tx.read(&row) {
        Some(before) => wheel::unfile(tx, before.expires_at, &task),
        None => {
            check::room(Many::Requests, open.head.waiting, JOIN_REQUESTS_MAX)?;
            open.head.waiting += 1;
        }
    }
    let expires_at = tx.at + tx::settings(tx).request_lives;
    tx.put(row, &JoinRequest { message: String::from(words), at: tx.at, expires_at });
    wheel::file(tx, expires_at, &task);
    tx.changed(user, Entity::JoinRequest(open.id.clone()));
    open.changed(tx, GroupPart::Requests, Some(user));
    Ok(Reply::Request(RequestOutcome::Waits))
}

/// Removes a request to join, if there is one, and says so; returns whether there was.
pub(super) fn remove_request(tx: &mut Tx<'_>, open: &mut Open<'_>, user: &UserId) -> bool {
    let row = key::join_request(open.id, user);
    let Some(request) = tx.read(&row) else {
        return false;
    };
    let task = Task::JoinRequest { group: open.id.clone(), user: user.clone() };
    wheel::unfile(tx, request.expires_at, &task);
    tx.remove(row);
    open.head.waiting -= 1;
    tx.changed(user, Entity::JoinRequest(open.id.clone()));
    open.changed(tx, GroupPart::Requests, Some(user));
    true
}

/// A request to join ends without an answer.
pub(crate) fn drop_request(tx: &mut Tx<'_>, group: &GroupId, user: &UserId) {
    let asker = Asker::backend();
    if let Ok(mut open) = Open::new(tx, &asker, group) {
        remove_request(tx, &mut open, user);
        open.keep(tx);
    }
}

/// The acting user takes its request back.
pub(crate) fn cancel(tx: &mut Tx<'_>, open: &mut Open<'_>) -> Result<Reply, Reject> {
    let user = open.asker.user()?;
    if remove_request(tx, open, user) { Ok(Reply::Done) } else { Err(Reject::RequestNotFound) }
}

/// An administrator lets somebody in, or not.
pub(crate) fn answer(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    user: &UserId,
    accept: bool,
) -> Result<Reply, Reject> {
    open.at_least(Role::Admin)?;
    let request = tx.read(&key::join_request(open.id, user));
    let live = request.is_some_and(|request| request.expires_at > tx.at);
    if !live {
        return Err(Reject::RequestNotFound);
    }
    if accept {
        active(tx, user)?;
        check_banned(tx, open, user)?;
        check_place(tx, open, user)?;
        admit(tx, open, vec![user.clone()], None);
    } else {
        remove_request(tx, open, user);
    }
    Ok(Reply::Done)
}

/// A member brings users in.
pub(crate) fn invite(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    users: &BTreeSet<UserId>,
) -> Result<Reply, Reject> {
    open.members_only()?;
    let limit = if open.asker.backend { IMPORT_MAX } else { PAGE_MAX };
    check::within(Part::List, users.len(), limit)?;
    match open.group.rules.invite {
        _ if open.asker.backend => {}
        InviteRule::Members => {}
        InviteRule::Admins => open.at_least(Role::Admin)?,
        InviteRule::Nobody => return Err(Reject::JoinClosed),
    }
    admit_each(tx, open, users)
}

/// Brings users in who can be; the others are named in the reply.
pub(crate) fn admit_each(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    users: &BTreeSet<UserId>,
) -> Result<Reply, Reject> {
    let mut failed = Vec::new();
    let mut admitted = Vec::new();
    let before = open.head.members;
    for user in users {
        match check_invited(tx, open, user) {
            Ok(()) => {
                // Counted before the rows are written, so that the next one finds the group as full as it will be.
                open.head.members += 1;
                admitted.push(user.clone());
            }
            Err(reject) => failed.push((user.clone(), reject)),
        }
    }
    open.head.members = before;
    let done = u32::try_from(admitted.len()).unwrap_or(u32::MAX);
    let inviter = open.asker.by().cloned();
    admit(tx, open, admitted, inviter.as_ref());
    Ok(Reply::Members { done, failed })
}

pub(super) fn check_invited(tx: &Tx<'_>, open: &Open<'_>, user: &UserId) -> Result<(), Reject> {
    let rules = active(tx, user)?.rules;
    if tx.has(&key::member(&open.conversation, user)) {
        return Err(Reject::AlreadyMember { user: user.clone() });
    }
    check_banned(tx, open, user)?;
    check_place(tx, open, user)?;
    let Some(inviter) = open.asker.by().filter(|_| !open.asker.backend) else {
        return Ok(());
    };
    relation::check_blocks(tx, inviter, user)?;
    let takes = match rules.invitations {
        Allowed::Anyone => true,
        Allowed::Friends => relation::are_friends(tx, user, inviter),
        Allowed::Nobody => false,
    };
    if takes { Ok(()) } else { Err(Reject::ContactRefused { user: user.clone() }) }
}

/// The one who makes a group comes in.
pub(crate) fn admit_owner(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    owner: &UserId,
) -> Result<(), Reject> {
    check_place(tx, open, owner)?;
    let member = Member { role: Role::Owner, joined_at: tx.at, ..Member::default() };
    write_member(tx, open, owner, &Member { visible_from: Sequence(1), ..member });
    tx.tell(Event::Joined { group: open.id.clone(), users: vec![owner.clone()] });
    Ok(())
}

/// Writes members, and says that they came. Everybody was checked.
fn admit(tx: &mut Tx<'_>, open: &mut Open<'_>, users: Vec<UserId>, inviter: Option<&UserId>) {
    if users.is_empty() {
        return;
    }
    let visible_from =
        if open.group.rules.open_history { Sequence(1) } else { open.head.head.next() };
    let member = Member {
        joined_at: tx.at,
        visible_from,
        read: open.head.head,
        read_counted: open.head.counted,
        delivered: open.head.head,
        inviter: inviter.cloned(),
        ..Member::default()
    };
    for user in &users {
        remove_request(tx, open, user);
        write_member(tx, open, user, &member);
    }
    open.head.version += 1;
    open.head.at = tx.at;
    tx.tell(Event::Joined { group: open.id.clone(), users: users.clone() });
    if open.policy.tips {
        let count = u32::try_from(users.len()).unwrap_or(u32::MAX);
        let named = users.into_iter().take(NAMED_MAX).collect();
        let joined = Tip::Joined { users: named, count, by: inviter.cloned() };
        message::tip(tx, &open.conversation, &mut open.head, joined);
    }
}

/// Writes both indexes of a membership.
pub(super) fn write_member(tx: &mut Tx<'_>, open: &mut Open<'_>, user: &UserId, member: &Member) {
    tx.put(key::member(&open.conversation, user), member);
    let own = UserConversation { since: tx.at, ..UserConversation::default() };
    tx.put(key::own(user, &open.conversation), &own);
    tx.count(user, |tally| {
        tally.conversations += 1;
        tally.groups += 1;
    });
    open.head.members += 1;
    tx.changed(user, Entity::Conversation(open.conversation.clone()));
}

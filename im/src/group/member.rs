//! Members: leaving, being removed, kept out, muted, given a role.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec,
    vec::Vec,
};

use proto::{
    im::{
        Entity, Event, GroupId, Member, Reject, Reply, Role, UserId,
        event::GroupPart,
        group::Ban,
        limit::{ADMINS_MAX, LABEL_BYTES_MAX, MEMBER_FIELDS_MAX, PAGE_MAX},
        message::Tip,
        reject::{Many, Part},
    },
    time::LogTime,
};

use super::{Open, Rank, info};
use crate::{check, conversation, key, message, tx::Tx};

/// How many of those who were removed are named in the conversation.
const NAMED_MAX: usize = 20;

/// Until when somebody is kept out: `None` if it is not, `Some(None)` for ever.
pub(crate) fn is_banned(tx: &Tx<'_>, group: &GroupId, user: &UserId) -> Option<Option<LogTime>> {
    let ban: Ban = tx.read(&key::ban(group, user))?;
    ban.until.is_none_or(|until| until > tx.at).then_some(ban.until)
}

/// The acting user leaves.
pub(crate) fn leave(tx: &mut Tx<'_>, open: &mut Open<'_>) -> Result<Reply, Reject> {
    let user = open.asker.user()?.clone();
    let member = open.member_of(tx, &user)?;
    if member.role == Role::Owner && !open.policy.owner_may_leave {
        return Err(Reject::OwnerStays);
    }
    if open.policy.tips {
        let left = Tip::Left { user: user.clone() };
        message::tip(tx, &open.conversation, &mut open.head, left);
    }
    take_out(tx, open, &user, &member);
    tell_left(tx, open, vec![user], None);
    Ok(Reply::Done)
}

/// Says who is gone; a group that nobody is left in ends.
pub(crate) fn tell_left(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    users: Vec<UserId>,
    by: Option<UserId>,
) {
    open.head.version += 1;
    open.head.at = tx.at;
    tx.tell(Event::Left { group: open.id.clone(), users, by });
    if open.head.members == 0 {
        info::end(tx, open);
    }
}

/// Removes both indexes of a membership.
pub(crate) fn take_out(tx: &mut Tx<'_>, open: &mut Open<'_>, user: &UserId, member: &Member) {
    remove_rows(tx, open.id, user);
    open.head.members -= 1;
    match member.role {
        Role::Member => {}
        Role::Admin => open.head.admins -= 1,
        Role::Owner => open.group.owner = None,
    }
}

/// Removes both rows of a membership, and keeps count.
pub(crate) fn remove_rows(tx: &mut Tx<'_>, group: &GroupId, user: &UserId) {
    let conversation = proto::im::ConversationId::Group(group.clone());
    tx.remove(key::member(&conversation, user));
    let row = key::own(user, &conversation);
    if let Some(own) = tx.read(&row) {
        conversation::count_pinned(tx, user, own.settings.pinned, false);
    }
    tx.remove(row);
    tx.count(user, |tally| {
        tally.conversations -= 1;
        tally.groups -= 1;
    });
    tx.changed(user, Entity::Conversation(conversation));
}

/// Removes members, and keeps them out if asked to.
pub(crate) fn remove(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    users: &BTreeSet<UserId>,
    ban_until: Option<LogTime>,
) -> Result<Reply, Reject> {
    open.at_least(Role::Admin)?;
    check::within(Part::List, users.len(), PAGE_MAX)?;
    let mut failed = Vec::new();
    let mut removed = Vec::new();
    for user in users {
        match open.subordinate(tx, user) {
            Ok(member) if is_only_owner(open, &member) => {
                failed.push((user.clone(), Reject::OwnerStays));
            }
            Ok(member) => {
                take_out(tx, open, user, &member);
                removed.push(user.clone());
            }
            Err(reject) => failed.push((user.clone(), reject)),
        }
    }
    let done = u32::try_from(removed.len()).unwrap_or(u32::MAX);
    let by = open.asker.by().cloned();
    if let Some(until) = ban_until {
        let until = (until < LogTime(u64::MAX)).then_some(until);
        let ban = Ban { by: by.clone(), at: tx.at, until };
        removed.iter().for_each(|user| tx.put(key::ban(open.id, user), &ban));
    }
    if !removed.is_empty() {
        if open.policy.tips {
            let users = removed.iter().take(NAMED_MAX).cloned().collect();
            let tip = Tip::Removed { users, count: done, by: by.clone() };
            message::tip(tx, &open.conversation, &mut open.head, tip);
        }
        tell_left(tx, open, removed, by);
    }
    Ok(Reply::Members { done, failed })
}

/// Whether the group would have no owner without this member, and must have one.
fn is_only_owner(open: &Open<'_>, member: &Member) -> bool {
    member.role == Role::Owner && !open.policy.owner_may_leave
}

/// Keeps somebody out.
pub(crate) fn ban(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    user: &UserId,
    until: Option<LogTime>,
) -> Result<Reply, Reject> {
    open.at_least(Role::Admin)?;
    if tx.has(&key::member(&open.conversation, user)) {
        return Err(Reject::AlreadyMember { user: user.clone() });
    }
    crate::asker::existing(tx, user)?;
    let ban = Ban { by: open.asker.by().cloned(), at: tx.at, until };
    let row = key::ban(open.id, user);
    let is_news = tx.read(&row).is_none_or(|before| before.until != until);
    if is_news {
        tx.put(row, &ban);
        open.changed(tx, GroupPart::Bans, Some(user));
    }
    Ok(Reply::Done)
}

/// Lets somebody come in again.
pub(crate) fn unban(tx: &mut Tx<'_>, open: &mut Open<'_>, user: &UserId) -> Result<Reply, Reject> {
    open.at_least(Role::Admin)?;
    let row = key::ban(open.id, user);
    if tx.has(&row) {
        tx.remove(row);
        open.changed(tx, GroupPart::Bans, Some(user));
    }
    Ok(Reply::Done)
}

/// Makes a member an administrator, or no longer.
pub(crate) fn set_role(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    user: &UserId,
    role: Role,
) -> Result<Reply, Reject> {
    open.at_least(Role::Owner)?;
    if !open.policy.has_admins {
        return Err(Reject::KindForbids);
    }
    let mut member = open.member_of(tx, user)?;
    if role == Role::Owner || member.role == Role::Owner {
        return Err(Reject::NotPermitted);
    }
    if member.role == role {
        return Ok(Reply::Done);
    }
    if role == Role::Admin {
        check::room(Many::Admins, open.head.admins, ADMINS_MAX)?;
        open.head.admins += 1;
    } else {
        open.head.admins -= 1;
    }
    member.role = role;
    tx.put(key::member(&open.conversation, user), &member);
    open.changed(tx, GroupPart::Members, Some(user));
    if open.policy.tips {
        let tip = Tip::RoleChanged { user: user.clone(), role };
        message::tip(tx, &open.conversation, &mut open.head, tip);
    }
    Ok(Reply::Done)
}

/// Gives the group to a member; the old owner stays as a member.
pub(crate) fn transfer(tx: &mut Tx<'_>, open: &mut Open<'_>, to: &UserId) -> Result<Reply, Reject> {
    open.at_least(Role::Owner)?;
    open.member_of(tx, to)?;
    if open.group.owner.as_ref() == Some(to) {
        return Ok(Reply::Done);
    }
    crown(tx, open, to);
    Ok(Reply::Done)
}

/// Makes a member the owner.
pub(crate) fn crown(tx: &mut Tx<'_>, open: &mut Open<'_>, to: &UserId) {
    let conversation = open.conversation.clone();
    let row = |user: &UserId| key::member(&conversation, user);
    if let Some(mut heir) = tx.read(&row(to)) {
        if heir.role == Role::Admin {
            open.head.admins -= 1;
        }
        heir.role = Role::Owner;
        tx.put(row(to), &heir);
    }
    let before = open.group.owner.replace(to.clone()).map(|old| row(&old));
    if let Some((row, mut member)) = before.and_then(|row| tx.read(&row).map(|old| (row, old))) {
        member.role = Role::Member;
        tx.put(row, &member);
    }
    open.changed(tx, GroupPart::Info, Some(to));
    if open.policy.tips {
        let tip = Tip::OwnerChanged { to: to.clone() };
        message::tip(tx, &open.conversation, &mut open.head, tip);
    }
}

/// Lets a member not write until then.
pub(crate) fn mute(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    user: &UserId,
    until: LogTime,
) -> Result<Reply, Reject> {
    let mut member = open.subordinate(tx, user)?;
    if member.muted_until != until {
        member.muted_until = until;
        tx.put(key::member(&open.conversation, user), &member);
        open.changed(tx, GroupPart::Members, Some(user));
        tx.changed(user, Entity::Conversation(open.conversation.clone()));
    }
    Ok(Reply::Done)
}

/// Changes a member's card and fields.
pub(crate) fn update(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    user: &UserId,
    card: Option<&String>,
    custom: &BTreeMap<String, Option<String>>,
) -> Result<Reply, Reject> {
    open.members_only()?;
    let is_own = open.asker.by() == Some(user) && open.rank() != Some(Rank::Backend);
    let before = if is_own { open.member_of(tx, user)? } else { open.subordinate(tx, user)? };
    let mut member = before.clone();
    if let Some(card) = card {
        check::within(Part::Name, card.len(), LABEL_BYTES_MAX)?;
        member.card.clone_from(card);
    }
    check::change_fields(&mut member.custom, custom, MEMBER_FIELDS_MAX)?;
    if member != before {
        tx.put(key::member(&open.conversation, user), &member);
        open.changed(tx, GroupPart::Members, Some(user));
    }
    Ok(Reply::Done)
}

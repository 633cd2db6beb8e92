//! Making a group.

use proto::im::{
    ConversationId, Group, GroupId, Member, Reject, Reply, Role, Sequence,
    command::NewGroup,
    group::{GroupInfo, Notice},
    limit::PAGE_MAX,
    message::Tip,
    reject::Part,
};

use super::{Open, info, join, policy};
use crate::{asker::Asker, check, key, message, tx::Tx};

/// Makes a group of the acting user's. The same request again is answered as done.
pub(crate) fn create(
    tx: &mut Tx<'_>,
    asker: &Asker,
    id: &GroupId,
    new: &NewGroup,
) -> Result<Reply, Reject> {
    let owner = asker.user()?;
    if let Some(group) = tx.read(&key::group(id)) {
        let same = group.key == new.key && group.dismissed_at.is_none();
        return match (same, &group.owner) {
            (true, Some(known)) if known == owner => {
                Ok(Reply::Members { done: 0, failed: alloc::vec::Vec::new() })
            }
            _ => Err(Reject::GroupExists { group: id.clone() }),
        };
    }
    check::within(Part::List, new.members.len(), PAGE_MAX)?;
    let mut open = found(tx, asker, id, new)?;
    if open.policy.tips {
        let created = Tip::Created { by: open.group.owner.clone() };
        message::tip(tx, &open.conversation, &mut open.head, created);
    }
    let reply = join::admit_each(tx, &mut open, &new.members)?;
    open.keep(tx);
    Ok(reply)
}

/// A new group with its owner. The caller keeps it.
pub(super) fn found<'a>(
    tx: &mut Tx<'_>,
    asker: &'a Asker,
    id: &'a GroupId,
    new: &NewGroup,
) -> Result<Open<'a>, Reject> {
    let owner = asker.user()?;
    info::check(&new.info)?;
    let policy = policy::of(new.kind);
    let rules = policy.check_rules(new.rules.as_ref().unwrap_or(&policy.rules))?;
    let notice = Notice { text: new.info.notice.text.clone(), by: Some(owner.clone()), at: tx.at };
    let group = Group {
        kind: new.kind,
        owner: Some(owner.clone()),
        key: new.key,
        created_at: tx.at,
        dismissed_at: None,
        info: GroupInfo { notice, ..new.info.clone() },
        rules,
    };
    let conversation = ConversationId::Group(id.clone());
    let mut head = message::new_head(tx);
    head.counts = policy.counts;
    let mut open = Open { asker, id, conversation, group, head, member: None, policy };
    info::apply_retention(tx, &mut open);
    join::admit_owner(tx, &mut open, owner)?;
    open.member =
        Some(Member { role: Role::Owner, visible_from: Sequence(1), ..Member::default() });
    Ok(open)
}

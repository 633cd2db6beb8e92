//! Groups that were elsewhere, and who was in them. Nothing is said in the conversation: it is not news.

use alloc::vec::Vec;

use proto::im::{
    Event, Member, Reject, Reply, Role, Sequence,
    command::{NewMember, OldGroup},
    event::Imported,
    limit::{ADMINS_MAX, IMPORT_MAX, LABEL_BYTES_MAX},
    reject::{Many, Part},
};

use super::{Open, create, join};
use crate::{asker::Asker, check, key, message::import::past, tx::Tx};

/// Makes a group as it was; `false` if there is one of that id.
pub(crate) fn bring(tx: &mut Tx<'_>, old: &OldGroup) -> Result<bool, Reject> {
    if tx.has(&key::group(&old.group)) {
        return Ok(false);
    }
    let asker = Asker::backend_for(tx, &old.owner)?;
    let mut open = create::found(tx, &asker, &old.group, &old.new)?;
    let created_at = past(tx, old.created_at);
    open.group.created_at = created_at;
    open.head.said_at = created_at;
    let new = |user| NewMember {
        user,
        role: Role::Member,
        card: alloc::string::String::new(),
        joined_at: created_at,
        muted_until: proto::time::LogTime(0),
    };
    let members: Vec<NewMember> = old.new.members.iter().cloned().map(new).collect();
    admit(tx, &mut open, &members);
    open.keep(tx);
    Ok(true)
}

/// Brings members in as they were.
pub(crate) fn members(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    members: &[NewMember],
) -> Result<Reply, Reject> {
    open.asker.backend_only()?;
    check::within(Part::List, members.len(), IMPORT_MAX)?;
    Ok(Reply::Imported(admit(tx, open, members)))
}

fn admit(tx: &mut Tx<'_>, open: &mut Open<'_>, members: &[NewMember]) -> Vec<Imported> {
    let mut came = Vec::new();
    let mut outcomes = Vec::with_capacity(members.len());
    for new in members {
        outcomes.push(match admit_one(tx, open, new) {
            Ok(()) => {
                came.push(new.user.clone());
                Imported::Created
            }
            Err(Reject::AlreadyMember { .. }) => Imported::Exists,
            Err(reject) => Imported::Refused(reject),
        });
    }
    if !came.is_empty() {
        open.head.version += 1;
        open.head.at = tx.at;
        tx.tell(Event::Joined { group: open.id.clone(), users: came });
    }
    outcomes
}

fn admit_one(tx: &mut Tx<'_>, open: &mut Open<'_>, new: &NewMember) -> Result<(), Reject> {
    join::check_invited(tx, open, &new.user)?;
    check::within(Part::Name, new.card.len(), LABEL_BYTES_MAX)?;
    match new.role {
        Role::Member => {}
        Role::Admin if !open.policy.has_admins => return Err(Reject::KindForbids),
        Role::Admin => check::room(Many::Admins, open.head.admins, ADMINS_MAX)?,
        Role::Owner => return Err(Reject::NotPermitted),
    }
    let opens = open.group.rules.open_history;
    let member = Member {
        role: new.role,
        joined_at: past(tx, new.joined_at),
        visible_from: if opens { Sequence(1) } else { open.head.head.next() },
        read: open.head.head,
        read_counted: open.head.counted,
        delivered: open.head.head,
        muted_until: new.muted_until,
        card: new.card.clone(),
        ..Member::default()
    };
    join::remove_request(tx, open, &new.user);
    if new.role == Role::Admin {
        open.head.admins += 1;
    }
    join::write_member(tx, open, &new.user, &member);
    Ok(())
}

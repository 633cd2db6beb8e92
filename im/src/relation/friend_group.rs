//! A user's groups of friends. Friends keep the numbers of their groups; a number that is gone means nothing.

use proto::im::{
    Entity, Reject, Reply, UserId,
    command::FriendGroupAction,
    limit::{FRIEND_GROUPS_MAX, LABEL_BYTES_MAX},
    reject::{Many, Part},
    relation::FriendGroups,
};

use crate::{asker::Asker, check, key, tx::Tx};

/// Does what is asked about friend groups.
pub(crate) fn act(
    tx: &mut Tx<'_>,
    asker: &Asker,
    action: &FriendGroupAction,
) -> Result<Reply, Reject> {
    let user = asker.user()?;
    let before: FriendGroups = tx.read(&key::friend_groups(user)).unwrap_or_default();
    let mut groups = before.clone();
    let number = match action {
        FriendGroupAction::Create { name } => create(&mut groups, name)?,
        FriendGroupAction::Rename { number, name } => {
            check::filled(Part::Name, name.len(), LABEL_BYTES_MAX)?;
            let place = groups.names.get_mut(number).ok_or(Reject::FriendGroupNotFound)?;
            place.clone_from(name);
            *number
        }
        FriendGroupAction::Remove { number } => {
            groups.names.remove(number).ok_or(Reject::FriendGroupNotFound)?;
            *number
        }
    };
    keep(tx, user, &before, &groups);
    Ok(Reply::FriendGroup(number))
}

fn create(groups: &mut FriendGroups, name: &str) -> Result<u16, Reject> {
    check::filled(Part::Name, name.len(), LABEL_BYTES_MAX)?;
    let known = groups.names.iter().find(|(_, known)| *known == name);
    if let Some((number, _)) = known {
        return Ok(*number);
    }
    check::at_most(Many::FriendGroups, groups.names.len() + 1, FRIEND_GROUPS_MAX)?;
    let number = groups.next;
    let full = Reject::TooMany { what: Many::FriendGroups, limit: u16::MAX.into() };
    groups.next = number.checked_add(1).ok_or(full)?;
    groups.names.insert(number, name.into());
    Ok(number)
}

fn keep(tx: &mut Tx<'_>, user: &UserId, before: &FriendGroups, groups: &FriendGroups) {
    if before != groups {
        tx.put(key::friend_groups(user), groups);
        tx.changed(user, Entity::FriendGroups);
    }
}

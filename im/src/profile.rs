//! What accounts say of themselves, and who may see it.

use proto::im::{
    Entity, Profile, Reject, Reply, UserId,
    account::Visibility,
    command::ProfileChange,
    limit::{ABOUT_BYTES_MAX, CUSTOM_FIELDS_MAX, NAME_BYTES_MAX, URL_BYTES_MAX},
    reject::{Many, Part},
};

use crate::{asker::existing, check, key, tx::Tx};

/// Refuses what is too long.
pub(crate) fn check(profile: &Profile) -> Result<(), Reject> {
    check::within(Part::Name, profile.name.len(), NAME_BYTES_MAX)?;
    check::within(Part::Url, profile.avatar.len(), URL_BYTES_MAX)?;
    check::within(Part::About, profile.about.len(), ABOUT_BYTES_MAX)?;
    check::at_most(Many::Fields, profile.custom.len(), CUSTOM_FIELDS_MAX)?;
    profile.custom.iter().try_for_each(|(key, field)| check::field(key, &field.value))
}

/// Changes a profile.
pub(crate) fn update(
    tx: &mut Tx<'_>,
    user: &UserId,
    change: &ProfileChange,
) -> Result<Reply, Reject> {
    existing(tx, user)?;
    let before: Profile = tx.read(&key::profile(user)).unwrap_or_default();
    let mut profile = before.clone();
    profile.name = change.name.clone().unwrap_or(profile.name);
    profile.avatar = change.avatar.clone().unwrap_or(profile.avatar);
    profile.about = change.about.clone().unwrap_or(profile.about);
    profile.gender = change.gender.unwrap_or(profile.gender);
    profile.birthday = change.birthday.unwrap_or(profile.birthday);
    for (key, field) in &change.custom {
        match field {
            Some(field) => profile.custom.insert(key.clone(), field.clone()),
            None => profile.custom.remove(key),
        };
    }
    check(&profile)?;
    if profile != before {
        profile.version += 1;
        tx.put(key::profile(user), &profile);
        tx.changed(user, Entity::Profile);
    }
    Ok(Reply::Done)
}

/// How close the viewer of a profile is to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closeness {
    Stranger,
    Friend,
    Owner,
}

/// The profile without what the viewer may not see.
pub(crate) fn shown_to(mut profile: Profile, viewer: Closeness) -> Profile {
    if viewer < Closeness::Friend {
        profile.birthday = 0;
    }
    profile.custom.retain(|_, field| {
        let needed = match field.visibility {
            Visibility::Public => Closeness::Stranger,
            Visibility::Friends => Closeness::Friend,
            Visibility::Private => Closeness::Owner,
        };
        viewer >= needed
    });
    profile
}

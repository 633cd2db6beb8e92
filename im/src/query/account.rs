//! Questions about accounts.

use alloc::vec::Vec;

use proto::im::{
    Account, AccountState, Answer, Ask, Profile, Reject, UserId,
    account::DeviceInfo,
    limit::PAGE_MAX,
    query::{Access, ProfileView},
    reject::Part,
};

use super::Reader;
use crate::{
    asker, check,
    key::{self, Key, table},
    profile::{self, Closeness},
    session,
};

pub(super) fn answer(reader: &Reader<'_>, ask: &Ask) -> Result<Answer, Reject> {
    match ask {
        Ask::Account(user) => {
            reader.only(user)?;
            account(reader, user).map(Answer::Account)
        }
        Ask::Credential(user) => {
            reader.backend_only()?;
            let account = account(reader, user)?;
            let credential = reader.read(&key::credential(user));
            let credential = credential.ok_or_else(|| not_found(user))?;
            Ok(Answer::Credential(credential, account.state, account.epoch))
        }
        Ask::Access { user, session, epoch } => {
            reader.backend_only()?;
            let account: Option<Account> = reader.read(&key::account(user));
            let good = account.as_ref().is_some_and(|account| {
                let holds = asker::check_access(account, *session, *epoch).is_ok();
                account.state == AccountState::Active && holds
            });
            let state = account.as_ref().map(|account| account.state);
            let epoch = account.map_or(0, |account| account.epoch);
            Ok(Answer::Access(Access { state, epoch, good }))
        }
        Ask::Devices(user) => {
            reader.only(user)?;
            Ok(Answer::Devices(devices(reader, user)))
        }
        Ask::Accounts(page) => {
            reader.backend_only()?;
            let prefix = Key::of(table::ACCOUNT).bytes();
            let after = page.after.as_ref().map(UserId::as_str);
            Ok(Answer::Accounts(reader.page(&prefix, after, page.limit, |rest| rest.user())))
        }
        Ask::Tally(user) => {
            reader.only(user)?;
            Ok(Answer::Tally(reader.read(&key::tally(user)).unwrap_or_default()))
        }
        Ask::Profiles(users) => {
            check::within(Part::List, users.len(), PAGE_MAX)?;
            Ok(Answer::Profiles(users.iter().filter_map(|user| shown(reader, user)).collect()))
        }
        _ => Err(Reject::NotPermitted),
    }
}

fn not_found(user: &UserId) -> Reject {
    Reject::AccountNotFound { user: user.clone() }
}

fn account(reader: &Reader<'_>, user: &UserId) -> Result<Account, Reject> {
    reader.read(&key::account(user)).ok_or_else(|| not_found(user))
}

/// Log-ins without their secrets.
pub(super) fn devices(reader: &Reader<'_>, user: &UserId) -> Vec<DeviceInfo> {
    let info = |(device, row): (_, proto::im::Device)| DeviceInfo {
        device,
        session: row.session,
        platform: row.platform,
        name: row.name,
        since: row.since,
        refreshed_at: row.refreshed_at,
        expires_at: row.expires_at,
    };
    session::devices(reader.view, user).into_iter().map(info).collect()
}

fn shown(reader: &Reader<'_>, user: &UserId) -> Option<ProfileView> {
    let account: Account = reader.read(&key::account(user))?;
    let stored: Profile = reader.read(&key::profile(user)).unwrap_or_default();
    let closeness = match reader.viewer {
        None => Closeness::Owner,
        Some(viewer) if viewer == user => Closeness::Owner,
        Some(viewer) if reader.view.get(key::friend(user, viewer).bytes()).is_some() => {
            Closeness::Friend
        }
        Some(_) => Closeness::Stranger,
    };
    let profile = profile::shown_to(stored, closeness);
    Some(ProfileView { user: user.clone(), state: account.state, profile })
}

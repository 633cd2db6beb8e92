//! Accounts: making, switching off, deleting.

use alloc::vec::Vec;

use proto::im::{
    Account, AccountState, Credential, Entity, Event, Reject, Reply, UserId,
    account::{ContactRules, NewAccount, Profile},
    command::{AccountAction, Keep},
    event::{Imported, SessionEnd},
    id::ClientKey,
    limit::{CREDENTIAL_BYTES_MAX, IMPORT_MAX},
    reject::Part,
};

use crate::{
    asker::{Asker, existing},
    check, key, profile, session,
    tx::Tx,
    wheel::{self, Task},
};

/// Does what is asked of an account.
pub(crate) fn act(
    tx: &mut Tx<'_>,
    asker: &Asker,
    user: &UserId,
    action: &AccountAction,
) -> Result<Reply, Reject> {
    asker.only(user)?;
    match action {
        AccountAction::Create { key, credential, profile, rules } => {
            asker.backend_only()?;
            let made = create(tx, user, *key, (credential, profile, *rules))?;
            debug_assert!(made || tx.account(user).is_some_and(|account| account.key == *key));
            Ok(Reply::Done)
        }
        AccountAction::SetState { state } => {
            asker.backend_only()?;
            set_state(tx, user, *state)
        }
        AccountAction::Delete => delete(tx, user),
        AccountAction::SetCredential { credential, keep_only } => {
            asker.backend_only()?;
            set_credential(tx, user, credential, *keep_only)
        }
        AccountAction::SetRules { rules } => set_rules(tx, user, *rules),
        AccountAction::UpdateProfile(change) => profile::update(tx, user, change),
        AccountAction::Login(login) => {
            asker.backend_only()?;
            session::login(tx, user, login)
        }
        AccountAction::Refresh { device, session, presented, next, expires_at } => {
            asker.backend_only()?;
            let change = session::Refresh {
                session: *session,
                presented: *presented,
                next: *next,
                expires_at: *expires_at,
            };
            session::refresh(tx, user, device, &change)
        }
        AccountAction::Logout { session } => session::logout(tx, user, *session),
        AccountAction::RevokeAll => {
            let mut account = existing(tx, user)?;
            revoke(tx, user, &mut account, Keep::Nothing, SessionEnd::Revoked);
            tx.put(key::account(user), &account);
            Ok(Reply::Done)
        }
    }
}

/// Makes several accounts.
pub(crate) fn import(
    tx: &mut Tx<'_>,
    asker: &Asker,
    accounts: &[NewAccount],
) -> Result<Reply, Reject> {
    asker.backend_only()?;
    check::within(Part::List, accounts.len(), IMPORT_MAX)?;
    let make = |new: &NewAccount| {
        if tx.account(&new.user).is_some() {
            return Imported::Exists;
        }
        let what = (&new.credential, &new.profile, new.rules);
        match create(tx, &new.user, ClientKey::default(), what) {
            Ok(_) => Imported::Created,
            Err(reject) => Imported::Refused(reject),
        }
    };
    Ok(Reply::Imported(accounts.iter().map(make).collect::<Vec<_>>()))
}

/// Makes an account; `false` if the same request made it before.
fn create(
    tx: &mut Tx<'_>,
    user: &UserId,
    key: ClientKey,
    (credential, first, rules): (&Credential, &Profile, ContactRules),
) -> Result<bool, Reject> {
    if let Some(account) = tx.account(user) {
        let same = account.key == key && account.state != AccountState::Deleted;
        return if same { Ok(false) } else { Err(Reject::AccountExists { user: user.clone() }) };
    }
    check_credential(credential)?;
    profile::check(first)?;
    let account = Account { created_at: tx.at, key, rules, ..Account::default() };
    tx.put(key::account(user), &account);
    tx.put(key::credential(user), credential);
    tx.put(key::profile(user), &Profile { version: 1, ..first.clone() });
    tx.changed(user, Entity::Account);
    tx.changed(user, Entity::Profile);
    Ok(true)
}

fn check_credential(credential: &Credential) -> Result<(), Reject> {
    match credential {
        Credential::Password(hash) => {
            check::filled(Part::Credential, hash.len(), CREDENTIAL_BYTES_MAX)
        }
        Credential::External => Ok(()),
    }
}

fn set_state(tx: &mut Tx<'_>, user: &UserId, state: AccountState) -> Result<Reply, Reject> {
    let mut account = existing(tx, user)?;
    if state == AccountState::Deleted {
        return Err(Reject::NotPermitted);
    }
    if account.state == state {
        return Ok(Reply::Done);
    }
    account.state = state;
    if state == AccountState::Disabled {
        revoke(tx, user, &mut account, Keep::Nothing, SessionEnd::Disabled);
    } else {
        tell_state(tx, user, &account);
    }
    tx.put(key::account(user), &account);
    tx.changed(user, Entity::Account);
    Ok(Reply::Done)
}

/// The account ends at once; what others hold about it is removed by housekeeping.
fn delete(tx: &mut Tx<'_>, user: &UserId) -> Result<Reply, Reject> {
    let mut account = existing(tx, user)?;
    account.state = AccountState::Deleted;
    revoke(tx, user, &mut account, Keep::Nothing, SessionEnd::Deleted);
    tx.put(key::account(user), &account);
    tx.remove(key::credential(user));
    tx.remove(key::profile(user));
    wheel::file(tx, tx.at, &Task::ForgetAccount(user.clone()));
    Ok(Reply::Done)
}

fn set_credential(
    tx: &mut Tx<'_>,
    user: &UserId,
    credential: &Credential,
    keep_only: Option<Keep>,
) -> Result<Reply, Reject> {
    let mut account = existing(tx, user)?;
    check_credential(credential)?;
    tx.put(key::credential(user), credential);
    if let Some(keep) = keep_only {
        revoke(tx, user, &mut account, keep, SessionEnd::Revoked);
        tx.put(key::account(user), &account);
    }
    Ok(Reply::Done)
}

fn set_rules(tx: &mut Tx<'_>, user: &UserId, rules: ContactRules) -> Result<Reply, Reject> {
    let account = existing(tx, user)?;
    if account.rules != rules {
        tx.put(key::account(user), &Account { rules, ..account });
        tx.changed(user, Entity::Account);
    }
    Ok(Reply::Done)
}

/// Voids all tokens and ends log-ins. The caller writes the account.
fn revoke(tx: &mut Tx<'_>, user: &UserId, account: &mut Account, keep: Keep, why: SessionEnd) {
    account.epoch = account.epoch.wrapping_add(1);
    tell_state(tx, user, account);
    session::end_all(tx, user, account, keep, why);
}

fn tell_state(tx: &mut Tx<'_>, user: &UserId, account: &Account) {
    let (state, epoch) = (account.state, account.epoch);
    tx.tell(Event::AccountChanged { user: user.clone(), state, epoch });
}

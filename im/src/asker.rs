//! Who asks, and whether its token still holds.

use proto::im::{Account, AccountState, Actor, Reject, UserId, id::SessionId};

use crate::tx::Tx;

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    user: Option<UserId>,
    /// It is the application's back end: what users may not do is allowed.
    pub(crate) backend: bool,
}

impl Asker {
    /// Finds out who asks.
    pub(crate) fn new(tx: &Tx<'_>, actor: &Actor) -> Result<Self, Reject> {
        match actor {
            Actor::User { user, session, epoch } => {
                check_access(&active(tx, user)?, *session, *epoch)?;
                Ok(Self { user: Some(user.clone()), backend: false })
            }
            Actor::Backend { user } => {
                if let Some(user) = user {
                    existing(tx, user)?;
                }
                Ok(Self { user: user.clone(), backend: true })
            }
        }
    }

    /// Housekeeping.
    pub(crate) const fn backend() -> Self {
        Self { user: None, backend: true }
    }

    /// The back end, in the name of an account that exists.
    pub(crate) fn backend_for(tx: &Tx<'_>, user: &UserId) -> Result<Self, Reject> {
        existing(tx, user)?;
        Ok(Self { user: Some(user.clone()), backend: true })
    }

    /// The user who acts.
    pub(crate) fn user(&self) -> Result<&UserId, Reject> {
        self.user.as_ref().ok_or(Reject::ActorMissing)
    }

    /// The user who acts, if one does.
    pub(crate) const fn by(&self) -> Option<&UserId> {
        self.user.as_ref()
    }

    /// Refuses users.
    pub(crate) const fn backend_only(&self) -> Result<(), Reject> {
        if self.backend { Ok(()) } else { Err(Reject::NotPermitted) }
    }

    /// Refuses all users but this one.
    pub(crate) fn only(&self, user: &UserId) -> Result<(), Reject> {
        if self.backend || self.user.as_ref() == Some(user) {
            Ok(())
        } else {
            Err(Reject::NotPermitted)
        }
    }
}

/// Whether a token of this log-in and epoch is good for the account.
pub(crate) fn check_access(
    account: &Account,
    session: Option<SessionId>,
    epoch: Option<u32>,
) -> Result<(), Reject> {
    let lives = session.is_none_or(|session| account.sessions.contains(&session));
    let holds = epoch.is_none_or(|epoch| epoch == account.epoch);
    if lives && holds { Ok(()) } else { Err(Reject::SessionEnded) }
}

/// The account, if it may be used.
pub(crate) fn active(tx: &Tx<'_>, user: &UserId) -> Result<Account, Reject> {
    let account = existing(tx, user)?;
    match account.state {
        AccountState::Active => Ok(account),
        AccountState::Disabled | AccountState::Deleted => {
            Err(Reject::AccountDisabled { user: user.clone() })
        }
    }
}

/// The account, if it was not deleted.
pub(crate) fn existing(tx: &Tx<'_>, user: &UserId) -> Result<Account, Reject> {
    match tx.account(user) {
        Some(account) if account.state != AccountState::Deleted => Ok(account),
        Some(_) | None => Err(Reject::AccountNotFound { user: user.clone() }),
    }
}

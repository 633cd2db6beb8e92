//! What is asked of accounts.

use alloc::{boxed::Box, collections::BTreeMap, string::String};

use serde::{Deserialize, Serialize};

use crate::{
    im::{
        account::{
            AccountState, ContactRules, Credential, CustomField, Platform, Profile, RefreshHash,
        },
        id::{ClientKey, DeviceId, SessionId},
    },
    time::LogTime,
};

/// What is asked of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountAction {
    /// Makes it. With an equal key again: nothing more happens. Back end only (the door decides about sign-up).
    Create {
        /// The request's key.
        key: ClientKey,
        /// How it proves who it is.
        credential: Credential,
        /// Its first profile.
        profile: Box<Profile>,
        /// Who may reach it.
        rules: ContactRules,
    },
    /// Switches it on or off; off ends all its log-ins. Back end only; `Deleted` is not a state to set.
    SetState {
        /// The new state.
        state: AccountState,
    },
    /// Deletes it. Its relations and memberships are removed by housekeeping, its messages stay.
    Delete,
    /// Changes how it proves who it is. Back end only (the door has checked the old one).
    SetCredential {
        /// The new one.
        credential: Credential,
        /// Ends all log-ins but this one, and voids tokens; `None` leaves them.
        keep_only: Option<Keep>,
    },
    /// Changes who may reach it.
    SetRules {
        /// The new rules.
        rules: ContactRules,
    },
    /// Changes its profile. Fields that are `None` stay.
    UpdateProfile(Box<ProfileChange>),
    /// Logs a device in, once the door has checked the credential. Back end only.
    Login(Box<Login>),
    /// Gives a device a new refresh token for the present one. Back end only (the door has hashed both).
    Refresh {
        /// The device.
        device: DeviceId,
        /// The log-in.
        session: SessionId,
        /// The hash of the token that was presented.
        presented: RefreshHash,
        /// The hash of the new one.
        next: RefreshHash,
        /// When the new one ends.
        expires_at: LogTime,
    },
    /// Ends one log-in.
    Logout {
        /// Which.
        session: SessionId,
    },
    /// Ends all log-ins and voids all tokens.
    RevokeAll,
}

/// What lives on when all other log-ins end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// This log-in. Tokens are void nevertheless: it refreshes.
    Session(SessionId),
}

/// A device logs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The device.
    pub device: DeviceId,
    /// The new log-in.
    pub session: SessionId,
    /// What it runs on.
    pub platform: Platform,
    /// What its owner calls it.
    pub name: String,
    /// The hash of its refresh token.
    pub refresh: RefreshHash,
    /// When that ends.
    pub expires_at: LogTime,
}

/// A change of a profile. Fields that are `None` stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileChange {
    /// Display name.
    pub name: Option<String>,
    /// Address of its picture.
    pub avatar: Option<String>,
    /// Some words about itself.
    pub about: Option<String>,
    /// Gender, as the application numbers it.
    pub gender: Option<u8>,
    /// Birthday as `YYYYMMDD`.
    pub birthday: Option<u32>,
    /// Fields to set, or to remove (`None`).
    pub custom: BTreeMap<String, Option<CustomField>>,
}

//! Log-ins: which may live side by side, and how refresh tokens follow each other.

use alloc::vec::Vec;

use proto::{
    im::{
        Account, Device, DeviceId, Entity, Event, Platform, Reject, Reply, SessionId, UserId,
        account::{DevicePolicy, RefreshHash},
        command::{Keep, Login},
        event::SessionEnd,
        limit::{NAME_BYTES_MAX, REFRESH_GRACE, REFRESH_KEPT, SESSIONS_MAX},
        reject::Part,
    },
    time::LogTime,
};

use crate::{
    asker::{active, existing},
    check,
    key::{self, table},
    tx::{self, Tx},
};

/// A new refresh token for the present one.
pub(crate) struct Refresh {
    pub(crate) session: SessionId,
    pub(crate) presented: RefreshHash,
    pub(crate) next: RefreshHash,
    pub(crate) expires_at: LogTime,
}

/// Every device of an account that is logged in.
pub(crate) fn devices(
    view: &(impl proto::store::View + ?Sized),
    user: &UserId,
) -> Vec<(DeviceId, Device)> {
    let prefix = key::of_user(table::DEVICE, user);
    tx::rows(view, &prefix, SESSIONS_MAX, |rest| DeviceId::try_from(rest.text()?).ok())
}

/// Logs a device in and ends the log-ins that cannot live beside it.
pub(crate) fn login(tx: &mut Tx<'_>, user: &UserId, login: &Login) -> Result<Reply, Reject> {
    let mut account = active(tx, user)?;
    check::within(Part::Name, login.name.len(), NAME_BYTES_MAX)?;
    let reply = Reply::LoggedIn { session: login.session, epoch: account.epoch };
    if account.sessions.contains(&login.session) {
        // The same request again; a session minted twice is refused.
        let device = tx.read(&key::device(user, &login.device));
        let same = device.is_some_and(|device| device.session == login.session);
        return if same { Ok(reply) } else { Err(Reject::SessionEnded) };
    }
    let policy = tx::settings(tx).devices;
    let mut living = devices(tx, user);
    living.sort_by_key(|(_, device)| (device.since, device.session));
    let mut count = living.len();
    for (id, device) in &living {
        let conflicts = *id == login.device
            || device.expires_at <= tx.at
            || excludes(policy, login.platform, device.platform);
        if conflicts || count >= SESSIONS_MAX {
            end(tx, user, &mut account, (id, device.session), SessionEnd::Replaced);
            count -= 1;
        }
    }
    let device = Device {
        session: login.session,
        platform: login.platform,
        name: login.name.clone(),
        since: tx.at,
        refreshed_at: tx.at,
        expires_at: login.expires_at,
        refresh: login.refresh,
        refresh_before: Vec::new(),
    };
    tx.put(key::device(user, &login.device), &device);
    account.sessions.push(login.session);
    tx.put(key::account(user), &account);
    tx.changed(user, Entity::Device(login.device.clone()));
    Ok(reply)
}

/// Whether a log-in on the one platform ends one on the other.
fn excludes(policy: DevicePolicy, one: Platform, other: Platform) -> bool {
    let is_web = |platform| platform == Platform::Web;
    match policy {
        DevicePolicy::Single => true,
        DevicePolicy::Dual => is_web(one) == is_web(other),
        DevicePolicy::Triple => class(one) == class(other),
        DevicePolicy::Multi => false,
    }
}

/// Browsers, mobiles and desktops.
const fn class(platform: Platform) -> u8 {
    match platform {
        Platform::Web => 0,
        Platform::Ios | Platform::Android => 1,
        Platform::Windows | Platform::Mac | Platform::Linux | Platform::Other => 2,
    }
}

/// Changes the refresh token. One that was used before ends the log-in: somebody copied it. Only the last one may
/// come again for a moment, because its answer may have been lost.
pub(crate) fn refresh(
    tx: &mut Tx<'_>,
    user: &UserId,
    id: &DeviceId,
    change: &Refresh,
) -> Result<Reply, Reject> {
    let mut account = active(tx, user)?;
    let row = key::device(user, id);
    let device = tx.read(&row).filter(|device| device.session == change.session);
    let mut device = device.ok_or(Reject::SessionEnded)?;
    if device.expires_at <= tx.at {
        return Err(Reject::SessionEnded);
    }
    let reply = Reply::Refreshed { epoch: account.epoch };
    let was_last = device.refresh_before.first() == Some(&change.presented);
    if was_last && device.refresh == change.next {
        return Ok(reply);
    }
    if change.presented == device.refresh {
        device.refresh_before.insert(0, device.refresh);
        device.refresh_before.truncate(REFRESH_KEPT);
        device.refreshed_at = tx.at;
    } else if !(was_last && tx.at.since(device.refreshed_at) < REFRESH_GRACE) {
        if !device.refresh_before.contains(&change.presented) {
            return Err(Reject::RefreshInvalid);
        }
        end(tx, user, &mut account, (id, device.session), SessionEnd::Reused);
        tx.put(key::account(user), &account);
        return Ok(Reply::Reused);
    }
    device.refresh = change.next;
    device.expires_at = change.expires_at;
    tx.put(row, &device);
    Ok(reply)
}

/// Ends one log-in.
pub(crate) fn logout(tx: &mut Tx<'_>, user: &UserId, session: SessionId) -> Result<Reply, Reject> {
    let mut account = existing(tx, user)?;
    let found = devices(tx, user).into_iter().find(|(_, device)| device.session == session);
    if let Some((id, _)) = found {
        end(tx, user, &mut account, (&id, session), SessionEnd::LoggedOut);
        tx.put(key::account(user), &account);
    }
    Ok(Reply::Done)
}

/// Ends all log-ins but the one to keep. The caller writes the account.
pub(crate) fn end_all(
    tx: &mut Tx<'_>,
    user: &UserId,
    account: &mut Account,
    keep: Keep,
    why: SessionEnd,
) {
    for (id, device) in devices(tx, user) {
        if keep != Keep::Session(device.session) {
            end(tx, user, account, (&id, device.session), why);
        }
    }
}

fn end(
    tx: &mut Tx<'_>,
    user: &UserId,
    account: &mut Account,
    (id, session): (&DeviceId, SessionId),
    reason: SessionEnd,
) {
    tx.remove(key::device(user, id));
    account.sessions.retain(|living| *living != session);
    let (user_told, device) = (user.clone(), id.clone());
    tx.tell(Event::SessionEnded { user: user_told, device, session, reason });
    tx.changed(user, Entity::Device(id.clone()));
}

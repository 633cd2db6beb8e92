//! Who orders a live room: a lease that is taken by comparing epochs, renewed, and forgotten when it is not.

use proto::{
    im::{
        Event, Reject, Reply,
        limit::{LIVE_LEASE_KEPT, LIVE_LEASES_MAX},
        live::{LiveAction, LiveLease, LiveRoom},
        reject::Many,
    },
    time::LogTime,
};
use serde::{Deserialize, Serialize};

use crate::{
    asker::Asker,
    key,
    tx::Tx,
    wheel::{self, Task},
};

/// What is known of all leases together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LiveTally {
    /// How many there are.
    pub(crate) leases: u32,
    /// The last epoch that was given.
    pub(crate) epoch: u64,
}

pub(crate) fn act(
    tx: &mut Tx<'_>,
    asker: &Asker,
    room: &LiveRoom,
    action: &LiveAction,
) -> Result<Reply, Reject> {
    asker.backend_only()?;
    let lease = tx.read(&key::live(room));
    match action {
        LiveAction::Take { holder, instead_of } => match lease {
            Some(LiveLease { epoch, .. }) if *instead_of != Some(epoch) => {}
            lease => {
                let epoch = next_epoch(tx, lease.is_none())?;
                let taken = LiveLease { holder: *holder, epoch, until: tx.at + LIVE_LEASE_KEPT };
                file(tx, room, lease.as_ref(), &taken);
                tx.tell(Event::LiveHeld { room: room.clone(), lease: taken });
            }
        },
        LiveAction::Renew { holder, epoch } => {
            if let Some(lease) = lease
                && (lease.holder, lease.epoch) == (*holder, *epoch)
            {
                let renewed = LiveLease { until: tx.at + LIVE_LEASE_KEPT, ..lease };
                file(tx, room, Some(&lease), &renewed);
            }
        }
        LiveAction::End { epoch } => {
            if let Some(lease) = lease
                && epoch.is_none_or(|epoch| epoch == lease.epoch)
            {
                end(tx, room, &lease, epoch.is_none());
            }
        }
    }
    Ok(Reply::Live(tx.read(&key::live(room))))
}

/// A lease that was not renewed is forgotten.
pub(crate) fn expire(tx: &mut Tx<'_>, room: &LiveRoom) {
    let lease: Option<LiveLease> = tx.read(&key::live(room));
    if let Some(lease) = lease.filter(|lease| lease.until <= tx.at) {
        end(tx, room, &lease, false);
    }
}

fn next_epoch(tx: &mut Tx<'_>, is_new: bool) -> Result<u64, Reject> {
    let mut tally = tx.read(&key::live_tally()).unwrap_or_default();
    if is_new {
        if tally.leases >= LIVE_LEASES_MAX {
            let limit = LIVE_LEASES_MAX;
            return Err(Reject::TooMany { what: Many::LiveRooms, limit });
        }
        tally.leases += 1;
    }
    tally.epoch = tx.at.0.max(tally.epoch.saturating_add(1));
    tx.put(key::live_tally(), &tally);
    Ok(tally.epoch)
}

fn file(tx: &mut Tx<'_>, room: &LiveRoom, before: Option<&LiveLease>, lease: &LiveLease) {
    unfile(tx, room, before.map(|before| before.until));
    wheel::file(tx, lease.until, &Task::LiveLease(room.clone()));
    tx.put(key::live(room), lease);
}

fn unfile(tx: &mut Tx<'_>, room: &LiveRoom, due: Option<LogTime>) {
    if let Some(due) = due {
        wheel::unfile(tx, due, &Task::LiveLease(room.clone()));
    }
}

fn end(tx: &mut Tx<'_>, room: &LiveRoom, lease: &LiveLease, closed: bool) {
    unfile(tx, room, Some(lease.until));
    tx.remove(key::live(room));
    let mut tally = tx.read(&key::live_tally()).unwrap_or_default();
    tally.leases = tally.leases.saturating_sub(1);
    tx.put(key::live_tally(), &tally);
    tx.tell(Event::LiveEnded { room: room.clone(), epoch: lease.epoch, closed });
}

//! Who orders a live room: a lease that is taken by comparing epochs, renewed, and forgotten when it is not.

use proto::{
    im::{
        Event, Reject, Reply,
        limit::{LIVE_LEASE_KEPT, LIVE_LEASES_MAX, LIVE_RESTRAINED_MAX},
        live::{LIVE_ROOM_BYTES_MAX, LiveAction, LiveLease, LiveRoom, Restraint},
        reject::{Many, Part},
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
                let due = lease.as_ref().map(|lease| lease.until);
                let restrained = lease.map(|lease| lease.restrained).unwrap_or_default();
                let until = tx.at + LIVE_LEASE_KEPT;
                let taken = LiveLease { holder: *holder, epoch, until, restrained };
                file(tx, room, due, &taken);
                tx.tell(Event::LiveHeld { room: room.clone(), lease: taken });
            }
        },
        LiveAction::Renew { holder, epoch } => {
            if let Some(lease) = lease
                && (lease.holder, lease.epoch) == (*holder, *epoch)
            {
                let due = lease.until;
                let renewed = LiveLease { until: tx.at + LIVE_LEASE_KEPT, ..lease };
                file(tx, room, Some(due), &renewed);
            }
        }
        LiveAction::End { epoch } => {
            if let Some(lease) = lease
                && epoch.is_none_or(|epoch| epoch == lease.epoch)
            {
                end(tx, room, &lease, epoch.is_none());
            }
        }
        LiveAction::Restrain(restraint) => {
            if let Some(lease) = lease {
                restrain(tx, room, lease, restraint)?;
            }
        }
    }
    Ok(Reply::Live(tx.read(&key::live(room))))
}

fn restrain(
    tx: &mut Tx<'_>,
    room: &LiveRoom,
    mut lease: LiveLease,
    restraint: &Restraint,
) -> Result<(), Reject> {
    if restraint.who.is_empty() || restraint.who.len() > LIVE_ROOM_BYTES_MAX {
        let (bytes, limit) = (restraint.who.len(), LIVE_ROOM_BYTES_MAX);
        return Err(Reject::Length { part: Part::Name, bytes, limit });
    }
    let is_other = |other: &Restraint| {
        other.until > tx.at && (&other.who, other.guest) != (&restraint.who, restraint.guest)
    };
    lease.restrained.retain(is_other);
    if restraint.until > tx.at {
        if lease.restrained.len() >= LIVE_RESTRAINED_MAX {
            let limit = u32::try_from(LIVE_RESTRAINED_MAX).unwrap_or(u32::MAX);
            return Err(Reject::TooMany { what: Many::LiveRestrained, limit });
        }
        lease.restrained.push(restraint.clone());
    }
    tx.put(key::live(room), &lease);
    tx.tell(Event::LiveHeld { room: room.clone(), lease });
    Ok(())
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

fn file(tx: &mut Tx<'_>, room: &LiveRoom, before: Option<LogTime>, lease: &LiveLease) {
    unfile(tx, room, before);
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

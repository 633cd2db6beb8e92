//! What holds of the leases of live rooms.

use alloc::collections::{BTreeMap, BTreeSet};

use proto::{
    im::{LiveLease, LiveRoom},
    store::View,
};

use super::{Broken, Rule, all, hold};
use crate::{
    key::{self, table},
    tx,
    wheel::Task,
};

pub(super) fn check(view: &dyn View) -> Result<(), Broken> {
    let leases: BTreeMap<LiveRoom, LiveLease> =
        all(view, table::LIVE, |rest| LiveRoom::try_from(rest.text()?).ok())?;
    let tally = tx::read(view, &key::live_tally()).unwrap_or_default();
    let counted = u32::try_from(leases.len()).is_ok_and(|count| count == tally.leases);
    hold(Rule::Live, counted, || key::live_tally().into_bytes())?;
    let mut epochs = BTreeSet::new();
    for (room, lease) in &leases {
        let due = key::wheel(lease.until, &Task::LiveLease(room.clone()));
        let is_filed = view.get(due.bytes()).is_some();
        let is_fresh = lease.epoch <= tally.epoch && epochs.insert(lease.epoch);
        hold(Rule::Live, is_filed && is_fresh, || key::live(room).into_bytes())?;
    }
    Ok(())
}

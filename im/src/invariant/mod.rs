//! What holds after every command. Found broken, a replica must stop rather than spread it.

mod account;
mod conversation;
mod group;
mod live;

use alloc::{collections::BTreeMap, vec::Vec};
use core::fmt;

use proto::store::{Direction, Scan, View};
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::{
    key::{Key, Rest},
    tx,
};

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Every key can be read, and belongs to a row that belongs to something.
    Filed,
    /// An account's live log-ins are those of its devices.
    Sessions,
    /// Both sides of a friendship agree.
    Friends,
    /// Both sides of a request agree, and the day it ends is filed.
    Requests,
    /// Both sides of a follow agree.
    Follows,
    /// What is counted of an account is what there is.
    Tally,
    /// A change log has one row for each thing, and both of its indexes agree.
    ChangeLog,
    /// Both indexes of a membership agree.
    Membership,
    /// A group has exactly one owner, private ones at most one, and who it is agrees with its members.
    Owner,
    /// What the head counts of members is what there is.
    Head,
    /// Messages are dense from the first that is kept to the head.
    Dense,
    /// What counts as unread is counted right, at the head, at each message and at each cursor.
    Counted,
    /// Cursors do not pass the head, and what was read was received.
    Cursors,
    /// Every changed message stands once in the order of changes.
    Revisions,
    /// A client's key leads to the message that was sent with it.
    Keys,
    /// Reactions, pins and earlier forms agree with their message.
    Extras,
    /// Leases of live rooms are counted right, differ in their epochs, and their ends are filed.
    Live,
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{rule:?} is broken at {}", Bytes(.key))]
pub struct Broken {
    /// Which rule.
    pub rule: Rule,
    /// The key, or prefix, of the rows where it shows.
    pub key: Vec<u8>,
}

/// Shows a key.
struct Bytes<'a>(&'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

/// Checks everything that must hold. Costs time and memory in proportion to the whole state.
///
/// # Errors
/// The first rule that is found broken.
///
/// # Panics
/// When a row cannot be read: the replica is damaged.
pub fn check_invariants(view: &dyn View) -> Result<(), Broken> {
    account::check(view)?;
    conversation::check(view)?;
    group::check(view)?;
    live::check(view)
}

/// Whether a rule holds at a key.
fn hold(rule: Rule, holds: bool, key: impl FnOnce() -> Vec<u8>) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken { rule, key: key() }) }
}

/// Every row of a table; a key that cannot be read is a broken invariant.
fn all<K: Ord, V: DeserializeOwned>(
    view: &dyn View,
    table: u8,
    parse: impl Fn(&mut Rest<'_>) -> Option<K>,
) -> Result<BTreeMap<K, V>, Broken> {
    let prefix = Key::of(table).bytes();
    let mut rows = BTreeMap::new();
    let mut unreadable = None;
    view.scan_prefix(&prefix, Direction::Up, &mut |key, value| {
        let mut rest = Rest::of(key, &prefix);
        match parse(&mut rest) {
            Some(id) if rest.raw().is_empty() => {
                rows.insert(id, tx::decode(value));
                Scan::More
            }
            Some(_) | None => {
                unreadable = Some(key.to_vec());
                Scan::Enough
            }
        }
    });
    match unreadable {
        None => Ok(rows),
        Some(key) => Err(Broken { rule: Rule::Filed, key }),
    }
}

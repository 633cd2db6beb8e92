//! Attributes, changed only if nobody else did, and counters.

use alloc::{borrow::ToOwned, string::String};

use proto::im::{
    ClientKey, Reject, Reply, Role,
    event::GroupPart,
    group::Attribute,
    limit::{
        ATTRIBUTE_BYTES_MAX, ATTRIBUTES_BYTES_MAX, ATTRIBUTES_MAX, COUNTERS_MAX, KEY_BYTES_MAX,
    },
    reject::{Many, Part},
};

use super::{Attributes, Counters, Open};
use crate::{
    check, key,
    keyed::{self, Done},
    tx::Tx,
};

/// Changes an attribute, or removes it.
pub(crate) fn set(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    name: &String,
    value: Option<&String>,
    expected: Option<u64>,
) -> Result<Reply, Reject> {
    open.editors_only()?;
    check::filled(Part::Attribute, name.len(), KEY_BYTES_MAX)?;
    let row = key::attributes(open.id);
    let mut attributes: Attributes = tx.read(&row).unwrap_or_default();
    let before = attributes.get(name);
    let version = before.map_or(0, |attribute| attribute.version);
    if before.map(|attribute| &attribute.value) == value {
        return Ok(Reply::Attribute { version });
    }
    if expected.is_some_and(|expected| expected != version) {
        return Err(Reject::AttributeChanged { version });
    }
    open.changed_key(tx, GroupPart::Attributes, None, Some(name));
    let version = match value {
        Some(value) => {
            check::within(Part::Attribute, value.len(), ATTRIBUTE_BYTES_MAX)?;
            let version = open.head.version;
            attributes.insert(name.clone(), Attribute { value: value.clone(), version });
            version
        }
        None => {
            attributes.remove(name);
            0
        }
    };
    check::at_most(Many::Attributes, attributes.len(), ATTRIBUTES_MAX)?;
    let bytes = attributes.iter().map(|(key, attribute)| key.len() + attribute.value.len()).sum();
    check::within(Part::Attribute, bytes, ATTRIBUTES_BYTES_MAX)?;
    tx.put(row, &attributes);
    Ok(Reply::Attribute { version })
}

/// Adds to a counter, once for each key.
pub(crate) fn count(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    name: &str,
    add: i64,
    client_key: ClientKey,
) -> Result<Reply, Reject> {
    let user = open.asker.user()?;
    open.members_only()?;
    check::filled(Part::Attribute, name.len(), KEY_BYTES_MAX)?;
    match keyed::find(tx, &open.conversation, user, client_key) {
        None => {}
        Some(Done::Counted { value }) => return Ok(Reply::Counter { value }),
        Some(Done::Sent { .. }) => return Err(Reject::KeyUsed),
    }
    let row = key::counters(open.id);
    let mut counters: Counters = tx.read(&row).unwrap_or_default();
    let counter = counters.entry(name.to_owned()).or_default();
    let value = counter.checked_add(add).ok_or(Reject::CounterOverflow)?;
    *counter = value;
    check::at_most(Many::Attributes, counters.len(), COUNTERS_MAX)?;
    tx.put(row, &counters);
    keyed::remember(tx, &open.conversation, user, client_key, &Done::Counted { value });
    open.changed_key(tx, GroupPart::Counters, None, Some(name));
    Ok(Reply::Counter { value })
}

/// Removes a counter. Administrators.
pub(crate) fn remove_counter(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    name: &String,
) -> Result<Reply, Reject> {
    open.at_least(Role::Admin)?;
    let row = key::counters(open.id);
    let mut counters: Counters = tx.read(&row).unwrap_or_default();
    if counters.remove(name).is_some() {
        tx.put(row, &counters);
        open.changed_key(tx, GroupPart::Counters, None, Some(name));
    }
    Ok(Reply::Done)
}

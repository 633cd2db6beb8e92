//! Lengths of what people write.

use alloc::collections::BTreeMap;

use proto::im::{
    Reject,
    limit::{CUSTOM_BYTES_MAX, KEY_BYTES_MAX},
    reject::{Many, Part},
};

/// At most so many bytes or items.
pub(crate) const fn within(part: Part, bytes: usize, limit: usize) -> Result<(), Reject> {
    if bytes > limit { Err(Reject::Length { part, bytes, limit }) } else { Ok(()) }
}

/// At least one and at most so many bytes.
pub(crate) const fn filled(part: Part, bytes: usize, limit: usize) -> Result<(), Reject> {
    if bytes == 0 { Err(Reject::Length { part, bytes, limit }) } else { within(part, bytes, limit) }
}

/// Fewer than `limit`, so that there is room for another.
pub(crate) const fn room(what: Many, count: u32, limit: u32) -> Result<(), Reject> {
    if count >= limit { Err(Reject::TooMany { what, limit }) } else { Ok(()) }
}

/// Not more than `limit`.
pub(crate) fn at_most(what: Many, count: usize, limit: usize) -> Result<(), Reject> {
    let limit_said = u32::try_from(limit).unwrap_or(u32::MAX);
    if count > limit { Err(Reject::TooMany { what, limit: limit_said }) } else { Ok(()) }
}

/// A key and its value.
pub(crate) fn field(key: &str, value: &str) -> Result<(), Reject> {
    filled(Part::Custom, key.len(), KEY_BYTES_MAX)?;
    within(Part::Custom, value.len(), CUSTOM_BYTES_MAX)
}

/// Sets fields, or removes those without a value.
pub(crate) fn change_fields(
    fields: &mut BTreeMap<alloc::string::String, alloc::string::String>,
    changes: &BTreeMap<alloc::string::String, Option<alloc::string::String>>,
    limit: usize,
) -> Result<(), Reject> {
    for (key, value) in changes {
        match value {
            Some(value) => {
                field(key, value)?;
                fields.insert(key.clone(), value.clone());
            }
            None => {
                fields.remove(key);
            }
        }
    }
    at_most(Many::Fields, fields.len(), limit)
}

//! What people may send.

use proto::im::{
    Content, MessageOptions, Reject,
    limit::{
        CONTENT_BYTES_MAX, MENTIONS_MAX, MERGED_BYTES_MAX, MERGED_MAX, MESSAGE_DATA_BYTES_MAX,
        TTL_MAX,
    },
    message::{File, Picture},
    reject::{Many, Part},
};

use crate::check;

/// Refuses content that is empty, too large, or not for people to send.
pub(crate) fn check(content: &Content) -> Result<(), Reject> {
    let limit = match content {
        Content::Merged { .. } => MERGED_BYTES_MAX,
        _ => CONTENT_BYTES_MAX,
    };
    check::filled(Part::Content, bytes(content), limit)?;
    let is_valid = match content {
        Content::Text { .. } => true,
        Content::Image { file, .. }
        | Content::Voice { file, .. }
        | Content::Video { file, .. }
        | Content::File { file } => !file.url.is_empty(),
        Content::Location { latitude_e6, longitude_e6, .. } => {
            latitude_e6.unsigned_abs() <= 90_000_000 && longitude_e6.unsigned_abs() <= 180_000_000
        }
        Content::Custom { kind, .. } => !kind.is_empty(),
        Content::Merged { items, .. } => !items.is_empty() && items.len() <= MERGED_MAX,
        Content::Tip(_) => false,
    };
    if is_valid { Ok(()) } else { Err(Reject::ContentInvalid) }
}

/// Refuses options that are too large.
pub(crate) fn check_options(options: &MessageOptions) -> Result<(), Reject> {
    check::within(Part::Data, options.data.len(), MESSAGE_DATA_BYTES_MAX)?;
    check::at_most(Many::Mentions, options.mentions.users.len(), MENTIONS_MAX)?;
    match options.ttl {
        Some(ttl) if ttl.is_zero() || ttl > TTL_MAX => {
            let seconds =
                |time: core::time::Duration| usize::try_from(time.as_secs()).unwrap_or(usize::MAX);
            let (bytes, limit) = (seconds(ttl), seconds(TTL_MAX));
            Err(Reject::Length { part: Part::Ttl, bytes, limit })
        }
        Some(_) | None => Ok(()),
    }
}

/// How large a content is: its texts and bytes, numbers not counted.
fn bytes(content: &Content) -> usize {
    match content {
        Content::Text { text } => text.len(),
        Content::Image { file, picture } | Content::Video { file, picture, .. } => {
            of_file(file) + of_picture(picture)
        }
        Content::Voice { file, .. } | Content::File { file } => of_file(file),
        // A place without a title is one nevertheless.
        Content::Location { title, .. } => title.len() + 1,
        Content::Custom { kind, data, summary } => kind.len() + data.len() + summary.len(),
        Content::Merged { title, items } => {
            let of_items = items.iter().map(|item| item.sender.len() + item.text.len());
            title.len() + of_items.sum::<usize>()
        }
        Content::Tip(_) => 1,
    }
}

const fn of_file(file: &File) -> usize {
    file.url.len() + file.name.len() + file.mime.len() + file.digest.len()
}

const fn of_picture(picture: &Picture) -> usize {
    picture.thumbnail.len()
}

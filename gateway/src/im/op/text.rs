//! Small things of requests: ids, keys, pages, cursors.

use std::{collections::BTreeMap, str::FromStr};

use proto::{
    im::{
        id::{ClientKey, ConversationId, GroupId, Sequence, SessionId, UserId},
        limit::PAGE_MAX,
        query::{HeadCursor, ListPlace, PageOf, Search, SearchPlace},
    },
    time::LogTime,
};

use crate::{error::Error, im::wire::pb};

/// Rows of a page where the request does not say.
const PAGE: usize = 50;

pub(crate) fn user(text: &str) -> Result<UserId, Error> {
    text.parse().map_err(|_| Error::Malformed("user is not an id"))
}

pub(crate) fn group(text: &str) -> Result<GroupId, Error> {
    text.parse().map_err(|_| Error::Malformed("group is not an id"))
}

pub(crate) fn conversation(text: &str) -> Result<ConversationId, Error> {
    text.parse().map_err(|_| Error::Malformed("conversation is not an id"))
}

pub(crate) fn session(text: &str) -> Result<SessionId, Error> {
    let malformed = || Error::Malformed("session is not an id");
    let digits = text.strip_prefix("se_").ok_or_else(malformed)?;
    u64::from_str_radix(digits, 16).map(SessionId).map_err(|_| malformed())
}

pub(crate) fn users<C: FromIterator<UserId>>(texts: &[String]) -> Result<C, Error> {
    texts.iter().map(|text| user(text)).collect()
}

/// A client's key has 16 bytes; without one, `fresh` is used and repeating the request is not harmless.
pub(crate) fn key(bytes: &[u8], fresh: ClientKey) -> Result<ClientKey, Error> {
    if bytes.is_empty() {
        return Ok(fresh);
    }
    let key = bytes.try_into().map_err(|_| Error::Malformed("key has other than 16 bytes"))?;
    Ok(ClientKey(key))
}

pub(crate) const fn limit(asked: u32) -> usize {
    match asked as usize {
        0 => PAGE,
        asked if asked > PAGE_MAX => PAGE_MAX,
        asked => asked,
    }
}

pub(crate) fn page<K: FromStr>(after: &str, asked: u32) -> Result<PageOf<K>, Error> {
    let after = if after.is_empty() {
        None
    } else {
        Some(after.parse().map_err(|_| Error::Malformed("after is not from an earlier page"))?)
    };
    Ok(PageOf { after, limit: limit(asked) })
}

/// Empty values remove.
pub(crate) fn fields(set: BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    set.into_iter().map(|(key, value)| (key, (!value.is_empty()).then_some(value))).collect()
}

pub(crate) fn place_text(place: &ListPlace) -> String {
    format!("{}.{}.{}", u8::from(place.pinned), place.at.0, place.conversation)
}

pub(crate) fn place(after: &str, asked: u32) -> Result<PageOf<ListPlace>, Error> {
    let read = || {
        let mut parts = after.splitn(3, '.');
        let pinned = match parts.next()? {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        let at = LogTime(parts.next()?.parse().ok()?);
        Some(ListPlace { pinned, at, conversation: parts.next()?.parse().ok()? })
    };
    let malformed = Error::Malformed("after is not from an earlier page");
    let after = if after.is_empty() { None } else { Some(read().ok_or(malformed)?) };
    Ok(PageOf { after, limit: limit(asked) })
}

pub(crate) fn heads_text(heads: &HeadCursor) -> String {
    let after = heads.after.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{}.{after}", heads.at.0)
}

pub(crate) fn heads(text: &str) -> Result<HeadCursor, Error> {
    if text.is_empty() {
        return Ok(HeadCursor::default());
    }
    let read = || {
        let (at, after) = text.split_once('.')?;
        let after = if after.is_empty() { None } else { Some(after.parse().ok()?) };
        Some(HeadCursor { at: LogTime(at.parse().ok()?), after })
    };
    read().ok_or(Error::Malformed("heads is not from an earlier answer"))
}

/// What to search for, and how far an earlier answer came: `conversation.before`.
pub(crate) fn search(user: UserId, asked: pb::Search) -> Result<Search, Error> {
    let read = || {
        let (conversation, before) = asked.after.rsplit_once('.')?;
        let before = Sequence(before.parse().ok()?);
        Some(SearchPlace { conversation: conversation.parse().ok()?, before })
    };
    let malformed = Error::Malformed("after is not from an earlier answer");
    let after = if asked.after.is_empty() { None } else { Some(read().ok_or(malformed)?) };
    let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(Search {
        user,
        conversation: named(&asked.conversation).map(|id| conversation(&id)).transpose()?,
        sender: named(&asked.sender).map(|id| self::user(&id)).transpose()?,
        after,
        limit: limit(asked.limit),
        words: asked.words,
    })
}

pub(crate) fn search_text(place: &SearchPlace) -> String {
    format!("{}.{}", place.conversation, place.before.0)
}

pub(crate) fn sequences<C: FromIterator<Sequence>>(seqs: &[u64]) -> C {
    seqs.iter().copied().map(Sequence).collect()
}

//! Reading. Answers are computed from the rows as they are; nothing is written.

mod account;
mod conversation;
mod group;
mod history;
mod relation;
mod search;
mod sync;

use alloc::vec::Vec;

use proto::{
    im::{
        Answer, Ask, Member, Query, Reject, UserId,
        limit::PAGE_MAX,
        query::{Page, PageOf},
    },
    store::{Direction, Scan, View, after_prefix},
    time::LogTime,
};
use serde::de::DeserializeOwned;

use crate::{
    key::{self, Rest},
    tx, wheel,
};

/// Answers a question. `at` is the time now, as far as it is known; only what ends by itself depends on it.
///
/// # Errors
/// A [`Reject`] says why the viewer may not know, or what is not there.
///
/// # Panics
/// When a row cannot be read: the replica is damaged and must not go on.
pub fn query(view: &dyn View, at: LogTime, query: &Query) -> Result<Answer, Reject> {
    let reader = Reader { view, at, viewer: query.viewer.as_ref() };
    match &query.ask {
        Ask::Settings => Ok(Answer::Settings(tx::settings(view))),
        Ask::NextDue => {
            reader.backend_only()?;
            Ok(Answer::NextDue(wheel::next_due(view)))
        }
        Ask::Account(_)
        | Ask::Credential(_)
        | Ask::Access { .. }
        | Ask::Devices(_)
        | Ask::Accounts(_)
        | Ask::Tally(_)
        | Ask::Profiles(_) => account::answer(&reader, &query.ask),
        Ask::Relation { .. }
        | Ask::Friends(..)
        | Ask::FriendGroups(_)
        | Ask::RequestsIn(..)
        | Ask::RequestsOut(..)
        | Ask::Blocks(..)
        | Ask::Following(..)
        | Ask::Followers(..) => relation::answer(&reader, &query.ask),
        Ask::Conversations(..)
        | Ask::Conversation(..)
        | Ask::Memberships(_)
        | Ask::Unread(_)
        | Ask::Mentions(..) => conversation::answer(&reader, &query.ask),
        Ask::Sync(from) => sync::answer(&reader, from),
        Ask::Search(search) => search::answer(&reader, search),
        Ask::History { .. }
        | Ask::Revisions { .. }
        | Ask::Message(..)
        | Ask::Edits(..)
        | Ask::Reactions(..)
        | Ask::Receipts(..)
        | Ask::Cursors(..)
        | Ask::Pins(_) => history::answer(&reader, &query.ask),
        Ask::Group(_)
        | Ask::Groups(_)
        | Ask::Members(..)
        | Ask::Member(..)
        | Ask::JoinRequests(..)
        | Ask::Bans(..)
        | Ask::Attributes(_)
        | Ask::Counters(_) => group::answer(&reader, &query.ask),
    }
}

/// Who reads what, when.
struct Reader<'a> {
    view: &'a dyn View,
    at: LogTime,
    /// `None`: the back end.
    viewer: Option<&'a UserId>,
}

impl Reader<'_> {
    fn read<T: DeserializeOwned>(&self, row: &key::Row<T>) -> Option<T> {
        tx::read(self.view, row)
    }

    /// Refuses users.
    const fn backend_only(&self) -> Result<(), Reject> {
        if self.viewer.is_none() { Ok(()) } else { Err(Reject::NotPermitted) }
    }

    /// Refuses all users but this one.
    fn only(&self, user: &UserId) -> Result<(), Reject> {
        let is_own = self.viewer.is_none_or(|viewer| viewer == user);
        if is_own { Ok(()) } else { Err(Reject::NotPermitted) }
    }

    /// One page of rows with a prefix, by an id that follows it.
    fn page<K, V: DeserializeOwned>(
        &self,
        prefix: &[u8],
        after: Option<&str>,
        limit: usize,
        parse: impl Fn(&mut Rest<'_>) -> Option<K>,
    ) -> Page<K, V> {
        let limit = limit.clamp(1, PAGE_MAX);
        let mut page = Page { rows: Vec::new(), more: false };
        let (from, to) = (key::after(prefix, after), after_prefix(prefix));
        self.view.scan(&from, &to, Direction::Up, &mut |key, value| {
            if page.rows.len() >= limit {
                page.more = true;
                return Scan::Enough;
            }
            if let Some(key) = parse(&mut Rest::of(key, prefix)) {
                page.rows.push((key, tx::decode(value)));
            }
            Scan::More
        });
        page
    }

    /// One page of rows of a user's or a group's, by user.
    fn users<V: DeserializeOwned>(&self, prefix: &[u8], page: &PageOf<UserId>) -> Page<UserId, V> {
        self.page(prefix, page.after.as_ref().map(UserId::as_str), page.limit, |rest| rest.user())
    }

    /// The viewer's part in a conversation: `Ok(None)` for the back end.
    fn share(&self, conversation: &proto::im::ConversationId) -> Result<Option<Member>, Reject> {
        let Some(viewer) = self.viewer else {
            return Ok(None);
        };
        let member = self.read(&key::member(conversation, viewer));
        member.map(Some).ok_or(Reject::ConversationNotFound)
    }
}

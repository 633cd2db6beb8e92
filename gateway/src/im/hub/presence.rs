//! How users are: soft state, told to those who watch, at most once a second for each user, absence after a while.

use std::{collections::BTreeSet, time::Duration};

use proto::{id::NodeId, im::id::UserId};
use tokio::time::Instant;

use super::{Hub, SUBSCRIPTIONS_MAX};
use crate::im::{
    outbox::Item,
    wire::{
        Encoded,
        pb::{self, server_frame::Body},
    },
};

/// Changes wait for this long, so that several become one.
pub const COALESCE_FOR: Duration = Duration::from_secs(1);
/// Somebody whose last socket broke is online for this long: most come back at once.
pub const OFFLINE_AFTER: Duration = Duration::from_secs(5);
/// Other nodes are told again how users are here, in case they came later or a frame was lost.
pub const REFRESH_EVERY: Duration = Duration::from_secs(30);
/// What another node told is believed for this long: it may have died without a word.
pub const BELIEVED_FOR: Duration = Duration::from_secs(90);
/// What a node told before its link broke is believed for this long once another link is up.
pub const DOUBTED_FOR: Duration = Duration::from_secs(5);
/// Longest text beside a status, in bytes.
pub const TEXT_BYTES_MAX: usize = 64;
/// Users in one frame to another node.
const RELAYED_MAX: usize = 500;

/// How a user wishes to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The status; `Offline` is no wish.
    pub status: pb::Status,
    /// Words beside it.
    pub text: String,
}

impl Default for Wish {
    fn default() -> Self {
        Self { status: pb::Status::Online, text: String::new() }
    }
}

impl Wish {
    /// As another node tells it.
    #[must_use]
    pub fn read(presence: &pb::Presence) -> Self {
        Self { status: presence.status(), text: presence.text.clone() }
    }

    pub(super) fn told(&self, name: &UserId) -> pb::Presence {
        let status = self.status.into();
        pb::Presence { user: name.to_string(), status, text: self.text.clone() }
    }
}

/// What others see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// The status; never `Invisible`.
    pub status: pb::Status,
    /// Words beside it.
    pub text: String,
}

impl Published {
    fn told(&self, name: &UserId) -> pb::Presence {
        let status = self.status.into();
        pb::Presence { user: name.to_string(), status, text: self.text.clone() }
    }
}

/// A presence that cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceError {
    /// The text is too long.
    TextTooLong,
    /// Being offline is not a wish: disconnect, or be invisible.
    Offline,
    /// Too many users are watched.
    TooMany,
}

impl Hub {
    /// A user here sets how it wishes to be seen. Its own devices are told as it is.
    ///
    /// # Errors
    /// [`PresenceError`]; nothing changes.
    pub fn set_presence(
        &mut self,
        now: Instant,
        name: &UserId,
        wish: Wish,
    ) -> Result<(), PresenceError> {
        if wish.text.len() > TEXT_BYTES_MAX {
            return Err(PresenceError::TextTooLong);
        }
        if wish.status == pb::Status::Offline {
            return Err(PresenceError::Offline);
        }
        self.relay(None, pb::relay::What::Wish(wish.told(name)));
        self.adopt(now, name, wish);
        Ok(())
    }

    pub(super) fn adopt(&mut self, now: Instant, name: &UserId, wish: Wish) {
        let Some(user) = self.users.get_mut(name) else { return };
        let presences = pb::Presences { presences: vec![wish.told(name)] };
        user.wish = wish;
        let mut frame = Encoded::new(Body::Presence(presences));
        self.tell(name, &mut frame, |frame| Item::Presence(frame, name.clone()));
        self.mark(now, name);
    }

    /// A user here watches others. Answers how they are.
    ///
    /// # Errors
    /// [`PresenceError::TooMany`]; nothing changes.
    pub fn watch(
        &mut self,
        name: &UserId,
        others: BTreeSet<UserId>,
    ) -> Result<pb::Presences, PresenceError> {
        let Some(user) = self.users.get_mut(name) else { return Ok(pb::Presences::default()) };
        if user.watches.union(&others).count() > SUBSCRIPTIONS_MAX {
            return Err(PresenceError::TooMany);
        }
        user.watches.extend(others.iter().cloned());
        for other in &others {
            self.watchers.entry(other.clone()).or_default().insert(name.clone());
        }
        Ok(self.presences(&others))
    }

    /// A user here no longer watches others.
    pub fn stop_watching(&mut self, name: &UserId, others: &BTreeSet<UserId>) {
        let Some(user) = self.users.get_mut(name) else { return };
        user.watches.retain(|other| !others.contains(other));
        for other in others {
            self.unwatch(name, other);
        }
    }

    /// How users are, as others see them.
    #[must_use]
    pub fn presences(&self, names: &BTreeSet<UserId>) -> pb::Presences {
        let one = |name: &UserId| self.seen(name).told(name);
        pb::Presences { presences: names.iter().map(one).collect() }
    }

    /// Here or on another node.
    fn seen(&self, name: &UserId) -> Published {
        let here = self.users.get(name).map(|user| &user.told);
        let mut all = here.into_iter().chain(self.elsewhere.presences(name));
        all.find(|seen| seen.status != pb::Status::Offline).cloned().unwrap_or_default()
    }

    /// What others are to see of a user as it is here.
    fn present(&self, now: Instant, name: &UserId) -> Published {
        let Some(user) = self.users.get(name) else { return Published::default() };
        let is_here = user.live > 0 || user.offline_at.is_some_and(|at| at > now);
        if !is_here || user.wish.status == pb::Status::Invisible {
            return Published::default();
        }
        Published { status: user.wish.status, text: user.wish.text.clone() }
    }

    pub(super) fn mark(&mut self, now: Instant, name: &UserId) {
        self.dirty.insert(name.clone());
        self.flush_at.get_or_insert(now + COALESCE_FOR);
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let leaving = self.leaving.first().map(|(at, _)| *at);
        self.flush_at.into_iter().chain(leaving).chain(self.refresh_at).min()
    }

    /// Tells what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, name)) = self.leaving.pop_first() {
            if at > now {
                self.leaving.insert((at, name));
                break;
            }
            // Somebody who came back and went again has a later entry.
            let Some(user) = self.users.get_mut(&name) else { continue };
            if user.offline_at == Some(at) {
                user.offline_at = None;
                self.dirty.insert(name);
                self.flush_at = Some(now);
            }
        }
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.refresh(now);
        }
        if self.flush_at.is_none_or(|at| at > now) {
            return;
        }
        self.flush_at = None;
        self.refresh_at.get_or_insert(now + REFRESH_EVERY);
        let mut news = Vec::new();
        for name in std::mem::take(&mut self.dirty) {
            let present = self.present(now, &name);
            let Some(user) = self.users.get_mut(&name) else { continue };
            if user.told != present {
                user.told = present.clone();
                news.push(present.told(&name));
                self.tell_watchers(&name);
            }
            self.forget_if_gone(&name);
        }
        for some in news.chunks(RELAYED_MAX) {
            let presences = pb::Presences { presences: some.to_vec() };
            self.relay(None, pb::relay::What::Presence(presences));
        }
    }

    pub(super) fn refresh_by(&mut self, at: Instant) {
        self.refresh_at = Some(self.refresh_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Tells other nodes again, and forgets what they did not tell again. With nobody anywhere the clock stops.
    fn refresh(&mut self, now: Instant) {
        self.tell_node(None);
        for (name, node) in self.elsewhere.expired(now) {
            self.change_elsewhere(&name, |hub| hub.elsewhere.forget(&name, node));
        }
        let anybody = !self.users.is_empty() || !self.elsewhere.is_empty();
        self.refresh_at = anybody.then(|| now + REFRESH_EVERY);
    }

    /// Makes a change, and tells those who watch the user if it shows.
    fn change_elsewhere(&mut self, name: &UserId, change: impl FnOnce(&mut Self)) {
        let before = self.seen(name);
        change(self);
        if self.seen(name) != before {
            self.tell_watchers(name);
        }
    }

    fn tell_watchers(&self, name: &UserId) {
        let Some(watchers) = self.watchers.get(name) else { return };
        let presences = pb::Presences { presences: vec![self.seen(name).told(name)] };
        let mut frame = Encoded::new(Body::Presence(presences));
        for watcher in watchers {
            self.tell(watcher, &mut frame, |frame| Item::Presence(frame, name.clone()));
        }
    }

    pub(super) fn handle_presence(&mut self, now: Instant, from: NodeId, presence: &pb::Presence) {
        let Ok(name) = UserId::try_from(presence.user.as_str()) else { return };
        let status = presence.status();
        self.change_elsewhere(&name, |hub| {
            if status == pb::Status::Offline {
                hub.elsewhere.forget(&name, from);
            } else {
                let published = Published { status, text: presence.text.clone() };
                hub.elsewhere.seen(now, from, &name, published);
            }
        });
        self.refresh_by(now + REFRESH_EVERY);
    }

    /// A link to another node came up: it is told how users are here. It may have started anew, so that what it told
    /// before is believed for a moment only, unless it tells it again.
    pub fn node_up(&mut self, now: Instant, node: NodeId) {
        self.tell_node(Some(node));
        if self.elsewhere.doubt(now, node) {
            self.refresh_by(now + DOUBTED_FOR);
        }
    }

    fn tell_node(&mut self, node: Option<NodeId>) {
        let present = |user: &super::User| user.told.status != pb::Status::Offline;
        let here = self.users.iter().filter(|(_, user)| present(user));
        let all: Vec<pb::Presence> = here.map(|(name, user)| user.told.told(name)).collect();
        let wishing = self.users.iter().filter(|(_, user)| user.wish != Wish::default());
        let wishes: Vec<pb::Presence> = wishing.map(|(name, user)| user.wish.told(name)).collect();
        // Wishes first: who comes in there meanwhile is not shown as it does not wish to be.
        for some in wishes.chunks(RELAYED_MAX) {
            let presences = pb::Presences { presences: some.to_vec() };
            self.relay(node, pb::relay::What::Wishes(presences));
        }
        for some in all.chunks(RELAYED_MAX) {
            let presences = pb::Presences { presences: some.to_vec() };
            self.relay(node, pb::relay::What::Presence(presences));
        }
    }

    /// Another node is gone, and with it all who were there: what they were writing, too.
    pub fn node_down(&mut self, now: Instant, node: NodeId) {
        for name in self.elsewhere.users_of(node) {
            self.change_elsewhere(&name, |hub| hub.elsewhere.forget(&name, node));
        }
        for (user, conversation) in self.elsewhere.forget_node(now, node) {
            let push = pb::TypingPush {
                conversation: conversation.to_string(),
                user: user.to_string(),
                typing: false,
            };
            self.tell_typing(&user, &conversation, push);
        }
    }
}

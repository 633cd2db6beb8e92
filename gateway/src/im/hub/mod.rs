//! Who is connected here, and who is told what. Pure: time is an argument, frames leave through mailboxes, and what is
//! for other nodes is collected until the shell takes it.
//!
//! A user's groups are learnt once, when its first session comes ([`Hub::load`]), and kept up by events; until then
//! events about it are noted, because they may be newer than the answer. A frame is encoded once for each codec,
//! whoever gets it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use prost::Message as _;
use proto::{
    id::NodeId,
    im::id::{ConversationId, GroupId, UserId},
};
use tokio::time::Instant;

mod deliver;
mod elsewhere;
pub mod presence;
#[cfg(test)]
mod tests;

use elsewhere::Elsewhere;
use presence::{Published, Wish};

use super::{
    mailbox::{Close, Mailbox},
    outbox::Item,
    port::Relay,
    wire::{
        Encoded,
        pb::{self, server_frame::Body},
    },
};

/// Most sessions of a user on one node; the oldest is closed for a new one.
pub const SESSIONS_MAX: usize = 8;
/// Largest number of members here who are told that somebody writes, or has read, in a group.
pub const CHATTY_MEMBERS_MAX: usize = 100;
/// Most users a user may watch.
pub const SUBSCRIPTIONS_MAX: usize = 500;

/// Who is connected here, and what is known of other nodes.
#[derive(Debug, Default)]
pub struct Hub {
    users: BTreeMap<UserId, User>,
    /// Members of groups who are connected here.
    groups: BTreeMap<GroupId, BTreeSet<UserId>>,
    /// Who here watches whom.
    watchers: BTreeMap<UserId, BTreeSet<UserId>>,
    /// What other nodes told.
    elsewhere: Elsewhere,
    /// Users whose presence may have changed.
    dirty: BTreeSet<UserId>,
    /// Users whose last socket went, by when others are told.
    leaving: BTreeSet<(Instant, UserId)>,
    flush_at: Option<Instant>,
    /// When other nodes are told again how users are here, and what they told is looked through.
    refresh_at: Option<Instant>,
    relays: Vec<Relay>,
}

/// A user with at least one session here, or with one that was here a moment ago.
#[derive(Debug, Default)]
struct User {
    sessions: Vec<Arc<Mailbox>>,
    /// Sessions that have a socket.
    live: usize,
    groups: BTreeSet<GroupId>,
    /// What events said before the groups were known.
    loading: Option<BTreeMap<GroupId, bool>>,
    watches: BTreeSet<UserId>,
    wish: Wish,
    /// What others were told last.
    told: Published,
    /// The last socket went; others are told then.
    offline_at: Option<Instant>,
}

impl Hub {
    /// A session comes in. True: the user's groups are not known, and [`Self::load`] must follow.
    pub fn attach(&mut self, now: Instant, mailbox: Arc<Mailbox>) -> bool {
        let name = mailbox.owner.user.clone();
        let user = self.users.entry(name.clone()).or_default();
        let is_new = user.sessions.is_empty() && user.groups.is_empty();
        for other in &user.sessions {
            if other.owner.device == mailbox.owner.device {
                other.close(Close::Replaced);
            }
        }
        if user.sessions.len() >= SESSIONS_MAX
            && let Some(oldest) = user.sessions.first()
        {
            oldest.close(Close::Replaced);
            user.sessions.remove(0);
        }
        user.sessions.push(mailbox);
        if is_new {
            user.loading.get_or_insert_default();
            user.wish = self.elsewhere.wish(&name).unwrap_or_default();
        }
        let must_load = user.loading.is_some();
        self.connected(now, &name);
        must_load
    }

    /// The user's groups as the node knows them. What events said meanwhile is newer.
    pub fn load(&mut self, name: &UserId, groups: impl IntoIterator<Item = GroupId>) {
        let Some(user) = self.users.get_mut(name) else { return };
        let Some(meanwhile) = user.loading.take() else { return };
        user.groups.extend(groups);
        for (group, is_member) in meanwhile {
            if is_member {
                user.groups.insert(group);
            } else {
                user.groups.remove(&group);
            }
        }
        for group in &user.groups {
            self.groups.entry(group.clone()).or_default().insert(name.clone());
        }
    }

    /// A session's socket is here again.
    pub fn connected(&mut self, now: Instant, name: &UserId) {
        let Some(user) = self.users.get_mut(name) else { return };
        user.live += 1;
        user.offline_at = None;
        if user.live == 1 {
            self.mark(now, name);
        }
    }

    /// A session's socket is gone; the session may come back.
    pub fn disconnected(&mut self, now: Instant, name: &UserId) {
        let Some(user) = self.users.get_mut(name) else { return };
        user.live = user.live.saturating_sub(1);
        if user.live == 0 {
            let at = now + presence::OFFLINE_AFTER;
            user.offline_at = Some(at);
            self.leaving.insert((at, name.clone()));
        }
    }

    /// A session is over.
    pub fn detach(&mut self, mailbox: &Mailbox) {
        let name = &mailbox.owner.user;
        let Some(user) = self.users.get_mut(name) else { return };
        user.sessions.retain(|other| other.id != mailbox.id);
        self.forget_if_gone(name);
    }

    /// The session of that name, if it is the owner's.
    #[must_use]
    pub fn session(&self, name: &UserId, id: u128) -> Option<Arc<Mailbox>> {
        self.users.get(name)?.sessions.iter().find(|mailbox| mailbox.id == id).cloned()
    }

    /// Users and sessions here.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.users.len(), self.users.values().map(|user| user.sessions.len()).sum())
    }

    /// Closes every session: the node is going, or lost track of the log.
    pub fn close_all(&mut self, close: Close) {
        for user in self.users.values() {
            for mailbox in &user.sessions {
                mailbox.close(close);
            }
        }
    }

    /// Whether the user is in the conversation, as far as is known here.
    #[must_use]
    pub fn is_in(&self, name: &UserId, conversation: &ConversationId) -> bool {
        match conversation {
            ConversationId::Private(pair) => pair.other(name).is_some(),
            ConversationId::Group(group) => {
                self.users.get(name).is_some_and(|user| user.groups.contains(group))
            }
        }
    }

    /// Somebody here writes.
    pub fn typing(&mut self, name: &UserId, conversation: &ConversationId, typing: bool) {
        if !self.is_in(name, conversation) {
            return;
        }
        let push = pb::TypingPush {
            conversation: conversation.to_string(),
            user: name.to_string(),
            typing,
        };
        self.relay(None, pb::relay::What::Typing(push.clone()));
        self.tell_typing(name, conversation, push);
    }

    fn tell_typing(&self, name: &UserId, conversation: &ConversationId, push: pb::TypingPush) {
        let mut frame = Encoded::new(Body::Typing(push));
        for other in self.chatty(conversation).filter(|other| *other != name) {
            self.tell(other, &mut frame, Item::Typing);
        }
    }

    /// A frame of another node; what is for live rooms is handed back.
    pub fn handle_relay(
        &mut self,
        now: Instant,
        from: NodeId,
        frame: &Bytes,
    ) -> Option<pb::LiveFrames> {
        let Ok(pb::Relay { what: Some(what) }) = pb::Relay::decode(frame.as_ref()) else {
            metrics::counter!("stoa_im_relays_unreadable_total").increment(1);
            return None;
        };
        match what {
            pb::relay::What::Presence(presences) => {
                for presence in presences.presences {
                    self.handle_presence(now, from, &presence);
                }
            }
            pb::relay::What::Wish(wish) => {
                if let Ok(name) = UserId::try_from(wish.user.as_str()) {
                    self.adopt(now, &name, Wish::read(&wish));
                    self.elsewhere.wished(now, from, name, Wish::read(&wish));
                }
            }
            pb::relay::What::Wishes(wishes) => {
                for wish in wishes.presences {
                    if let Ok(name) = UserId::try_from(wish.user.as_str()) {
                        self.elsewhere.wished(now, from, name, Wish::read(&wish));
                    }
                }
                self.refresh_by(now + presence::REFRESH_EVERY);
            }
            pb::relay::What::Typing(push) => {
                let (user, conversation) = (push.user.parse(), push.conversation.parse());
                if let (Ok(user), Ok(conversation)) = (user, conversation) {
                    self.elsewhere.types(now, from, (&user, &conversation), push.typing);
                    self.tell_typing(&user, &conversation, push);
                }
            }
            pb::relay::What::Live(frames) => return Some(frames),
        }
        None
    }

    /// What is for other nodes, in order.
    pub fn drain_relays(&mut self) -> Vec<Relay> {
        std::mem::take(&mut self.relays)
    }

    fn relay(&mut self, to: Option<NodeId>, what: pb::relay::What) {
        let frame = pb::Relay { what: Some(what) }.encode_to_vec().into();
        self.relays.push(Relay { to, frame });
    }

    /// Members here who are told small things: nobody in large groups.
    fn chatty<'a>(
        &'a self,
        conversation: &'a ConversationId,
    ) -> Box<dyn Iterator<Item = &'a UserId> + 'a> {
        match conversation {
            ConversationId::Private(pair) => Box::new([pair.low(), pair.high()].into_iter()),
            ConversationId::Group(group) => {
                let members = self.groups.get(group);
                let members = members.filter(|members| members.len() <= CHATTY_MEMBERS_MAX);
                Box::new(members.into_iter().flatten())
            }
        }
    }

    fn tell(&self, name: &UserId, frame: &mut Encoded, item: impl Fn(Bytes) -> Item) {
        for mailbox in self.users.get(name).into_iter().flat_map(|user| &user.sessions) {
            mailbox.push(item(frame.frame(mailbox.codec)));
        }
    }

    /// A user without sessions whose absence was told is forgotten.
    fn forget_if_gone(&mut self, name: &UserId) {
        let Some(user) = self.users.get(name) else { return };
        if !user.sessions.is_empty() || user.live > 0 || user.told != Published::default() {
            return;
        }
        let Some(user) = self.users.remove(name) else { return };
        if user.wish != Wish::default() {
            let presences = vec![Wish::default().told(name)];
            self.relay(None, pb::relay::What::Wishes(pb::Presences { presences }));
        }
        for group in &user.groups {
            if let Some(members) = self.groups.get_mut(group) {
                members.remove(name);
                if members.is_empty() {
                    self.groups.remove(group);
                }
            }
        }
        for watched in &user.watches {
            self.unwatch(name, watched);
        }
    }

    fn unwatch(&mut self, name: &UserId, watched: &UserId) {
        if let Some(watchers) = self.watchers.get_mut(watched) {
            watchers.remove(name);
            if watchers.is_empty() {
                self.watchers.remove(watched);
            }
        }
    }
}

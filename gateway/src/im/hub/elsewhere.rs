//! What other nodes told: how users are there, what they wish, who writes. Believed until it is told again, or not.

use std::{collections::BTreeMap, time::Duration};

use proto::{
    id::NodeId,
    im::id::{ConversationId, UserId},
};
use tokio::time::Instant;

use super::presence::{BELIEVED_FOR, DOUBTED_FOR, Published, Wish};

/// Clients forget that somebody writes after this long.
const TYPES_FOR: Duration = Duration::from_secs(5);
/// Writers of one node that are remembered, in case it goes.
const TYPING_MAX: usize = 4_096;

/// What one node told of one user.
#[derive(Debug)]
struct Told<T> {
    what: T,
    until: Instant,
}

type ByNode<T> = BTreeMap<NodeId, Told<T>>;

/// What other nodes told.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    presences: BTreeMap<UserId, ByNode<Published>>,
    /// Wishes that are not the usual one, for those who come in here later.
    wishes: BTreeMap<UserId, ByNode<Wish>>,
    typing: BTreeMap<NodeId, BTreeMap<(UserId, ConversationId), Instant>>,
}

impl Elsewhere {
    pub(super) fn is_empty(&self) -> bool {
        self.presences.is_empty() && self.wishes.is_empty()
    }

    /// How a user is on other nodes.
    pub(super) fn presences(&self, name: &UserId) -> impl Iterator<Item = &Published> {
        self.presences.get(name).into_iter().flat_map(BTreeMap::values).map(|told| &told.what)
    }

    /// How a user who is on other nodes wishes to be seen, if not as usual.
    pub(super) fn wish(&self, name: &UserId) -> Option<Wish> {
        let told = self.wishes.get(name)?.values().max_by_key(|told| told.until);
        told.map(|told| told.what.clone())
    }

    pub(super) fn seen(&mut self, now: Instant, node: NodeId, name: &UserId, what: Published) {
        let told = Told { what, until: now + BELIEVED_FOR };
        self.presences.entry(name.clone()).or_default().insert(node, told);
    }

    pub(super) fn wished(&mut self, now: Instant, node: NodeId, name: UserId, what: Wish) {
        if what == Wish::default() {
            forget(&mut self.wishes, &name, node);
        } else {
            let told = Told { what, until: now + BELIEVED_FOR };
            self.wishes.entry(name).or_default().insert(node, told);
        }
    }

    pub(super) fn types(
        &mut self,
        now: Instant,
        node: NodeId,
        (user, conversation): (&UserId, &ConversationId),
        typing: bool,
    ) {
        let there = self.typing.entry(node).or_default();
        let key = (user.clone(), conversation.clone());
        if !typing {
            there.remove(&key);
            return;
        }
        if there.len() >= TYPING_MAX {
            there.retain(|_, until| *until > now);
        }
        if there.len() >= TYPING_MAX {
            metrics::counter!("stoa_im_typing_not_kept_total").increment(1);
            return;
        }
        there.insert(key, now + TYPES_FOR);
    }

    /// The node may not know any more what it told.
    pub(super) fn doubt(&mut self, now: Instant, node: NodeId) -> bool {
        let by = now + DOUBTED_FOR;
        let doubted = doubt(&mut self.presences, node, by);
        doubt(&mut self.wishes, node, by) || doubted
    }

    pub(super) fn forget(&mut self, name: &UserId, node: NodeId) {
        forget(&mut self.presences, name, node);
    }

    /// Whose presence was not told again in time. Wishes that were not are forgotten here.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<(UserId, NodeId)> {
        for (name, node) in expired(&self.wishes, now) {
            forget(&mut self.wishes, &name, node);
        }
        expired(&self.presences, now)
    }

    pub(super) fn users_of(&self, node: NodeId) -> Vec<UserId> {
        let there = self.presences.iter().filter(|(_, nodes)| nodes.contains_key(&node));
        there.map(|(name, _)| name.clone()).collect()
    }

    /// Forgets a node's wishes, and who wrote there a moment ago.
    pub(super) fn forget_node(
        &mut self,
        now: Instant,
        node: NodeId,
    ) -> Vec<(UserId, ConversationId)> {
        self.wishes.retain(|_, nodes| {
            nodes.remove(&node);
            !nodes.is_empty()
        });
        let there = self.typing.remove(&node).unwrap_or_default();
        there.into_iter().filter(|(_, until)| *until > now).map(|(who, _)| who).collect()
    }
}

fn doubt<T>(all: &mut BTreeMap<UserId, ByNode<T>>, node: NodeId, by: Instant) -> bool {
    let mut any = false;
    for told in all.values_mut().filter_map(|nodes| nodes.get_mut(&node)) {
        told.until = told.until.min(by);
        any = true;
    }
    any
}

fn expired<T>(all: &BTreeMap<UserId, ByNode<T>>, now: Instant) -> Vec<(UserId, NodeId)> {
    let told = all
        .iter()
        .flat_map(|(name, nodes)| nodes.iter().map(move |(node, told)| (name, *node, told.until)));
    told.filter(|(_, _, until)| *until <= now).map(|(name, node, _)| (name.clone(), node)).collect()
}

fn forget<T>(all: &mut BTreeMap<UserId, ByNode<T>>, name: &UserId, node: NodeId) {
    if let Some(nodes) = all.get_mut(name) {
        nodes.remove(&node);
        if nodes.is_empty() {
            all.remove(name);
        }
    }
}

//! What the main commands should come to, written as plainly as possible and in another way.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use proptest::prelude::*;
use proto::{
    im::{
        Action, Actor, Answer, Ask, ClientKey, Command, Content, ConversationId, GroupId,
        GroupKind, Query, Sequence, UserId,
        command::{ConversationAction, GroupAction, RelationAction},
        query::PageOf,
    },
    store::{Direction, Memory},
    time::LogTime,
};

use super::strategy::{conversation, group, new_group, relation_action, send, user};
use crate::query;

/// Commands that the reference knows, all by users.
pub(super) fn commands() -> impl Strategy<Value = Command> {
    let relation = relation_action().prop_filter("known", |action| {
        !matches!(action, RelationAction::SetFriend { .. } | RelationAction::Befriend { .. })
    });
    let on_group = prop_oneof![
        3 => new_group().prop_filter("rules of the kind", |action| match action {
            GroupAction::Create(new) => new.rules.is_none(),
            _ => false,
        }),
        3 => Just(GroupAction::Join { message: String::new() }),
        1 => Just(GroupAction::Leave),
    ];
    let plain_send = send().prop_filter_map("plain", |action| match action {
        Action::Send(mut send) => {
            send.options.ttl = None;
            send.options.reply_to = None;
            send.options.mentions.all = false;
            Some(Action::Send(send))
        }
        _ => None,
    });
    let read = (0..9_u64).prop_map(|seq| ConversationAction::Read { seq: Sequence(seq) });
    let action = prop_oneof![
        6 => (user(), relation).prop_map(|(peer, action)| Action::Relation { peer, action }),
        4 => (group(), on_group).prop_map(|(group, action)| Action::Group { group, action }),
        10 => plain_send,
        5 => (conversation(), read)
            .prop_map(|(conversation, action)| Action::Conversation { conversation, action }),
    ];
    let actor = user().prop_map(|user| Actor::User { user, session: None, epoch: None });
    (actor, action).prop_map(|(actor, action)| Command { actor, action })
}

#[derive(Clone, Debug)]
struct Said {
    /// `None`: a tip.
    sender: Option<UserId>,
    words: String,
    counts: bool,
}

#[derive(Clone, Debug, Default)]
struct Talk {
    said: Vec<Said>,
    members: BTreeMap<UserId, Part>,
    counts: bool,
}

#[derive(Clone, Debug, Default)]
struct Part {
    read: usize,
    sees_from: usize,
}

#[derive(Clone, Debug)]
struct Club {
    kind: GroupKind,
    owner: Option<UserId>,
    key: ClientKey,
    gone: bool,
    waiting: BTreeSet<UserId>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Reference {
    people: BTreeSet<UserId>,
    friends: BTreeSet<(UserId, UserId)>,
    requests: BTreeSet<(UserId, UserId)>,
    blocks: BTreeSet<(UserId, UserId)>,
    follows: BTreeSet<(UserId, UserId)>,
    talks: BTreeMap<ConversationId, Talk>,
    clubs: BTreeMap<GroupId, Club>,
    sent: BTreeSet<(ConversationId, UserId, ClientKey)>,
}

impl Reference {
    /// Whether the command is to be accepted, and what it changes.
    pub(super) fn apply(&mut self, command: &Command) -> bool {
        if let Action::Account { user, .. } = &command.action {
            return self.people.insert(user.clone());
        }
        let Actor::User { user, .. } = &command.actor else {
            return false;
        };
        if !self.people.contains(user) {
            return false;
        }
        match &command.action {
            Action::Relation { peer, action } => user != peer && self.relate(user, peer, action),
            Action::Group { group, action } => self.on_group(user, group, action),
            Action::Send(send) => {
                let Content::Text { text } = &send.content else {
                    return false;
                };
                let place = (send.conversation.clone(), user.clone(), send.key);
                if self.sent.contains(&place) {
                    return true;
                }
                if !self.may_send(user, &send.conversation) {
                    return false;
                }
                let counts = !send.options.no_unread;
                self.sent.insert(place);
                let said = Said { sender: Some(user.clone()), words: text.clone(), counts };
                self.say(&send.conversation, said);
                true
            }
            Action::Conversation { conversation, action: ConversationAction::Read { seq } } => {
                let Some(talk) = self.talks.get_mut(conversation) else {
                    return false;
                };
                let seq = usize::try_from(seq.0).unwrap();
                let Some(part) = talk.members.get_mut(user) else {
                    return false;
                };
                if seq > talk.said.len() {
                    return false;
                }
                part.read = part.read.max(seq);
                true
            }
            _ => panic!("the reference does not know {command:?}"),
        }
    }

    fn relate(&mut self, user: &UserId, peer: &UserId, action: &RelationAction) -> bool {
        let there = (user.clone(), peer.clone());
        let back = (peer.clone(), user.clone());
        let known = self.people.contains(peer);
        let blocked = self.blocks.contains(&there) || self.blocks.contains(&back);
        match action {
            RelationAction::Request { .. } if !known => false,
            RelationAction::Request { .. } if self.friends.contains(&there) => true,
            RelationAction::Request { .. } if blocked => false,
            RelationAction::Request { .. } => {
                if self.requests.contains(&back) {
                    self.make_friends(there, back);
                } else {
                    self.requests.insert(there);
                }
                true
            }
            RelationAction::Accept { .. } if self.friends.contains(&there) => true,
            RelationAction::Accept { .. } => {
                let asked = self.requests.contains(&back);
                if asked {
                    self.make_friends(there, back);
                }
                asked
            }
            RelationAction::Cancel => self.requests.remove(&there),
            RelationAction::Refuse => self.requests.remove(&back),
            RelationAction::Unfriend => {
                self.friends.remove(&back);
                self.friends.remove(&there)
            }
            RelationAction::Block => {
                if known {
                    for pair in [&there, &back] {
                        self.requests.remove(pair);
                        self.follows.remove(pair);
                    }
                    self.blocks.insert(there);
                }
                known
            }
            RelationAction::Unblock => {
                self.blocks.remove(&there);
                true
            }
            RelationAction::Follow if self.follows.contains(&there) => true,
            RelationAction::Follow => known && !blocked && self.follows.insert(there),
            RelationAction::Unfollow => {
                self.follows.remove(&there);
                true
            }
            RelationAction::SetFriend { .. } | RelationAction::Befriend { .. } => false,
        }
    }

    fn make_friends(&mut self, there: (UserId, UserId), back: (UserId, UserId)) {
        self.requests.remove(&there);
        self.requests.remove(&back);
        self.friends.insert(there);
        self.friends.insert(back);
    }

    fn may_send(&mut self, user: &UserId, conversation: &ConversationId) -> bool {
        match conversation {
            ConversationId::Group(_) => {
                self.talks.get(conversation).is_some_and(|talk| talk.members.contains_key(user))
            }
            ConversationId::Private(pair) => {
                let Some(peer) = pair.other(user) else {
                    return false;
                };
                let ok = self.people.contains(peer)
                    && !self.blocks.contains(&(peer.clone(), user.clone()));
                if ok && !self.talks.contains_key(conversation) {
                    let part = Part { read: 0, sees_from: 1 };
                    let members = [user, peer].map(|user| (user.clone(), part.clone()));
                    let talk = Talk { members: members.into(), counts: true, ..Talk::default() };
                    self.talks.insert(conversation.clone(), talk);
                }
                ok
            }
        }
    }

    fn say(&mut self, conversation: &ConversationId, said: Said) {
        let talk = self.talks.get_mut(conversation).unwrap();
        let sender = said.sender.clone();
        talk.said.push(said);
        let head = talk.said.len();
        if let Some(part) = sender.and_then(|sender| talk.members.get_mut(&sender)) {
            part.read = head;
        }
    }

    fn tip(&mut self, id: &GroupId) {
        let kind = self.clubs[id].kind;
        if matches!(kind, GroupKind::Private | GroupKind::Public) {
            let said = Said { sender: None, words: String::new(), counts: false };
            self.say(&ConversationId::Group(id.clone()), said);
        }
    }

    fn let_in(&mut self, id: &GroupId, users: Vec<UserId>) {
        let club = self.clubs.get_mut(id).unwrap();
        let open = matches!(club.kind, GroupKind::Meeting | GroupKind::Community);
        users.iter().for_each(|user| {
            club.waiting.remove(user);
        });
        let talk = self.talks.get_mut(&ConversationId::Group(id.clone())).unwrap();
        let read = talk.said.len();
        let sees_from = if open { 1 } else { read + 1 };
        let some = !users.is_empty();
        talk.members.extend(users.into_iter().map(|user| (user, Part { read, sees_from })));
        if some {
            self.tip(id);
        }
    }

    fn on_group(&mut self, user: &UserId, id: &GroupId, action: &GroupAction) -> bool {
        let conversation = ConversationId::Group(id.clone());
        if let GroupAction::Create(new) = action {
            if let Some(club) = self.clubs.get(id) {
                return !club.gone && club.key == new.key && club.owner.as_ref() == Some(user);
            }
            let (kind, key, owner) = (new.kind, new.key, Some(user.clone()));
            let waiting = BTreeSet::new();
            self.clubs.insert(id.clone(), Club { kind, owner, key, gone: false, waiting });
            let members = [(user.clone(), Part { read: 0, sees_from: 1 })].into();
            let counts = kind != GroupKind::Meeting;
            self.talks.insert(conversation, Talk { members, counts, ..Talk::default() });
            self.tip(id);
            let blocked = |other: &UserId| {
                let pair = |one: &UserId, other: &UserId| (one.clone(), other.clone());
                self.blocks.contains(&pair(user, other)) || self.blocks.contains(&pair(other, user))
            };
            let invited = new.members.iter().filter(|other| *other != user);
            let invited = invited.filter(|other| self.people.contains(*other) && !blocked(other));
            let invited = invited.cloned().collect();
            self.let_in(id, invited);
            return true;
        }
        let Some(club) = self.clubs.get(id).filter(|club| !club.gone).cloned() else {
            return false;
        };
        let is_member = self.talks[&conversation].members.contains_key(user);
        match action {
            GroupAction::Join { .. } if is_member => true,
            GroupAction::Join { .. } => match club.kind {
                GroupKind::Private => false,
                GroupKind::Public => {
                    self.clubs.get_mut(id).unwrap().waiting.insert(user.clone());
                    true
                }
                GroupKind::Meeting | GroupKind::Community => {
                    self.let_in(id, [user.clone()].into());
                    true
                }
            },
            GroupAction::Leave => {
                let is_owner = club.owner.as_ref() == Some(user);
                if !is_member || (is_owner && club.kind != GroupKind::Private) {
                    return false;
                }
                self.tip(id);
                let talk = self.talks.get_mut(&conversation).unwrap();
                talk.members.remove(user);
                let empty = talk.members.is_empty();
                let club = self.clubs.get_mut(id).unwrap();
                club.owner = club.owner.take().filter(|owner| owner != user);
                if empty {
                    club.gone = true;
                    self.talks.remove(&conversation);
                }
                true
            }
            _ => panic!("the reference does not know {action:?}"),
        }
    }

    /// Compares everything the reference knows with what questions answer.
    pub(super) fn check(&self, rows: &Memory, at: LogTime) {
        let ask = |ask: Ask| query(rows, at, &Query { viewer: None, ask });
        for user in &self.people {
            let page = || PageOf { after: None, limit: 100 };
            let Ok(Answer::Friends(found)) = ask(Ask::Friends(user.clone(), page())) else {
                panic!("no friends");
            };
            let found: BTreeSet<UserId> = found.rows.into_iter().map(|(peer, _)| peer).collect();
            let of = |pairs: &BTreeSet<(UserId, UserId)>| -> BTreeSet<UserId> {
                pairs.iter().filter(|(one, _)| one == user).map(|(_, peer)| peer.clone()).collect()
            };
            assert_eq!(found, of(&self.friends), "friends of {user}");
            let Ok(Answer::Requests(found)) = ask(Ask::RequestsOut(user.clone(), page())) else {
                panic!("no requests");
            };
            let found: BTreeSet<UserId> = found.rows.into_iter().map(|(peer, _)| peer).collect();
            assert_eq!(found, of(&self.requests), "requests of {user}");
            let Ok(Answer::Follows(found)) = ask(Ask::Following(user.clone(), page())) else {
                panic!("no follows");
            };
            let found: BTreeSet<UserId> = found.rows.into_iter().map(|(peer, _)| peer).collect();
            assert_eq!(found, of(&self.follows), "follows of {user}");
        }
        for (conversation, talk) in &self.talks {
            for (user, part) in &talk.members {
                check_part(rows, at, conversation, talk, (user, part));
            }
        }
    }
}

/// Compares one participant's view of a conversation.
fn check_part(
    rows: &Memory,
    at: LogTime,
    conversation: &ConversationId,
    talk: &Talk,
    (user, part): (&UserId, &Part),
) {
    let ask = |ask: Ask| query(rows, at, &Query { viewer: Some(user.clone()), ask });
    let Ok(Answer::Conversation(view)) = ask(Ask::Conversation(user.clone(), conversation.clone()))
    else {
        panic!("{user} is not in {conversation}");
    };
    let is_unread = |said: &&Said| {
        talk.counts && said.counts && said.sender.is_some() && said.sender.as_ref() != Some(user)
    };
    let unread = talk.said[part.read..].iter().filter(is_unread).count();
    assert_eq!(view.unread, unread as u64, "unread of {user} in {conversation}");
    let (direction, from, limit) = (Direction::Up, Sequence(1), 100);
    let history = Ask::History { conversation: conversation.clone(), from, direction, limit };
    let Ok(Answer::History(page)) = ask(history) else {
        panic!("no history for {user}");
    };
    let expected: Vec<(u64, Option<UserId>, String)> = (1..)
        .zip(&talk.said)
        .skip(part.sees_from - 1)
        .take(100)
        .map(|(seq, said)| (seq, said.sender.clone(), said.words.clone()))
        .collect();
    let words = |message: proto::im::Message| match message.body {
        proto::im::Body::Content(Content::Text { text }) => (message.seq.0, message.sender, text),
        _ => (message.seq.0, message.sender, String::new()),
    };
    let found: Vec<_> = page.messages.into_iter().map(words).collect();
    assert_eq!(found, expected, "what {user} sees in {conversation}");
}

//! What clients were told, and what must therefore be found in the rows: the oracle of chat. It knows the machine's answers,
//! events and questions only, none of its rows.

use std::collections::{BTreeMap, BTreeSet};

use proto::{
    im::{
        Action, Actor, Answer, Ask, ClientKey, Command, ConversationId, Event, GroupId, Message,
        Outcome, Query, Reply, Sequence, UserId, query::PageOf,
    },
    store::{Direction, View},
    time::LogTime,
};

use crate::fault::{Fault, hold};

/// The largest page.
const PAGE: usize = proto::im::limit::PAGE_MAX;

/// Everything that was told of one conversation.
#[derive(Clone, Debug, Default)]
pub struct Talk {
    /// The last number.
    pub head: u64,
    /// What lies before is gone.
    pub first: u64,
    /// Messages by number.
    pub messages: BTreeMap<u64, Message>,
}

/// What clients were told.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    /// Conversations with messages.
    pub talks: BTreeMap<ConversationId, Talk>,
    /// The number that each key was answered with.
    pub keys: BTreeMap<(ConversationId, UserId, ClientKey), u64>,
    /// Accounts that were made.
    pub people: BTreeSet<UserId>,
    /// Who is in which group.
    pub members: BTreeMap<GroupId, BTreeSet<UserId>>,
    /// Groups that are no more.
    pub dismissed: BTreeSet<GroupId>,
    pub(super) seen: super::Seen,
    last: LogTime,
}

impl Transcript {
    /// Hears what came of a command that was accepted.
    ///
    /// # Errors
    /// A number is out of turn, a key has two numbers, or time went back.
    pub fn hear(&mut self, at: LogTime, command: &Command, outcome: &Outcome) -> Result<(), Fault> {
        hold(at >= self.last, || format!("log time went back to {at:?}"))?;
        self.last = at;
        if let Action::Account { user, .. } = &command.action {
            self.people.insert(user.clone());
        }
        for event in &outcome.events {
            self.count(name_of(event), 1);
            self.see(at, event)?;
        }
        self.answered(command, &outcome.reply)
    }

    fn see(&mut self, at: LogTime, event: &Event) -> Result<(), Fault> {
        match event {
            Event::Message { conversation, message } => {
                let talk = self.talks.entry(conversation.clone()).or_default();
                let seq = message.seq.0;
                let next = talk.head + 1;
                hold(seq == next, || format!("{conversation}: {seq} comes where {next} is due"))?;
                hold(message.at == at, || format!("{conversation}/{seq} is of {:?}", message.at))?;
                talk.head = seq;
                talk.messages.insert(seq, (**message).clone());
            }
            Event::MessageChanged { conversation, message } => {
                let talk = self.talks.entry(conversation.clone()).or_default();
                let seq = message.seq.0;
                let old = talk.messages.insert(seq, (**message).clone());
                let rises = old.as_ref().is_some_and(|old| message.revision > old.revision);
                hold(rises, || {
                    format!("{conversation}/{seq} changed from {old:?} to {message:?}")
                })?;
            }
            Event::Trimmed { conversation, first } => {
                let talk = self.talks.entry(conversation.clone()).or_default();
                talk.first = first.0;
                talk.messages = talk.messages.split_off(&first.0);
            }
            Event::Dismissed { group } => {
                self.talks.remove(&ConversationId::Group(group.clone()));
                self.members.remove(group);
                self.dismissed.insert(group.clone());
            }
            Event::Joined { group, users } => {
                self.members.entry(group.clone()).or_default().extend(users.iter().cloned());
            }
            Event::Left { group, users, .. } => {
                let members = self.members.entry(group.clone()).or_default();
                users.iter().for_each(|user| {
                    members.remove(user);
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn answered(&mut self, command: &Command, reply: &Reply) -> Result<(), Fault> {
        let (Action::Send(send), Reply::Sent { seq, duplicate, .. }) = (&command.action, reply)
        else {
            return Ok(());
        };
        let (Actor::User { user, .. } | Actor::Backend { user: Some(user) }) = &command.actor
        else {
            return Err(Fault(format!("nobody sent {command:?}")));
        };
        let place = (send.conversation.clone(), user.clone(), send.key);
        let known = self.keys.get(&place).copied();
        let (conversation, seq) = (&send.conversation, seq.0);
        if *duplicate {
            self.count("duplicate", 1);
            return hold(known == Some(seq), || {
                format!("{conversation}: {user}'s {:?} is {known:?}, answered {seq}", send.key)
            });
        }
        hold(known.is_none(), || format!("{conversation}: {user}'s {:?} twice", send.key))?;
        let talk = self.talks.get(conversation);
        let message = talk.and_then(|talk| talk.messages.get(&seq));
        let is_it = message.is_some_and(|m| m.key == send.key && m.sender.as_ref() == Some(user));
        hold(is_it, || format!("{conversation}/{seq} was acknowledged and is {message:?}"))?;
        self.keys.insert(place, seq);
        Ok(())
    }

    /// Compares what was told with what the rows answer.
    ///
    /// # Errors
    /// The first difference.
    pub fn compare(&mut self, rows: &dyn View, at: LogTime) -> Result<(), Fault> {
        let mut unread = 0;
        for (conversation, talk) in &self.talks {
            let shown = history(rows, at, conversation)?;
            let told: Vec<&Message> = talk.messages.values().collect();
            let differs = told.iter().zip(&shown).find(|(told, shown)| **told != *shown);
            hold(differs.is_none() && told.len() == shown.len(), || {
                format!("{conversation}: told {}, shown {}: {differs:?}", told.len(), shown.len())
            })?;
            unread += self.compare_unread(rows, at, conversation, talk)?;
        }
        let friends = self.friends_agree(rows, at)?;
        self.count("friends", friends);
        self.count("unread", unread);
        Ok(())
    }

    fn count(&mut self, what: &'static str, times: u64) {
        *self.seen.entry(what).or_default() += times;
    }

    /// Counts anew what each participant has not read.
    fn compare_unread(
        &self,
        rows: &dyn View,
        at: LogTime,
        conversation: &ConversationId,
        talk: &Talk,
    ) -> Result<u64, Fault> {
        let mut sum = 0;
        for user in &self.people {
            let one = Ask::Conversation(user.clone(), conversation.clone());
            let Ok(Answer::Conversation(view)) =
                im::query(rows, at, &Query { viewer: Some(user.clone()), ask: one })
            else {
                continue;
            };
            let counted = if view.head.counts {
                unread(talk.messages.values(), user, view.member.read)
            } else {
                0
            };
            hold(view.unread == counted, || {
                format!("{user} has {} unread in {conversation}, not {counted}", view.unread)
            })?;
            hold(view.head.head.0 == talk.head, || {
                format!("{conversation} is at {}, told {}", view.head.head, talk.head)
            })?;
            sum += counted;
        }
        Ok(sum)
    }

    fn friends_agree(&self, rows: &dyn View, at: LogTime) -> Result<u64, Fault> {
        let mut friends: BTreeSet<(UserId, UserId)> = BTreeSet::new();
        for user in &self.people {
            let ask = Ask::Friends(user.clone(), PageOf { after: None, limit: PAGE });
            let answer = im::query(rows, at, &Query { viewer: None, ask });
            if let Ok(Answer::Friends(page)) = answer {
                friends.extend(page.rows.into_iter().map(|(peer, _)| (user.clone(), peer)));
            }
        }
        let lone = friends.iter().find(|(a, b)| !friends.contains(&(b.clone(), a.clone())));
        hold(lone.is_none(), || format!("a friendship has one side: {lone:?}"))?;
        Ok(friends.len() as u64)
    }
}

/// How many messages count as unread for somebody who has read up to a number.
#[must_use]
pub fn unread<'a>(
    messages: impl Iterator<Item = &'a Message>,
    user: &UserId,
    read: Sequence,
) -> u64 {
    let counts = |message: &&Message| {
        message.seq > read && message.may_count() && message.sender.as_ref() != Some(user)
    };
    messages.filter(counts).count() as u64
}

/// Every message of a conversation that is there.
fn history(
    rows: &dyn View,
    at: LogTime,
    conversation: &ConversationId,
) -> Result<Vec<Message>, Fault> {
    let mut all = Vec::new();
    let mut from = Some(Sequence(1));
    while let Some(first) = from {
        let ask = Ask::History {
            conversation: conversation.clone(),
            from: first,
            direction: Direction::Up,
            limit: PAGE,
        };
        let answer = im::query(rows, at, &Query { viewer: None, ask });
        let Ok(Answer::History(page)) = answer else {
            return Err(Fault(format!("{conversation} has no history: {answer:?}")));
        };
        all.extend(page.messages);
        from = page.next;
    }
    Ok(all)
}

const fn name_of(event: &Event) -> &'static str {
    match event {
        Event::Message { .. } => "message",
        Event::MessageChanged { .. } => "message changed",
        Event::Trimmed { .. } => "trimmed",
        Event::Dismissed { .. } => "dismissed",
        Event::SessionEnded { .. } => "session ended",
        Event::Joined { .. } => "joined",
        Event::Left { .. } => "left",
        _ => "other",
    }
}

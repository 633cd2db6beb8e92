//! Questions about messages. Users see from where they came in, or cleared, and not what they deleted for themselves.

use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};

use proto::{
    im::{
        Answer, Ask, ConversationId, Head, Member, Message, Reject, Sequence, UserConversation,
        UserId,
        limit::{EDITS_MAX, PAGE_MAX, PINS_MAX, RECEIPT_MEMBERS_MAX},
        query::{CursorView, HistoryPage, Page, PageOf, Receipts},
    },
    store::{Direction, Scan, after_prefix},
};

use super::{Reader, conversation::first_visible};
use crate::{
    key::{self, Key, Rest, table},
    tx,
};

pub(super) fn answer(reader: &Reader<'_>, ask: &Ask) -> Result<Answer, Reject> {
    match ask {
        Ask::History { conversation, from, direction, limit } => {
            let sight = Sight::new(reader, conversation)?;
            Ok(Answer::History(sight.history(*from, *direction, *limit)))
        }
        Ask::Revisions { conversation, after, limit } => {
            let sight = Sight::new(reader, conversation)?;
            Ok(Answer::Revisions(sight.revisions(*after, *limit)))
        }
        Ask::Message(conversation, seq) => {
            let sight = Sight::new(reader, conversation)?;
            sight.message(*seq).map(Box::new).map(Answer::Message)
        }
        Ask::Edits(conversation, seq) => {
            let sight = Sight::new(reader, conversation)?;
            sight.message(*seq)?;
            let prefix = Key::of(table::EDIT).conversation(conversation).number(seq.0).bytes();
            let edits = tx::rows(reader.view, &prefix, EDITS_MAX.into(), |rest| rest.number());
            Ok(Answer::Edits(edits.into_iter().map(|(_, edit)| edit).collect()))
        }
        Ask::Reactions(conversation, seq, reaction, page) => {
            let sight = Sight::new(reader, conversation)?;
            sight.message(*seq)?;
            Ok(Answer::Reactions(sight.reactions(*seq, reaction, page)))
        }
        Ask::Receipts(conversation, seq) => {
            let sight = Sight::new(reader, conversation)?;
            sight.receipts(*seq).map(Answer::Receipts)
        }
        Ask::Cursors(conversation, page) => {
            let sight = Sight::new(reader, conversation)?;
            Ok(Answer::Cursors(sight.cursors(page)))
        }
        Ask::Pins(conversation) => {
            Sight::new(reader, conversation)?;
            let prefix = key::of_conversation(table::PIN, conversation);
            let sequence = |rest: &mut Rest<'_>| rest.number().map(Sequence);
            Ok(Answer::Pins(tx::rows(reader.view, &prefix, PINS_MAX, sequence)))
        }
        _ => Err(Reject::NotPermitted),
    }
}

/// What of a conversation the viewer can see.
pub(super) struct Sight<'a> {
    reader: &'a Reader<'a>,
    pub(super) conversation: &'a ConversationId,
    head: Head,
    first: Sequence,
}

impl<'a> Sight<'a> {
    pub(super) fn new(
        reader: &'a Reader<'a>,
        conversation: &'a ConversationId,
    ) -> Result<Self, Reject> {
        let head: Option<Head> = reader.read(&key::head(conversation));
        let head = head.ok_or(Reject::ConversationNotFound)?;
        let first = match (reader.viewer, reader.share(conversation)?) {
            (Some(viewer), Some(member)) => {
                let own: Option<UserConversation> = reader.read(&key::own(viewer, conversation));
                first_visible(&head, &member, &own.unwrap_or_default())
            }
            _ => head.first,
        };
        Ok(Self { reader, conversation, head, first })
    }

    /// What the viewer deleted for itself between two places, both included.
    fn hidden(&self, from: Sequence, to: Sequence) -> BTreeSet<Sequence> {
        let mut hidden = BTreeSet::new();
        if let Some(viewer) = self.reader.viewer {
            let start = key::hidden(viewer, self.conversation, from).into_bytes();
            let end = key::hidden(viewer, self.conversation, to.next()).into_bytes();
            let prefix =
                Key::of(table::HIDDEN).user(viewer).conversation(self.conversation).bytes();
            self.reader.view.scan(&start, &end, Direction::Up, &mut |key, _| {
                hidden.extend(Rest::of(key, &prefix).number().map(Sequence));
                Scan::More
            });
        }
        hidden
    }

    fn history(&self, from: Sequence, direction: Direction, limit: usize) -> HistoryPage {
        let head = self.head.head;
        let (from, to) = match direction {
            Direction::Up => (from.max(self.first), head),
            Direction::Down if from == Sequence(0) => (self.first, head),
            Direction::Down => (self.first, from.min(head)),
        };
        let mut messages = self.range((from, to), direction, limit.clamp(1, PAGE_MAX));
        let last = messages.last().map(|message| message.seq);
        let next = last.and_then(|last| match direction {
            Direction::Up => (last < to).then_some(last.next()),
            Direction::Down => (last > from).then_some(last.previous()),
        });
        let bounds = messages.first().zip(messages.last()).map(|(a, b)| (a.seq, b.seq));
        if let Some((a, b)) = bounds {
            let hidden = self.hidden(a.min(b), a.max(b));
            messages.retain(|message| !hidden.contains(&message.seq));
        }
        HistoryPage { messages, first: self.first, head, revision: self.head.revision, next }
    }

    /// Messages between two places, both included.
    fn range(
        &self,
        (from, to): (Sequence, Sequence),
        direction: Direction,
        limit: usize,
    ) -> Vec<Message> {
        let mut messages = Vec::new();
        let start = key::message(self.conversation, from).into_bytes();
        let end = key::message(self.conversation, to.next()).into_bytes();
        self.reader.view.scan(&start, &end, direction, &mut |_, value| {
            messages.push(tx::decode(value));
            if messages.len() < limit { Scan::More } else { Scan::Enough }
        });
        messages
    }

    /// Visits messages from there down (0: from the last), until it has seen enough.
    pub(super) fn down(&self, from: Sequence, visit: &mut dyn FnMut(Message) -> bool) {
        let head = self.head.head;
        let from = if from == Sequence(0) { head } else { from.min(head) };
        let start = key::message(self.conversation, self.first).into_bytes();
        let end = key::message(self.conversation, from.next()).into_bytes();
        self.reader.view.scan(&start, &end, Direction::Down, &mut |_, value| {
            if visit(tx::decode(value)) { Scan::More } else { Scan::Enough }
        });
    }

    /// Whether the viewer did not delete it for itself.
    pub(super) fn sees(&self, seq: Sequence) -> bool {
        let hidden = |viewer| key::hidden(viewer, self.conversation, seq);
        self.reader
            .viewer
            .is_none_or(|viewer| self.reader.view.get(hidden(viewer).bytes()).is_none())
    }

    fn message(&self, seq: Sequence) -> Result<Message, Reject> {
        let sees = seq >= self.first && !self.hidden(seq, seq).contains(&seq);
        let found = sees.then(|| self.reader.read(&key::message(self.conversation, seq))).flatten();
        found.ok_or(Reject::MessageNotFound { seq })
    }

    fn revisions(&self, after: u64, limit: usize) -> Page<u64, Message> {
        let limit = limit.clamp(1, PAGE_MAX);
        let prefix = key::of_conversation(table::REVISION, self.conversation);
        let start = key::revision(self.conversation, after.saturating_add(1)).into_bytes();
        let mut found: Vec<(u64, Sequence)> = Vec::new();
        let mut more = false;
        self.reader.view.scan(&start, &after_prefix(&prefix), Direction::Up, &mut |key, value| {
            more = found.len() >= limit;
            if more {
                return Scan::Enough;
            }
            let revision = Rest::of(key, &prefix).number();
            found.extend(revision.map(|revision| (revision, tx::decode(value))));
            Scan::More
        });
        let rows = found
            .into_iter()
            .filter_map(|(revision, seq)| self.message(seq).ok().map(|found| (revision, found)))
            .collect();
        Page { rows, more }
    }

    fn reactions(
        &self,
        seq: Sequence,
        reaction: &str,
        page: &PageOf<UserId>,
    ) -> Page<UserId, proto::time::LogTime> {
        let of_message = Key::of(table::REACTION).conversation(self.conversation).number(seq.0);
        self.reader.users(&of_message.text(reaction).bytes(), page)
    }

    /// Computed from cursors: nobody writes a row for each message it reads.
    fn receipts(&self, seq: Sequence) -> Result<Receipts, Reject> {
        let message = self.message(seq)?;
        if self.head.members > RECEIPT_MEMBERS_MAX {
            return Err(Reject::GroupTooLarge { limit: RECEIPT_MEMBERS_MAX });
        }
        let most = usize::try_from(RECEIPT_MEMBERS_MAX).unwrap_or(usize::MAX);
        let prefix = key::of_conversation(table::MEMBER, self.conversation);
        let members: Vec<(UserId, Member)> =
            tx::rows(self.reader.view, &prefix, most, |rest| rest.user());
        let mut receipts = Receipts::default();
        for (user, member) in members {
            if message.sender.as_ref() == Some(&user) || member.visible_from > seq {
                continue;
            }
            let list = if member.read >= seq {
                &mut receipts.read
            } else if member.delivered >= seq {
                &mut receipts.delivered
            } else {
                &mut receipts.unread
            };
            list.insert(user);
        }
        Ok(receipts)
    }

    fn cursors(&self, page: &PageOf<UserId>) -> Page<UserId, CursorView> {
        let prefix = key::of_conversation(table::MEMBER, self.conversation);
        let found: Page<UserId, Member> = self.reader.users(&prefix, page);
        let cursor = |(user, member): (UserId, Member)| {
            (user, CursorView { read: member.read, delivered: member.delivered })
        };
        Page { rows: found.rows.into_iter().map(cursor).collect(), more: found.more }
    }
}

//! Searching by words. There is no index: messages are read from the newest on, a bounded number at a time, and the
//! answer says where to go on. Without case; each word may be part of a longer one.

use alloc::{boxed::Box, string::String, vec::Vec};

use proto::im::{
    Answer, Body, Content, ConversationId, Message, Reject, Sequence,
    limit::{PAGE_MAX, SEARCH_BYTES_MAX, SEARCH_ROWS_MAX},
    message::Tip,
    query::{Found, Search, SearchPlace},
    reject::Part,
};

use super::{Reader, conversation, history::Sight};
use crate::check;

pub(super) fn answer(reader: &Reader<'_>, search: &Search) -> Result<Answer, Reject> {
    reader.only(&search.user)?;
    check::filled(Part::Request, search.words.trim().len(), SEARCH_BYTES_MAX)?;
    let words = search.words.to_lowercase();
    let mut hunt = Hunt {
        search,
        words: words.split_whitespace().collect(),
        limit: search.limit.clamp(1, PAGE_MAX),
        rows_left: SEARCH_ROWS_MAX,
        found: Found::default(),
    };
    match &search.conversation {
        Some(conversation) => hunt.through(&Sight::new(reader, conversation)?),
        None => {
            for conversation in conversations(reader, search) {
                // Whoever is in it may have been sent away since: that conversation is left out.
                if let Ok(sight) = Sight::new(reader, &conversation) {
                    hunt.through(&sight);
                }
                if hunt.found.next.is_some() {
                    break;
                }
            }
        }
    }
    Ok(Answer::Found(Box::new(hunt.found)))
}

/// The user's conversations by id, from where the search goes on.
fn conversations(reader: &Reader<'_>, search: &Search) -> Vec<ConversationId> {
    let own = conversation::own_rows(reader, &search.user).into_iter();
    let mut ids: Vec<ConversationId> = own.map(|(id, _)| id).collect();
    ids.sort();
    if let Some(after) = &search.after {
        ids.retain(|id| *id >= after.conversation);
    }
    ids
}

/// One search at work.
struct Hunt<'a> {
    search: &'a Search,
    words: Vec<&'a str>,
    limit: usize,
    rows_left: usize,
    found: Found,
}

impl Hunt<'_> {
    /// Looks through a conversation, until it is at its end or this answer is: then `found.next` is set.
    fn through(&mut self, sight: &Sight<'_>) {
        let after = self.search.after.as_ref();
        let after = after.filter(|after| after.conversation == *sight.conversation);
        let from = after.map_or(Sequence(0), |after| after.before.previous());
        if after.is_some_and(|after| after.before <= Sequence(1)) {
            return;
        }
        self.rows_left = self.rows_left.saturating_sub(1);
        let is_full = |hunt: &Self| hunt.rows_left == 0 || hunt.found.messages.len() >= hunt.limit;
        sight.down(from, &mut |message| {
            if is_full(self) {
                let before = message.seq.next();
                let conversation = sight.conversation.clone();
                self.found.next = Some(SearchPlace { conversation, before });
                return false;
            }
            self.rows_left -= 1;
            if self.is_meant(&message) && sight.sees(message.seq) {
                self.found.messages.push((sight.conversation.clone(), message));
            }
            true
        });
    }

    fn is_meant(&self, message: &Message) -> bool {
        let by = self.search.sender.as_ref();
        let Body::Content(content) = &message.body else { return false };
        if by.is_some_and(|by| message.sender.as_ref() != Some(by)) {
            return false;
        }
        let text = text(content).to_lowercase();
        self.words.iter().all(|word| text.contains(word))
    }
}

/// What of a content people read.
fn text(content: &Content) -> String {
    let mut text = String::new();
    let mut add = |part: &str| {
        text.push_str(part);
        text.push('\n');
    };
    match content {
        Content::Text { text } => add(text),
        Content::Image { file, .. }
        | Content::Voice { file, .. }
        | Content::Video { file, .. }
        | Content::File { file } => add(&file.name),
        Content::Location { title, .. } => add(title),
        Content::Custom { summary, .. } => add(summary),
        Content::Merged { title, items } => {
            add(title);
            items.iter().for_each(|item| add(&item.text));
        }
        Content::Tip(Tip::Renamed { name, .. }) => add(name),
        Content::Tip(_) => {}
    }
    text
}

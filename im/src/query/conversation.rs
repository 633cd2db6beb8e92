//! Questions about a user's conversations: the list, unread messages, mentions.

use alloc::{boxed::Box, vec::Vec};

use proto::{
    im::{
        Answer, Ask, Body, ConversationId, Head, Member, Message, Reject, Sequence,
        UserConversation, UserId,
        conversation::ConversationSettings,
        limit::{CONVERSATIONS_MAX, PAGE_MAX},
        query::{ConversationView, CursorView, ListPlace, Page, PageOf, UnreadTotal},
    },
    store::{Direction, Scan, after_prefix},
};

use super::Reader;
use crate::{
    key::{self, Rest, table},
    tx,
};

pub(super) fn answer(reader: &Reader<'_>, ask: &Ask) -> Result<Answer, Reject> {
    match ask {
        Ask::Conversations(user, page) => {
            reader.only(user)?;
            Ok(Answer::Conversations(list(reader, user, page)))
        }
        Ask::Conversation(user, conversation) => {
            reader.only(user)?;
            let found = view(reader, user, conversation).ok_or(Reject::ConversationNotFound)?;
            Ok(Answer::Conversation(Box::new(found)))
        }
        Ask::Memberships(user) => {
            reader.only(user)?;
            let of_groups = |(id, _)| match id {
                ConversationId::Group(group) => Some(group),
                ConversationId::Private(_) => None,
            };
            Ok(Answer::Memberships(
                own_rows(reader, user).into_iter().filter_map(of_groups).collect(),
            ))
        }
        Ask::Unread(user) => {
            reader.only(user)?;
            Ok(Answer::Unread(unread_total(reader, user)))
        }
        Ask::Mentions(user, conversation) => {
            reader.only(user)?;
            mentions(reader, user, conversation).map(Answer::Mentions)
        }
        _ => Err(Reject::NotPermitted),
    }
}

/// What a user keeps of all its conversations.
pub(super) fn own_rows(
    reader: &Reader<'_>,
    user: &UserId,
) -> Vec<(ConversationId, UserConversation)> {
    let most = usize::try_from(CONVERSATIONS_MAX).unwrap_or(usize::MAX);
    tx::rows(reader.view, &key::of_user(table::OWN, user), most, |rest| rest.conversation())
}

/// How many messages a participant has not read. What is cut off cannot be unread any more.
pub(super) fn unread(head: &Head, member: &Member) -> u64 {
    head.counted.saturating_sub(member.read_counted.max(head.counted_before))
}

/// Whether a conversation is in its user's list.
fn is_listed(head: &Head, own: &UserConversation) -> bool {
    own.hidden.is_none_or(|hidden| head.head > hidden)
}

/// The first message a participant can see.
pub(super) fn first_visible(head: &Head, member: &Member, own: &UserConversation) -> Sequence {
    head.first.max(member.visible_from).max(own.cleared.next())
}

/// A conversation as one user sees it, if it is in it.
pub(super) fn view(
    reader: &Reader<'_>,
    user: &UserId,
    conversation: &ConversationId,
) -> Option<ConversationView> {
    let own = reader.read(&key::own(user, conversation))?;
    let head = reader.read(&key::head(conversation))?;
    let member: Member = reader.read(&key::member(conversation, user))?;
    let is_hidden = || {
        let row = key::hidden(user, conversation, head.head);
        reader.view.get(row.bytes()).is_some()
    };
    let sees = head.head >= first_visible(&head, &member, &own) && !is_hidden();
    let last: Option<Message> =
        sees.then(|| reader.read(&key::message(conversation, head.head))).flatten();
    let peer = conversation.pair().and_then(|pair| pair.other(user));
    let peer: Option<Member> = peer.and_then(|peer| reader.read(&key::member(conversation, peer)));
    let peer = peer.map(|peer| CursorView { read: peer.read, delivered: peer.delivered });
    Some(ConversationView {
        conversation: conversation.clone(),
        unread: unread(&head, &member),
        listed: is_listed(&head, &own),
        last: last.map(Box::new),
        head,
        own,
        member,
        peer,
    })
}

/// One page of the list. It is ordered anew each time: a user's conversations are few compared with what ordering
/// them at every message would write.
fn list(
    reader: &Reader<'_>,
    user: &UserId,
    page: &PageOf<ListPlace>,
) -> Page<ListPlace, ConversationView> {
    let limit = page.limit.clamp(1, PAGE_MAX);
    let mut places: Vec<ListPlace> = own_rows(reader, user)
        .into_iter()
        .filter_map(|(conversation, own)| {
            let head: Head = reader.read(&key::head(&conversation))?;
            let place = ListPlace {
                pinned: own.settings.pinned,
                at: head.said_at.max(own.since),
                conversation,
            };
            let wanted = page.after.as_ref().is_none_or(|after| place < *after);
            (is_listed(&head, &own) && wanted).then_some(place)
        })
        .collect();
    places.sort_by(|a, b| b.cmp(a));
    let more = places.len() > limit;
    places.truncate(limit);
    let rows = places
        .into_iter()
        .filter_map(|place| view(reader, user, &place.conversation).map(|view| (place, view)))
        .collect();
    Page { rows, more }
}

fn unread_total(reader: &Reader<'_>, user: &UserId) -> UnreadTotal {
    let mut total = UnreadTotal::default();
    for (conversation, own) in own_rows(reader, user) {
        let head: Option<Head> = reader.read(&key::head(&conversation));
        let member: Option<Member> = reader.read(&key::member(&conversation, user));
        let Some((head, member)) = head.zip(member) else {
            continue;
        };
        let unread = unread(&head, &member);
        if unread == 0 || !is_listed(&head, &own) {
            continue;
        }
        total.messages += unread;
        total.conversations += 1;
        if !is_quiet(reader, &own.settings) {
            total.badge += unread;
        }
    }
    total
}

fn is_quiet(reader: &Reader<'_>, settings: &ConversationSettings) -> bool {
    settings.muted_until > reader.at
}

/// Messages after the read cursor that mean the user, or everybody.
fn mentions(
    reader: &Reader<'_>,
    user: &UserId,
    conversation: &ConversationId,
) -> Result<Vec<Sequence>, Reject> {
    let member: Option<Member> = reader.read(&key::member(conversation, user));
    let member = member.ok_or(Reject::ConversationNotFound)?;
    let from = member.visible_from.max(member.read.next());
    let mut found = Vec::new();
    for whom in [Some(user), None] {
        let prefix = key::mentions(conversation, whom).bytes();
        let start = key::mentions(conversation, whom).number(from.0).bytes();
        let mut count = 0;
        reader.view.scan(&start, &after_prefix(&prefix), Direction::Up, &mut |key, _| {
            found.extend(Rest::of(key, &prefix).number().map(Sequence));
            count += 1;
            if count < PAGE_MAX { Scan::More } else { Scan::Enough }
        });
    }
    found.sort_unstable();
    found.dedup();
    found.retain(|seq| {
        let message: Option<Message> = reader.read(&key::message(conversation, *seq));
        message.is_some_and(|message| {
            matches!(message.body, Body::Content(_)) && message.sender.as_ref() != Some(user)
        })
    });
    found.truncate(PAGE_MAX);
    Ok(found)
}

//! What holds of messages and cursors.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use proto::{
    im::{
        ClientKey, ConversationId, Head, Member, Message, Sequence, UserId, group::Pin,
        message::Edit,
    },
    store::View,
    time::LogTime,
};

use super::{Broken, Rule, all, hold};
use crate::{
    key::{self, Rest, table},
    keyed::Done,
};

type Messages = BTreeMap<(ConversationId, u64), Message>;

pub(super) fn check(view: &dyn View) -> Result<(), Broken> {
    let heads: BTreeMap<ConversationId, Head> = all(view, table::HEAD, |rest| rest.conversation())?;
    let messages: Messages = all(view, table::MESSAGE, in_conversation)?;
    let members: BTreeMap<(ConversationId, UserId), Member> =
        all(view, table::MEMBER, |rest| Some((rest.conversation()?, rest.user()?)))?;
    for (conversation, head) in &heads {
        let own: Vec<&Message> = messages
            .range((conversation.clone(), 0)..=(conversation.clone(), u64::MAX))
            .map(|(_, message)| message)
            .collect();
        check_messages(conversation, head, &own)?;
        let within = (conversation.clone(), lowest())..;
        let of_head = members.range(within).take_while(|((id, _), _)| id == conversation);
        for ((_, user), member) in of_head {
            check_cursors(conversation, head, user, member, &own)?;
        }
    }
    check_revisions(view, &heads, &messages)?;
    check_keys(view, &heads, &messages)?;
    check_extras(view, &heads, &messages)
}

fn in_conversation(rest: &mut Rest<'_>) -> Option<(ConversationId, u64)> {
    Some((rest.conversation()?, rest.number()?))
}

/// No user id is lower.
fn lowest() -> UserId {
    let lowest = UserId::try_from("+");
    let Ok(lowest) = lowest else { unreachable!("it is an id") };
    lowest
}

fn check_messages(
    conversation: &ConversationId,
    head: &Head,
    messages: &[&Message],
) -> Result<(), Broken> {
    let at = || key::head(conversation).into_bytes();
    let kept = head.head.next().0.checked_sub(head.first.0);
    let dense = (head.first.0..).zip(messages).all(|(seq, message)| message.seq.0 == seq);
    hold(Rule::Dense, dense && kept == u64::try_from(messages.len()).ok(), at)?;
    let in_time = messages.windows(2).all(|pair| matches!(pair, [a, b] if a.at <= b.at));
    hold(Rule::Dense, in_time && messages.last().is_none_or(|last| last.at <= head.said_at), at)?;
    let mut counted = head.counted_before;
    for message in messages {
        counted += u64::from(head.counts && message.may_count());
        hold(Rule::Counted, message.counted == counted, at)?;
    }
    hold(Rule::Counted, head.counted == counted, at)
}

fn check_cursors(
    conversation: &ConversationId,
    head: &Head,
    user: &UserId,
    member: &Member,
    messages: &[&Message],
) -> Result<(), Broken> {
    let at = || key::member(conversation, user).into_bytes();
    let in_order = member.read <= member.delivered && member.delivered <= head.head;
    hold(Rule::Cursors, in_order, at)?;
    let after = messages.iter().filter(|message| message.seq > member.read);
    let counting = after.filter(|message| head.counts && message.may_count());
    let others = counting.filter(|message| message.sender.as_ref() != Some(user));
    let unread = head.counted.saturating_sub(member.read_counted.max(head.counted_before));
    hold(Rule::Counted, u64::try_from(others.count()) == Ok(unread), at)
}

fn check_revisions(
    view: &dyn View,
    heads: &BTreeMap<ConversationId, Head>,
    messages: &Messages,
) -> Result<(), Broken> {
    let rows: BTreeMap<(ConversationId, u64), Sequence> =
        all(view, table::REVISION, in_conversation)?;
    let rows = rows.iter().filter(|((conversation, _), _)| heads.contains_key(conversation));
    let listed: BTreeSet<(&ConversationId, u64, Sequence)> =
        rows.map(|((conversation, revision), seq)| (conversation, *revision, *seq)).collect();
    let standing = messages.iter().filter(|((conversation, _), message)| {
        message.revision > 0 && heads.contains_key(conversation)
    });
    let changed: BTreeSet<(&ConversationId, u64, Sequence)> =
        standing.map(|((id, _), message)| (id, message.revision, message.seq)).collect();
    let odd = listed.symmetric_difference(&changed).next();
    odd.map_or(Ok(()), |(conversation, revision, _)| {
        hold(Rule::Revisions, false, || key::revision(conversation, *revision).into_bytes())
    })?;
    let ahead = changed.iter().find(|(conversation, revision, _)| {
        heads.get(*conversation).is_none_or(|head| *revision > head.revision)
    });
    ahead.map_or(Ok(()), |(conversation, revision, _)| {
        hold(Rule::Revisions, false, || key::revision(conversation, *revision).into_bytes())
    })
}

fn check_keys(
    view: &dyn View,
    heads: &BTreeMap<ConversationId, Head>,
    messages: &Messages,
) -> Result<(), Broken> {
    type Place = (u64, ConversationId, UserId, [u8; 16]);
    let parse = |rest: &mut Rest<'_>| -> Option<Place> {
        let (bucket, conversation, user) = (rest.number()?, rest.conversation()?, rest.user()?);
        let key = rest.take(16)?.try_into().ok()?;
        Some((bucket, conversation, user, key))
    };
    let keys: BTreeMap<Place, Done> = all(view, table::DONE, parse)?;
    let mut used: BTreeSet<(&ConversationId, Sequence)> = BTreeSet::new();
    for ((bucket, conversation, user, key), done) in &keys {
        let Done::Sent { seq, at } = done else { continue };
        let Some(head) = heads.get(conversation) else { continue };
        let message = messages.get(&(conversation.clone(), seq.0));
        let is_it = message.map_or(*seq < head.first, |message| {
            let of_sender = message.sender.as_ref() == Some(user);
            of_sender && message.key == ClientKey(*key) && message.at == *at
        });
        hold(Rule::Keys, is_it && used.insert((conversation, *seq)), || {
            key::done(*bucket, conversation, user, ClientKey(*key)).into_bytes()
        })?;
    }
    Ok(())
}

fn check_extras(
    view: &dyn View,
    heads: &BTreeMap<ConversationId, Head>,
    messages: &Messages,
) -> Result<(), Broken> {
    let pins: BTreeMap<(ConversationId, u64), Pin> = all(view, table::PIN, in_conversation)?;
    let edits: BTreeMap<(ConversationId, u64, u64), Edit> = all(view, table::EDIT, |rest| {
        Some((rest.conversation()?, rest.number()?, rest.number()?))
    })?;
    type Given = (ConversationId, u64, String, UserId);
    let reactions: BTreeMap<Given, LogTime> = all(view, table::REACTION, |rest| {
        let place = (rest.conversation()?, rest.number()?);
        Some((place.0, place.1, String::from(rest.text()?), rest.user()?))
    })?;
    let mut given: BTreeMap<(&ConversationId, u64), BTreeMap<String, u32>> = BTreeMap::new();
    for (conversation, seq, reaction, _) in reactions.keys() {
        let of_message = given.entry((conversation, *seq)).or_default();
        *of_message.entry(reaction.clone()).or_default() += 1;
    }
    for ((conversation, seq), message) in messages {
        let Some(head) = heads.get(conversation) else { continue };
        let found = given.get(&(conversation, *seq)).cloned().unwrap_or_default();
        // Of what is gone or too old, rows may wait for housekeeping.
        let is_going = message.reactions.is_empty() || head.retention.keep.is_some();
        let reacted = is_going || found == message.reactions;
        let pinned = pins.contains_key(&(conversation.clone(), *seq)) == message.pinned;
        let forms =
            edits.range((conversation.clone(), *seq, 0)..=(conversation.clone(), *seq, u64::MAX));
        let edited = forms.count() == usize::from(message.edits);
        hold(Rule::Extras, reacted && pinned && edited, || {
            key::message(conversation, Sequence(*seq)).into_bytes()
        })?;
    }
    let orphan = pins.keys().find(|(conversation, seq)| {
        heads.contains_key(conversation) && !messages.contains_key(&(conversation.clone(), *seq))
    });
    orphan.map_or(Ok(()), |(conversation, seq)| {
        hold(Rule::Extras, false, || key::pin(conversation, Sequence(*seq)).into_bytes())
    })
}

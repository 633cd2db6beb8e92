//! Sending: who may, and the place a message gets.

pub(crate) mod import;

use alloc::{boxed::Box, collections::BTreeMap};

use proto::{
    im::{
        Body, ClientKey, Content, ConversationId, Event, GroupKind, Head, Member, Message,
        MessageOptions, Reject, Reply, Role, Sequence, UserConversation, UserId,
        account::{AccountState, Allowed},
        command::Send,
        conversation::Entity,
        id::Pair,
        limit::CONVERSATIONS_MAX,
        message::Tip,
        reject::Many,
    },
    time::LogTime,
};

use crate::{
    asker::Asker,
    check, content, key,
    keyed::{self, Done},
    relation,
    tx::{self, Tx},
    wheel::{self, Task},
};

/// Gives a user's message its place in the conversation.
pub(crate) fn send(tx: &mut Tx<'_>, asker: &Asker, send: &Send) -> Result<Reply, Reject> {
    let user = asker.user()?;
    let conversation = &send.conversation;
    match keyed::find(tx, conversation, user, send.key) {
        None => {}
        Some(Done::Sent { seq, at }) => return Ok(Reply::Sent { seq, at, duplicate: true }),
        Some(Done::Counted { .. }) => return Err(Reject::KeyUsed),
    }
    content::check(&send.content)?;
    content::check_options(&send.options)?;
    let (mut head, mut member) = match conversation {
        ConversationId::Private(pair) => may_send_private(tx, asker, pair, conversation)?,
        ConversationId::Group(_) => may_send_group(tx, asker, conversation, &send.options)?,
    };
    if let Some(answered) = send.options.reply_to {
        let known = answered > Sequence(0) && answered <= head.head;
        if !known {
            return Err(Reject::MessageNotFound { seq: answered });
        }
    }
    let seq = head.head.next();
    file_mentions(tx, conversation, seq, &send.options);
    let letter =
        Letter { sender: Some(user.clone()), key: send.key, options: send.options.clone() };
    append(tx, conversation, &mut head, letter, send.content.clone());
    tx.put(key::head(conversation), &head);
    if let Some(member) = &mut member {
        // Who writes has read.
        member.read = seq;
        member.read_counted = head.counted;
        member.delivered = seq;
        tx.put(key::member(conversation, user), member);
    }
    let at = tx.at;
    keyed::remember(tx, conversation, user, send.key, &Done::Sent { seq, at });
    Ok(Reply::Sent { seq, at, duplicate: false })
}

/// The head, and the sender's part, of a private conversation that it may write to; opened if it was not.
fn may_send_private(
    tx: &mut Tx<'_>,
    asker: &Asker,
    pair: &Pair,
    conversation: &ConversationId,
) -> Result<(Head, Option<Member>), Reject> {
    let user = asker.user()?;
    let peer = pair.other(user).ok_or(Reject::ConversationNotFound)?;
    check_peer(tx, asker, user, peer)?;
    match tx.read(&key::head(conversation)) {
        Some(head) => Ok((head, tx.read(&key::member(conversation, user)))),
        None => open_private(tx, pair, conversation),
    }
}

/// Whether the other one takes messages from the user.
fn check_peer(tx: &Tx<'_>, asker: &Asker, user: &UserId, peer: &UserId) -> Result<(), Reject> {
    let account = tx.account(peer).filter(|account| account.state != AccountState::Deleted);
    let account = account.ok_or_else(|| Reject::AccountNotFound { user: peer.clone() })?;
    if asker.backend {
        return Ok(());
    }
    if tx.has(&key::block(peer, user)) {
        return Err(Reject::Blocked);
    }
    let takes = match account.rules.messages {
        Allowed::Anyone => true,
        Allowed::Friends => relation::are_friends(tx, peer, user),
        Allowed::Nobody => false,
    };
    if takes { Ok(()) } else { Err(Reject::ContactRefused { user: peer.clone() }) }
}

/// Puts a private conversation into both lists.
pub(crate) fn open_private(
    tx: &mut Tx<'_>,
    pair: &Pair,
    conversation: &ConversationId,
) -> Result<(Head, Option<Member>), Reject> {
    for user in [pair.low(), pair.high()] {
        check::room(Many::Conversations, tx.tally(user).conversations, CONVERSATIONS_MAX)?;
    }
    let member = Member { joined_at: tx.at, visible_from: Sequence(1), ..Member::default() };
    for user in [pair.low(), pair.high()] {
        tx.put(key::member(conversation, user), &member);
        tx.put(
            key::own(user, conversation),
            &UserConversation { since: tx.at, ..UserConversation::default() },
        );
        tx.count(user, |tally| tally.conversations += 1);
        tx.changed(user, Entity::Conversation(conversation.clone()));
    }
    let head = Head { members: 2, counts: true, ..new_head(tx) };
    Ok((head, Some(member)))
}

/// The head of a conversation without messages.
pub(crate) fn new_head(tx: &Tx<'_>) -> Head {
    let mut head = Head { first: Sequence(1), at: tx.at, said_at: tx.at, ..Head::default() };
    head.retention.keep = tx::settings(tx).retention;
    head
}

/// The head, and the sender's part, of a group that it may write to.
fn may_send_group(
    tx: &Tx<'_>,
    asker: &Asker,
    conversation: &ConversationId,
    options: &MessageOptions,
) -> Result<(Head, Option<Member>), Reject> {
    let user = asker.user()?;
    let (head, member) =
        (tx.read(&key::head(conversation)), tx.read(&key::member(conversation, user)));
    let Some(head) = head else {
        return Err(match conversation {
            ConversationId::Group(group) => Reject::GroupNotFound { group: group.clone() },
            ConversationId::Private(_) => Reject::ConversationNotFound,
        });
    };
    if asker.backend {
        return Ok((head, member));
    }
    let member: Member = member.ok_or_else(|| Reject::NotMember { user: user.clone() })?;
    check_voice(tx, &head, &member)?;
    if options.mentions.all && member.role == Role::Member && !is_private_group(tx, conversation) {
        return Err(Reject::NotPermitted);
    }
    Ok((head, Some(member)))
}

/// Refuses who is muted.
pub(crate) fn check_voice(tx: &Tx<'_>, head: &Head, member: &Member) -> Result<(), Reject> {
    if member.muted_until > tx.at {
        return Err(Reject::Muted { until: member.muted_until });
    }
    if head.muted && member.role == Role::Member {
        return Err(Reject::Muted { until: LogTime(u64::MAX) });
    }
    Ok(())
}

/// Whether the conversation is a private group, where every member may do what elsewhere administrators do.
pub(crate) fn is_private_group(tx: &Tx<'_>, conversation: &ConversationId) -> bool {
    let group = conversation.group().and_then(|group| tx.read(&key::group(group)));
    group.is_some_and(|group| group.kind == GroupKind::Private)
}

/// Files who is meant, so that each finds it. Nobody is meant in private.
fn file_mentions(
    tx: &mut Tx<'_>,
    conversation: &ConversationId,
    seq: Sequence,
    options: &MessageOptions,
) {
    if conversation.group().is_none() {
        return;
    }
    if options.mentions.all {
        tx.put(key::mention(conversation, None, seq), &());
    }
    for user in &options.mentions.users {
        tx.put(key::mention(conversation, Some(user), seq), &());
    }
}

/// What is on a message besides its content.
pub(crate) struct Letter {
    pub(crate) sender: Option<UserId>,
    pub(crate) key: ClientKey,
    pub(crate) options: MessageOptions,
}

/// Gives a message the next place, and tells it. The caller writes the head.
pub(crate) fn append(
    tx: &mut Tx<'_>,
    conversation: &ConversationId,
    head: &mut Head,
    letter: Letter,
    content: Content,
) {
    let at = tx.at;
    let ttl = letter.options.ttl;
    let message = place(tx, conversation, head, (letter, content), at);
    if let Some(ttl) = ttl {
        let seq = message.seq;
        wheel::file(tx, at + ttl, &Task::Message { conversation: conversation.clone(), seq });
    }
    wheel::begin_trim(tx, conversation, head);
    tx.tell(Event::Message { conversation: conversation.clone(), message: Box::new(message) });
}

/// Gives a message that was sent elsewhere the next place, and tells nobody. The caller writes the head and looks to
/// its retention.
pub(crate) fn bring(
    tx: &mut Tx<'_>,
    head: &mut Head,
    sender: &UserId,
    at: LogTime,
    send: Send,
) -> Sequence {
    let letter = Letter { sender: Some(sender.clone()), key: send.key, options: send.options };
    place(tx, &send.conversation, head, (letter, send.content), at).seq
}

fn place(
    tx: &mut Tx<'_>,
    conversation: &ConversationId,
    head: &mut Head,
    (letter, content): (Letter, Content),
    at: LogTime,
) -> Message {
    let seq = head.head.next();
    let mut message = Message {
        seq,
        at,
        sender: letter.sender,
        key: letter.key,
        body: Body::Content(content),
        options: letter.options,
        counted: head.counted,
        revision: 0,
        edits: 0,
        edited_at: None,
        reactions: BTreeMap::new(),
        pinned: false,
    };
    if head.counts && message.may_count() {
        message.counted += 1;
    }
    head.head = seq;
    head.counted = message.counted;
    head.at = tx.at;
    head.said_at = at;
    tx.put(key::message(conversation, seq), &message);
    message
}

/// Says in the conversation what happened in the group.
pub(crate) fn tip(tx: &mut Tx<'_>, conversation: &ConversationId, head: &mut Head, tip: Tip) {
    let letter =
        Letter { sender: None, key: ClientKey::default(), options: MessageOptions::default() };
    append(tx, conversation, head, letter, Content::Tip(tip));
}

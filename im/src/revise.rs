//! What becomes of a message that stands: recalled, deleted, edited, reacted to, pinned.

use alloc::{boxed::Box, string::String};

use proto::{
    im::{
        Body, ConversationId, Event, Head, Member, Message, Reject, Reply, Role, Sequence, UserId,
        command::MessageAction,
        event::GroupPart,
        group::Pin,
        limit::{EDITS_MAX, PINS_MAX, REACTION_BYTES_MAX, REACTIONS_MAX, REACTIONS_PER_USER_MAX},
        message::{Content, Edit, Gone},
        reject::{Many, Part},
    },
    store::{Direction, Scan, View},
    time::LogTime,
};

use crate::{
    asker::Asker,
    check, content,
    key::{self, table},
    message,
    tx::{self, Tx},
    wheel::{self, Task},
};

/// A message and who wants to change it.
struct Case<'a> {
    asker: &'a Asker,
    conversation: &'a ConversationId,
    head: Head,
    member: Option<Member>,
    message: Message,
}

/// Does what is asked about a message.
pub(crate) fn act(
    tx: &mut Tx<'_>,
    asker: &Asker,
    conversation: &ConversationId,
    seq: Sequence,
    action: &MessageAction,
) -> Result<Reply, Reject> {
    let mut case = case(tx, asker, conversation, seq)?;
    if !matches!(action, MessageAction::Withdraw { .. }) {
        case.check_not_blocked(tx)?;
    }
    let changed = match action {
        MessageAction::Withdraw { how } => withdraw(tx, &mut case, *how)?,
        MessageAction::Edit { content } => edit(tx, &mut case, content)?,
        MessageAction::React { reaction, on } => react(tx, &mut case, reaction, *on)?,
        MessageAction::Pin { on } => pin(tx, &mut case, *on)?,
    };
    if changed {
        revise(tx, conversation, &mut case.head, case.message);
        tx.put(key::head(conversation), &case.head);
    }
    Ok(Reply::Revised { revision: case.head.revision })
}

/// The message, if who asks can see it.
fn case<'a>(
    tx: &Tx<'_>,
    asker: &'a Asker,
    conversation: &'a ConversationId,
    seq: Sequence,
) -> Result<Case<'a>, Reject> {
    let head: Head = tx.read(&key::head(conversation)).ok_or(Reject::ConversationNotFound)?;
    let member = asker.by().and_then(|user| tx.read(&key::member(conversation, user)));
    if !asker.backend {
        let member: &Member = member.as_ref().ok_or(Reject::ConversationNotFound)?;
        if seq < member.visible_from {
            return Err(Reject::MessageNotFound { seq });
        }
    }
    let message = tx.read(&key::message(conversation, seq));
    let message = message.ok_or(Reject::MessageNotFound { seq })?;
    Ok(Case { asker, conversation, head, member, message })
}

impl Case<'_> {
    /// Whether who asks moderates the conversation.
    fn moderates(&self) -> bool {
        let is_admin = self.member.as_ref().is_some_and(|member| member.role >= Role::Admin);
        self.asker.backend || is_admin
    }

    /// Whether who asks sent the message.
    fn is_sender(&self) -> bool {
        self.message.sender.is_some() && self.message.sender.as_ref() == self.asker.by()
    }

    /// Refuses who neither moderates nor sent the message within a time.
    fn check_author(&self, now: LogTime, within: core::time::Duration) -> Result<(), Reject> {
        if self.asker.backend {
            return Ok(());
        }
        if !self.is_sender() {
            return Err(Reject::NotPermitted);
        }
        if now.since(self.message.at) > within { Err(Reject::TooLate) } else { Ok(()) }
    }

    /// Refuses whom the other one of a private conversation blocked.
    fn check_not_blocked(&self, tx: &Tx<'_>) -> Result<(), Reject> {
        let Some((pair, user)) = self.conversation.pair().zip(self.asker.by()) else {
            return Ok(());
        };
        let blocks = |peer| tx.has(&key::block(peer, user));
        let is_blocked = !self.asker.backend && pair.other(user).is_some_and(blocks);
        if is_blocked { Err(Reject::Blocked) } else { Ok(()) }
    }

    /// The content that stands.
    fn content(&self) -> Result<&Content, Reject> {
        match &self.message.body {
            Body::Content(content) => Ok(content),
            Body::Gone { .. } => Err(Reject::MessageNotFound { seq: self.message.seq }),
        }
    }
}

/// Gives a changed message the next revision, and says so. The caller writes the head.
pub(crate) fn revise(
    tx: &mut Tx<'_>,
    conversation: &ConversationId,
    head: &mut Head,
    mut message: Message,
) {
    if message.revision > 0 {
        tx.remove(key::revision(conversation, message.revision));
    }
    head.revision += 1;
    head.at = tx.at;
    message.revision = head.revision;
    tx.put(key::revision(conversation, head.revision), &message.seq);
    tx.put(key::message(conversation, message.seq), &message);
    let (conversation, message) = (conversation.clone(), Box::new(message));
    tx.tell(Event::MessageChanged { conversation, message });
}

fn withdraw(tx: &mut Tx<'_>, case: &mut Case<'_>, how: Gone) -> Result<bool, Reject> {
    let settings = tx::settings(tx);
    let within = match how {
        Gone::Recalled => settings.recall_within,
        Gone::Deleted => settings.delete_within,
        Gone::Expired => return Err(Reject::NotPermitted),
    };
    if !case.moderates() {
        case.check_author(tx.at, within)?;
    }
    let is_so = match &case.message.body {
        Body::Content(_) => false,
        // What was recalled may still be deleted, nothing else is more gone than before.
        Body::Gone { how: before, .. } => !(how == Gone::Deleted && *before == Gone::Recalled),
    };
    if is_so {
        return Ok(false);
    }
    let by = case.asker.by().cloned();
    empty(tx, case.conversation, &mut case.head, &mut case.message, (how, by));
    Ok(true)
}

/// Takes content, earlier forms, reactions and pin away from a message. The caller revises it.
pub(crate) fn empty(
    tx: &mut Tx<'_>,
    conversation: &ConversationId,
    head: &mut Head,
    message: &mut Message,
    (how, by): (Gone, Option<UserId>),
) {
    message.body = Body::Gone { how, by, at: tx.at };
    for number in 0..message.edits {
        tx.remove(key::edit(conversation, message.seq, number));
    }
    message.edits = 0;
    if !message.reactions.is_empty() {
        message.reactions.clear();
        let (conversation, seq) = (conversation.clone(), message.seq);
        wheel::file(tx, tx.at, &Task::Reactions { conversation, seq });
    }
    if message.pinned {
        message.pinned = false;
        tx.remove(key::pin(conversation, message.seq));
        tell_pins(tx, conversation, head);
    }
}

fn edit(tx: &mut Tx<'_>, case: &mut Case<'_>, new: &Content) -> Result<bool, Reject> {
    case.check_author(tx.at, tx::settings(tx).edit_within)?;
    content::check(new)?;
    let before = case.content()?.clone();
    if before == *new {
        return Ok(false);
    }
    if matches!(before, Content::Tip(_)) {
        return Err(Reject::ContentInvalid);
    }
    if let Some(member) = case.member.as_ref().filter(|_| !case.asker.backend) {
        message::check_voice(tx, &case.head, member)?;
    }
    check::room(Many::Edits, case.message.edits.into(), EDITS_MAX.into())?;
    let row = key::edit(case.conversation, case.message.seq, case.message.edits);
    tx.put(row, &Edit { content: before, until: tx.at });
    case.message.edits += 1;
    case.message.edited_at = Some(tx.at);
    case.message.body = Body::Content(new.clone());
    Ok(true)
}

fn react(
    tx: &mut Tx<'_>,
    case: &mut Case<'_>,
    reaction: &String,
    on: bool,
) -> Result<bool, Reject> {
    let user = case.asker.user()?;
    check::filled(Part::Reaction, reaction.len(), REACTION_BYTES_MAX)?;
    // It stands in keys, where a zero byte ends it.
    if reaction.contains('\0') {
        return Err(Reject::ContentInvalid);
    }
    case.content()?;
    let (conversation, seq) = (case.conversation, case.message.seq);
    let row = key::reaction(conversation, seq, reaction, user);
    if tx.has(&row) == on {
        return Ok(false);
    }
    let reactions = &mut case.message.reactions;
    if !on {
        tx.remove(row);
        let count = reactions.get(reaction).map_or(0, |count| count.saturating_sub(1));
        if count == 0 {
            reactions.remove(reaction);
        } else {
            reactions.insert(reaction.clone(), count);
        }
        return Ok(true);
    }
    let others = reactions.len() + usize::from(!reactions.contains_key(reaction));
    check::at_most(Many::Reactions, others, REACTIONS_MAX)?;
    let given = |known: &&String| tx.has(&key::reaction(conversation, seq, known, user));
    let own = reactions.keys().filter(given).count();
    check::at_most(Many::Reactions, own + 1, REACTIONS_PER_USER_MAX)?;
    let now = tx.at;
    tx.put(row, &now);
    let count = reactions.entry(reaction.clone()).or_default();
    *count = count.saturating_add(1);
    Ok(true)
}

fn pin(tx: &mut Tx<'_>, case: &mut Case<'_>, on: bool) -> Result<bool, Reject> {
    let conversation = case.conversation;
    let is_open = conversation.group().is_none() || message::is_private_group(tx, conversation);
    if !case.moderates() && !is_open {
        return Err(Reject::NotPermitted);
    }
    if case.message.pinned == on {
        return Ok(false);
    }
    let row = key::pin(conversation, case.message.seq);
    if on {
        case.content()?;
        check::at_most(Many::Pins, count_pins(tx, conversation) + 1, PINS_MAX)?;
        tx.put(row, &Pin { by: case.asker.by().cloned(), at: tx.at });
    } else {
        tx.remove(row);
    }
    case.message.pinned = on;
    tell_pins(tx, conversation, &mut case.head);
    Ok(true)
}

fn count_pins(tx: &Tx<'_>, conversation: &ConversationId) -> usize {
    let mut count = 0;
    let prefix = key::of_conversation(table::PIN, conversation);
    tx.scan_prefix(&prefix, Direction::Up, &mut |_, _| {
        count += 1;
        Scan::More
    });
    count
}

/// Pins of a group are part of it.
fn tell_pins(tx: &mut Tx<'_>, conversation: &ConversationId, head: &mut Head) {
    let Some(group) = conversation.group() else {
        return;
    };
    head.version += 1;
    let (group, version) = (group.clone(), head.version);
    let part = GroupPart::Pins;
    tx.tell(Event::GroupChanged { group, part, version, user: None, key: None });
}

//! What a user keeps of a conversation: cursors, settings, what it cleared.

use alloc::{collections::BTreeSet, string::String};

use proto::im::{
    ConversationId, Entity, Event, Head, Member, Message, Reject, Reply, Sequence,
    UserConversation, UserId,
    command::{ConversationAction, SettingsChange},
    conversation::ConversationSettings,
    limit::{DRAFT_BYTES_MAX, FOLDERS_MAX, LABEL_BYTES_MAX, PAGE_MAX, PINNED_CONVERSATIONS_MAX},
    reject::{Many, Part},
};

use crate::{asker::Asker, check, key, tx::Tx};

/// A conversation with one participant's part in it.
struct Share<'a> {
    user: &'a UserId,
    conversation: &'a ConversationId,
    head: Head,
    member: Member,
    own: UserConversation,
}

/// Does what a user asks about a conversation of its.
pub(crate) fn act(
    tx: &mut Tx<'_>,
    asker: &Asker,
    conversation: &ConversationId,
    action: &ConversationAction,
) -> Result<Reply, Reject> {
    let user = asker.user()?;
    let found = (
        tx.read(&key::head(conversation)),
        tx.read(&key::member(conversation, user)),
        tx.read(&key::own(user, conversation)),
    );
    let (Some(head), Some(member), Some(own)) = found else {
        return Err(Reject::ConversationNotFound);
    };
    let part = Share { user, conversation, head, member, own };
    match action {
        ConversationAction::Read { seq } => read(tx, part, *seq),
        ConversationAction::Delivered { seq } => delivered(tx, part, *seq),
        ConversationAction::Update(change) => update(tx, part, change),
        ConversationAction::Clear => Ok(clear(tx, part)),
        ConversationAction::Hide { clear } => Ok(hide(tx, part, *clear)),
        ConversationAction::HideMessages { seqs } => hide_messages(tx, &part, seqs),
    }
}

fn read(tx: &mut Tx<'_>, mut part: Share<'_>, seq: Sequence) -> Result<Reply, Reject> {
    if seq > part.head.head {
        return Err(Reject::MessageNotFound { seq });
    }
    if move_read(tx, &mut part, seq) {
        tx.changed(part.user, Entity::Conversation(part.conversation.clone()));
    }
    Ok(Reply::Done)
}

/// Moves the read cursor forward; returns whether it moved.
fn move_read(tx: &mut Tx<'_>, part: &mut Share<'_>, seq: Sequence) -> bool {
    if seq <= part.member.read {
        return false;
    }
    part.member.read = seq;
    part.member.read_counted = counted_at(tx, part.conversation, &part.head, seq);
    part.member.delivered = part.member.delivered.max(seq);
    keep_cursors(tx, part);
    true
}

/// How many messages up to `seq` count as unread. Before the first that is kept it is what was counted when that was
/// cut off, which makes no difference to what is unread.
fn counted_at(tx: &Tx<'_>, conversation: &ConversationId, head: &Head, seq: Sequence) -> u64 {
    if seq >= head.head {
        return head.counted;
    }
    let message: Option<Message> = tx.read(&key::message(conversation, seq));
    message.map_or(head.counted_before, |message| message.counted)
}

fn keep_cursors(tx: &mut Tx<'_>, part: &Share<'_>) {
    tx.put(key::member(part.conversation, part.user), &part.member);
    tx.tell(Event::Receipt {
        conversation: part.conversation.clone(),
        user: part.user.clone(),
        read: part.member.read,
        delivered: part.member.delivered,
    });
}

fn delivered(tx: &mut Tx<'_>, mut part: Share<'_>, seq: Sequence) -> Result<Reply, Reject> {
    if seq > part.head.head {
        return Err(Reject::MessageNotFound { seq });
    }
    if seq > part.member.delivered {
        part.member.delivered = seq;
        keep_cursors(tx, &part);
    }
    Ok(Reply::Done)
}

fn update(tx: &mut Tx<'_>, part: Share<'_>, change: &SettingsChange) -> Result<Reply, Reject> {
    let old = &part.own.settings;
    let settings = ConversationSettings {
        pinned: change.pinned.unwrap_or(old.pinned),
        muted_until: change.muted_until.unwrap_or(old.muted_until),
        marks: change.marks.unwrap_or(old.marks),
        draft: change.draft.as_ref().unwrap_or(&old.draft).clone(),
        folders: change.folders.as_ref().unwrap_or(&old.folders).clone(),
    };
    check::within(Part::Draft, settings.draft.len(), DRAFT_BYTES_MAX)?;
    check_folders(&settings.folders)?;
    if settings == *old {
        return Ok(Reply::Done);
    }
    if settings.pinned && !old.pinned {
        let pinned = tx.tally(part.user).pinned;
        check::room(Many::PinnedConversations, pinned, PINNED_CONVERSATIONS_MAX)?;
    }
    count_pinned(tx, part.user, old.pinned, settings.pinned);
    keep(tx, &part, &UserConversation { settings, ..part.own.clone() });
    Ok(Reply::Done)
}

fn check_folders(folders: &BTreeSet<String>) -> Result<(), Reject> {
    check::at_most(Many::Folders, folders.len(), FOLDERS_MAX)?;
    folders.iter().try_for_each(|folder| check::filled(Part::Name, folder.len(), LABEL_BYTES_MAX))
}

/// Keeps count of pinned conversations.
pub(crate) fn count_pinned(tx: &mut Tx<'_>, user: &UserId, before: bool, after: bool) {
    match (before, after) {
        (false, true) => tx.count(user, |tally| tally.pinned += 1),
        (true, false) => tx.count(user, |tally| tally.pinned -= 1),
        (true, true) | (false, false) => {}
    }
}

fn keep(tx: &mut Tx<'_>, part: &Share<'_>, own: &UserConversation) {
    tx.put(key::own(part.user, part.conversation), own);
    tx.changed(part.user, Entity::Conversation(part.conversation.clone()));
}

fn clear(tx: &mut Tx<'_>, mut part: Share<'_>) -> Reply {
    let head = part.head.head;
    let moved = move_read(tx, &mut part, head);
    if moved || part.own.cleared < head {
        keep(tx, &part, &UserConversation { cleared: head, ..part.own.clone() });
    }
    Reply::Done
}

fn hide(tx: &mut Tx<'_>, mut part: Share<'_>, and_clear: bool) -> Reply {
    let head = part.head.head;
    let mut own = UserConversation { hidden: Some(head), ..part.own.clone() };
    own.settings.pinned = false;
    let mut moved = false;
    if and_clear {
        moved = move_read(tx, &mut part, head);
        own.cleared = head;
    }
    if moved || own != part.own {
        count_pinned(tx, part.user, part.own.settings.pinned, false);
        keep(tx, &part, &own);
    }
    Reply::Done
}

fn hide_messages(
    tx: &mut Tx<'_>,
    part: &Share<'_>,
    seqs: &BTreeSet<Sequence>,
) -> Result<Reply, Reject> {
    check::within(Part::List, seqs.len(), PAGE_MAX)?;
    for seq in seqs {
        if *seq < part.head.first || *seq > part.head.head {
            return Err(Reject::MessageNotFound { seq: *seq });
        }
        let row = key::hidden(part.user, part.conversation, *seq);
        if !tx.has(&row) {
            tx.put(row, &());
            tx.changed(part.user, Entity::Hidden(part.conversation.clone(), *seq));
        }
    }
    Ok(Reply::Done)
}

//! What waits for a socket: bounded, by class, and getting coarser instead of longer.
//!
//! Frames leave by class, [`Class::Control`] first. When the bound is reached, live messages of low priority and
//! typing are dropped, presence is folded to the latest of each user, more of live rooms is dropped, messages become
//! one [`Coarse::Hint`] for each conversation, changes and receipts one [`Coarse::Sync`]; only when answers alone fill
//! it, the client is given up ([`Overflow`]). Everything that is dropped or folded can be fetched, and is counted.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use proto::im::id::{ConversationId, Sequence, UserId, UserSeq};

#[cfg(test)]
mod tests;

/// Most frames that wait.
pub const FRAMES_MAX: usize = 256;
/// Most bytes that wait.
pub const BYTES_MAX: usize = 1024 * 1024;

/// What a frame is, and so what may happen to it. Ordered: what leaves first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An answer or something as important. Never dropped.
    Control(Bytes),
    /// Rows of the user's change log, up to this one.
    Change(Bytes, UserSeq),
    /// Somebody's cursor in a conversation.
    Receipt(Bytes),
    /// A new message.
    Message(Bytes, ConversationId, Sequence),
    /// A message that changed; the conversation's last message is this.
    MessageChanged(Bytes, ConversationId, Sequence),
    /// A live room.
    Live(Bytes, Priority),
    /// How a user is.
    Presence(Bytes, UserId),
    /// Somebody writes.
    Typing(Bytes),
}

/// What is more important in live rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Dropped last.
    High,
    /// As usual.
    Normal,
    /// Dropped first.
    Low,
}

/// The order in which frames leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Answers.
    Control,
    /// Changes and receipts.
    Sync,
    /// Messages.
    Message,
    /// Live rooms.
    LiveHigh,
    /// Live rooms.
    LiveNormal,
    /// Live rooms.
    LiveLow,
    /// Typing and presence.
    Ephemeral,
}

impl Class {
    const ALL: [Self; 7] = [
        Self::Control,
        Self::Sync,
        Self::Message,
        Self::LiveHigh,
        Self::LiveNormal,
        Self::LiveLow,
        Self::Ephemeral,
    ];
}

/// What takes the place of frames that were left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coarse {
    /// The conversation moved on to this message; older ones may have changed.
    Hint {
        /// Which.
        conversation: ConversationId,
        /// Its last message.
        head: Sequence,
        /// Whether older messages changed.
        changed: bool,
    },
    /// The user's change log moved on to here.
    Sync(UserSeq),
}

/// What leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A frame as it was put in. `kept`: it gets a push number and is kept for resuming.
    Frame {
        /// The frame.
        frame: Bytes,
        /// Whether it is kept for resuming.
        kept: bool,
    },
    /// Something that has yet to be written; it is kept for resuming.
    Coarse(Coarse),
}

/// Answers alone fill the outbox: the client does not read what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client reads too slowly")]
pub struct Overflow;

/// What was dropped or folded so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Frames of live rooms, and typing.
    pub dropped: u64,
    /// Frames that became a hint or a sync.
    pub folded: u64,
}

/// The outbox of one session.
#[derive(Debug, Default)]
pub struct Outbox {
    queues: [VecDeque<Item>; 7],
    hints: BTreeMap<ConversationId, (Sequence, bool)>,
    sync: Option<UserSeq>,
    frames: usize,
    bytes: usize,
    dropped: Dropped,
}

impl Outbox {
    /// Puts an item in, making room for it if there is none.
    ///
    /// # Errors
    /// [`Overflow`] when there is no way to make room.
    pub fn push(&mut self, item: Item) -> Result<(), Overflow> {
        let Some(item) = self.fold_into_waiting(item) else { return Ok(()) };
        if !self.has_room_for(&item) {
            self.make_room(&item);
            // What made room may have been of the same conversation.
            let Some(item) = self.fold_into_waiting(item) else { return Ok(()) };
            if self.has_room_for(&item) {
                self.keep(item);
                return Ok(());
            }
            return self.refuse(item);
        }
        self.keep(item);
        Ok(())
    }

    /// Takes the next one out.
    pub fn pop(&mut self) -> Option<Outgoing> {
        for class in Class::ALL {
            if class == Class::Sync
                && let Some(seq) = self.sync.take()
            {
                return Some(Outgoing::Coarse(Coarse::Sync(seq)));
            }
            if class == Class::Message
                && let Some((conversation, (head, changed))) = self.hints.pop_first()
            {
                let hint = Coarse::Hint { conversation, head, changed };
                return Some(Outgoing::Coarse(hint));
            }
            if let Some(item) = self.queue(class).pop_front() {
                self.frames -= 1;
                self.bytes -= item.frame().len();
                let kept = item.is_kept();
                return Some(Outgoing::Frame { frame: item.into_frame(), kept });
            }
        }
        None
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames == 0 && self.hints.is_empty() && self.sync.is_none()
    }

    /// Frames and bytes that wait.
    #[must_use]
    pub const fn waiting(&self) -> (usize, usize) {
        (self.frames, self.bytes)
    }

    /// What was dropped or folded so far.
    #[must_use]
    pub const fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// A conversation that became a hint stays one until the hint has left; so does the change log.
    fn fold_into_waiting(&mut self, item: Item) -> Option<Item> {
        match &item {
            Item::Message(_, conversation, seq) | Item::MessageChanged(_, conversation, seq) => {
                let Some((head, changed)) = self.hints.get_mut(conversation) else {
                    return Some(item);
                };
                *head = (*head).max(*seq);
                *changed |= matches!(item, Item::MessageChanged(..));
            }
            Item::Change(_, seq) => {
                let Some(waiting) = &mut self.sync else { return Some(item) };
                *waiting = (*waiting).max(*seq);
            }
            Item::Receipt(_) if self.sync.is_some() => {}
            Item::Control(_)
            | Item::Receipt(_)
            | Item::Live(..)
            | Item::Presence(..)
            | Item::Typing(_) => return Some(item),
        }
        self.dropped.folded += 1;
        None
    }

    fn has_room_for(&self, item: &Item) -> bool {
        let bytes = item.frame().len();
        // One large answer must get through an empty outbox.
        self.frames == 0 || (self.frames < FRAMES_MAX && self.bytes + bytes <= BYTES_MAX)
    }

    fn keep(&mut self, item: Item) {
        self.frames += 1;
        self.bytes += item.frame().len();
        self.queue(item.class()).push_back(item);
    }

    fn make_room(&mut self, item: &Item) {
        let steps: [fn(&mut Self); 6] = [
            |outbox| outbox.drop_where(Class::LiveLow, |_| true),
            |outbox| outbox.drop_where(Class::Ephemeral, |item| matches!(item, Item::Typing(_))),
            Self::fold_presence,
            |outbox| {
                outbox.drop_where(Class::LiveNormal, |_| true);
                outbox.drop_where(Class::LiveHigh, |_| true);
            },
            Self::fold_messages,
            Self::fold_changes,
        ];
        for step in steps {
            step(self);
            if self.has_room_for(item) {
                return;
            }
        }
        // Presence is soft: who needs it subscribes again.
        self.drop_where(Class::Ephemeral, |_| true);
    }

    /// Nothing can be made smaller any more: what can be fetched is folded, what is soft is dropped.
    fn refuse(&mut self, item: Item) -> Result<(), Overflow> {
        match item {
            Item::Control(_) => return Err(Overflow),
            Item::Message(_, conversation, seq) => {
                self.hints.insert(conversation, (seq, false));
                self.dropped.folded += 1;
            }
            Item::MessageChanged(_, conversation, seq) => {
                self.hints.insert(conversation, (seq, true));
                self.dropped.folded += 1;
            }
            Item::Change(_, seq) => {
                self.sync = Some(seq);
                self.dropped.folded += 1;
            }
            Item::Receipt(_) | Item::Live(..) | Item::Presence(..) | Item::Typing(_) => {
                self.dropped.dropped += 1;
            }
        }
        Ok(())
    }

    fn drop_where(&mut self, class: Class, mut goes: impl FnMut(&Item) -> bool) {
        let (mut frames, mut bytes) = (0, 0);
        self.queue(class).retain(|item| {
            let gone = goes(item);
            if gone {
                frames += 1;
                bytes += item.frame().len();
            }
            !gone
        });
        self.frames -= frames;
        self.bytes -= bytes;
        self.dropped.dropped += frames as u64;
    }

    /// Keeps the latest of each user.
    fn fold_presence(&mut self) {
        let queue = self.queue(Class::Ephemeral);
        let mut later = BTreeMap::<UserId, usize>::new();
        for item in queue.iter() {
            if let Item::Presence(_, user) = item {
                *later.entry(user.clone()).or_default() += 1;
            }
        }
        self.drop_where(Class::Ephemeral, |item| {
            let Item::Presence(_, user) = item else { return false };
            let Some(left) = later.get_mut(user) else { return false };
            *left -= 1;
            *left > 0
        });
    }

    fn fold_messages(&mut self) {
        for item in std::mem::take(self.queue(Class::Message)) {
            self.frames -= 1;
            self.bytes -= item.frame().len();
            self.dropped.folded += 1;
            let changes = matches!(item, Item::MessageChanged(..));
            if let Item::Message(_, conversation, seq)
            | Item::MessageChanged(_, conversation, seq) = item
            {
                let (head, changed) = self.hints.entry(conversation).or_insert((seq, changes));
                *head = (*head).max(seq);
                *changed |= changes;
            }
        }
    }

    /// Receipts go with changes: the conversation's row in the change log tells of them as well.
    fn fold_changes(&mut self) {
        let mut newest = self.sync;
        for item in std::mem::take(self.queue(Class::Sync)) {
            self.frames -= 1;
            self.bytes -= item.frame().len();
            self.dropped.folded += 1;
            let seq = if let Item::Change(_, seq) = item { seq } else { UserSeq(0) };
            newest = newest.max(Some(seq));
        }
        self.sync = newest;
    }

    #[expect(clippy::indexing_slicing, reason = "there is a queue for each class")]
    const fn queue(&mut self, class: Class) -> &mut VecDeque<Item> {
        &mut self.queues[class as usize]
    }
}

impl Item {
    /// Its class.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Control(_) => Class::Control,
            Self::Change(..) | Self::Receipt(_) => Class::Sync,
            Self::Message(..) | Self::MessageChanged(..) => Class::Message,
            Self::Live(_, Priority::High) => Class::LiveHigh,
            Self::Live(_, Priority::Normal) => Class::LiveNormal,
            Self::Live(_, Priority::Low) => Class::LiveLow,
            Self::Presence(..) | Self::Typing(_) => Class::Ephemeral,
        }
    }

    /// Whether it gets a push number and is kept for resuming.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        match self.class() {
            Class::Sync | Class::Message => true,
            Class::Control
            | Class::LiveHigh
            | Class::LiveNormal
            | Class::LiveLow
            | Class::Ephemeral => false,
        }
    }

    const fn frame(&self) -> &Bytes {
        match self {
            Self::Control(frame)
            | Self::Change(frame, _)
            | Self::Receipt(frame)
            | Self::Message(frame, ..)
            | Self::MessageChanged(frame, ..)
            | Self::Live(frame, _)
            | Self::Presence(frame, _)
            | Self::Typing(frame) => frame,
        }
    }

    fn into_frame(self) -> Bytes {
        match self {
            Self::Control(frame)
            | Self::Change(frame, _)
            | Self::Receipt(frame)
            | Self::Message(frame, ..)
            | Self::MessageChanged(frame, ..)
            | Self::Live(frame, _)
            | Self::Presence(frame, _)
            | Self::Typing(frame) => frame,
        }
    }
}

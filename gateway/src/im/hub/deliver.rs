//! Events of the log to the mailboxes of those whom they concern.

use proto::im::{
    account::AccountState,
    event::{Event, GroupPart, SessionEnd},
    id::{ConversationId, GroupId, UserId},
    message::Message,
};

use super::Hub;
use crate::im::{
    mailbox::{Close, Mailbox},
    op::output,
    outbox::Item,
    wire::{
        Encoded,
        pb::{self, server_frame::Body},
    },
};

/// Names that a push about members holds at most.
const NAMED_MAX: usize = 100;

impl Hub {
    /// Delivers one event.
    pub fn handle_event(&mut self, event: &Event) {
        match event {
            Event::Message { conversation, message } => self.on_message(conversation, message),
            Event::MessageChanged { conversation, message } => {
                self.on_message_changed(conversation, message);
            }
            Event::Receipt { conversation, user, read, delivered } => {
                let mut frame = Encoded::new(Body::Receipt(pb::Receipt {
                    conversation: conversation.to_string(),
                    user: user.to_string(),
                    read: read.0,
                    delivered: delivered.0,
                }));
                for member in self.chatty(conversation) {
                    self.tell(member, &mut frame, Item::Receipt);
                }
            }
            Event::Changed { user, user_seq, entity } => {
                let (entity, id, _) = output::entity(entity);
                let changed = pb::Changed { user_seq: user_seq.0, entity: entity.into(), id };
                let mut frame = Encoded::new(Body::Changed(changed));
                self.tell(user, &mut frame, |frame| Item::Change(frame, *user_seq));
            }
            Event::SessionEnded { user, session, reason, .. } => {
                let close = end(*reason);
                self.close_where(user, close, |mailbox| mailbox.owner.login == Some(*session));
            }
            Event::AccountChanged { user, state, epoch } => self.on_account(user, *state, *epoch),
            Event::Joined { group, users } => self.on_joined(group, users),
            Event::Left { group, users, by } => self.on_left(group, users, by.as_ref()),
            Event::GroupChanged { group, part, version, user, key } => {
                self.tell_group(
                    group,
                    Body::GroupChanged(pb::GroupChanged {
                        group: group.to_string(),
                        part: part_of(*part).into(),
                        version: *version,
                        user: user.as_ref().map(ToString::to_string).unwrap_or_default(),
                        key: key.clone().unwrap_or_default(),
                    }),
                );
            }
            Event::Dismissed { group } => self.on_dismissed(group),
            Event::Trimmed { conversation, first } => {
                let trimmed =
                    pb::Trimmed { conversation: conversation.to_string(), first: first.0 };
                self.tell_all(conversation, Body::Trimmed(trimmed), &Item::Receipt);
            }
            // Live rooms are not the hub's.
            Event::Configured | Event::LiveHeld { .. } | Event::LiveEnded { .. } => {}
        }
    }

    fn on_message(&self, conversation: &ConversationId, message: &Message) {
        let push = pb::MessagePush {
            conversation: conversation.to_string(),
            message: Some(output::message(message)),
        };
        let item = |frame| Item::Message(frame, conversation.clone(), message.seq);
        self.tell_all(conversation, Body::Message(push), &item);
    }

    /// Members who came later than the message may not see it, and who they are is not known here: groups are only
    /// told that something changed, and each member asks for what it may see.
    fn on_message_changed(&self, conversation: &ConversationId, message: &Message) {
        let body = match conversation {
            ConversationId::Private(_) => Body::MessageChanged(pb::MessagePush {
                conversation: conversation.to_string(),
                message: Some(output::message(message)),
            }),
            ConversationId::Group(_) => Body::Hint(pb::Hint {
                conversation: conversation.to_string(),
                head: message.seq.0,
                changed: true,
            }),
        };
        let item = |frame| Item::MessageChanged(frame, conversation.clone(), message.seq);
        self.tell_all(conversation, body, &item);
    }

    fn on_account(&self, name: &UserId, state: AccountState, epoch: u32) {
        match state {
            AccountState::Active => {
                let close = Close::Unauthorized(proto::error::ErrorCode::SessionEnded);
                let old = |mailbox: &Mailbox| mailbox.owner.epoch.is_some_and(|own| own < epoch);
                self.close_where(name, close, old);
            }
            AccountState::Disabled => {
                let close = Close::Forbidden(proto::error::ErrorCode::AccountDisabled);
                self.close_where(name, close, |_| true);
            }
            AccountState::Deleted => {
                let close = Close::Forbidden(proto::error::ErrorCode::AccountNotFound);
                self.close_where(name, close, |_| true);
            }
        }
    }

    fn on_joined(&mut self, group: &GroupId, users: &[UserId]) {
        for name in users {
            self.set_member(name, group, true);
        }
        let joined = users.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        let group_name = group.to_string();
        let changed = pb::MembersChanged { group: group_name, joined, ..Default::default() };
        self.tell_group(group, Body::MembersChanged(changed));
    }

    fn on_left(&mut self, group: &GroupId, users: &[UserId], by: Option<&UserId>) {
        let left = users.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        let by = by.map(ToString::to_string).unwrap_or_default();
        let group_name = group.to_string();
        let changed = pb::MembersChanged { group: group_name, left, by, joined: Vec::new() };
        self.tell_group(group, Body::MembersChanged(changed));
        for name in users {
            self.set_member(name, group, false);
        }
    }

    fn on_dismissed(&mut self, group: &GroupId) {
        let part = pb::GroupPart::Dismissed.into();
        let changed = pb::GroupChanged { group: group.to_string(), part, ..Default::default() };
        self.tell_group(group, Body::GroupChanged(changed));
        let members = self.groups.remove(group).unwrap_or_default();
        for name in &members {
            if let Some(user) = self.users.get_mut(name) {
                user.groups.remove(group);
            }
        }
        for user in self.users.values_mut() {
            if let Some(meanwhile) = &mut user.loading {
                meanwhile.insert(group.clone(), false);
            }
        }
    }

    fn set_member(&mut self, name: &UserId, group: &GroupId, is_member: bool) {
        let Some(user) = self.users.get_mut(name) else { return };
        if let Some(meanwhile) = &mut user.loading {
            meanwhile.insert(group.clone(), is_member);
        }
        if is_member {
            user.groups.insert(group.clone());
            self.groups.entry(group.clone()).or_default().insert(name.clone());
            return;
        }
        user.groups.remove(group);
        if let Some(members) = self.groups.get_mut(group) {
            members.remove(name);
            if members.is_empty() {
                self.groups.remove(group);
            }
        }
    }

    fn tell_group(&self, group: &GroupId, body: Body) {
        self.tell_all(&ConversationId::Group(group.clone()), body, &Item::Receipt);
    }

    fn tell_all(
        &self,
        conversation: &ConversationId,
        body: Body,
        item: &dyn Fn(bytes::Bytes) -> Item,
    ) {
        let mut frame = Encoded::new(body);
        match conversation {
            ConversationId::Private(pair) => {
                for name in [pair.low(), pair.high()] {
                    self.tell(name, &mut frame, item);
                }
            }
            ConversationId::Group(group) => {
                for name in self.groups.get(group).into_iter().flatten() {
                    self.tell(name, &mut frame, item);
                }
            }
        }
    }

    fn close_where(&self, name: &UserId, close: Close, which: impl Fn(&Mailbox) -> bool) {
        for mailbox in self.users.get(name).into_iter().flat_map(|user| &user.sessions) {
            if which(mailbox) {
                mailbox.close(close);
            }
        }
    }
}

const fn end(reason: SessionEnd) -> Close {
    use proto::error::ErrorCode;
    match reason {
        SessionEnd::Replaced => Close::Replaced,
        SessionEnd::LoggedOut | SessionEnd::Revoked | SessionEnd::Reused => {
            Close::Unauthorized(ErrorCode::SessionEnded)
        }
        SessionEnd::Disabled => Close::Forbidden(ErrorCode::AccountDisabled),
        SessionEnd::Deleted => Close::Forbidden(ErrorCode::AccountNotFound),
    }
}

const fn part_of(part: GroupPart) -> pb::GroupPart {
    match part {
        GroupPart::Info => pb::GroupPart::Info,
        GroupPart::Members => pb::GroupPart::Members,
        GroupPart::Bans => pb::GroupPart::Bans,
        GroupPart::Requests => pb::GroupPart::Requests,
        GroupPart::Attributes => pb::GroupPart::Attributes,
        GroupPart::Counters => pb::GroupPart::Counters,
        GroupPart::Pins => pb::GroupPart::Pins,
    }
}

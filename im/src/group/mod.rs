//! Groups: one module for each thing that is done with them.

mod attribute;
mod create;
pub(crate) mod forget;
mod import;
mod info;
mod join;
mod member;
pub(crate) mod policy;

use alloc::{collections::BTreeMap, string::String};

use proto::im::{
    ConversationId, Event, Group, GroupId, Head, Member, Reject, Reply, Role, UserId,
    command::GroupAction, event::GroupPart, group::Attribute,
};

use self::policy::Policy;
pub(crate) use self::{import::bring, join::drop_request, member::is_banned};
use crate::{asker::Asker, key, tx::Tx};

/// All attributes of a group: there are few.
pub(crate) type Attributes = BTreeMap<String, Attribute>;
/// All counters of a group.
pub(crate) type Counters = BTreeMap<String, i64>;

/// A group that was not dismissed, and who asks about it.
pub(crate) struct Open<'a> {
    pub(crate) asker: &'a Asker,
    pub(crate) id: &'a GroupId,
    pub(crate) conversation: ConversationId,
    pub(crate) group: Group,
    pub(crate) head: Head,
    /// The part in it of who asks, if it is a member.
    pub(crate) member: Option<Member>,
    pub(crate) policy: Policy,
}

/// Does what is asked of a group.
pub(crate) fn act(
    tx: &mut Tx<'_>,
    asker: &Asker,
    id: &GroupId,
    action: &GroupAction,
) -> Result<Reply, Reject> {
    if let GroupAction::Create(new) = action {
        return create::create(tx, asker, id, new);
    }
    let mut open = Open::new(tx, asker, id)?;
    let reply = on_open(tx, &mut open, action)?;
    open.keep(tx);
    Ok(reply)
}

fn on_open(tx: &mut Tx<'_>, open: &mut Open<'_>, action: &GroupAction) -> Result<Reply, Reject> {
    match action {
        GroupAction::Create(_) => Err(Reject::GroupExists { group: open.id.clone() }),
        GroupAction::Update(change) => info::update(tx, open, change),
        GroupAction::SetRules(rules) => info::set_rules(tx, open, rules),
        GroupAction::Dismiss => info::dismiss(tx, open),
        GroupAction::MuteAll { on } => info::mute_all(tx, open, *on),
        GroupAction::Join { message } => join::join(tx, open, message),
        GroupAction::CancelJoin => join::cancel(tx, open),
        GroupAction::AnswerJoin { user, accept } => join::answer(tx, open, user, *accept),
        GroupAction::Invite { users } => join::invite(tx, open, users),
        GroupAction::Leave => member::leave(tx, open),
        GroupAction::Remove { users, ban_until } => member::remove(tx, open, users, *ban_until),
        GroupAction::Ban { user, until } => member::ban(tx, open, user, *until),
        GroupAction::Unban { user } => member::unban(tx, open, user),
        GroupAction::SetRole { user, role } => member::set_role(tx, open, user, *role),
        GroupAction::Transfer { to } => member::transfer(tx, open, to),
        GroupAction::Mute { user, until } => member::mute(tx, open, user, *until),
        GroupAction::UpdateMember { user, card, custom } => {
            member::update(tx, open, user, card.as_ref(), custom)
        }
        GroupAction::SetAttribute { key, value, expected } => {
            attribute::set(tx, open, key, value.as_ref(), *expected)
        }
        GroupAction::Count { name, add, key } => attribute::count(tx, open, name, *add, *key),
        GroupAction::RemoveCounter { name } => attribute::remove_counter(tx, open, name),
        GroupAction::Import { members } => import::members(tx, open, members),
    }
}

impl<'a> Open<'a> {
    /// Reads a group.
    pub(crate) fn new(tx: &Tx<'_>, asker: &'a Asker, id: &'a GroupId) -> Result<Self, Reject> {
        let conversation = ConversationId::Group(id.clone());
        let group = tx.read(&key::group(id)).filter(|group| group.dismissed_at.is_none());
        let head = tx.read(&key::head(&conversation));
        let (Some(group), Some(head)) = (group, head) else {
            return Err(Reject::GroupNotFound { group: id.clone() });
        };
        let member = asker.by().and_then(|user| tx.read(&key::member(&conversation, user)));
        let policy = policy::of(group.kind);
        Ok(Self { asker, id, conversation, group, head, member, policy })
    }

    /// Writes group and head, unless the group was dismissed.
    pub(crate) fn keep(&self, tx: &mut Tx<'_>) {
        tx.put(key::group(self.id), &self.group);
        if self.group.dismissed_at.is_none() {
            tx.put(key::head(&self.conversation), &self.head);
        }
    }

    /// A part of the group has changed.
    pub(crate) fn changed(&mut self, tx: &mut Tx<'_>, part: GroupPart, user: Option<&UserId>) {
        self.changed_key(tx, part, user, None);
    }

    /// A part of the group has changed: this attribute or counter of it.
    pub(crate) fn changed_key(
        &mut self,
        tx: &mut Tx<'_>,
        part: GroupPart,
        user: Option<&UserId>,
        key: Option<&str>,
    ) {
        self.head.version += 1;
        self.head.at = tx.at;
        tx.tell(Event::GroupChanged {
            group: self.id.clone(),
            part,
            version: self.head.version,
            user: user.cloned(),
            key: key.map(String::from),
        });
    }

    /// The standing of who asks: the back end stands above all, strangers have none.
    pub(crate) fn rank(&self) -> Option<Rank> {
        if self.asker.backend {
            return Some(Rank::Backend);
        }
        self.member.as_ref().map(|member| Rank::Of(member.role))
    }

    /// Refuses who is neither a member nor the back end.
    pub(crate) fn members_only(&self) -> Result<(), Reject> {
        match (self.rank(), self.asker.by()) {
            (Some(_), _) => Ok(()),
            (None, Some(user)) => Err(Reject::NotMember { user: user.clone() }),
            (None, None) => Err(Reject::NotPermitted),
        }
    }

    /// Refuses who stands below a role.
    pub(crate) fn at_least(&self, role: Role) -> Result<(), Reject> {
        self.members_only()?;
        let is_high = self.rank() >= Some(Rank::Of(role));
        if is_high { Ok(()) } else { Err(Reject::NotPermitted) }
    }

    /// Refuses who may not edit the group.
    pub(crate) fn editors_only(&self) -> Result<(), Reject> {
        self.at_least(if self.policy.members_edit { Role::Member } else { Role::Admin })
    }

    /// The member's row, or that it is none.
    pub(crate) fn member_of(&self, tx: &Tx<'_>, user: &UserId) -> Result<Member, Reject> {
        let member = tx.read(&key::member(&self.conversation, user));
        member.ok_or_else(|| Reject::NotMember { user: user.clone() })
    }

    /// The row of a member that stands lower than who asks, who is at least an administrator.
    pub(crate) fn subordinate(&self, tx: &Tx<'_>, user: &UserId) -> Result<Member, Reject> {
        self.at_least(Role::Admin)?;
        let member = self.member_of(tx, user)?;
        let stands_lower = Some(Rank::Of(member.role)) < self.rank();
        if stands_lower { Ok(member) } else { Err(Reject::NotPermitted) }
    }
}

/// Who stands how high.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Of(Role),
    Backend,
}

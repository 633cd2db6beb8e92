//! What each kind of group is: a bundle of policies.

use proto::im::{
    GroupKind, Reject,
    group::{GroupRules, InviteRule, JoinRule},
    limit::{COMMUNITY_MEMBERS_MAX, MEMBERS_MAX},
    reject::Many,
};

/// What a kind of group allows, and what it begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// What its rules begin with; `members_max` is the most there may be.
    pub(crate) rules: GroupRules,
    /// Others than by invitation may come in.
    pub(crate) may_open: bool,
    /// It has administrators.
    pub(crate) has_admins: bool,
    /// Its owner may leave, and it goes on without one.
    pub(crate) owner_may_leave: bool,
    /// Its owner may dismiss it.
    pub(crate) owner_dismisses: bool,
    /// Every member may change what people see of it, its attributes and its pins.
    pub(crate) members_edit: bool,
    /// Its messages count as unread.
    pub(crate) counts: bool,
    /// Who comes and goes is said in the conversation.
    pub(crate) tips: bool,
}

const fn rules(join: JoinRule, invite: InviteRule, members_max: u32, open: bool) -> GroupRules {
    GroupRules { join, invite, members_max, open_history: open, retention: None }
}

/// The policies of a kind.
pub(crate) const fn of(kind: GroupKind) -> Policy {
    let moderated = Policy {
        rules: rules(JoinRule::Approval, InviteRule::Admins, MEMBERS_MAX, false),
        may_open: true,
        has_admins: true,
        owner_may_leave: false,
        owner_dismisses: true,
        members_edit: false,
        counts: true,
        tips: true,
    };
    match kind {
        GroupKind::Private => Policy {
            rules: rules(JoinRule::Closed, InviteRule::Members, MEMBERS_MAX, false),
            may_open: false,
            has_admins: false,
            owner_may_leave: true,
            owner_dismisses: false,
            members_edit: true,
            ..moderated
        },
        GroupKind::Public => moderated,
        GroupKind::Meeting => Policy {
            rules: rules(JoinRule::Free, InviteRule::Members, MEMBERS_MAX, true),
            counts: false,
            tips: false,
            ..moderated
        },
        GroupKind::Community => Policy {
            rules: rules(JoinRule::Free, InviteRule::Members, COMMUNITY_MEMBERS_MAX, true),
            tips: false,
            ..moderated
        },
    }
}

impl Policy {
    /// The rules as asked for, if the kind allows them; no limit of members means the kind's.
    pub(crate) fn check_rules(&self, rules: &GroupRules) -> Result<GroupRules, Reject> {
        if !self.may_open && rules.join != JoinRule::Closed {
            return Err(Reject::KindForbids);
        }
        let limit = self.rules.members_max;
        match rules.members_max {
            0 => Ok(GroupRules { members_max: limit, ..*rules }),
            max if max > limit => Err(Reject::TooMany { what: Many::Members, limit }),
            _ => Ok(*rules),
        }
    }
}

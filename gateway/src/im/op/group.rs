//! Reads requests about groups, and tells of groups.

use std::time::Duration;

use proto::{
    im::{
        command::{Action, GroupAction, GroupChange, NewGroup},
        group::{
            Ban, GroupInfo, GroupKind, GroupRules, InviteRule, JoinRequest, JoinRule, Member,
            Notice, Role,
        },
        id::{GroupId, UserId},
        query::{Ask, GroupView},
    },
    time::LogTime,
};

use super::{Asked, Asker, Read, content::name, output::millis, text};
use crate::{
    error::Error,
    im::wire::pb::{self, client_frame::Body},
};

pub(super) fn read(body: Body, asker: &Asker<'_>) -> Read {
    match body {
        Body::GroupCreate(create) => read_create(create, asker),
        Body::GroupGet(_)
        | Body::GroupJoinList(_)
        | Body::GroupBanList(_)
        | Body::GroupMemberList(_)
        | Body::GroupAttributesGet(_)
        | Body::GroupCountersGet(_) => question(body),
        Body::GroupInvite(_)
        | Body::GroupLeave(_)
        | Body::GroupRemove(_)
        | Body::GroupBan(_)
        | Body::GroupMute(_)
        | Body::GroupRole(_)
        | Body::GroupMemberUpdate(_)
        | Body::GroupJoin(_)
        | Body::GroupJoinAnswer(_) => membership(body, asker),
        other => change(other, asker),
    }
}

fn on(group: &str, action: GroupAction) -> Read {
    Ok(Asked::change(Action::Group { group: text::group(group)?, action }))
}

fn read_create(create: pb::GroupCreate, asker: &Asker<'_>) -> Read {
    let kind = create.kind();
    let key = text::key(&create.key, asker.key)?;
    let group = if create.id.is_empty() {
        let minted = format!("{key}");
        text::group(&minted)?
    } else {
        text::group(&create.id)?
    };
    let new = NewGroup {
        key,
        kind: read_kind(kind),
        info: GroupInfo {
            name: create.name,
            avatar: create.avatar,
            about: create.about,
            notice: Notice::default(),
            custom: create.custom,
        },
        rules: create.rules.as_ref().map(read_rules),
        members: text::users(&create.members)?,
    };
    let action = GroupAction::Create(Box::new(new));
    let asked = Asked::change(Action::Group { group: group.clone(), action });
    Ok(asked.then(Ask::Group(group)))
}

fn change(body: Body, asker: &Asker<'_>) -> Read {
    match body {
        Body::GroupUpdate(update) => {
            let change = GroupChange {
                name: update.name,
                avatar: update.avatar,
                about: update.about,
                notice: update.notice,
                custom: text::fields(update.custom),
            };
            on(&update.group, GroupAction::Update(Box::new(change)))
        }
        Body::GroupRulesSet(set) => {
            let rules = set.rules.ok_or(Error::Malformed("rules are missing"))?;
            on(&set.group, GroupAction::SetRules(Box::new(read_rules(&rules))))
        }
        Body::GroupDismiss(dismiss) => on(&dismiss.group, GroupAction::Dismiss),
        Body::GroupTransfer(transfer) => {
            on(&transfer.group, GroupAction::Transfer { to: text::user(&transfer.to)? })
        }
        Body::GroupMuteAll(mute) => on(&mute.group, GroupAction::MuteAll { on: mute.on }),
        Body::GroupAttributeSet(set) => {
            let asked = on(
                &set.group,
                GroupAction::SetAttribute {
                    key: set.key,
                    value: set.value.clone(),
                    expected: set.expected,
                },
            )?;
            Ok(asked.about(set.value.unwrap_or_default()))
        }
        Body::GroupCount(count) => {
            let key = text::key(&count.key, asker.key)?;
            on(&count.group, GroupAction::Count { name: count.name, add: count.add, key })
        }
        _ => Err(Error::Unsupported("this request")),
    }
}

fn membership(body: Body, asker: &Asker<'_>) -> Read {
    match body {
        Body::GroupInvite(invite) => {
            on(&invite.group, GroupAction::Invite { users: text::users(&invite.users)? })
        }
        Body::GroupLeave(leave) => on(&leave.group, GroupAction::Leave),
        Body::GroupRemove(remove) => {
            let ban_until = remove.ban_until.map(LogTime);
            let users = text::users(&remove.users)?;
            on(&remove.group, GroupAction::Remove { users, ban_until })
        }
        Body::GroupBan(ban) => {
            let user = text::user(&ban.user)?;
            let action = if ban.unban {
                GroupAction::Unban { user }
            } else {
                GroupAction::Ban { user, until: ban.until.map(LogTime) }
            };
            on(&ban.group, action)
        }
        Body::GroupMute(mute) => {
            let (user, until) = (text::user(&mute.user)?, LogTime(mute.until));
            on(&mute.group, GroupAction::Mute { user, until })
        }
        Body::GroupRole(set) => {
            let (user, role) = (text::user(&set.user)?, read_role(set.role()));
            on(&set.group, GroupAction::SetRole { user, role })
        }
        Body::GroupMemberUpdate(update) => {
            let user =
                if update.user.is_empty() { asker.user.clone() } else { text::user(&update.user)? };
            let custom = text::fields(update.custom);
            on(&update.group, GroupAction::UpdateMember { user, card: update.card, custom })
        }
        Body::GroupJoin(join) => {
            let ask = GroupAction::Join { message: join.message };
            on(&join.group, if join.cancel { GroupAction::CancelJoin } else { ask })
        }
        Body::GroupJoinAnswer(answer) => {
            let (user, accept) = (text::user(&answer.user)?, answer.accept);
            on(&answer.group, GroupAction::AnswerJoin { user, accept })
        }
        _ => Err(Error::Unsupported("this request")),
    }
}

fn question(body: Body) -> Read {
    let ask = match body {
        Body::GroupGet(get) => Ask::Group(text::group(&get.group)?),
        Body::GroupJoinList(list) => {
            Ask::JoinRequests(text::group(&list.group)?, text::page(&list.after, list.limit)?)
        }
        Body::GroupBanList(list) => {
            Ask::Bans(text::group(&list.group)?, text::page(&list.after, list.limit)?)
        }
        Body::GroupMemberList(list) => {
            Ask::Members(text::group(&list.group)?, text::page(&list.after, list.limit)?)
        }
        Body::GroupAttributesGet(get) => Ask::Attributes(text::group(&get.group)?),
        Body::GroupCountersGet(get) => Ask::Counters(text::group(&get.group)?),
        _ => return Err(Error::Unsupported("this request")),
    };
    Ok(Asked::question(ask))
}

pub(crate) const fn read_kind(kind: pb::GroupKind) -> GroupKind {
    match kind {
        pb::GroupKind::Private => GroupKind::Private,
        pb::GroupKind::Public => GroupKind::Public,
        pb::GroupKind::Meeting => GroupKind::Meeting,
        pb::GroupKind::Community => GroupKind::Community,
    }
}

const fn write_kind(kind: GroupKind) -> pb::GroupKind {
    match kind {
        GroupKind::Private => pb::GroupKind::Private,
        GroupKind::Public => pb::GroupKind::Public,
        GroupKind::Meeting => pb::GroupKind::Meeting,
        GroupKind::Community => pb::GroupKind::Community,
    }
}

pub(crate) const fn read_role(role: pb::Role) -> Role {
    match role {
        pb::Role::Member => Role::Member,
        pb::Role::Admin => Role::Admin,
        pb::Role::Owner => Role::Owner,
    }
}

pub(crate) const fn write_role(role: Role) -> pb::Role {
    match role {
        Role::Member => pb::Role::Member,
        Role::Admin => pb::Role::Admin,
        Role::Owner => pb::Role::Owner,
    }
}

pub(crate) fn read_rules(rules: &pb::GroupRules) -> GroupRules {
    GroupRules {
        join: match rules.join() {
            pb::JoinRule::Free => JoinRule::Free,
            pb::JoinRule::Approval => JoinRule::Approval,
            pb::JoinRule::Closed => JoinRule::Closed,
        },
        invite: match rules.invite() {
            pb::InviteRule::Members => InviteRule::Members,
            pb::InviteRule::Admins => InviteRule::Admins,
            pb::InviteRule::Nobody => InviteRule::Nobody,
        },
        members_max: rules.members_max,
        open_history: rules.open_history,
        retention: rules.retention_ms.map(Duration::from_millis),
    }
}

fn write_rules(rules: &GroupRules) -> pb::GroupRules {
    let join = match rules.join {
        JoinRule::Free => pb::JoinRule::Free,
        JoinRule::Approval => pb::JoinRule::Approval,
        JoinRule::Closed => pb::JoinRule::Closed,
    };
    let invite = match rules.invite {
        InviteRule::Members => pb::InviteRule::Members,
        InviteRule::Admins => pb::InviteRule::Admins,
        InviteRule::Nobody => pb::InviteRule::Nobody,
    };
    pb::GroupRules {
        join: join.into(),
        invite: invite.into(),
        members_max: rules.members_max,
        open_history: rules.open_history,
        retention_ms: rules.retention.map(millis),
    }
}

pub(crate) fn write(view: &GroupView) -> pb::Group {
    let mut group = write_plain(&view.group, &view.value);
    group.members = view.head.members;
    group.version = view.head.version;
    group.muted_all = view.head.muted;
    // The viewer knows who it is.
    group.member = view.member.as_ref().map(|member| write_member(None, member));
    group
}

/// A group without what is counted with its conversation.
pub(crate) fn write_plain(id: &GroupId, group: &proto::im::group::Group) -> pb::Group {
    pb::Group {
        id: id.to_string(),
        conversation: format!("g:{id}"),
        kind: write_kind(group.kind).into(),
        owner: name(group.owner.as_ref()),
        created_at: group.created_at.0,
        dismissed: group.dismissed_at.is_some(),
        name: group.info.name.clone(),
        avatar: group.info.avatar.clone(),
        about: group.info.about.clone(),
        notice: group.info.notice.text.clone(),
        custom: group.info.custom.clone(),
        rules: Some(write_rules(&group.rules)),
        ..pb::Group::default()
    }
}

pub(crate) fn write_member(user: Option<&UserId>, member: &Member) -> pb::Member {
    pb::Member {
        user: name(user),
        role: write_role(member.role).into(),
        joined_at: member.joined_at.0,
        muted_until: member.muted_until.0,
        card: member.card.clone(),
        custom: member.custom.clone(),
        inviter: name(member.inviter.as_ref()),
    }
}

pub(crate) fn write_join(user: Option<&UserId>, request: &JoinRequest) -> pb::JoinInfo {
    pb::JoinInfo {
        user: name(user),
        message: request.message.clone(),
        at: request.at.0,
        expires_at: request.expires_at.0,
    }
}

pub(crate) fn write_ban(user: &UserId, ban: &Ban) -> pb::Ban {
    pb::Ban {
        user: user.to_string(),
        by: name(ban.by.as_ref()),
        at: ban.at.0,
        until: ban.until.map(|until| until.0),
    }
}

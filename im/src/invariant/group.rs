//! What holds of memberships and groups.

use alloc::collections::BTreeMap;

use proto::{
    im::{
        Account, AccountState, ConversationId, Group, GroupId, Head, Member, Role,
        UserConversation, UserId,
        group::{Ban, JoinRequest},
    },
    store::View,
};

use super::{Broken, Rule, all, hold};
use crate::{
    group::policy,
    key::{self, table},
    tx,
    wheel::Task,
};

type Members = BTreeMap<(ConversationId, UserId), Member>;

pub(super) fn check(view: &dyn View) -> Result<(), Broken> {
    let groups: BTreeMap<GroupId, Group> =
        all(view, table::GROUP, |rest| GroupId::try_from(rest.text()?).ok())?;
    let heads: BTreeMap<ConversationId, Head> = all(view, table::HEAD, |rest| rest.conversation())?;
    let members: Members =
        all(view, table::MEMBER, |rest| Some((rest.conversation()?, rest.user()?)))?;
    check_memberships(view, &members)?;
    for (conversation, user) in members.keys() {
        let group = conversation.group().and_then(|id| groups.get(id));
        let is_dismissed = group.is_some_and(|group| group.dismissed_at.is_some());
        let has_head = heads.contains_key(conversation) || is_dismissed;
        hold(Rule::Filed, has_head, || key::member(conversation, user).into_bytes())?;
    }
    for (conversation, head) in &heads {
        let of_it = || members.iter().filter(|((id, _), _)| id == conversation);
        let count = |role| of_it().filter(|(_, member)| member.role == role).count();
        let at = || key::head(conversation).into_bytes();
        let counted = u32::try_from(of_it().count()) == Ok(head.members)
            && u32::try_from(count(Role::Admin)) == Ok(head.admins);
        hold(Rule::Head, counted, at)?;
        match conversation {
            ConversationId::Private(pair) => {
                let both = of_it().all(|((_, user), _)| pair.other(user).is_some());
                hold(Rule::Membership, both && head.members == 2, at)?;
            }
            ConversationId::Group(id) => {
                let open = groups.get(id).filter(|group| group.dismissed_at.is_none());
                hold(Rule::Filed, open.is_some(), at)?;
            }
        }
    }
    for (id, group) in groups.iter().filter(|(_, group)| group.dismissed_at.is_none()) {
        check_group(view, id, group, &members)?;
    }
    Ok(())
}

fn check_memberships(view: &dyn View, members: &Members) -> Result<(), Broken> {
    let own: BTreeMap<(UserId, ConversationId), UserConversation> =
        all(view, table::OWN, |rest| Some((rest.user()?, rest.conversation()?)))?;
    for (conversation, user) in members.keys() {
        // Of a deleted account only its place in private conversations stays.
        let is_deleted = tx::read(view, &key::account(user))
            .is_some_and(|account: Account| account.state == AccountState::Deleted);
        let listed = own.contains_key(&(user.clone(), conversation.clone()));
        let excused = is_deleted && conversation.pair().is_some();
        hold(Rule::Membership, listed || excused, || key::member(conversation, user).into_bytes())?;
    }
    for (user, conversation) in own.keys() {
        let is_member = members.contains_key(&(conversation.clone(), user.clone()));
        hold(Rule::Membership, is_member, || key::own(user, conversation).into_bytes())?;
    }
    Ok(())
}

fn check_group(
    view: &dyn View,
    id: &GroupId,
    group: &Group,
    members: &Members,
) -> Result<(), Broken> {
    let at = || key::group(id).into_bytes();
    let conversation = ConversationId::Group(id.clone());
    let head: Option<Head> = tx::read(view, &key::head(&conversation));
    hold(Rule::Filed, head.is_some(), at)?;
    let is_owner = |(_, member): &(&(ConversationId, UserId), &Member)| member.role == Role::Owner;
    let mut owners = members.iter().filter(|((of, _), _)| *of == conversation).filter(is_owner);
    let owner = owners.next().map(|((_, user), _)| user);
    let one = owners.next().is_none() && owner == group.owner.as_ref();
    let policy = policy::of(group.kind);
    hold(Rule::Owner, one && (owner.is_some() || policy.owner_may_leave), at)?;
    let head = head.unwrap_or_default();
    hold(Rule::Head, head.members > 0 && head.members <= policy.rules.members_max, at)?;
    hold(Rule::Head, policy.has_admins || head.admins == 0, at)?;
    check_waiting(view, id, &head, members)
}

fn check_waiting(
    view: &dyn View,
    id: &GroupId,
    head: &Head,
    members: &Members,
) -> Result<(), Broken> {
    let conversation = ConversationId::Group(id.clone());
    let prefix = key::of_group(table::JOIN_REQUEST, id);
    let waiting = tx::rows(view, &prefix, usize::MAX, |rest| rest.user());
    let counted = u32::try_from(waiting.len()) == Ok(head.waiting);
    hold(Rule::Head, counted, || key::group(id).into_bytes())?;
    for (user, request) in waiting {
        let request: JoinRequest = request;
        let task = Task::JoinRequest { group: id.clone(), user: user.clone() };
        let is_filed = view.get(key::wheel(request.expires_at, &task).bytes()).is_some();
        let is_member = members.contains_key(&(conversation.clone(), user.clone()));
        hold(Rule::Requests, is_filed && !is_member, || key::join_request(id, &user).into_bytes())?;
    }
    let bans = tx::rows(view, &key::of_group(table::BAN, id), usize::MAX, |rest| rest.user());
    for (user, ban) in bans {
        let ban: Ban = ban;
        let is_member = members.contains_key(&(conversation.clone(), user.clone()));
        // A ban that ended stays until somebody lifts it.
        let lapsed = ban.until.is_some();
        hold(Rule::Membership, !is_member || lapsed, || key::ban(id, &user).into_bytes())?;
    }
    Ok(())
}

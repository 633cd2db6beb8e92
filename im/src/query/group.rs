//! Questions about groups.

use alloc::boxed::Box;

use proto::im::{
    Answer, Ask, ConversationId, Group, GroupId, Head, Member, Reject, Role,
    group::{Ban, GroupInfo, JoinRequest},
    query::{GroupView, Page},
};

use super::Reader;
use crate::key::{self, Key, Rest, table};

pub(super) fn answer(reader: &Reader<'_>, ask: &Ask) -> Result<Answer, Reject> {
    match ask {
        Ask::Group(id) => group(reader, id).map(Box::new).map(Answer::Group),
        Ask::Groups(page) => {
            reader.backend_only()?;
            let prefix = Key::of(table::GROUP).bytes();
            let after = page.after.as_ref().map(GroupId::as_str);
            let parse = |rest: &mut Rest<'_>| GroupId::try_from(rest.text()?).ok();
            Ok(Answer::Groups(reader.page(&prefix, after, page.limit, parse)))
        }
        Ask::Members(id, page) => {
            let conversation = inside(reader, id, Role::Member)?;
            let prefix = key::of_conversation(table::MEMBER, &conversation);
            Ok(Answer::Members(reader.users(&prefix, page)))
        }
        Ask::Member(id, user) => {
            let conversation = inside(reader, id, Role::Member)?;
            let member: Option<Member> = reader.read(&key::member(&conversation, user));
            let member = member.ok_or_else(|| Reject::NotMember { user: user.clone() })?;
            Ok(Answer::Member(Box::new(member)))
        }
        Ask::JoinRequests(id, page) => {
            inside(reader, id, Role::Admin)?;
            let prefix = key::of_group(table::JOIN_REQUEST, id);
            let mut found: Page<_, JoinRequest> = reader.users(&prefix, page);
            found.rows.retain(|(_, request)| request.expires_at > reader.at);
            Ok(Answer::JoinRequests(found))
        }
        Ask::Bans(id, page) => {
            inside(reader, id, Role::Admin)?;
            let mut found: Page<_, Ban> = reader.users(&key::of_group(table::BAN, id), page);
            found.rows.retain(|(_, ban)| ban.until.is_none_or(|until| until > reader.at));
            Ok(Answer::Bans(found))
        }
        Ask::Attributes(id) => {
            inside(reader, id, Role::Member)?;
            Ok(Answer::Attributes(reader.read(&key::attributes(id)).unwrap_or_default()))
        }
        Ask::Counters(id) => {
            inside(reader, id, Role::Member)?;
            Ok(Answer::Counters(reader.read(&key::counters(id)).unwrap_or_default()))
        }
        _ => Err(Reject::NotPermitted),
    }
}

/// The group, if it was not dismissed. Strangers do not see what is said to members.
fn group(reader: &Reader<'_>, id: &GroupId) -> Result<GroupView, Reject> {
    let conversation = ConversationId::Group(id.clone());
    let value: Option<Group> = reader.read(&key::group(id));
    let head: Option<Head> = reader.read(&key::head(&conversation));
    let (Some(mut value), Some(head)) = (value, head) else {
        return Err(Reject::GroupNotFound { group: id.clone() });
    };
    let member = reader.viewer.and_then(|viewer| reader.read(&key::member(&conversation, viewer)));
    if reader.viewer.is_some() && member.is_none() {
        let seen = core::mem::take(&mut value.info);
        value.info = GroupInfo {
            name: seen.name,
            avatar: seen.avatar,
            about: seen.about,
            ..GroupInfo::default()
        };
    }
    Ok(GroupView { group: id.clone(), value, head, member })
}

/// The conversation of a group that the viewer stands in at least so high.
fn inside(reader: &Reader<'_>, id: &GroupId, role: Role) -> Result<ConversationId, Reject> {
    let conversation = ConversationId::Group(id.clone());
    let not_found = || Reject::GroupNotFound { group: id.clone() };
    let _head: Head = reader.read(&key::head(&conversation)).ok_or_else(not_found)?;
    if let Some(viewer) = reader.viewer {
        let member: Option<Member> = reader.read(&key::member(&conversation, viewer));
        let member = member.ok_or_else(|| Reject::NotMember { user: viewer.clone() })?;
        if member.role < role {
            return Err(Reject::NotPermitted);
        }
    }
    Ok(conversation)
}

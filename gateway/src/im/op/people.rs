//! Reads requests about accounts and between them, and tells of both.

use proto::im::{
    account::{
        Account, AccountState, Allowed, ContactRules, CustomField, DeviceInfo, FriendRule,
        Platform, Profile, Visibility,
    },
    command::{AccountAction, Action, FriendGroupAction, ProfileChange, RelationAction},
    id::UserId,
    query::Ask,
    relation::{Friend, FriendGroups, FriendRequest, Relation},
};

use super::{Asked, Asker, Read, text};
use crate::{
    error::Error,
    im::wire::pb::{self, client_frame::Body},
};

pub(super) fn relation(body: Body, asker: &Asker<'_>) -> Read {
    let user = asker.user.clone();
    Ok(match body {
        Body::FriendRequest(ask) => {
            let action = if ask.cancel {
                RelationAction::Cancel
            } else {
                let pb::FriendRequest { message, source, remark, .. } = ask;
                RelationAction::Request { message, source, remark }
            };
            with(&ask.user, action)?
        }
        Body::FriendAnswer(answer) => {
            let accept = RelationAction::Accept { remark: answer.remark };
            with(&answer.user, if answer.accept { accept } else { RelationAction::Refuse })?
        }
        Body::FriendRemove(remove) => with(&remove.user, RelationAction::Unfriend)?,
        Body::FriendUpdate(update) => {
            let groups = update.groups.map(|groups| {
                let number = |number| u16::try_from(number);
                groups.numbers.into_iter().map(number).collect::<Result<_, _>>()
            });
            let groups = groups
                .transpose()
                .map_err(|_| Error::Malformed("groups holds what is no friend group"))?;
            with(&update.user, RelationAction::SetFriend { remark: update.remark, groups })?
        }
        Body::Block(block) => {
            let off = block.unblock;
            with(&block.user, if off { RelationAction::Unblock } else { RelationAction::Block })?
        }
        Body::Follow(follow) => {
            let off = follow.unfollow;
            with(&follow.user, if off { RelationAction::Unfollow } else { RelationAction::Follow })?
        }
        Body::FriendGroupSet(set) => friend_group(set)?,
        Body::FriendList(list) => {
            Asked::question(Ask::Friends(user, text::page(&list.after, list.limit)?))
        }
        Body::FriendRequestList(list) => {
            let page = text::page(&list.after, list.limit)?;
            let outgoing = list.outgoing;
            Asked::question(if outgoing {
                Ask::RequestsOut(user, page)
            } else {
                Ask::RequestsIn(user, page)
            })
        }
        Body::BlockList(list) => {
            Asked::question(Ask::Blocks(user, text::page(&list.after, list.limit)?))
        }
        Body::FollowList(list) => {
            let page = text::page(&list.after, list.limit)?;
            let followers = list.followers;
            Asked::question(if followers {
                Ask::Followers(user, page)
            } else {
                Ask::Following(user, page)
            })
        }
        Body::FriendGroupList(_) => Asked::question(Ask::FriendGroups(user)),
        Body::RelationGet(get) => {
            let peer = text::user(&get.user)?;
            Asked::question(Ask::Relation { user, peer }).about(get.user)
        }
        _ => return Err(Error::Unsupported("this request")),
    })
}

fn with(peer: &str, action: RelationAction) -> Read {
    Ok(Asked::change(Action::Relation { peer: text::user(peer)?, action }))
}

fn friend_group(set: pb::FriendGroupSet) -> Read {
    let malformed = |_| Error::Malformed("number is no friend group");
    let number = u16::try_from(set.number).map_err(malformed)?;
    let name = set.name.clone();
    let action = match (number, name.is_empty()) {
        (0, _) => FriendGroupAction::Create { name },
        (_, true) => FriendGroupAction::Remove { number },
        (_, false) => FriendGroupAction::Rename { number, name },
    };
    Ok(Asked::change(Action::FriendGroup(action)).about(set.name))
}

pub(super) fn account(body: Body, asker: &Asker<'_>) -> Read {
    let user = asker.user.clone();
    let own = |action| Asked::change(Action::Account { user: user.clone(), action });
    Ok(match body {
        Body::ProfileGet(get) if get.users.is_empty() => Asked::question(Ask::Profiles(vec![user])),
        Body::ProfileGet(get) => Asked::question(Ask::Profiles(text::users(&get.users)?)),
        Body::ProfileSet(set) => own(AccountAction::UpdateProfile(Box::new(profile_change(set)?))),
        Body::DeviceList(_) => Asked::question(Ask::Devices(user)),
        Body::DeviceRemove(remove) => {
            own(AccountAction::Logout { session: text::session(&remove.session)? })
        }
        Body::AccountGet(_) => Asked::question(Ask::Account(user.clone())).about(user.to_string()),
        Body::ContactRulesSet(set) => {
            own(AccountAction::SetRules { rules: read_rules(&set.rules.unwrap_or_default()) })
        }
        _ => return Err(Error::Unsupported("this request")),
    })
}

pub(crate) fn profile_change(set: pb::ProfileSet) -> Result<ProfileChange, Error> {
    let gender = set.gender.map(u8::try_from).transpose();
    let custom = set.custom.into_iter().map(|(key, field)| {
        let set = (!field.value.is_empty()).then(|| read_field(field));
        (key, set)
    });
    Ok(ProfileChange {
        name: set.name,
        avatar: set.avatar,
        about: set.about,
        gender: gender.map_err(|_| Error::Malformed("gender is above 255"))?,
        birthday: set.birthday,
        custom: custom.collect(),
    })
}

/// A first profile: what is absent is empty.
pub(crate) fn profile(set: pb::ProfileSet) -> Result<Profile, Error> {
    let change = profile_change(set)?;
    let custom = change.custom.into_iter().filter_map(|(key, field)| Some((key, field?)));
    Ok(Profile {
        name: change.name.unwrap_or_default(),
        avatar: change.avatar.unwrap_or_default(),
        about: change.about.unwrap_or_default(),
        gender: change.gender.unwrap_or_default(),
        birthday: change.birthday.unwrap_or_default(),
        custom: custom.collect(),
        version: 0,
    })
}

fn read_field(field: pb::CustomField) -> CustomField {
    let visibility = match field.visibility() {
        pb::Visibility::Public => Visibility::Public,
        pb::Visibility::Friends => Visibility::Friends,
        pb::Visibility::Private => Visibility::Private,
    };
    CustomField { value: field.value, visibility }
}

pub(crate) const fn read_platform(platform: pb::Platform) -> Platform {
    match platform {
        pb::Platform::Web => Platform::Web,
        pb::Platform::Ios => Platform::Ios,
        pb::Platform::Android => Platform::Android,
        pb::Platform::Windows => Platform::Windows,
        pb::Platform::Mac => Platform::Mac,
        pb::Platform::Linux => Platform::Linux,
        pb::Platform::Other => Platform::Other,
    }
}

const fn write_platform(platform: Platform) -> pb::Platform {
    match platform {
        Platform::Web => pb::Platform::Web,
        Platform::Ios => pb::Platform::Ios,
        Platform::Android => pb::Platform::Android,
        Platform::Windows => pb::Platform::Windows,
        Platform::Mac => pb::Platform::Mac,
        Platform::Linux => pb::Platform::Linux,
        Platform::Other => pb::Platform::Other,
    }
}

pub(crate) fn read_rules(rules: &pb::ContactRules) -> ContactRules {
    let allowed = |allowed| match allowed {
        pb::Allowed::Anyone => Allowed::Anyone,
        pb::Allowed::Friends => Allowed::Friends,
        pb::Allowed::Nobody => Allowed::Nobody,
    };
    ContactRules {
        friends: match rules.friends() {
            pb::FriendRule::Approval => FriendRule::Approval,
            pb::FriendRule::Anyone => FriendRule::Anyone,
            pb::FriendRule::Nobody => FriendRule::Nobody,
        },
        messages: allowed(rules.messages()),
        invitations: allowed(rules.invitations()),
    }
}

fn write_rules(rules: ContactRules) -> pb::ContactRules {
    let allowed = |allowed| match allowed {
        Allowed::Anyone => pb::Allowed::Anyone,
        Allowed::Friends => pb::Allowed::Friends,
        Allowed::Nobody => pb::Allowed::Nobody,
    };
    let friends = match rules.friends {
        FriendRule::Approval => pb::FriendRule::Approval,
        FriendRule::Anyone => pb::FriendRule::Anyone,
        FriendRule::Nobody => pb::FriendRule::Nobody,
    };
    pb::ContactRules {
        friends: friends.into(),
        messages: allowed(rules.messages).into(),
        invitations: allowed(rules.invitations).into(),
    }
}

pub(crate) fn write_account(user: &str, account: &Account) -> pb::Account {
    let state = match account.state {
        AccountState::Active => pb::AccountState::Active,
        AccountState::Disabled => pb::AccountState::Disabled,
        AccountState::Deleted => pb::AccountState::Deleted,
    };
    pb::Account {
        user: user.to_owned(),
        state: state.into(),
        created_at: account.created_at.0,
        rules: Some(write_rules(account.rules)),
    }
}

pub(crate) fn write_profile(user: &str, profile: &Profile) -> pb::Profile {
    let field = |field: &CustomField| pb::CustomField {
        value: field.value.clone(),
        visibility: match field.visibility {
            Visibility::Public => pb::Visibility::Public,
            Visibility::Friends => pb::Visibility::Friends,
            Visibility::Private => pb::Visibility::Private,
        }
        .into(),
    };
    pb::Profile {
        user: user.to_owned(),
        name: profile.name.clone(),
        avatar: profile.avatar.clone(),
        about: profile.about.clone(),
        gender: profile.gender.into(),
        birthday: profile.birthday,
        custom: profile.custom.iter().map(|(key, value)| (key.clone(), field(value))).collect(),
        version: profile.version,
    }
}

pub(crate) fn write_device(device: &DeviceInfo) -> pb::Device {
    pb::Device {
        id: device.device.to_string(),
        session: device.session.to_string(),
        platform: write_platform(device.platform).into(),
        name: device.name.clone(),
        since: device.since.0,
        refreshed_at: device.refreshed_at.0,
        expires_at: device.expires_at.0,
    }
}

pub(crate) fn write_friend(user: &UserId, friend: &Friend) -> pb::Friend {
    pb::Friend {
        user: user.to_string(),
        remark: friend.remark.clone(),
        groups: friend.groups.iter().map(|number| u32::from(*number)).collect(),
        since: friend.since.0,
        source: friend.source.clone(),
    }
}

pub(crate) fn write_request(user: &UserId, request: &FriendRequest) -> pb::FriendRequestInfo {
    pb::FriendRequestInfo {
        user: user.to_string(),
        message: request.message.clone(),
        source: request.source.clone(),
        remark: request.remark.clone(),
        at: request.at.0,
        expires_at: request.expires_at.0,
    }
}

pub(crate) fn write_friend_groups(groups: &FriendGroups) -> pb::FriendGroups {
    let one = |(number, name): (&u16, &String)| pb::FriendGroup {
        number: (*number).into(),
        name: name.clone(),
    };
    pb::FriendGroups { groups: groups.names.iter().map(one).collect() }
}

pub(crate) fn write_relation(peer: &UserId, relation: &Relation) -> pb::Relation {
    let request = |request: &FriendRequest| write_request(peer, request);
    pb::Relation {
        friend: relation.friend.as_ref().map(|friend| write_friend(peer, friend)),
        blocked: relation.blocked.is_some(),
        following: relation.following.is_some(),
        follower: relation.follower.is_some(),
        asked_by_peer: relation.asked_by_peer.as_ref().map(request),
        asked_by_user: relation.asked_by_owner.as_ref().map(request),
    }
}

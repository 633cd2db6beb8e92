//! Questions about friends, requests, blocks and follows. Requests whose time is over are not shown.

use proto::im::{
    Answer, Ask, Friend, FriendRequest, Reject, UserId,
    query::{Page, PageOf},
    relation::{FriendGroups, Relation},
};

use super::Reader;
use crate::key::{self, table};

pub(super) fn answer(reader: &Reader<'_>, ask: &Ask) -> Result<Answer, Reject> {
    let rows = |table, user: &UserId| reader.only(user).map(|()| key::of_user(table, user));
    match ask {
        Ask::Relation { user, peer } => {
            reader.only(user)?;
            Ok(Answer::Relation(alloc::boxed::Box::new(relation(reader, user, peer))))
        }
        Ask::Friends(user, page) => {
            let mut friends: Page<UserId, Friend> = reader.users(&rows(table::FRIEND, user)?, page);
            let groups = friend_groups(reader, user);
            for (_, friend) in &mut friends.rows {
                hide_gone(friend, &groups);
            }
            Ok(Answer::Friends(friends))
        }
        Ask::FriendGroups(user) => {
            reader.only(user)?;
            Ok(Answer::FriendGroups(friend_groups(reader, user)))
        }
        Ask::RequestsIn(user, page) => {
            Ok(Answer::Requests(requests(reader, &rows(table::REQUEST_IN, user)?, page)))
        }
        Ask::RequestsOut(user, page) => {
            Ok(Answer::Requests(requests(reader, &rows(table::REQUEST_OUT, user)?, page)))
        }
        Ask::Blocks(user, page) => {
            Ok(Answer::Blocks(reader.users(&rows(table::BLOCK, user)?, page)))
        }
        Ask::Following(user, page) => {
            Ok(Answer::Follows(reader.users(&rows(table::FOLLOWING, user)?, page)))
        }
        Ask::Followers(user, page) => {
            Ok(Answer::Follows(reader.users(&rows(table::FOLLOWER, user)?, page)))
        }
        _ => Err(Reject::NotPermitted),
    }
}

/// An account's friend groups.
pub(super) fn friend_groups(reader: &Reader<'_>, user: &UserId) -> FriendGroups {
    reader.read(&key::friend_groups(user)).unwrap_or_default()
}

/// Takes numbers of groups that are gone from a friend.
pub(super) fn hide_gone(friend: &mut Friend, groups: &FriendGroups) {
    friend.groups.retain(|number| groups.names.contains_key(number));
}

fn requests(
    reader: &Reader<'_>,
    prefix: &[u8],
    page: &PageOf<UserId>,
) -> Page<UserId, FriendRequest> {
    let mut found: Page<UserId, FriendRequest> = reader.users(prefix, page);
    found.rows.retain(|(_, request)| request.expires_at > reader.at);
    found
}

fn relation(reader: &Reader<'_>, user: &UserId, peer: &UserId) -> Relation {
    let live = |request: &FriendRequest| request.expires_at > reader.at;
    let mut friend: Option<Friend> = reader.read(&key::friend(user, peer));
    if let Some(friend) = &mut friend {
        hide_gone(friend, &friend_groups(reader, user));
    }
    Relation {
        friend,
        blocked: reader.read(&key::block(user, peer)),
        following: reader.read(&key::following(user, peer)),
        follower: reader.read(&key::follower(user, peer)),
        asked_by_peer: reader.read(&key::request_in(user, peer)).filter(live),
        asked_by_owner: reader.read(&key::request_out(user, peer)).filter(live),
    }
}

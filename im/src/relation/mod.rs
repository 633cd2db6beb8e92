//! Friends, requests, blocks and follows. Whatever two accounts hold of each other is written by one command.

pub(crate) mod friend_group;

use alloc::{collections::BTreeSet, string::String};

use proto::{
    im::{
        Block, Entity, Follow, Friend, FriendRequest, Reject, Reply, UserId,
        account::FriendRule,
        command::RelationAction,
        event::RequestOutcome,
        limit::{
            BLOCKS_MAX, FOLLOWING_MAX, FRIENDS_MAX, LABEL_BYTES_MAX, REQUEST_BYTES_MAX,
            REQUESTS_MAX,
        },
        reject::{Many, Part},
        relation::FriendGroups,
    },
    time::LogTime,
};

use crate::{
    asker::{Asker, existing},
    check, key,
    tx::{self, Tx},
    wheel::{self, Task},
};

/// Does what a user asks about another.
pub(crate) fn act(
    tx: &mut Tx<'_>,
    asker: &Asker,
    peer: &UserId,
    action: &RelationAction,
) -> Result<Reply, Reject> {
    let user = asker.user()?;
    if user == peer {
        return Err(Reject::Oneself);
    }
    match action {
        RelationAction::Request { message, source, remark } => {
            let words = FriendRequest {
                message: message.clone(),
                source: source.clone(),
                remark: remark.clone(),
                ..FriendRequest::default()
            };
            request(tx, user, peer, words)
        }
        RelationAction::Cancel => withdraw(tx, user, peer),
        RelationAction::Accept { remark } => accept(tx, user, peer, remark),
        RelationAction::Refuse => withdraw(tx, peer, user),
        RelationAction::Befriend { source } => {
            asker.backend_only()?;
            existing(tx, peer)?;
            check::within(Part::Name, source.len(), LABEL_BYTES_MAX)?;
            befriend(tx, (user, ""), (peer, ""), source)
        }
        RelationAction::Unfriend => unfriend(tx, user, peer),
        RelationAction::SetFriend { remark, groups } => {
            set_friend(tx, user, peer, remark.as_ref(), groups.as_ref())
        }
        RelationAction::Block => block(tx, user, peer),
        RelationAction::Unblock => unblock(tx, user, peer),
        RelationAction::Follow => follow(tx, user, peer),
        RelationAction::Unfollow => {
            unfollow(tx, user, peer);
            Ok(Reply::Done)
        }
    }
}

/// Whether they are friends.
pub(crate) fn are_friends(tx: &Tx<'_>, one: &UserId, other: &UserId) -> bool {
    tx.has(&key::friend(one, other))
}

/// Refuses if one of them blocked the other.
pub(crate) fn check_blocks(tx: &Tx<'_>, one: &UserId, other: &UserId) -> Result<(), Reject> {
    if tx.has(&key::block(one, other)) || tx.has(&key::block(other, one)) {
        return Err(Reject::Blocked);
    }
    Ok(())
}

fn request(
    tx: &mut Tx<'_>,
    user: &UserId,
    peer: &UserId,
    words: FriendRequest,
) -> Result<Reply, Reject> {
    check::within(Part::Request, words.message.len(), REQUEST_BYTES_MAX)?;
    check::within(Part::Name, words.source.len(), LABEL_BYTES_MAX)?;
    check::within(Part::Name, words.remark.len(), LABEL_BYTES_MAX)?;
    let rules = existing(tx, peer)?.rules;
    if are_friends(tx, user, peer) {
        return Ok(Reply::Request(RequestOutcome::Accepted));
    }
    check_blocks(tx, user, peer)?;
    if let Some(theirs) = waiting(tx, peer, user) {
        return befriend(tx, (user, &words.remark), (peer, &theirs.remark), &theirs.source);
    }
    match rules.friends {
        FriendRule::Anyone => befriend(tx, (user, &words.remark), (peer, ""), &words.source),
        FriendRule::Nobody => Err(Reject::ContactRefused { user: peer.clone() }),
        FriendRule::Approval => ask(tx, user, peer, words),
    }
}

/// The request of `asker` that `asked` has not answered, if its time is not over.
fn waiting(tx: &Tx<'_>, asker: &UserId, asked: &UserId) -> Option<FriendRequest> {
    tx.read(&key::request_out(asker, asked)).filter(|request| request.expires_at > tx.at)
}

/// Files a request with both, in place of an earlier one.
fn ask(
    tx: &mut Tx<'_>,
    user: &UserId,
    peer: &UserId,
    words: FriendRequest,
) -> Result<Reply, Reject> {
    if !tx.has(&key::request_out(user, peer)) {
        check::room(Many::Requests, tx.tally(user).requests_out, REQUESTS_MAX)?;
        check::room(Many::Requests, tx.tally(peer).requests_in, REQUESTS_MAX)?;
    }
    remove_request(tx, user, peer);
    let expires_at = tx.at + tx::settings(tx).request_lives;
    let request = FriendRequest { at: tx.at, expires_at, ..words };
    tx.put(key::request_out(user, peer), &request);
    tx.put(key::request_in(peer, user), &FriendRequest { remark: String::new(), ..request });
    wheel::file(tx, expires_at, &Task::FriendRequest { asker: user.clone(), asked: peer.clone() });
    tx.count(user, |tally| tally.requests_out += 1);
    tx.count(peer, |tally| tally.requests_in += 1);
    tell_request(tx, user, peer);
    Ok(Reply::Request(RequestOutcome::Waits))
}

/// Removes a request from both, if there is one; returns whether there was.
fn remove_request(tx: &mut Tx<'_>, asker: &UserId, asked: &UserId) -> bool {
    let Some(request) = tx.read(&key::request_out(asker, asked)) else {
        return false;
    };
    let task = Task::FriendRequest { asker: asker.clone(), asked: asked.clone() };
    wheel::unfile(tx, request.expires_at, &task);
    tx.remove(key::request_out(asker, asked));
    tx.remove(key::request_in(asked, asker));
    tx.count(asker, |tally| tally.requests_out -= 1);
    tx.count(asked, |tally| tally.requests_in -= 1);
    true
}

fn tell_request(tx: &mut Tx<'_>, asker: &UserId, asked: &UserId) {
    tx.changed(asker, Entity::RequestOut(asked.clone()));
    tx.changed(asked, Entity::RequestIn(asker.clone()));
}

/// Ends a request without an answer that makes friends.
pub(crate) fn drop_request(tx: &mut Tx<'_>, asker: &UserId, asked: &UserId) -> bool {
    let was = remove_request(tx, asker, asked);
    if was {
        tell_request(tx, asker, asked);
    }
    was
}

fn withdraw(tx: &mut Tx<'_>, asker: &UserId, asked: &UserId) -> Result<Reply, Reject> {
    if drop_request(tx, asker, asked) { Ok(Reply::Done) } else { Err(Reject::RequestNotFound) }
}

fn accept(tx: &mut Tx<'_>, user: &UserId, peer: &UserId, remark: &str) -> Result<Reply, Reject> {
    check::within(Part::Name, remark.len(), LABEL_BYTES_MAX)?;
    if are_friends(tx, user, peer) {
        return Ok(Reply::Request(RequestOutcome::Accepted));
    }
    let theirs = waiting(tx, peer, user).ok_or(Reject::RequestNotFound)?;
    existing(tx, peer)?;
    befriend(tx, (user, remark), (peer, &theirs.remark), &theirs.source)
}

/// Makes them friends on both sides, and ends their requests.
fn befriend(
    tx: &mut Tx<'_>,
    one: (&UserId, &str),
    other: (&UserId, &str),
    source: &str,
) -> Result<Reply, Reject> {
    let now = tx.at;
    bring(tx, one, other, source, now)?;
    Ok(Reply::Request(RequestOutcome::Accepted))
}

/// Makes them friends since then; `false` if they are friends already.
pub(crate) fn bring(
    tx: &mut Tx<'_>,
    one: (&UserId, &str),
    other: (&UserId, &str),
    source: &str,
    since: LogTime,
) -> Result<bool, Reject> {
    if are_friends(tx, one.0, other.0) {
        return Ok(false);
    }
    for (user, _) in [one, other] {
        check::room(Many::Friends, tx.tally(user).friends, FRIENDS_MAX)?;
    }
    drop_request(tx, one.0, other.0);
    drop_request(tx, other.0, one.0);
    for ((user, remark), (peer, _)) in [(one, other), (other, one)] {
        let friend =
            Friend { since, remark: remark.into(), groups: BTreeSet::new(), source: source.into() };
        tx.put(key::friend(user, peer), &friend);
        tx.count(user, |tally| tally.friends += 1);
        tx.changed(user, Entity::Friend(peer.clone()));
    }
    Ok(true)
}

fn unfriend(tx: &mut Tx<'_>, user: &UserId, peer: &UserId) -> Result<Reply, Reject> {
    if part(tx, user, peer) {
        Ok(Reply::Done)
    } else {
        Err(Reject::NotFriends { user: peer.clone() })
    }
}

/// Ends a friendship on both sides; returns whether there was one.
pub(crate) fn part(tx: &mut Tx<'_>, one: &UserId, other: &UserId) -> bool {
    if !are_friends(tx, one, other) {
        return false;
    }
    for (user, peer) in [(one, other), (other, one)] {
        tx.remove(key::friend(user, peer));
        tx.count(user, |tally| tally.friends -= 1);
        tx.changed(user, Entity::Friend(peer.clone()));
    }
    true
}

fn set_friend(
    tx: &mut Tx<'_>,
    user: &UserId,
    peer: &UserId,
    remark: Option<&String>,
    groups: Option<&BTreeSet<u16>>,
) -> Result<Reply, Reject> {
    let row = key::friend(user, peer);
    let before = tx.read(&row).ok_or_else(|| Reject::NotFriends { user: peer.clone() })?;
    let mut friend = before.clone();
    if let Some(remark) = remark {
        check::within(Part::Name, remark.len(), LABEL_BYTES_MAX)?;
        friend.remark.clone_from(remark);
    }
    if let Some(groups) = groups {
        let known: FriendGroups = tx.read(&key::friend_groups(user)).unwrap_or_default();
        if !groups.iter().all(|number| known.names.contains_key(number)) {
            return Err(Reject::FriendGroupNotFound);
        }
        friend.groups.clone_from(groups);
    }
    if friend != before {
        tx.put(row, &friend);
        tx.changed(user, Entity::Friend(peer.clone()));
    }
    Ok(Reply::Done)
}

/// The friendship stays, for the day it is taken back; requests and follows end.
fn block(tx: &mut Tx<'_>, user: &UserId, peer: &UserId) -> Result<Reply, Reject> {
    existing(tx, peer)?;
    let row = key::block(user, peer);
    if tx.has(&row) {
        return Ok(Reply::Done);
    }
    check::room(Many::Blocks, tx.tally(user).blocks, BLOCKS_MAX)?;
    tx.put(row, &Block { since: tx.at });
    tx.count(user, |tally| tally.blocks += 1);
    tx.changed(user, Entity::Block(peer.clone()));
    drop_request(tx, user, peer);
    drop_request(tx, peer, user);
    unfollow(tx, user, peer);
    unfollow(tx, peer, user);
    Ok(Reply::Done)
}

fn unblock(tx: &mut Tx<'_>, user: &UserId, peer: &UserId) -> Result<Reply, Reject> {
    let row = key::block(user, peer);
    if tx.has(&row) {
        tx.remove(row);
        tx.count(user, |tally| tally.blocks -= 1);
        tx.changed(user, Entity::Block(peer.clone()));
    }
    Ok(Reply::Done)
}

fn follow(tx: &mut Tx<'_>, user: &UserId, peer: &UserId) -> Result<Reply, Reject> {
    existing(tx, peer)?;
    if tx.has(&key::following(user, peer)) {
        return Ok(Reply::Done);
    }
    check_blocks(tx, user, peer)?;
    check::room(Many::Follows, tx.tally(user).following, FOLLOWING_MAX)?;
    let since: LogTime = tx.at;
    tx.put(key::following(user, peer), &Follow { since });
    tx.put(key::follower(peer, user), &Follow { since });
    tx.count(user, |tally| tally.following += 1);
    tx.count(peer, |tally| tally.followers += 1);
    tx.changed(user, Entity::Following(peer.clone()));
    Ok(Reply::Done)
}

/// Ends a follow on both sides, if there is one. Followers are not in the change log of whom they follow: there may
/// be millions.
pub(crate) fn unfollow(tx: &mut Tx<'_>, user: &UserId, peer: &UserId) {
    if tx.has(&key::following(user, peer)) {
        tx.remove(key::following(user, peer));
        tx.remove(key::follower(peer, user));
        tx.count(user, |tally| tally.following -= 1);
        tx.count(peer, |tally| tally.followers -= 1);
        tx.changed(user, Entity::Following(peer.clone()));
    }
}

//! What holds of accounts and between them.

use alloc::{collections::BTreeMap, vec::Vec};

use proto::{
    im::{
        Account, AccountState, Block, ConversationId, Device, DeviceId, Follow, Friend,
        FriendRequest, UserConversation, UserId,
        account::Tally,
        conversation::{ChangeHead, Entity},
        id::UserSeq,
    },
    store::View,
};

use super::{Broken, Rule, all, hold};
use crate::{
    key::{self, Rest, table},
    tx,
    wheel::Task,
};

type Pairs<V> = BTreeMap<(UserId, UserId), V>;

pub(super) fn check(view: &dyn View) -> Result<(), Broken> {
    let accounts: BTreeMap<UserId, Account> = all(view, table::ACCOUNT, |rest| rest.user())?;
    check_sessions(view, &accounts)?;
    let friends: Pairs<Friend> = pairs(view, table::FRIEND)?;
    for ((owner, peer), friend) in &friends {
        let other = friends.get(&(peer.clone(), owner.clone()));
        let agree =
            other.is_some_and(|other| other.since == friend.since && other.source == friend.source);
        hold(Rule::Friends, agree && owner != peer, || key::friend(owner, peer).into_bytes())?;
    }
    let asked: Pairs<FriendRequest> = pairs(view, table::REQUEST_OUT)?;
    let waiting: Pairs<FriendRequest> = pairs(view, table::REQUEST_IN)?;
    check_requests(view, &asked, &waiting)?;
    let following: Pairs<Follow> = pairs(view, table::FOLLOWING)?;
    let followers: Pairs<Follow> = pairs(view, table::FOLLOWER)?;
    check_mirror(&following, &followers, Rule::Follows, table::FOLLOWING)?;
    let blocks: Pairs<Block> = pairs(view, table::BLOCK)?;

    let mut counted: BTreeMap<UserId, Tally> = BTreeMap::new();
    let mut count = |user: &UserId, add: fn(&mut Tally)| {
        add(counted.entry(user.clone()).or_default());
    };
    friends.keys().for_each(|(user, _)| count(user, |tally| tally.friends += 1));
    asked.keys().for_each(|(user, _)| count(user, |tally| tally.requests_out += 1));
    waiting.keys().for_each(|(user, _)| count(user, |tally| tally.requests_in += 1));
    following.keys().for_each(|(user, _)| count(user, |tally| tally.following += 1));
    followers.keys().for_each(|(user, _)| count(user, |tally| tally.followers += 1));
    blocks.keys().for_each(|(user, _)| count(user, |tally| tally.blocks += 1));
    let own: BTreeMap<(UserId, ConversationId), UserConversation> =
        all(view, table::OWN, |rest| Some((rest.user()?, rest.conversation()?)))?;
    for ((user, conversation), own) in &own {
        count(user, |tally| tally.conversations += 1);
        if conversation.group().is_some() {
            count(user, |tally| tally.groups += 1);
        }
        if own.settings.pinned {
            count(user, |tally| tally.pinned += 1);
        }
    }
    check_tallies(view, &accounts, &counted)?;
    check_change_logs(view)
}

/// Rows by owner and peer.
fn pairs<V: serde::de::DeserializeOwned>(view: &dyn View, table: u8) -> Result<Pairs<V>, Broken> {
    all(view, table, |rest: &mut Rest<'_>| Some((rest.user()?, rest.user()?)))
}

fn check_sessions(view: &dyn View, accounts: &BTreeMap<UserId, Account>) -> Result<(), Broken> {
    let devices: BTreeMap<(UserId, DeviceId), Device> = all(view, table::DEVICE, |rest| {
        Some((rest.user()?, DeviceId::try_from(rest.text()?).ok()?))
    })?;
    for (user, account) in accounts {
        let mut listed = account.sessions.clone();
        let of_user = devices.iter().filter(|((owner, _), _)| owner == user);
        let mut lived: Vec<_> = of_user.map(|(_, device)| device.session).collect();
        listed.sort_unstable();
        lived.sort_unstable();
        let is_gone = account.state != AccountState::Active;
        let agree = listed == lived && (!is_gone || lived.is_empty());
        hold(Rule::Sessions, agree, || key::account(user).into_bytes())?;
    }
    let orphan = devices.keys().find(|(user, _)| !accounts.contains_key(user));
    orphan.map_or(Ok(()), |(user, device)| {
        hold(Rule::Filed, false, || key::device(user, device).into_bytes())
    })
}

fn check_requests(
    view: &dyn View,
    asked: &Pairs<FriendRequest>,
    waiting: &Pairs<FriendRequest>,
) -> Result<(), Broken> {
    for ((asker, peer), request) in asked {
        let other = waiting.get(&(peer.clone(), asker.clone()));
        let agree = other.is_some_and(|other| {
            let same = FriendRequest { remark: request.remark.clone(), ..other.clone() };
            same == *request
        });
        let task = Task::FriendRequest { asker: asker.clone(), asked: peer.clone() };
        let is_filed = view.get(key::wheel(request.expires_at, &task).bytes()).is_some();
        let friends = view.get(key::friend(asker, peer).bytes()).is_some();
        hold(Rule::Requests, agree && is_filed && !friends, || {
            key::request_out(asker, peer).into_bytes()
        })?;
    }
    hold(Rule::Requests, asked.len() == waiting.len(), || key::Key::of(table::REQUEST_IN).bytes())
}

/// Every row of one table has its like in the other, the other way round.
fn check_mirror<V: PartialEq>(
    one: &Pairs<V>,
    other: &Pairs<V>,
    rule: Rule,
    table: u8,
) -> Result<(), Broken> {
    let agree = one.len() == other.len()
        && one.iter().all(|((a, b), row)| other.get(&(b.clone(), a.clone())) == Some(row));
    hold(rule, agree, || key::Key::of(table).bytes())
}

fn check_tallies(
    view: &dyn View,
    accounts: &BTreeMap<UserId, Account>,
    counted: &BTreeMap<UserId, Tally>,
) -> Result<(), Broken> {
    let kept: BTreeMap<UserId, Tally> = all(view, table::TALLY, |rest| rest.user())?;
    for user in accounts.keys().chain(kept.keys()).chain(counted.keys()) {
        let of = |tallies: &BTreeMap<UserId, Tally>| tallies.get(user).copied().unwrap_or_default();
        let holds = of(&kept) == of(counted) && accounts.contains_key(user);
        hold(Rule::Tally, holds, || key::tally(user).into_bytes())?;
    }
    Ok(())
}

fn check_change_logs(view: &dyn View) -> Result<(), Broken> {
    let heads: BTreeMap<UserId, ChangeHead> = all(view, table::CHANGE_HEAD, |rest| rest.user())?;
    let rows: BTreeMap<(UserId, u64), Entity> =
        all(view, table::CHANGE, |rest| Some((rest.user()?, rest.number()?)))?;
    let mut lengths: BTreeMap<&UserId, u64> = BTreeMap::new();
    for ((user, at), entity) in &rows {
        *lengths.entry(user).or_default() += 1;
        let at = UserSeq(*at);
        let agrees = tx::read(view, &key::changed_at(user, entity)) == Some(at);
        let within = heads.get(user).is_some_and(|log| at <= log.head && at > log.floor);
        // A deleted account's log is being removed.
        let is_going = tx::read(view, &key::account(user))
            .is_some_and(|account: Account| account.state == AccountState::Deleted);
        hold(Rule::ChangeLog, is_going || (agrees && within), || {
            key::change(user, at).into_bytes()
        })?;
    }
    for (user, log) in &heads {
        let is_known = view.get(key::account(user).bytes()).is_some();
        hold(Rule::Filed, is_known, || key::change_head(user).into_bytes())?;
        let is_going = tx::read(view, &key::account(user))
            .is_some_and(|account: Account| account.state == AccountState::Deleted);
        let length = lengths.get(user).copied().unwrap_or_default();
        hold(Rule::ChangeLog, is_going || length == log.rows, || {
            key::change_head(user).into_bytes()
        })?;
    }
    Ok(())
}

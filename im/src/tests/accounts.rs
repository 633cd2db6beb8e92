//! Accounts, log-ins and tokens.

use alloc::{boxed::Box, string::String, vec, vec::Vec};
use core::time::Duration;

use proto::{
    im::{
        Action, Actor, Answer, Ask, Command, Credential, DeviceId, Entity, Event, Platform,
        Profile, Reject, Reply, SessionId, Settings,
        account::{
            AccountState, ContactRules, CustomField, DevicePolicy, NewAccount, RefreshHash,
            Visibility,
        },
        command::{AccountAction, Keep, Login, ProfileChange},
        event::{Imported, SessionEnd},
        limit::{IMPORT_MAX, SESSIONS_MAX},
    },
    time::LogTime,
};

use super::make::{BACKEND, World, by, create, key, user};

fn device(id: &str) -> DeviceId {
    id.parse().unwrap()
}

fn hash(byte: u8) -> RefreshHash {
    RefreshHash([byte; 32])
}

fn login(id: &str, session: u64, platform: Platform) -> AccountAction {
    AccountAction::Login(Box::new(Login {
        device: device(id),
        session: SessionId(session),
        platform,
        name: String::new(),
        refresh: hash(1),
        expires_at: LogTime(u64::MAX),
    }))
}

fn refresh(presented: u8, next: u8) -> AccountAction {
    AccountAction::Refresh {
        device: device("phone"),
        session: SessionId(1),
        presented: hash(presented),
        next: hash(next),
        expires_at: LogTime(u64::MAX),
    }
}

fn sessions(world: &World) -> Vec<u64> {
    match world.ask(Some("ada"), Ask::Devices(user("ada"))) {
        Ok(Answer::Devices(devices)) => {
            let mut sessions: Vec<u64> = devices.iter().map(|info| info.session.0).collect();
            sessions.sort_unstable();
            sessions
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_account_is_made_once_and_its_id_never_again() {
    let mut world = World::new();
    world.run(&create("ada")).unwrap();
    assert!(world.run(&create("ada")).unwrap().events.is_empty(), "the same request again");
    let mut other = create("ada");
    if let Action::Account { action: AccountAction::Create { key: number, .. }, .. } =
        &mut other.action
    {
        *number = key(9);
    }
    let taken = Err(Reject::AccountExists { user: user("ada") });
    assert_eq!(world.run(&other).map(|_| ()), taken);
    world.account("ada", AccountAction::Delete).unwrap();
    assert_eq!(world.run(&create("ada")).map(|_| ()), taken);
    world.keep_house();
    assert_eq!(world.run(&create("ada")).map(|_| ()), taken);
}

#[test]
fn an_import_says_what_became_of_each() {
    let mut world = World::of(["ada"]);
    let new = |id: &str, name: &str| NewAccount {
        user: user(id),
        credential: Credential::External,
        profile: Profile { name: name.into(), ..Profile::default() },
        rules: ContactRules::default(),
    };
    let long = "x".repeat(200);
    let accounts = vec![new("ada", ""), new("bob", ""), new("cyd", &long)];
    let Ok(Reply::Imported(each)) = world.act(BACKEND, Action::ImportAccounts { accounts }) else {
        panic!("no reply");
    };
    assert!(matches!(
        each.as_slice(),
        [Imported::Exists, Imported::Created, Imported::Refused(Reject::Length { .. })]
    ));
    let accounts = vec![new("dan", ""); IMPORT_MAX + 1];
    let result = world.act(BACKEND, Action::ImportAccounts { accounts });
    assert!(matches!(result, Err(Reject::Length { .. })));
}

#[test]
fn only_the_back_end_makes_and_disables_accounts() {
    let mut world = World::of(["ada", "bob"]);
    let mut command = create("cyd");
    command.actor = by("cyd");
    assert_eq!(world.run(&command).map(|_| ()), Err(Reject::AccountNotFound { user: user("cyd") }));
    for state in [AccountState::Disabled, AccountState::Active] {
        let action = AccountAction::SetState { state };
        let action = Action::Account { user: user("ada"), action };
        assert_eq!(world.act(by("ada"), action), Err(Reject::NotPermitted));
    }
    let action = Action::Account { user: user("bob"), action: AccountAction::Delete };
    assert_eq!(world.act(by("ada"), action), Err(Reject::NotPermitted));
}

#[test]
fn each_policy_keeps_its_log_ins_side_by_side() {
    use Platform::{Android, Ios, Linux, Mac, Web};
    let rows: [(DevicePolicy, &[Platform], &[u64]); 4] = [
        (DevicePolicy::Single, &[Web, Ios, Mac], &[2]),
        (DevicePolicy::Dual, &[Web, Ios, Mac], &[0, 2]),
        (DevicePolicy::Triple, &[Web, Ios, Mac, Android, Linux], &[0, 3, 4]),
        (DevicePolicy::Multi, &[Web, Web, Ios, Ios], &[0, 1, 2, 3]),
    ];
    for (policy, platforms, left) in rows {
        let mut world = World::of(["ada"]);
        let settings = Settings { devices: policy, ..Settings::default() };
        world.act(BACKEND, Action::Configure(settings)).unwrap();
        for (index, platform) in platforms.iter().enumerate() {
            let name = std::format!("device{index}");
            world.account("ada", login(&name, index as u64, *platform)).unwrap();
            world.later(1);
        }
        assert_eq!(sessions(&world), left, "{policy:?}");
        let is_replaced = |event: &&Event| {
            matches!(event, Event::SessionEnded { reason: SessionEnd::Replaced, .. })
        };
        let ended = world.events.iter().filter(is_replaced).count();
        assert_eq!(ended, platforms.len() - left.len(), "{policy:?}");
    }
}

#[test]
fn a_device_that_logs_in_again_replaces_itself_and_the_oldest_makes_room() {
    let mut world = World::of(["ada"]);
    world.account("ada", login("phone", 1, Platform::Ios)).unwrap();
    world.account("ada", login("phone", 2, Platform::Ios)).unwrap();
    assert_eq!(sessions(&world), [2]);
    for index in 0..SESSIONS_MAX as u64 {
        world.later(1);
        let name = std::format!("bot{index}");
        world.account("ada", login(&name, 10 + index, Platform::Other)).unwrap();
    }
    assert_eq!(sessions(&world).len(), SESSIONS_MAX);
    assert!(!sessions(&world).contains(&2));
}

#[test]
fn a_refresh_token_is_good_once_and_a_copied_one_ends_the_log_in() {
    let mut world = World::of(["ada"]);
    world.account("ada", login("phone", 1, Platform::Ios)).unwrap();
    let done = Ok(Reply::Refreshed { epoch: 0 });
    assert_eq!(world.account("ada", refresh(1, 2)), done);
    assert_eq!(world.account("ada", refresh(1, 2)), done, "the same request again");
    assert_eq!(world.account("ada", refresh(1, 3)), done, "its answer was lost");
    assert_eq!(world.account("ada", refresh(9, 4)), Err(Reject::RefreshInvalid), "a guess");
    world.later(60_000);
    assert_eq!(world.account("ada", refresh(3, 5)), done);
    assert_eq!(world.account("ada", refresh(1, 6)), Ok(Reply::Reused));
    assert_eq!(sessions(&world), []);
    assert_eq!(world.account("ada", refresh(5, 7)), Err(Reject::SessionEnded));
    let last = world.events.iter().rev().find_map(|event| match event {
        Event::SessionEnded { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(last, Some(SessionEnd::Reused));
}

#[test]
fn a_token_of_an_ended_log_in_or_an_earlier_epoch_can_do_nothing() {
    let mut world = World::of(["ada", "bob"]);
    world.account("ada", login("phone", 1, Platform::Ios)).unwrap();
    world.account("ada", login("laptop", 2, Platform::Mac)).unwrap();
    let token = |session: u64, epoch: u32| Actor::User {
        user: user("ada"),
        session: Some(SessionId(session)),
        epoch: Some(epoch),
    };
    let act =
        Action::FriendGroup(proto::im::command::FriendGroupAction::Create { name: "x".into() });
    let good = |world: &World, session, epoch| {
        let (session, epoch) = (Some(SessionId(session)), Some(epoch));
        match world.ask(None, Ask::Access { user: user("ada"), session, epoch }) {
            Ok(Answer::Access(access)) => access.good,
            other => panic!("{other:?}"),
        }
    };
    assert!(world.act(token(1, 0), act.clone()).is_ok() && good(&world, 1, 0));
    world.account("ada", AccountAction::Logout { session: SessionId(1) }).unwrap();
    assert_eq!(world.act(token(1, 0), act.clone()), Err(Reject::SessionEnded));
    assert!(!good(&world, 1, 0) && good(&world, 2, 0));
    let credential = Credential::Password("$argon2id$..".into());
    let keep_only = Some(Keep::Session(SessionId(2)));
    world.account("ada", AccountAction::SetCredential { credential, keep_only }).unwrap();
    assert_eq!(world.act(token(2, 0), act.clone()), Err(Reject::SessionEnded));
    assert!(world.act(token(2, 1), act.clone()).is_ok() && good(&world, 2, 1));
    let state = AccountState::Disabled;
    world.account("ada", AccountAction::SetState { state }).unwrap();
    let disabled = Err(Reject::AccountDisabled { user: user("ada") });
    assert_eq!(world.act(token(2, 2), act), disabled);
    assert_eq!(sessions(&world), []);
}

#[test]
fn a_profile_shows_each_what_it_may_see() {
    let mut world = World::of(["ada", "bob", "cyd"]);
    world.befriend("ada", "bob");
    let field = |visibility| Some(CustomField { value: "v".into(), visibility });
    let custom = [
        ("all".into(), field(Visibility::Public)),
        ("some".into(), field(Visibility::Friends)),
        ("none".into(), field(Visibility::Private)),
    ];
    let change = ProfileChange {
        birthday: Some(18_151_210),
        custom: custom.into(),
        ..ProfileChange::default()
    };
    world.account("ada", AccountAction::UpdateProfile(Box::new(change))).unwrap();
    for (viewer, fields, birthday) in
        [(Some("ada"), 3, true), (Some("bob"), 2, true), (Some("cyd"), 1, false), (None, 3, true)]
    {
        let Ok(Answer::Profiles(found)) = world.ask(viewer, Ask::Profiles(vec![user("ada")]))
        else {
            panic!("no profile");
        };
        assert_eq!(found[0].profile.custom.len(), fields, "{viewer:?}");
        assert_eq!(found[0].profile.birthday != 0, birthday, "{viewer:?}");
    }
}

#[test]
fn a_deleted_account_leaves_nothing_behind_with_others() {
    let mut world = World::of(["ada", "bob"]);
    world.befriend("ada", "bob");
    world.relate("bob", "ada", proto::im::command::RelationAction::Follow).unwrap();
    world.account("ada", AccountAction::Delete).unwrap();
    world.keep_house();
    let page = proto::im::query::PageOf { after: None, limit: 10 };
    let Ok(Answer::Friends(friends)) = world.ask(Some("bob"), Ask::Friends(user("bob"), page))
    else {
        panic!("no friends");
    };
    assert!(friends.rows.is_empty());
    let gone = |event: &Event| {
        matches!(event, Event::Changed { user: who, entity: Entity::Friend(peer), .. }
            if *who == user("bob") && *peer == user("ada"))
    };
    assert!(world.events.iter().any(gone));
    let command = Command { actor: by("ada"), action: Action::Expire { rows: 1 } };
    assert_eq!(world.run(&command).map(|_| ()), Err(Reject::AccountNotFound { user: user("ada") }));
    assert_eq!(Settings::default().recall_within, Duration::from_secs(120));
}

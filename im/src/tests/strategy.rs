//! Random commands over a few users and groups.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::time::Duration;
use std::format;

use proptest::{collection::btree_set, option, prelude::*, test_runner::RngSeed};
use proto::{
    im::{
        Action, Actor, Command, ConversationId, GroupId, GroupKind, MessageOptions, Platform, Role,
        Sequence, SessionId, Settings, UserId,
        account::{Allowed, ContactRules, DevicePolicy, FriendRule, RefreshHash},
        command::{
            AccountAction, ConversationAction, FriendGroupAction, GroupAction, GroupChange, Keep,
            Login, MessageAction, NewGroup, ProfileChange, RelationAction, Send, SettingsChange,
        },
        group::{GroupInfo, GroupRules, InviteRule, JoinRule},
        message::{Gone, Mentions},
    },
    time::LogTime,
};

use super::make::{self, START, create, key, text};

/// A step of a history: milliseconds on the log's clock, and the command.
pub(super) type Step = (LogTime, Command);

pub(super) const USERS: [&str; 5] = ["ada", "bob", "cyd", "dan", "eve"];

/// Gates with a fixed seed; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` make it a search.
pub(super) fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if default.cases == 256 { cases } else { default.cases };
    let mut config = ProptestConfig { cases, max_shrink_iters: 4_000, ..default };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(3);
    }
    config
}

pub(super) fn user() -> impl Strategy<Value = UserId> {
    (0..USERS.len() * 4 - 3).prop_map(|index| make::user(USERS[index / 4]))
}

pub(super) fn users() -> impl Strategy<Value = BTreeSet<UserId>> {
    btree_set(user(), 0..4)
}

pub(super) fn group() -> impl Strategy<Value = GroupId> {
    prop_oneof![8 => Just(0_u8), 4 => Just(1), 1 => Just(2)]
        .prop_map(|index| make::group(&format!("group{index}")))
}

pub(super) fn conversation() -> impl Strategy<Value = ConversationId> {
    let private = (user(), user())
        .prop_filter_map("two users", |(one, other)| ConversationId::between(&one, &other).ok());
    prop_oneof![2 => private, 3 => group().prop_map(ConversationId::Group)]
}

fn kind() -> impl Strategy<Value = GroupKind> {
    prop_oneof![
        Just(GroupKind::Private),
        Just(GroupKind::Public),
        Just(GroupKind::Meeting),
        Just(GroupKind::Community)
    ]
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![Just(""), Just("one"), Just("two")].prop_map(String::from)
}

fn seq() -> impl Strategy<Value = Sequence> {
    (0..9_u64).prop_map(Sequence)
}

fn session() -> impl Strategy<Value = SessionId> {
    (0..5_u64).prop_map(SessionId)
}

fn hash() -> impl Strategy<Value = RefreshHash> {
    (0..4_u8).prop_map(|byte| RefreshHash([byte; 32]))
}

fn device() -> impl Strategy<Value = proto::im::DeviceId> {
    (0..3_u8).prop_map(|index| format!("device{index}").parse().unwrap())
}

fn until() -> impl Strategy<Value = LogTime> {
    prop_oneof![
        Just(LogTime(0)),
        Just(LogTime(u64::MAX)),
        (0..100_000_u64).prop_map(|after| LogTime(START.0 + after))
    ]
}

fn contact() -> impl Strategy<Value = ContactRules> {
    let allowed = || prop_oneof![4 => Just(Allowed::Anyone), 1 => Just(Allowed::Friends), 1 => Just(Allowed::Nobody)];
    let friends =
        prop_oneof![Just(FriendRule::Anyone), Just(FriendRule::Approval), Just(FriendRule::Nobody)];
    (friends, allowed(), allowed()).prop_map(|(friends, messages, invitations)| ContactRules {
        friends,
        messages,
        invitations,
    })
}

fn account_action() -> impl Strategy<Value = AccountAction> {
    use proto::im::AccountState::{Active, Deleted, Disabled};
    let platform = prop_oneof![Just(Platform::Web), Just(Platform::Ios), Just(Platform::Mac)];
    let login =
        (device(), session(), platform, hash()).prop_map(|(device, session, platform, refresh)| {
            AccountAction::Login(Box::new(Login {
                device,
                session,
                platform,
                name: String::new(),
                refresh,
                expires_at: LogTime(START.0 + 80_000),
            }))
        });
    let refresh =
        (device(), session(), hash(), hash()).prop_map(|(device, session, presented, next)| {
            AccountAction::Refresh {
                device,
                session,
                presented,
                next,
                expires_at: LogTime(START.0 + 90_000),
            }
        });
    let state = prop_oneof![20 => Just(Active), 1 => Just(Disabled), 1 => Just(Deleted)];
    prop_oneof![
        8 => state.prop_map(|state| AccountAction::SetState { state }),
        1 => Just(AccountAction::Delete),
        3 => Just(AccountAction::RevokeAll),
        3 => session().prop_map(|session| AccountAction::SetCredential {
            credential: proto::im::Credential::External,
            keep_only: Some(Keep::Session(session)),
        }),
        10 => contact().prop_map(|rules| AccountAction::SetRules { rules }),
        4 => word().prop_map(|name| AccountAction::UpdateProfile(Box::new(ProfileChange {
            name: Some(name),
            ..ProfileChange::default()
        }))),
        24 => login,
        24 => refresh,
        6 => session().prop_map(|session| AccountAction::Logout { session }),
    ]
}

pub(super) fn relation_action() -> impl Strategy<Value = RelationAction> {
    prop_oneof![
        6 => word().prop_map(|message| RelationAction::Request {
            message, source: String::new(), remark: String::new()
        }),
        1 => Just(RelationAction::Cancel),
        5 => word().prop_map(|remark| RelationAction::Accept { remark }),
        1 => Just(RelationAction::Refuse),
        1 => Just(RelationAction::Befriend { source: String::new() }),
        2 => Just(RelationAction::Unfriend),
        1 => (option::of(word()), option::of(btree_set(0..3_u16, 0..2)))
            .prop_map(|(remark, groups)| RelationAction::SetFriend { remark, groups }),
        1 => Just(RelationAction::Block),
        2 => Just(RelationAction::Unblock),
        2 => Just(RelationAction::Follow),
        1 => Just(RelationAction::Unfollow),
    ]
}

fn friend_group() -> impl Strategy<Value = FriendGroupAction> {
    prop_oneof![
        word().prop_map(|name| FriendGroupAction::Create { name }),
        (0..3_u16, word()).prop_map(|(number, name)| FriendGroupAction::Rename { number, name }),
        (0..3_u16).prop_map(|number| FriendGroupAction::Remove { number }),
    ]
}

fn rules() -> impl Strategy<Value = GroupRules> {
    let join = prop_oneof![Just(JoinRule::Free), Just(JoinRule::Approval), Just(JoinRule::Closed)];
    let invite =
        prop_oneof![Just(InviteRule::Members), Just(InviteRule::Admins), Just(InviteRule::Nobody)];
    let retention = option::of((1..60_u64).prop_map(Duration::from_secs));
    (join, invite, prop_oneof![Just(0), 2..5_u32], any::<bool>(), retention).prop_map(
        |(join, invite, members_max, open_history, retention)| GroupRules {
            join,
            invite,
            members_max,
            open_history,
            retention,
        },
    )
}

pub(super) fn new_group() -> impl Strategy<Value = GroupAction> {
    (kind(), option::weighted(0.3, rules()), users(), 0..2_u8).prop_map(
        |(kind, rules, members, number)| {
            GroupAction::Create(Box::new(NewGroup {
                key: key(number),
                kind,
                info: GroupInfo::default(),
                rules,
                members,
            }))
        },
    )
}

fn group_action() -> impl Strategy<Value = GroupAction> {
    let role = prop_oneof![Just(Role::Admin), Just(Role::Member), Just(Role::Owner)];
    prop_oneof![
        8 => new_group(),
        1 => (option::of(word()), option::of(word())).prop_map(|(name, notice)| {
            GroupAction::Update(Box::new(GroupChange { name, notice, ..GroupChange::default() }))
        }),
        2 => rules().prop_map(|rules| GroupAction::SetRules(Box::new(rules))),
        1 => Just(GroupAction::Dismiss),
        8 => word().prop_map(|message| GroupAction::Join { message }),
        1 => Just(GroupAction::CancelJoin),
        4 => (user(), prop::bool::weighted(0.8))
            .prop_map(|(user, accept)| GroupAction::AnswerJoin { user, accept }),
        4 => users().prop_map(|users| GroupAction::Invite { users }),
        2 => Just(GroupAction::Leave),
        3 => (users(), option::weighted(0.3, until()))
            .prop_map(|(users, ban_until)| GroupAction::Remove { users, ban_until }),
        6 => (user(), option::of(until()))
            .prop_map(|(user, until)| GroupAction::Ban { user, until }),
        1 => user().prop_map(|user| GroupAction::Unban { user }),
        3 => (user(), role).prop_map(|(user, role)| GroupAction::SetRole { user, role }),
        2 => user().prop_map(|to| GroupAction::Transfer { to }),
        2 => (user(), until()).prop_map(|(user, until)| GroupAction::Mute { user, until }),
        1 => any::<bool>().prop_map(|on| GroupAction::MuteAll { on }),
        1 => (user(), option::of(word())).prop_map(|(user, card)| GroupAction::UpdateMember {
            user, card, custom: BTreeMap::new()
        }),
        2 => (word(), option::of(word()), option::of(0..3_u64)).prop_map(
            |(key, value, expected)| GroupAction::SetAttribute { key, value, expected }
        ),
        1 => (word(), any::<i64>(), 9..12_u8).prop_map(|(name, add, number)| GroupAction::Count {
            name, add, key: key(number)
        }),
    ]
}

fn options() -> impl Strategy<Value = MessageOptions> {
    let ttl = option::weighted(0.2, (1..30_u64).prop_map(Duration::from_secs));
    let reply = option::weighted(0.1, seq());
    let mentions =
        (prop::bool::weighted(0.1), users()).prop_map(|(all, users)| Mentions { all, users });
    (prop::bool::weighted(0.2), ttl, mentions, reply).prop_map(
        |(no_unread, ttl, mentions, reply_to)| MessageOptions {
            no_unread,
            ttl,
            mentions,
            reply_to,
            ..MessageOptions::default()
        },
    )
}

pub(super) fn send() -> impl Strategy<Value = Action> {
    (conversation(), 0..60_u8, word(), options()).prop_map(
        |(conversation, number, words, options)| {
            let content = text(&format!("{words}{number}"));
            Action::Send(Box::new(Send { conversation, key: key(number), content, options }))
        },
    )
}

fn message_action() -> impl Strategy<Value = MessageAction> {
    let how = prop_oneof![Just(Gone::Recalled), Just(Gone::Deleted), Just(Gone::Expired)];
    prop_oneof![
        2 => how.prop_map(|how| MessageAction::Withdraw { how }),
        2 => (0..3_u8).prop_map(|number| MessageAction::Edit {
            content: Box::new(text(&number.to_string()))
        }),
        5 => (word(), prop::bool::weighted(0.7))
            .prop_map(|(reaction, on)| MessageAction::React { reaction, on }),
        2 => any::<bool>().prop_map(|on| MessageAction::Pin { on }),
    ]
}

fn conversation_action() -> impl Strategy<Value = ConversationAction> {
    prop_oneof![
        8 => seq().prop_map(|seq| ConversationAction::Read { seq }),
        3 => seq().prop_map(|seq| ConversationAction::Delivered { seq }),
        2 => (option::of(any::<bool>()), option::of(word())).prop_map(|(pinned, draft)| {
            let change = SettingsChange { pinned, draft, ..SettingsChange::default() };
            ConversationAction::Update(Box::new(change))
        }),
        1 => Just(ConversationAction::Clear),
        1 => any::<bool>().prop_map(|clear| ConversationAction::Hide { clear }),
        1 => btree_set(seq(), 0..3).prop_map(|seqs| ConversationAction::HideMessages { seqs }),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let policy = prop_oneof![
        Just(DevicePolicy::Single),
        Just(DevicePolicy::Dual),
        Just(DevicePolicy::Triple),
        Just(DevicePolicy::Multi)
    ];
    (policy, option::of((1..60_u64).prop_map(Duration::from_secs))).prop_map(
        |(devices, retention)| Settings {
            devices,
            retention,
            request_lives: Duration::from_secs(20),
            ..Settings::default()
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => (user(), account_action())
            .prop_map(|(user, action)| Action::Account { user, action }),
        16 => (user(), relation_action())
            .prop_map(|(peer, action)| Action::Relation { peer, action }),
        2 => friend_group().prop_map(Action::FriendGroup),
        30 => (group(), group_action())
            .prop_map(|(group, action)| Action::Group { group, action }),
        30 => send(),
        14 => (conversation(), seq(), message_action())
            .prop_map(|(conversation, seq, action)| Action::Message { conversation, seq, action }),
        16 => (conversation(), conversation_action())
            .prop_map(|(conversation, action)| Action::Conversation { conversation, action }),
        1 => settings().prop_map(Action::Configure),
        8 => (1..40_u32).prop_map(|rows| Action::Expire { rows }),
    ]
}

fn actor() -> impl Strategy<Value = Actor> {
    let by_token = (user(), option::weighted(0.02, session()), option::weighted(0.02, 0..2_u32));
    prop_oneof![
        8 => by_token.prop_map(|(user, session, epoch)| Actor::User { user, session, epoch }),
        3 => option::weighted(0.7, user()).prop_map(|user| Actor::Backend { user }),
    ]
}

/// Commands with the back end where only it may, most of the time.
fn command() -> impl Strategy<Value = Command> {
    (actor(), user(), prop::bool::weighted(0.9), action()).prop_map(
        |(actor, user, right, action)| {
            let needs_backend = matches!(
                action,
                Action::Account { .. } | Action::Expire { .. } | Action::Configure(_)
            );
            let actor =
                if right && needs_backend { Actor::Backend { user: Some(user) } } else { actor };
            Command { actor, action }
        },
    )
}

/// A history over accounts that exist (all but the last one).
pub(super) fn history(steps: usize) -> impl Strategy<Value = Vec<Step>> {
    history_of(command(), steps)
}

/// A history of such commands.
pub(super) fn history_of(
    command: impl Strategy<Value = Command>,
    steps: usize,
) -> impl Strategy<Value = Vec<Step>> {
    let begun = (kind(), kind());
    (begun, prop::collection::vec((0..1_500_u64, command), 1..steps)).prop_map(
        |((one, other), steps)| {
            let mut now = START;
            let mut all: Vec<Step> = USERS[..4].iter().map(|id| (START, create(id))).collect();
            for (owner, name, kind) in [("ada", "group0", one), ("bob", "group1", other)] {
                let action = make::new_group(kind, make::users(["bob", "cyd"]));
                let action = Action::Group { group: make::group(name), action };
                all.push((START, Command { actor: make::by(owner), action }));
            }
            for (after, command) in steps {
                now.0 += after;
                all.push((now, command));
            }
            all
        },
    )
}

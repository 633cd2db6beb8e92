//! People who do things in chat, some of them foolish. Commands follow from the seed and from what was told so far.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use proto::{
    im::{
        Action, Actor, ClientKey, Command, Content, ConversationId, Credential, GroupId, GroupKind,
        MessageOptions, Platform, Role, Sequence, SessionId, Settings, UserId,
        account::{AccountState, ContactRules, DevicePolicy, FriendRule, RefreshHash},
        command::{
            AccountAction, ConversationAction, FriendGroupAction, GroupAction, GroupChange, Login,
            MessageAction, NewGroup, RelationAction, Send, SettingsChange,
        },
        group::{GroupInfo, GroupRules, InviteRule, JoinRule},
        message::{Gone, Mentions},
    },
    time::LogTime,
};

use super::transcript::Transcript;
use crate::dice::Dice;

const START: LogTime = LogTime(1_700_000_000_000);
const USERS: u64 = 8;
const GROUPS: u64 = 4;
/// How far apart commands are at most, usually.
const STEP_MS: u64 = 400;
/// One in so many commands comes after a long rest, so that what has a term ends.
const REST_PERCENT: u64 = 1;
const REST_MS: u64 = 90_000;
/// How many sends are remembered to be repeated: somebody did not hear the answer.
const SENDS_MAX: usize = 12;
const AGAIN_PERCENT: u64 = 4;

/// Makes commands.
pub(super) struct Town {
    dice: Dice,
    now: LogTime,
    made: u64,
    keys: u64,
    /// What was sent last; some of it is sent again.
    sends: VecDeque<Command>,
    /// The groups there are; one that is dismissed makes room for another.
    groups: Vec<u64>,
}

impl Town {
    pub(super) fn new(dice: Dice) -> Self {
        let groups = (0..GROUPS).collect();
        Self { dice, now: START, made: 0, keys: 0, sends: VecDeque::new(), groups }
    }

    /// The next command and when it is stamped.
    pub(super) fn next(&mut self, told: &Transcript) -> (LogTime, Command) {
        self.now.0 += self.dice.below(STEP_MS);
        if self.dice.chance(REST_PERCENT) {
            self.now.0 += self.dice.below(REST_MS);
        }
        let again = self.dice.chance(AGAIN_PERCENT);
        let sent = self.dice.index(self.sends.len());
        let command = match self.sends.get(sent) {
            _ if self.made < USERS => self.account(),
            Some(sent) if again => sent.clone(),
            Some(_) | None => self.any(told),
        };
        self.remember(&command, told);
        self.made += 1;
        (self.now, command)
    }

    fn remember(&mut self, command: &Command, told: &Transcript) {
        if matches!(command.action, Action::Send(_)) {
            self.sends.push_back(command.clone());
            if self.sends.len() > SENDS_MAX {
                self.sends.pop_front();
            }
        }
        for number in &mut self.groups {
            if told.dismissed.contains(&group(*number)) {
                *number += GROUPS;
            }
        }
    }

    fn account(&self) -> Command {
        let action = AccountAction::Create {
            key: ClientKey([0; 16]),
            credential: Credential::External,
            profile: Box::default(),
            rules: ContactRules { friends: FriendRule::Approval, ..ContactRules::default() },
        };
        Command { actor: BACKEND, action: Action::Account { user: user(self.made), action } }
    }

    fn any(&mut self, told: &Transcript) -> Command {
        let action = match self.dice.weighed(&[400, 120, 150, 120, 90, 40, 8, 12, 2]) {
            0 => self.send(told),
            1 => Action::Relation { peer: self.user(), action: self.relation() },
            2 => Action::Group { group: self.group(), action: self.on_group() },
            3 => {
                let (conversation, seq) = self.place(told);
                Action::Conversation { conversation, action: self.on_conversation(seq) }
            }
            4 => {
                let (conversation, seq) = self.place(told);
                Action::Message { conversation, seq, action: self.on_message() }
            }
            5 => Action::Account { user: self.user(), action: self.on_account() },
            6 => Action::FriendGroup(self.friend_group()),
            7 => Action::Expire { rows: u32::try_from(self.dice.between(1, 400)).unwrap_or(1) },
            _ => Action::Configure(self.settings()),
        };
        let by_backend =
            matches!(action, Action::Account { .. } | Action::Expire { .. } | Action::Configure(_))
                || self.dice.chance(5);
        let user = self.asker(&action, told);
        let actor = if by_backend {
            Actor::Backend { user: Some(user) }
        } else {
            Actor::User { user, session: None, epoch: None }
        };
        Command { actor, action }
    }

    /// Who asks: mostly somebody who has a part in it.
    fn asker(&mut self, action: &Action, told: &Transcript) -> UserId {
        let conversation = match action {
            Action::Send(send) => Some(send.conversation.clone()),
            Action::Message { conversation, .. } | Action::Conversation { conversation, .. } => {
                Some(conversation.clone())
            }
            Action::Group { group, .. } => Some(ConversationId::Group(group.clone())),
            _ => None,
        };
        let part: Vec<&UserId> = match &conversation {
            Some(ConversationId::Private(pair)) => vec![pair.low(), pair.high()],
            Some(ConversationId::Group(group)) => {
                told.members.get(group).into_iter().flatten().collect()
            }
            None => Vec::new(),
        };
        match self.dice.pick(&part) {
            Some(user) if self.dice.chance(85) => (*user).clone(),
            Some(_) | None => self.user(),
        }
    }

    fn user(&mut self) -> UserId {
        user(self.dice.below(USERS))
    }

    fn users(&mut self) -> BTreeSet<UserId> {
        (0..self.dice.below(5)).map(|_| self.user()).collect()
    }

    fn group(&mut self) -> GroupId {
        group(self.dice.pick(&self.groups).copied().unwrap_or_default())
    }

    fn conversation(&mut self) -> ConversationId {
        if self.dice.chance(60) {
            return ConversationId::Group(self.group());
        }
        let (one, other) = (self.user(), self.user());
        let group = self.group();
        ConversationId::between(&one, &other).unwrap_or(ConversationId::Group(group))
    }

    /// A message somewhere, mostly one of the last.
    fn place(&mut self, told: &Transcript) -> (ConversationId, Sequence) {
        let conversation = self.conversation();
        let head = told.talks.get(&conversation).map_or(0, |talk| talk.head);
        let back = if self.dice.chance(80) { self.dice.below(6) } else { self.dice.below(head) };
        (conversation, Sequence(head.saturating_sub(back)))
    }

    fn key(&mut self) -> ClientKey {
        self.keys += 1;
        ClientKey(((u128::from(self.keys) << 64) | 1).to_be_bytes())
    }

    fn word(&mut self) -> String {
        format!("w{}", self.dice.below(3))
    }

    fn send(&mut self, told: &Transcript) -> Action {
        let key = self.key();
        let (conversation, seq) = self.place(told);
        let options = MessageOptions {
            no_unread: self.dice.chance(10),
            ttl: self.dice.chance(8).then(|| Duration::from_secs(1 + self.dice.below(60))),
            mentions: Mentions { all: self.dice.chance(3), users: self.users() },
            reply_to: self.dice.chance(5).then_some(seq),
            ..MessageOptions::default()
        };
        let content = Content::Text { text: format!("message {}", self.made) };
        Action::Send(Box::new(Send { conversation, key, content, options }))
    }

    fn relation(&mut self) -> RelationAction {
        let word = self.word();
        match self.dice.weighed(&[8, 1, 8, 1, 1, 2, 2, 1, 2, 2, 1]) {
            0 => {
                let (source, remark) = (String::new(), String::new());
                RelationAction::Request { message: word, source, remark }
            }
            1 => RelationAction::Cancel,
            2 => RelationAction::Accept { remark: word },
            3 => RelationAction::Refuse,
            4 => RelationAction::Befriend { source: word },
            5 => RelationAction::Unfriend,
            6 => RelationAction::SetFriend { remark: Some(word), groups: None },
            7 => RelationAction::Block,
            8 => RelationAction::Unblock,
            9 => RelationAction::Follow,
            _ => RelationAction::Unfollow,
        }
    }

    fn on_group(&mut self) -> GroupAction {
        let (user, word) = (self.user(), self.word());
        match self.dice.weighed(&[8, 8, 5, 8, 3, 4, 4, 2, 3, 2, 3, 1, 2, 4, 2, 1, 3, 3]) {
            0 => self.new_group(),
            1 => GroupAction::Join { message: word },
            2 => GroupAction::AnswerJoin { user, accept: self.dice.chance(80) },
            3 => GroupAction::Invite { users: self.users() },
            4 => GroupAction::Leave,
            5 => GroupAction::Remove { users: self.users(), ban_until: None },
            6 => GroupAction::Ban { user, until: self.dice.chance(50).then(|| self.soon()) },
            7 => GroupAction::Unban { user },
            8 => {
                let role = if self.dice.chance(50) { Role::Admin } else { Role::Member };
                GroupAction::SetRole { user, role }
            }
            9 => GroupAction::Transfer { to: user },
            10 => GroupAction::Mute { user, until: self.soon() },
            11 => GroupAction::MuteAll { on: self.dice.chance(20) },
            12 => GroupAction::Update(Box::new(GroupChange {
                name: Some(word),
                notice: self.dice.chance(50).then(|| self.word()),
                ..GroupChange::default()
            })),
            13 => {
                let expected = self.dice.chance(30).then(|| self.dice.below(3));
                GroupAction::SetAttribute { key: word, value: Some(self.word()), expected }
            }
            14 => GroupAction::Count { name: word, add: 1, key: self.key() },
            15 => GroupAction::RemoveCounter { name: word },
            16 => GroupAction::SetRules(Box::new(self.rules())),
            _ => GroupAction::Dismiss,
        }
    }

    fn new_group(&mut self) -> GroupAction {
        let kinds =
            [GroupKind::Private, GroupKind::Public, GroupKind::Meeting, GroupKind::Community];
        let kind = self.dice.pick(&kinds).copied().unwrap_or_default();
        let rules = self.dice.chance(30).then(|| self.rules());
        let (key, members) = (self.key(), self.users());
        GroupAction::Create(Box::new(NewGroup {
            key,
            kind,
            info: GroupInfo::default(),
            rules,
            members,
        }))
    }

    fn rules(&mut self) -> GroupRules {
        let joins = [JoinRule::Free, JoinRule::Approval, JoinRule::Closed];
        let invites = [InviteRule::Members, InviteRule::Admins, InviteRule::Nobody];
        GroupRules {
            join: self.dice.pick(&joins).copied().unwrap_or_default(),
            invite: self.dice.pick(&invites).copied().unwrap_or_default(),
            members_max: 0,
            open_history: self.dice.chance(50),
            retention: self.dice.chance(20).then(|| Duration::from_secs(30 + self.dice.below(600))),
        }
    }

    fn soon(&mut self) -> LogTime {
        LogTime(self.now.0 + self.dice.below(30_000))
    }

    fn on_message(&mut self) -> MessageAction {
        match self.dice.weighed(&[3, 3, 6, 2]) {
            0 => {
                let how = if self.dice.chance(50) { Gone::Recalled } else { Gone::Deleted };
                MessageAction::Withdraw { how }
            }
            1 => {
                let content = Content::Text { text: self.word() };
                MessageAction::Edit { content: Box::new(content) }
            }
            2 => MessageAction::React { reaction: self.word(), on: self.dice.chance(70) },
            _ => MessageAction::Pin { on: self.dice.chance(60) },
        }
    }

    fn on_conversation(&mut self, seq: Sequence) -> ConversationAction {
        match self.dice.weighed(&[10, 4, 2, 1, 1, 1]) {
            0 => ConversationAction::Read { seq },
            1 => ConversationAction::Delivered { seq },
            2 => ConversationAction::Update(Box::new(SettingsChange {
                pinned: Some(self.dice.chance(50)),
                draft: Some(self.word()),
                ..SettingsChange::default()
            })),
            3 => ConversationAction::Clear,
            4 => ConversationAction::Hide { clear: self.dice.chance(50) },
            _ => ConversationAction::HideMessages { seqs: BTreeSet::from([seq]) },
        }
    }

    fn on_account(&mut self) -> AccountAction {
        let number = self.dice.below(4);
        let hash = |number: u64| RefreshHash([u8::try_from(number).unwrap_or(0); 32]);
        let expires_at = LogTime(self.now.0 + 200_000);
        // The id is always good.
        let device = format!("device{number}").parse();
        match (self.dice.weighed(&[20, 20, 4, 2, 1]), device) {
            (0, Ok(device)) => AccountAction::Login(Box::new(Login {
                device,
                session: SessionId(self.made),
                platform: Platform::Web,
                name: String::new(),
                refresh: hash(0),
                expires_at,
            })),
            (1, Ok(device)) => AccountAction::Refresh {
                device,
                session: SessionId(self.made.saturating_sub(self.dice.below(80))),
                presented: hash(number),
                next: hash(number + 1),
                expires_at,
            },
            (2, _) => AccountAction::Logout { session: SessionId(self.dice.below(self.made)) },
            (3, _) => AccountAction::RevokeAll,
            // Switched off only to be switched on again soon: a town without people tests nothing.
            _ => {
                let off = self.dice.chance(20);
                let state = if off { AccountState::Disabled } else { AccountState::Active };
                AccountAction::SetState { state }
            }
        }
    }

    fn friend_group(&mut self) -> FriendGroupAction {
        let number = u16::try_from(self.dice.below(3)).unwrap_or(0);
        let name = self.word();
        match self.dice.below(3) {
            0 => FriendGroupAction::Create { name },
            1 => FriendGroupAction::Rename { number, name },
            _ => FriendGroupAction::Remove { number },
        }
    }

    fn settings(&mut self) -> Settings {
        let policies = [DevicePolicy::Single, DevicePolicy::Dual, DevicePolicy::Multi];
        Settings {
            devices: self.dice.pick(&policies).copied().unwrap_or_default(),
            retention: self.dice.chance(30).then(|| Duration::from_secs(120)),
            request_lives: Duration::from_secs(60),
            ..Settings::default()
        }
    }
}

const BACKEND: Actor = Actor::Backend { user: None };

fn user(number: u64) -> UserId {
    parsed(&format!("user{number}"))
}

fn group(number: u64) -> GroupId {
    parsed(&format!("group{number}"))
}

/// An id that is good by its making.
#[expect(clippy::expect_used, reason = "a name of letters and a number is always an id")]
fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("an id")
}

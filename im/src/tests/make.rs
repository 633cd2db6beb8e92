//! A small world to ask, and short ways to say things.

use alloc::{boxed::Box, collections::BTreeSet, string::String, vec::Vec};

use proto::{
    im::{
        Action, Actor, Answer, Ask, ClientKey, Command, Content, ConversationId, Credential, Event,
        GroupId, GroupKind, Message, MessageOptions, Outcome, Query, Reject, Reply, Sequence,
        UserId,
        account::{ContactRules, Profile},
        command::{
            AccountAction, ConversationAction, GroupAction, MessageAction, NewGroup,
            RelationAction, Send,
        },
        group::GroupInfo,
        query::{ConversationView, SyncAnswer, SyncFrom},
    },
    store::{Batch, Direction, Memory},
    time::LogTime,
};

use crate::{apply, check_invariants, query};

pub(super) const START: LogTime = LogTime(1_700_000_000_000);

pub(super) fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

pub(super) fn group(id: &str) -> GroupId {
    id.parse().unwrap()
}

pub(super) fn key(number: u8) -> ClientKey {
    ClientKey([number; 16])
}

pub(super) fn text(text: &str) -> Content {
    Content::Text { text: text.into() }
}

pub(super) fn between(one: &str, other: &str) -> ConversationId {
    ConversationId::between(&user(one), &user(other)).unwrap()
}

pub(super) fn of_group(id: &str) -> ConversationId {
    ConversationId::Group(group(id))
}

pub(super) fn users<const N: usize>(ids: [&str; N]) -> BTreeSet<UserId> {
    ids.iter().map(|id| user(id)).collect()
}

pub(super) fn by(id: &str) -> Actor {
    Actor::User { user: user(id), session: None, epoch: None }
}

pub(super) const BACKEND: Actor = Actor::Backend { user: None };

pub(super) fn create(id: &str) -> Command {
    let action = AccountAction::Create {
        key: key(0),
        credential: Credential::External,
        profile: Box::new(Profile::default()),
        rules: ContactRules::default(),
    };
    Command { actor: BACKEND, action: Action::Account { user: user(id), action } }
}

pub(super) fn new_group(kind: GroupKind, members: BTreeSet<UserId>) -> GroupAction {
    GroupAction::Create(Box::new(NewGroup {
        key: key(0),
        kind,
        info: GroupInfo::default(),
        rules: None,
        members,
    }))
}

/// Rows, a clock, and a counter for keys.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) rows: Memory,
    pub(super) at: LogTime,
    pub(super) events: Vec<Event>,
    keys: u64,
}

impl World {
    pub(super) fn new() -> Self {
        Self { rows: Memory::default(), at: START, events: Vec::new(), keys: 0 }
    }

    /// A world with accounts.
    pub(super) fn of<const N: usize>(ids: [&str; N]) -> Self {
        let mut world = Self::new();
        for id in ids {
            world.run(&create(id)).unwrap();
        }
        world.events.clear();
        world
    }

    /// Applies a command. A refusal must have written nothing.
    pub(super) fn run(&mut self, command: &Command) -> Result<Outcome, Reject> {
        let mut batch = Batch::new();
        let result = apply(&self.rows, self.at, command, &mut batch);
        if result.is_err() {
            assert!(batch.is_empty(), "a refusal wrote rows");
        }
        self.rows.write(batch);
        if let Ok(outcome) = &result {
            self.events.extend(outcome.events.iter().cloned());
        }
        assert_eq!(check_invariants(&self.rows), Ok(()), "after {command:?}");
        result
    }

    pub(super) fn act(&mut self, actor: Actor, action: Action) -> Result<Reply, Reject> {
        self.run(&Command { actor, action }).map(|outcome| outcome.reply)
    }

    pub(super) fn later(&mut self, millis: u64) {
        self.at.0 += millis;
    }

    pub(super) fn account(&mut self, id: &str, action: AccountAction) -> Result<Reply, Reject> {
        self.act(BACKEND, Action::Account { user: user(id), action })
    }

    pub(super) fn relate(
        &mut self,
        id: &str,
        peer: &str,
        action: RelationAction,
    ) -> Result<Reply, Reject> {
        self.act(by(id), Action::Relation { peer: user(peer), action })
    }

    pub(super) fn befriend(&mut self, one: &str, other: &str) {
        let action = RelationAction::Befriend { source: String::new() };
        let actor = Actor::Backend { user: Some(user(one)) };
        self.act(actor, Action::Relation { peer: user(other), action }).unwrap();
    }

    pub(super) fn on_group(
        &mut self,
        id: &str,
        name: &str,
        action: GroupAction,
    ) -> Result<Reply, Reject> {
        self.act(by(id), Action::Group { group: group(name), action })
    }

    pub(super) fn send_all(
        &mut self,
        id: &str,
        conversation: &ConversationId,
        content: Content,
        options: MessageOptions,
    ) -> Result<Reply, Reject> {
        self.keys += 1;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.keys.to_be_bytes());
        bytes[15] = 1;
        let (conversation, key) = (conversation.clone(), ClientKey(bytes));
        let send = Send { conversation, key, content, options };
        self.act(by(id), Action::Send(Box::new(send)))
    }

    /// Sends words; returns their place.
    pub(super) fn say(
        &mut self,
        id: &str,
        conversation: &ConversationId,
        words: &str,
    ) -> Result<Sequence, Reject> {
        match self.send_all(id, conversation, text(words), MessageOptions::default())? {
            Reply::Sent { seq, duplicate: false, .. } => Ok(seq),
            reply => panic!("{reply:?}"),
        }
    }

    pub(super) fn on_message(
        &mut self,
        id: &str,
        conversation: &ConversationId,
        seq: u64,
        action: MessageAction,
    ) -> Result<Reply, Reject> {
        let conversation = conversation.clone();
        self.act(by(id), Action::Message { conversation, seq: Sequence(seq), action })
    }

    pub(super) fn on_conversation(
        &mut self,
        id: &str,
        conversation: &ConversationId,
        action: ConversationAction,
    ) -> Result<Reply, Reject> {
        self.act(by(id), Action::Conversation { conversation: conversation.clone(), action })
    }

    pub(super) fn read(&mut self, id: &str, conversation: &ConversationId, seq: u64) {
        let action = ConversationAction::Read { seq: Sequence(seq) };
        self.on_conversation(id, conversation, action).unwrap();
    }

    /// Housekeeping until nothing is due.
    pub(super) fn keep_house(&mut self) {
        for _ in 0..1_000 {
            let action = Action::Expire { rows: 20 };
            match self.act(BACKEND, action).unwrap() {
                Reply::Expired { rows: 0 } => return,
                Reply::Expired { .. } => {}
                reply => panic!("{reply:?}"),
            }
        }
        panic!("housekeeping does not end");
    }

    pub(super) fn ask(&self, viewer: Option<&str>, ask: Ask) -> Result<Answer, Reject> {
        query(&self.rows, self.at, &Query { viewer: viewer.map(user), ask })
    }

    pub(super) fn view(&self, id: &str, conversation: &ConversationId) -> ConversationView {
        match self.ask(Some(id), Ask::Conversation(user(id), conversation.clone())) {
            Ok(Answer::Conversation(view)) => *view,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn unread(&self, id: &str, conversation: &ConversationId) -> u64 {
        self.view(id, conversation).unread
    }

    /// All messages somebody sees, upwards.
    pub(super) fn history(&self, id: Option<&str>, conversation: &ConversationId) -> Vec<Message> {
        let (mut all, mut from) = (Vec::new(), Some(Sequence(1)));
        while let Some(start) = from {
            let ask = Ask::History {
                conversation: conversation.clone(),
                from: start,
                direction: Direction::Up,
                limit: 3,
            };
            let Ok(Answer::History(page)) = self.ask(id, ask) else {
                panic!("no history");
            };
            all.extend(page.messages);
            from = page.next;
        }
        all
    }

    pub(super) fn message(&self, conversation: &ConversationId, seq: u64) -> Message {
        match self.ask(None, Ask::Message(conversation.clone(), Sequence(seq))) {
            Ok(Answer::Message(message)) => *message,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn sync(&self, from: SyncFrom) -> SyncAnswer {
        match self.ask(None, Ask::Sync(Box::new(from))) {
            Ok(Answer::Sync(answer)) => *answer,
            other => panic!("{other:?}"),
        }
    }
}

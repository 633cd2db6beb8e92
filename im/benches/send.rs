//! Sends a second on rows in memory, one command a batch of 64 as a log hands them over: `cargo bench -p im`.
#![expect(clippy::expect_used, reason = "a benchmark that cannot begin must stop")]

use std::{
    hint::black_box,
    io::Write as _,
    time::{Duration, Instant},
};

use proto::{
    im::{
        Action, Actor, ClientKey, Command, Content, ConversationId, Credential, GroupId, GroupKind,
        MessageOptions, Profile, UserId,
        account::ContactRules,
        command::{AccountAction, GroupAction, NewGroup, Send},
        group::GroupInfo,
    },
    store::{Batch, Memory},
    time::LogTime,
};

const USERS: usize = 1_000;
const GROUPS: usize = 20;
const MEMBERS: usize = 90;
const BATCH: usize = 64;
const ROUNDS: usize = 200_000;

struct Bench {
    rows: Memory,
    at: LogTime,
}

impl Bench {
    /// Applies commands, a batch at a time; returns how long that took and how many rows were written.
    fn run(&mut self, commands: &[Command]) -> (Duration, usize) {
        let begun = now();
        let mut written = 0;
        for chunk in commands.chunks(BATCH) {
            self.at.0 += 1;
            let mut batch = Batch::new();
            for command in chunk {
                let outcome = im::apply(&self.rows, self.at, command, &mut batch);
                assert!(outcome.is_ok(), "{outcome:?}");
                black_box(outcome).ok();
            }
            written += batch.len();
            self.rows.write(batch);
        }
        (begun.elapsed(), written)
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

fn user(number: usize) -> UserId {
    format!("user{number:06}").parse().expect("an id")
}

fn group(number: usize) -> GroupId {
    format!("group{number}").parse().expect("an id")
}

fn by(user: UserId) -> Actor {
    Actor::User { user, session: None, epoch: Some(0) }
}

fn create(number: usize) -> Command {
    let action = AccountAction::Create {
        key: ClientKey([0; 16]),
        credential: Credential::External,
        profile: Box::new(Profile::default()),
        rules: ContactRules::default(),
    };
    let action = Action::Account { user: user(number), action };
    Command { actor: Actor::Backend { user: None }, action }
}

fn create_group(number: usize) -> Command {
    let first = number * 40;
    let new = NewGroup {
        key: ClientKey([0; 16]),
        kind: GroupKind::Public,
        info: GroupInfo::default(),
        rules: None,
        members: (first + 1..first + MEMBERS).map(|index| user(index % USERS)).collect(),
    };
    let action = GroupAction::Create(Box::new(new));
    Command { actor: by(user(first)), action: Action::Group { group: group(number), action } }
}

fn send(number: usize, sender: UserId, conversation: ConversationId) -> Command {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key[8..].copy_from_slice(&(number as u64).to_be_bytes());
    let content = Content::Text { text: "x".repeat(120) };
    let options = MessageOptions::default();
    let send = Send { conversation, key: ClientKey(key), content, options };
    Command { actor: by(sender), action: Action::Send(Box::new(send)) }
}

fn private_send(number: usize) -> Command {
    let (one, other) = (user(number % USERS), user((number * 7 + 1) % USERS));
    let other = if one == other { user((number + 1) % USERS) } else { other };
    let conversation = ConversationId::between(&one, &other).expect("two users");
    send(number, one, conversation)
}

fn group_send(number: usize) -> Command {
    let of = number % GROUPS;
    let sender = user((of * 40 + number % MEMBERS) % USERS);
    send(ROUNDS + number, sender, ConversationId::Group(group(of)))
}

fn main() {
    let mut bench = Bench { rows: Memory::default(), at: LogTime(1_700_000_000_000) };
    let accounts: Vec<Command> = (0..USERS).map(create).collect();
    let groups: Vec<Command> = (0..GROUPS).map(create_group).collect();
    bench.run(&accounts);
    bench.run(&groups);
    let mut out = std::io::stdout().lock();
    for (what, make) in
        [("private send", private_send as fn(usize) -> Command), ("group send", group_send)]
    {
        let commands: Vec<Command> = (0..ROUNDS).map(make).collect();
        let (took, written) = bench.run(&commands);
        let a_second = ROUNDS as f64 / took.as_secs_f64();
        let micros = took.as_secs_f64() * 1e6 / ROUNDS as f64;
        let rows = written as f64 / ROUNDS as f64;
        writeln!(
            out,
            "{what}: {a_second:.0} a second, {micros:.2} us each, {rows:.2} rows written"
        )
        .expect("standard output");
    }
}

use chaos::{
    fault::Fault,
    pure::{Calls, Chat, Replicated, Seen, simulate},
};
use proto::{
    im::{Event, Outcome, Reject, Sequence},
    store::{Batch, Memory},
};

const COMMANDS: usize = 2_000;

fn run<M: Replicated>(seeds: std::ops::Range<u64>) -> Seen {
    let mut seen = Seen::new();
    for seed in seeds {
        let report = simulate::<M>(seed, COMMANDS).unwrap_or_else(|fault| {
            panic!("seed {seed}: {fault}");
        });
        assert!(report.crashes > 3 && report.installs > 3 && report.rounds > 10, "{report:?}");
        report.seen.into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
    }
    seen
}

fn assert_seen(seen: &Seen, whats: &[&str]) {
    for what in whats {
        assert!(seen.get(what).is_some_and(|times| *times >= 20), "{what} is rare: {seen:?}");
    }
}

#[test]
fn replicas_of_chat_stay_equal_through_crashes_and_snapshots() {
    let seen = run::<Chat>(0..12);
    let events = ["message", "message changed", "trimmed", "dismissed", "session ended", "left"];
    assert_seen(&seen, &events);
    assert_seen(&seen, &["joined", "duplicate", "refused", "friends", "unread"]);
}

#[test]
fn replicas_of_rooms_stay_equal_through_crashes_and_snapshots() {
    let seen = run::<Calls>(0..12);
    assert_seen(&seen, &["room opened", "room expired", "participant replaced", "refused"]);
    assert_seen(&seen, &["track published", "track unpublished", "subscriptions changed"]);
    assert_seen(&seen, &["participant left", "people in rooms"]);
}

#[test]
fn a_seed_gives_the_same_run_every_time() {
    assert_eq!(simulate::<Chat>(7, 400), simulate::<Chat>(7, 400));
    assert_eq!(simulate::<Calls>(7, 400), simulate::<Calls>(7, 400));
    assert_ne!(simulate::<Chat>(7, 400), simulate::<Chat>(8, 400));
}

/// A way to spoil the chat machine, which the simulation must notice.
trait Spoil {
    /// Changes what was applied.
    fn outcome(_: &mut Result<Outcome, Reject>) {}
    /// Changes what a restart brings back.
    fn rows(_: &mut Memory) {}
}

struct Spoilt<S>(Chat, std::marker::PhantomData<S>);

struct Script<S: Spoil>(<Chat as Replicated>::Script, std::marker::PhantomData<S>);

impl<S: Spoil> Replicated for Spoilt<S> {
    type Command = <Chat as Replicated>::Command;
    type Outcome = <Chat as Replicated>::Outcome;
    type Script = Script<S>;

    fn empty() -> Self {
        Self(Chat::empty(), std::marker::PhantomData)
    }

    fn apply(&mut self, batch: &[Self::Command]) -> Vec<Self::Outcome> {
        let mut outcomes = self.0.apply(batch);
        outcomes.iter_mut().for_each(S::outcome);
        outcomes
    }

    fn snapshot(&self) -> Vec<u8> {
        self.0.snapshot()
    }

    fn restore(bytes: &[u8]) -> Result<Self, Fault> {
        let mut chat = Chat::restore(bytes)?;
        S::rows(&mut chat.rows);
        Ok(Self(chat, std::marker::PhantomData))
    }

    fn check(&self) -> Result<(), Fault> {
        self.0.check()
    }
}

impl<S: Spoil> chaos::pure::Script<Spoilt<S>> for Script<S> {
    fn new(dice: chaos::dice::Dice) -> Self {
        let script = <<Chat as Replicated>::Script as chaos::pure::Script<Chat>>::new(dice);
        Self(script, std::marker::PhantomData)
    }

    fn next(&mut self) -> <Chat as Replicated>::Command {
        self.0.next()
    }

    fn hear(
        &mut self,
        command: &<Chat as Replicated>::Command,
        outcome: &<Chat as Replicated>::Outcome,
    ) -> Result<(), Fault> {
        self.0.hear(command, outcome)
    }

    fn compare(&mut self, spoilt: &Spoilt<S>) -> Result<(), Fault> {
        self.0.compare(&spoilt.0)
    }

    fn seen(&self) -> Seen {
        self.0.seen()
    }
}

fn found<S: Spoil>(words: &str) {
    let fault = simulate::<Spoilt<S>>(3, COMMANDS).expect_err("nothing was found");
    assert!(fault.0.contains(words), "{fault}");
}

struct Untouched;
impl Spoil for Untouched {}

struct LosesARow;
impl Spoil for LosesARow {
    fn rows(rows: &mut Memory) {
        let mut batch = Batch::new();
        if let Some((key, _)) = rows.iter().next_back() {
            batch.remove(key.to_vec());
        }
        rows.write(batch);
    }
}

struct SkipsANumber;
impl Spoil for SkipsANumber {
    fn outcome(outcome: &mut Result<Outcome, Reject>) {
        for event in outcome.iter_mut().flat_map(|outcome| &mut outcome.events) {
            if let Event::Message { message, .. } = event {
                message.seq = Sequence(message.seq.0 + u64::from(message.seq.0 > 20));
            }
        }
    }
}

struct HidesAMessage;
impl Spoil for HidesAMessage {
    fn outcome(outcome: &mut Result<Outcome, Reject>) {
        for outcome in outcome.iter_mut() {
            outcome.events.retain(|event| match event {
                Event::Message { message, .. } => message.seq.0 != 9,
                _ => true,
            });
        }
    }
}

struct HidesAChange;
impl Spoil for HidesAChange {
    fn outcome(outcome: &mut Result<Outcome, Reject>) {
        for outcome in outcome.iter_mut() {
            outcome.events.retain(|event| !matches!(event, Event::MessageChanged { .. }));
        }
    }
}

#[test]
fn what_is_broken_on_purpose_is_found() {
    assert!(simulate::<Spoilt<Untouched>>(3, COMMANDS).is_ok());
    found::<LosesARow>("");
    found::<SkipsANumber>("where 21 is due");
    found::<HidesAMessage>("");
    found::<HidesAChange>("told");
}

//! Several replicas of a pure machine over one log. Each applies at its own pace and in batches of its own size, is
//! restarted from what it last made durable, or is given a snapshot of another. All must say the same of every command, and
//! be the same bytes whenever they are at one index. Nothing here depends on anything but the seed.

mod calls;
mod chat;
mod town;
mod transcript;

use std::{collections::BTreeMap, fmt::Debug};

pub use self::{
    calls::Calls,
    chat::Chat,
    transcript::{Transcript, unread},
};
use crate::{
    dice::Dice,
    fault::{Fault, hold},
};

/// Replicas of one log.
const REPLICAS: usize = 3;
/// Commands that a replica applies in one batch at most.
const BATCH_MAX: u64 = 24;
/// Everything is compared whenever about this many commands were added.
const ROUND: u64 = 60;

/// A pure machine with its state, as a log hosts it.
pub trait Replicated: Sized {
    /// What the log carries.
    type Command: Debug;
    /// What applying one gives.
    type Outcome: PartialEq + Debug;
    /// Makes commands that are worth applying, and knows what must have come of them.
    type Script: Script<Self>;

    /// Before any command.
    fn empty() -> Self;
    /// Applies committed commands one after the other; rows are written once, at the end.
    fn apply(&mut self, batch: &[Self::Command]) -> Vec<Self::Outcome>;
    /// The whole state; equal states give equal bytes.
    fn snapshot(&self) -> Vec<u8>;
    /// A state from its bytes.
    ///
    /// # Errors
    /// They are not one.
    fn restore(bytes: &[u8]) -> Result<Self, Fault>;
    /// Looks for broken invariants.
    ///
    /// # Errors
    /// The first.
    fn check(&self) -> Result<(), Fault>;
}

/// Commands, and what must have come of them.
pub trait Script<M: Replicated> {
    /// From a seed.
    fn new(dice: Dice) -> Self;
    /// The next command.
    fn next(&mut self) -> M::Command;
    /// Hears what came of a command, in order, once each.
    ///
    /// # Errors
    /// It cannot be right.
    fn hear(&mut self, command: &M::Command, outcome: &M::Outcome) -> Result<(), Fault>;
    /// Compares what was heard with a state.
    ///
    /// # Errors
    /// Where they differ.
    fn compare(&mut self, machine: &M) -> Result<(), Fault>;
    /// How often what happened.
    fn seen(&self) -> Seen;
}

/// How often what happened, for whoever wants to know that it did.
pub type Seen = BTreeMap<&'static str, u64>;

struct Replica<M> {
    machine: M,
    applied: usize,
    /// What is left after a crash: how far it had come, and the state there.
    durable: (usize, Vec<u8>),
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Commands in the log.
    pub commands: usize,
    /// Restarts of a replica from what it had made durable.
    pub crashes: usize,
    /// Snapshots of another replica that one was given.
    pub installs: usize,
    /// Times when all replicas were compared.
    pub rounds: usize,
    /// A checksum of the last state: runs of one seed have the same.
    pub fingerprint: u64,
    /// What happened in them.
    pub seen: Seen,
}

struct Run<M: Replicated> {
    dice: Dice,
    script: M::Script,
    log: Vec<M::Command>,
    outcomes: Vec<M::Outcome>,
    replicas: Vec<Replica<M>>,
    report: Report,
}

/// Runs `commands` commands of a seed.
///
/// # Errors
/// The first fault that was found.
pub fn simulate<M: Replicated>(seed: u64, commands: usize) -> Result<Report, Fault> {
    let mut dice = Dice::new(seed);
    let fresh = || {
        let machine = M::empty();
        let durable = (0, machine.snapshot());
        Replica { machine, applied: 0, durable }
    };
    let script = M::Script::new(dice.fork());
    let replicas = std::iter::repeat_with(fresh).take(REPLICAS).collect();
    let (log, outcomes, report) = (Vec::new(), Vec::new(), Report::default());
    let mut run = Run { dice, script, log, outcomes, replicas, report };
    while run.log.len() < commands {
        for _ in 0..run.dice.between(1, 2 * ROUND) {
            run.step()?;
        }
        run.compare()?;
    }
    run.report.commands = run.log.len();
    run.report.seen = run.script.seen();
    Ok(run.report)
}

impl<M: Replicated> Run<M> {
    /// One more command, and something happens to a replica.
    fn step(&mut self) -> Result<(), Fault> {
        // The leader is the first to apply: what a client proposes next follows from what it has seen.
        let command = self.script.next();
        self.log.push(command);
        self.advance(0, 1)?;
        let at = 1 + self.dice.index(REPLICAS - 1);
        let batch = self.dice.between(0, BATCH_MAX);
        self.advance(at, batch)?;
        match self.dice.below(100) {
            0 => self.crash(at),
            1 => self.install(at),
            2..=5 => {
                if let Some(replica) = self.replicas.get_mut(at) {
                    replica.durable = (replica.applied, replica.machine.snapshot());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Lets a replica apply up to `most` commands that it has not.
    fn advance(&mut self, at: usize, most: u64) -> Result<(), Fault> {
        let Some(replica) = self.replicas.get_mut(at) else { return Ok(()) };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let from = replica.applied;
        let to = from.saturating_add(most).min(self.log.len());
        let batch = self.log.get(from..to).unwrap_or_default();
        replica.applied = to;
        let outcomes = replica.machine.apply(batch);
        for ((index, command), outcome) in (from..).zip(batch).zip(outcomes) {
            match self.outcomes.get(index) {
                Some(first) => hold(*first == outcome, || {
                    format!("command {index} {command:?}: {first:?}, on replica {at}: {outcome:?}")
                })?,
                None => {
                    self.script.hear(command, &outcome)?;
                    self.outcomes.push(outcome);
                }
            }
        }
        Ok(())
    }

    /// A replica loses what it has not made durable, and starts again.
    fn crash(&mut self, at: usize) -> Result<(), Fault> {
        self.report.crashes += 1;
        let Some(replica) = self.replicas.get_mut(at) else { return Ok(()) };
        replica.machine = M::restore(&replica.durable.1)?;
        replica.applied = replica.durable.0;
        Ok(())
    }

    /// A replica is given the state of the first one.
    fn install(&mut self, at: usize) -> Result<(), Fault> {
        self.report.installs += 1;
        let Some(first) = self.replicas.first() else { return Ok(()) };
        let (index, bytes) = (first.applied, first.machine.snapshot());
        if let Some(replica) = self.replicas.get_mut(at) {
            replica.machine = M::restore(&bytes)?;
            replica.applied = index;
            replica.durable = (index, bytes);
        }
        Ok(())
    }

    /// Brings all to one index and compares everything.
    fn compare(&mut self) -> Result<(), Fault> {
        self.report.rounds += 1;
        for at in 0..REPLICAS {
            let Some(replica) = self.replicas.get(at) else { continue };
            let missing = (self.log.len() - replica.applied) as u64;
            self.advance(at, missing)?;
        }
        let mut bytes: Option<Vec<u8>> = None;
        for (at, replica) in self.replicas.iter().enumerate() {
            let own = replica.machine.snapshot();
            replica.machine.check()?;
            let first = bytes.get_or_insert_with(|| own.clone());
            let index = self.log.len();
            hold(*first == own, || format!("replica {at} has other bytes at {index}"))?;
        }
        if let Some(first) = self.replicas.first() {
            self.script.compare(&first.machine)?;
        }
        self.report.fingerprint = fingerprint(bytes.as_deref().unwrap_or_default());
        Ok(())
    }
}

/// FNV-1a of 64 bits: tells two states apart in a report, nothing more.
fn fingerprint(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

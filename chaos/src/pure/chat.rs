//! The chat machine under the simulation.

use std::collections::BTreeMap;

use proto::{
    im::{Command, Outcome, Reject},
    store::{Batch, Memory},
    time::LogTime,
};

use super::{Replicated, Script, Seen, town::Town, transcript::Transcript};
use crate::{dice::Dice, fault::Fault};

/// `im` and its rows.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    /// Its rows.
    pub rows: Memory,
    at: LogTime,
}

impl Replicated for Chat {
    type Command = (LogTime, Command);
    type Outcome = Result<Outcome, Reject>;
    type Script = ChatScript;

    fn empty() -> Self {
        Self::default()
    }

    fn apply(&mut self, batch: &[Self::Command]) -> Vec<Self::Outcome> {
        let mut changes = Batch::new();
        let mut outcomes = Vec::new();
        for (at, command) in batch {
            self.at = *at;
            outcomes.push(im::apply(&self.rows, *at, command, &mut changes));
        }
        self.rows.write(changes);
        outcomes
    }

    fn snapshot(&self) -> Vec<u8> {
        let rows: BTreeMap<&[u8], &[u8]> = self.rows.iter().collect();
        // Bytes go into memory: there is nothing to fail.
        postcard::to_stdvec(&(self.at, rows)).unwrap_or_default()
    }

    fn restore(bytes: &[u8]) -> Result<Self, Fault> {
        let (at, rows): (LogTime, BTreeMap<Vec<u8>, Vec<u8>>) =
            postcard::from_bytes(bytes).map_err(|error| Fault(error.to_string()))?;
        let mut batch = Batch::new();
        rows.into_iter().for_each(|(key, value)| batch.put(key, value));
        let mut chat = Self { at, ..Self::default() };
        chat.rows.write(batch);
        Ok(chat)
    }

    fn check(&self) -> Result<(), Fault> {
        im::check_invariants(&self.rows).map_err(|broken| Fault(broken.to_string()))
    }
}

/// People who chat, and what they were told.
pub struct ChatScript {
    town: Town,
    transcript: Transcript,
}

impl Script<Chat> for ChatScript {
    fn new(dice: Dice) -> Self {
        Self { town: Town::new(dice), transcript: Transcript::default() }
    }

    fn next(&mut self) -> (LogTime, Command) {
        self.town.next(&self.transcript)
    }

    fn hear(
        &mut self,
        (at, command): &(LogTime, Command),
        outcome: &Result<Outcome, Reject>,
    ) -> Result<(), Fault> {
        match outcome {
            Ok(outcome) => self.transcript.hear(*at, command, outcome),
            Err(_) => {
                *self.transcript.seen.entry("refused").or_default() += 1;
                Ok(())
            }
        }
    }

    fn compare(&mut self, chat: &Chat) -> Result<(), Fault> {
        self.transcript.compare(&chat.rows, chat.at)
    }

    fn seen(&self) -> Seen {
        self.transcript.seen.clone()
    }
}

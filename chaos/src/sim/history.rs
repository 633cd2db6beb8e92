//! What clients of a replicated list asked and were told, and whether it may have been so.
//!
//! A write appends its own words and is told its place, a read is told the length. So the order is known, and whether the
//! history is linearizable can be decided by looking at each place once, instead of by search.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::{Fault, hold};

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is at this place.
    Place(u64),
    /// It is nowhere, and never will be.
    Refused,
    /// It may be somewhere, once.
    Unknown,
}

/// One thing that a client asked. Moments are numbers that rise with every question and answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To append these words.
    Write {
        /// The words.
        words: String,
        /// What came of it.
        outcome: Outcome,
    },
    /// How long the list is.
    Read {
        /// The answer.
        length: u64,
    },
}

/// A question and when it was asked and answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// When it was asked.
    pub from: u64,
    /// When it was answered.
    pub to: u64,
    /// What.
    pub asked: Asked,
}

/// Everything that was asked.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In the order of answers.
    pub operations: Vec<Operation>,
    moment: u64,
}

impl History {
    /// The next moment.
    pub const fn now(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    /// Notes an answer.
    pub fn answered(&mut self, from: u64, asked: Asked) {
        let to = self.now();
        self.operations.push(Operation { from, to, asked });
    }

    /// How many writes were acknowledged, and how many reads answered.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let is_write =
            |one: &&Operation| matches!(one.asked, Asked::Write { outcome: Outcome::Place(_), .. });
        let is_read = |one: &&Operation| matches!(one.asked, Asked::Read { .. });
        let count =
            |is: &dyn Fn(&&Operation) -> bool| self.operations.iter().filter(is).count() as u64;
        (count(&is_write), count(&is_read))
    }

    /// Whether all this may have been so, when the list is this in the end.
    ///
    /// # Errors
    /// The first thing that may not.
    pub fn check(&self, list: &[String]) -> Result<(), Fault> {
        let places = self.check_places(list)?;
        self.check_order(&places, list.len() as u64)
    }

    /// Every acknowledged write is at its place, none is there twice, and what was refused is nowhere.
    fn check_places(&self, list: &[String]) -> Result<BTreeMap<String, u64>, Fault> {
        let mut places = BTreeMap::new();
        for (place, words) in (0..).zip(list) {
            let before = places.insert(words.clone(), place);
            hold(before.is_none(), || format!("{words} is at {before:?} and at {place}"))?;
        }
        let mut asked = BTreeSet::new();
        for operation in &self.operations {
            let Asked::Write { words, outcome } = &operation.asked else { continue };
            asked.insert(words);
            let found = places.get(words);
            match outcome {
                Outcome::Place(place) => hold(found == Some(place), || {
                    format!("{words} was acknowledged at {place} and is at {found:?}")
                })?,
                Outcome::Refused => {
                    hold(found.is_none(), || format!("{words} was refused and is at {found:?}"))?;
                }
                Outcome::Unknown => {}
            }
        }
        let stranger = list.iter().find(|words| !asked.contains(words));
        hold(stranger.is_none(), || format!("nobody asked for {stranger:?}"))?;
        Ok(places)
    }

    /// What was answered before something was asked comes before it.
    fn check_order(&self, places: &BTreeMap<String, u64>, length: u64) -> Result<(), Fault> {
        // For each operation the first length of the list at which it is visible: a write is behind its place, a read saw
        // so many.
        let mut asked: Vec<&Operation> = self.operations.iter().collect();
        asked.sort_by_key(|operation| operation.from);
        let mut answered = self.operations.iter().peekable();
        let mut seen = 0;
        for operation in asked {
            while let Some(earlier) = answered.next_if(|earlier| earlier.to < operation.from) {
                seen = seen.max(visible(earlier));
            }
            match &operation.asked {
                Asked::Read { length: told } => {
                    hold(*told >= seen, || {
                        format!("a read was told {told} when {seen} were certain: {operation:?}")
                    })?;
                    hold(*told <= length, || format!("a read was told {told} of {length}"))?;
                }
                Asked::Write { words, .. } => {
                    let place = places.get(words);
                    hold(place.is_none_or(|place| *place >= seen), || {
                        format!(
                            "{words} is at {place:?}, before {seen} that were certain before it"
                        )
                    })?;
                }
            }
        }
        Ok(())
    }
}

/// The least length of the list when the operation was answered.
const fn visible(operation: &Operation) -> u64 {
    match &operation.asked {
        Asked::Write { outcome: Outcome::Place(place), .. } => *place + 1,
        Asked::Write { .. } => 0,
        Asked::Read { length } => *length,
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, History, Operation, Outcome};

    fn write(from: u64, to: u64, words: &str, outcome: Outcome) -> Operation {
        Operation { from, to, asked: Asked::Write { words: words.into(), outcome } }
    }

    fn read(from: u64, to: u64, length: u64) -> Operation {
        Operation { from, to, asked: Asked::Read { length } }
    }

    fn check(operations: Vec<Operation>, list: &[&str]) -> Option<String> {
        let mut operations = operations;
        operations.sort_by_key(|operation| operation.to);
        let list: Vec<String> = list.iter().map(|words| String::from(*words)).collect();
        History { operations, moment: 0 }.check(&list).err().map(|fault| fault.0)
    }

    fn good() -> Vec<Operation> {
        vec![
            write(1, 2, "a", Outcome::Place(0)),
            write(3, 9, "b", Outcome::Unknown),
            write(4, 8, "c", Outcome::Place(2)),
            read(5, 6, 2),
            write(5, 7, "d", Outcome::Refused),
            read(10, 11, 3),
        ]
    }

    #[test]
    fn a_history_that_may_be_is_accepted() {
        assert_eq!(check(good(), &["a", "b", "c"]), None);
        let mut concurrent = good();
        concurrent.push(write(3, 12, "e", Outcome::Unknown));
        assert_eq!(check(concurrent, &["a", "b", "c", "e"]), None);
    }

    #[test]
    fn what_may_not_be_is_found() {
        let find = |operations, list: &[&str], words: &str| {
            let fault = check(operations, list).expect(words);
            assert!(fault.contains(words), "{fault}");
        };
        find(good(), &["a", "b"], "c was acknowledged at 2 and is at None");
        find(good(), &["b", "a", "c"], "a was acknowledged at 0");
        find(good(), &["a", "b", "c", "b"], "b is at Some(1) and at 3");
        find(good(), &["a", "b", "c", "d"], "d was refused");
        find(good(), &["a", "b", "c", "x"], "nobody asked");
        let late = vec![write(1, 2, "a", Outcome::Place(1)), write(3, 4, "b", Outcome::Place(0))];
        find(late, &["b", "a"], "b is at Some(0), before 2");
        let stale = vec![write(1, 2, "a", Outcome::Place(0)), read(3, 4, 0)];
        find(stale, &["a"], "a read was told 0 when 1");
        let back = vec![write(1, 9, "a", Outcome::Place(0)), read(2, 3, 1), read(4, 5, 0)];
        find(back, &["a"], "a read was told 0 when 1");
        let future = vec![write(1, 2, "a", Outcome::Place(0)), read(3, 4, 2)];
        find(future, &["a"], "told 2 of 1");
    }
}

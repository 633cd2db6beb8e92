//! The replicated log of the house: hosts one state machine on every node, keeps its rows, and links the nodes.
//!
//! It is not a database and knows neither rooms nor messages: commands are bytes, state is ordered rows, and the machine that makes one of
//! the other comes from outside. A command is proposed on any node, travels to the leader in a batch, is made durable by a
//! quorum in segment files of checksummed records with one sync for many, is applied by every node in the same order, and
//! comes out on each of them as an [`Event`]; on the node that proposed it, with its tag.
//!
//! What holds, and what the tests prove:
//! - An event with a tag was durable on a quorum before. A command comes out once on every node, in one order.
//! - A refusal that [`Refusal::is_definite`] means that the command is in no log and never will be.
//! - Rows change between rounds of entries only; [`Handle::read`] sees all of a round or nothing of it.
//! - Rows can be deleted at any time: they are made again from snapshot and log. The log cannot: damage in it refuses to open.
//! - A failed write or sync ends the node ([`Handle::failed`]); nothing is tried a second time.
//!
//! Codemap: `log` segment files and the thread that writes them; `store` rows in memory over sled; `raft` consensus behind our
//! types, the applying thread, snapshots; `proposer` and `pending` the way of commands to the leader; `link` QUIC with mutual TLS,
//! its twin in memory, certificates, and channels for other planes; `start` and `handle` what the program holds.

mod clock;
mod error;
mod file;
mod handle;
pub mod link;
mod links;
pub mod log;
mod member;
mod membership;
mod pending;
mod proposer;
mod raft;
mod start;
pub mod store;

use std::vec::IntoIter;

use proto::{
    store::{Batch, View},
    time::LogTime,
};
use tokio::sync::mpsc;

pub use self::{
    error::{Refusal, StartError},
    handle::{COMMAND_BYTES_MAX, Handle, LeaderChanges, Status},
    member::{Member, Nodes, Role},
    membership::ChangeError,
    raft::Timing,
    start::{Config, Link, Start, restore, start, verify},
};

/// A state machine that every node runs alike.
pub trait Machine: Send + 'static {
    /// What applying a command gives, besides changed rows.
    type Outcome: Send + 'static;

    /// Loads what the machine keeps in memory, after a start or when a snapshot has replaced the rows.
    fn restore(&mut self, view: &dyn View);

    /// Applies one command to what `view` shows. Must give the same rows on every node: no clock, no randomness, no IO.
    fn apply(
        &mut self,
        view: &dyn View,
        at: LogTime,
        command: &[u8],
        batch: &mut Batch,
    ) -> Self::Outcome;
}

/// A command that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied<O> {
    /// The entry it was in. Several commands share one.
    pub index: u64,
    /// Log time: the leader's clock, never earlier than before.
    pub at: LogTime,
    /// The tag it was proposed under, on the node that did, unless it was called unknown before.
    pub tag: Option<u64>,
    /// What the machine said.
    pub outcome: O,
}

/// What happens, in log order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<O> {
    /// A command was applied.
    Applied(Applied<O>),
    /// A command that was proposed here has no outcome.
    Refused {
        /// The tag it was proposed under.
        tag: u64,
        /// Why, and what to do.
        refusal: Refusal,
    },
    /// The rows were replaced by those of a snapshot: commands in between are not shown. Read the state.
    Restored {
        /// What the rows have been brought to.
        index: u64,
    },
}

/// The stream of events. Applying waits for whoever receives them.
pub struct Events<O> {
    rounds: mpsc::Receiver<Vec<Event<O>>>,
    round: IntoIter<Event<O>>,
}

impl<O> Events<O> {
    fn new(rounds: mpsc::Receiver<Vec<Event<O>>>) -> Self {
        Self { rounds, round: Vec::new().into_iter() }
    }

    /// The next event; `None` when the node has stopped. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Event<O>> {
        loop {
            if let Some(event) = self.round.next() {
                return Some(event);
            }
            self.round = self.rounds.recv().await?.into_iter();
        }
    }

    /// The next events of one round, at least one; `None` when the node has stopped.
    pub async fn next_round(&mut self) -> Option<Vec<Event<O>>> {
        let rest: Vec<_> = self.round.by_ref().collect();
        if rest.is_empty() { self.rounds.recv().await } else { Some(rest) }
    }
}

//! Where the replicated room state lives, seen from the node.
//!
//! The node hands commands in and takes applied results out, each with the ticket it was handed in with. A
//! replicated log implements the same trait: it only takes longer between the two. [`Local`] applies at once; it is
//! the single-node implementation and the twin that tests compare a replicated one with.

use std::{collections::VecDeque, future::Future};

use proto::{
    room::{Command, Event, Reject},
    time::LogTime,
};
use rooms::Rooms;

/// Names a command on its way through the log; chosen by the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub u64);

/// A command that was applied, with what came of it.
#[derive(Debug)]
pub(crate) struct Applied {
    /// The ticket it was handed in with; `None` for a command of another node.
    pub(crate) ticket: Option<Ticket>,
    /// When, by the log's clock.
    pub(crate) at: LogTime,
    /// What happened, or why nothing did.
    pub(crate) result: Result<Vec<Event>, Reject>,
}

/// The replicated room state.
pub(crate) trait Replica {
    /// Hands a command in at a time. Its result comes out of [`Replica::applied`].
    fn submit(&mut self, at: LogTime, ticket: Ticket, command: &Command);

    /// The next applied command, in log order. May be dropped and called again without losing one.
    fn applied(&mut self) -> impl Future<Output = Applied> + Send;

    /// An applied command that is ready now, in log order.
    fn try_applied(&mut self) -> Option<Applied>;

    /// The state after everything that was taken out so far, or later.
    fn state(&self) -> &Rooms;
}

/// One replica, applied at once, in memory.
#[derive(Debug, Default)]
pub(crate) struct Local {
    rooms: Rooms,
    applied: VecDeque<Applied>,
}

impl Replica for Local {
    fn submit(&mut self, at: LogTime, ticket: Ticket, command: &Command) {
        let result = self.rooms.apply(at, command);
        self.applied.push_back(Applied { ticket: Some(ticket), at, result });
    }

    async fn applied(&mut self) -> Applied {
        match self.applied.pop_front() {
            Some(applied) => applied,
            None => std::future::pending().await,
        }
    }

    fn try_applied(&mut self) -> Option<Applied> {
        self.applied.pop_front()
    }

    fn state(&self) -> &Rooms {
        &self.rooms
    }
}

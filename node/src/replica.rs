//! Where the replicated room state lives, seen from the control loop.
//!
//! The loop hands commands in and takes results out, each with the ticket it was handed in with. [`Replicated`] proposes
//! them to the log and follows what the log applies; `Local` applies at once: it is the twin that tests compare with.

use std::{collections::VecDeque, future::Future};

use bytes::Bytes;
use gateway::node::Refusal;
use proto::{
    id::NodeId,
    room::{Command, Event, Reject},
    time::LogTime,
};
use rooms::Rooms;
use tokio::sync::mpsc;

use crate::{
    journal::{self, RoomNews},
    machine,
};

/// Names a command on its way through the log; chosen by the control loop.
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

/// What comes out of the log.
#[derive(Debug)]
pub(crate) enum Happened {
    /// A command was applied.
    Applied(Applied),
    /// A command of this node was not, or nobody knows whether it was.
    Refused {
        /// The ticket it was handed in with.
        ticket: Ticket,
        /// Why, and what to do.
        refusal: Refusal,
    },
    /// The state was replaced: what happened in between is not told.
    Restored,
}

/// The replicated room state.
pub(crate) trait Replica {
    /// Hands a command in at a time. Its result comes out of [`Replica::happened`].
    fn submit(&mut self, at: LogTime, ticket: Ticket, command: &Command);

    /// What happened next, in log order. May be dropped and called again without losing anything.
    fn happened(&mut self) -> impl Future<Output = Happened> + Send;

    /// What has happened already, in log order.
    fn try_happened(&mut self) -> Option<Happened>;

    /// The state after everything that was taken out so far.
    fn state(&self) -> &Rooms;

    /// This node's id.
    fn node(&self) -> NodeId;

    /// Whether somebody leads, as far as this node knows.
    fn is_led(&self) -> bool;

    /// Whether this node does the cluster's housekeeping.
    fn leads(&self) -> bool;
}

/// The rooms of the log.
pub(crate) struct Replicated {
    log: cluster::Handle,
    news: mpsc::Receiver<RoomNews>,
    /// Commands that did not get as far as the log.
    refused: VecDeque<(Ticket, Refusal)>,
    /// Follows the log by applying the same commands.
    rooms: Rooms,
    /// How many commands it has followed.
    count: u64,
}

impl Replicated {
    /// Follows a log from the state it has now.
    ///
    /// # Errors
    /// The stored rows are damaged or do not read.
    pub(crate) fn follow(
        log: cluster::Handle,
        news: mpsc::Receiver<RoomNews>,
    ) -> anyhow::Result<Self> {
        let (position, rooms) = log.read(|view| machine::read_rooms(view))??;
        Ok(Self { log, news, refused: VecDeque::new(), rooms, count: position.count })
    }

    /// What a piece of news means here; `None` for a command that the state had already when it was read.
    fn take(&mut self, news: RoomNews) -> Option<Happened> {
        match news {
            RoomNews::Applied { count, .. } if count <= self.count => None,
            RoomNews::Applied { count, at, tag, command } => {
                self.count = count;
                let result = self.rooms.apply(at, &command);
                Some(Happened::Applied(Applied { ticket: tag.map(Ticket), at, result }))
            }
            RoomNews::Refused { tag, refusal } => {
                Some(Happened::Refused { ticket: Ticket(tag), refusal })
            }
            RoomNews::Restored => {
                self.reload();
                Some(Happened::Restored)
            }
        }
    }

    #[expect(clippy::panic, reason = "a replica whose rows are damaged must not go on")]
    fn reload(&mut self) {
        match self.log.read(|view| machine::read_rooms(view)) {
            Ok(Ok((position, rooms))) => {
                self.rooms = rooms;
                self.count = position.count;
            }
            Ok(Err(error)) => panic!("the rows of the rooms are damaged: {error}"),
            Err(error) => panic!("the rows of the rooms do not read: {error}"),
        }
    }
}

impl Replica for Replicated {
    fn submit(&mut self, _: LogTime, ticket: Ticket, command: &Command) {
        let proposed = match machine::room_entry(command) {
            Ok(entry) => self.log.try_propose(ticket.0, Bytes::from(entry)),
            Err(_) => Err(cluster::Refusal::Stopping),
        };
        if let Err(refusal) = proposed {
            self.refused.push_back((ticket, journal::refusal(&refusal)));
        }
    }

    async fn happened(&mut self) -> Happened {
        loop {
            if let Some(happened) = self.try_happened() {
                return happened;
            }
            let Some(news) = self.news.recv().await else {
                // The log has stopped; the loop ends with the program.
                return std::future::pending().await;
            };
            if let Some(happened) = self.take(news) {
                return happened;
            }
        }
    }

    fn try_happened(&mut self) -> Option<Happened> {
        if let Some((ticket, refusal)) = self.refused.pop_front() {
            return Some(Happened::Refused { ticket, refusal });
        }
        while let Ok(news) = self.news.try_recv() {
            let happened = self.take(news);
            if happened.is_some() {
                return happened;
            }
        }
        None
    }

    fn state(&self) -> &Rooms {
        &self.rooms
    }

    fn node(&self) -> NodeId {
        self.log.node()
    }

    fn is_led(&self) -> bool {
        self.log.is_led()
    }

    fn leads(&self) -> bool {
        self.log.leader() == Some(self.log.node())
    }
}

/// One replica, applied at once, in memory.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Local {
    rooms: Rooms,
    applied: VecDeque<Applied>,
    /// As if nobody led.
    pub(crate) leaderless: bool,
}

#[cfg(test)]
impl Replica for Local {
    fn submit(&mut self, at: LogTime, ticket: Ticket, command: &Command) {
        let result = self.rooms.apply(at, command);
        self.applied.push_back(Applied { ticket: Some(ticket), at, result });
    }

    async fn happened(&mut self) -> Happened {
        match self.try_happened() {
            Some(happened) => happened,
            None => std::future::pending().await,
        }
    }

    fn try_happened(&mut self) -> Option<Happened> {
        self.applied.pop_front().map(Happened::Applied)
    }

    fn state(&self) -> &Rooms {
        &self.rooms
    }

    fn node(&self) -> NodeId {
        NodeId(0)
    }

    fn is_led(&self) -> bool {
        !self.leaderless
    }

    fn leads(&self) -> bool {
        true
    }
}

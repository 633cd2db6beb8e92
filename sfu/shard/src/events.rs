//! The way of events to the node: the media thread never waits for it.

use std::collections::VecDeque;

use proto::{id::ShardId, media::Delivery};
use tokio::sync::mpsc::{Sender, error::TrySendError};

use crate::{
    api::Event,
    counters::{Counters, Drop},
};

/// Events that wait for room in the node's queue at most.
const BACKLOG_MAX: usize = 4096;

/// Events on their way out.
#[derive(Debug)]
pub(crate) struct Outlet {
    shard: ShardId,
    queue: Sender<(ShardId, Event)>,
    backlog: VecDeque<Event>,
}

impl Outlet {
    pub(crate) fn new(shard: ShardId, queue: Sender<(ShardId, Event)>) -> Self {
        Self { shard, queue, backlog: VecDeque::new() }
    }

    /// Sends an event; when the node is behind, it waits in order, or is dropped and counted when it may be lost.
    pub(crate) fn send(&mut self, event: Event, counters: &Counters) {
        self.flush();
        let event = if self.backlog.is_empty() {
            match self.queue.try_send((self.shard, event)) {
                Ok(()) | Err(TrySendError::Closed(_)) => return,
                Err(TrySendError::Full((_, event))) => event,
            }
        } else {
            event
        };
        if may_be_lost(&event) {
            counters.drop_one(Drop::EventLossy);
        } else if self.backlog.len() >= BACKLOG_MAX {
            counters.drop_one(Drop::EventLost);
        } else {
            self.backlog.push_back(event);
        }
    }

    /// Sends what waits, as far as there is room. Returns whether something still waits.
    pub(crate) fn flush(&mut self) -> bool {
        while let Some(event) = self.backlog.pop_front() {
            if let Err(TrySendError::Full((_, event))) = self.queue.try_send((self.shard, event)) {
                self.backlog.push_front(event);
                return true;
            }
        }
        false
    }
}

fn may_be_lost(event: &Event) -> bool {
    matches!(event, Event::Data { delivery: Delivery::Lossy, .. } | Event::Speakers { .. })
}

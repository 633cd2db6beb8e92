//! Bounded queues of events, one for every pair of address and room.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use livekit_protocol as pb;
use proto::id::RoomName;
use tokio::time::Instant;

use super::{QUEUE_MAX, QUEUED_TOTAL_MAX};

/// An event that waits.
pub(super) struct Item {
    /// What to send; `num_dropped` is filled in when it is sent.
    pub(super) event: Arc<pb::WebhookEvent>,
    /// Since when it waits.
    pub(super) since: Instant,
    /// How many events were dropped right before it.
    pub(super) dropped_before: u32,
}

impl Item {
    pub(super) fn new(event: Arc<pb::WebhookEvent>) -> Self {
        Self { event, since: Instant::now(), dropped_before: 0 }
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push {
    /// It waits and nobody works on its queue: somebody should start.
    First,
    /// It waits behind others.
    Waiting,
    /// It was dropped.
    Full,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    dropped: u32,
}

#[derive(Default)]
struct Table {
    queues: BTreeMap<(usize, RoomName), Queue>,
    total: usize,
}

/// All queues. A queue exists exactly while somebody works on it.
#[derive(Default)]
pub(super) struct Queues {
    table: Mutex<Table>,
}

impl Queues {
    pub(super) fn push(&self, url: usize, room: &RoomName, mut item: Item) -> Push {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let full = table.total >= QUEUED_TOTAL_MAX || table.queues.len() > QUEUED_TOTAL_MAX;
        let key = (url, room.clone());
        let Some(queue) = table.queues.get_mut(&key) else {
            if full {
                return Push::Full;
            }
            let queue = Queue { items: VecDeque::from([item]), dropped: 0 };
            table.queues.insert(key, queue);
            table.total += 1;
            return Push::First;
        };
        if full || queue.items.len() >= QUEUE_MAX {
            queue.dropped = queue.dropped.saturating_add(1);
            return Push::Full;
        }
        item.dropped_before = std::mem::take(&mut queue.dropped);
        queue.items.push_back(item);
        table.total += 1;
        Push::Waiting
    }

    /// Takes the next event; `None` ends the queue, and its worker must stop.
    pub(super) fn pop(&self, url: usize, room: &RoomName) -> Option<Item> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (url, room.clone());
        let item = table.queues.get_mut(&key).and_then(|queue| queue.items.pop_front());
        match item {
            Some(_) => table.total = table.total.saturating_sub(1),
            None => drop(table.queues.remove(&key)),
        }
        item
    }

    /// Drops a queue and tells how many events were in it.
    pub(super) fn discard(&self, url: usize, room: &RoomName) -> usize {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let count = table.queues.remove(&(url, room.clone())).map_or(0, |q| q.items.len());
        table.total = table.total.saturating_sub(count);
        count
    }
}

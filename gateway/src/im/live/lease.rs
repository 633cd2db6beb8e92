//! What is asked of the log: who orders which room. A few at once, one of a room.

use std::collections::{BTreeSet, VecDeque};

use proto::im::live::{LiveAction, LiveRoom};

/// Questions that are on their way at once.
const ASKING_MAX: usize = 64;

/// Something to ask the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseAsk {
    /// About which room.
    pub room: LiveRoom,
    /// What.
    pub action: LiveAction,
}

/// Questions that wait or are on their way.
#[derive(Debug, Default)]
pub(super) struct Leases {
    waiting: VecDeque<LeaseAsk>,
    rooms: BTreeSet<LiveRoom>,
    on_the_way: usize,
}

impl Leases {
    /// Asks, unless something is asked about the room already. Whoever asks looks again later.
    pub(super) fn ask(&mut self, room: &LiveRoom, action: LiveAction) {
        if self.rooms.insert(room.clone()) {
            self.waiting.push_back(LeaseAsk { room: room.clone(), action });
        }
    }

    /// What is to be asked now.
    pub(super) fn drain(&mut self) -> Vec<LeaseAsk> {
        let count = ASKING_MAX.saturating_sub(self.on_the_way).min(self.waiting.len());
        self.on_the_way += count;
        self.waiting.drain(..count).collect()
    }

    pub(super) fn answered(&mut self, room: &LiveRoom) {
        self.on_the_way = self.on_the_way.saturating_sub(1);
        self.rooms.remove(room);
    }
}

//! Finds sessions by the secret name of their resource.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use proto::{
    id::{Identity, RoomName},
    time::LogTime,
};
use tokio::sync::mpsc;

use super::session::Command;
use crate::error::Error;

/// Most WHIP and WHEP sessions at once.
pub(super) const SESSIONS_MAX: usize = 4096;
/// Requests that may wait for one session.
const COMMANDS_MAX: usize = 8;

/// What a request needs of a session.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    pub(super) room: RoomName,
    pub(super) identity: Identity,
    /// When it began.
    pub(super) since: LogTime,
    pub(super) commands: mpsc::Sender<Command>,
}

/// Every session of this gateway.
#[derive(Debug, Default)]
pub(super) struct Table {
    sessions: Mutex<BTreeMap<String, Handle>>,
}

/// A session's place in the table, given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    table: Arc<Table>,
    id: String,
}

impl Seat {
    /// The secret name of the resource.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.table.lock().remove(&self.id);
    }
}

impl Table {
    /// A place for one more session, under a new secret name.
    pub(super) fn seat(
        self: &Arc<Self>,
        (room, identity): (RoomName, Identity),
        since: LogTime,
    ) -> Result<(Seat, mpsc::Receiver<Command>), Error> {
        let mut sessions = self.lock();
        if sessions.len() >= SESSIONS_MAX {
            metrics::counter!("stoa_gateway_whip_refused_total").increment(1);
            return Err(Error::Overloaded);
        }
        // 128 bits of the thread's cryptographic generator: nobody guesses it.
        let id = format!("{:032x}", rand::random::<u128>());
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        sessions.insert(id.clone(), Handle { room, identity, since, commands });
        Ok((Seat { table: Arc::clone(self), id }, inbox))
    }

    pub(super) fn find(&self, id: &str) -> Option<Handle> {
        self.lock().get(id).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Handle>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! One command's view of the rows: it sees what it wrote, and what it wrote is kept only if it is not refused.

use alloc::{vec, vec::Vec};

use proto::{
    im::{
        Entity, Event, UserId,
        account::{Account, Settings, Tally},
        conversation::ChangeHead,
        id::UserSeq,
        limit::CHANGES_MAX,
    },
    store::{Batch, Direction, Overlay, Scan, View},
    time::LogTime,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::key::{self, Rest, Row, table};

/// The layout of rows: their first byte. A later layout gets another number and knows how to read this one.
pub(crate) const LAYOUT: u8 = 1;

/// The bytes of a row.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let bytes = postcard::to_extend(value, vec![LAYOUT]);
    assert!(bytes.is_ok(), "a row can be written");
    bytes.unwrap_or_default()
}

/// Reads a row's bytes back.
///
/// # Panics
/// When the bytes are not a row: the replica is damaged and must not go on.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> T {
    let value = bytes.strip_prefix(&[LAYOUT]).map(postcard::from_bytes);
    let Some(Ok(value)) = value else {
        unreachable!("a row of {} bytes cannot be read: the replica is damaged", bytes.len());
    };
    value
}

/// Reads a row.
pub(crate) fn read<T: DeserializeOwned>(view: &(impl View + ?Sized), row: &Row<T>) -> Option<T> {
    view.get(row.bytes()).map(|bytes| decode(&bytes))
}

/// The settings of the installation.
pub(crate) fn settings(view: &(impl View + ?Sized)) -> Settings {
    read(view, &key::settings()).unwrap_or_default()
}

/// Rows with a prefix, at most `limit`: what follows the prefix in their key is read by `parse`.
pub(crate) fn rows<V: DeserializeOwned, K>(
    view: &(impl View + ?Sized),
    prefix: &[u8],
    limit: usize,
    parse: impl Fn(&mut Rest<'_>) -> Option<K>,
) -> Vec<(K, V)> {
    let mut found = Vec::new();
    view.scan_prefix(prefix, Direction::Up, &mut |key, value| {
        if found.len() >= limit {
            return Scan::Enough;
        }
        if let Some(key) = parse(&mut Rest::of(key, prefix)) {
            found.push((key, decode(value)));
        }
        Scan::More
    });
    found
}

/// One command at work.
pub(crate) struct Tx<'a> {
    base: &'a dyn View,
    /// What earlier commands wrote.
    earlier: &'a Batch,
    own: Batch,
    events: Vec<Event>,
    /// The log's time.
    pub(crate) at: LogTime,
}

impl View for Tx<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.own.change(key).or_else(|| self.earlier.change(key)) {
            Some(change) => change.map(<[u8]>::to_vec),
            None => self.base.get(key),
        }
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Scan,
    ) {
        let below = Overlay { base: self.base, batch: self.earlier };
        Overlay { base: &below, batch: &self.own }.scan(from, to, direction, visit);
    }
}

impl<'a> Tx<'a> {
    /// Begins.
    pub(crate) fn new(base: &'a dyn View, earlier: &'a Batch, at: LogTime) -> Self {
        Self { base, earlier, own: Batch::new(), events: Vec::new(), at }
    }

    /// Ends: what was written and what happened.
    pub(crate) fn finish(self) -> (Batch, Vec<Event>) {
        (self.own, self.events)
    }

    /// The row's value.
    pub(crate) fn read<T: DeserializeOwned>(&self, row: &Row<T>) -> Option<T> {
        let bytes = match self.own.change(row.bytes()).or_else(|| self.earlier.change(row.bytes()))
        {
            Some(change) => return change.map(decode),
            None => self.base.get(row.bytes()),
        };
        bytes.map(|bytes| decode(&bytes))
    }

    /// Whether there is such a row.
    pub(crate) fn has<T>(&self, row: &Row<T>) -> bool {
        self.get(row.bytes()).is_some()
    }

    /// Writes a row.
    pub(crate) fn put<T: Serialize>(&mut self, row: Row<T>, value: &T) {
        self.own.put(row.into_bytes(), encode(value));
    }

    /// Removes a row.
    pub(crate) fn remove<T>(&mut self, row: Row<T>) {
        self.own.remove(row.into_bytes());
    }

    /// Removes a row by the bytes of its key.
    pub(crate) fn remove_key(&mut self, key: Vec<u8>) {
        self.own.remove(key);
    }

    /// Removes up to `budget` rows with a prefix; returns how many.
    pub(crate) fn remove_prefix(&mut self, prefix: &[u8], budget: usize) -> usize {
        let mut keys = Vec::new();
        if budget > 0 {
            self.scan_prefix(prefix, Direction::Up, &mut |key, _| {
                keys.push(key.to_vec());
                if keys.len() < budget { Scan::More } else { Scan::Enough }
            });
        }
        let removed = keys.len();
        keys.into_iter().for_each(|key| self.remove_key(key));
        removed
    }

    /// Says that something happened.
    pub(crate) fn tell(&mut self, event: Event) {
        self.events.push(event);
    }

    /// The account, in whatever state.
    pub(crate) fn account(&self, user: &UserId) -> Option<Account> {
        self.read(&key::account(user))
    }

    /// Changes what is counted of an account.
    pub(crate) fn count(&mut self, user: &UserId, change: impl FnOnce(&mut Tally)) {
        let row = key::tally(user);
        let mut tally = self.read(&row).unwrap_or_default();
        change(&mut tally);
        self.put(row, &tally);
    }

    /// What is counted of an account.
    pub(crate) fn tally(&self, user: &UserId) -> Tally {
        self.read(&key::tally(user)).unwrap_or_default()
    }

    /// Writes into a user's change log that a thing of its has changed, and says so.
    pub(crate) fn changed(&mut self, user: &UserId, entity: Entity) {
        let head_row = key::change_head(user);
        let mut log: ChangeHead = self.read(&head_row).unwrap_or_default();
        log.head = log.head.next();
        let position = key::changed_at(user, &entity);
        match self.read(&position) {
            Some(before) => self.remove(key::change(user, before)),
            None => log.rows += 1,
        }
        self.put(position, &log.head);
        self.put(key::change(user, log.head), &entity);
        if log.rows > CHANGES_MAX {
            self.forget_oldest_change(user, &mut log);
        }
        self.put(head_row, &log);
        self.tell(Event::Changed { user: user.clone(), user_seq: log.head, entity });
    }

    /// Makes room in a user's change log. Devices that stand before what is forgotten read everything anew.
    fn forget_oldest_change(&mut self, user: &UserId, log: &mut ChangeHead) {
        let prefix = key::of_user(table::CHANGE, user);
        let oldest: Option<(u64, Entity)> =
            rows(self, &prefix, 1, |rest| rest.number()).into_iter().next();
        if let Some((at, entity)) = oldest {
            self.remove(key::change(user, UserSeq(at)));
            self.remove(key::changed_at(user, &entity));
            log.floor = UserSeq(at);
            log.rows -= 1;
        }
    }
}

//! The machine of the log: rooms and chat under one applied index.
//!
//! Decides nothing: it finds whom a command is for, and keeps each open room as one row.

use proto::{
    id::RoomName,
    im, room,
    store::{Batch, Direction, Scan, View, space},
    time::LogTime,
};
use rooms::{RestoreError, Rooms};
use serde::{Deserialize, Serialize};

/// Row of [`Position`].
const POSITION: &[u8] = &[space::ROOMS, 0];
/// Prefix of the rows of open rooms; the name follows.
const OPEN: &[u8] = &[space::ROOMS, 1];

/// What an entry of the log asks. Variants are append-only.
#[derive(Debug, Serialize, Deserialize)]
enum Entry {
    Room(room::Command),
    Chat(im::Command),
}

/// The bytes of a command about a room.
///
/// # Errors
/// The command cannot be written, which no command is.
pub(crate) fn room_entry(command: &room::Command) -> postcard::Result<Vec<u8>> {
    // Borrowed, so that the caller keeps its command; the layout is that of `Entry::Room`.
    postcard::to_stdvec(&(0_u8, command))
}

/// The bytes of a chat command.
///
/// # Errors
/// As [`room_entry`].
pub(crate) fn chat_entry(command: im::Command) -> postcard::Result<Vec<u8>> {
    postcard::to_stdvec(&Entry::Chat(command))
}

/// What came of an entry.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A room was asked. Whoever follows the rooms applies the command to its own copy.
    Room {
        /// How many commands about rooms there were, this one included.
        count: u64,
        /// The command.
        command: Box<room::Command>,
    },
    /// Chat was asked.
    Chat(Result<im::Outcome, im::Reject>),
    /// The entry was written by a program that knows more.
    Unreadable,
}

/// How far the rooms have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The latest time a command came with.
    at: LogTime,
    /// How many commands were applied.
    pub(crate) count: u64,
}

/// The rooms of a view, and how far they have come.
///
/// # Errors
/// A row is damaged.
pub(crate) fn read_rooms(view: &dyn View) -> Result<(Position, Rooms), RestoreError> {
    let position = match view.get(POSITION) {
        None => Position::default(),
        Some(row) => postcard::from_bytes(&row).map_err(|_| RestoreError::Malformed)?,
    };
    let mut rows = Vec::new();
    view.scan_prefix(OPEN, Direction::Up, &mut |_, row| {
        rows.push(row.to_vec());
        Scan::More
    });
    Ok((position, Rooms::from_rows(position.at, rows.iter().map(Vec::as_slice))?))
}

/// Rooms and chat.
#[derive(Debug, Default)]
pub(crate) struct House {
    rooms: Rooms,
    position: Position,
}

impl House {
    fn apply_room(&mut self, at: LogTime, command: room::Command, batch: &mut Batch) -> Outcome {
        // What came of it is seen by those who follow; here only the rows matter.
        let _ = self.rooms.apply(at, &command);
        let count = self.position.count + 1;
        self.position = Position { at: self.rooms.at(), count };
        put(batch, POSITION.to_vec(), &self.position);
        match self.rooms.row(&command.room) {
            Some(row) => batch.put(room_key(&command.room), row),
            None => batch.remove(room_key(&command.room)),
        }
        Outcome::Room { count, command: Box::new(command) }
    }
}

impl cluster::Machine for House {
    type Outcome = Outcome;

    #[expect(clippy::panic, reason = "a replica whose rows are damaged must not go on")]
    fn restore(&mut self, view: &dyn View) {
        match read_rooms(view) {
            Ok((position, rooms)) => *self = Self { rooms, position },
            Err(error) => panic!("the rows of the rooms are damaged: {error}"),
        }
    }

    fn apply(
        &mut self,
        view: &dyn View,
        at: LogTime,
        command: &[u8],
        batch: &mut Batch,
    ) -> Outcome {
        match postcard::from_bytes(command) {
            Ok(Entry::Room(command)) => self.apply_room(at, command, batch),
            Ok(Entry::Chat(command)) => Outcome::Chat(::im::apply(view, at, &command, batch)),
            Err(_) => Outcome::Unreadable,
        }
    }
}

fn room_key(room: &RoomName) -> Vec<u8> {
    [OPEN, room.as_str().as_bytes()].concat()
}

#[expect(clippy::expect_used, reason = "a replica that cannot write its state must stop")]
fn put(batch: &mut Batch, key: Vec<u8>, value: &impl Serialize) {
    batch.put(key, postcard::to_stdvec(value).expect("plain numbers are serialisable"));
}

#[cfg(test)]
mod tests;

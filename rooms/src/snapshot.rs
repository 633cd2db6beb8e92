//! The replicated state as bytes: canonical, so that replicas at one log index can be compared byte by byte.

use alloc::vec::Vec;

use proto::{id::RoomName, time::LogTime};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Rooms, invariant::Broken, room::OpenRoom};

/// The layout of snapshots. Raised when a snapshot of the last layout can no longer be read.
pub const SNAPSHOT_LAYOUT: u16 = 1;

/// Why bytes are not a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// They could not be decoded, or more bytes follow.
    #[error("the snapshot is malformed")]
    Malformed,
    /// They were written by another version of the program.
    #[error("the snapshot has layout {found}, this program reads {SNAPSHOT_LAYOUT}")]
    Layout {
        /// The layout they name.
        found: u16,
    },
    /// They decode to a state that no commands lead to.
    #[error("the snapshot is incoherent")]
    Incoherent(#[source] Broken),
}

/// What a snapshot holds. What is derived from it is not written.
#[derive(Serialize, Deserialize)]
struct Image<R> {
    at: LogTime,
    rooms: R,
}

impl Rooms {
    /// Writes the state; equal states give equal bytes.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a replica that cannot write its state must stop")]
    pub fn snapshot(&self) -> Vec<u8> {
        let rooms: Vec<&OpenRoom> = self.rooms.values().collect();
        let image = Image { at: self.at, rooms };
        // Every type in the image has a known length and memory grows: there is nothing to fail.
        postcard::to_allocvec(&(SNAPSHOT_LAYOUT, image)).expect("room state is serialisable")
    }

    /// Reads a state written by [`Rooms::snapshot`].
    ///
    /// # Errors
    /// [`RestoreError`] says in which way the bytes are not a snapshot. Nothing in them is trusted.
    pub fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let (found, bytes) = postcard::take_from_bytes::<u16>(bytes).map_err(malformed)?;
        if found != SNAPSHOT_LAYOUT {
            return Err(RestoreError::Layout { found });
        }
        let (image, rest) =
            postcard::take_from_bytes::<Image<Vec<OpenRoom>>>(bytes).map_err(malformed)?;
        if !rest.is_empty() {
            return Err(RestoreError::Malformed);
        }
        Self::assemble(image.at, image.rooms)
    }

    /// Writes one room, as [`Rooms::from_rows`] reads it; `None` when it is not open.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a replica that cannot write its state must stop")]
    pub fn row(&self, room: &RoomName) -> Option<Vec<u8>> {
        let room = self.rooms.get(room)?;
        // As in `snapshot`: there is nothing to fail.
        Some(postcard::to_allocvec(&(SNAPSHOT_LAYOUT, room)).expect("room state is serialisable"))
    }

    /// Reads a state out of the rows of every open room and the latest time a command came with.
    ///
    /// # Errors
    /// As [`Rooms::restore`].
    pub fn from_rows<'a>(
        at: LogTime,
        rows: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, RestoreError> {
        let rooms: Result<Vec<OpenRoom>, RestoreError> = rows.into_iter().map(read_row).collect();
        Self::assemble(at, rooms?)
    }

    /// The latest time a command came with.
    #[must_use]
    pub const fn at(&self) -> LogTime {
        self.at
    }

    fn assemble(at: LogTime, open: Vec<OpenRoom>) -> Result<Self, RestoreError> {
        let mut rooms = Self { at, ..Self::default() };
        for room in open {
            let name = room.name.clone();
            rooms.expiries.extend(room.expires_at().map(|at| (at, name.clone())));
            if rooms.rooms.insert(name, room).is_some() {
                return Err(RestoreError::Malformed);
            }
        }
        rooms.find_broken().map_err(RestoreError::Incoherent)?;
        Ok(rooms)
    }
}

fn read_row(bytes: &[u8]) -> Result<OpenRoom, RestoreError> {
    let (found, bytes) = postcard::take_from_bytes::<u16>(bytes).map_err(malformed)?;
    if found != SNAPSHOT_LAYOUT {
        return Err(RestoreError::Layout { found });
    }
    let (room, rest) = postcard::take_from_bytes(bytes).map_err(malformed)?;
    if rest.is_empty() { Ok(room) } else { Err(RestoreError::Malformed) }
}

fn malformed(_: postcard::Error) -> RestoreError {
    RestoreError::Malformed
}

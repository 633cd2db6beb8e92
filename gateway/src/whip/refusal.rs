//! Why a session of a standard client is refused, where only this door knows.

use std::time::Duration;

use proto::{
    error::{ErrorCode, Retry},
    room::LeaveReason,
};

use crate::{
    error::Error,
    node::{Leave, Refusal},
};

/// A viewer of a room without tracks may ask again after this long.
const NOTHING_RETRY_AFTER: Duration = Duration::from_secs(2);

/// Nobody publishes anything a viewer could receive.
pub(super) fn nothing_published() -> Error {
    let code = ErrorCode::NothingPublished;
    let message = "nobody publishes what this offer could receive".to_owned();
    Error::Refused(Refusal { code, message, retry: Retry::After(NOTHING_RETRY_AFTER) })
}

/// A fragment is meant for an ICE session that is over.
pub(super) fn precondition_failed() -> Error {
    let code = ErrorCode::PreconditionFailed;
    let message =
        "the entity tag or user name fragment is not of the current ICE session".to_owned();
    Error::Refused(Refusal { code, message, retry: Retry::Never })
}

/// Why a session ended before it was up.
pub(super) fn left(leave: &Leave) -> Error {
    let (code, message) = match leave.reason {
        LeaveReason::ServerShutdown | LeaveReason::NodeLost => return Error::Draining,
        LeaveReason::MediaFailed | LeaveReason::SignalLost => {
            (ErrorCode::MediaTimeout, "no media connection came up")
        }
        LeaveReason::ClientInitiated
        | LeaveReason::DuplicateIdentity
        | LeaveReason::Removed
        | LeaveReason::RoomDeleted
        | LeaveReason::RoomClosed
        | LeaveReason::Moved => (ErrorCode::StaleSession, "the session was ended before it was up"),
    };
    Error::Refused(Refusal { code, message: message.to_owned(), retry: Retry::Never })
}

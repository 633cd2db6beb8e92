//! Errors of the server API: JSON with a code, a message and, as `meta`, our stable number and name.

use std::collections::BTreeMap;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use proto::error::{ErrorCode, Retry};
use serde::Serialize;

use crate::{
    error::{Error, status_of},
    node::Refusal,
};

/// Longest text of a parser that is repeated in a message.
const DETAIL_BYTES_MAX: usize = 200;

/// The API's own codes, each with its HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TwirpCode {
    /// A field has a value that cannot be used.
    InvalidArgument,
    /// The body could not be read.
    Malformed,
    /// The node did not answer in time.
    DeadlineExceeded,
    /// What is named does not exist.
    NotFound,
    /// There is no such method.
    BadRoute,
    /// It exists with other settings.
    AlreadyExists,
    /// The caller may not do this to that participant.
    PermissionDenied,
    /// The token is missing, not valid, or lacks the grant.
    Unauthenticated,
    /// A limit is reached.
    ResourceExhausted,
    /// The state or configuration forbids it.
    FailedPrecondition,
    /// Known but not supported.
    Unimplemented,
    /// Ours.
    Internal,
    /// Overloaded or shutting down.
    Unavailable,
}

impl TwirpCode {
    /// The HTTP status.
    #[must_use]
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::InvalidArgument | Self::Malformed => StatusCode::BAD_REQUEST,
            Self::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
            Self::NotFound | Self::BadRoute => StatusCode::NOT_FOUND,
            Self::AlreadyExists => StatusCode::CONFLICT,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The API's code for one of ours.
    #[must_use]
    pub(super) const fn of(code: ErrorCode) -> Self {
        match code {
            // Clients of this API expect 401 for missing grants as well; the message names the grant.
            ErrorCode::TokenMissing
            | ErrorCode::TokenMalformed
            | ErrorCode::TokenUnknownKey
            | ErrorCode::TokenForged
            | ErrorCode::TokenExpired
            | ErrorCode::GrantMissing
            | ErrorCode::WrongRoom => Self::Unauthenticated,
            ErrorCode::IdentityMissing
            | ErrorCode::MalformedRequest
            | ErrorCode::RequestTooLarge
            | ErrorCode::NameTooLong
            | ErrorCode::MetadataTooLarge
            | ErrorCode::SdpMalformed
            | ErrorCode::SdpUnacceptable
            | ErrorCode::CandidateMalformed => Self::InvalidArgument,
            ErrorCode::NotFound => Self::BadRoute,
            ErrorCode::UnsupportedRequest => Self::Unimplemented,
            ErrorCode::RoomNotFound
            | ErrorCode::ParticipantNotFound
            | ErrorCode::TrackNotFound
            | ErrorCode::StaleSession
            | ErrorCode::NothingPublished => Self::NotFound,
            ErrorCode::RoomFull | ErrorCode::TooManyTracks | ErrorCode::RateLimited => {
                Self::ResourceExhausted
            }
            ErrorCode::NotPermitted => Self::PermissionDenied,
            ErrorCode::RemoteUnmuteDisabled | ErrorCode::PreconditionFailed => {
                Self::FailedPrecondition
            }
            ErrorCode::RoomExists => Self::AlreadyExists,
            ErrorCode::MediaTimeout => Self::DeadlineExceeded,
            ErrorCode::NodeOverloaded | ErrorCode::NodeDraining => Self::Unavailable,
            other => Self::of_status(status_of(other)),
        }
    }

    /// For codes that rooms do not have: their class is enough.
    const fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::BAD_REQUEST => Self::InvalidArgument,
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::FORBIDDEN => Self::PermissionDenied,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::CONFLICT => Self::FailedPrecondition,
            StatusCode::TOO_MANY_REQUESTS => Self::ResourceExhausted,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            _ => Self::Internal,
        }
    }
}

/// An error on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{msg}")]
pub(super) struct TwirpError {
    /// The API's code.
    pub(super) code: TwirpCode,
    /// What happened and what to do, for people.
    pub(super) msg: String,
    /// `code` and `name` of our table, and `retry_after_ms` or `retry_node` where trying again makes sense.
    pub(super) meta: BTreeMap<&'static str, String>,
}

impl TwirpError {
    fn new(twirp: TwirpCode, code: ErrorCode, msg: String) -> Self {
        let meta =
            BTreeMap::from([("code", code.number().to_string()), ("name", code.name().to_owned())]);
        Self { code: twirp, msg, meta }
    }

    /// There is no such method, or it cannot be called like this.
    #[must_use]
    pub(super) fn bad_route(msg: &str) -> Self {
        Self::new(TwirpCode::BadRoute, ErrorCode::NotFound, msg.to_owned())
    }

    /// The body could not be read.
    #[must_use]
    pub(super) fn malformed(detail: &str) -> Self {
        let end = detail.floor_char_boundary(DETAIL_BYTES_MAX);
        let detail = detail.get(..end).unwrap_or_default();
        let msg = format!("the request could not be read: {detail}");
        Self::new(TwirpCode::Malformed, ErrorCode::MalformedRequest, msg)
    }

    /// A field has a value that cannot be used.
    #[must_use]
    pub(super) fn invalid(msg: &str) -> Self {
        Self::new(TwirpCode::InvalidArgument, ErrorCode::MalformedRequest, msg.to_owned())
    }

    /// Known but not supported.
    #[must_use]
    pub(super) fn unimplemented(msg: &str) -> Self {
        Self::new(TwirpCode::Unimplemented, ErrorCode::UnsupportedRequest, msg.to_owned())
    }

    /// Ours; details are in the log only.
    #[must_use]
    pub(super) fn internal() -> Self {
        Self::from(Error::Internal)
    }
}

impl From<Error> for TwirpError {
    fn from(error: Error) -> Self {
        let code = error.code();
        let mut out = Self::new(TwirpCode::of(code), code, error.to_string());
        match error.retry() {
            Retry::Never => {}
            Retry::After(after) => {
                out.meta.insert("retry_after_ms", after.as_millis().to_string());
            }
            Retry::Elsewhere(node) => {
                out.meta.insert("retry_node", node.0.to_string());
            }
        }
        out
    }
}

impl From<Refusal> for TwirpError {
    fn from(refusal: Refusal) -> Self {
        Self::from(Error::Refused(refusal))
    }
}

impl IntoResponse for TwirpError {
    fn into_response(self) -> Response {
        // Only strings: this cannot fail. The media type is compared as a whole by some clients.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let kind = HeaderValue::from_static("application/json");
        (self.code.status(), [(header::CONTENT_TYPE, kind)], body).into_response()
    }
}

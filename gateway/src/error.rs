//! Everything that can go wrong at a door, and how each dialect is told.

use std::{sync::Arc, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use proto::{
    error::{ErrorCode, Retry},
    im::reject::Reject,
};
use serde_json::json;

use crate::{auth::AuthError, node::Refusal};

/// Why a request was not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The token was not accepted.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The token is good, but does not allow this.
    #[error("permission denied: the token does not grant {0}")]
    GrantMissing(&'static str),
    /// The token is for another room.
    #[error("permission denied: the token is for another room")]
    WrongRoom,
    /// The token names nobody.
    #[error("the access token names no identity")]
    IdentityMissing,
    /// Neither token nor request name a room.
    #[error("no room name was given")]
    RoomMissing,
    /// A room name or identity is too long.
    #[error("{what} is longer than {limit} bytes")]
    NameTooLong {
        /// What is too long.
        what: &'static str,
        /// The longest allowed.
        limit: usize,
    },
    /// A part of the request could not be read.
    #[error("the request could not be read: {0}")]
    Malformed(&'static str),
    /// The body is not of the media type of its door.
    #[error("the body must be {0}")]
    MediaType(&'static str),
    /// The request must name the state it is meant for.
    #[error("an If-Match header with the session's entity tag is needed")]
    PreconditionMissing,
    /// The request is too large.
    #[error("the request is larger than {limit} bytes")]
    TooLarge {
        /// The largest allowed.
        limit: usize,
    },
    /// Too many requests from one address.
    #[error("too many requests, try again in {} s", after.as_secs().max(1))]
    RateLimited {
        /// When to try again.
        after: Duration,
    },
    /// There is no such resource.
    #[error("not found")]
    NotFound,
    /// Known, but not supported.
    #[error("not supported: {0}")]
    Unsupported(&'static str),
    /// The node said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Chat said no.
    #[error(transparent)]
    Rejected(#[from] Reject),
    /// The node could not find out in time whether a change was made.
    #[error("it is not known whether the request had its effect")]
    OutcomeUnknown,
    /// The user or the password is wrong.
    #[error("the user or the password is wrong")]
    PasswordWrong,
    /// The password is too short or too long.
    #[error("the password is shorter than 8 or longer than 256 bytes")]
    PasswordWeak,
    /// Nobody makes an account by itself here.
    #[error("accounts cannot be made here by oneself")]
    SignUpClosed,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The live room takes no more messages of this priority now.
    #[error("the live room takes no more messages of this priority, try again in {} ms", after.as_millis())]
    LiveThrottled {
        /// When to try again.
        after: Duration,
    },
    /// The client is not in the live room.
    #[error("not in the live room")]
    LiveNotJoined,
    /// May not write in the live room.
    #[error("the person may not write in the live room until {until_ms} ms since 1970")]
    LiveMuted {
        /// Until when.
        until_ms: u64,
    },
    /// May not be in the live room.
    #[error("the person was sent out of the live room until {until_ms} ms since 1970")]
    LiveOut {
        /// Until when.
        until_ms: u64,
    },
    /// Nobody orders the live room.
    #[error("nobody orders the live room at the moment, try again")]
    LiveUnavailable {
        /// Who ordered it is gone, and it is not known whether it did what was asked.
        unknown: bool,
    },
    /// The node takes no more sockets or requests now.
    #[error("the node takes no more work now")]
    Overloaded,
    /// The node is shutting down.
    #[error("the node is shutting down")]
    Draining,
    /// Something that should not happen. Details are in the log only.
    #[error("internal error")]
    Internal,
}

impl Error {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Auth(error) => error.code(),
            Self::GrantMissing(_) => ErrorCode::GrantMissing,
            Self::WrongRoom => ErrorCode::WrongRoom,
            Self::IdentityMissing => ErrorCode::IdentityMissing,
            Self::RoomMissing | Self::Malformed(_) | Self::MediaType(_) => {
                ErrorCode::MalformedRequest
            }
            Self::PreconditionMissing => ErrorCode::PreconditionFailed,
            Self::NameTooLong { .. } => ErrorCode::NameTooLong,
            Self::TooLarge { .. } => ErrorCode::RequestTooLarge,
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::NotFound => ErrorCode::NotFound,
            Self::Unsupported(_) => ErrorCode::UnsupportedRequest,
            Self::Refused(refusal) => refusal.code,
            Self::Rejected(reject) => reject.code(),
            Self::OutcomeUnknown => ErrorCode::OutcomeUnknown,
            Self::PasswordWrong => ErrorCode::PasswordWrong,
            Self::PasswordWeak => ErrorCode::PasswordWeak,
            Self::SignUpClosed => ErrorCode::SignUpClosed,
            Self::KeyReused => ErrorCode::KeyReused,
            Self::LiveThrottled { .. } => ErrorCode::LiveThrottled,
            Self::LiveNotJoined => ErrorCode::LiveNotJoined,
            Self::LiveMuted { .. } => ErrorCode::Muted,
            Self::LiveOut { .. } => ErrorCode::Banned,
            Self::LiveUnavailable { .. } => ErrorCode::LiveUnavailable,
            Self::Overloaded => ErrorCode::NodeOverloaded,
            Self::Draining => ErrorCode::NodeDraining,
            Self::Internal => ErrorCode::Internal,
        }
    }

    /// Whether trying again makes sense.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::RateLimited { after } | Self::LiveThrottled { after } => Retry::After(*after),
            Self::Refused(refusal) => refusal.retry,
            Self::Overloaded
            | Self::Draining
            | Self::OutcomeUnknown
            | Self::LiveUnavailable { .. } => Retry::After(Duration::from_secs(1)),
            Self::Auth(_)
            | Self::GrantMissing(_)
            | Self::WrongRoom
            | Self::IdentityMissing
            | Self::RoomMissing
            | Self::NameTooLong { .. }
            | Self::Malformed(_)
            | Self::MediaType(_)
            | Self::PreconditionMissing
            | Self::TooLarge { .. }
            | Self::NotFound
            | Self::Unsupported(_)
            | Self::Rejected(_)
            | Self::PasswordWrong
            | Self::PasswordWeak
            | Self::SignUpClosed
            | Self::KeyReused
            | Self::LiveNotJoined
            | Self::LiveMuted { .. }
            | Self::LiveOut { .. }
            | Self::Internal => Retry::Never,
        }
    }

    /// The status of our own REST answers.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::PreconditionMissing => StatusCode::PRECONDITION_REQUIRED,
            _ => status_of(self.code()),
        }
    }

    /// The plain-text answer of the room dialect: 401 for everything a token lacks, 400 for names, 404 for rooms.
    #[must_use]
    pub fn plain(&self) -> Response {
        let status = match self.code() {
            ErrorCode::GrantMissing | ErrorCode::WrongRoom => StatusCode::UNAUTHORIZED,
            code => status_of(code),
        };
        // The dialect's clients look for this sentence to tell "no such room" from "no such path".
        let text = match self.code() {
            ErrorCode::RoomNotFound => {
                format!("requested room does not exist [{}]", self.code())
            }
            code => format!("{self} [{code}]"),
        };
        let mut response = (status, text).into_response();
        set_retry(&mut response, self.retry());
        response
    }

    /// The body of RFC 9457 with our members. `request_id` finds the request in the log.
    #[must_use]
    pub fn problem(&self, request_id: &str) -> Response {
        let code = self.code();
        let retry = match self.retry() {
            Retry::Never => serde_json::Value::Null,
            Retry::After(after) => json!({ "after_ms": after.as_millis() }),
            Retry::Elsewhere(node) => json!({ "node": node.0 }),
        };
        let body = json!({
            "type": format!("urn:stoa:error:{}", code.name()),
            "title": code.text(),
            "status": self.status().as_u16(),
            "detail": self.to_string(),
            "action": code.action(),
            "code": code.number(),
            "name": code.name(),
            "retry": retry,
            "request_id": request_id,
        });
        let mut response = (self.status(), body.to_string()).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        set_retry(&mut response, self.retry());
        response
    }
}

/// An error on its way out. The outermost layer renders it again with the request's id.
#[derive(Clone)]
pub(crate) struct Problem(pub(crate) Arc<Error>);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.problem("");
        response.extensions_mut().insert(Problem(Arc::new(self)));
        response
    }
}

/// The HTTP status that belongs to a code.
#[must_use]
pub const fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::TokenMissing
        | ErrorCode::TokenMalformed
        | ErrorCode::TokenUnknownKey
        | ErrorCode::TokenForged
        | ErrorCode::TokenExpired => StatusCode::UNAUTHORIZED,
        ErrorCode::GrantMissing | ErrorCode::WrongRoom | ErrorCode::NotPermitted => {
            StatusCode::FORBIDDEN
        }
        ErrorCode::IdentityMissing
        | ErrorCode::MalformedRequest
        | ErrorCode::NameTooLong
        | ErrorCode::SdpMalformed
        | ErrorCode::CandidateMalformed => StatusCode::BAD_REQUEST,
        ErrorCode::RequestTooLarge | ErrorCode::MetadataTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::NotFound
        | ErrorCode::RoomNotFound
        | ErrorCode::ParticipantNotFound
        | ErrorCode::TrackNotFound
        | ErrorCode::StaleSession => StatusCode::NOT_FOUND,
        ErrorCode::UnsupportedRequest => StatusCode::NOT_IMPLEMENTED,
        ErrorCode::RoomFull | ErrorCode::TooManyTracks => StatusCode::FORBIDDEN,
        ErrorCode::RoomExists | ErrorCode::NothingPublished => StatusCode::CONFLICT,
        ErrorCode::SdpUnacceptable => StatusCode::NOT_ACCEPTABLE,
        ErrorCode::RemoteUnmuteDisabled | ErrorCode::PreconditionFailed => {
            StatusCode::PRECONDITION_FAILED
        }
        ErrorCode::MediaTimeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::NodeOverloaded | ErrorCode::NodeDraining | ErrorCode::NoLeader => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ErrorCode::ClusterUnchanged => StatusCode::CONFLICT,
        _ => status_of_chat(code),
    }
}

/// The HTTP status that belongs to a code of chat.
const fn status_of_chat(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::SessionEnded | ErrorCode::RefreshInvalid | ErrorCode::PasswordWrong => {
            StatusCode::UNAUTHORIZED
        }
        ErrorCode::AccountDisabled
        | ErrorCode::ChatNotPermitted
        | ErrorCode::NotFriends
        | ErrorCode::ContactRefused
        | ErrorCode::Blocked
        | ErrorCode::NotMember
        | ErrorCode::JoinClosed
        | ErrorCode::Banned
        | ErrorCode::Muted
        | ErrorCode::OwnerStays
        | ErrorCode::KindForbids
        | ErrorCode::TooLate
        | ErrorCode::GroupTooLarge
        | ErrorCode::LiveNotJoined
        | ErrorCode::SignUpClosed => StatusCode::FORBIDDEN,
        ErrorCode::ActorMissing
        | ErrorCode::Oneself
        | ErrorCode::ContentInvalid
        | ErrorCode::FieldLength
        | ErrorCode::TooMany
        | ErrorCode::PasswordWeak => StatusCode::BAD_REQUEST,
        ErrorCode::LiveThrottled | ErrorCode::TooSlow => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::AccountNotFound
        | ErrorCode::RequestNotFound
        | ErrorCode::FriendGroupNotFound
        | ErrorCode::GroupNotFound
        | ErrorCode::ConversationNotFound
        | ErrorCode::MessageNotFound => StatusCode::NOT_FOUND,
        ErrorCode::AccountExists
        | ErrorCode::GroupExists
        | ErrorCode::AlreadyMember
        | ErrorCode::AttributeChanged
        | ErrorCode::KeyUsed
        | ErrorCode::CounterOverflow
        | ErrorCode::OutOfOrder
        | ErrorCode::KeyReused => StatusCode::CONFLICT,
        ErrorCode::OutcomeUnknown | ErrorCode::LiveUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn set_retry(response: &mut Response, retry: Retry) {
    if let Retry::After(after) = retry {
        let seconds = after.as_secs().max(1);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_room_is_told_by_the_sentence_clients_look_for() {
        let refusal = Refusal {
            code: ErrorCode::RoomNotFound,
            message: "gone".to_owned(),
            retry: Retry::Never,
        };
        assert_eq!(Error::from(refusal).plain().status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_missing_grant_is_403_for_us_and_401_for_the_dialect() {
        let error = Error::GrantMissing("roomJoin");
        assert_eq!(error.status(), StatusCode::FORBIDDEN);
        assert_eq!(error.plain().status(), StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn every_code_but_internal_has_a_status_of_its_own_class() {
        for code in ErrorCode::ALL.iter().filter(|code| **code != ErrorCode::Internal) {
            assert_ne!(status_of(*code), StatusCode::INTERNAL_SERVER_ERROR, "{code}");
        }
    }
}

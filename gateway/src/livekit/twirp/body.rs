//! Bodies in both forms: protobuf, and its JSON mapping with names in either spelling.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};

use super::error::TwirpError;

/// How a body is written. The answer is written like the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// protojson.
    Json,
    /// Binary protobuf.
    Protobuf,
}

impl Form {
    /// The form a request names, parameters such as a character set ignored.
    ///
    /// # Errors
    /// `bad_route` for any other media type, as the API's protocol has it.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, TwirpError> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            Ok(Self::Json)
        } else if essence.eq_ignore_ascii_case("application/protobuf") {
            Ok(Self::Protobuf)
        } else {
            Err(TwirpError::bad_route(
                "the content type must be application/json or application/protobuf",
            ))
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// `malformed`, saying where the body fails.
    pub(super) fn read<M: Message + Default + DeserializeOwned>(
        self,
        body: &[u8],
    ) -> Result<M, TwirpError> {
        match self {
            Self::Json => serde_json::from_slice(body)
                .map_err(|error| TwirpError::malformed(&error.to_string())),
            Self::Protobuf => {
                M::decode(body).map_err(|error| TwirpError::malformed(&error.to_string()))
            }
        }
    }

    /// Writes a message as a whole answer.
    ///
    /// # Errors
    /// `internal`, when the message has no JSON form.
    pub(super) fn write<M: Message + Serialize>(self, message: &M) -> Result<Response, TwirpError> {
        let (kind, body) = match self {
            Self::Protobuf => ("application/protobuf", message.encode_to_vec()),
            Self::Json => {
                let body = serde_json::to_vec(message).map_err(|error| {
                    tracing::error!(%error, "an answer has no JSON form");
                    TwirpError::internal()
                })?;
                ("application/json", body)
            }
        };
        let kind = HeaderValue::from_static(kind);
        Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
    }
}

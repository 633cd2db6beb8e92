//! Access tokens: JWTs signed with HS256 by one of the configured API keys.
//!
//! [`Keys::verify`] is pure: time is an argument. It is the only way to obtain [`Claims`] from outside text.

use std::{collections::BTreeMap, fmt};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use proto::error::ErrorCode;
use serde::Deserialize;

mod claims;
#[cfg(test)]
mod tests;

pub use claims::{Claims, RoomConfig, Token, VideoGrant};

/// Longest token that is looked at, in bytes. Tokens with large metadata stay below it.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Clocks of issuers may be off by this much, in seconds, as the field's servers allow.
pub const LEEWAY_S: u64 = 60;

/// Why a token was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No token was sent.
    #[error("no access token was sent")]
    Missing,
    /// Not a signed JWT with the claims of an access token, or too long.
    #[error("invalid token: not a signed JWT of at most 16 KiB")]
    Malformed,
    /// The algorithm is not HS256.
    #[error("invalid token: only HS256 signatures are accepted")]
    Algorithm,
    /// The `exp` claim is absent.
    #[error("invalid token: it has no expiry")]
    NoExpiry,
    /// The issuer is none of the configured keys.
    #[error("invalid token: unknown API key")]
    UnknownKey,
    /// The signature does not match the issuer's secret.
    #[error("invalid token: the signature does not match its API key")]
    Forged,
    /// Past its `exp`.
    #[error("invalid token: it has expired")]
    Expired,
    /// Before its `nbf`.
    #[error("invalid token: it is not valid yet")]
    NotYetValid,
}

impl AuthError {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Missing => ErrorCode::TokenMissing,
            Self::Malformed | Self::Algorithm | Self::NoExpiry => ErrorCode::TokenMalformed,
            Self::UnknownKey => ErrorCode::TokenUnknownKey,
            Self::Forged => ErrorCode::TokenForged,
            Self::Expired | Self::NotYetValid => ErrorCode::TokenExpired,
        }
    }
}

/// A token could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// No such API key is configured, or none at all.
    #[error("no such API key is configured")]
    UnknownKey,
    /// The claims could not be encoded.
    #[error("the claims cannot be encoded")]
    Encoding,
}

/// The configured API keys with their secrets.
#[derive(Clone, Default)]
pub struct Keys(BTreeMap<String, String>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<K: Into<String>, S: Into<String>> FromIterator<(K, S)> for Keys {
    fn from_iter<I: IntoIterator<Item = (K, S)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, secret)| (key.into(), secret.into())).collect())
    }
}

impl Keys {
    /// Whether no key is configured; every token is then refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names of the configured keys, without their secrets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether `key` is configured.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Checks a token and returns what it claims, defaults filled in. `now_unix_s` is wall time in seconds.
    ///
    /// # Errors
    /// [`AuthError`], in this order: shape, issuer, algorithm and signature, then validity in time.
    pub fn verify(&self, token: &str, now_unix_s: u64) -> Result<Claims, AuthError> {
        if token.is_empty() {
            return Err(AuthError::Missing);
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::Malformed);
        }
        let issuer: Issuer = jsonwebtoken::dangerous::insecure_decode_claims(token)
            .map_err(|_| AuthError::Malformed)?;
        let secret = self.0.get(&issuer.iss).ok_or(AuthError::UnknownKey)?;
        let key = DecodingKey::from_secret(secret.as_bytes());
        let token: Token = jsonwebtoken::decode(token, &key, &validation())
            .map_err(|error| on_decode_error(error.kind()))?
            .claims;
        let expires_at_s = token.exp.ok_or(AuthError::NoExpiry)?;
        if now_unix_s > expires_at_s.saturating_add(LEEWAY_S) {
            return Err(AuthError::Expired);
        }
        if token.nbf.is_some_and(|nbf| nbf > now_unix_s.saturating_add(LEEWAY_S)) {
            return Err(AuthError::NotYetValid);
        }
        Ok(Claims::new(issuer.iss, expires_at_s, token))
    }

    /// Signs `token` with `key`, or with the first configured key; `iss` is set to it.
    ///
    /// # Errors
    /// [`SignError::UnknownKey`] when the key is not configured; [`SignError::Encoding`] when signing fails.
    pub fn sign(&self, key: Option<&str>, token: &Token) -> Result<String, SignError> {
        let (name, secret) = match key {
            Some(key) => self.0.get_key_value(key),
            None => self.0.first_key_value(),
        }
        .ok_or(SignError::UnknownKey)?;
        let token = Token { iss: name.clone(), ..token.clone() };
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &token, &key)
            .map_err(|_| SignError::Encoding)
    }
}

/// The claim that selects the secret; read before the signature is checked, trusted for nothing else.
#[derive(Deserialize)]
struct Issuer {
    #[serde(default)]
    iss: String,
}

/// Signature only: validity in time is ours, because the library reads the clock itself.
fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

fn on_decode_error(kind: &ErrorKind) -> AuthError {
    match kind {
        ErrorKind::InvalidSignature => AuthError::Forged,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => AuthError::Algorithm,
        _ => AuthError::Malformed,
    }
}

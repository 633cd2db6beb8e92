//! Whose request it is: access tokens that we sign after a log-in, and tokens that back ends sign with an API key.
//!
//! [`Tokens::verify`] is pure: time is an argument.

use aws_lc_rs::digest;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use proto::im::{
    account::RefreshHash,
    command::Actor,
    id::{DeviceId, SessionId, UserId},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::Secret;
use crate::{
    auth::{AuthError, Keys, LEEWAY_S, TOKEN_BYTES_MAX},
    error::Error,
};

#[cfg(test)]
mod tests;

/// The issuer of our own tokens.
const ISSUER: &str = "stoa.im";

/// What an access token of ours says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The account.
    pub user: UserId,
    /// The installation.
    pub device: DeviceId,
    /// The log-in.
    pub login: SessionId,
    /// The account's epoch.
    pub epoch: u32,
}

/// Whose request it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// A user.
    User(User),
    /// A back end or an administrator.
    Backend,
}

/// A user with a good token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The account.
    pub user: UserId,
    /// The installation, if the token says.
    pub device: Option<DeviceId>,
    /// The log-in, if there was one.
    pub login: Option<SessionId>,
    /// The account's epoch, if the token says.
    pub epoch: Option<u32>,
    /// When the token ends, in seconds since 1970.
    pub expires_at_s: u64,
}

impl User {
    /// As the node is told.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::User { user: self.user.clone(), session: self.login, epoch: self.epoch }
    }
}

/// Signs and checks.
pub struct Tokens {
    signs: EncodingKey,
    checks: DecodingKey,
    keys: Keys,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    did: String,
    sid: String,
    epoch: u32,
    iat: u64,
    exp: u64,
}

/// Read before the signature is checked, trusted for nothing but the choice of the key.
#[derive(Deserialize)]
struct Issuer {
    #[serde(default)]
    iss: String,
}

impl Tokens {
    /// Signs with `secret`, and accepts tokens of API keys as well.
    #[must_use]
    pub fn new(secret: &Secret, keys: Keys) -> Self {
        let (signs, checks) =
            (EncodingKey::from_secret(secret.bytes()), DecodingKey::from_secret(secret.bytes()));
        Self { signs, checks, keys }
    }

    /// An access token.
    ///
    /// # Errors
    /// [`Error::Internal`] when it cannot be encoded.
    pub fn sign(&self, access: &Access, now_s: u64, exp: u64) -> Result<String, Error> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: access.user.to_string(),
            did: access.device.to_string(),
            sid: access.login.to_string(),
            epoch: access.epoch,
            iat: now_s,
            exp,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signs)
            .map_err(|_| Error::Internal)
    }

    /// Whose token it is, if it is good. Whether its log-in still lives only the node knows.
    ///
    /// # Errors
    /// [`Error::Auth`], or [`Error::GrantMissing`] for tokens of API keys that are not for chat.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Bearer, Error> {
        if token.is_empty() {
            return Err(AuthError::Missing.into());
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::Malformed.into());
        }
        let issuer: Issuer = jsonwebtoken::dangerous::insecure_decode_claims(token)
            .map_err(|_| AuthError::Malformed)?;
        if issuer.iss == ISSUER {
            return self.verify_own(token, now_s).map(Bearer::User);
        }
        let claims = self.keys.verify(token, now_s)?;
        let flag = |name: &str| claims.token.other.get(name).and_then(Value::as_bool);
        // Whom a back end's token was made for says nothing of users: `as` names them.
        if flag("imAdmin") == Some(true) {
            return Ok(Bearer::Backend);
        }
        let user = match &claims.identity {
            Some(identity) => {
                Some(UserId::try_from(identity.as_str()).map_err(|_| AuthError::Malformed)?)
            }
            None => None,
        };
        if flag("im") != Some(true) {
            return Err(Error::GrantMissing("im"));
        }
        let text = |name: &str| claims.token.other.get(name).and_then(Value::as_str);
        let device = text("did").map(DeviceId::try_from).transpose();
        let epoch = claims.token.other.get("epoch").and_then(Value::as_u64);
        Ok(Bearer::User(User {
            user: user.ok_or(Error::IdentityMissing)?,
            device: device.map_err(|_| AuthError::Malformed)?,
            login: None,
            epoch: epoch.and_then(|epoch| u32::try_from(epoch).ok()),
            expires_at_s: claims.expires_at_s,
        }))
    }

    fn verify_own(&self, token: &str, now_s: u64) -> Result<User, Error> {
        let claims: Claims = jsonwebtoken::decode(token, &self.checks, &validation())
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => AuthError::Forged,
                jsonwebtoken::errors::ErrorKind::InvalidAlgorithm
                | jsonwebtoken::errors::ErrorKind::InvalidAlgorithmName => AuthError::Algorithm,
                _ => AuthError::Malformed,
            })?
            .claims;
        if now_s > claims.exp.saturating_add(LEEWAY_S) {
            return Err(AuthError::Expired.into());
        }
        if claims.iat > now_s.saturating_add(LEEWAY_S) {
            return Err(AuthError::NotYetValid.into());
        }
        Ok(User {
            user: UserId::try_from(claims.sub).map_err(|_| AuthError::Malformed)?,
            device: Some(DeviceId::try_from(claims.did).map_err(|_| AuthError::Malformed)?),
            login: Some(super::op::session(&claims.sid).map_err(|_| AuthError::Malformed)?),
            epoch: Some(claims.epoch),
            expires_at_s: claims.exp,
        })
    }
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

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(..)")
    }
}

/// What is stored of a refresh token: it is random, so that one pass of SHA-256 is enough.
#[must_use]
pub fn refresh_hash(token: &str) -> RefreshHash {
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.as_ref());
    RefreshHash(bytes)
}

//! Access tokens signed with an API key, as a back end signs them.

use anyhow::Result;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::clock;

/// How long tokens are good, in seconds.
const LIVES_S: u64 = 6 * 3600;

/// An API key with its secret.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) secret: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    exp: u64,
    #[serde(skip_serializing_if = "is_false")]
    im: bool,
    #[serde(skip_serializing_if = "is_false")]
    im_admin: bool,
    #[serde(skip_serializing_if = "is_false")]
    node_admin: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Key {
    /// A person's token for chat.
    pub(crate) fn user(&self, user: &str) -> Result<String> {
        self.sign(user, true)
    }

    /// The back end's own token.
    pub(crate) fn backend(&self) -> Result<String> {
        self.sign("loadgen", false)
    }

    fn sign(&self, sub: &str, im: bool) -> Result<String> {
        let exp = clock::unix_s() + LIVES_S;
        let claims = Claims { iss: &self.name, sub, exp, im, im_admin: !im, node_admin: !im };
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)?)
    }
}

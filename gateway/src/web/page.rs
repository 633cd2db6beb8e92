//! Files of the built pages.

use std::borrow::Cow;

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

/// Names with a hash may be kept for a year, which is as long as caches go.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Other names are asked for again each time, by their tag.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
/// Length of the hash in a built file's name.
const NAME_HASH_LEN: usize = 8;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../web/dist"]
#[allow_missing = true]
struct Pages;

/// Answers with a file; `None` when there is none or the method is not for files.
pub(super) fn answer(method: &Method, headers: &HeaderMap, path: &str) -> Option<Response> {
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    let file = Pages::get(path)?;
    let tag = tag(&file.metadata.sha256_hash());
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|tags| names(tags, &tag));
    let cache = if has_hash(path) { IMMUTABLE } else { ASK_AGAIN };
    let kind = media_type(file.metadata.mimetype());
    let tags = [(header::ETAG, tag), (header::CACHE_CONTROL, cache)];
    if known {
        return Some((StatusCode::NOT_MODIFIED, tags).into_response());
    }
    let body = match file.data {
        Cow::Borrowed(bytes) => axum::body::Body::from(bytes),
        Cow::Owned(bytes) => axum::body::Body::from(bytes),
    };
    Some((tags, [(header::CONTENT_TYPE, kind)], body).into_response())
}

/// The answer on `/` of a program that was compiled before its pages. It is good, because clients take it for health.
pub(super) fn not_built() -> Response {
    let text = "Stoa is running. The pages were not built into this program: \
        `cargo xtask up` builds and serves them.\n";
    ([(header::CACHE_CONTROL, ASK_AGAIN)], text).into_response()
}

fn tag(hash: &[u8; 32]) -> HeaderValue {
    let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("\"{digits}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether `If-None-Match` names a tag (RFC 9110 13.1.2, weak comparison).
fn names(tags: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(tags), Ok(tag)) = (tags.to_str(), tag.to_str()) else { return false };
    tags.split(',').map(|t| t.trim().trim_start_matches("W/")).any(|t| t == "*" || t == tag)
}

/// Whether a name is like `page-3KZ2WXYZ.js`.
pub(super) fn has_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let Some((_, hash)) = stem.rsplit_once('-') else { return false };
    hash.len() == NAME_HASH_LEN
        && hash.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn media_type(guessed: &str) -> HeaderValue {
    let text = guessed.starts_with("text/");
    let full = if text { format!("{guessed}; charset=utf-8") } else { guessed.to_owned() };
    HeaderValue::from_str(&full).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use proptest::prelude::*;
use proto::{
    grant::{ParticipantKind, Permission},
    media::Source,
    room::RoomSettings,
};
use serde_json::json;

use super::*;

const NOW_S: u64 = 1_800_000_000;

fn keys() -> Keys {
    [("devkey", "secret"), ("other", "another secret")].into_iter().collect()
}

/// A token signed by hand with any claims and header.
fn signed(header: &serde_json::Value, claims: &serde_json::Value, secret: &str) -> String {
    let text =
        format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let signature = aws_lc_rs::hmac::sign(&key, text.as_bytes());
    format!("{text}.{}", BASE64.encode(signature.as_ref()))
}

fn token(claims: serde_json::Value) -> String {
    let mut all = json!({ "iss": "devkey", "sub": "ada", "exp": NOW_S + 600 });
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    signed(&json!({ "alg": "HS256", "typ": "JWT" }), &all, "secret")
}

fn claims(given: serde_json::Value) -> Claims {
    keys().verify(&token(given), NOW_S).unwrap()
}

fn check_refused(token: &str, expected: AuthError) {
    assert_eq!(keys().verify(token, NOW_S).unwrap_err(), expected, "{token}");
}

#[test]
fn tokens_are_refused_for_exactly_one_reason_each() {
    let header = json!({ "alg": "HS256" });
    let good = json!({ "iss": "devkey", "sub": "ada", "exp": NOW_S + 600 });
    check_refused("", AuthError::Missing);
    check_refused("a.b", AuthError::Malformed);
    check_refused("....", AuthError::Malformed);
    check_refused(&"x".repeat(TOKEN_BYTES_MAX + 1), AuthError::Malformed);
    check_refused(&signed(&header, &good, "guess"), AuthError::Forged);
    check_refused(&token(json!({ "iss": "nobody" })), AuthError::UnknownKey);
    check_refused(&token(json!({ "iss": "other" })), AuthError::Forged);
    check_refused(&token(json!({ "exp": null })), AuthError::NoExpiry);
    check_refused(&token(json!({ "exp": "soon" })), AuthError::Malformed);
    check_refused(&token(json!({ "exp": NOW_S - 61 })), AuthError::Expired);
    check_refused(&token(json!({ "nbf": NOW_S + 61 })), AuthError::NotYetValid);
    check_refused(&token(json!({ "video": 7 })), AuthError::Malformed);
}

#[test]
fn only_hs256_is_accepted_whatever_the_header_says() {
    let good = json!({ "iss": "devkey", "sub": "ada", "exp": NOW_S + 600 });
    for alg in ["HS384", "HS512", "RS256"] {
        check_refused(&signed(&json!({ "alg": alg }), &good, "secret"), AuthError::Algorithm);
    }
    let none = signed(&json!({ "alg": "none" }), &good, "secret");
    assert!(keys().verify(&none, NOW_S).is_err());
    let unsigned = format!("{}.", none.rsplit_once('.').unwrap().0);
    assert!(keys().verify(&unsigned, NOW_S).is_err());
}

#[test]
fn a_changed_claim_breaks_the_signature() {
    let token = token(json!({ "video": { "roomJoin": true, "room": "a" } }));
    let (text, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = text.split_once('.').unwrap();
    let wider = json!({ "iss": "devkey", "exp": NOW_S + 600, "video": { "roomAdmin": true } });
    let forged = format!("{header}.{}.{signature}", BASE64.encode(wider.to_string()));
    check_refused(&forged, AuthError::Forged);
}

#[test]
fn clocks_may_differ_by_the_leeway() {
    assert_eq!(claims(json!({ "exp": NOW_S - 60 })).expires_at_s, NOW_S - 60);
    assert!(keys().verify(&token(json!({ "nbf": NOW_S + 60 })), NOW_S).is_ok());
    assert_eq!(claims(json!({ "exp": (NOW_S + 1) as f64 + 0.5 })).expires_at_s, NOW_S + 1);
}

#[test]
fn rights_that_are_not_named_have_the_fields_defaults() {
    let grant = claims(json!({ "video": { "roomJoin": true, "room": "standup" } })).grant;
    assert!(grant.room_join && !grant.room_admin && !grant.room_create && !grant.room_list);
    assert_eq!(grant.room.unwrap().as_str(), "standup");
    assert_eq!(grant.permission, Permission::default());
    assert_eq!(grant.kind, ParticipantKind::Standard);
    let silent = claims(json!({ "video": { "canPublish": false } })).grant.permission;
    assert!(!silent.can_publish && !silent.can_publish_data && silent.can_subscribe);
    let data = claims(json!({ "video": { "canPublish": false, "canPublishData": true } }));
    assert!(data.grant.permission.can_publish_data);
    assert!(!claims(json!({})).grant.room_join, "no video claim, no rights");
}

#[test]
fn every_claim_finds_its_place() {
    let all = claims(json!({
        "name": "Ada", "metadata": "m", "attributes": { "k": "v" }, "kind": "agent", "sha256": "x",
        "video": {
            "roomCreate": true, "roomList": true, "roomRecord": true, "roomAdmin": true, "roomJoin": true,
            "room": "r", "destinationRoom": "d", "canPublish": true, "canSubscribe": false,
            "canPublishData": false, "canPublishSources": ["camera", "screen_share"],
            "canUpdateOwnMetadata": true, "hidden": true, "recorder": true,
        },
        "roomConfig": { "emptyTimeout": 7, "maxParticipants": 3, "metadata": "rm", "egress": {} },
    }));
    assert_eq!(all.identity.as_ref().unwrap().as_str(), "ada");
    assert_eq!((all.key.as_str(), all.sha256.as_deref()), ("devkey", Some("x")));
    let Permission {
        can_subscribe, can_publish_data, hidden, recorder, can_update_metadata, ..
    } = all.grant.permission.clone();
    assert_eq!(
        (can_subscribe, can_publish_data, hidden, recorder, can_update_metadata),
        (false, false, true, true, true)
    );
    assert_eq!(all.grant.permission.publish_sources, [Source::Camera, Source::ScreenShare].into());
    assert_eq!(all.grant.attributes, BTreeMap::from([("k".to_owned(), "v".to_owned())]));
    assert_eq!(all.grant.kind, ParticipantKind::Agent);
    let settings = all.room_settings(&RoomSettings::default()).unwrap();
    assert_eq!(settings.empty_timeout.as_secs(), 7);
    assert_eq!(settings.departure_timeout.as_secs(), 20);
    assert_eq!((settings.participants_max, settings.metadata.as_str()), (3, "rm"));
    assert_eq!(claims(json!({})).room_settings(&RoomSettings::default()), None);
}

#[test]
fn a_source_with_a_strange_name_does_not_open_all_sources() {
    let permission =
        claims(json!({ "video": { "canPublishSources": ["hologram"] } })).grant.permission;
    assert!(!permission.allows_source(Source::Camera));
}

#[test]
fn the_identity_is_the_subject_or_else_the_token_id() {
    assert_eq!(claims(json!({ "sub": "", "jti": "bob" })).identity.unwrap().as_str(), "bob");
    assert_eq!(claims(json!({ "sub": "" })).identity, None);
}

#[test]
fn a_refreshed_token_carries_the_rights_of_now_and_everything_it_does_not_know() {
    let before = claims(json!({
        "nbf": NOW_S, "sip": { "admin": true },
        "video": { "roomJoin": true, "room": "r", "canPublish": true, "canManageAgentSession": true },
    }));
    let permission = Permission { can_publish: false, ..Permission::default() };
    let fresh = before.token.refreshed(&permission, NOW_S + 600);
    let fresh = keys().sign(Some(&before.key), &fresh).unwrap();
    let after = keys().verify(&fresh, NOW_S).unwrap();
    assert_eq!(after.grant.permission, permission);
    assert_eq!((after.grant.room, after.identity), (before.grant.room, before.identity));
    assert_eq!(after.token.other["sip"], json!({ "admin": true }));
    assert_eq!(after.token.video.unwrap().other["canManageAgentSession"], json!(true));
}

#[test]
fn signing_needs_a_key_that_exists() {
    let token = Token::join("ada", "r", NOW_S);
    assert_eq!(keys().sign(Some("nobody"), &token), Err(SignError::UnknownKey));
    assert_eq!(Keys::default().sign(None, &token), Err(SignError::UnknownKey));
    assert!(keys().sign(None, &token).is_ok());
}

#[test]
fn secrets_are_not_in_debug_text() {
    assert!(!format!("{:?}", keys()).contains("secret"));
}

proptest! {
    #[test]
    fn any_text_is_refused_without_panic(text in "[a-zA-Z0-9._-]{0,200}") {
        prop_assert!(keys().verify(&text, NOW_S).is_err());
    }

    #[test]
    fn any_claims_are_read_or_refused_without_panic(video in "\\PC{0,40}", exp in any::<f64>()) {
        let _ = keys().verify(&token(json!({ "video": video, "exp": exp })), NOW_S);
    }
}

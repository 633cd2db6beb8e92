use serde_json::Value;

use super::{Kind, ROUTES, check_names, document, kind, words};
use crate::im::wire::pb;

#[test]
fn the_document_is_openapi_and_names_only_what_it_defines() {
    let document = document();
    let text = document.to_string();
    let read: utoipa::openapi::OpenApi = serde_json::from_str(&text).unwrap();
    assert!(read.paths.paths.len() > 40);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut left = text.as_str();
    while let Some((_, rest)) = left.split_once("#/components/schemas/") {
        let name = rest.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is not defined");
        left = rest;
    }
}

#[test]
fn every_route_asks_with_a_frame_of_the_schema() {
    for route in ROUTES {
        let frame = format!(r#"{{"{}":{{}}}}"#, route.frame);
        let frame: pb::ClientFrame = serde_json::from_str(&frame).unwrap();
        assert!(frame.body.is_some(), "{} is no frame", route.frame);
        let names = route.path.split('/').filter_map(|part| part.strip_prefix('{'));
        for name in names.map(|name| name.trim_end_matches('}')) {
            assert!(kind(route.request, name).is_some(), "{}: {name}", route.path);
        }
        let fixed = route.fixed;
        assert!(fixed.is_empty() || kind(route.request, fixed) == Some(Kind::Flag), "{fixed}");
    }
}

#[test]
fn fields_are_written_as_their_type_asks() {
    assert_eq!(kind("Pull", "down"), Some(Kind::Flag));
    assert_eq!(kind("Pull", "from"), Some(Kind::Text));
    assert_eq!(kind("ProfileGet", "users"), Some(Kind::List));
    assert_eq!(kind("Send", "content"), None);
    assert_eq!(kind("Pull", "nothing"), None);
    assert_eq!(words("FriendRequestList"), "Friend request list");
}

#[test]
fn numbers_of_64_bits_are_strings_as_proto3_json_writes_them() {
    let schemas = &document()["components"]["schemas"];
    assert_eq!(schemas["Message"]["properties"]["seq"]["type"], Value::from("string"));
    assert_eq!(schemas["Message"]["properties"]["cmid"]["contentEncoding"], Value::from("base64"));
    let reactions = &schemas["Message"]["properties"]["reactions"];
    assert_eq!(reactions["additionalProperties"]["type"], Value::from("integer"));
}

#[test]
fn a_name_that_no_enumeration_has_is_a_slip_of_the_pen() {
    let sign_up = |text: &str| check_names("SignUp", &serde_json::from_str(text).unwrap()).is_ok();
    assert!(sign_up(r#"{"user":"ada","rules":{"friends":"FRIEND_RULE_NOBODY"},"unknown":["x"]}"#));
    assert!(!sign_up(r#"{"rules":{"friends":"FRIEND_RULE_EVERYBODY"}}"#));
    assert!(!sign_up(r#"{"profile":{"custom":{"a":{"visibility":"public"}}}}"#));
    let import = serde_json::json!({ "accounts": [{}, { "rules": { "messages": "ALL" } }] });
    assert!(check_names("Import", &import).is_err());
}

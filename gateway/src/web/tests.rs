use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::page::has_hash;
use crate::{
    auth::Claims,
    node::Answer,
    testing::{self, NOW_S, Served},
};

fn answering() -> impl Fn(&crate::node::Call) -> Result<Answer, crate::node::Refusal> {
    |_| Ok(Answer::Rooms(Vec::new()))
}

async fn token(served: &Served, body: &Value) -> reqwest::Response {
    let request = Client::new().post(format!("{}/v1/token", served.url));
    request.header("origin", "https://meet.example").body(body.to_string()).send().await.unwrap()
}

#[tokio::test]
async fn the_front_page_is_good_for_get_and_head() {
    let served = testing::serve(testing::config()).await;
    for method in [Method::GET, Method::HEAD] {
        let response = Client::new().request(method.clone(), &served.url).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-cache");
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(headers["permissions-policy"].to_str().unwrap().contains("camera=(self)"));
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("connect-src 'self' ws: wss:"), "{policy}");
        let empty = response.bytes().await.unwrap().is_empty();
        assert_eq!(empty, method == Method::HEAD);
    }
}

#[tokio::test]
async fn a_page_that_is_known_already_is_not_sent_again() {
    let served = testing::serve(testing::config()).await;
    let get = || Client::new().get(format!("{}/index.html", served.url));
    let first = get().send().await.unwrap();
    // A program built before its pages has none to test with.
    let Some(tag) = first.headers().get("etag").cloned() else {
        assert_eq!(first.status(), 404);
        return;
    };
    assert_eq!(first.headers()["content-type"], "text/html; charset=utf-8");
    let again = get().header("if-none-match", &tag).send().await.unwrap();
    assert_eq!((again.status().as_u16(), &again.headers()["etag"]), (304, &tag));
    let other = get().header("if-none-match", "\"other\"").send().await.unwrap();
    assert_eq!(other.status(), 200);
}

#[tokio::test]
async fn paths_that_name_nothing_are_not_found() {
    let served = testing::serve(testing::config()).await;
    let paths = [
        "/nothing",
        "/settings/regions",
        "/..%2fpackage.json",
        "/%2e%2e/build.mjs",
        "/.git",
        "//etc/passwd",
    ];
    for path in paths {
        let response = Client::new().get(format!("{}{path}", served.url)).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}

#[test]
fn only_names_with_a_hash_may_be_kept_forever() {
    let table = [
        ("assets/page-3KZ2WXYZ.js", true),
        ("assets/page-3KZ2WXYZ.js.map", true),
        ("page.js", false),
        ("page-short.js", false),
        ("page-lowercas.js", false),
        ("3KZ2WXYZ", false),
        ("index.html", false),
    ];
    for (path, hashed) in table {
        assert_eq!(has_hash(path), hashed, "{path}");
    }
}

#[tokio::test]
async fn health_and_readiness_are_told_apart() {
    let served = testing::serve(testing::config()).await;
    let get = |path: &str| Client::new().get(format!("{}{path}", served.url)).send();
    testing::answer_calls(served.requests, answering());
    assert_eq!(get("/healthz").await.unwrap().text().await.unwrap(), "ok");
    assert_eq!(get("/readyz").await.unwrap().status(), 200);
    served.gateway.begin_drain();
    let draining = get("/readyz").await.unwrap();
    assert_eq!(
        (draining.status().as_u16(), &draining.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert_eq!(get("/healthz").await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_node_that_is_gone_is_not_ready() {
    let served = testing::serve(testing::config()).await;
    drop(served.requests);
    let response = Client::new().get(format!("{}/readyz", served.url)).send().await.unwrap();
    assert_eq!(response.status(), 503);
}

#[tokio::test]
async fn tokens_are_handed_out_in_dev_only() {
    let wish = json!({"room": "standup", "identity": "ada", "name": "Ada"});
    let closed = testing::serve(testing::config()).await;
    assert_eq!(token(&closed, &wish).await.status(), 404);

    let mut config = testing::config();
    config.dev = true;
    let open = testing::serve(config).await;
    let response = token(&open, &wish).await;
    assert_eq!(response.status(), 200);
    let ticket: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    let host = open.url.trim_start_matches("http://");
    assert_eq!(ticket["url"], format!("wss://{host}"), "the page came over https");
    let signed = ticket["token"].as_str().unwrap();
    let Claims { identity, grant, .. } = testing::keys().verify(signed, NOW_S).unwrap();
    assert_eq!(identity.unwrap().as_str(), "ada");
    assert_eq!(grant.name, "Ada");
    assert_eq!(grant.room.unwrap().as_str(), "standup");
    assert!(grant.room_join && !grant.room_admin && !grant.room_create && !grant.room_list);
    assert!(grant.permission.can_update_metadata);
}

#[tokio::test]
async fn the_console_gets_a_token_in_dev_only_and_nobody_may_frame_it() {
    let wish = json!({"console": true});
    let closed = testing::serve(testing::config()).await;
    assert_eq!(token(&closed, &wish).await.status(), 404);
    let page = Client::new().get(format!("{}/console", closed.url)).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");

    let mut config = testing::config();
    config.dev = true;
    let open = testing::serve(config).await;
    let response = token(&open, &wish).await;
    let ticket: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    let signed = ticket["token"].as_str().unwrap();
    let Claims { identity, grant, token, .. } = testing::keys().verify(signed, NOW_S).unwrap();
    assert!(identity.is_none() && grant.room.is_none());
    assert!(grant.room_admin && grant.room_create && grant.room_list && !grant.room_join);
    assert_eq!(token.other["nodeAdmin"], true);
    assert_eq!(token.other["imAdmin"], true);
}

#[tokio::test]
async fn wishes_that_cannot_be_granted_are_refused() {
    let mut config = testing::config();
    config.dev = true;
    let served = testing::serve(config).await;
    let table = [
        (json!("x"), "MalformedRequest"),
        (json!({"room": "", "identity": "ada"}), "MalformedRequest"),
        (json!({"room": "a", "identity": ""}), "IdentityMissing"),
        (json!({"room": "a".repeat(257), "identity": "ada"}), "NameTooLong"),
    ];
    for (wish, name) in table {
        let response = token(&served, &wish).await;
        assert_eq!(response.status(), 400, "{wish}");
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(body["name"], name);
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_send_tokens() {
    let served = testing::serve(testing::config()).await;
    let request = Client::new().request(Method::OPTIONS, format!("{}/whip/a", served.url));
    let request = request
        .header("origin", "https://elsewhere.example")
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization,content-type,if-match");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    // `*` would not cover `Authorization`.
    let allowed = headers["access-control-allow-headers"].to_str().unwrap();
    assert_eq!(allowed, "authorization,content-type,if-match");
    assert_eq!(headers["access-control-allow-methods"], "*");
}

use std::sync::Arc;

use proto::{
    im::{
        Account, Answer, Ask, Credential, Reject, Reply,
        account::AccountState,
        command::{AccountAction, Action, Actor},
        query::Page,
    },
    time::LogTime,
};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::script::{Script, World, token};

struct Caller {
    client: Client,
    base: String,
    token: String,
}

impl Caller {
    fn new(world: &World, token: String) -> Self {
        Self { client: Client::new(), base: format!("http://{}", world.address), token }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        request.send().await.unwrap()
    }

    async fn json(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let response = self.call(method, path, body).await;
        let status = response.status();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }
}

/// An account `ada` whose password is what was set last.
fn accounts() -> Script {
    let stored = Arc::new(std::sync::Mutex::new(None::<Credential>));
    let credential = Arc::clone(&stored);
    Script {
        answer: Arc::new(move |command| {
            let Action::Account { action, .. } = &command.action else { return None };
            Some(match action {
                AccountAction::Create { credential, .. } => {
                    *stored.lock().unwrap() = Some(credential.clone());
                    Ok(Reply::Done)
                }
                AccountAction::Login(login) => {
                    Ok(Reply::LoggedIn { session: login.session, epoch: 1 })
                }
                AccountAction::Refresh { presented, next, .. } if presented != next => {
                    Ok(Reply::Refreshed { epoch: 1 })
                }
                _ => Ok(Reply::Done),
            })
        }),
        tell: Arc::new(move |query| match &query.ask {
            Ask::Credential(user) => {
                let known = credential.lock().unwrap().clone().filter(|_| user.as_str() == "ada");
                Some(match known {
                    Some(known) => Ok(Box::new(Answer::Credential(known, AccountState::Active, 1))),
                    None => Err(Reject::AccountNotFound { user: user.clone() }.into()),
                })
            }
            Ask::Account(_) => {
                let account = Account { created_at: LogTime(5), ..Account::default() };
                Some(Ok(Box::new(Answer::Account(account))))
            }
            Ask::Friends(..) => {
                let page = Page { rows: Vec::new(), more: false };
                Some(Ok(Box::new(Answer::Friends(page))))
            }
            _ => None,
        }),
        ..Script::default()
    }
}

#[tokio::test]
async fn a_person_signs_up_logs_in_and_changes_its_tokens() {
    let world = World::start(accounts()).await;
    let anybody = Caller::new(&world, String::new());
    let sign_up =
        json!({ "user": "ada", "password": "correct horse", "profile": { "name": "Ada" } });
    let (status, account) = anybody.json(Method::POST, "/v1/accounts", Some(sign_up)).await;
    assert_eq!(
        (status, &account["user"], &account["createdAt"]),
        (StatusCode::OK, &json!("ada"), &json!("5"))
    );
    let text = format!("{:?}", world.changes());
    assert!(!text.contains("correct horse") && !text.contains("argon2"), "{text}");

    let log_in = |user: &str, password: &str| {
        Some(
            json!({ "user": user, "password": password, "device": "laptop", "platform": "PLATFORM_LINUX" }),
        )
    };
    let right = log_in("ada", "correct horse");
    let (status, tokens) = anybody.json(Method::POST, "/v1/sessions", right).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    for wrong in [log_in("ada", "wrong horse"), log_in("bob", "correct horse")] {
        let (status, problem) = anybody.json(Method::POST, "/v1/sessions", wrong).await;
        assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!(3040)));
    }

    let refresh = json!({ "refreshToken": tokens["refreshToken"] });
    let (status, next) = anybody.json(Method::POST, "/v1/sessions/refresh", Some(refresh)).await;
    assert_eq!(status, StatusCode::OK, "{next}");
    assert_ne!(next["refreshToken"], tokens["refreshToken"]);
    let nonsense = Some(json!({ "refreshToken": "x" }));
    let (status, _) = anybody.json(Method::POST, "/v1/sessions/refresh", nonsense).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    world.changes();
    let access = next["accessToken"].as_str().unwrap().to_owned();
    let ada = Caller::new(&world, access);
    let (status, done) = ada.json(Method::DELETE, "/v1/sessions/current", None).await;
    assert_eq!((status, done), (StatusCode::OK, json!({})));
    let command = world.changes().pop().unwrap();
    assert!(matches!(command.actor, Actor::User { epoch: Some(1), session: Some(_), .. }));
    assert!(matches!(command.action, Action::Account { action: AccountAction::Logout { .. }, .. }));
}

#[tokio::test]
async fn passwords_are_tried_only_so_often() {
    let mut script = accounts();
    script.config.limits.rest.logins_per_minute = 2;
    let world = World::start(script).await;
    let anybody = Caller::new(&world, String::new());
    let attempt = || Some(json!({ "user": "ada", "password": "guess guess", "device": "d" }));
    for _ in 0..2 {
        let (status, _) = anybody.json(Method::POST, "/v1/sessions", attempt()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let response = anybody.call(Method::POST, "/v1/sessions", attempt()).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(response.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn sign_up_can_be_closed_and_back_ends_still_make_accounts() {
    let mut script = accounts();
    script.config.sign_up = false;
    let world = World::start(script).await;
    let sign_up = || Some(json!({ "user": "ada", "password": "correct horse" }));
    let anybody = Caller::new(&world, String::new());
    let (status, problem) = anybody.json(Method::POST, "/v1/accounts", sign_up()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!(3041)));
    let backend = Caller::new(&world, token("", "imAdmin"));
    let (status, _) = backend.json(Method::POST, "/v1/accounts", sign_up()).await;
    assert_eq!(status, StatusCode::OK);
    let user = Caller::new(&world, token("ada", "im"));
    for list in ["/v1/accounts", "/v1/groups"] {
        let (status, problem) = user.json(Method::GET, list, None).await;
        assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!(1006)), "{list}");
    }
}

#[tokio::test]
async fn a_route_asks_what_the_frame_asks() {
    let world = World::start(accounts()).await;
    let ada = Caller::new(&world, token("ada", "im"));
    let path = "/v1/conversations/c:ada:bob/messages";
    let message = json!({ "content": { "text": { "text": "hello" } } });
    let (status, sent) = ada.json(Method::POST, path, Some(message)).await;
    assert_eq!((status, &sent["seq"]), (StatusCode::OK, &json!("1")), "{sent}");
    let (status, friends) = ada.json(Method::GET, "/v1/friends?limit=3", None).await;
    assert_eq!((status, friends), (StatusCode::OK, json!({})));
    let (_, done) = ada.json(Method::DELETE, "/v1/blocks/bob", None).await;
    assert_eq!(done, json!({}));
    let command = world.changes().pop().unwrap();
    assert!(format!("{:?}", command.action).contains("Unblock"), "{command:?}");

    let backend = Caller::new(&world, token("", "imAdmin"));
    let (status, problem) = backend.json(Method::GET, "/v1/friends", None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!(1010)));
    let (status, _) = backend.json(Method::GET, "/v1/friends?as=ada", None).await;
    assert_eq!(status, StatusCode::OK);
    let (_, done) = backend.json(Method::DELETE, "/v1/groups/team", None).await;
    assert_eq!(done, json!({}));
    let command = world.changes().pop().unwrap();
    assert_eq!(command.actor, Actor::Backend { user: None });
}

#[tokio::test]
async fn what_is_wrong_is_a_problem_with_a_code() {
    let world = World::start(accounts()).await;
    let anybody = Caller::new(&world, String::new());
    let (status, problem) = anybody.json(Method::GET, "/v1/friends", None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!(1001)));
    assert!(problem["request_id"].as_str().unwrap().starts_with("rq_"));
    let ada = Caller::new(&world, token("ada", "im"));
    for (path, body) in [
        ("/v1/messages", json!([1])),
        ("/v1/messages", json!({ "content": 1 })),
        ("/v1/messages", json!({ "user": "bob", "content": {} })),
        ("/v1/friends/requests", json!({ "user": "a b" })),
    ] {
        let (status, problem) = ada.json(Method::POST, path, Some(body)).await;
        assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!(1010)), "{path}");
    }
}

#[tokio::test]
async fn an_idempotency_key_makes_repeating_harmless() {
    let world = World::start(accounts()).await;
    let ada = Caller::new(&world, token("ada", "im"));
    let send = async |key: &str, text: &str| {
        let url = format!("{}/v1/messages", ada.base);
        let body = json!({ "user": "bob", "content": { "text": { "text": text } } });
        let request = ada.client.post(url).bearer_auth(&ada.token).header("idempotency-key", key);
        let response = request.body(body.to_string()).send().await.unwrap();
        (response.status(), serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap())
    };
    let first = send("one", "hello").await;
    assert_eq!(send("one", "hello").await, first);
    let (status, problem) = send("one", "other").await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!(1015)));
    let (_, second) = send("two", "hello").await;
    assert_eq!(second["seq"], json!("2"));
    assert_eq!(world.changes().len(), 2);
}

#[tokio::test]
async fn the_document_is_served() {
    let world = World::start(accounts()).await;
    let anybody = Caller::new(&world, String::new());
    let (status, document) = anybody.json(Method::GET, "/v1/openapi.json", None).await;
    assert_eq!((status, &document["openapi"]), (StatusCode::OK, &json!("3.1.0")));
    assert!(document["paths"]["/v1/groups/{group}/members"]["post"].is_object());
}

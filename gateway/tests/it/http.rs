use std::{io::Write as _, time::Duration};

use gateway::{
    Config,
    auth::{Keys, Token, VideoGrant},
    limit::Limits,
    node::{Refusal, Request},
};
use proto::error::{ErrorCode, Retry};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::{Client, Refused},
    node::{NOW_S, Node, PATIENCE, config, keys, token},
};

/// One request by hand: status, headers and body as text.
async fn get(address: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let mut request = Vec::new();
    write!(
        request,
        "GET {path} HTTP/1.1\r\nHost: x\r\nOrigin: http://page\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    socket.write_all(&request).await.unwrap();
    let mut response = String::new();
    timeout(PATIENCE, socket.read_to_string(&mut response)).await.unwrap().unwrap();
    response
}

async fn refused(node: &Node, path: &str) -> Refused {
    match Client::connect(&node.address, path).await {
        Ok(_) => panic!("let in"),
        Err(refused) => refused,
    }
}

#[tokio::test]
async fn plain_requests_without_upgrade_find_nothing() {
    let node = Node::start(config()).await;
    for path in ["/rtc", "/rtc/v1", "//rtc"] {
        let response = get(&node.address, path).await;
        assert!(response.starts_with("HTTP/1.1 404"), "{response}");
        assert!(response.contains("access-control-allow-origin: *"), "{response}");
    }
}

#[tokio::test]
async fn tokens_that_are_not_accepted_are_told_apart_before_the_upgrade() {
    let node = Node::start(config()).await;
    let strangers: Keys = [("other", "secret")].into_iter().collect();
    let forgers: Keys = [("devkey", "guess")].into_iter().collect();
    let good = Token::join("ada", "standup", NOW_S + 600);
    let nobody = Token { sub: String::new(), ..good.clone() };
    let nowhere = Token::join("ada", "", NOW_S + 600);
    let long = Token::join(&"x".repeat(257), "standup", NOW_S + 600);
    let stale = Token::join("ada", "standup", NOW_S - 61);
    let no_join = Token { video: None, ..good.clone() };
    let sign = |token: &Token| keys().sign(None, token).unwrap();
    let table = [
        (String::new(), 401, "TokenMissing"),
        ("nonsense".to_owned(), 401, "TokenMalformed"),
        (strangers.sign(None, &good).unwrap(), 401, "TokenUnknownKey"),
        (forgers.sign(None, &good).unwrap(), 401, "TokenForged"),
        (sign(&stale), 401, "TokenExpired"),
        (sign(&no_join), 401, "GrantMissing"),
        (sign(&nobody), 400, "IdentityMissing"),
        (sign(&nowhere), 400, "MalformedRequest"),
        (sign(&long), 400, "NameTooLong"),
    ];
    for (token, status, name) in table {
        let Refused(found, text) = refused(&node, &format!("/rtc?access_token={token}")).await;
        assert_eq!(found, status, "{name}: {text}");
        let text = get(&node.address, &format!("/rtc/validate?access_token={token}")).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")) && text.contains(name), "{text}");
        assert!(text.contains("access-control-allow-origin: *"), "{text}");
    }
}

#[tokio::test]
async fn a_join_request_that_is_missing_or_unreadable_is_a_bad_request() {
    let node = Node::start(config()).await;
    for query in ["", "&join_request=", "&join_request=%21", "&join_request=AAAA"] {
        let path = format!("/rtc/v1?access_token={}{query}", token("ada"));
        assert_eq!(refused(&node, &path).await.0, 400, "{query}");
    }
}

#[tokio::test]
async fn validation_asks_the_node_and_says_success() {
    let mut node = Node::start(config()).await;
    let path = format!("/rtc/validate?access_token={}", token("ada"));
    let address = node.address.clone();
    let (response, ()) = tokio::join!(get(&address, &path), async {
        let Request::Validate { room, reply } = node.next().await else { panic!() };
        assert_eq!(room.as_str(), "standup");
        reply.send(Ok(())).unwrap();
    });
    assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("success"), "{response}");
}

#[tokio::test]
async fn the_nodes_refusal_decides_the_status() {
    let mut node = Node::start(config()).await;
    let table = [
        (ErrorCode::RoomNotFound, 404, "requested room does not exist"),
        (ErrorCode::NodeOverloaded, 503, "NodeOverloaded"),
        (ErrorCode::RoomFull, 403, "RoomFull"),
        (ErrorCode::Internal, 500, "Internal"),
    ];
    for (code, status, text) in table {
        let refusal = Refusal { code, message: "no".to_owned(), retry: Retry::Never };
        let path = format!("/rtc?access_token={}", token("ada"));
        let address = node.address.clone();
        let (client, ()) = tokio::join!(Client::connect(&address, &path), node.refuse(refusal));
        let Err(Refused(found, body)) = client else { panic!("let in") };
        assert_eq!(found, status);
        assert!(body.is_empty() || body.contains(text), "{body}");
    }
}

#[tokio::test]
async fn a_draining_node_lets_nobody_new_in() {
    let node = Node::start(config()).await;
    node.gateway.begin_drain();
    let path = format!("?access_token={}", token("ada"));
    assert_eq!(refused(&node, &format!("/rtc{path}")).await.0, 503);
    let response = get(&node.address, &format!("/rtc/validate{path}")).await;
    assert!(
        response.starts_with("HTTP/1.1 503") && response.contains("NodeDraining"),
        "{response}"
    );
}

#[tokio::test]
async fn joins_beyond_the_limit_of_an_address_are_told_to_wait() {
    let limits = Limits { joins_burst: 1, joins_per_second: 1, ..Limits::default() };
    let node = Node::start(Config { limits, ..config() }).await;
    assert_eq!(refused(&node, "/rtc?access_token=x").await.0, 401);
    let response = get(&node.address, "/rtc/validate?access_token=x").await;
    assert!(
        response.starts_with("HTTP/1.1 429") && response.contains("retry-after: 1"),
        "{response}"
    );
}

#[tokio::test]
async fn chosen_browsers_are_sent_to_two_connections() {
    let config = Config { dual_pc_agents: vec![String::new()], ..config() };
    let node = Node::start(config).await;
    let path = format!("/rtc/v1/validate?access_token={}&join_request=AAAA", token("ada"));
    let response = get(&node.address, &path).await;
    assert!(response.starts_with("HTTP/1.1 404"), "{response}");
    assert!(!response.contains("requested room does not exist"), "{response}");
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_given_up() {
    let limits = Limits { answer_after_max: Duration::from_millis(20), ..Limits::default() };
    let node = Node::start(Config { limits, ..config() }).await;
    let path = format!("/rtc/validate?access_token={}", token("ada"));
    let response = get(&node.address, &path).await;
    assert!(response.starts_with("HTTP/1.1 503"), "{response}");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_room_is_made_again() {
    let limits = Limits { connections_max: 1, ..Limits::default() };
    let node = Node::start(Config { limits, ..config() }).await;
    let mut first = TcpStream::connect(&node.address).await.unwrap();
    first.write_all(b"GET /rtc HTTP/1.1\r\n").await.unwrap();
    let mut second = TcpStream::connect(&node.address).await.unwrap();
    let mut nothing = String::new();
    let read = timeout(PATIENCE, second.read_to_string(&mut nothing)).await.unwrap();
    assert!(read.is_err() || nothing.is_empty());
    first.write_all(b"Host: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut response = String::new();
    timeout(PATIENCE, first.read_to_string(&mut response)).await.unwrap().unwrap();
    assert!(response.starts_with("HTTP/1.1 404"), "{response}");
}

#[tokio::test]
async fn a_request_whose_head_never_ends_is_cut_off() {
    let limits = Limits { request_after_max: Duration::from_millis(50), ..Limits::default() };
    let node = Node::start(Config { limits, ..config() }).await;
    let mut socket = TcpStream::connect(&node.address).await.unwrap();
    socket.write_all(b"GET /rtc HTTP/1.1\r\nHost:").await.unwrap();
    let mut response = String::new();
    let _ = timeout(PATIENCE, socket.read_to_string(&mut response)).await.unwrap();
    assert!(!response.contains("200"), "{response}");
}

#[tokio::test]
async fn a_request_whose_body_never_comes_is_given_up() {
    let limits = Limits { request_after_max: Duration::from_millis(50), ..Limits::default() };
    let node = Node::start(Config { limits, ..config() }).await;
    let mut socket = TcpStream::connect(&node.address).await.unwrap();
    let video = VideoGrant { room_list: Some(true), ..VideoGrant::default() };
    let token = Token { exp: Some(NOW_S + 600), video: Some(video), ..Token::default() };
    let token = keys().sign(None, &token).unwrap();
    let head = format!(
        "POST /twirp/livekit.RoomService/ListRooms HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{{"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut response = String::new();
    let _ = timeout(PATIENCE, socket.read_to_string(&mut response)).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 503"), "{response}");
    assert!(response.contains("\"request_id\":\"rq_"), "{response}");
}

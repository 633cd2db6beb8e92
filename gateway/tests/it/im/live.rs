use gateway::{
    auth::{Keys, Token},
    im::wire::pb::{self, client_frame, server_frame::Body},
};

use super::script::{Client, NOW_S, Script, World};

/// A token for a call, as a back end signs it.
fn call(room: &str, identity: &str, may_speak: bool) -> String {
    let mut token = Token::join(identity, room, NOW_S + 600);
    token.name = Some("A Name".to_owned());
    if let Some(video) = &mut token.video {
        video.can_publish_data = Some(may_speak);
    }
    let keys: Keys = [("devkey", "secret")].into_iter().collect();
    keys.sign(None, &token).unwrap()
}

async fn connect(client: &mut Client, token: String) {
    let connect = pb::Connect { token, ..pb::Connect::default() };
    client.say(1, client_frame::Body::Connect(connect)).await;
}

async fn guest(world: &World, room: &str, identity: &str, may_speak: bool) -> Client {
    let mut client = Client::open(world, "stoa.im.v1.pb").await;
    connect(&mut client, call(room, identity, may_speak)).await;
    let Body::Connected(connected) = client.answer(1).await else { panic!("not let in") };
    assert_eq!(connected.user, identity);
    client
}

fn join(room: &str) -> client_frame::Body {
    client_frame::Body::LiveJoin(pb::LiveJoin { room: room.to_owned() })
}

fn send(room: &str) -> client_frame::Body {
    let kind = pb::content::Kind::Text(pb::Text { text: "hi".to_owned() });
    let content = Some(pb::Content { kind: Some(kind) });
    client_frame::Body::LiveSend(pb::LiveSend { room: room.to_owned(), content, priority: 0 })
}

fn refusal(body: &Body) -> &str {
    match body {
        Body::Error(error) => &error.name,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_token_of_a_call_opens_its_live_room_and_nothing_else() {
    let world = World::start(Script::default()).await;
    let room = "Ünser Anruf #1";
    let mut ada = guest(&world, room, "Ada L.", true).await;
    let mut bob = guest(&world, room, "bob", false).await;
    for client in [&mut ada, &mut bob] {
        assert!(matches!(client.ask(2, join(room)).await, Body::LiveJoined(_)));
    }
    assert_eq!(refusal(&bob.ask(3, send(room)).await), "GrantMissing");
    assert!(matches!(ada.ask(3, send(room)).await, Body::LiveSent(_)));
    loop {
        if let Some(Body::Live(batch)) = bob.next().await.unwrap().body
            && let Some(message) = batch.messages.first()
        {
            let from = (message.sender.as_str(), message.name.as_str(), message.guest);
            assert_eq!(from, ("Ada L.", "A Name", true));
            break;
        }
    }
    assert_eq!(refusal(&ada.ask(4, join("another")).await), "WrongRoom");
    let ask = client_frame::Body::AccountGet(pb::AccountGet::default());
    assert_eq!(refusal(&ada.ask(5, ask).await), "GrantMissing");
    let renew = |token| client_frame::Body::Renew(pb::Renew { token });
    let same = call(room, "Ada L.", true);
    assert!(matches!(ada.ask(6, renew(same)).await, Body::Done(_)));
    let other = call(room, "bob", true);
    assert_eq!(refusal(&ada.ask(7, renew(other)).await), "MalformedRequest");
    assert!(
        world
            .changes()
            .iter()
            .all(|command| { matches!(command.action, proto::im::Action::Live { .. }) })
    );
}

#[tokio::test]
async fn calls_without_live_rooms_let_nobody_in() {
    let mut script = Script::default();
    script.config.live_in_calls = false;
    let world = World::start(script).await;
    let mut client = Client::open(&world, "stoa.im.v1.json").await;
    connect(&mut client, call("room", "ada", true)).await;
    assert_eq!(client.closed().await, 4403);
}

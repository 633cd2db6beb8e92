use std::{sync::Arc, time::Duration};

use futures_util::SinkExt as _;
use gateway::im::{
    port::{Notice, Refused},
    wire::pb::{self, client_frame, server_frame::Body},
};
use proto::im::{
    Event, Reject,
    account::AccountState,
    command::{Action, Actor},
    conversation::Entity,
    event::SessionEnd,
    id::{SessionId, UserSeq},
};
use tokio_tungstenite::{connect_async, tungstenite};

use super::script::{Client, Script, World, message, text, token};

#[tokio::test]
async fn a_message_is_answered_and_reaches_everybody_in_both_codecs() {
    let world = World::start(Script::default()).await;
    let mut ada = world.enter("ada", "phone").await;
    let mut bob = Client::open(&world, "stoa.im.v1.json").await;
    let connected = bob.connect("bob", "browser", None).await;
    assert_eq!((connected.user.as_str(), connected.limits.unwrap().batch_frames), ("bob", 64));
    let Body::Sent(sent) = ada.ask(5, text("g:team", "hello")).await else { panic!("not sent") };
    assert_eq!((sent.conversation.as_str(), sent.seq, sent.duplicate), ("g:team", 1, false));
    let frame = bob.next().await.unwrap();
    assert_eq!((frame.rid, frame.push), (0, 1));
    let Some(Body::Message(push)) = frame.body else { panic!("{frame:?}") };
    let kind = push.message.unwrap().content.unwrap().kind.unwrap();
    assert_eq!(kind, pb::content::Kind::Text(pb::Text { text: "hello".to_owned() }));
    let command = world.changes().pop().unwrap();
    assert!(matches!(command.actor, Actor::User { user, .. } if user.as_str() == "ada"));
    assert!(matches!(command.action, Action::Send(send) if send.key.0 == [7; 16]));
}

#[tokio::test]
async fn requests_of_one_client_keep_their_order() {
    let mut script = Script::default();
    script.config.limits.sends_burst = 1_000;
    script.config.limits.frames_burst = 1_000;
    let world = World::start(script).await;
    let mut ada = world.enter("ada", "phone").await;
    for rid in 10..110 {
        ada.say(rid, text("c:ada:bob", &rid.to_string())).await;
    }
    for rid in 10..110 {
        let Body::Sent(sent) = ada.answer(rid).await else { panic!("not sent") };
        assert_eq!(sent.seq, u64::from(rid) - 9);
    }
}

#[tokio::test]
async fn a_batch_is_answered_one_by_one() {
    let world = World::start(Script::default()).await;
    let mut ada = world.enter("ada", "phone").await;
    let ping = |rid| pb::ClientFrame { rid, body: Some(client_frame::Body::Ping(pb::Ping {})) };
    let batch = |frames| client_frame::Body::Batch(pb::ClientBatch { frames });
    ada.say(0, batch(vec![ping(2), ping(3)])).await;
    assert_eq!(ada.answer(2).await, Body::Done(pb::Done {}));
    assert_eq!(ada.answer(3).await, Body::Done(pb::Done {}));
    ada.say(4, batch((0..65).map(ping).collect())).await;
    assert!(matches!(ada.answer(4).await, Body::Error(error) if error.code == 1010));
}

#[tokio::test]
async fn a_refusal_is_told_with_its_code_and_what_to_do() {
    let script = Script {
        answer: Arc::new(|command| match &command.action {
            Action::Send(send) if send.options.no_push => Some(Err(Refused::Unknown)),
            Action::Send(_) => Some(Err(Reject::Blocked.into())),
            _ => None,
        }),
        ..Script::default()
    };
    let world = World::start(script).await;
    let mut ada = world.enter("ada", "phone").await;
    let Body::Error(error) = ada.ask(2, text("c:ada:bob", "x")).await else { panic!("no error") };
    assert_eq!((error.code, error.name.as_str(), error.retry_after_ms), (3012, "Blocked", None));
    let mut unknown = text("c:ada:bob", "x");
    if let client_frame::Body::Send(send) = &mut unknown {
        send.options = Some(pb::Options { no_push: true, ..pb::Options::default() });
    }
    let Body::Error(error) = ada.ask(3, unknown).await else { panic!("no error") };
    assert!(error.unknown && error.retry_after_ms.is_some() && error.code == 5003);
    let Body::Error(error) = ada.ask(4, text("nonsense", "x")).await else { panic!("no error") };
    assert_eq!(error.code, 1010);
}

#[tokio::test]
async fn who_comes_without_a_good_token_does_not_get_in() {
    let mut script = Script::default();
    script.config.limits.connect_after_max = Duration::from_millis(50);
    let world = World::start(script).await;
    let url = format!("ws://{}/im/v1/ws?access_token=nonsense", world.address);
    let Err(tungstenite::Error::Http(response)) = connect_async(url).await else {
        panic!("let in")
    };
    assert_eq!(response.status(), 401);

    let mut silent = Client::open(&world, "stoa.im.v1.pb").await;
    assert_eq!(silent.closed().await, 4408);
    let mut forger = Client::open(&world, "stoa.im.v1.pb").await;
    let connect = pb::Connect { token: "x.y.z".to_owned(), ..pb::Connect::default() };
    forger.say(1, client_frame::Body::Connect(connect)).await;
    assert_eq!(forger.closed().await, 4401);
    let mut rude = Client::open(&world, "stoa.im.v1.json").await;
    rude.say(1, client_frame::Body::Ping(pb::Ping {})).await;
    assert_eq!(rude.closed().await, 4400);
}

#[tokio::test]
async fn a_token_in_the_query_is_good_as_well() {
    let world = World::start(Script::default()).await;
    let token = token("ada", "im");
    let url = format!("ws://{}/im/v1/ws?access_token={token}", world.address);
    let (mut socket, _) = connect_async(url).await.unwrap();
    let connect = r#"{"rid":1,"connect":{"device":"terminal"}}"#;
    socket.send(tungstenite::Message::text(connect)).await.unwrap();
    let reply = futures_util::StreamExt::next(&mut socket).await.unwrap().unwrap();
    assert!(reply.to_text().unwrap().contains("\"connected\""), "{reply}");
}

#[tokio::test]
async fn a_client_that_comes_back_is_told_what_it_missed() {
    let world = World::start(Script::default()).await;
    let mut first = world.enter("ada", "phone").await;
    let come = |seq| Event::Message {
        conversation: "g:team".parse().unwrap(),
        message: Box::new(message(seq)),
    };
    for seq in 1..=3 {
        world.tell(come(seq)).await;
        assert_eq!(first.next().await.unwrap().push, seq);
    }
    let session = first.session.clone();
    drop(first);
    world.tell(come(4)).await;

    let mut second = Client::open(&world, "stoa.im.v1.pb").await;
    let resume = pb::Resume { session: session.clone(), push: 2 };
    let connected = second.connect("ada", "phone", Some(resume)).await;
    assert!(connected.resumed);
    assert_eq!(connected.session, session);
    assert_eq!(second.next().await.unwrap().push, 3);
    assert_eq!(second.next().await.unwrap().push, 4);

    let mut stranger = Client::open(&world, "stoa.im.v1.pb").await;
    let resume = pb::Resume { session, push: 0 };
    let connected = stranger.connect("bob", "phone", Some(resume)).await;
    assert!(!connected.resumed, "somebody else's session");
}

#[tokio::test]
async fn a_new_socket_takes_the_session_from_a_dead_one() {
    let world = World::start(Script::default()).await;
    let mut first = world.enter("ada", "phone").await;
    let mut second = Client::open(&world, "stoa.im.v1.pb").await;
    let resume = pb::Resume { session: first.session.clone(), push: 0 };
    assert!(second.connect("ada", "phone", Some(resume)).await.resumed);
    assert_eq!(first.closed().await, 4409);
    assert_eq!(second.ask(2, client_frame::Body::Ping(pb::Ping {})).await, Body::Done(pb::Done {}));
    assert_eq!(world.chat.counts(), (1, 1));
}

#[tokio::test]
async fn revoked_and_disabled_accounts_lose_their_sockets_at_once() {
    let world = World::start(Script::default()).await;
    let mut ada = world.enter("ada", "phone").await;
    let mut bob = world.enter("bob", "phone").await;
    world
        .tell(Event::AccountChanged {
            user: "ada".parse().unwrap(),
            state: AccountState::Disabled,
            epoch: 2,
        })
        .await;
    world
        .tell(Event::SessionEnded {
            user: "bob".parse().unwrap(),
            device: "phone".parse().unwrap(),
            session: SessionId(1),
            reason: SessionEnd::Revoked,
        })
        .await;
    let Ok(pb::ServerFrame { body: Some(Body::Closing(closing)), .. }) = ada.next().await else {
        panic!("no reason")
    };
    assert_eq!((closing.code, closing.reason.unwrap().code), (4403, 3003));
    assert_eq!(ada.closed().await, 4403);
    // Bob's token has no log-in of ours: it is not the one that ended.
    assert_eq!(bob.ask(2, client_frame::Body::Ping(pb::Ping {})).await, Body::Done(pb::Done {}));
}

#[tokio::test]
async fn when_the_log_was_skipped_everybody_connects_again() {
    let world = World::start(Script::default()).await;
    let mut ada = world.enter("ada", "phone").await;
    world.notices.send(Notice::Skipped).await.unwrap();
    assert_eq!(ada.closed().await, 4503);
    let mut again = Client::open(&world, "stoa.im.v1.pb").await;
    let resume = pb::Resume { session: ada.session.clone(), push: 0 };
    assert!(!again.connect("ada", "phone", Some(resume)).await.resumed);
}

#[tokio::test]
async fn what_is_no_frame_or_too_large_closes_the_socket() {
    let world = World::start(Script::default()).await;
    let mut ada = world.enter("ada", "a").await;
    ada.socket.send(tungstenite::Message::binary(vec![0xff; 9])).await.unwrap();
    assert_eq!(ada.closed().await, 4400);
    let mut ada = world.enter("ada", "b").await;
    ada.socket.send(tungstenite::Message::text("{}")).await.unwrap();
    assert_eq!(ada.closed().await, 4400, "text where binary was agreed");
    let mut ada = world.enter("ada", "c").await;
    let _ = ada.socket.send(tungstenite::Message::binary(vec![0; 65 * 1024])).await;
    assert_ne!(ada.closed().await, 1005);
}

#[tokio::test]
async fn who_says_good_bye_is_answered() {
    let world = World::start(Script::default()).await;
    let mut ada = world.enter("ada", "phone").await;
    ada.socket.close(None).await.unwrap();
    assert_eq!(ada.closed().await, 1005, "the answer has the code of the good-bye: none");
}

#[tokio::test]
async fn who_sends_too_much_is_told_and_then_closed() {
    let mut script = Script::default();
    script.config.limits.frames_burst = 3;
    script.config.limits.frames_per_second = 1;
    script.config.limits.refused_max = 5;
    let world = World::start(script).await;
    let mut ada = world.enter("ada", "phone").await;
    for rid in 2..20 {
        let body = Some(client_frame::Body::Ping(pb::Ping {}));
        let frame = prost::Message::encode_to_vec(&pb::ClientFrame { rid, body });
        if ada.socket.send(tungstenite::Message::binary(frame)).await.is_err() {
            break;
        }
    }
    assert_eq!(ada.answer(4).await, Body::Done(pb::Done {}));
    let Body::Error(error) = ada.answer(5).await else { panic!("no error") };
    assert_eq!(error.code, 1012);
    assert!(error.retry_after_ms.unwrap() > 0);
    assert_eq!(ada.closed().await, 4429);
}

#[tokio::test]
async fn who_does_not_answer_pings_is_gone() {
    let mut script = Script::default();
    script.config.limits.ping_every = Duration::from_millis(20);
    script.config.limits.resume_after_max = Duration::from_millis(20);
    let world = World::start(script).await;
    let mut ada = world.enter("ada", "phone").await;
    // A client that does not read answers no pings. It is known to be gone when it is not counted any more.
    while world.chat.counts().1 > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ada.closed().await, 4408);
}

#[tokio::test]
async fn who_reads_slowly_is_told_where_things_stand() {
    let world = World::start(Script::default()).await;
    let mut ada = world.enter("ada", "phone").await;
    let last = 60_000;
    let events = |from: u64| {
        (from..from + 100).map(|seq| Event::Message {
            conversation: "g:team".parse().unwrap(),
            message: Box::new(message(seq)),
        })
    };
    for from in (1..=last).step_by(100) {
        world.notices.send(Notice::Applied(events(from).collect())).await.unwrap();
    }
    world
        .tell(Event::Changed {
            user: "ada".parse().unwrap(),
            user_seq: UserSeq(1),
            entity: Entity::Profile,
        })
        .await;
    let (mut messages, mut hints, mut newest, mut pushes) = (0_u64, 0, 0, 0);
    while newest < last {
        let frame = ada.next().await.unwrap();
        pushes += 1;
        assert_eq!(frame.push, pushes, "numbers have no gaps");
        match frame.body.unwrap() {
            Body::Message(push) => {
                messages += 1;
                let seq = push.message.unwrap().seq;
                assert!(seq > newest);
                newest = seq;
            }
            Body::Hint(hint) => {
                hints += 1;
                assert!(hint.head > newest);
                newest = hint.head;
            }
            Body::Changed(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(hints > 0, "{messages} messages came one by one");
}

#[tokio::test]
async fn presence_typing_and_live_rooms_reach_others() {
    let world = World::start(Script::default()).await;
    let mut ada = world.enter("ada", "phone").await;
    let mut bob = world.enter("bob", "phone").await;
    let users = vec!["ada".to_owned()];
    let watch = client_frame::Body::PresenceSubscribe(pb::PresenceSubscribe { users });
    assert!(matches!(bob.ask(2, watch).await, Body::Presences(_)));
    let set = pb::PresenceSet { status: pb::Status::Busy.into(), text: "writing".to_owned() };
    let done = ada.ask(2, client_frame::Body::PresenceSet(set)).await;
    assert_eq!(done, Body::Done(pb::Done {}));
    let typing = pb::Typing { conversation: "g:team".to_owned(), typing: true };
    ada.say(0, client_frame::Body::Typing(typing)).await;
    let (mut saw_typing, mut saw_busy) = (false, false);
    while !(saw_typing && saw_busy) {
        match bob.next().await.unwrap().body.unwrap() {
            Body::Typing(typing) => saw_typing = typing.user == "ada",
            Body::Presence(all) => {
                saw_busy |= all.presences[0].status() == pb::Status::Busy;
            }
            other => panic!("{other:?}"),
        }
    }

    let room = || "show".to_owned();
    for client in [&mut ada, &mut bob] {
        let join = client_frame::Body::LiveJoin(pb::LiveJoin { room: room() });
        assert!(matches!(client.ask(3, join).await, Body::LiveJoined(_)));
    }
    let kind = pb::content::Kind::Text(pb::Text { text: "hi".to_owned() });
    let content = Some(pb::Content { kind: Some(kind) });
    let send = pb::LiveSend { room: room(), content, priority: 0 };
    let sent = ada.ask(4, client_frame::Body::LiveSend(send)).await;
    assert!(matches!(sent, Body::LiveSent(sent) if sent.offset == 1), "{sent:?}");
    loop {
        if let Some(Body::Live(batch)) = bob.next().await.unwrap().body
            && let Some(message) = batch.messages.first()
        {
            assert_eq!(message.sender, "ada");
            break;
        }
    }
}

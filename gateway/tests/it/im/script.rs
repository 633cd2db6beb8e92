//! The other end of chat's queues: it lets everybody in, gives messages their places, and keeps what was asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use gateway::{
    Clock, Config, Gateway,
    auth::{Keys, Token},
    im::{
        self, Chat, Mint, Secret,
        port::{Notice, Refused, Request},
        wire::pb::{self, client_frame, server_frame::Body},
    },
};
use proto::{
    im::{
        Answer, Ask, Command, Event, LiveAction, LiveLease, LiveRoom, Query, Reply,
        account::AccountState,
        command::Action,
        id::{ConversationId, Sequence},
        message::{Body as Held, Content, Message, MessageOptions},
        query::Access,
    },
    time::LogTime,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, client::IntoClientRequest as _},
};

pub(crate) const NOW_S: u64 = 1_800_000_000;
const PATIENCE: Duration = Duration::from_secs(20);

type Changes = Arc<Mutex<Vec<Command>>>;
type Answering = Arc<dyn Fn(&Command) -> Option<Result<Reply, Refused>> + Send + Sync>;
type Telling = Arc<dyn Fn(&Query) -> Option<Result<Box<Answer>, Refused>> + Send + Sync>;

/// A served gateway with chat, and the script behind it.
pub(crate) struct World {
    pub(crate) address: String,
    pub(crate) chat: Chat,
    pub(crate) notices: mpsc::Sender<Notice>,
    changes: Changes,
}

/// What the script says where it is not the usual.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) config: im::Config,
    pub(crate) answer: Answering,
    pub(crate) tell: Telling,
}

impl Default for Script {
    fn default() -> Self {
        let mut config = im::Config::new(Secret::from("a secret of chat"));
        config.sign_up = true;
        Self { config, answer: Arc::new(|_| None), tell: Arc::new(|_| None) }
    }
}

fn keys() -> Keys {
    [("devkey", "secret")].into_iter().collect()
}

/// A token that a back end signed.
pub(crate) fn token(user: &str, claim: &str) -> String {
    let other = BTreeMap::from([(claim.to_owned(), serde_json::Value::Bool(true))]);
    let exp = Some(NOW_S + 600);
    keys().sign(None, &Token { sub: user.to_owned(), exp, other, ..Token::default() }).unwrap()
}

impl World {
    pub(crate) async fn start(script: Script) -> Self {
        let (requests_in, _requests) = mpsc::channel(64);
        let config = Config { keys: keys(), ..Config::default() };
        let gateway = Gateway::new(config, requests_in, Clock::new(|| LogTime(NOW_S * 1000)));
        let (asks_in, asks) = mpsc::channel(1024);
        let (notices, notices_out) = mpsc::channel(1024);
        let chat = Chat::new(&gateway, script.config.clone(), asks_in, Mint::system());
        tokio::spawn(chat.clone().run(notices_out));
        let changes = Changes::default();
        tokio::spawn(node(asks, notices.clone(), script, Arc::clone(&changes)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = chat.router();
        tokio::spawn(async move {
            gateway.serve(listener, router, std::future::pending()).await.unwrap();
        });
        Self { address, chat, notices, changes }
    }

    pub(crate) fn changes(&self) -> Vec<Command> {
        std::mem::take(&mut self.changes.lock().unwrap())
    }

    pub(crate) async fn tell(&self, event: Event) {
        self.notices.send(Notice::Applied(vec![event])).await.unwrap();
    }

    /// A client that is in.
    pub(crate) async fn enter(&self, user: &str, device: &str) -> Client {
        let mut client = Client::open(self, "stoa.im.v1.pb").await;
        let connected = client.connect(user, device, None).await;
        assert!(!connected.resumed);
        client.session = connected.session;
        client
    }
}

/// Whoever takes a live room has it.
fn live(
    notices: &mpsc::Sender<Notice>,
    leases: &mut BTreeMap<LiveRoom, LiveLease>,
    room: &LiveRoom,
    action: &LiveAction,
) -> Reply {
    if let LiveAction::Take { holder, .. } = action
        && !leases.contains_key(room)
    {
        let until = LogTime(u64::MAX);
        let lease = LiveLease { holder: *holder, epoch: NOW_S, until, restrained: Vec::new() };
        leases.insert(room.clone(), lease.clone());
        let event = Event::LiveHeld { room: room.clone(), lease };
        notices.try_send(Notice::Applied(vec![event])).unwrap();
    }
    Reply::Live(leases.get(room).cloned())
}

async fn node(
    mut asks: mpsc::Receiver<Request>,
    notices: mpsc::Sender<Notice>,
    script: Script,
    changes: Changes,
) {
    let mut heads = BTreeMap::<ConversationId, u64>::new();
    let mut leases = BTreeMap::<LiveRoom, LiveLease>::new();
    while let Some(request) = asks.recv().await {
        match request {
            Request::Propose { command, back } => {
                changes.lock().unwrap().push((*command).clone());
                let answer = (script.answer)(&command).unwrap_or_else(|| {
                    if let Action::Live { room, action } = &command.action {
                        return Ok(live(&notices, &mut leases, room, action));
                    }
                    let Action::Send(send) = &command.action else { return Ok(Reply::Done) };
                    let head = heads.entry(send.conversation.clone()).or_default();
                    *head += 1;
                    let seq = Sequence(*head);
                    let mut message = message(seq.0);
                    message.content_of(&send.content);
                    let conversation = send.conversation.clone();
                    let event = Event::Message { conversation, message: Box::new(message) };
                    notices.try_send(Notice::Applied(vec![event])).unwrap();
                    Ok(Reply::Sent { seq, at: LogTime(NOW_S * 1000), duplicate: false })
                });
                let _ = back.send(answer);
            }
            Request::Query { query, back } => {
                let answer = (script.tell)(&query).unwrap_or_else(|| match &query.ask {
                    Ask::Access { .. } => Ok(Box::new(Answer::Access(Access {
                        state: Some(AccountState::Active),
                        epoch: 1,
                        good: true,
                    }))),
                    Ask::Memberships(_) => {
                        Ok(Box::new(Answer::Memberships(vec!["team".parse().unwrap()])))
                    }
                    other => panic!("not in the script: {other:?}"),
                });
                let _ = back.send(answer);
            }
            Request::Relay(_) => {}
        }
    }
}

trait ContentOf {
    fn content_of(&mut self, content: &Content);
}

impl ContentOf for Message {
    fn content_of(&mut self, content: &Content) {
        self.body = Held::Content(content.clone());
    }
}

pub(crate) fn message(seq: u64) -> Message {
    Message {
        seq: Sequence(seq),
        at: LogTime(NOW_S * 1000),
        sender: Some("ada".parse().unwrap()),
        key: proto::im::ClientKey([1; 16]),
        body: Held::Content(Content::Text { text: "hello".to_owned() }),
        options: MessageOptions::default(),
        counted: seq,
        revision: 0,
        edits: 0,
        edited_at: None,
        reactions: BTreeMap::new(),
        pinned: false,
    }
}

/// A client of its own kind: it knows the schema and a WebSocket.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) session: String,
    json: bool,
    waiting: std::collections::VecDeque<pb::ServerFrame>,
}

impl Client {
    pub(crate) async fn open(world: &World, subprotocol: &str) -> Self {
        let url = format!("ws://{}/im/v1/ws", world.address);
        let mut request = url.into_client_request().unwrap();
        let value = subprotocol.parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", value);
        let (socket, response) = connect_async(request).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], subprotocol);
        let json = subprotocol.ends_with("json");
        let waiting = std::collections::VecDeque::new();
        Self { socket, session: String::new(), json, waiting }
    }

    pub(crate) async fn say(&mut self, rid: u32, body: client_frame::Body) {
        use prost::Message as _;
        let frame = pb::ClientFrame { rid, body: Some(body) };
        let message = if self.json {
            tungstenite::Message::text(serde_json::to_string(&frame).unwrap())
        } else {
            tungstenite::Message::binary(frame.encode_to_vec())
        };
        self.socket.send(message).await.unwrap();
    }

    pub(crate) async fn connect(
        &mut self,
        user: &str,
        device: &str,
        resume: Option<pb::Resume>,
    ) -> pb::Connected {
        let (token, device) = (token(user, "im"), device.to_owned());
        let connect = pb::Connect { token, device, resume, ..pb::Connect::default() };
        self.say(1, client_frame::Body::Connect(connect)).await;
        let frame = self.next().await.unwrap();
        let Some(Body::Connected(connected)) = frame.body else { panic!("{frame:?}") };
        assert_eq!(frame.rid, 1);
        connected
    }

    /// The next frame, out of its batch; or the close code.
    pub(crate) async fn next(&mut self) -> Result<pb::ServerFrame, u16> {
        use prost::Message as _;
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return Ok(frame);
            }
            let message = timeout(PATIENCE, self.socket.next()).await.expect("nothing came");
            let frame = match message {
                Some(Ok(tungstenite::Message::Binary(frame))) => {
                    pb::ServerFrame::decode(frame).unwrap()
                }
                Some(Ok(tungstenite::Message::Text(text))) => {
                    serde_json::from_str(text.as_str()).unwrap()
                }
                Some(Ok(tungstenite::Message::Close(frame))) => {
                    return Err(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Err(1006),
            };
            match frame.body {
                Some(Body::Batch(batch)) => self.waiting.extend(batch.frames),
                _ => self.waiting.push_back(frame),
            }
        }
    }

    /// The answer to a request; pushes before it are dropped.
    pub(crate) async fn answer(&mut self, rid: u32) -> Body {
        loop {
            let frame = self.next().await.unwrap();
            if frame.rid == rid {
                return frame.body.unwrap();
            }
        }
    }

    /// Asks and is answered.
    pub(crate) async fn ask(&mut self, rid: u32, body: client_frame::Body) -> Body {
        self.say(rid, body).await;
        self.answer(rid).await
    }

    /// The close code, whatever comes before.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}

pub(crate) fn text(conversation: &str, text: &str) -> client_frame::Body {
    let kind = pb::content::Kind::Text(pb::Text { text: text.to_owned() });
    client_frame::Body::Send(pb::Send {
        to: Some(pb::send::To::Conversation(conversation.to_owned())),
        cmid: vec![7; 16].into(),
        content: Some(pb::Content { kind: Some(kind) }),
        options: None,
    })
}

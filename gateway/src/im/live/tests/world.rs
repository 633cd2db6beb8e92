//! Some nodes with links that lose and delay, and a log that grants leases.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use prost::Message as _;
use proto::{
    id::NodeId,
    im::live::{LiveAction, LiveLease, LiveRoom},
    time::LogTime,
};
use tokio::time::Instant;

use super::super::{LeaseAsk, Live, LiveError, Speaker};
use crate::im::{
    mailbox::{Mailbox, Owner},
    wire::{
        Codec,
        pb::{self, server_frame::Body},
    },
};

/// How far the clock goes at once.
const STEP: Duration = Duration::from_millis(10);

pub(super) fn room(name: &str) -> LiveRoom {
    LiveRoom::try_from(name).unwrap()
}

pub(super) fn said(text: &str, priority: pb::Priority) -> pb::LiveMessage {
    let kind = pb::content::Kind::Text(pb::Text { text: text.to_owned() });
    let content = Some(pb::Content { kind: Some(kind) });
    pb::LiveMessage { content, priority: priority.into(), ..pb::LiveMessage::default() }
}

fn text_of(message: &pb::LiveMessage) -> String {
    match message.content.as_ref().and_then(|content| content.kind.as_ref()) {
        Some(pb::content::Kind::Text(text)) => text.text.clone(),
        other => panic!("{other:?}"),
    }
}

/// A client that does what docs/im.md says.
pub(super) struct Person {
    pub(super) at: usize,
    pub(super) mailbox: Arc<Mailbox>,
    next: u32,
    pub(super) epoch: u64,
    /// What was shown in the epoch, by offset.
    pub(super) shown: BTreeMap<u64, String>,
    pub(super) likes: u64,
    pub(super) audience: u64,
    pub(super) came: u32,
    pub(super) went: u32,
    pub(super) batches: Vec<pb::LiveBatch>,
    pub(super) answers: BTreeMap<u32, Body>,
    pub(super) ended: bool,
}

impl Person {
    fn show(&mut self, batch: &pb::LiveBatch) {
        if batch.epoch < self.epoch {
            // Less urgent, and overtaken by another epoch.
            return;
        }
        if batch.epoch > self.epoch {
            self.epoch = batch.epoch;
            self.shown.clear();
            self.likes = 0;
        }
        for message in &batch.messages {
            let text = text_of(message);
            let before = self.shown.insert(message.offset, text.clone());
            assert!(before.is_none_or(|before| before == text), "an offset has two messages");
        }
        // A batch that says less was overtaken by a more urgent one.
        (self.likes, self.audience) = (self.likes.max(batch.likes), batch.audience);
        self.came = self.came.saturating_add(batch.came);
        self.went = self.went.saturating_add(batch.went);
    }

    /// Reads everything that came.
    pub(super) fn read(&mut self) {
        while let Some(frame) = self.mailbox.take(Instant::now()) {
            let frame = pb::ServerFrame::decode(frame.as_ref()).unwrap();
            let frames = match frame.body {
                Some(Body::Batch(batch)) => batch.frames,
                _ => vec![frame],
            };
            for frame in frames {
                match frame.body {
                    Some(Body::Live(batch)) => {
                        self.show(&batch);
                        self.batches.push(batch);
                    }
                    Some(Body::LiveEnded(_)) => self.ended = true,
                    Some(body) => {
                        if let Body::LiveJoined(joined) = &body {
                            self.show(joined.state.as_ref().unwrap());
                        }
                        assert!(self.answers.insert(frame.rid, body).is_none(), "two answers");
                    }
                    None => panic!("{frame:?}"),
                }
            }
        }
    }

    pub(super) fn texts(&self) -> Vec<&str> {
        self.shown.values().map(String::as_str).collect()
    }
}

/// What the log knows.
#[derive(Default)]
pub(super) struct Log {
    pub(super) leases: BTreeMap<LiveRoom, LiveLease>,
    epoch: u64,
    pub(super) asked: usize,
    pub(super) without_leader: bool,
}

struct Flight {
    from: usize,
    to: usize,
    frame: Bytes,
}

pub(super) struct World {
    pub(super) now: Instant,
    start: Instant,
    pub(super) nodes: Vec<Option<Live>>,
    pub(super) log: Log,
    asks: Vec<(usize, LeaseAsk)>,
    wire: BTreeMap<(Instant, u64), Flight>,
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// Of a hundred frames.
    pub(super) lost: u64,
    /// Most milliseconds on the way.
    pub(super) delay: u64,
    random: u64,
    count: u64,
}

impl World {
    pub(super) fn new(nodes: usize, seed: u64) -> Self {
        let now = Instant::now();
        let mut world = Self {
            now,
            start: now,
            nodes: Vec::new(),
            log: Log { epoch: 1_000, ..Log::default() },
            asks: Vec::new(),
            wire: BTreeMap::new(),
            cut: BTreeSet::new(),
            lost: 0,
            delay: 1,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            count: 0,
        };
        for node in 0..nodes {
            world.nodes.push(None);
            world.start(node);
        }
        world
    }

    pub(super) fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn ms(&self) -> u64 {
        u64::try_from((self.now - self.start).as_millis()).unwrap()
    }

    /// A node begins, or begins anew, with links to all others.
    pub(super) fn start(&mut self, node: usize) {
        self.nodes[node] = Some(Live::new(id(node), self.ms() + 1));
        for other in 0..self.nodes.len() {
            if other != node && self.nodes[other].is_some() {
                let now = self.now;
                self.live(other).node_up(now, id(node));
                self.live(node).node_up(now, id(other));
            }
        }
    }

    /// A node dies. The others notice.
    pub(super) fn kill(&mut self, node: usize) {
        self.nodes[node] = None;
        for other in 0..self.nodes.len() {
            if self.nodes[other].is_some() {
                let now = self.now;
                self.live(other).node_down(now, id(node));
            }
        }
    }

    /// Cuts a node off from all others, or links it again. Everybody notices.
    pub(super) fn cut_off(&mut self, node: usize, off: bool) {
        let now = self.now;
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            for (one, two) in [(node, other), (other, node)] {
                if off {
                    self.cut.insert((one, two));
                    self.live(one).node_down(now, id(two));
                } else {
                    self.cut.remove(&(one, two));
                    self.live(one).node_up(now, id(two));
                }
            }
        }
        self.live(node).set_quorum(now, !off);
    }

    pub(super) fn live(&mut self, node: usize) -> &mut Live {
        self.nodes[node].as_mut().unwrap()
    }

    pub(super) fn person(&mut self, at: usize) -> Person {
        self.count += 1;
        let owner = Owner {
            user: format!("u{}", self.count).parse().unwrap(),
            device: "d".parse().unwrap(),
            login: None,
            epoch: None,
        };
        let mailbox = Arc::new(Mailbox::new(self.count.into(), owner, Codec::Protobuf));
        Person {
            at,
            mailbox,
            next: 0,
            epoch: 0,
            shown: BTreeMap::new(),
            likes: 0,
            audience: 0,
            came: 0,
            went: 0,
            batches: Vec::new(),
            answers: BTreeMap::new(),
            ended: false,
        }
    }

    pub(super) fn join(&mut self, person: &mut Person, name: &str) -> Result<u32, LiveError> {
        person.next += 1;
        let id = person.mailbox.owner.user.to_string();
        let speaker = Speaker { id, may_speak: true, ..Speaker::default() };
        let (now, who) = (self.now, (Arc::clone(&person.mailbox), person.next));
        self.live(person.at).join(now, who, &room(name), speaker).map(|()| person.next)
    }

    /// Somebody who is in a room, with what it was told.
    pub(super) fn enter(&mut self, at: usize, name: &str) -> Person {
        let mut person = self.person(at);
        let rid = self.join(&mut person, name).unwrap();
        self.pass(Duration::from_secs(2));
        person.read();
        assert!(matches!(person.answers[&rid], Body::LiveJoined(_)), "{:?}", person.answers);
        person
    }

    pub(super) fn send(
        &mut self,
        person: &mut Person,
        name: &str,
        message: pb::LiveMessage,
    ) -> Result<u32, LiveError> {
        person.next += 1;
        let (now, session) = (self.now, (person.mailbox.id, person.next));
        self.live(person.at).send(now, session, &room(name), message).map(|()| person.next)
    }

    /// Says something and waits for what became of it.
    pub(super) fn say(&mut self, person: &mut Person, name: &str, text: &str) -> Body {
        let rid = self.send(person, name, said(text, pb::Priority::High)).unwrap();
        self.pass(Duration::from_millis(300));
        person.read();
        person.answers[&rid].clone()
    }

    pub(super) fn like(&mut self, person: &Person, name: &str, count: u32) {
        let now = self.now;
        self.live(person.at).like(now, person.mailbox.id, &room(name), count);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += STEP;
            self.turn();
        }
    }

    fn turn(&mut self) {
        let now = self.now;
        for (node, ask) in std::mem::take(&mut self.asks) {
            self.answer(node, &ask);
        }
        while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= now) {
            let Flight { from, to, frame } = entry.remove();
            let Some(live) = &mut self.nodes[to] else { continue };
            let relay = pb::Relay::decode(frame).unwrap();
            let Some(pb::relay::What::Live(frames)) = relay.what else { panic!() };
            live.handle_frames(now, id(from), frames);
        }
        for node in 0..self.nodes.len() {
            let Some(live) = &mut self.nodes[node] else { continue };
            live.handle_timeout(now);
            let (relays, asks) = live.drain(now);
            self.asks.extend(asks.into_iter().map(|ask| (node, ask)));
            for relay in relays {
                let to = usize::from(relay.to.unwrap().0) - 1;
                if self.cut.contains(&(node, to)) || self.random(100) < self.lost {
                    continue;
                }
                self.count += 1;
                let at = now + Duration::from_millis(1 + self.random(self.delay.max(1)));
                let flight = Flight { from: node, to, frame: relay.frame };
                self.wire.insert((at, self.count), flight);
            }
        }
    }

    fn is_cut_off(&self, node: usize) -> bool {
        let others = (0..self.nodes.len()).filter(|other| *other != node);
        self.nodes.len() > 1 && others.clone().all(|other| self.cut.contains(&(node, other)))
    }

    /// What `im::live` does.
    fn answer(&mut self, node: usize, ask: &LeaseAsk) {
        self.log.asked += 1;
        let now = self.now;
        let is_cut = self.is_cut_off(node);
        if self.log.without_leader || is_cut {
            if let Some(live) = &mut self.nodes[node] {
                live.handle_answer(now, ask, None);
            }
            return;
        }
        let before = self.log.leases.get(&ask.room).cloned();
        match &ask.action {
            LiveAction::Take { holder, instead_of } => {
                if before.is_none_or(|lease| *instead_of == Some(lease.epoch)) {
                    self.log.epoch += 1;
                    let epoch = self.log.epoch;
                    let until = LogTime(u64::MAX);
                    let restrained = Vec::new();
                    let lease = LiveLease { holder: *holder, epoch, until, restrained };
                    self.log.leases.insert(ask.room.clone(), lease.clone());
                    self.tell_all(|live| live.handle_lease(now, &ask.room, &lease, true));
                }
            }
            LiveAction::Renew { .. } | LiveAction::Restrain(_) => {}
            LiveAction::End { epoch } => {
                if before.is_some_and(|lease| epoch.is_none_or(|epoch| epoch == lease.epoch)) {
                    self.end(&ask.room, epoch.is_none());
                }
            }
        }
        let lease = self.log.leases.get(&ask.room).cloned();
        if let Some(live) = &mut self.nodes[node] {
            live.handle_answer(now, ask, Some(lease));
        }
    }

    pub(super) fn end(&mut self, room: &LiveRoom, closed: bool) {
        let now = self.now;
        if let Some(lease) = self.log.leases.remove(room) {
            self.tell_all(|live| live.handle_end(now, room, lease.epoch, closed));
        }
    }

    /// Everybody but those who are cut off: they are told when they are back, which a snapshot stands for here.
    fn tell_all(&mut self, tell: impl Fn(&mut Live)) {
        for node in 0..self.nodes.len() {
            let is_cut = self.is_cut_off(node);
            if let Some(live) = self.nodes[node].as_mut().filter(|_| !is_cut) {
                tell(live);
            }
        }
    }
}

pub(super) fn id(node: usize) -> NodeId {
    NodeId(u16::try_from(node + 1).unwrap())
}

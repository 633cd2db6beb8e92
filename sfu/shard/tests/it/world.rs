//! Shards, clients and the signalling between them, driven until a condition holds.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use proto::{
    id::{PeerId, ShardId, TrackKey},
    media::{Codec, Encoding, MediaKind, Mid, Quality, Source as From, ViewSettings},
    unit::Bitrate,
};
use sfu_shard::{
    Shards,
    api::{Command, Event, Msid, PeerConfig, PeerMode, ShardConfig, TrackSpec},
};
use str0m::media::Direction;

use crate::client::{Pc, Source, now};

/// Longer than any test takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A client with its connections.
pub(crate) struct Client {
    pub(crate) id: PeerId,
    pub(crate) shard: usize,
    pub(crate) publisher: Pc,
    pub(crate) subscriber: Option<Pc>,
    pub(crate) sources: Vec<Source>,
    pub(crate) mids: Vec<str0m::media::Mid>,
    pub(crate) requests: u32,
    pub(crate) answers: u32,
    pub(crate) last_description: String,
    /// The answer to the shard's last offer.
    pub(crate) answer: String,
}

impl Client {
    pub(crate) fn downlink(&mut self) -> &mut Pc {
        self.subscriber.as_mut().unwrap_or(&mut self.publisher)
    }
}

/// Everything.
pub(crate) struct World {
    pub(crate) shards: Shards,
    pub(crate) clients: Vec<Client>,
    pub(crate) events: Vec<(ShardId, Event)>,
    pub(crate) unanswered: HashSet<PeerId>,
    homes: HashMap<TrackKey, (ShardId, TrackSpec)>,
}

pub(crate) fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

impl World {
    pub(crate) fn new(shards: u8, bwe: bool) -> Self {
        let config = |shard| ShardConfig {
            shard: ShardId(shard),
            shards,
            udp: loopback(),
            announce: Vec::new(),
            announce_tcp: vec![loopback()],
            bwe_start: bwe.then(|| Bitrate::from_kbps(3000)),
        };
        let shards = sfu_shard::start((0..shards).map(config).collect(), Some(loopback())).unwrap();
        Self {
            shards,
            clients: Vec::new(),
            events: Vec::new(),
            unanswered: HashSet::new(),
            homes: HashMap::new(),
        }
    }

    pub(crate) fn send(&self, shard: usize, command: Command) {
        self.shards.handles[shard].send(command).unwrap();
    }

    /// A client that offers these sections at once.
    pub(crate) fn join(
        &mut self,
        shard: usize,
        mode: PeerMode,
        sections: &[(str0m::media::MediaKind, Direction, &[&str])],
    ) -> usize {
        self.join_with(shard, mode, sections, Pc::udp())
    }

    pub(crate) fn join_with(
        &mut self,
        shard: usize,
        mode: PeerMode,
        sections: &[(str0m::media::MediaKind, Direction, &[&str])],
        mut publisher: Pc,
    ) -> usize {
        let id = PeerId(self.clients.len() as u64 + 1);
        let codecs = vec![Codec::Opus, Codec::Vp8];
        let config = PeerConfig { mode, codecs, data: mode == PeerMode::Dual };
        self.send(shard, Command::Open { peer: id, config });
        let (sdp, mids) = publisher.offer(sections, true);
        self.send(shard, Command::Offer { peer: id, request: 1, sdp });
        self.clients.push(Client {
            id,
            shard,
            publisher,
            subscriber: (mode == PeerMode::Dual).then(Pc::udp),
            sources: Vec::new(),
            mids,
            requests: 1,
            answers: 0,
            last_description: String::new(),
            answer: String::new(),
        });
        self.clients.len() - 1
    }

    /// Offers again, with new sections.
    pub(crate) fn offer(
        &mut self,
        client: usize,
        sections: &[(str0m::media::MediaKind, Direction, &[&str])],
    ) {
        let client = &mut self.clients[client];
        let sdp = if sections.is_empty() {
            client.publisher.reoffer(client.mids[0])
        } else {
            let (sdp, mids) = client.publisher.offer(sections, false);
            client.mids.extend(mids);
            sdp
        };
        client.requests += 1;
        let (peer, request, shard) = (client.id, client.requests, client.shard);
        self.send(shard, Command::Offer { peer, request, sdp });
    }

    /// Publishes the client's section as a track, and starts sending.
    pub(crate) fn publish(
        &mut self,
        client: usize,
        section: usize,
        rids: &[&'static str],
    ) -> TrackKey {
        let track = TrackKey(u64::try_from(self.homes.len()).unwrap() + 100);
        let client = &mut self.clients[client];
        let mid = client.mids[section];
        let spec = video_spec(rids.len());
        client.sources.push(Source::video(mid, rids));
        let (peer, shard) = (client.id, client.shard);
        let mid = Mid::new(&mid).unwrap();
        self.homes.insert(track, (ShardId(u8::try_from(shard).unwrap()), spec.clone()));
        self.send(shard, Command::Publish { peer, mid, track, spec });
        track
    }

    pub(crate) fn publish_audio(&mut self, client: usize, section: usize) -> TrackKey {
        let track = TrackKey(u64::try_from(self.homes.len()).unwrap() + 100);
        let client = &mut self.clients[client];
        let mid = client.mids[section];
        let spec = TrackSpec { kind: MediaKind::Audio, source: From::Microphone, ..video_spec(0) };
        client.sources.push(Source::audio(mid));
        let (peer, shard) = (client.id, client.shard);
        let mid = Mid::new(&mid).unwrap();
        self.homes.insert(track, (ShardId(u8::try_from(shard).unwrap()), spec.clone()));
        self.send(shard, Command::Publish { peer, mid, track, spec });
        track
    }

    pub(crate) fn subscribe(&self, client: usize, track: TrackKey) {
        let (home, spec) = self.homes[&track].clone();
        let client = &self.clients[client];
        let msid = Msid {
            stream: Arc::from(format!("PA_x|TR_{}", track.0)),
            track: Arc::from(format!("TR_{}", track.0)),
        };
        self.send(client.shard, Command::Subscribe { peer: client.id, track, home, spec, msid });
    }

    pub(crate) fn unsubscribe(&self, client: usize, track: TrackKey) {
        let client = &self.clients[client];
        self.send(client.shard, Command::Unsubscribe { peer: client.id, track });
    }

    pub(crate) fn view(&self, client: usize, track: TrackKey, quality_max: Quality) {
        let client = &self.clients[client];
        let settings = ViewSettings { quality_max, ..ViewSettings::default() };
        self.send(client.shard, Command::View { peer: client.id, track, settings });
    }

    /// Lets everything run until the condition holds.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = now() + PATIENCE;
        while !done(self) {
            assert!(now() < deadline, "waited in vain until {what}; events: {:?}", self.events);
            self.step();
        }
    }

    pub(crate) fn step(&mut self) {
        while let Ok((shard, event)) = self.shards.events.try_recv() {
            self.on_event(shard, event);
        }
        for client in &mut self.clients {
            for source in &mut client.sources {
                source.step(&mut client.publisher);
            }
            client.publisher.step();
            if let Some(subscriber) = &mut client.subscriber {
                subscriber.step();
            }
        }
        std::thread::yield_now();
    }

    fn on_event(&mut self, shard: ShardId, event: Event) {
        let find = |clients: &mut Vec<Client>, peer: &PeerId| {
            clients.iter().position(|client| client.id == *peer).unwrap()
        };
        match &event {
            Event::Answer { peer, sdp, .. } => {
                let index = find(&mut self.clients, peer);
                let client = &mut self.clients[index];
                client.publisher.on_answer(sdp);
                client.answers += 1;
                client.last_description = sdp.clone();
            }
            Event::Offer { peer, sdp, .. } => {
                let index = find(&mut self.clients, peer);
                let client = &mut self.clients[index];
                client.last_description = sdp.clone();
                let answer = client.subscriber.as_mut().unwrap().on_offer(sdp);
                client.answer = answer.clone();
                let (peer, shard) = (client.id, client.shard);
                if !self.unanswered.contains(&peer) {
                    self.send(shard, Command::Answer { peer, sdp: answer });
                }
            }
            Event::SectionsNeeded { peer, audio, video } => {
                let index = find(&mut self.clients, peer);
                let mut sections: Vec<(str0m::media::MediaKind, Direction, &[&str])> = Vec::new();
                for _ in 0..*audio {
                    sections.push((str0m::media::MediaKind::Audio, Direction::RecvOnly, &[]));
                }
                for _ in 0..*video {
                    sections.push((str0m::media::MediaKind::Video, Direction::RecvOnly, &[]));
                }
                self.offer(index, &sections);
            }
            _ => {}
        }
        self.events.push((shard, event));
    }

    pub(crate) fn has(&self, mut matches: impl FnMut(&Event) -> bool) -> bool {
        self.events.iter().any(|(_, event)| matches(event))
    }
}

pub(crate) fn video_spec(encodings: usize) -> TrackSpec {
    let encoding = |quality: &Quality| Encoding {
        quality: *quality,
        width: 320 << quality.index(),
        height: 180 << quality.index(),
        bitrate: Bitrate::from_kbps(150 << quality.index()),
    };
    TrackSpec {
        kind: MediaKind::Video,
        source: From::Camera,
        encodings: Quality::ALL.iter().take(encodings).map(encoding).collect(),
        disable_red: false,
        muted: false,
        disable_dtx: false,
        stereo: false,
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for shard in &self.shards.handles {
            let _ = shard.send(Command::Stop);
        }
    }
}

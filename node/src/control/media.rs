//! Commands towards the media threads.

use std::sync::Arc;

use proto::{
    id::{ParticipantSid, PeerId, ShardId, TrackKey, TrackSid},
    media::{MediaKind, Mid},
    room::Publication,
};
use sfu_shard::api::{Command, Msid, PeerConfig, PeerMode, TrackSpec};

use super::{Control, Replica, Track};

impl<R: Replica> Control<R> {
    /// Hands a command to a shard. A full queue is counted and logged: the shard is overloaded or gone.
    pub(super) fn shard(&self, shard: ShardId, command: Command) {
        let sent = self.shards.get(usize::from(shard.0)).map(|handle| handle.send(command));
        if !matches!(sent, Some(Ok(()))) {
            metrics::counter!("stoa_shard_commands_refused_total").increment(1);
            tracing::warn!(shard = shard.0, "media thread refused a command");
        }
    }

    /// The shard with the fewest sessions, so that cores fill evenly.
    pub(super) fn least_loaded_shard(&self) -> ShardId {
        let load = |shard: ShardId| self.sessions.values().filter(|s| s.shard == shard).count();
        self.shards
            .iter()
            .map(|handle| handle.shard)
            .min_by_key(|shard| load(*shard))
            .unwrap_or_default()
    }

    pub(super) fn open_peer(&mut self, shard: ShardId, config: PeerConfig) -> PeerId {
        let peer = PeerId(self.minted.peer);
        self.minted.peer += 1;
        self.shard(shard, Command::Open { peer, config });
        peer
    }

    pub(super) fn close_peer(&self, shard: ShardId, peer: PeerId) {
        self.shard(shard, Command::Close { peer });
    }

    /// Gives a publication of a local session its key and tells its shard.
    pub(super) fn start_track(
        &mut self,
        publisher: &ParticipantSid,
        publication: &Publication,
        mid: Mid,
    ) {
        let Some(session) = self.sessions.get(publisher) else {
            return;
        };
        if self.index.keys.contains_key(&publication.sid) {
            return;
        }
        let key = TrackKey(self.minted.track);
        self.minted.track += 1;
        let track = Track {
            sid: publication.sid.clone(),
            room: session.room.clone(),
            publisher: publisher.clone(),
            identity: session.identity.clone(),
            home: session.shard,
        };
        let command =
            Command::Publish { peer: session.peer, mid, track: key, spec: spec_of(publication) };
        self.shard(session.shard, command);
        self.index.tracks.insert(key, track);
        self.index.keys.insert(publication.sid.clone(), key);
    }

    /// Ends a publication in the media plane; its subscriptions end with it.
    pub(super) fn stop_track(&mut self, sid: &TrackSid) {
        let Some(key) = self.index.keys.remove(sid) else {
            return;
        };
        let Some(track) = self.index.tracks.remove(&key) else {
            return;
        };
        for session in self.sessions.values_mut().filter(|s| s.room == track.room) {
            session.downlink.views.remove(sid);
            if session.downlink.tracks.remove(sid) {
                self.news.subscriptions -= 1;
            }
        }
        if let Some(publisher) = self.sessions.get_mut(&track.publisher) {
            publisher.uplink.bound.retain(|_, bound| bound.track != *sid);
            publisher.uplink.heard.remove(sid);
        }
        self.shard(track.home, Command::Unpublish { track: key });
        // Other shards with subscribers hear of it from the home shard's links.
    }

    /// Makes what a session receives equal to what the state says it should, for one track.
    pub(super) fn reconcile_subscription(&mut self, subscriber: &ParticipantSid, track: &TrackSid) {
        let Some(session) = self.sessions.get(subscriber) else {
            return;
        };
        let state = self.replica.state();
        let wanted = state.is_subscribed(&session.room, &session.identity, track);
        let has = session.downlink.tracks.contains(track);
        let (Some(key), true) = (self.index.keys.get(track).copied(), wanted != has) else {
            return;
        };
        let (peer, shard, room) = (session.peer, session.shard, session.room.clone());
        if !wanted {
            self.shard(shard, Command::Unsubscribe { peer, track: key });
            self.forget_subscription(subscriber, track);
            return;
        }
        let Some((owner, publication)) = state.track(&room, track) else {
            return;
        };
        let Some(home) = self.index.tracks.get(&key).map(|track| track.home) else {
            return;
        };
        let msid = Msid {
            stream: Arc::from(format!("{}|{}", owner.sid, track)),
            track: Arc::from(track.as_str()),
        };
        let spec = spec_of(publication);
        self.shard(shard, Command::Subscribe { peer, track: key, home, spec, msid });
        let Some(session) = self.sessions.get_mut(subscriber) else {
            return;
        };
        session.downlink.tracks.insert(track.clone());
        self.news.subscriptions += 1;
        if let Some(settings) = session.downlink.views.get(track).copied() {
            self.shard(shard, Command::View { peer, track: key, settings });
        }
    }

    fn forget_subscription(&mut self, subscriber: &ParticipantSid, track: &TrackSid) {
        if let Some(session) = self.sessions.get_mut(subscriber)
            && session.downlink.tracks.remove(track)
        {
            self.news.subscriptions -= 1;
        }
    }

    /// Makes everything a session receives equal to what the state says it should.
    pub(super) fn reconcile_all_subscriptions(&mut self, subscriber: &ParticipantSid) {
        let Some(session) = self.sessions.get(subscriber) else {
            return;
        };
        let wanted = self.replica.state().subscriptions(&session.room, &session.identity);
        let wanted = wanted.into_iter().map(|(_, publication)| publication.sid);
        let mut tracks: Vec<TrackSid> = wanted.collect();
        tracks.extend(session.downlink.tracks.iter().cloned());
        for track in tracks {
            self.reconcile_subscription(subscriber, &track);
        }
    }

    /// Offers a track to every local session of its room that should receive it.
    pub(super) fn reconcile_audience(&mut self, room: &proto::id::RoomName, track: &TrackSid) {
        for sid in self.local(room) {
            self.reconcile_subscription(&sid, track);
        }
    }

    /// The local sessions of a room.
    pub(super) fn local(&self, room: &proto::id::RoomName) -> Vec<ParticipantSid> {
        self.index.rooms.get(room).map(|room| room.values().cloned().collect()).unwrap_or_default()
    }
}

/// How a session's peer is to be opened.
pub(super) fn peer_config(join: &gateway::node::Join) -> PeerConfig {
    PeerConfig {
        mode: if join.single_pc { PeerMode::Single } else { PeerMode::Dual },
        codecs: join.codecs.clone(),
        data: true,
    }
}

fn spec_of(publication: &Publication) -> TrackSpec {
    let encodings = match publication.kind {
        MediaKind::Audio => Vec::new(),
        MediaKind::Video => publication.encodings.clone(),
    };
    TrackSpec {
        kind: publication.kind,
        source: publication.source,
        encodings,
        disable_red: publication.disable_red,
        disable_dtx: publication.disable_dtx,
        stereo: publication.stereo,
        muted: publication.muted,
    }
}

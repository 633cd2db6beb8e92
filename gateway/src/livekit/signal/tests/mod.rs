use livekit_protocol as pb;
use pb::{
    request_response::Reason, signal_request::Message as Request,
    signal_response::Message as Response, simulate_scenario::Scenario,
};
use proptest::prelude::*;
use proto::{
    error::{ErrorCode, Retry},
    id::TrackSid,
    media::{ConnectionQuality, Delivery, MediaKind, Mid, Quality, Source, ViewSettings},
    room::{
        ParticipantState,
        model::{Audience, TrackAccess},
    },
};

use super::*;
use crate::{
    node::{Leave, Moved, Pc, Refusal, Section, SessionEvent, Simulation, Speaker},
    testing,
};

mod life;

/// A session, the time, and what came out of the last step.
struct Bench {
    signal: Signal,
    now: Moment,
    sent: Vec<Response>,
    told: Vec<Message>,
    fresh: Vec<Token>,
    rest: Vec<Output>,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Profile)) -> Self {
        Self::opened(change, Vec::new())
    }

    fn opened(change: impl FnOnce(&mut Profile), opening: Vec<Request>) -> Self {
        let mut profile = Profile {
            resume_after_max: Duration::from_secs(15),
            protocol: 17,
            dev: true,
            data_bytes_max: 1024,
            codecs: vec![Codec::Opus, Codec::Vp8],
            token: Token::join("ada", "standup", testing::NOW_S + 60),
            ..Profile::default()
        };
        change(&mut profile);
        let joined = Joined {
            participant: testing::participant("ada", &[]),
            room: testing::room("standup"),
            others: vec![testing::participant("bob", &[("TR_bob", Source::Camera)])],
        };
        let now = Moment { at: Instant(1), wall: LogTime(testing::NOW_S * 1000) };
        let signal = Signal::new(now, profile, joined, opening);
        let (sent, told, fresh, rest) = Default::default();
        Self { signal, now, sent, told, fresh, rest }
    }

    /// A session whose client has been greeted.
    fn up(change: impl FnOnce(&mut Profile)) -> Self {
        let mut bench = Self::new(change);
        bench.connect();
        bench
    }

    fn connect(&mut self) {
        self.signal.handle_connected(self.now);
        self.drain();
    }

    fn disconnect(&mut self) {
        self.signal.handle_disconnected(self.now);
        self.drain();
    }

    fn request(&mut self, request: Request) -> &mut Self {
        self.signal.handle_request(self.now, request);
        self.drain()
    }

    fn event(&mut self, event: SessionEvent) -> &mut Self {
        self.signal.handle_event(self.now, event);
        self.drain()
    }

    fn pass(&mut self, time: Duration) -> &mut Self {
        self.now.at = self.now.at + time;
        self.now.wall = self.now.wall + time;
        if self.signal.poll_timeout().is_some_and(|at| at <= self.now.at) {
            self.signal.handle_timeout(self.now);
        }
        self.drain()
    }

    fn drain(&mut self) -> &mut Self {
        (self.sent, self.told, self.fresh, self.rest) = Default::default();
        while let Some(output) = self.signal.poll_output() {
            match output {
                Output::Send(response) => self.sent.push(*response),
                Output::Node(message) => self.told.push(*message),
                Output::Refresh(token) => self.fresh.push(*token),
                other => self.rest.push(other),
            }
        }
        self
    }

    fn publish(&mut self, cid: &str, sid: &str) {
        self.request(add_track(cid));
        let publication = testing::publication(sid, Source::Camera);
        self.event(SessionEvent::Published { cid: cid.to_owned(), publication });
    }

    fn said(&self) -> &Response {
        assert_eq!(self.sent.len(), 1, "{:?}", self.sent);
        &self.sent[0]
    }

    fn reason(&self) -> Reason {
        let Response::RequestResponse(response) = self.said() else { panic!("{:?}", self.sent) };
        response.reason()
    }

    fn leave(&self) -> (pb::DisconnectReason, pb::leave_request::Action) {
        let leave = self.sent.iter().find_map(|response| match response {
            Response::Leave(leave) => Some((leave.reason(), leave.action())),
            _ => None,
        });
        leave.expect("no leave")
    }

    fn is_over(&self) -> bool {
        matches!(self.rest.last(), Some(Output::End))
    }
}

fn add_track(cid: &str) -> Request {
    let kind = pb::TrackType::Video.into();
    Request::AddTrack(pb::AddTrackRequest {
        cid: cid.to_owned(),
        r#type: kind,
        ..Default::default()
    })
}

fn refusal(code: ErrorCode) -> Refusal {
    Refusal { code, message: code.text().to_owned(), retry: Retry::Never }
}

fn offer(id: u32, sdp: &str) -> Request {
    Request::Offer(pb::SessionDescription { id, sdp: sdp.to_owned(), ..Default::default() })
}

#[test]
fn join_is_first_and_a_fresh_token_follows() {
    let mut bench = Bench::new(|profile| profile.server.version = DIALECT_VERSION.to_owned());
    bench.connect();
    let Response::Join(join) = bench.said() else { panic!() };
    let participant = join.participant.as_ref().unwrap();
    assert!(
        participant.permission.as_ref().unwrap().can_publish && participant.sid.starts_with("PA_")
    );
    assert_eq!(join.server_info.as_ref().unwrap().version, DIALECT_VERSION);
    assert_eq!((join.ping_interval, join.ping_timeout), (PING_EVERY_S, PING_AFTER_MAX_S));
    assert_eq!(join.room.as_ref().unwrap().enabled_codecs, join.enabled_publish_codecs);
    assert_eq!(join.other_participants.len(), 1);
    assert!(join.subscriber_primary && join.fast_publish);
    let video = bench.fresh[0].video.as_ref().unwrap();
    assert_eq!(
        (video.room.as_deref(), bench.fresh[0].exp),
        (Some("standup"), Some(testing::NOW_S + 600))
    );
}

#[test]
fn a_single_connection_is_never_subscriber_primary() {
    let mut bench = Bench::new(|profile| profile.single_pc = true);
    bench.connect();
    assert!(matches!(bench.said(), Response::Join(join) if !join.subscriber_primary));
}

#[test]
fn what_came_with_the_join_is_handled_after_join_and_in_order() {
    let mut bench = Bench::opened(|_| (), vec![add_track("cam"), offer(1, "v=0\n")]);
    bench.connect();
    assert!(matches!(bench.said(), Response::Join(_)));
    assert!(matches!(
        bench.told.as_slice(),
        [Message::Publish(_), Message::Offer { request: 1, .. }]
    ));
}

#[test]
fn hidden_participants_are_never_shown_to_others() {
    let mut hidden = testing::participant("spy", &[]);
    hidden.permission.hidden = true;
    let mut bench = Bench::up(|_| ());
    bench.event(SessionEvent::Participants(vec![hidden.clone()]));
    assert!(bench.sent.is_empty());
    bench.event(SessionEvent::Participants(vec![hidden.clone(), testing::participant("bob", &[])]));
    assert!(matches!(bench.said(), Response::Update(u) if u.participants.len() == 1));
    hidden.sid = "PA_ada".into();
    bench.event(SessionEvent::Participants(vec![hidden]));
    assert!(matches!(bench.said(), Response::Update(_)), "but to themselves");
}

#[test]
fn offers_are_passed_with_their_sending_sections_and_answered_with_their_id() {
    let mut bench = Bench::up(|profile| profile.single_pc = true);
    bench.request(add_track("cam"));
    let sdp = "v=0\nm=video 9 X 96\na=mid:3\na=sendonly\na=msid:s cam\n";
    bench.request(offer(7, sdp));
    let [Message::Offer { request: 7, sending, .. }] = bench.told.as_slice() else { panic!() };
    assert_eq!(sending, &[(Mid::new("3").unwrap(), "cam".to_owned(), MediaKind::Video)]);
    let section = |mid, outbound| Section {
        mid: Mid::new(mid).unwrap(),
        kind: MediaKind::Video,
        inbound: false,
        outbound,
    };
    let sections = vec![section("3", None), section("4", Some(("PA_bob".into(), "TR_bob".into())))];
    bench.event(SessionEvent::Answer { request: 7, sdp: "v=0".to_owned(), sections });
    let Response::Answer(answer) = bench.said() else { panic!() };
    assert_eq!((answer.id, answer.r#type.as_str()), (7, "answer"));
    let named: Vec<_> = answer.mid_to_track_id.iter().collect();
    assert_eq!(named, [(&"4".to_owned(), &"TR_bob".to_owned())]);
}

#[test]
fn our_offers_are_numbered_upwards() {
    let mut bench = Bench::up(|_| ());
    for id in 1..3 {
        bench.event(SessionEvent::Offer { sdp: "v=0".to_owned(), sections: Vec::new() });
        assert!(matches!(bench.said(), Response::Offer(o) if o.id == id && o.r#type == "offer"));
    }
    bench.request(Request::Answer(pb::SessionDescription::default()));
    assert!(matches!(bench.told.as_slice(), [Message::Answer { .. }]));
}

#[test]
fn candidates_go_to_the_connection_they_name_and_ends_are_not_passed_on() {
    let subscriber = pb::SignalTarget::Subscriber.into();
    let trickle = |init: &str, target| {
        Request::Trickle(pb::TrickleRequest {
            candidate_init: init.to_owned(),
            target,
            r#final: false,
        })
    };
    let json = r#"{"candidate":"candidate:1"}"#;
    for (single, target, expected) in [
        (false, subscriber, Pc::Subscriber),
        (false, 0, Pc::Publisher),
        (true, subscriber, Pc::Publisher),
    ] {
        let mut bench = Bench::up(|profile| profile.single_pc = single);
        bench.request(trickle(json, target));
        assert!(
            matches!(bench.told.as_slice(), [Message::Candidate { pc, .. }] if *pc == expected)
        );
        assert!(bench.request(trickle(r#"{"candidate":""}"#, target)).told.is_empty());
        assert!(bench.request(trickle("no json", target)).told.is_empty());
    }
}

#[test]
fn a_track_is_announced_accepted_muted_and_ended() {
    let mut bench = Bench::up(|_| ());
    bench.request(add_track("cam"));
    assert!(matches!(bench.told.as_slice(), [Message::Publish(intent)] if intent.cid == "cam"));
    let publication = testing::publication("TR_cam", Source::Camera);
    bench.event(SessionEvent::Published { cid: "cam".to_owned(), publication });
    let Response::TrackPublished(published) = bench.said() else { panic!() };
    assert_eq!(
        (published.cid.as_str(), published.track.as_ref().unwrap().sid.as_str()),
        ("cam", "TR_cam")
    );
    bench.request(Request::Mute(pb::MuteTrackRequest { sid: "TR_cam".to_owned(), muted: true }));
    assert!(matches!(bench.told.as_slice(), [Message::Mute { muted: true, .. }]));
    bench.event(SessionEvent::Muted { track: "TR_cam".into(), muted: true });
    assert!(matches!(bench.said(), Response::Mute(mute) if mute.muted));
    bench.event(SessionEvent::Unpublished { track: "TR_cam".into() });
    assert!(matches!(bench.said(), Response::TrackUnpublished(_)));
}

#[test]
fn a_track_that_its_client_stopped_sending_needs_no_telling() {
    let mut bench = Bench::up(|_| ());
    bench.publish("cam", "TR_cam");
    bench.request(offer(1, "m=video 9 X 96\na=mid:0\na=msid:s cam\n"));
    bench.request(offer(2, "m=video 9 X 96\na=mid:0\na=inactive\n"));
    bench.event(SessionEvent::Unpublished { track: "TR_cam".into() });
    assert!(bench.sent.is_empty());
}

#[test]
fn a_refused_track_is_told_with_its_request() {
    let mut bench = Bench::up(|_| ());
    bench.request(add_track("cam"));
    let refusal = refusal(ErrorCode::NotPermitted);
    bench.event(SessionEvent::PublishRefused { cid: "cam".to_owned(), refusal });
    assert_eq!(bench.reason(), Reason::NotAllowed);
    let Response::RequestResponse(response) = bench.said() else { panic!() };
    let Some(pb::request_response::Request::AddTrack(echo)) = &response.request else { panic!() };
    assert_eq!(echo.cid, "cam");
}

#[test]
fn a_second_announcement_of_a_sent_track_is_queued_and_has_its_turn() {
    let mut bench = Bench::up(|_| ());
    bench.publish("cam", "TR_1");
    assert_eq!(bench.request(add_track("cam")).reason(), Reason::Queued);
    bench.event(SessionEvent::Unpublished { track: "TR_1".into() });
    assert!(matches!(bench.told.as_slice(), [Message::Publish(_)]));
}

#[test]
fn requests_about_tracks_of_others_are_refused() {
    let requests = [
        Request::Mute(pb::MuteTrackRequest { sid: "TR_bob".to_owned(), muted: true }),
        Request::UpdateAudioTrack(pb::UpdateLocalAudioTrack {
            track_sid: "TR_bob".to_owned(),
            ..Default::default()
        }),
    ];
    for request in requests {
        let mut bench = Bench::up(|_| ());
        assert_eq!(bench.request(request).reason(), Reason::NotFound);
        assert!(bench.told.is_empty());
    }
}

#[test]
fn what_is_not_supported_is_said_where_there_is_a_way_to_say_it() {
    let requests = [
        Request::PublishDataTrackRequest(pb::PublishDataTrackRequest::default()),
        Request::UnpublishDataTrackRequest(pb::UnpublishDataTrackRequest::default()),
        Request::StoreDataBlobRequest(pb::StoreDataBlobRequest {
            request_id: 1,
            ..Default::default()
        }),
        Request::GetDataBlobRequest(pb::GetDataBlobRequest { request_id: 1, ..Default::default() }),
    ];
    let mut bench = Bench::up(|_| ());
    for request in requests {
        assert_eq!(bench.request(request).reason(), Reason::UnsupportedType);
    }
    bench.request(Request::UpdateVideoTrack(pb::UpdateLocalVideoTrack::default()));
    assert!(bench.sent.is_empty() && bench.told.is_empty());
}

#[test]
fn subscriptions_name_tracks_in_either_list() {
    let mut bench = Bench::up(|_| ());
    bench.request(Request::Subscription(pb::UpdateSubscription {
        track_sids: vec!["TR_a".to_owned()],
        participant_tracks: vec![pb::ParticipantTracks {
            track_sids: vec!["TR_b".to_owned()],
            ..Default::default()
        }],
        subscribe: true,
    }));
    let [Message::Subscribe { tracks, subscribed: true }] = bench.told.as_slice() else { panic!() };
    assert_eq!(tracks.iter().map(TrackSid::as_str).collect::<Vec<_>>(), ["TR_a", "TR_b"]);
}

#[test]
fn a_view_is_by_size_where_one_is_given_and_by_quality_otherwise() {
    let base = ViewSettings::default();
    let settings = |quality: pb::VideoQuality, width, height, disabled| pb::UpdateTrackSettings {
        track_sids: vec!["TR_a".to_owned()],
        quality: quality.into(),
        width,
        height,
        disabled,
        ..Default::default()
    };
    use pb::VideoQuality as V;
    let table = [
        (settings(V::Low, 640, 360, false), ViewSettings { size: Some((640, 360)), ..base }),
        (settings(V::Low, 0, 0, false), ViewSettings { quality_max: Quality::Low, ..base }),
        (settings(V::Off, 0, 0, false), ViewSettings { disabled: true, ..base }),
        (settings(V::High, 0, 0, true), ViewSettings { disabled: true, ..base }),
    ];
    for (request, expected) in table {
        let mut bench = Bench::up(|_| ());
        bench.request(Request::TrackSetting(request));
        let [Message::View { settings, .. }] = bench.told.as_slice() else { panic!() };
        assert_eq!(*settings, expected);
    }
}

#[test]
fn an_audience_is_by_identity_and_entries_without_one_are_skipped() {
    let mut bench = Bench::up(|_| ());
    let entry = |identity: &str, all_tracks| pb::TrackPermission {
        participant_identity: identity.to_owned(),
        all_tracks,
        track_sids: vec!["TR_a".to_owned()],
        ..Default::default()
    };
    bench.request(Request::SubscriptionPermission(pb::SubscriptionPermission {
        all_participants: false,
        track_permissions: vec![entry("bob", true), entry("eve", false), entry("", true)],
    }));
    let [Message::SetAudience { audience: Audience::Only(named) }] = bench.told.as_slice() else {
        panic!("{:?}", bench.told)
    };
    assert_eq!(named.len(), 2);
    assert_eq!(named["bob"], TrackAccess::All);
    assert_eq!(named["eve"], TrackAccess::Only(["TR_a".into()].into()));
}

#[test]
fn changes_of_its_own_description_are_always_answered() {
    let update = pb::UpdateParticipantMetadata {
        name: "Ada".to_owned(),
        attributes: [("k".to_owned(), String::new())].into(),
        request_id: 9,
        ..Default::default()
    };
    let table = [
        (17, Ok(()), Some(Reason::Ok)),
        (13, Ok(()), None),
        (17, Err(refusal(ErrorCode::NotPermitted)), Some(Reason::NotAllowed)),
        (17, Err(refusal(ErrorCode::MetadataTooLarge)), Some(Reason::LimitExceeded)),
    ];
    for (protocol, result, expected) in table {
        let mut bench = Bench::up(|profile| profile.protocol = protocol);
        bench.request(Request::UpdateMetadata(update.clone()));
        let [Message::Update { request, name, metadata: None, attributes }] = bench.told.as_slice()
        else {
            panic!()
        };
        assert_eq!((name.as_deref(), attributes["k"].as_str()), (Some("Ada"), ""));
        let request = *request;
        bench.event(SessionEvent::Updated { request, result });
        match expected {
            Some(reason) => {
                assert_eq!(bench.reason(), reason);
                assert!(matches!(bench.said(), Response::RequestResponse(r) if r.request_id == 9));
            }
            None => assert!(bench.sent.is_empty()),
        }
    }
}

#[test]
fn changes_under_way_have_a_limit() {
    let mut bench = Bench::up(|_| ());
    for _ in 0..UPDATES_MAX {
        bench.request(Request::UpdateMetadata(pb::UpdateParticipantMetadata::default()));
        assert_eq!(bench.told.len(), 1);
    }
    bench.request(Request::UpdateMetadata(pb::UpdateParticipantMetadata::default()));
    assert_eq!(bench.reason(), Reason::LimitExceeded);
}

#[test]
fn pings_are_answered_with_the_time() {
    let mut bench = Bench::up(|_| ());
    let now = i64::try_from(testing::NOW_S * 1000).unwrap();
    assert!(matches!(bench.request(Request::Ping(5)).said(), Response::Pong(t) if *t == now));
    bench.request(Request::PingReq(pb::Ping { timestamp: 5, rtt: 1 }));
    let Response::PongResp(pong) = bench.said() else { panic!() };
    assert_eq!((pong.last_ping_timestamp, pong.timestamp), (5, now));
}

#[test]
fn what_others_do_is_told_in_the_words_of_the_dialect() {
    let mut bench = Bench::up(|_| ());
    bench.event(SessionEvent::SectionsNeeded { audio: 1, video: 2 });
    assert!(
        matches!(bench.said(), Response::MediaSectionsRequirement(m) if (m.num_audios, m.num_videos) == (1, 2))
    );
    bench.event(SessionEvent::Speakers(vec![Speaker {
        sid: "PA_bob".into(),
        level: 0.3,
        active: true,
    }]));
    assert!(
        matches!(bench.said(), Response::SpeakersChanged(s) if s.speakers[0].level.to_bits() == 0.375_f32.to_bits())
    );
    bench.event(SessionEvent::Quality(vec![("PA_bob".into(), ConnectionQuality::Poor, 2.0)]));
    assert!(
        matches!(bench.said(), Response::ConnectionQuality(q) if q.updates[0].quality() == pb::ConnectionQuality::Poor)
    );
    bench.event(SessionEvent::StreamState(vec![("PA_bob".into(), "TR_bob".into(), true)]));
    assert!(
        matches!(bench.said(), Response::StreamStateUpdate(s) if s.stream_states[0].state() == pb::StreamState::Paused)
    );
    bench.event(SessionEvent::FirstSubscriber { track: "TR_cam".into() });
    assert!(matches!(bench.said(), Response::TrackSubscribed(t) if t.track_sid == "TR_cam"));
    bench.event(SessionEvent::Access {
        publisher: "PA_bob".into(),
        track: "TR_bob".into(),
        allowed: false,
    });
    assert!(matches!(bench.said(), Response::SubscriptionPermissionUpdate(u) if !u.allowed));
    bench.event(SessionEvent::Room(testing::room("standup")));
    assert!(matches!(bench.said(), Response::RoomUpdate(u) if u.room.is_some()));
    let refusal = refusal(ErrorCode::TrackNotFound);
    bench.event(SessionEvent::SubscriptionRefused { track: "TR_x".into(), refusal });
    assert!(
        matches!(bench.said(), Response::SubscriptionResponse(s) if s.err() == pb::SubscriptionError::SeTrackNotfound)
    );
}

#[test]
#[expect(deprecated, reason = "old clients read the plain qualities")]
fn wanted_encodings_are_told_per_codec_and_none_means_all_off() {
    let mut bench = Bench::up(|_| ());
    bench.publish("cam", "TR_cam");
    for (quality_max, expected) in
        [(None, [false, false, false]), (Some(Quality::Medium), [true, true, false])]
    {
        bench.event(SessionEvent::Wanted { track: "TR_cam".into(), codec: None, quality_max });
        let Response::SubscribedQualityUpdate(update) = bench.said() else { panic!() };
        let enabled: Vec<_> = update.subscribed_qualities.iter().map(|q| q.enabled).collect();
        assert_eq!(enabled, expected);
        assert_eq!(update.subscribed_codecs[0].codec, "vp8");
        assert_eq!(update.subscribed_codecs[0].qualities, update.subscribed_qualities);
    }
}

#[test]
fn new_rights_are_told_with_a_fresh_token() {
    let mut bench = Bench::up(|_| ());
    let mut me = testing::participant("ada", &[]);
    me.permission.can_publish = false;
    bench.event(SessionEvent::Permission(me));
    assert!(matches!(bench.said(), Response::Update(_)));
    assert_eq!(bench.fresh[0].video.as_ref().unwrap().can_publish, Some(false));
}

#[test]
fn fresh_tokens_come_while_the_socket_is_open() {
    let mut bench = Bench::up(|_| ());
    assert!(bench.pass(REFRESH_EVERY - Duration::from_secs(1)).fresh.is_empty());
    assert_eq!(bench.pass(Duration::from_secs(1)).fresh.len(), 1);
    assert_eq!(bench.pass(REFRESH_EVERY).fresh.len(), 1);
}

#[test]
fn frames_are_requests_unknown_or_garbage() {
    use prost::Message as _;
    let ping = pb::SignalRequest { message: Some(Request::Ping(1)) }.encode_to_vec();
    assert!(matches!(decode_frame(&ping), Ok(Some(Request::Ping(1)))));
    assert_eq!(decode_frame(&[]), Ok(None));
    assert_eq!(decode_frame(&[0xFA, 0x3F, 0x00]), Ok(None), "a field of a newer protocol");
    assert_eq!(decode_frame(&[0xFF; 8]), Err(FrameError));
    assert_eq!(decode_frame(&ping[..1]), Err(FrameError));
}

proptest! {
    #[test]
    fn any_frame_is_decoded_or_refused_without_panic(frame in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(Some(request)) = decode_frame(&frame) {
            let mut bench = Bench::up(|_| ());
            bench.request(request);
        }
    }
}

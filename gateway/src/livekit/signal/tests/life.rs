//! Data, resuming, faults on purpose, moving, and how a session ends.

use super::*;

#[test]
fn data_is_forwarded_with_its_sender_and_replays_are_dropped() {
    use prost::Message as _;
    let mut bench = Bench::up(|_| ());
    let mut send = |sequence, delivery| {
        let packet = pb::DataPacket { sequence, ..Default::default() };
        let payload = packet.encode_to_vec().into();
        bench.event(SessionEvent::DataFromClient { delivery, payload });
        bench.told.len()
    };
    assert_eq!(send(1, Delivery::Reliable), 1);
    assert_eq!(send(2, Delivery::Reliable), 1);
    assert_eq!(send(2, Delivery::Reliable), 0);
    assert_eq!(send(1, Delivery::Reliable), 0);
    assert_eq!(send(1, Delivery::Lossy), 1);
    assert_eq!(send(0, Delivery::Reliable), 1);
    bench.disconnect();
    bench.connect();
    assert!(matches!(&bench.sent[0], Response::Reconnect(r) if r.last_message_seq == 2));
}

#[test]
fn data_beyond_the_limit_is_dropped() {
    let mut bench = Bench::up(|_| ());
    let payload = vec![0; 1025].into();
    bench.event(SessionEvent::DataFromClient { delivery: Delivery::Reliable, payload });
    assert!(bench.told.is_empty());
}

#[test]
fn data_without_the_right_to_send_it_is_dropped() {
    let mut bench = Bench::up(|_| ());
    let mut me = testing::participant("ada", &[]);
    me.permission.can_publish_data = false;
    bench.event(SessionEvent::Permission(me));
    let payload = bytes::Bytes::new();
    bench.event(SessionEvent::DataFromClient { delivery: Delivery::Reliable, payload });
    assert!(bench.told.is_empty());
}

#[test]
fn a_good_bye_ends_the_session_at_once() {
    let mut bench = Bench::up(|_| ());
    bench.request(Request::Leave(pb::LeaveRequest::default()));
    assert!(matches!(
        bench.told.as_slice(),
        [Message::Leave { reason: LeaveReason::ClientInitiated }]
    ));
    assert!(bench.is_over() && bench.signal.poll_timeout().is_none());
    assert!(bench.request(Request::Ping(1)).sent.is_empty(), "nothing is heard after it");
}

#[test]
fn the_nodes_good_bye_is_told_with_reason_and_what_to_do() {
    use pb::{DisconnectReason as R, leave_request::Action};
    let table = [
        (LeaveReason::DuplicateIdentity, false, R::DuplicateIdentity, Action::Disconnect),
        (LeaveReason::Removed, false, R::ParticipantRemoved, Action::Disconnect),
        (LeaveReason::RoomDeleted, false, R::RoomDeleted, Action::Disconnect),
        (LeaveReason::ServerShutdown, true, R::ServerShutdown, Action::Reconnect),
        (LeaveReason::MediaFailed, true, R::MediaFailure, Action::Reconnect),
    ];
    for (reason, rejoin, told, action) in table {
        let mut bench = Bench::up(|_| ());
        bench.event(SessionEvent::Leave(Leave { reason, rejoin }));
        assert_eq!(bench.leave(), (told, action));
        assert!(bench.is_over() && bench.told.is_empty());
    }
}

#[test]
fn a_refused_offer_makes_the_client_start_anew_instead_of_waiting() {
    let mut bench = Bench::up(|_| ());
    let event =
        |request, code| SessionEvent::NegotiationRefused { request, refusal: refusal(code) };
    bench.event(event(None, ErrorCode::CandidateMalformed));
    assert!(bench.sent.is_empty(), "one bad candidate is survived");
    bench.event(event(Some(1), ErrorCode::SdpMalformed));
    assert_eq!(bench.leave().1, pb::leave_request::Action::Reconnect);
    assert!(matches!(bench.told.as_slice(), [Message::Leave { reason: LeaveReason::MediaFailed }]));
}

#[test]
fn a_lost_client_is_kept_and_then_signed_off() {
    let mut bench = Bench::up(|_| ());
    bench.disconnect();
    assert!(bench.pass(Duration::from_secs(14)).told.is_empty());
    bench.pass(Duration::from_secs(1));
    assert!(matches!(bench.told.as_slice(), [Message::Leave { reason: LeaveReason::SignalLost }]));
    assert!(bench.is_over());
}

#[test]
fn a_client_that_never_opens_its_socket_is_signed_off() {
    let mut bench = Bench::new(|_| ());
    bench.pass(Duration::from_secs(15));
    assert!(matches!(bench.told.as_slice(), [Message::Leave { reason: LeaveReason::SignalLost }]));
}

#[test]
fn who_comes_back_hears_reconnect_first_then_everything_that_changed() {
    let mut bench = Bench::up(|_| ());
    bench.request(add_track("cam"));
    bench.disconnect();
    let mut gone = testing::participant("bob", &[]);
    gone.state = ParticipantState::Disconnected;
    bench.event(SessionEvent::Participants(vec![gone, testing::participant("eve", &[])]));
    let publication = testing::publication("TR_cam", Source::Camera);
    bench.event(SessionEvent::Published { cid: "cam".to_owned(), publication });
    bench.event(SessionEvent::Speakers(Vec::new()));
    assert!(bench.sent.is_empty());
    bench.connect();
    assert!(matches!(bench.said(), Response::Reconnect(_)));
    assert!(matches!(bench.rest.as_slice(), [Output::Resync(room)] if room.as_str() == "standup"));
    assert!(matches!(bench.told.as_slice(), [Message::Resumed]));
    let roster = [testing::participant("ada", &[]), testing::participant("eve", &[])];
    bench.signal.handle_roster(Some(&testing::room("standup")), &roster);
    bench.drain();
    let [Response::Update(update), Response::RoomUpdate(_), Response::TrackPublished(_)] =
        bench.sent.as_slice()
    else {
        panic!("{:?}", bench.sent)
    };
    let states: Vec<_> =
        update.participants.iter().map(|p| (p.identity.as_str(), p.state())).collect();
    use pb::participant_info::State;
    assert_eq!(
        states,
        [("ada", State::Active), ("eve", State::Active), ("bob", State::Disconnected)]
    );
}

#[test]
fn a_returning_client_that_claims_unknown_tracks_joins_anew() {
    let state = |sid: &str| {
        let track = pb::TrackInfo { sid: sid.to_owned(), ..Default::default() };
        let published = pb::TrackPublishedResponse { cid: "cam".to_owned(), track: Some(track) };
        Request::SyncState(pb::SyncState {
            publish_tracks: vec![published],
            subscription: Some(pb::UpdateSubscription {
                track_sids: vec!["TR_bob".to_owned()],
                ..Default::default()
            }),
            ..Default::default()
        })
    };
    let mut bench = Bench::up(|_| ());
    bench.publish("cam", "TR_cam");
    bench.request(state("TR_cam"));
    assert!(matches!(bench.told.as_slice(), [Message::Subscribe { subscribed: false, .. }]));
    bench.request(state("TR_other"));
    assert_eq!(
        bench.leave(),
        (pb::DisconnectReason::StateMismatch, pb::leave_request::Action::Reconnect)
    );
    assert!(bench.is_over());
}

#[test]
fn faults_are_simulated_only_where_that_is_allowed() {
    let scenario = |scenario| Request::Simulate(pb::SimulateScenario { scenario: Some(scenario) });
    let mut bench = Bench::up(|profile| profile.dev = false);
    bench.request(scenario(Scenario::NodeFailure(true)));
    assert!(bench.told.is_empty() && bench.rest.is_empty());

    let mut bench = Bench::up(|_| ());
    bench.request(scenario(Scenario::SpeakerUpdate(3)));
    assert!(matches!(
        bench.told.as_slice(),
        [Message::Simulate(Simulation::Speakers { seconds: 3 })]
    ));
    bench.request(scenario(Scenario::SubscriberBandwidth(1000)));
    assert!(matches!(
        bench.told.as_slice(),
        [Message::Simulate(Simulation::SubscriberBandwidth { bps: 1000 })]
    ));
    bench.request(scenario(Scenario::Migration(true)));
    assert_eq!(bench.leave().1, pb::leave_request::Action::Resume);
    assert!(matches!(bench.rest.as_slice(), [Output::Close]));
    bench.request(scenario(Scenario::NodeFailure(true)));
    assert!(bench.sent.is_empty() && bench.is_over(), "a dead node says nothing");

    for (fault, action) in [
        (Scenario::ServerLeave(true), pb::leave_request::Action::Disconnect),
        (Scenario::LeaveRequestFullReconnect(true), pb::leave_request::Action::Reconnect),
    ] {
        let mut bench = Bench::up(|_| ());
        bench.request(scenario(fault));
        assert_eq!(bench.leave().1, action);
        assert!(matches!(bench.told.as_slice(), [Message::Leave { .. }]) && bench.is_over());
    }
}

#[test]
fn the_next_resume_may_be_made_to_fail_once() {
    let scenario = |scenario| Request::Simulate(pb::SimulateScenario { scenario: Some(scenario) });
    for (fault, messages) in [
        (Scenario::DisconnectSignalOnResume(true), 1),
        (Scenario::DisconnectSignalOnResumeNoMessages(true), 0),
    ] {
        let mut bench = Bench::up(|_| ());
        bench.request(scenario(fault));
        bench.disconnect();
        bench.connect();
        assert_eq!(bench.sent.len(), messages);
        assert!(matches!(bench.rest.as_slice(), [Output::Close]));
        bench.disconnect();
        bench.connect();
        assert!(matches!(bench.rest.as_slice(), [Output::Resync(_)]));
    }
}

#[test]
fn who_is_moved_gets_the_new_room_with_a_token_for_it() {
    let moved = || {
        let mut participant = testing::participant("ada", &[]);
        participant.sid = "PA_new".into();
        Box::new(Moved { room: testing::room("elsewhere"), participant, others: Vec::new() })
    };
    let mut bench = Bench::up(|_| ());
    bench.event(SessionEvent::Moved(moved()));
    let [Output::Moved { sid, response, token }] = bench.rest.as_slice() else { panic!() };
    assert_eq!(
        (sid.as_str(), response.room.as_ref().unwrap().name.as_str()),
        ("PA_new", "elsewhere")
    );
    assert_eq!(token.video.as_ref().unwrap().room.as_deref(), Some("elsewhere"));
    let mut old = Bench::up(|profile| profile.protocol = 13);
    old.event(SessionEvent::Moved(moved()));
    assert!(old.is_over(), "old clients cannot follow");
}

#[test]
fn responses_kept_for_a_client_that_is_away_have_a_limit() {
    let mut bench = Bench::up(|_| ());
    bench.disconnect();
    for _ in 0..2 * MISSED_MAX {
        bench.event(SessionEvent::Muted { track: "TR_cam".into(), muted: true });
    }
    bench.connect();
    bench.signal.handle_roster(None, &[]);
    assert_eq!(bench.drain().sent.len(), MISSED_MAX);
}

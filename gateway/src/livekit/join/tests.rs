use std::io::Write as _;

use base64::{
    Engine as _,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use livekit_protocol as pb;
use pb::signal_request::Message as Request;
use proptest::prelude::*;
use prost::Message as _;

use super::params::*;
use crate::error::Error;

const LIMIT: usize = 64 * 1024;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn wrapped(compression: i32, join_request: Vec<u8>) -> Vec<u8> {
    pb::WrappedJoinRequest { compression, join_request }.encode_to_vec()
}

fn request() -> pb::JoinRequest {
    pb::JoinRequest {
        metadata: "m".to_owned(),
        connection_settings: Some(pb::ConnectionSettings {
            auto_subscribe: true,
            ..pb::ConnectionSettings::default()
        }),
        add_track_requests: vec![pb::AddTrackRequest::default()],
        publisher_offer: Some(pb::SessionDescription::default()),
        ..pb::JoinRequest::default()
    }
}

#[test]
fn a_join_request_is_read_plain_or_gzipped_padded_or_not() {
    let bytes = request().encode_to_vec();
    for bytes in [wrapped(0, bytes.clone()), wrapped(1, gzip(&bytes))] {
        for text in [URL_SAFE.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            assert_eq!(decode_join_request(&text, LIMIT), Ok(request()), "{text}");
        }
    }
}

#[test]
fn a_small_text_that_inflates_beyond_the_limit_is_refused() {
    let bomb = URL_SAFE.encode(wrapped(1, gzip(&vec![0; LIMIT * 16])));
    assert!(bomb.len() < 4096);
    assert_eq!(decode_join_request(&bomb, LIMIT), Err(Error::TooLarge { limit: LIMIT }));
}

#[test]
fn a_join_request_that_is_not_one_is_malformed() {
    let truncated = gzip(&request().encode_to_vec());
    let truncated = wrapped(1, truncated[..truncated.len() / 2].to_vec());
    let texts = [
        "!".to_owned(),
        URL_SAFE.encode([0xFF; 9]),
        URL_SAFE.encode(wrapped(1, b"not gzip".to_vec())),
        URL_SAFE.encode(wrapped(7, Vec::new())),
        URL_SAFE.encode(wrapped(0, vec![0xFF; 9])),
        URL_SAFE.encode(truncated),
    ];
    for text in texts {
        let error = decode_join_request(&text, LIMIT);
        assert_eq!(error, Err(Error::Malformed("join_request")), "{text}");
    }
}

#[test]
fn tracks_of_a_join_request_count_before_its_offer() {
    let text = URL_SAFE.encode(wrapped(0, request().encode_to_vec()));
    let attempt = Attempt::from_query(&format!("join_request={text}"), LIMIT).unwrap();
    assert!(attempt.single_pc && attempt.auto_subscribe && attempt.resume.is_none());
    assert!(matches!(attempt.opening.as_slice(), [Request::AddTrack(_), Request::Offer(_)]));
}

#[test]
fn a_join_request_may_ask_to_come_back() {
    let request = pb::JoinRequest {
        reconnect: true,
        participant_sid: "PA_1".to_owned(),
        sync_state: Some(pb::SyncState::default()),
        ..request()
    };
    let text = URL_SAFE.encode(wrapped(0, request.encode_to_vec()));
    let attempt = Attempt::from_query(&format!("join_request={text}"), LIMIT).unwrap();
    assert_eq!(attempt.resume.unwrap().sid.as_str(), "PA_1");
    assert!(matches!(attempt.opening.first(), Some(Request::SyncState(_))));
}

#[test]
fn the_query_of_a_client_with_two_connections_is_read() {
    let query = "access_token=x&auto_subscribe=1&sdk=js&version=2.23.0&protocol=17&client_protocol=2\
                 &capabilities=CAP_PACKET_TRAILER,CAP_UNHEARD_OF&browser=firefox&os=linux";
    let attempt = Attempt::from_query(query, LIMIT).unwrap();
    assert!(!attempt.single_pc && attempt.auto_subscribe && attempt.resume.is_none());
    assert_eq!(attempt.client.sdk(), pb::client_info::Sdk::Js);
    assert_eq!((attempt.client.protocol, attempt.client.client_protocol), (17, 2));
    assert_eq!(attempt.client.capabilities.len(), 1);
}

#[test]
fn what_the_query_leaves_out_has_defaults() {
    let attempt = Attempt::from_query("", LIMIT).unwrap();
    assert!(attempt.auto_subscribe && !attempt.single_pc);
    let attempt = Attempt::from_query("auto_subscribe=false&protocol=x", LIMIT).unwrap();
    assert!(!attempt.auto_subscribe);
    assert_eq!(attempt.client.protocol, 0);
}

#[test]
fn coming_back_names_its_session_and_reason() {
    let query = "reconnect=1&sid=PA_1&reconnect_reason=3";
    let resume = Attempt::from_query(query, LIMIT).unwrap().resume.unwrap();
    assert_eq!((resume.sid.as_str(), resume.reason), ("PA_1", 3));
}

#[test]
fn attributes_travel_as_base64_json() {
    let text = URL_SAFE_NO_PAD.encode(r#"{"k":"v"}"#);
    let attempt = Attempt::from_query(&format!("attributes={text}"), LIMIT).unwrap();
    assert_eq!(attempt.attributes["k"], "v");
    assert!(Attempt::from_query("attributes=%%%", LIMIT).is_err());
}

proptest! {
    #[test]
    fn any_query_is_read_or_refused_without_panic(query in "\\PC{0,200}") {
        let _ = Attempt::from_query(&query, LIMIT);
    }

    #[test]
    fn any_join_request_is_read_or_refused_without_panic(
        compression in 0..3_i32,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = decode_join_request(&URL_SAFE.encode(&bytes), LIMIT);
        let _ = decode_join_request(&URL_SAFE.encode(wrapped(compression, bytes)), LIMIT);
    }
}

use livekit_protocol as pb;
use proptest::prelude::*;
use prost::Message as _;

use super::*;

const SID: &str = "PA_sender";

fn rewritten(packet: &[u8], delivery: Delivery, hidden: bool) -> Result<Rewritten, DataError> {
    let (sid, identity) = (ParticipantSid::from(SID), Identity::from("ada"));
    rewrite(packet, delivery, Sender { sid: &sid, identity: &identity, hidden, agent: false })
}

#[expect(deprecated, reason = "old clients send and read these")]
fn user_packet() -> pb::DataPacket {
    pb::DataPacket {
        kind: 1,
        participant_identity: "mallory".to_owned(),
        participant_sid: "PA_mallory".to_owned(),
        destination_identities: vec!["bob".to_owned()],
        sequence: 7,
        value: Some(pb::data_packet::Value::User(pb::UserPacket {
            participant_sid: "PA_mallory".to_owned(),
            participant_identity: "mallory".to_owned(),
            payload: b"hello".to_vec(),
            topic: Some("t".to_owned()),
            nonce: vec![1, 2, 3],
            ..pb::UserPacket::default()
        })),
    }
}

#[test]
#[expect(deprecated, reason = "old clients send and read these")]
fn sender_and_kind_are_ours_and_everything_else_is_kept() {
    let out = rewritten(&user_packet().encode_to_vec(), Delivery::Reliable, false).unwrap();
    assert_eq!((out.to, out.sequence), (vec![Identity::from("bob")], 7));
    let packet = pb::DataPacket::decode(out.payload).unwrap();
    let mut expected = user_packet();
    expected.kind = 0;
    expected.participant_identity = "ada".to_owned();
    expected.participant_sid = SID.to_owned();
    let Some(pb::data_packet::Value::User(user)) = &mut expected.value else { panic!() };
    user.participant_sid = SID.to_owned();
    user.participant_identity = "ada".to_owned();
    assert_eq!(packet, expected);
}

#[test]
#[expect(deprecated, reason = "old clients send and read these")]
fn a_hidden_sender_stays_unnamed() {
    let out = rewritten(&user_packet().encode_to_vec(), Delivery::Lossy, true).unwrap();
    let packet = pb::DataPacket::decode(out.payload).unwrap();
    assert_eq!((packet.participant_identity.as_str(), packet.participant_sid.as_str()), ("", ""));
    assert_eq!(packet.kind, 1);
    let Some(pb::data_packet::Value::User(user)) = packet.value else { panic!() };
    assert_eq!((user.participant_identity.as_str(), user.participant_sid.as_str()), ("", ""));
}

#[test]
#[expect(deprecated, reason = "old clients send it")]
fn receivers_named_in_the_inner_message_count() {
    let packet = pb::DataPacket {
        value: Some(pb::data_packet::Value::User(pb::UserPacket {
            destination_identities: vec!["bob".to_owned()],
            ..pb::UserPacket::default()
        })),
        ..pb::DataPacket::default()
    };
    let out = rewritten(&packet.encode_to_vec(), Delivery::Reliable, false).unwrap();
    assert_eq!(out.to, [Identity::from("bob")]);
}

#[test]
#[expect(deprecated, reason = "old clients send it")]
fn a_message_for_sessions_only_is_refused_rather_than_made_public() {
    let packet = pb::DataPacket {
        value: Some(pb::data_packet::Value::User(pb::UserPacket {
            destination_sids: vec!["PA_bob".to_owned()],
            ..pb::UserPacket::default()
        })),
        ..pb::DataPacket::default()
    };
    let out = rewritten(&packet.encode_to_vec(), Delivery::Reliable, false);
    assert_eq!(out, Err(DataError::ReceiversBySession));
}

#[test]
#[expect(deprecated, reason = "clients may still try it")]
fn what_only_servers_may_say_is_not_forwarded() {
    let values = [
        pb::data_packet::Value::Speaker(pb::ActiveSpeakerUpdate::default()),
        pb::data_packet::Value::Metrics(pb::MetricsBatch::default()),
        pb::data_packet::Value::Transcription(pb::Transcription::default()),
    ];
    for value in values {
        let packet = pb::DataPacket { value: Some(value), ..pb::DataPacket::default() };
        let out = rewritten(&packet.encode_to_vec(), Delivery::Reliable, false);
        assert_eq!(out, Err(DataError::NotForwarded));
    }
}

#[test]
fn half_a_message_is_malformed() {
    let whole = user_packet().encode_to_vec();
    let out = rewritten(&whole[..whole.len() - 1], Delivery::Reliable, false);
    assert_eq!(out, Err(DataError::Malformed));
}

#[test]
fn groups_are_malformed() {
    assert_eq!(rewritten(&[0x9B, 0x06], Delivery::Reliable, false), Err(DataError::Malformed));
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_rewritten_but_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        if let Ok(out) = rewritten(&bytes, Delivery::Lossy, false) {
            // What comes out is readable wire format again, and stable under a second pass.
            let again = rewritten(&out.payload, Delivery::Lossy, false).unwrap();
            prop_assert_eq!(again.payload.len(), out.payload.len());
        }
    }

    #[test]
    fn unknown_fields_survive(tag in 100_u32..1000, value in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = user_packet().encode_to_vec();
        let mut unknown = Vec::new();
        put_bytes(tag, &value, &mut unknown);
        bytes.extend_from_slice(&unknown);
        let out = rewritten(&bytes, Delivery::Reliable, false).unwrap().payload;
        prop_assert!(out.windows(unknown.len()).any(|window| window == unknown));
    }

    #[test]
    fn payloads_and_topics_survive(payload in proptest::collection::vec(any::<u8>(), 0..2048), topic in ".{0,40}") {
        let mut packet = user_packet();
        let Some(pb::data_packet::Value::User(user)) = &mut packet.value else { panic!() };
        user.payload.clone_from(&payload);
        user.topic = Some(topic.clone());
        let out = rewritten(&packet.encode_to_vec(), Delivery::Reliable, false).unwrap();
        let Some(pb::data_packet::Value::User(user)) = pb::DataPacket::decode(out.payload).unwrap().value else { panic!() };
        prop_assert_eq!((user.payload, user.topic), (payload, Some(topic)));
    }
}

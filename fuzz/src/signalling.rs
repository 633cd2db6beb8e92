//! What comes by WebSocket and data channel.

use std::time::Duration;

use gateway::{
    livekit::{
        data,
        signal::{Moment, Output, Profile, Signal, decode_frame},
    },
    node::Joined,
};
use livekit_protocol as pb;
use proto::{
    id::{Identity, ParticipantSid},
    media::{Codec, Delivery},
    room::{Participant, Room, RoomSettings},
    time::{Instant, LogTime},
};

/// Requests looked at of one input.
const REQUESTS_MAX: usize = 64;
/// Outputs that one request may cause.
const OUTPUTS_MAX: usize = 4_096;

/// One frame: what is decoded must be the same after it was encoded again.
pub fn frame(data: &[u8]) {
    use prost::Message as _;
    let Ok(Some(message)) = decode_frame(data) else { return };
    let again = pb::SignalRequest { message: Some(message.clone()) }.encode_to_vec();
    let same = decode_frame(&again).is_ok_and(|decoded| decoded.is_some());
    assert!(same, "a request that was read cannot be written");
}

/// A session that gets frames, each behind its length in two bytes, while its socket comes and goes.
pub fn session(data: &[u8]) {
    let mut now = Moment { at: Instant(0), wall: LogTime(1_800_000_000_000) };
    let mut signal = Signal::new(now, profile(), joined(), Vec::new());
    signal.handle_connected(now);
    drain(&mut signal);
    let mut rest = data;
    for _ in 0..REQUESTS_MAX {
        let Some((header, body)) = rest.split_first_chunk::<2>() else { break };
        let [flags, low] = *header;
        let length = (usize::from(flags & 0x0f) << 8 | usize::from(low)).min(body.len());
        let (frame, next) = body.split_at(length);
        rest = next;
        now.at = Instant(now.at.0 + u64::from(flags >> 4) * 1_000_000);
        if flags & 0x80 != 0 {
            signal.handle_disconnected(now);
            signal.handle_timeout(now);
            signal.handle_connected(now);
        }
        if let Ok(Some(request)) = decode_frame(frame) {
            signal.handle_request(now, request);
        }
        if !drain(&mut signal) {
            assert!(signal.poll_timeout().is_none(), "a session that is over waits for something");
            return;
        }
    }
    assert!(signal.poll_timeout().is_some(), "a session that goes on waits for nothing");
}

/// Takes all outputs; returns whether the session goes on.
fn drain(signal: &mut Signal) -> bool {
    let mut goes_on = true;
    for _ in 0..OUTPUTS_MAX {
        match signal.poll_output() {
            None => return goes_on,
            Some(output) => goes_on &= !matches!(output, Output::End),
        }
    }
    panic!("one request caused more than {OUTPUTS_MAX} outputs");
}

/// A data message on its way from one client to others.
pub fn data_packet(data: &[u8]) {
    use prost::Message as _;
    let sid = ParticipantSid::from("PA_fuzzfuzzfuzz");
    let identity = Identity::from("fuzz");
    for delivery in [Delivery::Reliable, Delivery::Lossy] {
        let sender = data::Sender { sid: &sid, identity: &identity, hidden: false, agent: false };
        let Ok(rewritten) = data::rewrite(data, delivery, sender) else { continue };
        let Ok(packet) = pb::DataPacket::decode(data) else { continue };
        let Ok(after) = pb::DataPacket::decode(rewritten.payload.as_ref()) else {
            panic!("a readable message became unreadable");
        };
        assert_eq!(after.participant_identity, "fuzz", "the sender is not who it is");
        assert_eq!(after.participant_sid, "PA_fuzzfuzzfuzz", "the sender is not who it is");
        assert_eq!(after.sequence, packet.sequence, "the sequence was changed");
        assert_eq!(after.value.is_some(), packet.value.is_some(), "the content was lost");
    }
}

fn profile() -> Profile {
    Profile {
        codecs: vec![Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264],
        dev: true,
        resume_after_max: Duration::from_secs(10),
        single_pc: true,
        protocol: 17,
        ..Profile::default()
    }
}

fn joined() -> Joined {
    let participant = Participant {
        version: 1,
        ..Participant::new(ParticipantSid::from("PA_fuzzfuzzfuzz"), Identity::from("fuzz"))
    };
    let room = Room {
        sid: "RM_fuzzfuzzfuzz".into(),
        name: "fuzz".into(),
        settings: RoomSettings::default(),
        created_at: LogTime(0),
        participants: 1,
        publishers: 0,
        recording: false,
    };
    Joined { participant, room, others: Vec::new() }
}

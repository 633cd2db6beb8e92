//! What comes by HTTP: tokens, join requests, WHIP and WHEP bodies, session descriptions.

use gateway::{
    auth::Keys,
    livekit::{
        join::params::{Attempt, decode_join_request},
        sdp::{parse_candidate, sending},
    },
    whip::{
        offer::{ice_of, parse_offer, restarted},
        sdpfrag::parse_fragment,
    },
};
use sfu_shard::sdp::{self, Credentials, Edit, Outbound};

/// Seconds since 1970 at which tokens of the corpus are valid.
const NOW_S: u64 = 1_800_000_000;
const INFLATED_BYTES_MAX: usize = 1 << 20;

/// An access token.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let keys: Keys = [("devkey", "secret")].into_iter().collect();
    if let Ok(claims) = keys.verify(text, NOW_S) {
        let _ = format!("{claims:?}");
    }
}

/// The query of a join, with a compressed join request in it.
pub fn join_request(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = Attempt::from_query(text, INFLATED_BYTES_MAX);
    let request = text.rsplit("join_request=").next().unwrap_or(text);
    let _ = decode_join_request(request, INFLATED_BYTES_MAX);
}

/// The body of a WHIP or WHEP `POST`.
pub fn whip_offer(data: &[u8]) {
    let Ok(offer) = parse_offer(data) else { return };
    let Ok(text) = std::str::from_utf8(data) else { panic!("an offer that is no text was read") };
    assert!(offer.sections.len() <= text.matches("m=").count(), "sections out of nothing");
    let again = restarted(text, "freshfragment", "freshpasswordfreshpassword");
    let kept = again.lines().any(|line| line.starts_with("a=candidate:"));
    assert!(!kept, "a restarted offer keeps old candidates");
}

/// The body of a WHIP or WHEP `PATCH`.
pub fn whip_fragment(data: &[u8]) {
    if let Ok(fragment) = parse_fragment(data) {
        let _ = (fragment.restarts(None), fragment.restarts(Some("abcd")));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = ice_of(text);
    }
}

/// A session description that is read for its sections and rewritten.
pub fn description(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (lines, sections) = (sdp::lines(text), sending(text));
    for section in &sections {
        assert!(text.contains(section.mid.as_str()), "a section's name out of nothing");
    }
    let kept = sdp::rewrite(text, |_| Edit::default());
    let written = sdp::rewrite(text, |line| Edit {
        outbound: if line.direction.sends() {
            Outbound::Named(String::from("PA_fuzz|TR_fuzz"), String::from("TR_fuzz"))
        } else {
            Outbound::Nothing
        },
        opus: String::from(";usedtx=1"),
    });
    for rewritten in [&kept, &written] {
        assert_eq!(sdp::lines(rewritten).len(), lines.len(), "rewriting changed the sections");
    }
    let old = Credentials { ufrag: String::from("old"), password: String::from("old") };
    let new = Credentials { ufrag: String::from("new"), password: String::from("new") };
    let _ = sdp::replace_credentials(text, &old, &new);
}

/// A trickled candidate in JSON.
pub fn candidate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = parse_candidate(text);
}

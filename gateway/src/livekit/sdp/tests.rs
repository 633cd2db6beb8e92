use super::*;

const CHROMIUM: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2 3\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=mid:0\r\na=sendrecv\r\na=msid:s1 mic-1\r\na=rtpmap:111 opus/48000/2\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendonly\r\na=msid:- cam-1\r\na=rid:q send\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\na=recvonly\r\n\
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:3\r\na=sctp-port:5000\r\n";

fn check(sdp: &str, expected: &[(&str, MediaKind, Option<&str>)]) {
    let found = sending(sdp);
    let found: Vec<_> = found.iter().map(|s| (s.mid.as_str(), s.kind, s.cid.as_deref())).collect();
    assert_eq!(found, expected);
}

#[test]
fn only_sections_that_send_sound_or_pictures_are_found() {
    use MediaKind::{Audio, Video};
    check(CHROMIUM, &[("0", Audio, Some("mic-1")), ("1", Video, Some("cam-1"))]);
}

#[test]
fn braces_of_firefox_ids_are_kept_and_bundle_only_sections_count() {
    let sdp = "v=0\r\nm=audio 0 UDP/TLS/RTP/SAVPF 109\r\na=bundle-only\r\na=sendrecv\r\na=mid:7\r\n\
               a=msid:{11} {2f3c-9}\r\n";
    check(sdp, &[("7", MediaKind::Audio, Some("{2f3c-9}"))]);
}

#[test]
fn rejected_sections_are_left_out() {
    check("v=0\nm=audio 0 UDP/TLS/RTP/SAVPF 0\na=mid:0\na=sendrecv\na=msid:a b\n", &[]);
}

#[test]
fn ids_are_also_read_from_source_lines() {
    let sdp =
        "v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:v\na=ssrc:1 cname:x\na=ssrc:1 msid:s cam\n";
    check(sdp, &[("v", MediaKind::Video, Some("cam"))]);
}

#[test]
fn a_section_without_an_id_is_found_without_one() {
    check("m=video 9 X 96\na=mid:v\na=msid:alone\n", &[("v", MediaKind::Video, None)]);
}

#[test]
fn text_that_is_no_description_has_no_sections() {
    for text in ["", "m=", "m=audio", "a=mid:0", "m=audio 9\na=mid:\n", "\u{0}\u{ffff}m=\n\n"] {
        check(text, &[]);
    }
}

#[test]
fn candidates_are_read_with_any_fields_missing() {
    let full = r#"{"candidate":"candidate:1 1 udp 1 10.0.0.1 9 typ host","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"x"}"#;
    assert_eq!(parse_candidate(full).unwrap().sdp_mline_index, Some(0));
    assert_eq!(parse_candidate(r#"{"candidate":""}"#).unwrap().candidate, "");
    assert_eq!(parse_candidate(r#"{"candidate":"c","sdpMid":null}"#).unwrap().sdp_mid, None);
}

#[test]
fn candidates_that_are_not_json_or_too_large_are_refused() {
    assert_eq!(parse_candidate("candidate:1"), Err(CandidateError));
    assert_eq!(parse_candidate(r#"{"candidate":1}"#), Err(CandidateError));
    let large = format!(r#"{{"candidate":"{}"}}"#, "x".repeat(CANDIDATE_BYTES_MAX));
    assert_eq!(parse_candidate(&large), Err(CandidateError));
}

#[test]
fn candidates_are_written_with_all_three_fields() {
    let json = candidate_json("candidate:1", "0", 0);
    let read = parse_candidate(&json).unwrap();
    assert_eq!(read.sdp_mid.as_deref(), Some("0"));
    assert_eq!(read.sdp_mline_index, Some(0));
}

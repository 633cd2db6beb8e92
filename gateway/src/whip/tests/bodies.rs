use proptest::prelude::*;
use proto::media::MediaKind;

use super::SENDING;
use crate::whip::{
    offer::{
        Direction, Fault, OFFER_BYTES_MAX, SECTIONS_MAX, SdpError, ice_of, parse_offer, restarted,
    },
    sdpfrag::{CANDIDATES_MAX, FRAGMENT_BYTES_MAX, Fragment, parse_fragment, write_fragment},
};

#[test]
fn an_offer_is_read_section_by_section() {
    let offer = parse_offer(SENDING.as_bytes()).unwrap();
    assert_eq!(offer.ufrag.as_deref(), Some("abcd"));
    let [audio, video] = offer.sections.as_slice() else { panic!("{offer:?}") };
    assert_eq!((audio.mid.as_str(), audio.kind), ("0", MediaKind::Audio));
    assert_eq!((audio.direction, audio.track.as_deref()), (Direction::SendOnly, Some("sound")));
    assert!(audio.stereo);
    assert_eq!((video.mid.as_str(), video.kind), ("1", MediaKind::Video));
    assert_eq!((video.direction, video.track.as_deref()), (Direction::SendOnly, None));
    assert!(video.rids.is_empty());
}

#[test]
fn line_ends_without_carriage_returns_are_good_enough() {
    let plain = SENDING.replace("\r\n", "\n");
    assert_eq!(parse_offer(plain.as_bytes()), parse_offer(SENDING.as_bytes()));
}

#[test]
fn simulcast_ids_are_those_that_are_sent() {
    let table = [
        ("a=simulcast:send q;h;f", vec!["q", "h", "f"]),
        ("a=simulcast:send ~a,b;c recv d", vec!["a", "c"]),
        ("a=simulcast:recv d send a", vec!["a"]),
        ("a=simulcast:recv d", vec![]),
        ("a=simulcast:", vec![]),
        ("a=simulcast:send", vec![]),
    ];
    for (line, rids) in table {
        let offer = parse_offer(format!("{SENDING}{line}\r\n").as_bytes()).unwrap();
        let got: Vec<_> = offer.sections[1].rids.iter().map(|rid| rid.as_str()).collect();
        assert_eq!(got, rids, "{line}");
    }
}

#[test]
fn rejected_sections_and_data_channels_are_not_media() {
    let data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\n";
    let rejected = "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:r\r\n";
    let bundled = "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:b\r\na=bundle-only\r\na=recvonly\r\n";
    let offer = parse_offer(format!("{SENDING}{data}{rejected}{bundled}").as_bytes()).unwrap();
    let mids: Vec<_> = offer.sections.iter().map(|section| section.mid.as_str()).collect();
    assert_eq!(mids, ["0", "1", "b"]);
}

#[test]
fn a_direction_of_the_session_holds_for_sections_that_say_none() {
    let head = "v=0\r\na=inactive\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\nm=audio 9 RTP/AVP 0\r\na=mid:1\r\na=sendrecv\r\n";
    let offer = parse_offer(head.as_bytes()).unwrap();
    let directions: Vec<_> = offer.sections.iter().map(|section| section.direction).collect();
    assert_eq!(directions, [Direction::Inactive, Direction::SendRecv]);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    let section = "m=audio 9 RTP/AVP 0\r\na=mid:0\r\n";
    let many: String =
        (0..=SECTIONS_MAX).map(|n| format!("m=audio 9 RTP/AVP 0\r\na=mid:{n}\r\n")).collect();
    let table = [
        ("garbage".to_owned(), 1, Fault::Form),
        ("o=-\r\n".to_owned(), 1, Fault::Version),
        ("v=1\r\n".to_owned(), 1, Fault::Version),
        (String::new(), 1, Fault::NoSections),
        ("v=0\r\ns=-\r\n".to_owned(), 2, Fault::NoSections),
        ("v=0\r\nm=audio 9\r\n".to_owned(), 2, Fault::Media),
        ("v=0\r\nm=audio x RTP/AVP 0\r\n".to_owned(), 2, Fault::Media),
        ("v=0\r\nm=audio 99999 RTP/AVP 0\r\n".to_owned(), 2, Fault::Media),
        ("v=0\r\nm=audio 9 RTP/AVP 0\r\ns=-\r\n".to_owned(), 3, Fault::MidMissing),
        ("v=0\r\nm=audio 9 RTP/AVP 0\r\na=mid:\r\n".to_owned(), 3, Fault::Mid),
        (format!("v=0\r\n{section}{section}"), 5, Fault::MidTwice),
        (format!("v=0\r\n{section}a=ice-ufrag:a b\r\n"), 4, Fault::Ice),
        (format!("v=0\r\n{many}"), 2 * SECTIONS_MAX + 2, Fault::TooManySections),
        ("v=0\r\n{\"json\": true}".to_owned(), 2, Fault::Form),
    ];
    for (text, line, fault) in table {
        assert_eq!(parse_offer(text.as_bytes()), Err(SdpError { line, fault }), "{text}");
    }
    let large = vec![b'v'; OFFER_BYTES_MAX + 1];
    assert_eq!(parse_offer(&large).unwrap_err().fault, Fault::TooLarge);
    assert_eq!(parse_offer(b"v=\xff").unwrap_err().fault, Fault::NotText);
}

#[test]
fn a_fragment_is_read_wherever_its_credentials_stand() {
    let expected = Fragment {
        ufrag: Some("EsAw".to_owned()),
        pwd: Some("P2uYro0UCOQ4zxjKXaWCBui1".to_owned()),
        candidates: vec!["candidate:1 1 udp 1 192.0.2.1 61764 typ host".to_owned()],
        end_of_candidates: true,
    };
    let credentials = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n";
    let section = "m=audio 9 RTP/AVP 0\r\na=mid:0\r\n";
    let candidates = "a=candidate:1 1 udp 1 192.0.2.1 61764 typ host\r\na=end-of-candidates\r\n";
    for text in [
        format!("{credentials}{section}{candidates}"),
        format!("{section}{credentials}{candidates}"),
        format!("{section}{credentials}{candidates}").replace("\r\n", "\n"),
    ] {
        assert_eq!(parse_fragment(text.as_bytes()), Ok(expected.clone()), "{text}");
    }
    assert_eq!(parse_fragment(b""), Ok(Fragment::default()));
    assert!(parse_fragment(b"a=candidate:\r\n").unwrap().end_of_candidates);
}

#[test]
fn fragments_that_cannot_be_read_are_refused() {
    let many = "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n".repeat(CANDIDATES_MAX + 1);
    let table = [
        ("garbage", Fault::Form),
        ("a=ice-ufrag:abc", Fault::Ice),
        ("a=ice-pwd:", Fault::Ice),
        ("a=candidate:1 1 udp\u{7} x", Fault::Ice),
        (many.as_str(), Fault::TooManyCandidates),
    ];
    for (text, fault) in table {
        assert_eq!(parse_fragment(text.as_bytes()).unwrap_err().fault, fault, "{text}");
    }
    let large = vec![b'a'; FRAGMENT_BYTES_MAX + 1];
    assert_eq!(parse_fragment(&large).unwrap_err().fault, Fault::TooLarge);
}

#[test]
fn only_new_credentials_restart_ice() {
    let fragment = |ufrag: Option<&str>, pwd: Option<&str>| Fragment {
        ufrag: ufrag.map(str::to_owned),
        pwd: pwd.map(str::to_owned),
        ..Fragment::default()
    };
    assert!(fragment(Some("new1"), Some("p")).restarts(Some("old1")));
    assert!(!fragment(Some("old1"), Some("p")).restarts(Some("old1")));
    assert!(!fragment(Some("new1"), None).restarts(Some("old1")));
    assert!(!fragment(None, None).restarts(Some("old1")));
}

#[test]
fn a_restarted_offer_differs_only_in_credentials_and_candidates() {
    let again = restarted(SENDING, "wxyz", "9999999999999999999999");
    let expected = SENDING
        .replace("abcd", "wxyz")
        .replace("0123456789012345678901", "9999999999999999999999")
        .replace("a=candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host\r\n", "");
    assert_eq!(again, expected);
}

#[test]
fn the_answer_to_a_restart_can_be_read_as_a_fragment() {
    let answer = SENDING.replace("a=ice-options:trickle", "a=ice-lite");
    let ice = ice_of(&answer);
    let text = write_fragment(&ice);
    assert!(text.starts_with("a=ice-lite\r\n"), "{text}");
    assert!(text.contains("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"), "{text}");
    let fragment = parse_fragment(text.as_bytes()).unwrap();
    assert_eq!(fragment.ufrag.as_deref(), Some("abcd"));
    assert_eq!(fragment.candidates, ["candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host"]);
}

proptest! {
    #[test]
    fn no_body_breaks_the_parsers(body in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = parse_offer(&body);
        let _ = parse_fragment(&body);
        let _ = ice_of(&String::from_utf8_lossy(&body));
    }

    #[test]
    fn no_damage_to_an_offer_breaks_the_parser(at in 0..SENDING.len(), with in any::<char>()) {
        let mut text = SENDING.to_owned();
        text.replace_range(at..=at, &with.to_string());
        if let Ok(offer) = parse_offer(text.as_bytes()) {
            prop_assert!(offer.sections.len() <= SECTIONS_MAX);
            let _ = restarted(&text, "wxyz", "p");
        }
    }
}

use super::*;

const ANSWER: &str = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\na=msid-semantic: WMS xyz\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:old\r\na=ice-pwd:oldpw\r\na=candidate:1 1 udp 9 127.0.0.1 7882 typ host ufrag old\r\n\
a=mid:0\r\na=sendonly\r\na=msid:xyz abc\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
a=ssrc:5 cname:abc\r\na=ssrc:5 msid:xyz abc\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendonly\r\na=msid:xyz def\r\na=ssrc-group:FID 6 7\r\na=ssrc:6 msid:xyz def\r\n\
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\na=sctp-port:5000\r\n";

fn edit(outbound: Outbound, opus: &str) -> Edit {
    Edit { outbound, opus: opus.into() }
}

#[test]
fn sections_are_listed_with_their_direction() {
    let lines = lines(ANSWER);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].mid.as_str(), "0");
    assert_eq!(lines[0].kind, MediaKind::Audio);
    assert_eq!(lines[1].direction, Direction::SendOnly);
}

#[test]
fn an_assigned_section_gets_its_names_and_keeps_its_ssrc() {
    let text = rewrite(ANSWER, |line| match line.kind {
        MediaKind::Audio => edit(Outbound::Named("PA_1|TR_2".into(), "TR_2".into()), ""),
        MediaKind::Video => edit(Outbound::Keep, ""),
    });
    assert!(text.contains("a=msid:PA_1|TR_2 TR_2\r\n"));
    assert!(text.contains("a=ssrc:5 msid:PA_1|TR_2 TR_2\r\n"));
    assert!(text.contains("a=ssrc:5 cname:abc\r\n"));
    assert!(text.contains("a=msid:xyz def\r\n"));
    assert!(text.contains("a=msid-semantic: WMS *\r\n"));
}

#[test]
fn an_unassigned_section_is_inactive_and_nameless() {
    let text = rewrite(ANSWER, |line| match line.kind {
        MediaKind::Audio => edit(Outbound::Keep, ""),
        MediaKind::Video => edit(Outbound::Nothing, ""),
    });
    let video = sections(&text).nth(1).unwrap();
    assert!(video.contains("a=inactive\r\n"));
    assert!(!video.contains("msid") && !video.contains("ssrc"), "{video}");
    assert!(sections(&text).nth(2).unwrap().contains("a=sctp-port:5000"));
}

#[test]
fn opus_parameters_are_appended_or_made() {
    let text = rewrite(ANSWER, |_| edit(Outbound::Keep, ";usedtx=1"));
    assert!(text.contains("a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1\r\n"));
    let bare = ANSWER.replace("a=fmtp:111 minptime=10;useinbandfec=1\r\n", "");
    let text = rewrite(&bare, |_| edit(Outbound::Keep, ";usedtx=1"));
    assert!(text.contains("a=fmtp:111 usedtx=1\r\n"));
}

#[test]
fn an_untouched_description_comes_back_as_it_was() {
    let text = rewrite(ANSWER, |_| Edit::default());
    assert_eq!(text, ANSWER.replace("WMS xyz", "WMS *"));
}

#[test]
fn credentials_are_replaced_everywhere() {
    let old = Credentials { ufrag: "old".into(), password: "oldpw".into() };
    let new = Credentials { ufrag: "new".into(), password: "newpw".into() };
    let text = replace_credentials(ANSWER, &old, &new);
    assert!(text.contains("a=ice-ufrag:new\r\n") && text.contains("a=ice-pwd:newpw\r\n"));
    assert!(text.contains("typ host ufrag new\r\n") && !text.contains("old"));
}

#[test]
fn rids_are_ordered_by_size_whatever_their_names() {
    for (given, sorted) in [
        (vec!["f", "h", "q"], vec!["q", "h", "f"]),
        (vec!["h", "q"], vec!["q", "h"]),
        (vec!["h", "m", "l"], vec!["l", "m", "h"]),
        (vec!["2", "0", "1"], vec!["0", "1", "2"]),
    ] {
        let mut rids: Vec<String> = given.iter().map(|rid| (*rid).to_owned()).collect();
        sort_rids(&mut rids);
        assert_eq!(rids, sorted);
    }
}

#[test]
fn text_that_is_no_description_has_no_sections() {
    assert!(lines("").is_empty());
    assert!(lines("m=audio\n").is_empty());
    assert!(lines("\nm=video 9\na=mid:\n").is_empty());
    let _ = rewrite("m=\nm=audio\na=mid:x\na=fmtp:", |_| edit(Outbound::Nothing, ";x"));
}

#[test]
fn msid_names_are_tokens() {
    assert!(is_msid_name("PA_x|TR_y"));
    assert!(!is_msid_name("a b") && !is_msid_name("") && !is_msid_name(&"x".repeat(65)));
}

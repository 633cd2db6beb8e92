use proto::room::Publication;

use super::*;

fn add(cid: &str, kind: pb::TrackType) -> pb::AddTrackRequest {
    pb::AddTrackRequest { cid: cid.to_owned(), r#type: kind.into(), ..Default::default() }
}

fn section(mid: &str, kind: MediaKind, cid: &str) -> Sending {
    let cid = (!cid.is_empty()).then(|| cid.to_owned());
    Sending { mid: Mid::new(mid).unwrap(), kind, cid }
}

fn uplink() -> Uplink {
    Uplink::new(vec![Codec::Opus, Codec::Vp8, Codec::H264])
}

fn publish(uplink: &mut Uplink, cid: &str, sid: &str) -> Publication {
    let Announced::Publish(intent) = uplink.announce(add(cid, pb::TrackType::Video)) else {
        panic!("not published")
    };
    let publication = Publication { sid: sid.into(), ..intent.publication };
    uplink.published(cid, &publication);
    publication
}

/// Offers these sections, and says which ids the node was told.
fn offer(uplink: &mut Uplink, sections: &[(&str, &str)]) -> (Vec<(String, String)>, usize) {
    let sections = sections.iter().map(|(mid, cid)| section(mid, MediaKind::Video, cid)).collect();
    let (told, next) = uplink.offered(sections);
    let told = told.into_iter().map(|(mid, cid, _)| (mid.to_string(), cid)).collect();
    (told, next.len())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn the_sections_own_id_decides() {
    let mut uplink = uplink();
    publish(&mut uplink, "b", "TR_b");
    publish(&mut uplink, "a", "TR_a");
    let (told, _) = offer(&mut uplink, &[("0", "a"), ("1", "b")]);
    assert_eq!(told, pairs(&[("0", "a"), ("1", "b")]));
}

#[test]
fn an_id_of_a_codec_stands_for_its_track() {
    let mut uplink = uplink();
    let mut request = add("cam", pb::TrackType::Video);
    request.simulcast_codecs = vec![pb::SimulcastCodec {
        codec: "vp8".into(),
        cid: "cam-vp8".into(),
        ..Default::default()
    }];
    assert!(matches!(uplink.announce(request), Announced::Publish(_)));
    assert_eq!(offer(&mut uplink, &[("0", "cam-vp8")]).0, pairs(&[("0", "cam")]));
}

#[test]
fn a_section_with_an_unheard_id_takes_the_first_announced_track_of_its_kind() {
    let mut uplink = uplink();
    uplink.announce(add("z-first", pb::TrackType::Video));
    uplink.announce(add("a-second", pb::TrackType::Video));
    uplink.announce(add("mic", pb::TrackType::Audio));
    assert_eq!(offer(&mut uplink, &[("0", "{changed}")]).0, pairs(&[("0", "z-first")]));
}

#[test]
fn a_track_that_another_section_names_is_not_taken_by_kind() {
    let mut uplink = uplink();
    uplink.announce(add("cam", pb::TrackType::Video));
    let (told, _) = offer(&mut uplink, &[("0", "{changed}"), ("1", "cam")]);
    assert_eq!(told, pairs(&[("0", "{changed}"), ("1", "cam")]));
}

#[test]
fn an_offer_ahead_of_its_announcement_is_told_as_it_is() {
    let mut uplink = uplink();
    assert_eq!(offer(&mut uplink, &[("0", "cam"), ("1", "")]).0, pairs(&[("0", "cam")]));
}

#[test]
fn a_section_whose_id_changes_keeps_its_track() {
    let mut uplink = uplink();
    publish(&mut uplink, "cam", "TR_cam");
    offer(&mut uplink, &[("0", "cam")]);
    uplink.announce(add("screen", pb::TrackType::Video));
    let (told, _) = offer(&mut uplink, &[("0", "{replaced}"), ("1", "screen")]);
    assert_eq!(told, pairs(&[("0", "cam"), ("1", "screen")]));
}

#[test]
fn the_same_id_waits_until_its_track_is_no_longer_sent() {
    let mut uplink = uplink();
    publish(&mut uplink, "cam", "TR_1");
    offer(&mut uplink, &[("0", "cam")]);
    for _ in 0..QUEUED_MAX {
        assert!(matches!(uplink.announce(add("cam", pb::TrackType::Video)), Announced::Queued));
    }
    let more = uplink.announce(add("cam", pb::TrackType::Video));
    assert!(matches!(more, Announced::LimitExceeded));
    assert_eq!(offer(&mut uplink, &[]).1, 1, "the first that waited has its turn");
    assert!(!uplink.owns("TR_1"));
}

#[test]
fn an_id_is_free_again_after_its_track_ended() {
    let mut uplink = uplink();
    publish(&mut uplink, "cam", "TR_1");
    offer(&mut uplink, &[("0", "cam")]);
    offer(&mut uplink, &[]);
    let again = uplink.announce(add("cam", pb::TrackType::Video));
    assert!(matches!(again, Announced::Publish(_)));
}

#[test]
fn tracks_that_are_announced_and_never_sent_have_a_limit() {
    let mut uplink = uplink();
    for n in 0..PENDING_MAX {
        let announced = uplink.announce(add(&format!("t{n}"), pb::TrackType::Video));
        assert!(matches!(announced, Announced::Publish(_)));
    }
    let more = uplink.announce(add("more", pb::TrackType::Video));
    assert!(matches!(more, Announced::LimitExceeded));
}

#[test]
fn announcements_that_make_no_sense_are_refused() {
    let mut uplink = uplink();
    assert!(matches!(uplink.announce(add("d", pb::TrackType::Data)), Announced::Unsupported));
    assert!(matches!(uplink.announce(add("", pb::TrackType::Audio)), Announced::Invalid));
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    assert!(matches!(uplink.announce(add(&long, pb::TrackType::Audio)), Announced::Invalid));
}

#[test]
fn the_end_of_a_track_is_news_only_while_it_was_sent() {
    let mut uplink = uplink();
    publish(&mut uplink, "cam", "TR_1");
    assert!(uplink.unpublished(&"TR_1".into()).0);
    assert!(!uplink.unpublished(&"TR_1".into()).0);
}

#[test]
fn encodings_are_ordered_and_a_single_one_is_the_smallest() {
    let layer = |quality: pb::VideoQuality, width| pb::VideoLayer {
        quality: quality.into(),
        width,
        height: width,
        ..Default::default()
    };
    let mut request = add("cam", pb::TrackType::Video);
    request.layers = vec![layer(pb::VideoQuality::Medium, 640), layer(pb::VideoQuality::Low, 320)];
    let two = intent(&request, MediaKind::Video, &[]).publication.encodings;
    let qualities: Vec<_> = two.iter().map(|e| (e.quality, e.width)).collect();
    assert_eq!(qualities, [(Quality::Low, 320), (Quality::Medium, 640)]);
    request.layers = vec![layer(pb::VideoQuality::High, 1280)];
    let one = intent(&request, MediaKind::Video, &[]).publication.encodings;
    assert_eq!((one.len(), one[0].quality, one[0].width), (1, Quality::Low, 1280));
    request.layers.clear();
    request.width = 100;
    assert_eq!(intent(&request, MediaKind::Video, &[]).publication.encodings[0].width, 100);
}

#[test]
fn a_codec_that_may_not_be_used_is_not_asked_for() {
    let mut request = add("cam", pb::TrackType::Video);
    let codec = |codec: &str| pb::SimulcastCodec { codec: codec.into(), ..Default::default() };
    request.simulcast_codecs = vec![codec("av1"), codec("vp8")];
    let publication = intent(&request, MediaKind::Video, &[Codec::Vp8, Codec::Opus]).publication;
    assert_eq!((publication.codec, publication.backup_codec), (Some(Codec::Vp8), None));
    request.simulcast_codecs = vec![codec("h265")];
    let publication = intent(&request, MediaKind::Video, &[Codec::Vp8]).publication;
    assert_eq!(publication.codec, None);
}

#[test]
fn audio_features_and_old_flags_mean_the_same() {
    let mut request = add("mic", pb::TrackType::Audio);
    request.audio_features =
        vec![pb::AudioTrackFeature::TfStereo.into(), pb::AudioTrackFeature::TfNoDtx.into()];
    let publication = intent(&request, MediaKind::Audio, &[]).publication;
    assert!(publication.stereo && publication.disable_dtx && publication.encodings.is_empty());
}

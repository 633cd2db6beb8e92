//! Replays the committed corpus and seeded mutations of it through every target.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use fuzz::{
    TARGETS, Target,
    mutate::{Dice, mutate},
};

/// Mutations of each file of the corpus; `FUZZ_MUTATIONS` sets another number.
const MUTATIONS: u64 = 3_000;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The corpus of a target, in a fixed order.
fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = folder("corpus").join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, fs::read(path).expect("a readable file"))
    };
    paths.iter().map(read).collect()
}

/// Runs one input; keeps it when the target fails.
fn run(target: &Target, what: &str, data: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(data))).is_err() {
        let kept = folder("artifacts").join(target.name);
        fs::create_dir_all(&kept).expect("a folder for artifacts");
        let path = kept.join(what.replace('/', "-"));
        fs::write(&path, data).expect("a written artifact");
        panic!("{} fails on {what}, kept as {}", target.name, path.display());
    }
}

fn replay(name: &str) {
    let target = fuzz::target(name).expect("a known target");
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    let mutations = std::env::var("FUZZ_MUTATIONS").ok().and_then(|text| text.parse().ok());
    run(target, "nothing", &[]);
    for (index, (file, data)) in corpus.iter().enumerate() {
        run(target, file, data);
        for seed in 0..mutations.unwrap_or(MUTATIONS) {
            let mut dice = Dice::new(seed);
            let other = &corpus[(index + dice.below(corpus.len())) % corpus.len()].1;
            run(target, &format!("{file}+{seed}"), &mutate(data, other, &mut dice));
        }
    }
}

macro_rules! replays {
    ($($test:ident $name:literal;)*) => {
        $(#[test] fn $test() { replay($name); })*

        #[test]
        fn every_target_is_replayed() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$($name),*]);
        }
    };
}

replays! {
    any_token_is_read_or_refused "token";
    any_join_request_is_read_or_refused "join_request";
    any_offer_is_read_or_refused "whip_offer";
    any_fragment_is_read_or_refused "whip_fragment";
    any_description_keeps_its_sections_when_rewritten "description";
    any_candidate_is_read_or_refused "candidate";
    any_frame_is_read_or_refused "signal_frame";
    any_session_survives_its_client "signal_session";
    any_data_message_keeps_its_content_and_names_its_sender "data_packet";
    any_chat_frame_is_read_or_refused "im_frame";
    any_server_frame_stays_itself_when_numbered_and_batched "im_completion";
    any_history_of_commands_leaves_sound_and_equal_rows "chat_commands";
    any_segment_opens_or_is_refused "log_segment";
    any_backup_is_read_or_refused "backup";
    any_datagram_may_claim_to_be_stun "stun";
    any_stream_is_split_without_loss "framing";
    any_payload_is_described_and_rewritten_in_place "payload_descriptor";
    any_order_of_packets_keeps_the_forwarding_promises "rtp_rewriting";
}

#[test]
fn a_target_that_fails_is_told_with_its_input() {
    let bad = Target { name: "self_test", run: |data| assert!(data.len() < 4, "too long") };
    run(&bad, "short", b"abc");
    let failed = catch_unwind(|| run(&bad, "long", b"abcd"));
    let kept = folder("artifacts").join("self_test");
    assert!(failed.is_err());
    assert_eq!(fs::read(kept.join("long")).expect("the kept input"), b"abcd");
    fs::remove_dir_all(kept).expect("cleaned up");
}

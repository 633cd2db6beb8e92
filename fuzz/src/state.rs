//! What the replicated state reads: commands, log segments, snapshots.

use std::fs;

use cluster::log::{Log, LogError, Options};
use proto::{
    im::Command,
    store::{Batch, Memory},
    time::LogTime,
};

/// More commands than this say nothing new.
const COMMANDS_MAX: usize = 64;
/// Segments of a fuzzed log are small.
const LOG: Options = Options { segment_bytes: 1 << 14, recent_bytes: 1 << 14 };

/// A history of commands, each behind a byte of seconds that pass and two of length. Whatever it is, two replicas end with
/// the same rows, and the rows are sound.
pub fn chat_commands(data: &[u8]) {
    let (mut one, mut other) = (Memory::default(), Memory::default());
    let mut at = LogTime(1_000_000);
    for command in commands(data) {
        at = LogTime(at.0 + u64::from(command.0) * 1_000);
        let Ok(command) = postcard::from_bytes::<Command>(command.1) else { continue };
        let apply = |rows: &mut Memory| {
            let mut batch = Batch::new();
            let result = im::apply(&*rows, at, &command, &mut batch);
            assert!(result.is_ok() || batch.is_empty(), "a refusal changed rows");
            rows.write(batch);
            result
        };
        assert_eq!(apply(&mut one), apply(&mut other));
    }
    assert!(one == other, "replicas differ");
    if let Err(broken) = im::check_invariants(&one) {
        panic!("{broken:?}");
    }
}

fn commands(data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let [seconds, low, high, tail @ ..] = rest else { return None };
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(tail.len());
        let (command, left) = tail.split_at(len);
        rest = left;
        Some((*seconds, command))
    })
    .take(COMMANDS_MAX)
}

/// A segment file as the only one of a log: it opens or is refused, and what opened once opens again.
pub fn log_segment(data: &[u8]) {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join(format!("{:016x}.log", 0)), data).expect("a written segment");
    if Log::open(dir.path(), LOG).is_ok() {
        // The first one may not have let go of the folder yet; then there is nothing to say.
        let again = Log::open(dir.path(), LOG).err();
        let damaged = matches!(again, Some(LogError::Damaged { .. } | LogError::Gap { .. }));
        assert!(!damaged, "a repaired log is damaged: {again:?}");
    }
}

/// A backup: its end is found, or it is refused.
pub fn backup(data: &[u8]) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), data).expect("a written backup");
    let _ = cluster::verify(file.path());
}

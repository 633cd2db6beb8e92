//! What no text of the house may hold.

use super::{File, budget::is_test};

/// The only files of tests that may know of time passing: how they wait for a condition.
const WAITS: &[&str] = &["tests/harness/wait.mjs", "tests/python/wait.py"];
/// This rule names what it looks for.
const SELF: &str = "xtask/src/tidy/";

/// Lines that break a rule of text.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| !file.path.starts_with(SELF) && !is_corpus(&file.path)) {
        let Some(text) = &file.text else { continue };
        for (number, line) in text.lines().enumerate() {
            let told = line_rules(&file.path, line);
            broken.extend(told.iter().map(|told| format!("{}:{}: {told}", file.path, number + 1)));
        }
        if !text.is_empty() && !text.ends_with('\n') {
            broken.push(format!("{}: the last line has no end", file.path));
        }
    }
    broken
}

fn line_rules(path: &str, line: &str) -> Vec<&'static str> {
    let mut told = Vec::new();
    if line.ends_with([' ', '\t', '\r']) {
        told.push("trailing space");
    }
    if is_code(path) && ["TODO", "FIXME", "XXX"].iter().any(|mark| has_word(line, mark)) {
        told.push("left-over work: do it or file an issue");
    }
    let tests = is_test(path) || path.starts_with("tests/");
    if tests && is_code(path) && !WAITS.contains(&path) && sleeps(line) {
        told.push("a test waits for a condition, never for a time");
    }
    if path.ends_with("package-lock.json") && line.contains("\"resolved\":") {
        told.push("lock files name no addresses: install with omit-lockfile-registry-resolved");
    }
    told
}

fn sleeps(line: &str) -> bool {
    ["sleep(", "setTimeout(", "wait_for_timeout", "waitForTimeout"]
        .iter()
        .any(|call| line.contains(call))
}

fn is_code(path: &str) -> bool {
    [".rs", ".ts", ".mjs", ".js", ".py", ".toml", ".sh", ".html", ".css"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// Recorded inputs of fuzz targets are what they are.
fn is_corpus(path: &str) -> bool {
    path.starts_with("fuzz/corpus/")
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        edge(before) && edge(after)
    })
}

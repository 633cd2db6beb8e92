//! What people and programs read: lines, tables, and the machine's load beside them.

use std::{
    fs,
    io::{self, Write as _},
};

/// Prints a line. A closed output is nobody's concern.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Prints the head of a table in the form of docs/performance.md.
pub(crate) fn head(columns: &[&str]) {
    say(&format!("| {} |", columns.join(" | ")));
    say(&format!("|{}|", vec!["---"; columns.len()].join("|")));
}

/// Prints a row of a table.
pub(crate) fn row(cells: &[String]) {
    say(&format!("| {} |", cells.join(" | ")));
}

/// What the machine was loaded with in the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// A number of things a second, for people.
pub(crate) fn rate(per_second: f64) -> String {
    format!("{per_second:.0}")
}

/// Milliseconds, with as many places as say something.
pub(crate) fn ms(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.0}") }
}

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) const fn float(count: u64) -> f64 {
    count as f64
}

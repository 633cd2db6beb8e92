//! The steps that must pass before a change lands. There is no second definition: CI runs this.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{
    needs::{self, For},
    run::{cargo, doc, fmt, now, npm, run, run_watched, say},
    tidy, up,
};

/// How many tests of a runner passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u32,
    failed: u32,
}

/// One step: its name, whether later steps are useless without it, and what it does.
struct Step {
    name: &'static str,
    needed: bool,
    run: fn(&mut Tally) -> Result<()>,
}

/// Every step in order: the cheap and telling ones first. `clippy` and `doc` share one build, `build`, `unit` and
/// `e2e` the other; there is no third.
const STEPS: &[Step] = &[
    Step { name: "install", needed: true, run: install },
    Step { name: "tidy", needed: false, run: |_| tidy::tidy() },
    Step { name: "fmt", needed: false, run: |_| run(&mut fmt(true)) },
    Step { name: "web", needed: false, run: web },
    Step { name: "clippy", needed: false, run: |_| run(&mut clippy()) },
    Step { name: "doc", needed: false, run: |_| run(&mut doc()) },
    Step { name: "build", needed: true, run: |_| run(&mut build()) },
    Step { name: "unit", needed: false, run: unit },
    Step { name: "e2e", needed: false, run: e2e },
];

/// Runs all steps, or those named, and closes with how many tests passed and failed.
///
/// # Errors
///
/// A step failed, or a name is unknown.
pub(crate) fn check(only: &[String]) -> Result<()> {
    if let Some(unknown) = only.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!("there is no step {unknown}; the steps are {}", names.join(", "));
    }
    let mut total = Tally::default();
    let mut summary = Vec::new();
    for step in STEPS.iter().filter(|step| only.is_empty() || only.iter().any(|n| n == step.name)) {
        say(&format!("== {}", step.name));
        let began_at = now();
        let mut tally = Tally::default();
        let done = (step.run)(&mut tally);
        let seconds = began_at.elapsed().as_secs();
        let word = if done.is_ok() { "ok" } else { "FAILED" };
        tally.count_step(done.is_ok());
        let counts = format!("{} passed, {} failed", tally.passed, tally.failed);
        summary.push(format!("{:<8} {word:<7} {seconds:>5} s   {counts}", step.name));
        total.passed += tally.passed;
        total.failed += tally.failed;
        if let Err(error) = done {
            say(&format!("{} failed: {error:#}", step.name));
            if step.needed {
                break;
            }
        }
    }
    say("== summary");
    summary.iter().for_each(|line| say(line));
    say(&format!("{} passed, {} failed", total.passed, total.failed));
    if total.failed > 0 { bail!("something failed; see the summary") } else { Ok(()) }
}

impl Tally {
    /// A step counts as one check of its own where it counted nothing, or failed without a failed test.
    fn count_step(&mut self, ok: bool) {
        if !ok && self.failed == 0 {
            self.failed = 1;
        } else if ok && self.passed == 0 {
            self.passed = 1;
        }
    }

    /// Reads a closing line of cargo test (`test result: ok. 3 passed; 0 failed; ..`) or of node (`ℹ pass 3`).
    fn read(&mut self, line: &str) {
        if let Some(result) = line.trim().strip_prefix("test result: ") {
            let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
            for part in counts.split("; ") {
                match part.split_once(' ') {
                    Some((count, "passed")) => self.passed += count.parse().unwrap_or(0),
                    Some((count, "failed")) => self.failed += count.parse().unwrap_or(0),
                    _ => {}
                }
            }
        } else if let Some(count) = line.strip_prefix("ℹ pass ") {
            self.passed += count.trim().parse().unwrap_or(0);
        } else if let Some(count) = line.strip_prefix("ℹ fail ") {
            self.failed += count.trim().parse().unwrap_or(0);
        }
    }

    fn run(&mut self, command: &mut Command) -> Result<()> {
        run_watched(command, |line| self.read(line))
    }
}

fn install(_: &mut Tally) -> Result<()> {
    needs::packages(For::Test)?;
    needs::pages()?;
    needs::npm_packages("tests")?;
    needs::python_packages()
}

fn web(tally: &mut Tally) -> Result<()> {
    run(&mut npm("web", &["run", "check"]))?;
    tally.run(&mut npm("web", &["test"]))
}

fn clippy() -> Command {
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-Dwarnings"])
}

/// Builds the program and the tests with one set of features, so that nothing is built twice.
fn build() -> Command {
    cargo(&["build", "--workspace", "--bins", "--tests", "--examples", "--locked"])
}

fn unit(tally: &mut Tally) -> Result<()> {
    tally.run(&mut cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]))
}

fn e2e(tally: &mut Tally) -> Result<()> {
    tally.run(npm("tests", &["test"]).env("STOA", up::stoa(false)))
}

#[cfg(test)]
mod tests {
    use super::Tally;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn closing_lines_of_cargo_and_node_are_added_up() {
        let cargo = "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.00s";
        let both = tally(&[cargo, "running 4 tests", "ℹ pass 5", "ℹ fail 2"]);
        assert_eq!(both, Tally { passed: 8, failed: 3 });
    }

    #[test]
    fn a_step_that_fails_without_a_failed_test_counts_as_failed() {
        let mut silent = tally(&["test result: ok. 3 passed; 0 failed; 0 ignored"]);
        silent.count_step(false);
        assert_eq!(silent, Tally { passed: 3, failed: 1 });
    }

    #[test]
    fn a_step_without_tests_counts_as_one_check() {
        let mut none = Tally::default();
        none.count_step(true);
        assert_eq!(none, Tally { passed: 1, failed: 0 });
    }
}

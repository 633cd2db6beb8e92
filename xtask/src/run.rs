//! Processes, their output, and the one clock of this program.

use std::{
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};

/// The root of the clone.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// A path below the root.
pub(crate) fn at(path: &str) -> PathBuf {
    root().join(path)
}

/// Prints a line. A closed output is nobody's concern.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Reads the clock.
#[expect(clippy::disallowed_methods, reason = "the one place of this program that reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A command that runs in the root of the clone.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root()).stdin(Stdio::null());
    command
}

/// A cargo command, by the cargo that runs this.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| String::from("cargo"));
    command(&cargo, args)
}

/// An npm command in a folder.
pub(crate) fn npm(folder: &str, args: &[&str]) -> Command {
    let mut npm = command("npm", args);
    npm.current_dir(at(folder));
    npm
}

/// The format command of the house: import grouping needs options that rustfmt still calls unstable.
pub(crate) fn fmt(check: bool) -> Command {
    let config = "imports_granularity=Crate,group_imports=StdExternalCrate";
    let mut args = vec!["fmt", "--all", "--"];
    if check {
        args.push("--check");
    }
    args.extend(["--config", "unstable_features=true", "--config", config]);
    cargo(&args)
}

/// The documentation command: private items too, warnings denied.
pub(crate) fn doc() -> Command {
    let mut doc =
        cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"]);
    doc.env("RUSTDOCFLAGS", "-Dwarnings");
    doc
}

/// The command as it would be typed.
pub(crate) fn typed(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Says what runs, runs it with its output shown, and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    say(&format!("+ {}", typed(command)));
    let status = command.status().with_context(|| format!("cannot start: {}", typed(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", typed(command));
    }
    Ok(())
}

/// As [`run`], and hands every line of the standard output to `line` as well.
pub(crate) fn run_watched(command: &mut Command, mut line: impl FnMut(&str)) -> Result<()> {
    say(&format!("+ {}", typed(command)));
    let typed = typed(command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start: {typed}"))?;
    let out = child.stdout.take().context("the child has no output")?;
    for read in BufReader::new(out).split(b'\n') {
        let text = read.context("cannot read the child's output")?;
        let text = String::from_utf8_lossy(&text);
        say(&text);
        line(&text);
    }
    let status = child.wait().context("cannot wait for the child")?;
    if !status.success() {
        bail!("{typed} ended with {status}");
    }
    Ok(())
}

/// Runs quietly and returns the standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let typed = typed(command);
    let out = command.output().with_context(|| format!("cannot start: {typed}"))?;
    if !out.status.success() {
        bail!("{typed} ended with {}: {}", out.status, String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

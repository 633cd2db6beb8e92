//! What must be installed beside Rust and Node, why, and installing what is missing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use anyhow::{Context, Result, bail};

use crate::run::{at, command, npm, output, run, say};

/// For what a package is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// Building and running a node.
    Up,
    /// Running every test.
    Test,
    /// Searching with libFuzzer.
    Fuzz,
}

/// A Debian package: its name, for what, and why.
struct Package(&'static str, For, &'static str);

/// Everything taken from Debian. A machine without apt must bring the same by its own means.
const PACKAGES: &[Package] = &[
    Package("gcc", For::Up, "the linker of Rust programs, and the C parts of aws-lc and mimalloc"),
    Package("libc6-dev", For::Up, "C headers for the same"),
    Package("g++", For::Fuzz, "compiles libFuzzer's runtime"),
    Package("chromium", For::Test, "the first of two browsers in every room test"),
    Package("firefox-esr", For::Test, "the second, driven over WebDriver BiDi"),
    Package("python3", For::Test, "the Python client SDK, and the GStreamer sender"),
    Package("python3-venv", For::Test, "keeps the Python packages inside the clone"),
    Package("python3-gi", For::Test, "lets Python drive GStreamer"),
    Package("python3-gst-1.0", For::Test, "the same"),
    Package("gir1.2-gst-plugins-bad-1.0", For::Test, "describes webrtcbin to Python"),
    Package("gstreamer1.0-plugins-base", For::Test, "test pictures and tones, Opus"),
    Package("gstreamer1.0-plugins-good", For::Test, "VP8 and RTP payloading"),
    Package(
        "gstreamer1.0-plugins-bad",
        For::Test,
        "webrtcbin: a WHIP sender not made by browser vendors",
    ),
    Package("gstreamer1.0-nice", For::Test, "ICE for webrtcbin"),
    Package("iproute2", For::Test, "gives nodes networks of their own, to part them"),
    Package("iptables", For::Test, "loses packets between them, one way or both"),
    Package("libfaketime", For::Test, "shifts the clock of one node"),
];

/// Installs the Debian packages that are missing.
///
/// # Errors
///
/// Something is missing and cannot be installed: no apt, no rights, or apt failed.
pub(crate) fn packages(purpose: For) -> Result<()> {
    let wanted = PACKAGES.iter().filter(|p| p.1 == For::Up || p.1 == purpose);
    let missing: Vec<&Package> = wanted.filter(|package| !is_installed(package.0)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    say("missing on this machine:");
    for Package(name, _, why) in &missing {
        say(&format!("  {name}: {why}"));
    }
    let names: Vec<&str> = missing.iter().map(|package| package.0).collect();
    if !exists("apt-get") {
        bail!("this machine has no apt-get; install by its own means: {}", names.join(" "));
    }
    run(&mut as_root(&["apt-get", "update", "-q"], &names)?)?;
    let mut install = vec!["apt-get", "install", "-y", "-q", "--no-install-recommends"];
    install.extend(&names);
    run(as_root(&install, &names)?.env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Whether a package is there. A C compiler of any origin will do; without dpkg, a command of the package's name.
fn is_installed(package: &str) -> bool {
    if matches!(package, "gcc" | "libc6-dev") && exists("cc") {
        return true;
    }
    let query = ["-W", "-f=${db:Status-Status}", package];
    match output(&mut command("dpkg-query", &query)) {
        Ok(status) => status == "installed",
        Err(_) => !exists("dpkg-query") && exists(package),
    }
}

/// Whether a program is on the path.
fn exists(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else {
        return false;
    };
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The command, run by root: as it is, or by sudo.
fn as_root(words: &[&str], names: &[&str]) -> Result<Command> {
    let uid = output(&mut command("id", &["-u"]))?;
    if uid.trim() == "0" {
        let (program, rest) = words.split_first().context("no command")?;
        return Ok(command(program, rest));
    }
    if exists("sudo") {
        let mut sudo = command("sudo", words);
        sudo.stdin(Stdio::inherit());
        return Ok(sudo);
    }
    bail!(
        "neither root nor sudo here; run this as root, then try again: apt-get update && apt-get install -y {}",
        names.join(" ")
    )
}

/// Installs a folder's npm packages exactly as locked, unless they are there.
///
/// # Errors
///
/// Node or npm is missing or fails.
pub(crate) fn npm_packages(folder: &str) -> Result<()> {
    if !exists("npm") {
        bail!("npm was not found: install Node 20 or newer");
    }
    let lock = at(folder).join("package-lock.json");
    let stamp = at(folder).join("node_modules/.package-lock.json");
    if modified(&stamp) > modified(&lock) {
        return Ok(());
    }
    // Everything needed is inside the packages; install scripts would only try to download more.
    run(&mut npm(folder, &["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
}

/// Builds the pages, unless they are newer than everything they are made of.
///
/// # Errors
///
/// npm is missing or fails.
pub(crate) fn pages() -> Result<()> {
    npm_packages("web")?;
    let built = modified(&at("web/dist/index.html"));
    if built.is_some() && built > newest(&at("web"))? {
        return Ok(());
    }
    run(&mut npm("web", &["run", "build"]))
}

/// Makes the Python environment in tests/.venv with the packages that are pinned, unless it is there.
///
/// # Errors
///
/// Python or pip is missing or fails.
pub(crate) fn python_packages() -> Result<()> {
    let wanted = at("tests/requirements.txt");
    let stamp = at("tests/.venv/installed");
    if modified(&stamp) > modified(&wanted) {
        return Ok(());
    }
    run(&mut command("python3", &["-m", "venv", "--clear", "tests/.venv"]))?;
    let pip = ["-m", "pip", "install", "-q", "-r", "tests/requirements.txt"];
    run(&mut command("tests/.venv/bin/python3", &pip))?;
    fs::write(&stamp, "").context("cannot write tests/.venv/installed")
}

/// When a file was last changed; `None`: there is none.
fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

/// The newest change in a folder of sources, what is installed and built aside.
fn newest(folder: &Path) -> Result<Option<SystemTime>> {
    let mut newest = None;
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path: PathBuf = entry?.path();
        let name = path.file_name().unwrap_or_default();
        let change = if !path.is_dir() {
            modified(&path)
        } else if ["node_modules", "dist", "build"].iter().any(|skipped| name == *skipped) {
            None
        } else {
            self::newest(&path)?
        };
        newest = newest.max(change);
    }
    Ok(newest)
}

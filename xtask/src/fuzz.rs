//! Coverage-guided search with libFuzzer, on the stable toolchain: the compiler's coverage pass needs no nightly, only
//! the address sanitizer would, and there is no unsafe code for it to watch.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::{
    needs::{self, For},
    run::{at, cargo, command, output, run},
};

/// Where instrumented builds and found inputs live; ignored by git.
const TARGET: &str = "fuzz/target";

/// What makes a build report which edges an input took.
const COVERAGE: &str = "--cfg fuzzing -Cdebug-assertions=on -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Searches for `seconds`; an input that breaks the target is kept in fuzz/artifacts.
pub(crate) fn fuzz(target: &str, seconds: u32) -> Result<()> {
    let corpus = at("fuzz/corpus").join(target);
    if !corpus.is_dir() {
        bail!("there is no corpus {}", corpus.display());
    }
    needs::packages(For::Fuzz)?;
    let version = output(&mut command("rustc", &["-vV"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("no host")?;
    // An explicit target keeps the flags away from build scripts and macros.
    let mut build = cargo(&["build", "--locked", "--package", "fuzz", "--bin", "libfuzzer"]);
    build.args(["--target", host, "--target-dir", TARGET]).env("RUSTFLAGS", COVERAGE);
    run(&mut build)?;
    let found = at(TARGET).join("corpus").join(target);
    let artifacts = at("fuzz/artifacts").join(target);
    for folder in [&found, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let program = at(TARGET).join(host).join("debug/libfuzzer");
    let mut search = command(&program.to_string_lossy(), &[]);
    search.args([&found, &corpus]);
    search.arg(format!("-max_total_time={seconds}"));
    search.arg(format!("-artifact_prefix={}/", artifacts.display()));
    run(search.args(["-max_len=16384", "-print_final_stats=1"]).env("FUZZ_TARGET", target))
}

//! The rules of the house as tests. Each rule takes data and returns what breaks it, so that each can be shown to fail.
//!
//! - [`edges`]: who may depend on whom, what no pure crate may reach, which licences are accepted
//! - [`budget`]: sizes of files, folders and structs (clippy counts lines of functions and arguments)
//! - [`text`]: trailing spaces, left-over work, sleeps in tests, addresses in lock files
//! - [`dead`]: Rust files that no module names

mod budget;
mod dead;
mod edges;
mod text;

#[cfg(test)]
mod tests;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::{
    errors,
    run::{at, cargo, command, output, root, say},
};

/// A file of the clone.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// What it holds; `None`: not text.
    pub(crate) text: Option<String>,
}

/// Checks every rule.
pub(crate) fn tidy() -> Result<()> {
    let files = files()?;
    let graph = graph()?;
    let deny = fs::read_to_string(at("deny.toml")).context("cannot read deny.toml")?;
    let mut broken = Vec::new();
    broken.extend(edges::unlisted(&graph, edges::ALLOWED));
    broken.extend(edges::impure(&graph, edges::PURE, edges::IMPURE));
    broken.extend(edges::unlicensed(&graph, &edges::strings_of(&deny, "allow")));
    broken.extend(edges::banned(&graph, &edges::strings_of(&deny, "deny")));
    broken.extend(budget::files(&files));
    broken.extend(budget::folders(&files));
    broken.extend(budget::structs(&files));
    broken.extend(text::check(&files));
    broken.extend(dead::unreachable(&files, &graph.roots));
    broken.extend(stale_errors(&files, &errors::document()));
    for advice in budget::long_files(&files) {
        say(&format!("advice: {advice}"));
    }
    for rule in &broken {
        say(&format!("broken: {rule}"));
    }
    if !broken.is_empty() {
        bail!("{} rules broken", broken.len());
    }
    say(&format!("tidy: {} files, {} packages", files.len(), graph.packages.len()));
    Ok(())
}

/// The generated table of errors must be what the code says.
fn stale_errors(files: &[File], document: &str) -> Vec<String> {
    let written =
        files.iter().find(|file| file.path == errors::PATH).and_then(|f| f.text.as_deref());
    if written == Some(document) {
        return Vec::new();
    }
    vec![format!("{} is not what proto says: run `cargo xtask errors`", errors::PATH)]
}

/// Every file that is or could be committed.
fn files() -> Result<Vec<File>> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let list = output(&mut command("git", &list))?;
    let paths = list.split('\0').filter(|path| !path.is_empty());
    Ok(paths.filter_map(|path| read(root(), path)).collect())
}

/// Reads a file; `None`: it was deleted.
fn read(root: &Path, path: &str) -> Option<File> {
    let bytes = fs::read(root.join(path)).ok()?;
    Some(File { path: path.to_owned(), text: String::from_utf8(bytes).ok() })
}

/// The packages and who depends on whom.
fn graph() -> Result<edges::Graph> {
    let metadata = ["metadata", "--format-version=1", "--locked", "--all-features"];
    let json = output(&mut cargo(&metadata))?;
    let metadata =
        serde_json::from_str(&json).context("cannot read the answer of cargo metadata")?;
    Ok(edges::Graph::new(&metadata, root()))
}

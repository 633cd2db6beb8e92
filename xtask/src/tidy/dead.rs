//! Rust files that no module names: they look alive and are never compiled.

use std::collections::{BTreeMap, BTreeSet};

use super::File;

/// Rust files that are not reached from the targets' first files by `mod name;`.
pub(crate) fn unreachable(files: &[File], roots: &BTreeSet<String>) -> Vec<String> {
    let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
    let texts: BTreeMap<&str, &str> =
        rust.map(|file| (file.path.as_str(), file.text.as_deref().unwrap_or_default())).collect();
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<(&str, bool)> = roots
        .iter()
        .filter_map(|root| texts.get_key_value(root.as_str()))
        .map(|(path, _)| (*path, true))
        .collect();
    while let Some((path, is_root)) = open.pop() {
        if !reached.insert(path) {
            continue;
        }
        let folder = modules_folder(path, is_root);
        let named = texts.get(path).into_iter().flat_map(|text| modules(text));
        for name in named {
            let candidates = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")];
            let found = candidates.iter().filter_map(|path| texts.get_key_value(path.as_str()));
            open.extend(found.map(|(path, _)| (*path, false)));
        }
    }
    let dead = texts.keys().filter(|path| !reached.contains(*path));
    dead.map(|path| format!("{path} is compiled by nothing: no module names it")).collect()
}

/// The folder in which a file's modules live.
fn modules_folder(path: &str, is_root: bool) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if is_root || name == "mod.rs" {
        return folder.to_owned();
    }
    path.strip_suffix(".rs").unwrap_or(path).to_owned()
}

/// The modules that a file names and does not hold.
fn modules(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let line = match line.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
            Some(rest) => rest.trim_start(),
            None => line,
        };
        line.strip_prefix("mod ")?.strip_suffix(';')
    })
}

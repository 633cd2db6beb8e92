//! Sizes: what is larger than a budget is split, not excused.

use std::collections::BTreeMap;

use super::File;

/// Lines of a source file, its tests aside, above which it should be split.
pub(crate) const FILE_LINES_SOFT: usize = 500;
/// Lines of a source file, its tests aside.
pub(crate) const FILE_LINES_MAX: usize = 800;
/// Source files in one folder.
pub(crate) const FOLDER_FILES_MAX: usize = 15;
/// Fields of one struct.
pub(crate) const STRUCT_FIELDS_MAX: usize = 15;

const SOURCES: &[&str] = &[".rs", ".ts", ".mjs", ".js", ".py", ".css"];

/// Files above the hard budget.
pub(crate) fn files(files: &[File]) -> Vec<String> {
    longer_than(files, FILE_LINES_MAX)
}

/// Files above the soft budget and below the hard one.
pub(crate) fn long_files(files: &[File]) -> Vec<String> {
    let hard = longer_than(files, FILE_LINES_MAX);
    longer_than(files, FILE_LINES_SOFT).into_iter().filter(|file| !hard.contains(file)).collect()
}

fn longer_than(files: &[File], max: usize) -> Vec<String> {
    let sources = files.iter().filter(|file| is_source(&file.path) && !is_test(&file.path));
    let lines = sources.map(|file| (file, lines(file.text.as_deref().unwrap_or_default())));
    let long = lines.filter(|(_, lines)| *lines > max);
    long.map(|(file, lines)| format!("{} has {lines} lines without tests", file.path)).collect()
}

/// Lines up to the tests at the end of the file.
fn lines(text: &str) -> usize {
    text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

/// Folders with too many source files.
pub(crate) fn folders(files: &[File]) -> Vec<String> {
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files.iter().filter(|file| is_source(&file.path)) {
        *folders.entry(file.path.rsplit_once('/').map_or("", |(folder, _)| folder)).or_default() +=
            1;
    }
    let full = folders.into_iter().filter(|(_, count)| *count > FOLDER_FILES_MAX);
    full.map(|(folder, count)| {
        format!("folder {folder} has {count} source files, more than {FOLDER_FILES_MAX}")
    })
    .collect()
}

/// Structs with too many fields. Relies on the formatter: a field is a line one step deeper than the struct.
pub(crate) fn structs(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs") && !is_test(&file.path)) {
        let mut open: Option<(&str, String, usize)> = None;
        for line in file.text.as_deref().unwrap_or_default().lines() {
            let code = line.trim_start();
            let indent = " ".repeat(line.len() - code.len());
            if let Some((name, end, fields)) = &mut open {
                if line == format!("{end}}}") {
                    if *fields > STRUCT_FIELDS_MAX {
                        broken.push(format!("{}: struct {name} has {fields} fields", file.path));
                    }
                    open = None;
                } else if indent.len() == end.len() + 4 && is_field(code) {
                    *fields += 1;
                }
            } else if let Some(name) = struct_name(code) {
                open = Some((name, indent, 0));
            }
        }
    }
    broken
}

/// The name of the struct that a line opens.
fn struct_name(code: &str) -> Option<&str> {
    let words = code.strip_suffix('{')?;
    let name = words.split("struct ").nth(1)?;
    let before = words.strip_suffix(name)?.trim();
    let visible = before == "struct" || (before.starts_with("pub") && before.ends_with("struct"));
    visible.then(|| name.split(['<', ' ']).next().unwrap_or(name))
}

/// Whether a line of a struct's body declares a field.
fn is_field(code: &str) -> bool {
    let code = match code.strip_prefix("pub(") {
        Some(rest) => rest.split_once(") ").map_or(rest, |(_, field)| field),
        None => code.strip_prefix("pub ").unwrap_or(code),
    };
    let name = code.split(':').next().unwrap_or_default();
    code.contains(':')
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_source(path: &str) -> bool {
    SOURCES.iter().any(|ending| path.ends_with(ending))
}

/// Tests, benchmarks and fuzz targets are read one at a time: their length is no burden.
pub(crate) fn is_test(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    parts.iter().any(|part| matches!(*part, "tests" | "benches" | "fuzz"))
        || path.ends_with("/tests.rs")
        || path.contains(".test.")
}

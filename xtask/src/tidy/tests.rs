//! Each rule is shown a house that keeps it and one that breaks it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    File, budget, dead,
    edges::{self, Graph},
    stale_errors, text,
};

fn file(path: &str, text: &str) -> File {
    File { path: path.into(), text: Some(text.into()) }
}

/// `a -> b c` per line; members are `proto`, `rooms`, `gateway` and `mystery`.
fn graph(edges: &[(&str, &[&str])]) -> Graph {
    let mut graph = Graph::default();
    let house = ["proto", "rooms", "gateway", "mystery"];
    for (from, to) in edges {
        let to: BTreeSet<String> = to.iter().map(|name| (*name).to_owned()).collect();
        for name in to.iter().map(String::as_str).chain([*from]) {
            graph.packages.insert(name.into(), (name.into(), String::from("MIT OR Apache-2.0")));
            if house.contains(&name) {
                graph.members.insert(name.into());
            }
        }
        graph.normal.insert((*from).into(), to.clone());
        graph.all.insert((*from).into(), to);
    }
    graph
}

const TABLE: &[(&str, &[&str])] = &[("proto", &[]), ("rooms", &["proto"]), ("gateway", &["proto"])];

#[test]
fn an_edge_outside_the_table_is_told() {
    let kept = graph(&[("rooms", &["proto"]), ("gateway", &["proto", "axum"])]);
    assert_eq!(edges::unlisted(&kept, TABLE), Vec::<String>::new());
    let broken = graph(&[("gateway", &["proto", "rooms"])]);
    assert_eq!(edges::unlisted(&broken, TABLE), ["gateway may not depend on rooms"]);
}

#[test]
fn a_package_outside_the_table_is_told() {
    let broken = edges::unlisted(&graph(&[("mystery", &["proto"])]), TABLE);
    assert_eq!(broken, ["package mystery is not in the table of allowed dependencies"]);
}

#[test]
fn a_pure_package_that_reaches_a_runtime_is_told_with_the_way_there() {
    let kept = graph(&[("rooms", &["proto", "serde"]), ("gateway", &["tokio"])]);
    assert_eq!(edges::impure(&kept, &["rooms"], &["tokio"]), Vec::<String>::new());
    let broken =
        graph(&[("rooms", &["proto"]), ("proto", &["bytes-util"]), ("bytes-util", &["tokio"])]);
    let told = edges::impure(&broken, &["rooms"], &["tokio"]);
    assert_eq!(
        told,
        ["pure package reaches what it may not: rooms -> proto -> bytes-util -> tokio"]
    );
}

#[test]
fn a_licence_that_is_not_accepted_is_told() {
    let mut graph = graph(&[("rooms", &["serde"])]);
    let accepted = [String::from("MIT"), String::from("Apache-2.0"), String::from("Unicode-3.0")];
    let mut check = |licence: &str| {
        graph.packages.insert("serde".into(), ("serde".into(), licence.into()));
        edges::unlicensed(&graph, &accepted).is_empty()
    };
    assert!(check("MIT"));
    assert!(check("MIT/GPL-3.0"));
    assert!(check("(MIT OR GPL-3.0) AND Unicode-3.0"));
    assert!(!check("(MIT OR GPL-3.0) AND ISC"));
    assert!(!check("AGPL-3.0-only"));
    assert!(!check(""));
}

#[test]
fn a_refused_package_is_told() {
    let graph = graph(&[("gateway", &["openssl"])]);
    assert_eq!(edges::banned(&graph, &[String::from("ring")]), Vec::<String>::new());
    let told = edges::banned(&graph, &[String::from("openssl")]);
    assert_eq!(told, ["package openssl is refused in deny.toml"]);
}

#[test]
fn arrays_are_read_from_toml_that_spreads_them_over_lines() {
    let toml =
        "[licenses]\nallow = [\n    \"MIT\", # why\n    \"ISC\",\n]\nother = [\n    \"x\",\n]\n";
    assert_eq!(edges::strings_of(toml, "allow"), ["MIT", "ISC"]);
}

#[test]
fn metadata_is_read_with_the_kinds_of_its_edges() {
    let json = r#"{"packages":[
        {"id":"a","name":"rooms","license":"MIT","targets":[{"src_path":"/house/rooms/src/lib.rs"}]},
        {"id":"b","name":"tokio","license":null,"targets":[{"src_path":"/elsewhere/lib.rs"}]}],
        "resolve":{"nodes":[{"id":"a","deps":[{"pkg":"b","dep_kinds":[{"kind":"dev"}]}]},{"id":"b","deps":[]}]},
        "workspace_members":["a"]}"#;
    let metadata = serde_json::from_str(json).expect("metadata");
    let graph = Graph::new(&metadata, std::path::Path::new("/house"));
    assert_eq!(graph.roots, BTreeSet::from([String::from("rooms/src/lib.rs")]));
    assert_eq!(graph.all["a"].len(), 1);
    assert_eq!(graph.normal["a"].len(), 0);
}

#[test]
fn a_long_file_is_told_and_its_tests_do_not_count() {
    let long = "x\n".repeat(budget::FILE_LINES_MAX + 1);
    let half = "x\n".repeat(budget::FILE_LINES_SOFT + 1);
    let tested = format!("x\n#[cfg(test)]\n{long}");
    let kept = [
        file("a.rs", &half),
        file("b.rs", &tested),
        file("c/tests/d.rs", &long),
        file("e.md", &long),
    ];
    assert_eq!(budget::files(&kept), Vec::<String>::new());
    assert_eq!(budget::long_files(&kept), ["a.rs has 501 lines without tests"]);
    assert_eq!(budget::files(&[file("a.rs", &long)]), ["a.rs has 801 lines without tests"]);
}

#[test]
fn a_full_folder_is_told() {
    let files = |count| (0..count).map(|n| file(&format!("a/{n}.rs"), "")).collect::<Vec<_>>();
    assert_eq!(budget::folders(&files(15)), Vec::<String>::new());
    assert_eq!(budget::folders(&files(16)), ["folder a has 16 source files, more than 15"]);
}

#[test]
fn a_struct_with_too_many_fields_is_told() {
    let house = |count: usize| {
        let fields: String =
            (0..count).map(|n| format!("    /// Doc: text.\n    pub(crate) f{n}: u8,\n")).collect();
        [file("a.rs", &format!("/// A struct of: many.\npub struct Wide<T> {{\n{fields}}}\n"))]
    };
    assert_eq!(budget::structs(&house(15)), Vec::<String>::new());
    assert_eq!(budget::structs(&house(16)), ["a.rs: struct Wide has 16 fields"]);
}

#[test]
fn texts_that_break_a_rule_are_told_with_their_line() {
    let told = |path: &str, line: &str| text::check(&[file(path, line)]).len();
    assert_eq!(told("a.rs", "fn main() {}\n"), 0);
    assert_eq!(text::check(&[file("a.md", "x\ny \n")]), ["a.md:2: trailing space"]);
    assert_eq!(told("a.md", "x"), 1);
    assert_eq!(told("a.rs", "// TODO: later\n"), 1);
    assert_eq!(told("a.rs", "let METHODOLOGY_TODOS = 1;\n"), 0);
    assert_eq!(told("a/tests/b.rs", "thread::sleep(second);\n"), 1);
    assert_eq!(told("tests/e2e/a.mjs", "setTimeout(done, 100)\n"), 1);
    assert_eq!(told("tests/harness/wait.mjs", "setTimeout(done, 100)\n"), 0);
    assert_eq!(told("web/package-lock.json", "\"resolved\": \"an address\"\n"), 1);
}

#[test]
fn a_file_that_no_module_names_is_told() {
    let roots = BTreeSet::from([String::from("a/src/lib.rs"), String::from("a/tests/it/main.rs")]);
    let mut files = vec![
        file("a/src/lib.rs", "pub mod one;\nmod two;\n"),
        file("a/src/one.rs", "pub(crate) mod deep;\n"),
        file("a/src/one/deep.rs", ""),
        file("a/src/two/mod.rs", "#[cfg(test)]\nmod tests;\n"),
        file("a/src/two/tests.rs", ""),
        file("a/tests/it/main.rs", ""),
    ];
    assert_eq!(dead::unreachable(&files, &roots), Vec::<String>::new());
    files.push(file("a/src/three.rs", ""));
    assert_eq!(
        dead::unreachable(&files, &roots),
        ["a/src/three.rs is compiled by nothing: no module names it"]
    );
}

#[test]
fn a_stale_table_of_errors_is_told() {
    let files = [file("docs/errors.md", "old\n")];
    assert_eq!(stale_errors(&files, "old\n"), Vec::<String>::new());
    assert_eq!(stale_errors(&files, "new\n").len(), 1);
    assert_eq!(stale_errors(&[], "new\n").len(), 1);
}

#[test]
fn the_table_allows_no_circle() {
    let table: BTreeMap<&str, &[&str]> = edges::ALLOWED.iter().copied().collect();
    for (name, allowed) in &table {
        let mut open = allowed.to_vec();
        let mut seen = BTreeSet::new();
        while let Some(next) = open.pop() {
            assert_ne!(next, *name, "a circle through {name}");
            if seen.insert(next) {
                open.extend(table.get(next).copied().unwrap_or_default());
            }
        }
    }
}

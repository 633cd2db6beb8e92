//! Who may depend on whom, from `cargo metadata`: DESIGN.md section 2 as a table.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Deserialize;

/// Which packages of the house each of them may depend on. A package that is not listed breaks the rule.
pub(crate) const ALLOWED: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("rooms", &["proto"]),
    ("im", &["proto"]),
    ("sfu-rtp", &["proto"]),
    ("sfu-core", &["proto", "sfu-rtp"]),
    ("sfu-shard", &["proto", "sfu-core", "sfu-rtp"]),
    ("cluster", &["proto"]),
    ("gateway", &["proto"]),
    ("live-origin", &["proto"]),
    ("live-mixer", &["proto"]),
    (
        "node",
        &[
            "proto",
            "rooms",
            "im",
            "sfu-rtp",
            "sfu-core",
            "sfu-shard",
            "cluster",
            "gateway",
            "live-origin",
        ],
    ),
    ("loadgen", &["proto", "rooms", "im", "sfu-rtp", "sfu-core"]),
    // The simulation of a cluster runs whole nodes of it, over links and disks that fail.
    ("chaos", &["proto", "rooms", "im", "sfu-rtp", "sfu-core", "cluster"]),
    // Fuzz targets reach into every package that reads bytes from outside.
    (
        "fuzz",
        &[
            "proto",
            "rooms",
            "im",
            "sfu-rtp",
            "sfu-core",
            "sfu-shard",
            "cluster",
            "gateway",
            "live-origin",
        ],
    ),
    // Only the error table, to write it down.
    ("xtask", &["proto"]),
];

/// Packages that decide and do nothing else.
pub(crate) const PURE: &[&str] = &["proto", "rooms", "im", "sfu-rtp", "sfu-core"];

/// What a pure package may not reach by any path of normal dependencies: runtimes, sockets, disks, consensus, randomness.
pub(crate) const IMPURE: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "sled",
    "openraft",
    "str0m",
    "getrandom",
    "rand",
    "quinn",
    "axum",
    "chrono",
    "time",
];

/// What `cargo metadata` says, as far as it matters here.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
    workspace_members: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    license: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    src_path: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dep>,
}

#[derive(Deserialize)]
struct Dep {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// The packages of a build and their edges.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// Name and licence of every package by id.
    pub(crate) packages: BTreeMap<String, (String, String)>,
    /// Ids of the packages of the house.
    pub(crate) members: BTreeSet<String>,
    /// Normal dependencies by id.
    pub(crate) normal: BTreeMap<String, BTreeSet<String>>,
    /// Dependencies of every kind by id.
    pub(crate) all: BTreeMap<String, BTreeSet<String>>,
    /// Paths, from the root of the clone, of the first file of every target of the house.
    pub(crate) roots: BTreeSet<String>,
}

impl Graph {
    /// Reads the answer of `cargo metadata`.
    pub(crate) fn new(metadata: &Metadata, root: &Path) -> Self {
        let mut graph = Self { members: metadata.workspace_members.clone(), ..Self::default() };
        for package in &metadata.packages {
            let licence = package.license.clone().unwrap_or_default();
            graph.packages.insert(package.id.clone(), (package.name.clone(), licence));
            if !graph.members.contains(&package.id) {
                continue;
            }
            let paths = package.targets.iter().map(|target| Path::new(&target.src_path));
            let inside = paths.filter_map(|path| path.strip_prefix(root).ok());
            graph.roots.extend(inside.map(|path| path.to_string_lossy().into_owned()));
        }
        for node in &metadata.resolve.nodes {
            let normal = |dep: &&Dep| dep.dep_kinds.iter().any(|kind| kind.kind.is_none());
            let ids = node.deps.iter().map(|dep| dep.pkg.clone()).collect();
            graph.all.insert(node.id.clone(), ids);
            let ids = node.deps.iter().filter(normal).map(|dep| dep.pkg.clone()).collect();
            graph.normal.insert(node.id.clone(), ids);
        }
        graph
    }

    fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.packages.get(id).map_or(id, |(name, _)| name)
    }

    fn members_with_name(&self, name: &str) -> impl Iterator<Item = &String> {
        self.members.iter().filter(move |id| self.name(id) == name)
    }
}

/// Edges between packages of the house, of any kind, that the table does not allow.
pub(crate) fn unlisted(graph: &Graph, allowed: &[(&str, &[&str])]) -> Vec<String> {
    let mut broken = Vec::new();
    for id in &graph.members {
        let name = graph.name(id);
        let Some((_, allowed)) = allowed.iter().find(|(package, _)| *package == name) else {
            broken.push(format!("package {name} is not in the table of allowed dependencies"));
            continue;
        };
        let deps =
            graph.all.get(id).into_iter().flatten().filter(|dep| graph.members.contains(*dep));
        for dep in deps.map(|dep| graph.name(dep)).filter(|dep| *dep != name) {
            if !allowed.contains(&dep) {
                broken.push(format!("{name} may not depend on {dep}"));
            }
        }
    }
    broken
}

/// Pure packages that reach an impure one, with the way there.
pub(crate) fn impure(graph: &Graph, pure: &[&str], impure: &[&str]) -> Vec<String> {
    let mut broken = Vec::new();
    for start in pure.iter().flat_map(|name| graph.members_with_name(name)) {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut open = vec![start.as_str()];
        while let Some(id) = open.pop() {
            for dep in graph.normal.get(id).into_iter().flatten() {
                if dep != start && !came_from.contains_key(dep.as_str()) {
                    came_from.insert(dep, id);
                    open.push(dep);
                }
            }
        }
        for id in came_from.keys().filter(|id| impure.contains(&graph.name(id))) {
            let mut way = vec![graph.name(id)];
            let mut at = *id;
            while let Some(from) = came_from.get(at) {
                way.push(graph.name(from));
                at = from;
            }
            way.reverse();
            broken.push(format!("pure package reaches what it may not: {}", way.join(" -> ")));
        }
    }
    broken
}

/// Packages from elsewhere whose licence is not on the list. `A OR B` needs one of them, `A AND B` both.
pub(crate) fn unlicensed(graph: &Graph, accepted: &[String]) -> Vec<String> {
    let outside = graph.packages.iter().filter(|(id, _)| !graph.members.contains(*id));
    let refused = outside.filter(|(_, (_, licence))| !is_accepted(licence, accepted));
    refused
        .map(|(_, (name, licence))| format!("licence of {name} is not accepted: {licence:?}"))
        .collect()
}

/// Reads a licence expression; parentheses nest at most one deep in practice and are read from the inside out.
fn is_accepted(expression: &str, accepted: &[String]) -> bool {
    if let Some((head, rest)) = expression.rsplit_once('(')
        && let Some((inner, tail)) = rest.split_once(')')
    {
        let inner = if is_accepted(inner, accepted) { "yes" } else { "no" };
        return is_accepted(&format!("{head}{inner}{tail}"), accepted);
    }
    let term = |term: &str| term == "yes" || accepted.iter().any(|licence| licence == term);
    let all = |terms: &str| terms.split(" AND ").all(|t| term(t.trim()));
    // An old spelling of OR.
    expression.replace('/', " OR ").split(" OR ").any(all)
}

/// Packages that are refused by name.
pub(crate) fn banned(graph: &Graph, names: &[String]) -> Vec<String> {
    let all = graph.packages.values().map(|(name, _)| name);
    all.filter(|name| names.contains(name))
        .map(|name| format!("package {name} is refused in deny.toml"))
        .collect()
}

/// The strings of the array `key = [..]` in a TOML text that spreads it over lines, one string a line.
pub(crate) fn strings_of(toml: &str, key: &str) -> Vec<String> {
    let begins = format!("{key} = [");
    let lines = toml.lines().skip_while(|line| *line != begins).skip(1);
    let inside = lines.take_while(|line| *line != "]");
    inside.filter_map(|line| line.split('"').nth(1)).map(String::from).collect()
}

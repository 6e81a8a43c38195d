//! The order of the source: who may name whom, which crate is known where, how long a file is.
//!
//! The table is the drawing in `src/lib.rs`, edge by edge.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// What each room may name, beside what those may name. A room not listed may name nothing.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", &["command"]),
    ("command", &["summary"]),
    ("summary", &["host"]),
    ("host", &["error", "proxy", "settings", "terminal"]),
    ("error", &["pipeline", "report"]),
    ("fuzz", &["pipeline", "proxy"]),
    ("settings", &["pipeline", "report"]),
    ("terminal", &["measure"]),
    ("report", &["audit", "measure"]),
    (
        "pipeline",
        &["audit", "broker", "faults", "fleet", "registry", "store"],
    ),
    (
        "broker",
        &[
            "cause",
            "containers",
            "measure",
            "platform",
            "record",
            "string_enum",
        ],
    ),
    ("registry", &["measure", "record"]),
    ("store", &["cause", "containers", "measure", "record"]),
    ("fleet", &["dataset", "load"]),
    ("containers", &["measure"]),
    ("audit", &["faults", "record"]),
    ("faults", &["load", "string_enum", "suggest"]),
    ("record", &["dataset"]),
];

/// Where a crate may be named: path prefixes.
const KNOWN_IN: &[(&str, &[&str])] = &[
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("clap_mangen", &["cli/"]),
    ("toml", &["cli/"]),
    ("dotenvy", &["cli/"]),
    ("strsim", &["suggest.rs"]),
    ("indicatif", &["terminal/"]),
    ("tracing_subscriber", &["terminal/"]),
    ("rskafka", &["broker/client.rs"]),
    ("mongodb", &["store/client.rs", "store/pool.rs"]),
    (
        "testcontainers",
        &[
            "containers/container.rs",
            "broker/container.rs",
            "store/container.rs",
        ],
    ),
    (
        "testcontainers_modules",
        &[
            "containers/container.rs",
            "broker/container.rs",
            "store/container.rs",
        ],
    ),
    ("bollard", &["containers/engine/"]),
    ("mimalloc", &["main.rs"]),
];

/// Longest file, in lines: about 500, and the tests at its end may take it a little further.
const LONGEST: usize = 600;

struct Source {
    /// Relative to `src/`, with `/` between.
    name: String,
    text: String,
}

impl Source {
    fn room(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The text without comments, where names are only mentioned, and without its tests.
    fn code(&self) -> String {
        let tests = self.text.find("#[cfg(test)]\nmod tests {");
        self.text[..tests.unwrap_or(self.text.len())]
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// Every file but those of modules that only tests have: these meet the outside as strangers do.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    collect(&root, &root, &mut sources);
    assert!(sources.len() > 20, "the sources are in {}", root.display());
    let test_modules = test_modules(&sources);
    sources.retain(|source| {
        let path = source.name.trim_end_matches(".rs");
        !test_modules
            .iter()
            .any(|module| path == module || path.starts_with(&format!("{module}/")))
    });
    sources
}

/// Paths, without extension, of the modules declared under `#[cfg(test)]`.
fn test_modules(sources: &[Source]) -> BTreeSet<String> {
    let declared = Regex::new(r"#\[cfg\(test\)\]\s+(?:pub(?:\(\w+\))? )?mod (\w+);").unwrap();
    let mut modules = BTreeSet::new();
    for source in sources {
        let path = source.name.trim_end_matches(".rs");
        let parent = path.strip_suffix("/mod").unwrap_or(path);
        for capture in declared.captures_iter(&source.text) {
            modules.insert(format!("{parent}/{}", &capture[1]));
        }
    }
    modules
}

fn collect(root: &Path, directory: &Path, sources: &mut Vec<Source>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            sources.push(Source {
                name: name.replace('\\', "/"),
                text: fs::read_to_string(&path).unwrap(),
            });
        }
    }
}

/// Rooms named as `crate::room` or in the braces of `crate::{…}`.
fn named_rooms(code: &str) -> BTreeSet<String> {
    static PATTERNS: LazyLock<[Regex; 2]> = LazyLock::new(|| {
        let patterns = [r"\b(?:crate|convoy)::([a-z_]+)", r"\b(?:crate|convoy)::\{"];
        patterns.map(|pattern| Regex::new(pattern).unwrap())
    });
    let [path, group] = &*PATTERNS;
    let mut rooms: BTreeSet<String> = path
        .captures_iter(code)
        .map(|capture| capture[1].to_owned())
        .collect();
    for found in group.find_iter(code) {
        rooms.extend(first_segments(&code[found.end()..]));
    }
    rooms
}

/// The first segment of each path in a brace group whose opening brace was read.
fn first_segments(group: &str) -> Vec<String> {
    let (mut depth, mut segments, mut segment) = (1, Vec::new(), String::new());
    let mut first = true;
    for symbol in group.chars() {
        match symbol {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => {
                segments.push(std::mem::take(&mut segment));
                first = true;
            }
            ':' if depth == 1 => first = false,
            symbol if depth == 1 && first && !symbol.is_whitespace() => segment.push(symbol),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    segments.push(segment);
    segments.retain(|segment| !segment.is_empty() && segment != "self");
    segments
}

/// Every room that a room may name, directly or through others.
fn may_name(room: &str) -> BTreeSet<&'static str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![room];
    while let Some(room) = open.pop() {
        let entry = MAY_NAME.iter().find(|(name, _)| *name == room);
        for named in entry.map_or(&[][..], |(_, named)| *named) {
            if reached.insert(*named) {
                open.push(named);
            }
        }
    }
    reached
}

#[test]
fn nothing_names_a_room_above_it() {
    let sources = sources();
    let rooms: BTreeSet<&str> = sources.iter().map(Source::room).collect();
    let mut wrong = Vec::new();
    for source in &sources {
        let allowed = may_name(source.room());
        for named in named_rooms(&source.code()) {
            let foreign = named != source.room() && rooms.contains(named.as_str());
            if foreign && !allowed.contains(named.as_str()) {
                wrong.push(format!("{} names {named}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_circle() {
    for (room, _) in MAY_NAME {
        assert!(!may_name(room).contains(room), "a circle through {room}");
    }
}

#[test]
fn a_crate_is_known_where_it_is_wrapped_and_nowhere_else() {
    let sources: Vec<(Source, String)> = sources()
        .into_iter()
        .map(|source| {
            let code = source.code();
            (source, code)
        })
        .collect();
    let mut wrong = Vec::new();
    for (library, places) in KNOWN_IN {
        let used = Regex::new(&format!(r"(?:^|[^\w:.]){library}::")).unwrap();
        for (source, code) in &sources {
            let known = places.iter().any(|place| source.name.starts_with(place));
            if used.is_match(code) && !known {
                wrong.push(format!("{} uses {library}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long_to_read() {
    let mut long: Vec<String> = sources()
        .iter()
        .map(|source| (source.text.lines().count(), &source.name))
        .filter(|(lines, _)| *lines > LONGEST)
        .map(|(lines, name)| format!("{name} has {lines} lines"))
        .collect();
    long.sort();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.name)
        .collect();
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn groups_of_paths_are_taken_apart() {
    let code = "use crate::{net, report::{self, Report}, store};\nlet x = crate::cli::parse();";
    let named: Vec<String> = named_rooms(code).into_iter().collect();
    assert_eq!(named, ["cli", "net", "report", "store"]);
}

/// The names are those of the tests' own output, the black-box tests under `it`.
#[test]
fn every_test_that_the_fault_matrix_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("tests/README.md")).unwrap();
    let named = Regex::new(r"\| `([a-z_:0-9]+)::([a-z_0-9]+)` \|").unwrap();
    let mut absent = Vec::new();
    let mut count = 0;
    for capture in named.captures_iter(&table) {
        count += 1;
        let (module, test) = (&capture[1], &capture[2]);
        let path = match module.strip_prefix("it::") {
            Some(module) => root.join("tests/it").join(module),
            None => module_path(root, module),
        };
        // Tests at the end of a file are in a module that has no file of its own.
        let inline = path.ends_with("tests").then(|| path.with_file_name(""));
        let found = [Some(path), inline].into_iter().flatten().any(|path| {
            let path = path.display().to_string();
            let path = path.trim_end_matches('/');
            [format!("{path}.rs"), format!("{path}/mod.rs")]
                .iter()
                .filter_map(|file| fs::read_to_string(file).ok())
                .any(|text| text.contains(&format!("fn {test}(")))
        });
        if !found {
            absent.push(format!("{module}::{test}"));
        }
    }
    assert!(count > 40, "{count}");
    assert!(absent.is_empty(), "{}", absent.join("\n"));
}

/// Rows 1 to 24 of the fault matrix each have a line.
#[test]
fn every_row_of_the_fault_matrix_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("tests/README.md")).unwrap();
    let absent: Vec<u32> = (1..=24)
        .filter(|row| {
            let starts = [format!("| {row} |"), format!("| {row}a |")];
            !table
                .lines()
                .any(|line| starts.iter().any(|start| line.starts_with(start)))
        })
        .collect();
    assert!(absent.is_empty(), "{absent:?}");
}

/// Returns a module's path without extension, in this package or in a crate of the workspace.
fn module_path(root: &Path, module: &str) -> PathBuf {
    let path = module.replace("::", "/");
    let crates = [
        "server_kit",
        "kafka_server",
        "mongodb_server",
        "registry_server",
    ];
    for name in crates {
        if let Some(path) = path.strip_prefix(&format!("convoy_{name}/")) {
            let folder = root.join("crates").join(name.replace('_', "-"));
            return folder.join("src").join(path);
        }
    }
    root.join("src").join(path)
}

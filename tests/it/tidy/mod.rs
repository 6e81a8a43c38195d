//! Structure of the source: which room may name which, which crate is used where, file lengths.
//!
//! The drawing in `src/lib.rs` is compared with the imports, edge by edge.

mod circles;
mod fault_matrix;
pub mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use regex::Regex;

use crate::tidy::sources::{Names, PACKAGES, Source, root, sources};

/// Where a crate may be named: path prefixes.
const KNOWN_IN: &[(&str, &[&str])] = &[
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("clap_mangen", &["cli/"]),
    ("toml", &["cli/"]),
    ("strsim", &["suggest.rs"]),
    ("indicatif", &["terminal/"]),
    ("tracing_subscriber", &["terminal/"]),
    ("rskafka", &["broker/client.rs", "broker/failure.rs"]),
    (
        "mongodb",
        &[
            "store/client.rs",
            "store/failure.rs",
            "store/insert.rs",
            "store/pool.rs",
            "store/scan.rs",
        ],
    ),
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

/// Longest file, in lines before its inline tests.
const LONGEST: usize = 500;

/// Rooms that a file names, by paths from the crate root.
fn named_rooms(code: &str) -> BTreeSet<String> {
    let names = Names::of(code);
    let paths = names.used.into_iter().chain(names.reexported);
    paths
        .filter(|path| matches!(path[0].as_str(), "crate" | "convoy"))
        .filter_map(|path| path.get(1).cloned())
        .collect()
}

/// Rows of the drawing in `src/lib.rs`, top to bottom: a room and the rooms that it names.
fn drawing() -> Vec<(String, BTreeSet<String>)> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let row = Regex::new(r"(?m)^//!  +([a-z_]+) +─▶ ([a-z_, ]+)$").unwrap();
    row.captures_iter(&text)
        .map(|row| {
            let named = row[2].split(',').map(|room| room.trim().to_owned());
            (row[1].to_owned(), named.collect())
        })
        .collect()
}

/// Rooms that each room names; a room that names none has no entry.
fn named_by_room() -> BTreeMap<String, BTreeSet<String>> {
    let sources = sources("src");
    let rooms: BTreeSet<&str> = sources.iter().map(Source::room).collect();
    let mut named_by_room: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in &sources {
        for named in named_rooms(&source.code()) {
            if named != source.room() && rooms.contains(named.as_str()) && source.room() != "lib" {
                let room = source.room().to_owned();
                named_by_room.entry(room).or_default().insert(named);
            }
        }
    }
    named_by_room
}

#[test]
fn the_drawing_shows_exactly_which_room_names_which() {
    let drawn: BTreeMap<_, _> = drawing().into_iter().collect();
    let named = named_by_room();
    let rooms: BTreeSet<&String> = drawn.keys().chain(named.keys()).collect();
    let none = BTreeSet::new();
    let wrong: Vec<String> = rooms
        .into_iter()
        .filter(|room| drawn.get(*room) != named.get(*room))
        .map(|room| {
            let names = |table: &BTreeMap<String, BTreeSet<String>>| {
                let names = table.get(room).unwrap_or(&none).iter();
                names.cloned().collect::<Vec<_>>().join(", ")
            };
            format!(
                "{room}: drawn [{}], named [{}]",
                names(&drawn),
                names(&named)
            )
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rooms_name_only_rooms_below_them() {
    let drawing = drawing();
    assert!(drawing.len() > 10, "the drawing was read");
    for (row, (room, named)) in drawing.iter().enumerate() {
        let above = drawing[..=row].iter().map(|(room, _)| room);
        let above: Vec<&String> = above.filter(|above| named.contains(*above)).collect();
        assert!(above.is_empty(), "{room} names {above:?}");
    }
}

#[test]
fn a_crate_is_known_where_it_is_wrapped_and_nowhere_else() {
    let sources: Vec<(Source, String)> = sources("src")
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
fn files_have_at_most_500_lines_of_code() {
    let mut long = Vec::new();
    for package in PACKAGES {
        for source in sources(package) {
            if source.length() > LONGEST {
                long.push(format!("{package}/{}: {}", source.name, source.length()));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_file_states_its_purpose() {
    let mut silent = Vec::new();
    for package in PACKAGES {
        let sources = sources(package).into_iter();
        let without = sources.filter(|source| !source.text.starts_with("//! "));
        silent.extend(without.map(|source| format!("{package}/{}", source.name)));
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

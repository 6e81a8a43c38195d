//! Runs the tables of `fixtures/mongo` against the store, through a socket.
//!
//! `fixtures/mongo/README.md` describes the tables. The `bson` crate encodes the commands and
//! decodes the replies: an error of the store's own codec shows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests panic")]

mod case;
mod codec;
mod compare;
mod json;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};

use bson::{Bson, Document};
use convoy_mongodb_server::{MongoServer, Settings};

use crate::json::Json;
use crate::wire::Connection;

/// Fewer cases mean that tables were lost.
const LEAST_CASES: usize = 1_400;

#[test]
fn replies_are_those_of_the_tables() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime
        .block_on(MongoServer::start(Settings::default()))
        .unwrap();
    let mut connection = Connection::open(store.address());
    let (mut cases, mut failures) = (0, Vec::new());
    for path in tables() {
        let shown = path.strip_prefix(root()).unwrap().display();
        let outcomes = case::run_table(&mut connection, &read(&path));
        assert!(!outcomes.is_empty(), "{shown} has no cases");
        cases += outcomes.len();
        for (name, outcome) in outcomes {
            if let Err(problem) = outcome {
                failures.push(format!("{shown}: {name}: {problem}"));
            }
        }
    }
    runtime.block_on(store.stop()).unwrap();
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} of {cases} cases failed:\n{}",
        failures.join("\n")
    );
    assert!(cases >= LEAST_CASES, "only {cases} cases");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mongo")
}

/// Returns the files of all tables, sorted.
fn tables() -> Vec<PathBuf> {
    let (mut directories, mut tables) = (vec![root()], Vec::new());
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|it| it == "json") {
                tables.push(path);
            }
        }
    }
    tables.sort();
    tables
}

fn read(path: &Path) -> Document {
    let text = fs::read_to_string(path).unwrap();
    match serde_json::from_str(&text) {
        Ok(Json(Bson::Document(table))) => table,
        other => panic!("{}: {other:?}", path.display()),
    }
}

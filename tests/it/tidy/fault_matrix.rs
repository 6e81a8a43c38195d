//! The fault matrix of `tests/README.md` names tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::tidy::sources::root;

/// The names are those of the tests' own output, the black-box tests under `it`.
#[test]
fn every_test_that_the_fault_matrix_names_exists() {
    let root = root();
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
    let root = root();
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

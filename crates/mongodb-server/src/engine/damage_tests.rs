//! Files of a data directory with one byte changed: refused, and repaired with the loss named.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use crate::engine::tests::{Model, Step, apply, contents, open, rows_of, step};
use crate::engine::{Engine, Error, Namespace};

/// Number of flips; `CONVOY_FLIPS` sets another one.
fn cases() -> ProptestConfig {
    let wanted = std::env::var("CONVOY_FLIPS").ok();
    let wanted = wanted.and_then(|text| text.parse().ok());
    ProptestConfig::with_cases(wanted.unwrap_or(32))
}

/// Fills a directory and stops in order, or as after a kill.
fn fill(directory: &Path, steps: &[Step], kill: bool) -> Model {
    let engine = open(directory);
    let mut model = Model::new();
    for step in steps {
        apply(&engine, step, &mut model);
    }
    if !kill {
        engine.close().expect("the engine closes");
    }
    model
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|path| fs::metadata(path).expect("a file").len() > 0);
    files.sort();
    files
}

/// Returns the documents, also those of a collection whose description was lost.
fn all_contents(engine: &Engine) -> Model {
    let recovered = Namespace::new("recovered", "collection-1").expect("a valid name");
    let nameless = rows_of(engine, &recovered).into_iter();
    let mut found: Model = nameless.map(|(_, id, length)| (id, length)).collect();
    found.extend(contents(engine));
    found
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn every_changed_byte_is_refused_and_repaired_with_the_loss_named(
        steps in proptest::collection::vec(step(), 20..80),
        file: prop::sample::Index, byte: prop::sample::Index, change in 1_u8.., kill: bool,
    ) {
        let directory = TempDir::new().expect("a temporary directory");
        let model = fill(directory.path(), &steps, kill);
        let files = files(directory.path());
        let path = &files[file.index(files.len())];
        let mut bytes = fs::read(path).expect("the file");
        let byte = byte.index(bytes.len());
        bytes[byte] ^= change;
        fs::write(path, &bytes).expect("the change");

        let opened = Engine::open(directory.path());
        let Err(Error::Storage(error)) = opened else {
            return Err(TestCaseError::fail(format!("{} at {byte}", path.display())));
        };
        let named = error.to_string();
        prop_assert!(named.contains(&path.display().to_string()), "{}", named);
        prop_assert_eq!(&fs::read(path).expect("the file"), &bytes, "nothing changes");

        let losses = Engine::repair(directory.path()).expect("the repair");
        let engine = Engine::open(directory.path()).expect("the directory opens");
        let found = all_contents(&engine);
        for (id, length) in &found {
            prop_assert_eq!(model.get(id), Some(length), "{}: {:?}", named, losses);
        }
        let silent = losses.iter().all(|loss| loss.lost == "nothing");
        prop_assert!(found == model || !silent, "{}: {:?}", named, losses);
        prop_assert!(!losses.is_empty());
    }
}

#[test]
fn missing_segment_is_missed() {
    let directory = TempDir::new().expect("a temporary directory");
    let steps: Vec<_> = (0..40).map(|id| Step::Insert(vec![id], 200)).collect();
    let model = fill(directory.path(), &steps, true);
    let segments: Vec<_> = files(directory.path())
        .into_iter()
        .filter(|path| path.extension().is_some())
        .collect();
    for path in [&segments[0], &segments[2], segments.last().expect("one")] {
        let bytes = fs::read(path).expect("the segment");
        fs::remove_file(path).expect("it is removed");
        let error = Engine::open(directory.path()).expect_err("it is missing");
        assert!(error.to_string().contains("is missing"), "{error}");
        fs::write(path, bytes).expect("it is there again");
    }
    fs::remove_file(&segments[2]).expect("it is removed");
    let losses = Engine::repair(directory.path()).expect("the repair");
    assert_eq!(losses.len(), 1);
    let engine = Engine::open(directory.path()).expect("the directory opens");
    let found = all_contents(&engine);
    assert!(found.len() < model.len() && !found.is_empty());
}

#[test]
fn earlier_format_is_called_old() {
    let directory = TempDir::new().expect("a temporary directory");
    let path = directory.path().join("00000001.log");
    fs::write(&path, b"CONVOYS1\x01\0\0\0salt and more bytes").expect("a segment");
    let error = Engine::open(directory.path()).expect_err("it is old");
    assert!(
        error.to_string().contains("older version of convoy"),
        "{error}"
    );
}

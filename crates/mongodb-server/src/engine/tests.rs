//! Documents survive reopening, compaction, and a log that was cut at any byte.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::bson::{Builder, Doc, Value};
use crate::engine::collection::{Change, Collection};
use crate::engine::segment::segment_path;
use crate::engine::{Engine, Error, Namespace, RecordId, Scan, Source, compaction};
use crate::query::Filter;

/// Segments so small that a few documents fill one.
const SMALL: u32 = 2_000;

/// A random change to a collection.
#[derive(Debug, Clone)]
enum Step {
    /// Inserts documents with these ids and a filling of this length.
    Insert(Vec<u8>, usize),
    /// Replaces the filling of the document with this id.
    Update(u8, usize),
    /// Deletes the document with this id.
    Delete(u8),
    Compact,
}

/// A simple model of the collection: length of the filling by id.
type Model = BTreeMap<u8, usize>;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (proptest::collection::vec(any::<u8>(), 1..5), 0_usize..300)
            .prop_map(|(ids, length)| Step::Insert(ids, length)),
        3 => (any::<u8>(), 0_usize..300).prop_map(|(id, length)| Step::Update(id, length)),
        3 => any::<u8>().prop_map(Step::Delete),
        1 => Just(Step::Compact),
    ]
}

fn document(id: u8, length: usize) -> Vec<u8> {
    Builder::new()
        .int32("_id", i32::from(id))
        .string("filling", &"x".repeat(length))
        .finish()
}

fn namespace() -> Namespace {
    Namespace::new("test", "readings").expect("a valid name")
}

fn open(directory: &Path) -> Engine {
    Engine::open_with(directory, SMALL, None).expect("the directory opens")
}

/// Returns all documents of the collection, with their numbers.
fn rows(engine: &Engine) -> Vec<(RecordId, u8, usize)> {
    let source = Source::Collection { reverse: false };
    let collection = engine.collection(&namespace());
    let mut scan = Scan::new(collection, source, Filter::default());
    let mut rows = Vec::new();
    while let Some(row) = scan
        .next(engine.log(), || Ok(()))
        .expect("the scan goes on")
    {
        let (id, _) = row.origin.as_ref().expect("a stored document");
        let number = row.doc().get("_id").and_then(|value| value.as_i64());
        let filling = match row.doc().get("filling") {
            Some(Value::String(filling)) => filling.len(),
            other => panic!("no filling but {other:?}"),
        };
        let number = number.and_then(|number| u8::try_from(number).ok());
        rows.push((*id, number.expect("a small id"), filling));
    }
    rows
}

fn contents(engine: &Engine) -> Model {
    rows(engine)
        .into_iter()
        .map(|(_, id, length)| (id, length))
        .collect()
}

fn find(collection: &Collection, id: u8) -> Option<RecordId> {
    let key = crate::bson::Key::of(&Value::Int32(i32::from(id)));
    collection.with_state(|state| state.by_id.get(&key).copied())
}

fn apply(engine: &Engine, step: &Step, model: &mut Model) {
    let collection = engine
        .collection_or_create(&namespace())
        .expect("a collection");
    let writer = engine.writer();
    match step {
        Step::Insert(ids, length) => {
            let documents: Vec<_> = ids.iter().map(|&id| document(id, *length)).collect();
            let docs: Vec<_> = documents.iter().map(|bytes| Doc::new(bytes)).collect();
            let inserted = collection
                .insert(writer, &docs, false)
                .expect("the log takes it");
            let inserted = inserted.expect("the collection is there");
            let before = model.len();
            for &id in ids {
                model.entry(id).or_insert(*length);
            }
            assert_eq!(inserted.count, model.len() - before);
            assert_eq!(inserted.errors.len(), ids.len() - inserted.count);
        }
        Step::Update(id, length) => {
            let Some(record) = find(&collection, *id) else {
                return assert!(!model.contains_key(id));
            };
            let change = |_: Doc<'_>| Ok(Change::Replace(document(*id, *length)));
            collection
                .change(writer, record, change)
                .expect("the log takes it");
            model.insert(*id, *length);
        }
        Step::Delete(id) => {
            if let Some(record) = find(&collection, *id) {
                collection
                    .change(writer, record, |_| Ok(Change::Remove))
                    .expect("the log takes it");
            }
            model.remove(id);
        }
        Step::Compact => compaction::compact(engine).expect("compaction runs"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn collection_equals_a_map_after_any_changes_and_reopening(
        steps in proptest::collection::vec(step(), 0..60), reopen in any::<u64>()
    ) {
        let directory = TempDir::new().expect("a temporary directory");
        let mut engine = open(directory.path());
        let mut model = Model::new();
        for (index, step) in steps.iter().enumerate() {
            apply(&engine, step, &mut model);
            if reopen >> (index % 64) & 1 == 1 {
                drop(engine);
                engine = open(directory.path());
            }
            prop_assert_eq!(&contents(&engine), &model);
        }
    }

    #[test]
    fn log_cut_at_any_byte_keeps_all_earlier_records(
        steps in proptest::collection::vec(step(), 1..12), at in any::<prop::sample::Index>()
    ) {
        let directory = TempDir::new().expect("a temporary directory");
        let path = segment_path(directory.path(), 1);
        let mut model = Model::new();
        let mut history = vec![(0, model.clone())];
        let engine = Engine::open(directory.path()).expect("the directory opens");
        for step in steps.iter().filter(|step| !matches!(step, Step::Compact)) {
            apply(&engine, step, &mut model);
            let length = std::fs::metadata(&path).expect("the segment").len();
            history.push((length, model.clone()));
        }
        drop(engine);
        let cut = u64::try_from(at.index(usize::try_from(history.last().expect("one").0).expect("small") + 1))
            .expect("small");
        let file = OpenOptions::new().write(true).open(&path).expect("the segment");
        file.set_len(cut).expect("the cut");
        let engine = Engine::open(directory.path()).expect("the directory opens");
        let expected = history.iter().rev().find(|(length, _)| *length <= cut);
        prop_assert_eq!(&contents(&engine), &expected.expect("the empty beginning").1);
        // Writes go on from there.
        let mut model = contents(&engine);
        apply(&engine, &Step::Insert(vec![1, 2, 3], 7), &mut model);
        drop(engine);
        let engine = Engine::open(directory.path()).expect("the directory opens");
        prop_assert_eq!(contents(&engine), model);
    }
}

#[test]
fn damage_to_durable_records_is_an_error() {
    let directory = TempDir::new().expect("a temporary directory");
    let engine = Engine::open(directory.path()).expect("the directory opens");
    let mut model = Model::new();
    for id in 0..3 {
        apply(&engine, &Step::Insert(vec![id], 100), &mut model);
        engine.log().sync_all().expect("the log is flushed");
    }
    drop(engine);
    let path = segment_path(directory.path(), 1);
    let mut bytes = std::fs::read(&path).expect("the segment");
    let at = bytes
        .iter()
        .position(|&byte| byte == b'x')
        .expect("a filling");
    bytes[at] = b'y';
    std::fs::write(&path, bytes).expect("the damage");
    let opened = Engine::open(directory.path());
    assert!(matches!(opened, Err(Error::Damaged { .. })), "{opened:?}");
}

#[test]
fn second_engine_cannot_open_the_same_directory() {
    let directory = TempDir::new().expect("a temporary directory");
    let engine = open(directory.path());
    assert!(matches!(
        Engine::open(directory.path()),
        Err(Error::InUse { .. })
    ));
    drop(engine);
    drop(open(directory.path()));
}

#[test]
fn compaction_frees_the_space_of_deleted_documents() {
    let directory = TempDir::new().expect("a temporary directory");
    let engine = open(directory.path());
    let mut model = Model::new();
    for round in 0..20 {
        for id in 0..50 {
            apply(&engine, &Step::Insert(vec![id], 100), &mut model);
        }
        for id in 0..50 {
            apply(&engine, &Step::Delete(id), &mut model);
        }
        apply(&engine, &Step::Compact, &mut model);
        assert!(engine.log().segments().len() < 20, "round {round}");
    }
}

#[test]
fn record_ids_are_not_reused_after_reopening() {
    let directory = TempDir::new().expect("a temporary directory");
    let engine = open(directory.path());
    let mut model = Model::new();
    apply(&engine, &Step::Insert(vec![1, 2], 0), &mut model);
    let last = rows(&engine).last().expect("two rows").0;
    apply(&engine, &Step::Delete(2), &mut model);
    drop(engine);
    let engine = open(directory.path());
    apply(&engine, &Step::Insert(vec![3], 0), &mut model);
    assert!(rows(&engine).last().expect("two rows").0 > last);
}

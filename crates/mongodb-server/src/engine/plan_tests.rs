//! Every plan finds the same documents as a full scan, in the requested order.

use std::cmp::Ordering;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::bson::{ArrayBuilder, Builder, Doc, Value, order};
use crate::engine::hint::Hint;
use crate::engine::implied::implies;
use crate::engine::index_spec::IndexSpec;
use crate::engine::plan::plan;
use crate::engine::store::Engine;
use crate::engine::{Namespace, Scan};
use crate::query::{Filter, SortSpec};

/// A small value: collisions are what matters here.
fn value() -> impl Strategy<Value = Value<'static>> {
    let scalar = prop_oneof![
        4 => (-2_i32..3).prop_map(Value::Int32),
        1 => (-2_i32..3).prop_map(|half| Value::Double(f64::from(half) / 2.0)),
        1 => Just(Value::Null),
        1 => "[ab]{0,2}".prop_map(Value::from),
        1 => Just(Value::Bool(true)),
    ];
    scalar.prop_recursive(1, 4, 3, |inner| {
        proptest::collection::vec(inner, 0..3)
            .prop_map(|items| items.into_iter().collect::<ArrayBuilder>().into_value())
    })
}

/// A document with some of the fields `a`, `b` and `c`.
fn fields() -> impl Strategy<Value = Vec<u8>> {
    let field = || proptest::option::weighted(0.8, value());
    (field(), field(), field()).prop_map(|(a, b, c)| {
        let mut builder = Builder::new();
        for (name, value) in [("a", a), ("b", b), ("c", c)] {
            if let Some(value) = value {
                builder.push(name, &value);
            }
        }
        builder.finish()
    })
}

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just("c")]
}

/// One condition: `{ field: { $op: value } }`.
fn condition() -> impl Strategy<Value = Vec<u8>> {
    let operator = prop_oneof![
        3 => Just("$eq"), 1 => Just("$gt"), 1 => Just("$gte"), 1 => Just("$lt"), 1 => Just("$lte"),
        1 => Just("$ne"),
    ];
    let compare = (name(), operator, value()).prop_map(|(name, operator, value)| {
        let test = Builder::new().with(operator, &value);
        Builder::new().document(name, test).finish()
    });
    let any_of = (name(), proptest::collection::vec(value(), 0..3)).prop_map(|(name, values)| {
        let test = Builder::new().array("$in", values.into_iter().collect());
        Builder::new().document(name, test).finish()
    });
    prop_oneof![3 => compare, 1 => any_of]
}

fn filter() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(condition(), 0..3).prop_map(|conditions| {
        if conditions.is_empty() {
            return Builder::new().finish();
        }
        let mut all = ArrayBuilder::default();
        for condition in &conditions {
            all.push_doc(Doc::new(condition));
        }
        Builder::new().array("$and", all).finish()
    })
}

/// Some of the fields, each once, up or down.
fn ordered_fields() -> impl Strategy<Value = Vec<u8>> {
    let directions = proptest::collection::vec(prop_oneof![Just(1), Just(-1)], 3);
    (
        Just(vec!["a", "b", "c"]).prop_shuffle(),
        0_usize..4,
        directions,
    )
        .prop_map(|(names, count, directions)| {
            let mut spec = Builder::new();
            for (name, direction) in names.into_iter().zip(directions).take(count) {
                spec = spec.int32(name, direction);
            }
            spec.finish()
        })
}

/// An index of all documents, of those with a field, or of those that pass a filter.
#[derive(Debug, Clone)]
struct Wanted {
    key: Vec<u8>,
    sparse: bool,
    partial: Option<Vec<u8>>,
}

impl Wanted {
    fn is_complete(&self) -> bool {
        !self.sparse && self.partial.is_none()
    }
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let partial = proptest::option::weighted(0.4, partial());
    (ordered_fields(), any::<bool>(), partial).prop_map(|(key, sparse, partial)| Wanted {
        key,
        sparse: sparse && partial.is_none(),
        partial,
    })
}

/// A filter as partial indexes have them.
fn partial() -> impl Strategy<Value = Vec<u8>> {
    let exists = name().prop_map(|name| {
        let test = Builder::new().bool("$exists", true);
        Builder::new().document(name, test).finish()
    });
    let types = prop_oneof![Just("number"), Just("string"), Just("int"), Just("array")];
    let typed = (name(), types).prop_map(|(name, kind)| {
        let test = Builder::new().string("$type", kind);
        Builder::new().document(name, test).finish()
    });
    prop_oneof![3 => filter(), 1 => exists, 1 => typed]
}

fn index(number: usize, wanted: &Wanted) -> IndexSpec {
    let mut spec = Builder::new()
        .raw_document("key", Doc::new(&wanted.key))
        .string("name", &format!("i{number}"))
        .bool("sparse", wanted.sparse);
    if let Some(partial) = &wanted.partial {
        spec = spec.raw_document("partialFilterExpression", Doc::new(partial));
    }
    IndexSpec::parse(Doc::new(&spec.finish())).expect("a valid index")
}

fn scan(engine: &Engine, source: crate::engine::Source, filter: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let filter = Filter::parse(Doc::new(filter)).expect("a valid filter");
    let namespace = Namespace::new("test", "c").expect("a valid name");
    let mut scan = Scan::new(engine.collection(&namespace), source, filter);
    let mut found = Vec::new();
    while let Some(row) = scan
        .next(engine.log(), || Ok(()))
        .expect("the scan goes on")
    {
        let id = row.doc().get("_id").and_then(|id| id.as_i64());
        found.push((id.expect("an _id"), row.document.to_vec()));
    }
    found
}

/// Orders two documents as a sort does, by the definition rather than by bytes.
fn compare(sort: &SortSpec, one: &[u8], other: &[u8]) -> Ordering {
    let key = |bytes: &[u8]| {
        let mut key = Vec::new();
        let encoded = sort.encode(Doc::new(bytes), &mut key);
        encoded.expect("no parallel arrays");
        key
    };
    key(one).cmp(&key(other))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_plan_finds_the_same_documents_as_a_full_scan(
        documents in proptest::collection::vec(fields(), 0..25),
        keys in proptest::collection::vec(wanted(), 0..4),
        filter in filter(), sort in ordered_fields(), hinted in any::<bool>(),
    ) {
        let directory = TempDir::new().expect("a temporary directory");
        let engine = Engine::open(directory.path()).expect("the directory opens");
        let namespace = Namespace::new("test", "c").expect("a valid name");
        let collection = engine.collection_or_create(&namespace).expect("a collection");
        let documents: Vec<Vec<u8>> = (0_i32..)
            .zip(&documents)
            .map(|(id, fields)| Builder::new().int32("_id", id).extended(Doc::new(fields)).finish())
            .collect();
        let docs: Vec<_> = documents.iter().map(|bytes| Doc::new(bytes)).collect();
        collection.insert(engine.writer(), &docs, true).expect("the log takes it");
        let mut built = Vec::new();
        for (number, wanted) in keys.iter().enumerate() {
            // Two arrays in one document do not fit into one index.
            let fields = !Doc::new(&wanted.key).is_empty();
            let spec = fields.then(|| index(number, wanted));
            if let Some(spec) = spec
                && engine.create_index(&collection, &spec).is_ok()
            {
                built.push(spec.name);
            }
        }
        let parsed = Filter::parse(Doc::new(&filter)).expect("a valid filter");
        let sort = SortSpec::parse(Doc::new(&sort)).expect("a valid order");
        // A hint is followed even if the index omits documents.
        let hint = built.first().filter(|_| hinted && keys.iter().all(Wanted::is_complete));
        let hint = hint.map(|name| Hint::Name(name.clone()));
        let plan = collection
            .with_state(|state| plan(state, &parsed, &sort, hint.as_ref()))
            .expect("a plan");
        let mut found = scan(&engine, plan.source.clone(), &filter);
        if plan.sorted {
            for pair in found.windows(2) {
                prop_assert!(compare(&sort, &pair[0].1, &pair[1].1).is_le(), "{plan:?}");
            }
        }
        let mut expected = scan(&engine, crate::engine::Source::Collection { reverse: false }, &filter);
        found.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(&found, &expected, "{:?}", plan);
        prop_assert!(collection.verify(engine.log()).expect("readable").errors.is_empty());
    }

    #[test]
    fn filter_that_implies_another_passes_no_other_document(
        document in fields(), filter in filter(), partial in partial()
    ) {
        let parse = |bytes: &[u8]| Filter::parse(Doc::new(bytes)).expect("a valid filter");
        let (filter, partial) = (parse(&filter), parse(&partial));
        let doc = Doc::new(&document);
        if implies(&filter, &partial) && filter.matches(doc) {
            prop_assert!(partial.matches(doc));
        }
    }

    #[test]
    fn equality_with_a_scalar_matches_arrays_that_contain_it(
        document in fields(), name in name(), wanted in value()
    ) {
        let filter = Builder::new().with(name, &wanted).finish();
        let filter = Filter::parse(Doc::new(&filter)).expect("a valid filter");
        let held = Doc::new(&document).get(name);
        let null = matches!(wanted, Value::Null);
        let expected = match &held {
            None => null,
            Some(held) => {
                let within = held.as_array().is_some_and(|items| {
                    items.values().any(|item| order::equal(&item, &wanted))
                });
                order::equal(held, &wanted) || within
            }
        };
        prop_assert_eq!(filter.matches(Doc::new(&document)), expected);
    }
}

//! Laws of pipelines, for any documents.

use std::collections::BTreeSet;
use std::sync::Arc;

use convoy_server_kit::RunClock;
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::aggregation::build::build;
use crate::aggregation::parse::parse_pipeline;
use crate::aggregation::pipeline_scope::PipelineScope;
use crate::aggregation::rows::{GivenDocuments, Kept};
use crate::aggregation::stage::Context;
use crate::bson::{ArrayBuilder, Builder, Doc, Key, Value};
use crate::engine::{Engine, Row};
use crate::error::{Code, CommandError};
use crate::query::Environment;
use crate::query::strategies::document;

/// Runs pipelines over given documents. The engine stays empty.
struct Runner {
    context: Context,
    _directory: TempDir,
}

impl Runner {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let engine = Engine::open(directory.path()).expect("an empty engine");
        Self {
            context: Context {
                bypass: false,
                spills: true,
                engine: Arc::new(engine),
                clock: RunClock::start(),
                now_ms: 0,
                deadline: None,
                stopping: CancellationToken::new(),
                left: None,
                session: None,
            },
            _directory: directory,
        }
    }

    fn run(&self, docs: &[Vec<u8>], stages: Vec<Builder>) -> Result<Vec<Vec<u8>>, CommandError> {
        let mut pipeline = ArrayBuilder::default();
        for stage in stages {
            pipeline.push_built(stage);
        }
        let stages = parse_pipeline(
            Doc::new(&pipeline.finish()),
            PipelineScope::new("test", &Environment::default()),
        )?;
        let rows: Vec<Row> = docs.iter().cloned().map(Row::computed).collect();
        let given = GivenDocuments {
            rows: rows.into_iter(),
        };
        let mut stage = build(stages, Box::new(given));
        let kept = Kept::read("the test", stage.as_mut(), &self.context)?;
        Ok(kept
            .rows()
            .iter()
            .map(|row| row.document.to_vec())
            .collect())
    }

    fn results(&self, docs: &[Vec<u8>], stages: Vec<Builder>) -> Vec<Vec<u8>> {
        self.run(docs, stages).expect("a valid pipeline")
    }
}

fn sort() -> Builder {
    Builder::new().document("$sort", Builder::new().int32("a", 1).int32("_id", -1))
}

fn int(name: &str, number: usize) -> Builder {
    Builder::new().int32(name, i32::try_from(number).expect("a small number"))
}

fn number(doc: &[u8], name: &str) -> usize {
    let value = Doc::new(doc).get(name).and_then(|value| value.as_i64());
    usize::try_from(value.expect("a number")).expect("not negative")
}

fn numbered(docs: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let number = |(id, doc): (usize, Vec<u8>)| {
        let mut numbered = int("_id", id);
        for element in Doc::new(&doc).elements().skip(1) {
            numbered.push_element(element);
        }
        numbered.finish()
    };
    docs.into_iter().enumerate().map(number).collect()
}

fn documents() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(document(), 0..8).prop_map(numbered)
}

/// Checks all laws in one test, because one engine serves all cases.
#[test]
fn pipelines_obey_their_laws() {
    let runner = Runner::new();
    let config = ProptestConfig::with_cases(64);
    proptest!(config, |(docs in documents(), skip in 0_usize..4, limit in 1_usize..5)| {
        check_slices(&runner, &docs, skip, limit)?;
        check_groups(&runner, &docs)?;
        check_ranking(&runner, &docs, limit)?;
        check_choices(&runner, &docs, limit)?;
        check_unwind(&runner, &docs)?;
    });
}

fn check_slices(
    runner: &Runner,
    docs: &[Vec<u8>],
    skip: usize,
    limit: usize,
) -> Result<(), TestCaseError> {
    let sorted = runner.results(docs, vec![sort()]);
    prop_assert_eq!(sorted.len(), docs.len());
    let first = runner.results(docs, vec![sort(), int("$limit", limit)]);
    prop_assert_eq!(
        &first[..],
        &sorted[..limit.min(sorted.len())],
        "sort and limit"
    );
    let skipped = runner.results(docs, vec![sort(), int("$skip", skip), int("$limit", limit)]);
    let expected: Vec<_> = sorted.iter().skip(skip).take(limit).cloned().collect();
    prop_assert_eq!(skipped, expected, "skip and limit");
    let counted = runner.results(docs, vec![Builder::new().string("$count", "n")]);
    let count = counted.first().map_or(0, |doc| number(doc, "n"));
    prop_assert_eq!(count, docs.len(), "count");
    Ok(())
}

fn check_groups(runner: &Runner, docs: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let fields = Builder::new()
        .string("_id", "$a")
        .document("n", Builder::new().int32("$sum", 1))
        .document("docs", Builder::new().string("$push", "$$ROOT"));
    let group = || Builder::new().document("$group", fields.clone());
    let groups = runner.results(docs, vec![group()]);
    let ids: BTreeSet<Key> = groups
        .iter()
        .map(|doc| Key::of(&Doc::new(doc).get("_id").expect("the key")))
        .collect();
    prop_assert_eq!(ids.len(), groups.len(), "keys are distinct");
    let total: usize = groups.iter().map(|doc| number(doc, "n")).sum();
    prop_assert_eq!(total, docs.len(), "each document is in one group");
    let unwind = Builder::new().string("$unwind", "$docs");
    let restore = Builder::new().string("$replaceWith", "$docs");
    let by_id = Builder::new().document("$sort", Builder::new().int32("_id", 1));
    let restored = runner.results(docs, vec![group(), unwind, restore, by_id]);
    prop_assert_eq!(
        &restored[..],
        docs,
        "unwind restores what push has collected"
    );
    let counts = runner.results(docs, vec![Builder::new().string("$sortByCount", "$a")]);
    let counts: Vec<usize> = counts.iter().map(|doc| number(doc, "count")).collect();
    prop_assert!(
        counts.is_sorted_by(|one, other| one >= other),
        "sortByCount"
    );
    prop_assert_eq!(counts.iter().sum::<usize>(), docs.len(), "sortByCount");
    Ok(())
}

fn check_ranking(runner: &Runner, docs: &[Vec<u8>], limit: usize) -> Result<(), TestCaseError> {
    if docs.is_empty() {
        return Ok(());
    }
    let order = Builder::new().int32("a", 1).int32("_id", -1);
    let top = int("n", limit)
        .document("sortBy", order)
        .string("output", "$_id");
    let group = Builder::new()
        .with("_id", &Value::Null)
        .document("ids", Builder::new().document("$topN", top));
    let ranked = runner.results(docs, vec![Builder::new().document("$group", group)]);
    let ids = Doc::new(&ranked[0]).get("ids").expect("the field");
    let ids: Vec<_> = ids.as_array().expect("an array").values().collect();
    let sorted = runner.results(docs, vec![sort(), int("$limit", limit)]);
    let expected: Vec<_> = sorted
        .iter()
        .map(|doc| Doc::new(doc).get("_id").expect("the id"))
        .collect();
    let shown = |ids: &[Value<'_>]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    prop_assert_eq!(shown(&ids), shown(&expected), "topN");
    Ok(())
}

fn check_choices(runner: &Runner, docs: &[Vec<u8>], limit: usize) -> Result<(), TestCaseError> {
    let sample = Builder::new().document("$sample", int("size", limit));
    let chosen: BTreeSet<_> = runner.results(docs, vec![sample]).into_iter().collect();
    prop_assert_eq!(
        chosen.len(),
        limit.min(docs.len()),
        "sample has no duplicates"
    );
    prop_assert!(chosen.iter().all(|doc| docs.contains(doc)), "sample");
    let facets = Builder::new().array("all", ArrayBuilder::default());
    let facet = runner.results(docs, vec![Builder::new().document("$facet", facets)]);
    let all = Doc::new(&facet[0]).get("all").expect("the facet");
    let all: Vec<_> = all.as_array().expect("an array").elements().collect();
    let all: Vec<_> = all.iter().map(|item| item.payload().to_vec()).collect();
    prop_assert_eq!(&all[..], docs, "facet");
    Ok(())
}

fn check_unwind(runner: &Runner, docs: &[Vec<u8>]) -> Result<(), TestCaseError> {
    for keep in [false, true] {
        let options = Builder::new()
            .string("path", "$a")
            .string("includeArrayIndex", "i")
            .bool("preserveNullAndEmptyArrays", keep);
        let unwound = runner.results(docs, vec![Builder::new().document("$unwind", options)]);
        let count = |doc: &Vec<u8>| match Doc::new(doc).get("a") {
            Some(Value::Array(items)) => Doc::new(&items).len().max(usize::from(keep)),
            None | Some(Value::Null) => usize::from(keep),
            Some(_) => 1,
        };
        prop_assert_eq!(
            unwound.len(),
            docs.iter().map(count).sum::<usize>(),
            "unwind"
        );
        let indexed = unwound.iter().all(|doc| Doc::new(doc).get("i").is_some());
        prop_assert!(indexed, "unwind gives each document an index, or null");
    }
    Ok(())
}

#[test]
fn query_fails_after_its_time_limit_and_when_the_server_stops() {
    let mut context = Runner::new().context;
    assert!(context.check().is_ok());
    context.deadline = Some(0);
    let code = context.check().map_err(|error| error.code());
    assert_eq!(code, Err(Code::MAX_TIME_EXPIRED));
    context.stopping.cancel();
    let code = context.check().map_err(|error| error.code());
    assert_eq!(code, Err(Code::INTERRUPTED_AT_SHUTDOWN));
}

#[test]
fn longest_pipeline_of_steps_does_not_exhaust_the_stack() {
    let stage = || Builder::new().document("$set", Builder::new().int32("a", 1));
    let docs = [Builder::new().int32("_id", 1).finish()];
    let stages = std::iter::repeat_with(stage).take(1_000).collect();
    assert_eq!(Runner::new().results(&docs, stages).len(), 1);
}

#[test]
fn pipeline_that_would_exhaust_the_stack_is_refused() {
    let sort = || Builder::new().document("$sort", Builder::new().int32("_id", 1));
    let stages = |count| std::iter::repeat_with(sort).take(count).collect();
    let docs = [Builder::new().int32("_id", 1).finish()];
    assert_eq!(Runner::new().results(&docs, stages(200)).len(), 1);
    let refused = Runner::new().run(&docs, stages(201)).map(|_| ());
    let code = refused.map_err(|error| error.code());
    assert_eq!(code, Err(Code::NOT_IMPLEMENTED));
}

/// Returns `{ operator: argument }`.
fn one(operator: &str, argument: &Value<'_>) -> Builder {
    Builder::new().with(operator, argument)
}

fn path(name: &str) -> Value<'_> {
    Value::String(name.into())
}

/// Seven documents of 15 MB: each is allowed, together they exceed the limit of a stage.
#[test]
fn stages_and_accumulators_have_a_memory_limit() {
    let runner = Runner::new();
    let text = "x".repeat(15_000_000);
    let large = |id| {
        let large = Builder::new().int32("_id", id).int32("a", 1);
        large.string("s", &text).finish()
    };
    let docs: Vec<_> = (0..7).map(large).collect();
    let group = |operator: &str, argument: &Value<'_>| {
        let fields = Builder::new().with("_id", &Value::Null);
        Builder::new().document("$group", fields.document("r", one(operator, argument)))
    };
    let top = Builder::new()
        .int32("n", 7)
        .document("sortBy", Builder::new().int32("_id", 1))
        .with("output", &path("$s"));
    let top = Value::Document(top.finish().into());
    let buckets = Builder::new()
        .with("groupBy", &path("$s"))
        .int32("buckets", 2);
    let push = Builder::new().document("r", one("$push", &path("$s")));
    let cases = [
        (group("$push", &path("$s")), Code::EXCEEDED_MEMORY),
        (group("$addToSet", &path("$$ROOT")), Code::EXCEEDED_MEMORY),
        (group("$topN", &top), Code::QUERY_EXCEEDED_MEMORY),
        (
            Builder::new().document("$bucketAuto", buckets),
            Code::QUERY_EXCEEDED_MEMORY,
        ),
        (
            Builder::new().document("$setWindowFields", Builder::new().document("output", push)),
            Code::QUERY_EXCEEDED_MEMORY,
        ),
        (
            Builder::new().document(
                "$facet",
                Builder::new().array("all", ArrayBuilder::default()),
            ),
            Code::QUERY_EXCEEDED_MEMORY,
        ),
    ];
    for (stage, code) in cases {
        let name = format!("{:?}", Doc::new(&stage.clone().finish()).elements().next());
        let error = runner.run(&docs, vec![stage]).expect_err(&name);
        assert_eq!(error.code(), code, "{name}: {error}");
    }
    // A value that is replaced gives its memory back.
    let last = runner.run(&docs, vec![group("$last", &path("$s"))]);
    assert!(last.is_ok());
}

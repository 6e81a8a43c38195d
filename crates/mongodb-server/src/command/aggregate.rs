//! `aggregate`

use crate::aggregation::{
    Context, EmptyDocuments, GivenDocuments, PipelineScope, Selection, SourceSpec, Stage,
    StageSpec, build, parse_pipeline, push_down, select,
};
use crate::bson::{ArrayBuilder, Builder, Doc, Value};
use crate::command::cursors::{Batch, Cursor};
use crate::command::explain::explain_aggregate;
use crate::command::find::{FIRST_BATCH, reply};
use crate::command::query::{context, environment, parse_hint};
use crate::command::write_concern::WriteConcern;
use crate::command::{
    Call, Client, Shared, change_stream, cursor, merge, out, read_concern, statistics,
};
use crate::engine::{Namespace, Position, Row};
use crate::error::{Code, CommandError};

const ARGUMENTS: &[&str] = &[
    "pipeline",
    "cursor",
    "explain",
    "allowDiskUse",
    "bypassDocumentValidation",
    "collation",
    "hint",
    "let",
    "fromMongos",
    "needsMerge",
];

/// `aggregate`
pub fn aggregate(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(ARGUMENTS)?;
    call.refuse(&[])?;
    if check_arguments(call)? {
        return explain_aggregate(shared, call);
    }
    let without_collection = call.body.get("aggregate").and_then(|value| value.as_i64()) == Some(1);
    let namespace = if without_collection {
        Namespace {
            database: call.database.to_owned(),
            collection: "$cmd.aggregate".to_owned(),
        }
    } else {
        call.namespace()?
    };
    let pipeline = call
        .array("pipeline")?
        .ok_or_else(|| call.missing("pipeline"))?;
    if call.document("cursor")?.is_none() {
        return Err(CommandError::failed_to_parse(
            "The 'cursor' option is required, except for aggregate with the explain argument",
        ));
    }
    let batch = Batch {
        documents: call.batch_size()?.unwrap_or(FIRST_BATCH),
        single: false,
        forever: false,
    };
    let context = context(shared, call)?;
    let environment = environment(call, context.now_ms)?;
    let scope = PipelineScope::new(call.database, &environment);
    if change_stream::is_stream(pipeline) {
        let (stage, tail) = change_stream::open(shared, call, &namespace, pipeline, scope)?;
        let cursor = Cursor::new(stage, context.now_ms).tailing(Some(tail));
        return cursor::open(shared, &context, &namespace.to_string(), cursor, batch);
    }
    let mut stages = parse_pipeline(pipeline, scope)?;
    check_first(call, stages.first(), without_collection)?;
    let target = stages.pop_if(|last| matches!(last, StageSpec::Out(_) | StageSpec::Merge(_)));
    let mut selection = Selection {
        hint: parse_hint(call.body.get("hint"))?,
        ..Selection::default()
    };
    let rest = push_down(stages, &mut selection);
    let source = match rest.first() {
        Some(StageSpec::Source(source)) => given(shared, &namespace, source)?,
        _ if without_collection => {
            let message = "{aggregate: 1} is only valid for stages that need no collection";
            return Err(CommandError::new(Code::INVALID_NAMESPACE, message));
        }
        _ => source(&context, &namespace, selection, &rest)?,
    };
    if let Some(target) = target {
        write(shared, call, context, target, build(rest, source))?;
        return Ok(cursor::complete(
            &namespace.to_string(),
            ArrayBuilder::default(),
        ));
    }
    reply(shared, &context, &namespace, build(rest, source), batch).map_err(failed)
}

/// Writes what a pipeline returns into the collection of its last stage.
fn write(
    shared: &Shared,
    call: &Call<'_>,
    mut context: Context,
    target: StageSpec,
    mut stage: Box<dyn Stage>,
) -> Result<(), CommandError> {
    // A write goes on without its client.
    context.left = context.left.map(|left| left.patient());
    check_read_concern(call, &target)?;
    let concern = WriteConcern::parse(call)?;
    let position = match target {
        StageSpec::Merge(spec) => {
            let nulls = merge::check_target(shared, &spec)?;
            merge::merge(shared, &context, &spec, nulls, stage.as_mut())
        }
        StageSpec::Out(spec) => out::replace(shared, &context, &spec, stage.as_mut()),
        _ => Ok(Position::default()),
    };
    concern.wait(&shared.engine, position.map_err(failed)?)?;
    Ok(())
}

/// Returns the error of a pipeline that ran.
fn failed(error: CommandError) -> CommandError {
    error.within("PlanExecutor error during aggregation")
}

/// Checks arguments that depend on each other. Returns whether the plan is asked for.
fn check_arguments(call: &Call<'_>) -> Result<bool, CommandError> {
    for name in ["explain", "allowDiskUse"] {
        match call.body.get(name) {
            None | Some(Value::Bool(_)) => {}
            Some(other) => return Err(call.wrong_type(name, other.kind(), "bool")),
        }
    }
    let explain = call
        .value("explain")
        .is_some_and(|explain| explain.is_truthy());
    if !explain {
        return Ok(false);
    }
    call.batch_size()?;
    if call.value("writeConcern").is_some() {
        let message = "Aggregation explain does not support the 'writeConcern' option";
        return Err(CommandError::failed_to_parse(message));
    }
    if is_strict(call) {
        return Err(not_stable("the option explain"));
    }
    Ok(true)
}

/// Rejects first stages that the arguments do not allow.
fn check_first(
    call: &Call<'_>,
    first: Option<&StageSpec>,
    without_collection: bool,
) -> Result<(), CommandError> {
    let Some(StageSpec::Source(source)) = first else {
        return Ok(());
    };
    match source {
        SourceSpec::Documents(_) if !without_collection => {
            let message = "$documents can only be run with {aggregate: 1}";
            return Err(CommandError::new(Code::INVALID_NAMESPACE, message));
        }
        SourceSpec::CurrentOperations if !without_collection || call.database != "admin" => {
            let message = "$currentOp must be run against the 'admin' database with {aggregate: 1}";
            return Err(CommandError::new(Code::INVALID_NAMESPACE, message));
        }
        SourceSpec::CurrentOperations => read_concern::check_local(call, "$currentOp")?,
        _ => {}
    }
    let unstable = match source {
        SourceSpec::CurrentOperations => "$currentOp",
        SourceSpec::IndexStats => "$indexStats",
        SourceSpec::CollectionStats { .. } => "$collStats with more than `count`",
        SourceSpec::Documents(_) => return Ok(()),
    };
    let counts = matches!(
        source,
        SourceSpec::CollectionStats {
            storage_scale: None,
            ..
        }
    );
    if is_strict(call) && !counts {
        return Err(not_stable(unstable));
    }
    Ok(())
}

fn is_strict(call: &Call<'_>) -> bool {
    call.value("apiStrict")
        .is_some_and(|strict| strict.is_truthy())
}

fn not_stable(what: &str) -> CommandError {
    let message = format!("Provided apiStrict:true, but {what} is not in API Version 1");
    CommandError::new(Code::API_STRICT, message)
}

/// Rejects a pipeline that writes what it may have to read again.
fn check_read_concern(call: &Call<'_>, target: &StageSpec) -> Result<(), CommandError> {
    let concern = call.document("readConcern")?.unwrap_or(Doc::EMPTY);
    let level = concern.get("level");
    if level.is_some_and(|level| level.as_str() == Some("linearizable")) {
        let name = if matches!(target, StageSpec::Out(_)) {
            "$out"
        } else {
            "$merge"
        };
        let message = format!("{name} cannot be used with a 'linearizable' read concern level");
        return Err(CommandError::new(Code::INVALID_OPTIONS, message));
    }
    Ok(())
}

/// Returns the documents of a first stage that does not read the collection.
fn given(
    shared: &Shared,
    namespace: &Namespace,
    source: &SourceSpec,
) -> Result<Box<dyn Stage>, CommandError> {
    let rows = match source {
        SourceSpec::Documents(documents) => documents.iter().cloned().map(Row::computed).collect(),
        SourceSpec::CurrentOperations => {
            let operations = shared
                .operations
                .documents(shared.address, shared.clock.now());
            operations.into_iter().map(Row::computed).collect()
        }
        SourceSpec::CollectionStats { .. } | SourceSpec::IndexStats => {
            statistics::rows(shared, namespace, source)?
        }
    };
    Ok(Box::new(GivenDocuments {
        rows: rows.into_iter(),
    }))
}

/// Returns the stage that reads the collection. If only the number of documents matters, it reads
/// none.
fn source(
    context: &Context,
    namespace: &Namespace,
    selection: Selection,
    rest: &[StageSpec],
) -> Result<Box<dyn Stage>, CommandError> {
    let only_counts = match rest.first() {
        Some(StageSpec::Count(_)) => true,
        Some(StageSpec::Group(group)) => group.only_counts(),
        _ => false,
    };
    let counted = only_counts && selection.filter.is_all() && selection.hint.is_none();
    if !counted || context.engine.is_view(namespace) {
        return select(context, namespace, selection);
    }
    let collection = context.engine.collection(namespace);
    let all = collection.map_or(0, |known| known.with_state(|state| state.records.len()));
    let skip = usize::try_from(selection.skip).unwrap_or(usize::MAX);
    let limit = selection
        .limit
        .and_then(|limit| usize::try_from(limit).ok());
    let left = all.saturating_sub(skip).min(limit.unwrap_or(usize::MAX));
    Ok(Box::new(EmptyDocuments { left }))
}

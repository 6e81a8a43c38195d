//! `explain`: how a query is answered, without its answer.

use crate::aggregation::{
    Context, PipelineScope, Selection, Stage, StageSpec, parse_pipeline, push_down,
};
use crate::bson::{ArrayBuilder, Builder, Doc, Value};
use crate::command::find;
use crate::command::query::{context, environment, parse_hint};
use crate::command::{Call, Client, Shared, limits, merge};
use crate::engine::{Namespace, Plan, Scan, Source, Usage};
use crate::error::{Code, CommandError};
use crate::query::Filter;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verbosity {
    /// The plan.
    Planner,
    /// The plan, and statistics of running it.
    Executed,
}

/// `explain`
pub fn explain(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["verbosity"])?;
    let verbosity = match call.text("verbosity")?.as_deref() {
        Some("queryPlanner") => Verbosity::Planner,
        None | Some("executionStats" | "allPlansExecution") => Verbosity::Executed,
        Some(other) => {
            let message = format!("verbosity string '{other}' is not known");
            return Err(CommandError::failed_to_parse(message));
        }
    };
    let command = call.required_document("explain")?;
    let first = command.elements().next();
    let name = first.map_or("", |element| element.name());
    explain_command(shared, &call.inner(name, command), verbosity)
}

/// Explains an `aggregate` with `explain: true`.
pub fn explain_aggregate(shared: &Shared, call: &Call<'_>) -> Result<Builder, CommandError> {
    explain_command(shared, call, Verbosity::Planner)
}

fn explain_command(
    shared: &Shared,
    call: &Call<'_>,
    verbosity: Verbosity,
) -> Result<Builder, CommandError> {
    let namespace = call.namespace()?;
    let context = context(shared, call)?;
    let environment = environment(call, context.now_ms)?;
    let statement = |list: &str, filter: &str| -> Result<Selection, CommandError> {
        let statements = call.documents(list)?;
        let query = statements
            .first()
            .and_then(|statement| statement.get(filter));
        let query = query
            .and_then(Value::into_borrowed_document)
            .unwrap_or(Doc::EMPTY);
        Ok(Selection::new(Filter::parse_in(query, &environment)?))
    };
    let filtered = |name: &str| -> Result<Selection, CommandError> {
        let query = call.document(name)?.unwrap_or(Doc::EMPTY);
        Ok(Selection {
            hint: parse_hint(call.body.get("hint"))?,
            ..Selection::new(Filter::parse_in(query, &environment)?)
        })
    };
    let mut later_stages = Vec::new();
    let selection = match call.name {
        "find" => find::selection(call, &environment)?,
        "aggregate" => {
            let pipeline = call.array("pipeline")?.unwrap_or(Doc::EMPTY);
            let mut selection = Selection {
                hint: parse_hint(call.body.get("hint"))?,
                ..Selection::default()
            };
            let stages = parse_pipeline(pipeline, PipelineScope::new(call.database, &environment))?;
            if let Some(StageSpec::Merge(spec)) = stages.last() {
                merge::check_target(shared, spec)?;
            }
            let all = stages.len();
            let pushed = all - push_down(stages, &mut selection).len();
            later_stages = pipeline
                .values()
                .skip(pushed)
                .map(Value::into_owned)
                .collect();
            selection
        }
        "count" | "distinct" | "findAndModify" => filtered("query")?,
        "update" => statement("updates", "q")?,
        "delete" => statement("deletes", "q")?,
        name => {
            return Err(CommandError::new(
                Code::COMMAND_NOT_FOUND,
                format!("Explain failed due to unknown command: {name}"),
            ));
        }
    };
    let explained = describe(
        shared,
        &namespace,
        &context,
        Doc::new(&filter_of(call)?),
        selection,
        verbosity,
    )?;
    let explained = with_stages(explained, &later_stages);
    let version = limits::VERSION.map(|part| part.to_string()).join(".");
    let server = Builder::new()
        .string("host", &shared.address.to_string())
        .string("version", &version);
    Ok(Builder::new()
        .string("explainVersion", "1")
        .extended(Doc::new(&explained.finish()))
        .raw_document("command", call.body)
        .document("serverInfo", server))
}

/// Appends the stages of a pipeline to the query that it begins with.
fn with_stages(explained: Builder, later_stages: &[Value<'_>]) -> Builder {
    if later_stages.is_empty() {
        return explained;
    }
    let mut stages = ArrayBuilder::default();
    stages.push_built(Builder::new().document("$cursor", explained));
    for stage in later_stages {
        stages.push(stage);
    }
    Builder::new().array("stages", stages)
}

/// Returns the filter of a command as the client wrote it.
fn filter_of(call: &Call<'_>) -> Result<Vec<u8>, CommandError> {
    let of_first = |list: &str| -> Result<Option<Doc<'_>>, CommandError> {
        let statements = call.documents(list)?;
        let first = statements.first().and_then(|statement| statement.get("q"));
        Ok(first.and_then(Value::into_borrowed_document))
    };
    let filter = match call.name {
        "find" => call.document("filter")?,
        "update" => of_first("updates")?,
        "delete" => of_first("deletes")?,
        "aggregate" => {
            return Ok(leading_filters(
                call.array("pipeline")?.unwrap_or(Doc::EMPTY),
            ));
        }
        _ => call.document("query")?,
    };
    Ok(filter.unwrap_or(Doc::EMPTY).bytes().to_vec())
}

/// Returns the `$match` stages at the start of a pipeline as one filter.
fn leading_filters(pipeline: Doc<'_>) -> Vec<u8> {
    let mut filters = Vec::new();
    for stage in pipeline.values() {
        match stage.as_document().and_then(|stage| stage.get("$match")) {
            Some(filter) => filters.push(filter.into_owned()),
            None => break,
        }
    }
    match filters.as_slice() {
        [] => Builder::new().finish(),
        [Value::Document(only)] => only.to_vec(),
        several => {
            let several = several.iter().cloned().collect::<ArrayBuilder>();
            Builder::new().array("$and", several).finish()
        }
    }
}

fn describe(
    shared: &Shared,
    namespace: &Namespace,
    context: &Context,
    filter: Doc<'_>,
    selection: Selection,
    verbosity: Verbosity,
) -> Result<Builder, CommandError> {
    let plan = selection.plan(&shared.engine, namespace)?;
    let stages = winning_plan(&plan, &selection, filter);
    let planner = Builder::new()
        .string("namespace", &namespace.to_string())
        .raw_document("parsedQuery", filter)
        .bool("indexFilterSet", false)
        .document("winningPlan", stages.clone())
        .array("rejectedPlans", ArrayBuilder::default());
    let mut reply = Builder::new().document("queryPlanner", planner);
    if verbosity == Verbosity::Executed {
        let stats = execution_stats(shared, namespace, context, selection, plan, stages)?;
        reply = reply.document("executionStats", stats);
    }
    Ok(reply)
}

/// Returns the stages, the last one outermost.
fn winning_plan(plan: &Plan, selection: &Selection, filter: Doc<'_>) -> Builder {
    let mut stage = match (&plan.source, &plan.index) {
        (Source::Index { reverse, .. }, Some(usage)) => {
            let scan = index_stage(usage, *reverse);
            Builder::new()
                .string("stage", "FETCH")
                .raw_document("filter", filter)
                .document("inputStage", scan)
        }
        (Source::Nothing, _) => Builder::new().string("stage", "EOF"),
        (source, _) => {
            let reverse = matches!(
                source,
                Source::Collection { reverse: true } | Source::Index { reverse: true, .. }
            );
            Builder::new()
                .string("stage", "COLLSCAN")
                .raw_document("filter", filter)
                .string("direction", if reverse { "backward" } else { "forward" })
        }
    };
    let wrap = |name: &str, inner: Builder| {
        Builder::new()
            .string("stage", name)
            .document("inputStage", inner)
    };
    if !plan.sorted {
        stage = wrap("SORT", stage);
    }
    if selection.skip > 0 {
        stage = wrap("SKIP", stage);
    }
    if selection.limit.is_some() {
        stage = wrap("LIMIT", stage);
    }
    stage
}

fn index_stage(usage: &Usage, reverse: bool) -> Builder {
    let mut bounds = Builder::new();
    for (position, (path, _)) in usage.spec.fields.iter().enumerate() {
        let shown = match usage.intervals.get(position) {
            Some(intervals) => intervals.iter().map(String::as_str).collect(),
            None => vec!["[MinKey, MaxKey]"],
        };
        bounds = bounds.strings(path.as_str(), &shown);
    }
    Builder::new()
        .string("stage", "IXSCAN")
        .raw_document("keyPattern", Doc::new(&usage.spec.key_pattern()))
        .string("indexName", &usage.spec.name)
        .bool("isMultiKey", usage.multikey)
        .bool("isUnique", usage.spec.unique)
        .bool("isSparse", usage.spec.sparse)
        .bool("isPartial", usage.spec.partial.is_some())
        .string("direction", if reverse { "backward" } else { "forward" })
        .document("indexBounds", bounds)
}

/// Runs the query and returns its statistics.
fn execution_stats(
    shared: &Shared,
    namespace: &Namespace,
    context: &Context,
    selection: Selection,
    plan: Plan,
    stages: Builder,
) -> Result<Builder, CommandError> {
    let started = shared.clock.now();
    let mut scan = Scan::new(
        shared.engine.collection(namespace),
        plan.source,
        selection.filter,
    );
    let wanted = selection.limit.filter(|_| plan.sorted);
    let wanted = wanted.map(|limit| limit.saturating_add(selection.skip));
    scan = scan.expecting(wanted);
    let wanted = wanted.unwrap_or(u64::MAX);
    let mut found = 0_u64;
    while found < wanted && Stage::next(&mut scan, context)?.is_some() {
        found += 1;
    }
    let returned = found
        .saturating_sub(selection.skip)
        .min(selection.limit.unwrap_or(u64::MAX));
    let examined = scan.examined();
    let milliseconds = (shared.clock.now() - started) / 1_000_000;
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Builder::new()
        .bool("executionSuccess", true)
        .count("nReturned", count(returned))
        .count("executionTimeMillis", count(milliseconds))
        .count("totalKeysExamined", count(examined.keys))
        .count("totalDocsExamined", count(examined.documents))
        .document("executionStages", stages))
}

//! Views: their definition, and the commands that they do not take.

use std::collections::HashSet;

use crate::aggregation::{PipelineScope, SourceSpec, StageSpec, involved, parse_pipeline};
use crate::bson::{Builder, Doc, Element, Value};
use crate::command::update::now_ms;
use crate::command::{Call, Shared};
use crate::engine::{CollectionOptions, Namespace};
use crate::error::{Code, CommandError};
use crate::query::Environment;

/// Most views on views.
const MAX_DEPTH: usize = 20;

/// Bytes of the pipelines of a view and of those that it is on.
const MAX_PIPELINE_BYTES: usize = 16_000_000;

/// Commands that need a collection.
const COLLECTION_ONLY: &[&str] = &[
    "collStats",
    "collstats",
    "cloneCollectionAsCapped",
    "compact",
    "convertToCapped",
    "createIndexes",
    "dataSize",
    "delete",
    "deleteIndexes",
    "dropIndexes",
    "findAndModify",
    "findandmodify",
    "insert",
    "listIndexes",
    "reIndex",
    "update",
    "validate",
];

/// Rejects commands on a view that need a collection.
pub fn check(shared: &Shared, call: &Call<'_>) -> Result<(), CommandError> {
    let find_and_modify = matches!(call.name, "findAndModify" | "findandmodify");
    if !COLLECTION_ONLY.contains(&call.name) {
        return Ok(());
    }
    let Some(Value::String(name)) = call.body.get(call.name) else {
        return Ok(());
    };
    let full = call.name == "dataSize";
    let (database, collection) = match name.split_once('.') {
        Some((database, collection)) if full => (database, collection),
        _ => (call.database, name.as_ref()),
    };
    let namespace = Namespace {
        database: database.to_owned(),
        collection: collection.to_owned(),
    };
    let Some(collection) = shared.engine.collection(&namespace) else {
        return Ok(());
    };
    let (view, series) = collection.with_state(|state| {
        let options = &state.options;
        (options.is_view(), options.is_time_series())
    });
    let capped = matches!(call.name, "convertToCapped" | "cloneCollectionAsCapped");
    let what = if series && (full || capped) {
        "timeseries collection"
    } else if view {
        "view, not a collection"
    } else if series && find_and_modify {
        if call.flag("remove")?.unwrap_or(false) {
            return Ok(());
        }
        let message = "Cannot perform an update on a time-series collection by findAndModify";
        return Err(CommandError::new(Code::INVALID_OPTIONS, message));
    } else {
        return Ok(());
    };
    Err(not_a_collection(&namespace, what))
}

/// Returns the error of a command for collections alone.
pub fn not_a_collection(namespace: &Namespace, what: &str) -> CommandError {
    let message = format!("Namespace {namespace} is a {what}");
    CommandError::new(Code::COMMAND_NOT_SUPPORTED_ON_VIEW, message)
}

/// Rejects the renaming of views and of time series collections.
pub fn check_rename(shared: &Shared, from: &Namespace, to: &Namespace) -> Result<(), CommandError> {
    if shared.engine.is_view(from) {
        let message = format!("cannot rename view: {from}");
        return Err(CommandError::new(
            Code::COMMAND_NOT_SUPPORTED_ON_VIEW,
            message,
        ));
    }
    if shared.engine.time_series(to).is_some() {
        let message = format!("a time series collection already exists with that name: {to}");
        return Err(CommandError::new(Code::NAMESPACE_EXISTS, message));
    }
    if shared.engine.is_view(to) {
        let message = format!("a view already exists with that name: {to}");
        return Err(CommandError::new(Code::NAMESPACE_EXISTS, message));
    }
    if shared.engine.time_series(from).is_some() {
        let message = "Renaming a timeseries collection is not allowed";
        return Err(CommandError::new(Code::ILLEGAL_OPERATION, message));
    }
    Ok(())
}

/// Returns the options of a view, if `create` asks for one.
pub fn options(
    shared: &Shared,
    call: &Call<'_>,
    namespace: &Namespace,
) -> Result<Option<CollectionOptions>, CommandError> {
    let pipeline = call.array("pipeline")?;
    let Some(on) = call.text("viewOn")? else {
        return match pipeline {
            Some(_) => Err(invalid("'pipeline' requires 'viewOn' to also be specified")),
            None => Ok(None),
        };
    };
    if on.is_empty() {
        return Err(CommandError::bad_value("'viewOn' cannot be empty"));
    }
    // Sizes, validators and settings of the storage engine are ignored.
    for name in [
        "timeseries",
        "expireAfterSeconds",
        "idIndex",
        "clusteredIndex",
        "changeStreamPreAndPostImages",
    ] {
        let given = call.value(name);
        // Images may be disabled.
        let asks = |given: &Value<'_>| match name {
            "changeStreamPreAndPostImages" => {
                let images = given.as_document();
                let enabled = images.and_then(|images| images.get("enabled"));
                enabled.is_none_or(|enabled| enabled.is_truthy())
            }
            _ => true,
        };
        if given.as_ref().is_some_and(asks) {
            return Err(invalid(format!("'{name}' is not allowed with 'viewOn'")));
        }
    }
    check_definition(shared, namespace, &on, pipeline.unwrap_or(Doc::EMPTY))?;
    let options = Builder::new().string("viewOn", &on);
    let pipeline = pipeline.unwrap_or(Doc::EMPTY).bytes().into();
    let options = options.with("pipeline", &Value::Array(pipeline));
    Ok(Some(CollectionOptions(Some(options.finish()))))
}

/// Rejects a definition that has an invalid pipeline, or that makes a view depend on itself.
pub fn check_definition(
    shared: &Shared,
    namespace: &Namespace,
    on: &str,
    pipeline: Doc<'_>,
) -> Result<(), CommandError> {
    let on = Namespace::new(&namespace.database, on)?;
    let environment = Environment::new(now_ms());
    let scope = PipelineScope::of_view(&namespace.database, &environment);
    let stages = parse_pipeline(pipeline, scope)?;
    check_source(stages.first())?;
    let mut next = involved(&stages);
    next.push(on);
    let mut bytes = stages_bytes(pipeline);
    let mut seen = HashSet::new();
    for depth in 0.. {
        if next.is_empty() {
            return Ok(());
        }
        if next.contains(namespace) {
            let message = format!("View cycle detected: {namespace} depends on itself");
            return Err(CommandError::new(Code::GRAPH_CONTAINS_CYCLE, message));
        }
        if bytes > MAX_PIPELINE_BYTES {
            let message = format!("the pipelines of a view exceed {MAX_PIPELINE_BYTES} bytes");
            return Err(CommandError::new(Code::VIEW_PIPELINE_TOO_LARGE, message));
        }
        let mut further = Vec::new();
        for name in next {
            let Some(view) = shared.engine.view(&name) else {
                continue;
            };
            // The new view is the first, and this one is on it.
            if depth + 2 > MAX_DEPTH {
                let message = format!("View depth limit exceeded; maximum depth is {MAX_DEPTH}");
                return Err(CommandError::new(Code::VIEW_DEPTH_LIMIT_EXCEEDED, message));
            }
            if seen.insert(name) {
                bytes += stages_bytes(Doc::new(&view.pipeline));
                // The pipeline was valid when the view was created.
                let stages = parse_pipeline(Doc::new(&view.pipeline), scope);
                further.extend(involved(&stages.unwrap_or_default()));
                further.push(view.on);
            }
        }
        next = further;
    }
    Ok(())
}

/// Returns the bytes of the stages of a pipeline.
fn stages_bytes(pipeline: Doc<'_>) -> usize {
    let stages = pipeline.elements().filter_map(Element::doc);
    stages.map(|stage| stage.bytes().len()).sum()
}

/// Rejects a view that does not read its collection.
fn check_source(first: Option<&StageSpec>) -> Result<(), CommandError> {
    let name = match first {
        Some(StageSpec::Source(SourceSpec::Documents(_))) => "$documents",
        Some(StageSpec::Source(SourceSpec::CurrentOperations)) => "$currentOp",
        _ => return Ok(()),
    };
    let message = format!("{name} cannot be run on a collection, so not in a view either");
    Err(CommandError::new(Code::INVALID_NAMESPACE, message))
}

fn invalid(message: impl Into<String>) -> CommandError {
    CommandError::new(Code::INVALID_OPTIONS, message)
}

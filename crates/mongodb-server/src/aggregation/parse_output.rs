//! Compiles stages that write to a collection: `$out` and `$merge`.

use crate::aggregation::parse_lookup::{check_duplicates, parse_variables};
use crate::aggregation::pipeline_scope::PipelineScope;
use crate::aggregation::spec::{MergeSpec, OutSpec, WhenMatched, WhenUnmatched};
use crate::bson::{Doc, Value};
use crate::engine::{Namespace, check_database};
use crate::error::{Code, CommandError};
use crate::query::{Expression, Path, Update, parse_field_path};

/// Compiles `$out`.
pub fn parse_out(argument: &Value<'_>, scope: PipelineScope<'_>) -> Result<OutSpec, CommandError> {
    let doc = match argument {
        Value::String(name) => {
            return Ok(OutSpec {
                target: out_target(scope.database, name)?,
                time_series: None,
            });
        }
        Value::Document(bytes) => Doc::new(bytes),
        other => {
            let kind = other.kind().alias();
            let message =
                format!("$out only supports a string or object argument, but found {kind}");
            return Err(CommandError::location(16_990, message));
        }
    };
    check_duplicates("$out", doc)?;
    let (mut database, mut collection, mut time_series) = (None, None, None);
    for element in doc.elements() {
        let value = element.value();
        match (element.name(), &value) {
            ("db" | "coll" | "timeseries", value) if value.is_nullish() => {}
            ("db", Value::String(name)) => database = Some(name.to_string()),
            ("coll", Value::String(name)) => collection = Some(name.to_string()),
            ("timeseries", Value::Document(options)) => time_series = Some(options.to_vec()),
            (name @ ("db" | "coll" | "timeseries"), value) => {
                return Err(wrong_type("$out", name, value));
            }
            (name, _) => return Err(unknown("$out", name)),
        }
    }
    let missing = |name: &str| {
        let message = format!("BSON field '$out.{name}' is missing but a required field");
        CommandError::location(40_414, message)
    };
    let database = database.ok_or_else(|| missing("db"))?;
    let collection = collection.ok_or_else(|| missing("coll"))?;
    Ok(OutSpec {
        target: out_target(&database, &collection)?,
        time_series,
    })
}

/// Returns a collection that `$out` may replace.
fn out_target(database: &str, collection: &str) -> Result<Namespace, CommandError> {
    if matches!(database, "admin" | "config" | "local") {
        let message = format!("Can't $out to internal database: {database}");
        return Err(CommandError::location(31_321, message));
    }
    if collection.starts_with("system.") {
        let message = format!("Can't $out to special collection: {collection}");
        return Err(CommandError::location(17_385, message));
    }
    check_database(database)?;
    Namespace::new(database, collection).map_err(|_invalid| {
        CommandError::new(
            Code::ILLEGAL_OPERATION,
            format!("Invalid $out target namespace, {database}.{collection}"),
        )
    })
}

/// Returns a collection that `$merge` may write to.
fn merge_target(database: &str, collection: &str) -> Result<Namespace, CommandError> {
    if matches!(database, "admin" | "config" | "local") {
        let message = format!("$merge cannot write to the internal database: {database}");
        return Err(CommandError::location(31_320, message));
    }
    if collection.starts_with("system.") {
        let message = format!("$merge cannot write to the special collection: {collection}");
        return Err(CommandError::location(31_319, message));
    }
    if collection.is_empty() {
        let message = format!("Invalid $merge target namespace: '{database}.'");
        return Err(CommandError::location(5_786_800, message));
    }
    Namespace::new(database, collection)
}

/// Compiles `$merge`.
pub fn parse_merge(
    argument: &Value<'_>,
    scope: PipelineScope<'_>,
) -> Result<MergeSpec, CommandError> {
    let mut spec = MergeSpec {
        target: Namespace {
            database: scope.database.to_owned(),
            collection: String::new(),
        },
        on: Vec::new(),
        matched: WhenMatched::Merge,
        unmatched: WhenUnmatched::Insert,
        variables: vec![("new".to_owned(), Expression::root())],
        environment: scope.environment.clone(),
    };
    let doc = match argument {
        Value::String(name) => {
            spec.target = merge_target(scope.database, name)?;
            return Ok(spec);
        }
        Value::Document(bytes) => Doc::new(bytes),
        other => {
            let kind = other.kind().alias();
            let message = format!("$merge requires a string or object argument, but found {kind}");
            return Err(CommandError::location(51_182, message));
        }
    };
    check_duplicates("$merge", doc)?;
    let mut variables = None;
    for element in doc.elements() {
        let value = element.value();
        match element.name() {
            "whenNotMatched" | "let" if value.is_nullish() => {}
            "into" => spec.target = parse_target(&value, scope)?,
            "on" => spec.on = parse_on(&value)?,
            "whenMatched" => spec.matched = parse_matched(&value)?,
            "whenNotMatched" => spec.unmatched = parse_unmatched(&value)?,
            "let" => variables = Some(value),
            name => return Err(unknown("$merge", name)),
        }
    }
    if spec.target.collection.is_empty() {
        let message = "BSON field '$merge.into' is missing but a required field";
        return Err(CommandError::location(40_414, message));
    }
    if let Some(variables) = variables {
        let doc = variables
            .as_document()
            .ok_or_else(|| wrong_type("$merge", "let", &variables))?;
        let WhenMatched::Pipeline(_) = &spec.matched else {
            let mode = mode_name(&spec.matched);
            let message = format!("Cannot use 'let' variables with 'whenMatched: {mode}' mode");
            return Err(CommandError::location(51_199, message));
        };
        let given = parse_variables(doc, scope.environment)?;
        let new = given.iter().find(|(name, _)| name == "new");
        if new.is_some_and(|(_, new)| !new.is_root()) {
            let message =
                "'let' may not define a value for the reserved 'new' variable other than '$$ROOT'";
            return Err(CommandError::location(51_273, message));
        }
        spec.variables.extend(given);
    }
    check_pipeline(&spec)?;
    check_modes(&spec)?;
    Ok(spec)
}

/// Compiles the pipeline once, so that its errors show without any documents.
fn check_pipeline(spec: &MergeSpec) -> Result<(), CommandError> {
    let WhenMatched::Pipeline(pipeline) = &spec.matched else {
        return Ok(());
    };
    let mut environment = spec.environment.clone();
    for (name, _) in &spec.variables {
        environment.declare(name);
    }
    match Update::parse_pipeline(Doc::new(pipeline), &environment) {
        // A stage that an update may not have counts only when there is a document to update.
        Err(error) if error.code() != Code::INVALID_OPTIONS => Err(error),
        _ => Ok(()),
    }
}

fn check_modes(spec: &MergeSpec) -> Result<(), CommandError> {
    let allowed = match spec.matched {
        WhenMatched::Fail | WhenMatched::KeepExisting => spec.unmatched == WhenUnmatched::Insert,
        WhenMatched::Replace | WhenMatched::Merge | WhenMatched::Pipeline(_) => true,
    };
    if allowed {
        return Ok(());
    }
    let unmatched = match spec.unmatched {
        WhenUnmatched::Insert => "insert",
        WhenUnmatched::Discard => "discard",
        WhenUnmatched::Fail => "fail",
    };
    Err(CommandError::location(
        51_181,
        format!(
            "Combination of $merge modes 'whenMatched: {}' and 'whenNotMatched: {unmatched}' is \
             not supported",
            mode_name(&spec.matched)
        ),
    ))
}

fn mode_name(mode: &WhenMatched) -> &'static str {
    match mode {
        WhenMatched::Replace => "replace",
        WhenMatched::KeepExisting => "keepExisting",
        WhenMatched::Merge => "merge",
        WhenMatched::Fail => "fail",
        WhenMatched::Pipeline(_) => "pipeline",
    }
}

fn parse_target(into: &Value<'_>, scope: PipelineScope<'_>) -> Result<Namespace, CommandError> {
    let doc = match into {
        Value::String(name) => return merge_target(scope.database, name),
        Value::Document(bytes) => Doc::new(bytes),
        other => {
            let kind = other.kind().alias();
            let message = format!(
                "$merge 'into' field  must be either a string or an object, but found {kind}"
            );
            return Err(CommandError::location(51_178, message));
        }
    };
    let mut database = scope.database.to_owned();
    let mut collection = None;
    for element in doc.elements() {
        match (element.name(), element.value()) {
            ("db", value) if value.is_nullish() => {}
            ("db", Value::String(name)) if name.is_empty() => {}
            ("db", Value::String(name)) => database = name.into_owned(),
            ("coll", value) if value.is_nullish() => {}
            ("coll", Value::String(name)) => collection = Some(name.into_owned()),
            (name @ ("db" | "coll"), value) => return Err(wrong_type("$merge.into", name, &value)),
            (name, _) => return Err(unknown("$merge.into", name)),
        }
    }
    let collection = collection.ok_or_else(|| {
        let message =
            "$merge 'into' field must specify a 'coll' that is not empty, null or undefined";
        CommandError::location(5_786_801, message)
    })?;
    merge_target(&database, &collection)
}

fn parse_on(on: &Value<'_>) -> Result<Vec<Path>, CommandError> {
    let wrong = |value: &Value<'_>| {
        let kind = value.kind().alias();
        let message = format!(
            "$merge 'on' field  must be either a string or an array of strings, but found {kind}"
        );
        CommandError::location(51_186, message)
    };
    match on {
        Value::String(name) => Ok(vec![parse_field_path(name)?]),
        Value::Array(names) => {
            let mut paths = Vec::new();
            for name in Doc::new(names).values() {
                let name = name.as_str().ok_or_else(|| {
                    let kind = name.kind().alias();
                    let message =
                        format!("$merge 'on' array elements must be strings, but found {kind}");
                    CommandError::location(51_134, message)
                })?;
                let path = parse_field_path(name)?;
                if paths.contains(&path) {
                    let message =
                        format!("Found a duplicate field in the $merge.on list: '{name}'");
                    return Err(CommandError::location(31_465, message));
                }
                paths.push(path);
            }
            if paths.is_empty() {
                let message =
                    "If explicitly specifying $merge 'on', must include at least one field";
                return Err(CommandError::location(51_187, message));
            }
            Ok(paths)
        }
        other => Err(wrong(other)),
    }
}

fn parse_matched(mode: &Value<'_>) -> Result<WhenMatched, CommandError> {
    Ok(match mode {
        Value::Array(pipeline) => {
            if !Doc::new(pipeline)
                .values()
                .all(|stage| stage.as_document().is_some())
            {
                let message = "Each element of the 'pipeline' array must be an object";
                return Err(CommandError::type_mismatch(message));
            }
            WhenMatched::Pipeline(pipeline.to_vec())
        }
        Value::String(name) => match name.as_ref() {
            "replace" => WhenMatched::Replace,
            "keepExisting" => WhenMatched::KeepExisting,
            "merge" => WhenMatched::Merge,
            "fail" => WhenMatched::Fail,
            other => return Err(unknown_mode("whenMatched", other)),
        },
        other => {
            let kind = other.kind().alias();
            let message = format!(
                "$merge 'whenMatched' field  must be either a string or an array, but found {kind}"
            );
            return Err(CommandError::location(51_191, message));
        }
    })
}

fn parse_unmatched(mode: &Value<'_>) -> Result<WhenUnmatched, CommandError> {
    match mode {
        Value::String(name) => match name.as_ref() {
            "insert" => Ok(WhenUnmatched::Insert),
            "discard" => Ok(WhenUnmatched::Discard),
            "fail" => Ok(WhenUnmatched::Fail),
            other => Err(unknown_mode("whenNotMatched", other)),
        },
        other => Err(wrong_type("$merge", "whenNotMatched", other)),
    }
}

fn unknown_mode(field: &str, mode: &str) -> CommandError {
    CommandError::bad_value(format!(
        "Enumeration value '{mode}' for field '{field}' is not a valid value."
    ))
}

fn wrong_type(stage: &str, name: &str, value: &Value<'_>) -> CommandError {
    let kind = value.kind().alias();
    let expected = if matches!(name, "timeseries" | "let") {
        "object"
    } else {
        "string"
    };
    CommandError::new(
        Code::TYPE_MISMATCH,
        format!(
            "BSON field '{stage}.{name}' is the wrong type '{kind}', expected type '{expected}'"
        ),
    )
}

fn unknown(stage: &str, name: &str) -> CommandError {
    let message = format!("BSON field '{stage}.{name}' is an unknown field.");
    CommandError::location(40_415, message)
}

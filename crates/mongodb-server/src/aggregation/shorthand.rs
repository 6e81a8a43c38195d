//! Stages that stand for a sequence of other stages.

use crate::aggregation::bucket_auto::is_computed;
use crate::aggregation::group::GroupSpec;
use crate::aggregation::spec::StageSpec;
use crate::bson::{ArrayBuilder, Builder, Doc, Key, Value, order};
use crate::error::CommandError;
use crate::query::{Direction, Environment, Path, SortSpec};

/// Compiles `$sortByCount` to a group and a sort.
pub fn parse_sort_by_count(
    argument: &Value<'_>,
    environment: &Environment,
    stages: &mut Vec<StageSpec>,
) -> Result<(), CommandError> {
    let expression = match argument {
        Value::String(path) => path.starts_with('$'),
        Value::Document(bytes) => {
            let first = Doc::new(bytes).elements().next();
            first.is_some_and(|first| first.name().starts_with('$'))
        }
        _ => false,
    };
    if !expression {
        let message = "the sortByCount field must be defined as a $-prefixed path or an expression";
        return Err(CommandError::location(40_148, message));
    }
    let count = Builder::new().document("count", Builder::new().int32("$sum", 1));
    let group = Builder::new()
        .with("_id", argument)
        .extended(Doc::new(&count.finish()))
        .finish();
    let group = Value::Document(group.into());
    stages.push(StageSpec::Group(GroupSpec::parse(&group, environment)?));
    let order = (Path::new("count"), Direction::Descending);
    stages.push(StageSpec::Sort(SortSpec::new(vec![order])));
    Ok(())
}

/// Rejects boundaries of several types; all numbers are of one.
fn check_one_type(boundaries: &[Value<'_>]) -> Result<(), CommandError> {
    let same = |pair: &[Value<'_>]| {
        let numbers = pair.iter().all(Value::is_number);
        numbers || pair[0].kind() == pair[1].kind()
    };
    if boundaries.windows(2).all(same) {
        return Ok(());
    }
    let message = "All values in the 'boundaries' option to $bucket must have the same type.";
    Err(CommandError::location(40_193, message))
}

/// Compiles `$bucket` to a group by `$switch` over the boundaries, and a sort.
pub fn parse_bucket(
    spec: Doc<'_>,
    environment: &Environment,
    stages: &mut Vec<StageSpec>,
) -> Result<(), CommandError> {
    for element in spec.elements() {
        if !matches!(
            element.name(),
            "groupBy" | "boundaries" | "default" | "output"
        ) {
            let message = format!("Unrecognized option to $bucket: {}.", element.name());
            return Err(CommandError::location(40_197, message));
        }
    }
    let required = || {
        let message = "$bucket requires 'groupBy' and 'boundaries' to be specified.";
        CommandError::location(40_198, message)
    };
    let by = spec.get("groupBy");
    if let Some(by) = &by
        && !is_computed(by)
    {
        let message = format!(
            "The $bucket 'groupBy' field must be defined as a $-prefixed path or an expression, but \
             found: {by}."
        );
        return Err(CommandError::location(40_202, message));
    }
    let boundaries = match spec.get("boundaries") {
        Some(Value::Array(boundaries)) => boundaries,
        Some(other) => {
            let kind = other.kind().alias();
            let message =
                format!("The $bucket 'boundaries' field must be an array, but found type: {kind}.");
            return Err(CommandError::location(40_200, message));
        }
        None => return Err(required()),
    };
    let by = by.ok_or_else(required)?;
    let boundaries: Vec<Value<'_>> = Doc::new(&boundaries)
        .values()
        .map(Value::into_owned)
        .collect();
    if boundaries.len() < 2 {
        let message = "The $bucket 'boundaries' field must have at least 2 values";
        return Err(CommandError::location(40_192, message));
    }
    check_one_type(&boundaries)?;
    if let Some(default) = spec.get("default")
        && let (Some(first), Some(last)) = (boundaries.first(), boundaries.last())
        && order::compare(&default, first).is_ge()
        && order::compare(&default, last).is_lt()
    {
        let message = "The $bucket 'default' field must be less than the lowest boundary or \
                       greater than or equal to the highest boundary.";
        return Err(CommandError::location(40_199, message));
    }
    let mut switch = Builder::new().array("branches", bucket_branches(&by, &boundaries)?);
    if let Some(default) = spec.get("default") {
        switch = switch.with("default", &literal(&default));
    }
    let mut group = Builder::new().document("_id", Builder::new().document("$switch", switch));
    group = match spec.get("output") {
        Some(Value::Document(output)) => group.extended(Doc::new(&output)),
        Some(_) => {
            let message = "The $bucket 'output' field must be an object";
            return Err(CommandError::location(40_196, message));
        }
        None => group.document("count", Builder::new().int32("$sum", 1)),
    };
    let group = Value::Document(group.finish().into());
    stages.push(StageSpec::Group(GroupSpec::parse(&group, environment)?));
    let order = (Path::new("_id"), Direction::Ascending);
    stages.push(StageSpec::Sort(SortSpec::new(vec![order])));
    Ok(())
}

/// Returns the branches of a `$switch` that computes the lower boundary of the bucket of a value.
fn bucket_branches(
    value: &Value<'_>,
    boundaries: &[Value<'_>],
) -> Result<ArrayBuilder, CommandError> {
    let compare = |operator: &str, boundary: &Value<'_>| {
        let arguments: ArrayBuilder = [value.clone(), literal(boundary)].into_iter().collect();
        Builder::new().array(operator, arguments)
    };
    let mut branches = ArrayBuilder::default();
    for pair in boundaries.windows(2) {
        if Key::of(&pair[0]) >= Key::of(&pair[1]) {
            let message = "The 'boundaries' option to $bucket must be sorted";
            return Err(CommandError::location(40_194, message));
        }
        let mut both = ArrayBuilder::default();
        both.push_built(compare("$gte", &pair[0]));
        both.push_built(compare("$lt", &pair[1]));
        branches.push_built(
            Builder::new()
                .document("case", Builder::new().array("$and", both))
                .with("then", &literal(&pair[0])),
        );
    }
    Ok(branches)
}

/// Returns the expression `{ $literal: value }`.
fn literal(value: &Value<'_>) -> Value<'static> {
    Value::Document(Builder::new().with("$literal", value).finish().into())
}

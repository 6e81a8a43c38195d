//! Compiles pipelines.

use crate::aggregation::bucket_auto::BucketAutoSpec;
use crate::aggregation::group::GroupSpec;
use crate::aggregation::parse_gaps::{parse_densify, parse_fill};
use crate::aggregation::parse_lookup::{parse_graph_lookup, parse_lookup, parse_union};
use crate::aggregation::parse_output::{parse_merge, parse_out};
use crate::aggregation::pipeline_scope::{MAX_DEPTH, PipelineScope, Place};
use crate::aggregation::redact::RedactSpec;
use crate::aggregation::spec::{SourceSpec, StageSpec};
use crate::aggregation::unwind::UnwindSpec;
use crate::aggregation::window::parse_window_fields;
use crate::aggregation::{current_operations, shorthand};
use crate::bson::{Doc, Kind, Value};
use crate::error::{Code, CommandError, UNSUPPORTED_HERE};
use crate::query::{Environment, Expression, Filter, Projection, Scope, SortSpec, saturated};

/// Maximum number of stages in a pipeline.
const MAX_STAGES: usize = 1_000;

/// Maximum number of stages that need more than one document.
const MAX_NESTED_STAGES: usize = 200;

/// Compiles a pipeline.
pub fn parse_pipeline(
    pipeline: Doc<'_>,
    scope: PipelineScope<'_>,
) -> Result<Vec<StageSpec>, CommandError> {
    if scope.depth > MAX_DEPTH {
        let message =
            format!("Maximum number of nested sub-pipelines exceeded. Limit is {MAX_DEPTH}");
        return Err(CommandError::new(
            Code::MAX_SUB_PIPELINE_DEPTH_EXCEEDED,
            message,
        ));
    }
    if pipeline.len() > MAX_STAGES {
        let message = format!("Pipeline length must be no longer than {MAX_STAGES} stages.");
        return Err(CommandError::location(7_749_501, message));
    }
    let mut stages = Vec::new();
    for stage in pipeline.values() {
        let doc = stage.as_document().ok_or_else(|| {
            CommandError::type_mismatch("Each element of the 'pipeline' array must be an object")
        })?;
        let mut elements = doc.elements();
        let (Some(only), None) = (elements.next(), elements.next()) else {
            let message = "A pipeline stage specification object must contain exactly one field.";
            return Err(CommandError::location(40_323, message));
        };
        parse_stage(only.name(), &only.value(), scope, &mut stages)?;
    }
    // Each of these calls the one before, on one stack.
    let step = |stage: &&StageSpec| {
        use StageSpec::{Limit, Match, Project, ReplaceRoot, Skip};
        !matches!(
            stage,
            Match(_) | Project(_) | ReplaceRoot(_) | Skip(_) | Limit(_)
        )
    };
    if stages.iter().filter(step).count() > MAX_NESTED_STAGES {
        return Err(CommandError::unsupported(format!(
            "more than {MAX_NESTED_STAGES} stages in a pipeline that sort, group, unwind, count or \
             sample"
        )));
    }
    check_order(&stages)?;
    let before_last = stages.len().saturating_sub(1);
    for stage in &mut stages[..before_last] {
        if let StageSpec::Group(group) = stage {
            group.followed = true;
        }
    }
    Ok(stages)
}

/// Rejects stages that are only allowed at the start or the end and are elsewhere.
fn check_order(stages: &[StageSpec]) -> Result<(), CommandError> {
    for stage in stages.iter().skip(1) {
        if let StageSpec::Source(source) = stage {
            let name = match source {
                SourceSpec::CollectionStats { .. } => "$collStats",
                SourceSpec::IndexStats => "$indexStats",
                SourceSpec::Documents(_) => "$documents",
                SourceSpec::CurrentOperations => "$currentOp",
            };
            let message = format!("{name} is only valid as the first stage in a pipeline");
            return Err(CommandError::location(40_602, message));
        }
    }
    let before_last = stages.len().saturating_sub(1);
    for stage in &stages[..before_last] {
        let name = match stage {
            StageSpec::Out(_) => "$out",
            StageSpec::Merge(_) => "$merge",
            _ => continue,
        };
        let message = format!("{name} can only be the final stage in the pipeline");
        return Err(CommandError::location(40_601, message));
    }
    Ok(())
}

/// Rejects stages that a pipeline may not have where it is.
fn check_place(name: &str, scope: PipelineScope<'_>) -> Result<(), CommandError> {
    let writes = matches!(name, "$out" | "$merge");
    let within_facet = writes
        || matches!(
            name,
            "$facet"
                | "$collStats"
                | "$indexStats"
                | "$documents"
                | "$geoNear"
                | "$planCacheStats"
                | "$changeStream"
                | "$currentOp"
        );
    if name == "$facet" && scope.in_facet {
        let message = "$facet is not allowed to be used within a $facet stage";
        return Err(CommandError::location(40_600, message));
    }
    let (number, place) = match scope.place {
        Place::Facet if within_facet => (40_600, "a $facet stage"),
        Place::Lookup if writes => (51_047, "a $lookup's sub-pipeline"),
        Place::Union if writes => (31_441, "a $unionWith's sub-pipeline"),
        Place::View if writes => {
            let message = format!("The aggregation stage {name} cannot be used in a view");
            return Err(CommandError::new(
                Code::OPTION_NOT_SUPPORTED_ON_VIEW,
                message,
            ));
        }
        _ => return Ok(()),
    };
    let message = format!("{name} is not allowed to be used within {place}");
    Err(CommandError::location(number, message))
}

fn parse_stage(
    name: &str,
    argument: &Value<'_>,
    scope: PipelineScope<'_>,
    stages: &mut Vec<StageSpec>,
) -> Result<(), CommandError> {
    check_place(name, scope)?;
    let environment = scope.environment;
    let stage = match name {
        "$match" => {
            let filter = document_argument(name, argument, 15_959)?;
            StageSpec::Match(Filter::parse_in(filter, environment)?)
        }
        "$project" | "$addFields" | "$set" | "$unset" => {
            StageSpec::Project(parse_projection(name, argument, environment)?)
        }
        "$group" => StageSpec::Group(GroupSpec::parse(argument, environment)?),
        "$sort" => StageSpec::Sort(parse_sort(argument)?),
        "$limit" => StageSpec::Limit(parse_limit(argument)?),
        "$skip" => StageSpec::Skip(non_negative(name, argument, 5_107_200)?),
        "$count" => StageSpec::Count(parse_count(argument)?),
        "$unwind" => StageSpec::Unwind(UnwindSpec::parse(argument)?),
        "$sample" => StageSpec::Sample(parse_sample(argument)?),
        "$replaceRoot" => {
            let spec = document_argument(name, argument, 40_229)?;
            if let Some(other) = spec.elements().find(|field| field.name() != "newRoot") {
                let message = format!(
                    "BSON field '$replaceRoot.{}' is an unknown field.",
                    other.name()
                );
                return Err(CommandError::location(40_415, message));
            }
            let root = spec.get("newRoot").ok_or_else(|| {
                CommandError::location(40_231, "no newRoot specified for the $replaceRoot stage")
            })?;
            StageSpec::ReplaceRoot(Expression::parse_in(&root, environment)?)
        }
        "$replaceWith" => StageSpec::ReplaceRoot(Expression::parse_in(argument, environment)?),
        "$redact" => StageSpec::Redact(RedactSpec::parse(argument, environment)?),
        "$collStats" => StageSpec::Source(parse_collection_stats(argument)?),
        "$documents" => StageSpec::Source(parse_documents(argument, scope)?),
        "$currentOp" => current_operations::parse(argument)?,
        "$indexStats" => StageSpec::Source(parse_index_stats(argument)?),
        "$sortByCount" => return shorthand::parse_sort_by_count(argument, environment, stages),
        "$bucket" => {
            let spec = document_argument(name, argument, 40_201)?;
            return shorthand::parse_bucket(spec, environment, stages);
        }
        "$bucketAuto" => {
            StageSpec::BucketAuto(Box::new(BucketAutoSpec::parse(argument, environment)?))
        }
        "$setWindowFields" => {
            StageSpec::SetWindowFields(Box::new(parse_window_fields(argument, environment)?))
        }
        "$densify" => StageSpec::Densify(Box::new(parse_densify(argument)?)),
        "$fill" => return parse_fill(argument, environment, stages),
        "$facet" => {
            let spec = document_argument(name, argument, 40_169)?;
            StageSpec::Facet(parse_facet(spec, scope)?)
        }
        "$lookup" => {
            let spec = parse_lookup(argument, scope, parse_pipeline)?;
            StageSpec::Lookup(Box::new(spec))
        }
        "$graphLookup" => StageSpec::GraphLookup(Box::new(parse_graph_lookup(argument, scope)?)),
        "$unionWith" => StageSpec::UnionWith(parse_union(argument, scope, parse_pipeline)?),
        "$out" => StageSpec::Out(parse_out(argument, scope)?),
        "$merge" => StageSpec::Merge(Box::new(parse_merge(argument, scope)?)),
        // The answer of a server that is not in a replica set.
        "$changeStream" => {
            let message = "The $changeStream stage is only supported on replica sets";
            return Err(CommandError::location(40_573, message));
        }
        _ => return Err(unknown_stage(name)),
    };
    stages.push(stage);
    Ok(())
}

/// Compiles a stage that keeps, adds or removes fields.
fn parse_projection(
    name: &str,
    argument: &Value<'_>,
    environment: &Environment,
) -> Result<Projection, CommandError> {
    let parsed = match name {
        "$unset" => return Projection::parse_unset(argument),
        "$project" => {
            let spec = document_argument(name, argument, 15_969)?;
            Projection::parse_project(spec, environment)
        }
        _ => {
            let spec = document_argument(name, argument, 40_272)?;
            Projection::parse_add_fields(spec, environment)
        }
    };
    parsed.map_err(|error| error.within(&format!("Invalid {name}")))
}

/// Stages that MongoDB has and this server does not.
const UNSUPPORTED: &[&str] = &[
    "$geoNear",
    "$listLocalSessions",
    "$listSearchIndexes",
    "$listSessions",
    "$planCacheStats",
    "$search",
    "$vectorSearch",
    "$listSampledQueries",
    "$searchMeta",
];

fn unknown_stage(name: &str) -> CommandError {
    let note = if UNSUPPORTED.contains(&name) {
        UNSUPPORTED_HERE
    } else {
        ""
    };
    let message = format!("Unrecognized pipeline stage name: '{name}'{note}");
    CommandError::location(40_324, message)
}

fn document_argument<'v>(
    name: &str,
    argument: &'v Value<'_>,
    code: i32,
) -> Result<Doc<'v>, CommandError> {
    argument.as_document().ok_or_else(|| {
        let kind = argument.kind().alias();
        let message = format!("the {name} stage specification must be an object, not {kind}");
        CommandError::location(code, message)
    })
}

fn parse_sort(argument: &Value<'_>) -> Result<SortSpec, CommandError> {
    let spec = document_argument("$sort", argument, 15_973)?;
    if spec.is_empty() {
        let message = "$sort stage must have at least one sort key";
        return Err(CommandError::location(15_976, message));
    }
    SortSpec::parse(spec)
}

fn non_negative(name: &str, argument: &Value<'_>, code: i32) -> Result<u64, CommandError> {
    let number = argument
        .as_i64()
        .and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| {
        let message = format!(
            "invalid argument to {name} stage: Expected a non-negative number in: {name}: {argument}"
        );
        CommandError::location(code, message)
    })
}

fn parse_limit(argument: &Value<'_>) -> Result<u64, CommandError> {
    let limit = non_negative("$limit", argument, 5_107_201)?;
    if limit == 0 {
        return Err(CommandError::location(15_958, "the limit must be positive"));
    }
    Ok(limit)
}

fn parse_count(argument: &Value<'_>) -> Result<String, CommandError> {
    let wrong = |code, what| CommandError::location(code, format!("the count field {what}"));
    let name = argument
        .as_str()
        .ok_or_else(|| wrong(40_156, "must be a non-empty string"))?;
    if name.is_empty() {
        return Err(wrong(40_157, "must be a non-empty string"));
    }
    if name.starts_with('$') {
        return Err(wrong(40_158, "cannot be a $-prefixed path"));
    }
    if name.contains('\0') {
        return Err(wrong(40_159, "cannot contain a null byte"));
    }
    if name.contains('.') {
        return Err(wrong(40_160, "cannot contain '.'"));
    }
    if name == "_id" {
        return Err(wrong(9_039_800, "cannot be '_id'"));
    }
    Ok(name.to_owned())
}

fn parse_sample(argument: &Value<'_>) -> Result<usize, CommandError> {
    let spec = document_argument("$sample", argument, 28_745)?;
    if let Some(unknown) = spec.elements().find(|element| element.name() != "size") {
        let message = format!("unrecognized option to $sample: {}", unknown.name());
        return Err(CommandError::location(28_748, message));
    }
    let size = spec
        .get("size")
        .ok_or_else(|| CommandError::location(28_749, "$sample stage must specify a size"))?;
    if !size.is_number() {
        let message = "size argument to $sample must be a number";
        return Err(CommandError::location(28_746, message));
    }
    let size = usize::try_from(saturated(&size)).ok();
    size.filter(|&size| size > 0).ok_or_else(|| {
        let message = "size argument to $sample must be a positive integer";
        CommandError::location(28_747, message)
    })
}

fn parse_collection_stats(argument: &Value<'_>) -> Result<SourceSpec, CommandError> {
    let spec = document_argument("$collStats", argument, 5_447_000)?;
    let mut count = false;
    let mut storage_scale = None;
    for element in spec.elements() {
        match element.name() {
            "count" | "storageStats" if element.kind() == Kind::Null => {}
            name @ ("count" | "storageStats") => {
                let value = element.value();
                let options = value.as_document().ok_or_else(|| {
                    let kind = value.kind().alias();
                    let message = format!(
                        "BSON field '$collStats.{name}' is the wrong type '{kind}', expected type \
                         'object'"
                    );
                    CommandError::type_mismatch(message)
                })?;
                if name == "storageStats" {
                    storage_scale = Some(parse_scale(options)?);
                } else if options.is_empty() {
                    count = true;
                } else {
                    let message = "the option count of $collStats must be an empty document";
                    return Err(CommandError::location(31_170, message));
                }
            }
            name => {
                let message = format!("the option {name} of $collStats");
                return Err(CommandError::unsupported(message));
            }
        }
    }
    Ok(SourceSpec::CollectionStats {
        count,
        storage_scale,
    })
}

/// Reads the divisor of sizes in the option `storageStats` of `$collStats`.
fn parse_scale(options: Doc<'_>) -> Result<u64, CommandError> {
    if let Some(unknown) = options.elements().find(|it| it.name() != "scale") {
        let name = unknown.name();
        let message = format!("BSON field '$collStats.storageStats.{name}' is an unknown field.");
        return Err(CommandError::location(40_415, message));
    }
    let Some(scale) = options.get("scale").filter(|scale| !scale.is_nullish()) else {
        return Ok(1);
    };
    if !scale.is_number() {
        let kind = scale.kind().alias();
        let message =
            format!("BSON field '$collStats.storageStats.scale' is the wrong type '{kind}'");
        return Err(CommandError::type_mismatch(message));
    }
    // A scale is an int; a larger one is the largest.
    let scale = u64::try_from(saturated(&scale).min(i32::MAX.into())).ok();
    scale
        .filter(|&scale| scale > 0)
        .ok_or_else(|| CommandError::bad_value("scale has to be > 0"))
}

fn parse_documents(
    argument: &Value<'_>,
    scope: PipelineScope<'_>,
) -> Result<SourceSpec, CommandError> {
    let wrong = || {
        let message = "an array of documents is expected as the argument of $documents";
        CommandError::location(5_858_203, message)
    };
    let expression = Expression::parse_in(argument, scope.environment)?;
    let now_ms = scope.environment.now_ms;
    let value = expression.evaluate(&Scope::new(Doc::EMPTY, now_ms))?;
    let mut documents = Vec::new();
    for document in value.as_array().ok_or_else(wrong)?.values() {
        documents.push(document.as_document().ok_or_else(wrong)?.bytes().to_vec());
    }
    Ok(SourceSpec::Documents(documents))
}

fn parse_index_stats(argument: &Value<'_>) -> Result<SourceSpec, CommandError> {
    if argument.as_document().is_some_and(Doc::is_empty) {
        return Ok(SourceSpec::IndexStats);
    }
    let message = "The $indexStats stage specification must be an empty object";
    Err(CommandError::location(28_803, message))
}

/// Checks the name of a facet, which is a field.
fn check_facet(name: &str) -> Result<(), CommandError> {
    let (code, what) = match name {
        "" => (15_998, "be empty"),
        name if name.starts_with('$') => (16_410, "start with '$'"),
        name if name.contains('.') => (16_412, "contain '.'"),
        _ => return Ok(()),
    };
    let message = format!("FieldPath field names may not {what}.");
    Err(CommandError::location(code, message))
}

fn parse_facet(
    spec: Doc<'_>,
    scope: PipelineScope<'_>,
) -> Result<Vec<(String, Vec<StageSpec>)>, CommandError> {
    let mut facets = Vec::new();
    for element in spec.elements() {
        let name = element.name();
        check_facet(name)?;
        let value = element.value();
        let pipeline = value.as_array().ok_or_else(|| {
            let message = format!("arguments to $facet must be arrays, {name} is not");
            CommandError::location(40_170, message)
        })?;
        let stages = parse_pipeline(pipeline, scope.within(Place::Facet))?;
        facets.push((name.to_owned(), stages));
    }
    if facets.is_empty() {
        let message = "the $facet specification must be a non-empty object";
        return Err(CommandError::location(40_169, message));
    }
    Ok(facets)
}

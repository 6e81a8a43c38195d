//! Compiles pipelines.

use crate::aggregation::group::GroupSpec;
use crate::aggregation::shorthand;
use crate::aggregation::spec::{SourceSpec, StageSpec};
use crate::aggregation::unwind::UnwindSpec;
use crate::bson::{Doc, Value};
use crate::error::{CommandError, UNSUPPORTED_HERE};
use crate::query::{Expression, Filter, Projection, Scope, SortSpec};

/// Maximum number of stages in a pipeline.
const MAX_STAGES: usize = 1_000;

/// Maximum number of stages that need more than one document.
const MAX_NESTED_STAGES: usize = 200;

/// Compiles a pipeline.
pub fn parse_pipeline(pipeline: Doc<'_>) -> Result<Vec<StageSpec>, CommandError> {
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
        parse_stage(only.name(), &only.value(), &mut stages)?;
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
    let source = |stage: &StageSpec| matches!(stage, StageSpec::Source(_));
    if stages.iter().skip(1).any(source) {
        let message = "$collStats is only valid as the first stage in a pipeline";
        return Err(CommandError::location(40_602, message));
    }
    Ok(stages)
}

fn parse_stage(
    name: &str,
    argument: &Value<'_>,
    stages: &mut Vec<StageSpec>,
) -> Result<(), CommandError> {
    let stage = match name {
        "$match" => StageSpec::Match(Filter::parse(document_argument(name, argument, 15_959)?)?),
        "$project" => {
            let spec = document_argument(name, argument, 15_969)?;
            StageSpec::Project(Projection::parse_project(spec)?)
        }
        "$addFields" | "$set" => {
            let spec = document_argument(name, argument, 40_272)?;
            StageSpec::Project(Projection::parse_add_fields(spec)?)
        }
        "$unset" => StageSpec::Project(Projection::parse_unset(argument)?),
        "$group" => StageSpec::Group(GroupSpec::parse(argument)?),
        "$sort" => StageSpec::Sort(parse_sort(argument)?),
        "$limit" => StageSpec::Limit(parse_limit(argument)?),
        "$skip" => StageSpec::Skip(non_negative(name, argument, 5_107_200)?),
        "$count" => StageSpec::Count(parse_count(argument)?),
        "$unwind" => StageSpec::Unwind(UnwindSpec::parse(argument)?),
        "$sample" => StageSpec::Sample(parse_sample(argument)?),
        "$replaceRoot" => {
            let spec = document_argument(name, argument, 40_229)?;
            let root = spec.get("newRoot").ok_or_else(|| {
                CommandError::location(40_231, "no newRoot specified for the $replaceRoot stage")
            })?;
            StageSpec::ReplaceRoot(Expression::parse(&root)?)
        }
        "$replaceWith" => StageSpec::ReplaceRoot(Expression::parse(argument)?),
        "$collStats" => StageSpec::Source(parse_collection_stats(argument)?),
        "$documents" => StageSpec::Source(parse_documents(argument)?),
        "$currentOp" => StageSpec::Source(SourceSpec::CurrentOperations),
        "$indexStats" => StageSpec::Source(SourceSpec::IndexStats),
        "$sortByCount" => return shorthand::parse_sort_by_count(argument, stages),
        "$bucket" => {
            return shorthand::parse_bucket(document_argument(name, argument, 40_201)?, stages);
        }
        "$facet" => StageSpec::Facet(parse_facet(document_argument(name, argument, 40_169)?)?),
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

/// Stages that MongoDB has and this server does not.
const UNSUPPORTED: &[&str] = &[
    "$bucketAuto",
    "$densify",
    "$fill",
    "$geoNear",
    "$graphLookup",
    "$listLocalSessions",
    "$listSearchIndexes",
    "$listSessions",
    "$lookup",
    "$merge",
    "$out",
    "$planCacheStats",
    "$redact",
    "$search",
    "$setWindowFields",
    "$unionWith",
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
    if name.contains('.') {
        return Err(wrong(40_160, "cannot contain '.'"));
    }
    Ok(name.to_owned())
}

fn parse_sample(argument: &Value<'_>) -> Result<usize, CommandError> {
    let spec = document_argument("$sample", argument, 28_745)?;
    let size = spec.get("size").and_then(|size| size.as_i64());
    let size = size.and_then(|size| usize::try_from(size).ok());
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
            "count" => count = true,
            "storageStats" => {
                let scale = element.doc().and_then(|options| options.get("scale"));
                let scale = scale.and_then(|scale| scale.as_i64());
                let scale = scale.and_then(|scale| u64::try_from(scale).ok());
                storage_scale = Some(scale.unwrap_or(1).max(1));
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

fn parse_documents(argument: &Value<'_>) -> Result<SourceSpec, CommandError> {
    let wrong = || {
        let message = "an array of documents is expected as the argument of $documents";
        CommandError::location(5_858_203, message)
    };
    let expression = Expression::parse(argument)?;
    let value = expression.evaluate(&Scope::new(Doc::EMPTY, 0))?;
    let mut documents = Vec::new();
    for document in value.as_array().ok_or_else(wrong)?.values() {
        documents.push(document.as_document().ok_or_else(wrong)?.bytes().to_vec());
    }
    Ok(SourceSpec::Documents(documents))
}

fn parse_facet(spec: Doc<'_>) -> Result<Vec<(String, Vec<StageSpec>)>, CommandError> {
    let mut facets = Vec::new();
    for element in spec.elements() {
        let name = element.name();
        let value = element.value();
        let pipeline = value.as_array().ok_or_else(|| {
            let message = format!("arguments to $facet must be arrays, {name} is not");
            CommandError::location(40_170, message)
        })?;
        let stages = parse_pipeline(pipeline)?;
        if stages
            .iter()
            .any(|stage| matches!(stage, StageSpec::Facet(_)))
        {
            let message = "$facet is not allowed to be used within a $facet stage";
            return Err(CommandError::location(40_600, message));
        }
        facets.push((name.to_owned(), stages));
    }
    if facets.is_empty() {
        let message = "the $facet specification must be a non-empty object";
        return Err(CommandError::location(40_169, message));
    }
    Ok(facets)
}

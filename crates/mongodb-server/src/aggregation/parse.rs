//! Compiles pipelines and puts their stages together.

use crate::aggregation::group::{Group, GroupSpec};
use crate::aggregation::stages::{Limit, Match, Project, Skip, Sort};
use crate::aggregation::transform::{
    CheckDepth, Count, Facet, ReplaceRoot, Sample, Unwind, UnwindSpec,
};
use crate::aggregation::{Stage, composed};
use crate::bson::{Doc, Value};
use crate::error::{CommandError, UNSUPPORTED_HERE};
use crate::query::expression::Scope;
use crate::query::path::Path;
use crate::query::{Expression, Filter, Projection, SortSpec, parse_filter, parse_projection};

/// The most stages of a pipeline.
const MAX_STAGES: usize = 1_000;

/// A compiled stage.
#[derive(Debug, Clone)]
pub enum StageSpec {
    /// `$match`
    Match(Filter),
    /// `$project`, `$addFields`, `$unset`
    Project(Projection),
    /// `$group`
    Group(GroupSpec),
    /// `$sort`
    Sort(SortSpec),
    /// `$limit`
    Limit(u64),
    /// `$skip`
    Skip(u64),
    /// `$count`
    Count(String),
    /// `$unwind`
    Unwind(UnwindSpec),
    /// `$sample`
    Sample(usize),
    /// `$replaceRoot`
    ReplaceRoot(Expression),
    /// A stage that has documents of its own, and is the first.
    Source(SourceSpec),
    /// `$facet`
    Facet(Vec<(String, Vec<Self>)>),
}

/// Where documents come from that are not those of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSpec {
    /// `$collStats`
    CollectionStats {
        /// Whether the documents are counted.
        count: bool,
        /// By what sizes are divided, if they are wanted.
        storage_scale: Option<u64>,
    },
    /// `$indexStats`
    IndexStats,
    /// `$documents`
    Documents(Vec<Vec<u8>>),
    /// `$currentOp`
    CurrentOperations,
}

/// Compiles a pipeline.
pub fn parse(pipeline: Doc<'_>) -> Result<Vec<StageSpec>, CommandError> {
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
        "$match" => StageSpec::Match(parse_filter::parse(document(name, argument, 15_959)?)?),
        "$project" => {
            let spec = document(name, argument, 15_969)?;
            StageSpec::Project(parse_projection::parse_project(spec)?)
        }
        "$addFields" | "$set" => {
            let spec = document(name, argument, 40_272)?;
            StageSpec::Project(parse_projection::parse_add_fields(spec)?)
        }
        "$unset" => StageSpec::Project(parse_projection::parse_unset(argument)?),
        "$group" => StageSpec::Group(GroupSpec::parse(argument)?),
        "$sort" => StageSpec::Sort(parse_sort(argument)?),
        "$limit" => StageSpec::Limit(parse_limit(argument)?),
        "$skip" => StageSpec::Skip(natural(name, argument, 5_107_200)?),
        "$count" => StageSpec::Count(parse_count(argument)?),
        "$unwind" => StageSpec::Unwind(parse_unwind(argument)?),
        "$sample" => StageSpec::Sample(parse_sample(argument)?),
        "$replaceRoot" => {
            let spec = document(name, argument, 40_229)?;
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
        "$sortByCount" => return composed::parse_sort_by_count(argument, stages),
        "$bucket" => return composed::parse_bucket(document(name, argument, 40_201)?, stages),
        "$facet" => StageSpec::Facet(parse_facet(document(name, argument, 40_169)?)?),
        // What a server without replicas answers.
        "$changeStream" => {
            let message = "The $changeStream stage is only supported on replica sets";
            return Err(CommandError::location(40_573, message));
        }
        _ => return Err(unknown_stage(name)),
    };
    stages.push(stage);
    Ok(())
}

/// Stages of MongoDB that this store does not have.
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

/// Puts stages behind an input.
pub fn build(stages: Vec<StageSpec>, mut input: Box<dyn Stage>) -> Box<dyn Stage> {
    let mut stages = stages.into_iter().peekable();
    while let Some(stage) = stages.next() {
        input = match stage {
            StageSpec::Match(filter) => Box::new(Match { input, filter }),
            StageSpec::Project(projection) => {
                let computes = projection.root.computes();
                let project = Box::new(Project { input, projection });
                if computes {
                    Box::new(CheckDepth { input: project })
                } else {
                    project
                }
            }
            StageSpec::Group(spec) => Box::new(CheckDepth {
                input: Box::new(Group::new(input, spec)),
            }),
            StageSpec::Sort(spec) => {
                let limit = match stages.peek() {
                    Some(StageSpec::Limit(limit)) => Some(*limit),
                    _ => None,
                };
                Box::new(Sort::new(input, spec, limit))
            }
            StageSpec::Limit(left) => Box::new(Limit { input, left }),
            StageSpec::Skip(count) => Box::new(Skip { input, count }),
            StageSpec::Count(field) => Box::new(Count {
                input: Some(input),
                field,
            }),
            StageSpec::Unwind(spec) => Box::new(Unwind {
                input,
                spec,
                current: None,
            }),
            StageSpec::Sample(size) => Box::new(Sample {
                input: Some(input),
                size,
                chosen: Vec::new().into_iter(),
            }),
            StageSpec::ReplaceRoot(expression) => Box::new(CheckDepth {
                input: Box::new(ReplaceRoot { input, expression }),
            }),
            // Its documents are the input.
            StageSpec::Source(_) => input,
            StageSpec::Facet(facets) => Box::new(CheckDepth {
                input: Box::new(Facet {
                    input: Some(input),
                    facets,
                }),
            }),
        };
    }
    input
}

fn document<'v>(name: &str, argument: &'v Value<'_>, code: i32) -> Result<Doc<'v>, CommandError> {
    argument.as_document().ok_or_else(|| {
        let kind = argument.kind().alias();
        let message = format!("the {name} stage specification must be an object, not {kind}");
        CommandError::location(code, message)
    })
}

fn parse_sort(argument: &Value<'_>) -> Result<SortSpec, CommandError> {
    let spec = document("$sort", argument, 15_973)?;
    if spec.is_empty() {
        let message = "$sort stage must have at least one sort key";
        return Err(CommandError::location(15_976, message));
    }
    SortSpec::parse(spec)
}

fn natural(name: &str, argument: &Value<'_>, code: i32) -> Result<u64, CommandError> {
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
    let limit = natural("$limit", argument, 5_107_201)?;
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

fn parse_unwind(argument: &Value<'_>) -> Result<UnwindSpec, CommandError> {
    let mut index_field = None;
    let mut keep_empty = false;
    let path = match argument {
        Value::String(path) => path.as_ref().to_owned(),
        Value::Document(bytes) => {
            let mut path = None;
            for element in Doc::new(bytes).elements() {
                let value = element.value();
                match (element.name(), &value) {
                    ("path", Value::String(text)) => path = Some(text.as_ref().to_owned()),
                    ("preserveNullAndEmptyArrays", Value::Bool(keep)) => keep_empty = *keep,
                    ("includeArrayIndex", Value::String(name)) if !name.starts_with('$') => {
                        index_field = Some(Path::new(name));
                    }
                    (name, _) => {
                        let message = format!("unrecognized option to $unwind stage: {name}");
                        return Err(CommandError::location(28_811, message));
                    }
                }
            }
            path.ok_or_else(|| {
                CommandError::location(28_812, "no path specified to $unwind stage")
            })?
        }
        _ => {
            let message =
                "expected either a string or an object as specification for $unwind stage";
            return Err(CommandError::location(15_981, message));
        }
    };
    let name = path
        .strip_prefix('$')
        .filter(|name| !name.is_empty())
        .ok_or_else(|| {
            let message =
                format!("path option to $unwind stage should be prefixed with a '$': {path}");
            CommandError::location(28_818, message)
        })?;
    Ok(UnwindSpec {
        path: Path::new(name),
        index_field,
        keep_empty,
    })
}

fn parse_sample(argument: &Value<'_>) -> Result<usize, CommandError> {
    let spec = document("$sample", argument, 28_745)?;
    let size = spec.get("size").and_then(|size| size.as_i64());
    let size = size.and_then(|size| usize::try_from(size).ok());
    size.filter(|&size| size > 0).ok_or_else(|| {
        let message = "size argument to $sample must be a positive integer";
        CommandError::location(28_747, message)
    })
}

fn parse_collection_stats(argument: &Value<'_>) -> Result<SourceSpec, CommandError> {
    let spec = document("$collStats", argument, 5_447_000)?;
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
        let stages = parse(pipeline)?;
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

//! Compiles stages that read other collections: `$lookup`, `$graphLookup` and `$unionWith`.

use std::collections::BTreeSet;

use crate::aggregation::pipeline_scope::{PipelineScope, Place};
use crate::aggregation::spec::{
    GraphLookupSpec, LookupSpec, SourceSpec, StageSpec, SubPipeline, UnionSpec,
};
use crate::bson::{Doc, Element, Value};
use crate::engine::Namespace;
use crate::error::{Code, CommandError};
use crate::query::{Environment, Expression, Filter, check_variable, parse_field_path};

/// Compiles a pipeline.
pub type Parse = fn(Doc<'_>, PipelineScope<'_>) -> Result<Vec<StageSpec>, CommandError>;

/// The name of the collection of a pipeline that reads none.
pub const NO_COLLECTION: &str = "$cmd.aggregate";

/// Compiles `$lookup`.
pub fn parse_lookup(
    argument: &Value<'_>,
    scope: PipelineScope<'_>,
    parse: Parse,
) -> Result<LookupSpec, CommandError> {
    let doc = argument.as_document().ok_or_else(|| {
        let kind = argument.kind().alias();
        failed(format!(
            "the $lookup stage specification must be an object, but found {kind}"
        ))
    })?;
    let Given {
        texts,
        variables,
        pipeline,
    } = read_lookup(doc)?;
    let field = texts
        .get("as")
        .ok_or_else(|| failed("must specify 'as' field for a $lookup"))?;
    let field = parse_field_path(field)?;
    let fields = match (texts.get("localField"), texts.get("foreignField")) {
        (Some(local), Some(foreign)) => {
            Some((parse_field_path(local)?, parse_field_path(foreign)?))
        }
        (None, None) => None,
        _ => {
            return Err(failed(
                "$lookup requires both or neither of 'localField' and 'foreignField' to be \
                 specified",
            ));
        }
    };
    if fields.is_none() && pipeline.is_none() {
        return Err(failed(
            "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be \
             specified",
        ));
    }
    if variables.is_some() && pipeline.is_none() {
        let message = "$lookup with a 'let' argument must also specify 'pipeline'";
        return Err(failed(message));
    }
    let variables = match variables {
        Some(variables) => {
            let doc = variables.as_document().ok_or_else(|| {
                let kind = variables.kind().alias();
                failed(format!(
                    "$lookup argument 'let: {variables}' must be an object, is type {kind}"
                ))
            })?;
            parse_variables(doc, scope.environment)?
        }
        None => Vec::new(),
    };
    let pipeline = pipeline
        .map(|pipeline| parse_sub_pipeline(&pipeline, &variables, scope, parse))
        .transpose()?;
    let documents = pipeline
        .as_ref()
        .is_some_and(|pipeline| begins_with_documents(&pipeline.stages));
    let from = match texts.get("from") {
        Some(_) if documents => {
            let message = "'from' must be omitted if the pipeline begins with $documents";
            return Err(CommandError::new(Code::INVALID_NAMESPACE, message));
        }
        Some(from) => foreign(scope.database, from)?,
        None => without_collection(pipeline.as_ref(), scope.database, "$lookup")?,
    };
    Ok(LookupSpec {
        from,
        field,
        fields,
        variables,
        pipeline,
    })
}

/// The arguments of `$lookup` as they are given.
struct Given<'a> {
    texts: Texts,
    variables: Option<Value<'a>>,
    pipeline: Option<Value<'a>>,
}

fn read_lookup(doc: Doc<'_>) -> Result<Given<'_>, CommandError> {
    check_duplicates("$lookup", doc)?;
    let mut texts = Texts::default();
    let mut variables = None;
    let mut pipeline = None;
    for element in doc.elements() {
        let value = element.value();
        match element.name() {
            "let" | "localField" | "foreignField" if value.is_nullish() => {}
            "let" => variables = Some(value),
            "pipeline" => pipeline = Some(value),
            "from" if value.as_document().is_some() => {
                return Err(failed(format!(
                    "$lookup argument 'from: {value}' must be a string, is type object"
                )));
            }
            "from" | "as" | "localField" | "foreignField" => texts.read("$lookup", element)?,
            name => return Err(failed(format!("unknown argument to $lookup: {name}"))),
        }
    }
    Ok(Given {
        texts,
        variables,
        pipeline,
    })
}

/// Compiles `let`: variables that are computed from each document.
pub fn parse_variables(
    variables: Doc<'_>,
    environment: &Environment,
) -> Result<Vec<(String, Expression)>, CommandError> {
    let variable = |element: Element<'_>| {
        check_variable(element.name())?;
        let expression = Expression::parse_in(&element.value(), environment)?;
        Ok((element.name().to_owned(), expression))
    };
    variables.elements().map(variable).collect()
}

fn parse_sub_pipeline(
    pipeline: &Value<'_>,
    variables: &[(String, Expression)],
    scope: PipelineScope<'_>,
    parse: Parse,
) -> Result<SubPipeline, CommandError> {
    let source = pipeline.as_array().ok_or_else(|| {
        CommandError::type_mismatch("'pipeline' option must be specified as an array")
    })?;
    let mut environment = scope.environment.clone();
    for (name, _) in variables {
        environment.declare(name);
    }
    let inner = PipelineScope {
        environment: &environment,
        ..scope.within(Place::Lookup)
    };
    Ok(SubPipeline {
        source: source.bytes().to_vec(),
        stages: parse(source, inner)?,
        database: scope.database.to_owned(),
        environment: scope.environment.clone(),
        depth: inner.depth,
    })
}

/// Returns the name for a pipeline that begins with `$documents`.
fn without_collection(
    pipeline: Option<&SubPipeline>,
    database: &str,
    stage: &str,
) -> Result<Namespace, CommandError> {
    let stages = pipeline.map_or(&[][..], |pipeline| &pipeline.stages);
    if !begins_with_documents(stages) {
        return Err(failed(format!(
            "missing 'from' option to {stage} stage specification: must specify 'pipeline' with \
             $documents when 'from' is empty"
        )));
    }
    Ok(nowhere(database))
}

/// Returns the name of a collection to read, which need not exist and so may be any.
fn foreign(database: &str, name: &str) -> Result<Namespace, CommandError> {
    if name.is_empty() || name.starts_with('.') || name.contains('\0') {
        return Namespace::new(database, name);
    }
    Ok(Namespace {
        database: database.to_owned(),
        collection: name.to_owned(),
    })
}

fn begins_with_documents(stages: &[StageSpec]) -> bool {
    matches!(
        stages.first(),
        Some(StageSpec::Source(SourceSpec::Documents(_)))
    )
}

fn nowhere(database: &str) -> Namespace {
    Namespace {
        database: database.to_owned(),
        collection: NO_COLLECTION.to_owned(),
    }
}

/// Compiles `$unionWith`.
pub fn parse_union(
    argument: &Value<'_>,
    scope: PipelineScope<'_>,
    parse: Parse,
) -> Result<UnionSpec, CommandError> {
    let doc = match argument {
        Value::String(name) => {
            return Ok(UnionSpec {
                from: foreign(scope.database, name)?,
                stages: Vec::new(),
            });
        }
        Value::Document(bytes) => Doc::new(bytes),
        other => {
            let kind = other.kind().alias();
            return Err(failed(format!(
                "the $unionWith stage specification must be an object or string, but found {kind}"
            )));
        }
    };
    let mut from = None;
    let mut stages = Vec::new();
    for element in doc.elements() {
        match (element.name(), element.value()) {
            ("coll", Value::String(name)) => from = Some(foreign(scope.database, &name)?),
            ("pipeline", Value::Array(pipeline)) => {
                stages = parse(Doc::new(&pipeline), scope.within(Place::Union))?;
            }
            (name @ ("coll" | "pipeline"), value) => {
                let expected = if name == "coll" { "string" } else { "array" };
                return Err(CommandError::type_mismatch(format!(
                    "BSON field '$unionWith.{name}' is the wrong type '{}', expected type \
                     '{expected}'",
                    value.kind().alias()
                )));
            }
            (name, _) => {
                let message = format!("BSON field '$unionWith.{name}' is an unknown field.");
                return Err(CommandError::location(40_415, message));
            }
        }
    }
    let from = match from {
        Some(from) => from,
        None if begins_with_documents(&stages) => nowhere(scope.database),
        None => {
            return Err(failed(
                "$unionWith stage without explicit collection must have a pipeline with \
                 $documents as first stage",
            ));
        }
    };
    Ok(UnionSpec { from, stages })
}

/// Compiles `$graphLookup`.
pub fn parse_graph_lookup(
    argument: &Value<'_>,
    scope: PipelineScope<'_>,
) -> Result<GraphLookupSpec, CommandError> {
    let doc = argument.as_document().ok_or_else(|| {
        let kind = argument.kind().alias();
        failed(format!(
            "the $graphLookup stage specification must be an object, but found {kind}"
        ))
    })?;
    let mut texts = Texts::default();
    let (mut start, mut max_depth) = (None, None);
    let mut restriction = Filter::default();
    for element in doc.elements() {
        let value = element.value();
        match element.name() {
            "startWith" => start = Some(Expression::parse_in(&value, scope.environment)?),
            "maxDepth" => max_depth = Some(parse_depth(&value)?),
            "restrictSearchWithMatch" => {
                let filter = value.as_document().ok_or_else(|| {
                    let kind = value.kind().alias();
                    CommandError::location(
                        40_185,
                        format!(
                            "$graphLookup: restrictSearchWithMatch must be an object, found type: \
                             {kind}"
                        ),
                    )
                })?;
                restriction = Filter::parse_in(filter, scope.environment)?;
            }
            "as" | "from" | "connectFromField" | "connectToField" | "depthField" => {
                if value.as_str().is_none() {
                    let (name, kind) = (element.name(), value.kind().alias());
                    let message = format!("$graphLookup: {name} must be a string, found: {kind}");
                    return Err(CommandError::location(40_103, message));
                }
                texts.read("$graphLookup", element)?;
            }
            name => {
                let message = format!("Unknown argument to $graphLookup: {name}");
                return Err(CommandError::location(40_104, message));
            }
        }
    }
    let path = |name: &str| texts.get(name).map(parse_field_path).transpose();
    let (Some(from), Some(field), Some(start), Some(connect_from), Some(connect_to)) = (
        texts.get("from"),
        path("as")?,
        start,
        path("connectFromField")?,
        path("connectToField")?,
    ) else {
        return Err(CommandError::location(
            40_105,
            "$graphLookup requires 'from', 'as', 'startWith', 'connectFromField', and \
             'connectToField' to be specified.",
        ));
    };
    Ok(GraphLookupSpec {
        from: foreign(scope.database, from)?,
        field,
        start,
        connect_from,
        connect_to,
        max_depth,
        depth_field: path("depthField")?,
        restriction,
    })
}

fn parse_depth(depth: &Value<'_>) -> Result<u64, CommandError> {
    if !depth.is_number() {
        let kind = depth.kind().alias();
        let message = format!("$graphLookup: 'maxDepth' must be numeric, found type: {kind}");
        return Err(CommandError::location(40_100, message));
    }
    let whole = depth.as_i64().ok_or_else(|| {
        let message = format!("maxDepth could not be represented as a long long: {depth}");
        CommandError::location(40_102, message)
    })?;
    u64::try_from(whole).map_err(|_negative| {
        let message =
            format!("$graphLookup: 'maxDepth' requires a nonnegative argument, found: {whole}");
        CommandError::location(40_101, message)
    })
}

/// Arguments that are text, by name.
#[derive(Default)]
struct Texts(Vec<(String, String)>);

impl Texts {
    fn read(&mut self, stage: &str, element: Element<'_>) -> Result<(), CommandError> {
        let (name, value) = (element.name(), element.value());
        let text = value.as_str().ok_or_else(|| {
            let kind = value.kind().alias();
            failed(format!(
                "{stage} argument '{name}: {value}' must be a string, is type {kind}"
            ))
        })?;
        self.0.push((name.to_owned(), text.to_owned()));
        Ok(())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, text)| text.as_str())
    }
}

/// Rejects a specification that has a field twice.
pub fn check_duplicates(stage: &str, doc: Doc<'_>) -> Result<(), CommandError> {
    let mut names = BTreeSet::new();
    for element in doc.elements() {
        if !names.insert(element.name_bytes()) {
            let message = format!(
                "BSON field '{stage}.{}' is a duplicate field",
                element.name()
            );
            return Err(CommandError::location(40_413, message));
        }
    }
    Ok(())
}

fn failed(message: impl Into<String>) -> CommandError {
    CommandError::failed_to_parse(message)
}

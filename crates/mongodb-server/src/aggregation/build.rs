//! Builds the stages of a compiled pipeline.

use crate::aggregation::bucket_auto::BucketAuto;
use crate::aggregation::check_size::{CheckDepth, CheckSize};
use crate::aggregation::densify::Densify;
use crate::aggregation::graph_lookup::GraphLookup;
use crate::aggregation::group::Group;
use crate::aggregation::held::Charge;
use crate::aggregation::lookup::Lookup;
use crate::aggregation::memory::charge;
use crate::aggregation::parse::parse_pipeline;
use crate::aggregation::pipeline_scope::{MAX_DEPTH, PipelineScope};
use crate::aggregation::rows::{GivenDocuments, Kept};
use crate::aggregation::sample::Sample;
use crate::aggregation::selection::{Selection, push_down};
use crate::aggregation::sort::Sort;
use crate::aggregation::spec::{SourceSpec, StageSpec};
use crate::aggregation::stage::{Context, Stage};
use crate::aggregation::stages::{Count, Limit, Skip, Step, Steps};
use crate::aggregation::union_with::UnionWith;
use crate::aggregation::unwind::Unwind;
use crate::aggregation::window::SetWindowFields;
use crate::bson::{ArrayBuilder, Builder, Doc};
use crate::engine::{Hint, Namespace, Row};
use crate::error::{Code, CommandError};
use crate::query::Environment;

/// Returns the stages that run a pipeline on a collection or view.
pub fn open(
    context: &Context,
    namespace: &Namespace,
    stages: Vec<StageSpec>,
) -> Result<Box<dyn Stage>, CommandError> {
    match stages.first() {
        Some(StageSpec::Source(SourceSpec::Documents(documents))) => {
            let rows: Vec<Row> = documents.iter().cloned().map(Row::computed).collect();
            let rows = rows.into_iter();
            return Ok(build(stages, Box::new(GivenDocuments { rows })));
        }
        Some(StageSpec::Source(SourceSpec::CurrentOperations)) => {
            let message = "$currentOp must be run against the 'admin' database with {aggregate: 1}";
            return Err(CommandError::new(Code::INVALID_NAMESPACE, message));
        }
        Some(StageSpec::Source(_)) => {
            let what = "statistics of the server in a pipeline within another one";
            return Err(CommandError::unsupported(what));
        }
        _ => {}
    }
    open_hinted(context, namespace, stages, None)
}

fn open_hinted(
    context: &Context,
    namespace: &Namespace,
    stages: Vec<StageSpec>,
    hint: Option<Hint>,
) -> Result<Box<dyn Stage>, CommandError> {
    let mut selection = Selection {
        hint,
        ..Selection::default()
    };
    let rest = push_down(stages, &mut selection);
    Ok(build(rest, select(context, namespace, selection)?))
}

/// Returns the stage that finds documents of a collection or view.
pub fn select(
    context: &Context,
    namespace: &Namespace,
    selection: Selection,
) -> Result<Box<dyn Stage>, CommandError> {
    let Some((base, stages)) = resolve(context, namespace)? else {
        return selection.into_stage(&context.engine, namespace);
    };
    let input = open_hinted(context, &base, stages, selection.hint.clone())?;
    Ok(selection.among(input))
}

/// Returns the collection and the pipeline of a view, or of a view on a view; `None` if the name is
/// not that of a view.
fn resolve(
    context: &Context,
    namespace: &Namespace,
) -> Result<Option<(Namespace, Vec<StageSpec>)>, CommandError> {
    let Some(mut view) = context.engine.view(namespace) else {
        return Ok(None);
    };
    let environment = Environment::new(context.now_ms);
    let mut stages = Vec::new();
    for depth in 0..=MAX_DEPTH {
        let scope = PipelineScope {
            depth,
            ..PipelineScope::of_view(&namespace.database, &environment)
        };
        let mut inner = parse_pipeline(Doc::new(&view.pipeline), scope)?;
        inner.append(&mut stages);
        stages = inner;
        match context.engine.view(&view.on) {
            Some(next) => view = next,
            None => return Ok(Some((view.on, stages))),
        }
    }
    let message = format!("View depth limit exceeded; maximum depth is {MAX_DEPTH}");
    Err(CommandError::new(Code::VIEW_DEPTH_LIMIT_EXCEEDED, message))
}

/// Appends stages to an input.
pub fn build(stages: Vec<StageSpec>, mut input: Box<dyn Stage>) -> Box<dyn Stage> {
    let joins =
        |stage: &StageSpec| matches!(stage, StageSpec::Lookup(_) | StageSpec::GraphLookup(_));
    let joined = stages.iter().any(joins);
    let mut stages = stages.into_iter().peekable();
    let mut steps = Vec::new();
    while let Some(stage) = stages.next() {
        let stage = match step_of(stage) {
            Ok(step) => {
                steps.push(step);
                continue;
            }
            Err(stage) => stage,
        };
        input = with_steps(std::mem::take(&mut steps), input);
        // A sort before a limit need not hold more documents than the limit.
        let limit = match stages.peek() {
            Some(StageSpec::Limit(limit)) => Some(*limit),
            _ => None,
        };
        input = build_stage(*stage, limit, input);
    }
    let input = with_steps(steps, input);
    if joined {
        return checked(input);
    }
    input
}

fn with_steps(steps: Vec<Step>, input: Box<dyn Stage>) -> Box<dyn Stage> {
    if steps.is_empty() {
        return input;
    }
    Box::new(Steps { input, steps })
}

/// Returns a stage as a step, or unchanged if it needs more than one document.
fn step_of(stage: StageSpec) -> Result<Step, Box<StageSpec>> {
    match stage {
        StageSpec::Match(filter) => Ok(Step::Match(filter)),
        StageSpec::Project(projection) => Ok(Step::Project(projection)),
        StageSpec::ReplaceRoot(expression) => Ok(Step::ReplaceRoot(expression)),
        StageSpec::Redact(spec) => Ok(Step::Redact(spec)),
        other => Err(Box::new(other)),
    }
}

/// Appends a stage to an input; `limit` is the limit on its output that follows.
fn build_stage(stage: StageSpec, limit: Option<u64>, input: Box<dyn Stage>) -> Box<dyn Stage> {
    match stage {
        StageSpec::Group(spec) => checked(Box::new(Group::new(input, spec))),
        StageSpec::Sort(spec) => Box::new(Sort::new(input, spec, limit)),
        StageSpec::Limit(left) => Box::new(Limit { input, left }),
        StageSpec::Skip(count) => Box::new(Skip { input, count }),
        StageSpec::Count(field) => Box::new(Count {
            input: Some(input),
            field,
        }),
        StageSpec::Unwind(spec) => Box::new(Unwind::new(input, spec)),
        StageSpec::Sample(size) => Box::new(Sample::new(input, size)),
        // The caller has made the source the input, and a step of the others.
        StageSpec::Source(_)
        | StageSpec::Match(_)
        | StageSpec::Project(_)
        | StageSpec::ReplaceRoot(_)
        | StageSpec::Redact(_)
        // The command writes the documents.
        | StageSpec::Out(_)
        | StageSpec::Merge(_) => input,
        StageSpec::Lookup(spec) => deep(Box::new(Lookup::new(input, *spec, open, build))),
        StageSpec::GraphLookup(spec) => deep(Box::new(GraphLookup::new(input, *spec, open))),
        StageSpec::BucketAuto(spec) => checked(Box::new(BucketAuto::new(input, *spec))),
        StageSpec::SetWindowFields(spec) => {
            checked(Box::new(SetWindowFields::new(input, *spec)))
        }
        StageSpec::Densify(spec) => {
            let sorted = Sort::new(input, spec.order(), None);
            Box::new(Densify::new(Box::new(sorted), *spec))
        }
        StageSpec::UnionWith(spec) => Box::new(UnionWith::new(input, spec, open)),
        StageSpec::Facet(facets) => checked(Box::new(Facet {
            input: Some(input),
            facets,
        })),
    }
}

fn deep(input: Box<dyn Stage>) -> Box<dyn Stage> {
    Box::new(CheckDepth { input })
}

fn checked(input: Box<dyn Stage>) -> Box<dyn Stage> {
    Box::new(CheckSize { input })
}

/// The name of the stage in errors.
const FACET: &str = "$facet";

/// `$facet`: runs several pipelines over the same documents; returns one document with all results.
struct Facet {
    input: Option<Box<dyn Stage>>,
    facets: Vec<(String, Vec<StageSpec>)>,
}

impl Stage for Facet {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        let Some(mut input) = self.input.take() else {
            return Ok(None);
        };
        let kept = Kept::read(FACET, input.as_mut(), context)?;
        let mut document = Builder::new();
        let mut charged = Charge::default();
        for (name, stages) in &self.facets {
            let given = GivenDocuments {
                rows: kept.rows().to_vec().into_iter(),
            };
            let mut stage = build(stages.clone(), Box::new(given));
            let mut results = ArrayBuilder::default();
            while let Some(row) = stage.next(context)? {
                results.push_doc(row.doc());
                charge(FACET, &mut charged, document.len() + results.size())?;
            }
            document = document.array(name, results);
        }
        Ok(Some(Row::computed(document.finish())))
    }
}

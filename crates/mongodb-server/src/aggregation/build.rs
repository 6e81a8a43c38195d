//! Builds the stages of a compiled pipeline.

use crate::aggregation::check_size::CheckSize;
use crate::aggregation::group::Group;
use crate::aggregation::memory::{MEMORY_LIMIT, memory_exceeded};
use crate::aggregation::rows::GivenDocuments;
use crate::aggregation::sample::Sample;
use crate::aggregation::sort::Sort;
use crate::aggregation::spec::StageSpec;
use crate::aggregation::stage::{Context, Stage, drain};
use crate::aggregation::stages::{Count, Limit, Skip, Step, Steps};
use crate::aggregation::unwind::Unwind;
use crate::bson::{ArrayBuilder, Builder};
use crate::engine::Row;
use crate::error::CommandError;

/// Appends stages to an input.
pub fn build(stages: Vec<StageSpec>, mut input: Box<dyn Stage>) -> Box<dyn Stage> {
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
    with_steps(steps, input)
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
        | StageSpec::ReplaceRoot(_) => input,
        StageSpec::Facet(facets) => checked(Box::new(Facet {
            input: Some(input),
            facets,
        })),
    }
}

fn checked(input: Box<dyn Stage>) -> Box<dyn Stage> {
    Box::new(CheckSize { input })
}

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
        let mut rows = Vec::new();
        let mut memory = 0;
        while let Some(row) = input.next(context)? {
            memory += row.document.len();
            if memory > MEMORY_LIMIT {
                return Err(memory_exceeded("$facet"));
            }
            rows.push(row);
        }
        let mut document = Builder::new();
        for (name, stages) in &self.facets {
            let given = GivenDocuments {
                rows: rows.clone().into_iter(),
            };
            let mut stage = build(stages.clone(), Box::new(given));
            let mut results = ArrayBuilder::default();
            for row in drain(stage.as_mut(), context)? {
                results.push_doc(row.doc());
            }
            document = document.array(name, results);
        }
        Ok(Some(Row::computed(document.finish())))
    }
}

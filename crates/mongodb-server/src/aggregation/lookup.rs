//! `$lookup`: adds to each document the documents of another collection that belong to it.

use crate::aggregation::held::Charge;
use crate::aggregation::join::{Join, values_at};
use crate::aggregation::memory::{MEMORY_LIMIT, charge};
use crate::aggregation::opener::{AppendStages, OpenPipeline};
use crate::aggregation::parse::parse_pipeline;
use crate::aggregation::pipeline_scope::{PipelineScope, Place};
use crate::aggregation::put::put;
use crate::aggregation::rows::{GivenDocuments, Kept};
use crate::aggregation::spec::{LookupSpec, StageSpec, SubPipeline};
use crate::aggregation::stage::{Context, Stage};
use crate::bson::{ArrayBuilder, Doc, Value};
use crate::engine::Row;
use crate::error::CommandError;
use crate::query::{Environment, Expression, Filter, Scope};

/// Adds an array of joined documents to each document.
pub struct Lookup {
    input: Box<dyn Stage>,
    spec: LookupSpec,
    join: Option<Join>,
    open: OpenPipeline,
    append: AppendStages,
    /// The result of a pipeline that is the same for each document.
    constant: Option<Value<'static>>,
    /// Memory of that result.
    charge: Charge,
}

impl Lookup {
    pub fn new(
        input: Box<dyn Stage>,
        spec: LookupSpec,
        open: OpenPipeline,
        append: AppendStages,
    ) -> Self {
        let join = spec.fields.as_ref().map(|(_, foreign)| {
            let (from, foreign) = (spec.from.clone(), foreign.clone());
            Join::new("$lookup", from, foreign, Filter::default(), open)
        });
        Self {
            input,
            spec,
            join,
            open,
            append,
            constant: None,
            charge: Charge::default(),
        }
    }

    fn joined(&mut self, doc: Doc<'_>, context: &Context) -> Result<Value<'static>, CommandError> {
        if let Some(constant) = &self.constant {
            return Ok(constant.clone());
        }
        if let (Some(join), Some(pipeline)) = (&self.join, &self.spec.pipeline)
            && matches!(pipeline.stages.first(), Some(StageSpec::Source(_)))
        {
            // The documents are not those of a collection that could be read once.
            let filter = join.filter(&local_values(&self.spec, doc));
            let mut stages = self.stages(pipeline, doc, context)?;
            stages.insert(1, StageSpec::Match(filter));
            let mut stage = (self.open)(context, &self.spec.from, stages)?;
            return array_of(stage.as_mut(), context);
        }
        let found = match (&mut self.join, &self.spec.fields) {
            (Some(join), Some(_)) => Some(join.find(&local_values(&self.spec, doc), context)?),
            _ => None,
        };
        let Some(pipeline) = &self.spec.pipeline else {
            let (rows, _charge) = found.map(Kept::into_parts).unwrap_or_default();
            return array_of(given(rows).as_mut(), context);
        };
        let stages = self.stages(pipeline, doc, context)?;
        let constant = found.is_none() && self.spec.variables.is_empty();
        let (mut stage, _charge) = if let Some(kept) = found {
            let (rows, charge) = kept.into_parts();
            ((self.append)(stages, given(rows)), charge)
        } else {
            let stage = (self.open)(context, &self.spec.from, stages)?;
            (stage, Charge::default())
        };
        let joined = array_of(stage.as_mut(), context)?;
        if constant {
            self.charge.set(joined.heap_bytes());
            self.constant = Some(joined.clone());
        }
        Ok(joined)
    }

    /// Returns the stages of the pipeline for a document.
    fn stages(
        &self,
        pipeline: &SubPipeline,
        doc: Doc<'_>,
        context: &Context,
    ) -> Result<Vec<StageSpec>, CommandError> {
        if self.spec.variables.is_empty() {
            return Ok(pipeline.stages.clone());
        }
        compile_for(pipeline, &self.spec.variables, doc, context)
    }
}

/// Returns the values of the local field; null if there is none.
fn local_values(spec: &LookupSpec, doc: Doc<'_>) -> Vec<Value<'static>> {
    let mut values = match &spec.fields {
        Some((local, _)) => values_at(local, doc),
        None => Vec::new(),
    };
    if values.is_empty() {
        values.push(Value::Null);
    }
    values
}

impl Stage for Lookup {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        let Some(row) = self.input.next(context)? else {
            return Ok(None);
        };
        context.check()?;
        let joined = self.joined(row.doc(), context)?;
        let document = put(row.doc(), self.spec.field.parts(), &joined);
        Ok(Some(Row::computed(document)))
    }
}

/// Compiles a pipeline with variables that are computed from a document.
fn compile_for(
    pipeline: &SubPipeline,
    variables: &[(String, Expression)],
    doc: Doc<'_>,
    context: &Context,
) -> Result<Vec<StageSpec>, CommandError> {
    let environment = bind(&pipeline.environment, variables, doc, context)?;
    let scope = PipelineScope {
        database: &pipeline.database,
        environment: &environment,
        place: Place::Lookup,
        in_facet: false,
        depth: pipeline.depth,
    };
    parse_pipeline(Doc::new(&pipeline.source), scope)
}

/// Returns the environment with variables that are computed from a document.
fn bind(
    outer: &Environment,
    variables: &[(String, Expression)],
    doc: Doc<'_>,
    context: &Context,
) -> Result<Environment, CommandError> {
    let scope = Scope::new(doc, context.now_ms);
    let mut environment = outer.clone();
    for (name, expression) in variables {
        environment.define(name, expression.evaluate(&scope)?);
    }
    Ok(environment)
}

fn given(rows: Vec<Row>) -> Box<dyn Stage> {
    let rows = rows.into_iter();
    Box::new(GivenDocuments { rows })
}

/// Returns the remaining documents of a stage as an array.
fn array_of(stage: &mut dyn Stage, context: &Context) -> Result<Value<'static>, CommandError> {
    let mut array = ArrayBuilder::default();
    let mut charged = Charge::default();
    while let Some(row) = stage.next(context)? {
        array.push_doc(row.doc());
        if array.size() > MEMORY_LIMIT {
            let message = format!(
                "Total size of documents in matching pipeline's $lookup stage exceeds \
                 {MEMORY_LIMIT} bytes"
            );
            return Err(CommandError::location(4_568, message));
        }
        charge("$lookup", &mut charged, array.size())?;
    }
    Ok(array.into_value())
}

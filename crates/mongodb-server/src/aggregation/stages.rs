//! Stages that handle one document at a time.

use crate::aggregation::check_size::check_size;
use crate::aggregation::redact::RedactSpec;
use crate::aggregation::stage::{Context, Stage};
use crate::bson::{Builder, Value};
use crate::engine::Row;
use crate::error::CommandError;
use crate::query::{Expression, Filter, Projection, Scope};

/// Stages that turn one document into one or none, in a row: a pipeline may have a thousand of them,
/// so that none calls the one before.
pub struct Steps {
    pub input: Box<dyn Stage>,
    pub steps: Vec<Step>,
}

/// A stage that turns one document into one or none.
pub enum Step {
    /// `$match`: keeps the documents that pass a filter.
    Match(Filter),
    /// `$project`, `$addFields`, `$unset`: keeps, removes and computes fields.
    Project(Projection),
    /// `$replaceRoot`: replaces each document by a computed one.
    ReplaceRoot(Expression),
    /// `$redact`: keeps parts of each document.
    Redact(RedactSpec),
}

impl Step {
    fn apply(&self, row: Row, context: &Context) -> Result<Option<Row>, CommandError> {
        match self {
            Self::Match(filter) => Ok(filter.test(row.doc())?.then_some(row)),
            Self::Project(projection) => {
                let projected = Row::computed(projection.apply(row.doc(), context.now_ms)?);
                if projection.root.computes() {
                    check_size(&projected)?;
                }
                Ok(Some(projected))
            }
            Self::ReplaceRoot(expression) => {
                let replaced = replace_root(expression, &row, context)?;
                check_size(&replaced)?;
                Ok(Some(replaced))
            }
            Self::Redact(spec) => spec.apply(&row, context),
        }
    }
}

impl Stage for Steps {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        while let Some(row) = self.input.next(context)? {
            let mut left = Some(row);
            for step in &self.steps {
                let Some(row) = left else { break };
                left = step.apply(row, context)?;
            }
            if left.is_some() {
                return Ok(left);
            }
        }
        Ok(None)
    }
}

/// `$skip`: omits the first documents.
pub struct Skip {
    pub input: Box<dyn Stage>,
    pub count: u64,
}

impl Stage for Skip {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        while self.count > 0 {
            self.count -= 1;
            if self.input.next(context)?.is_none() {
                self.count = 0;
            }
        }
        self.input.next(context)
    }
}

/// `$limit`: ends after a number of documents.
pub struct Limit {
    pub input: Box<dyn Stage>,
    pub left: u64,
}

impl Stage for Limit {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.input.next(context)
    }
}

/// `$project`, `$addFields`, `$unset`: keeps, removes and computes fields.
pub struct Project {
    pub input: Box<dyn Stage>,
    pub projection: Projection,
}

impl Stage for Project {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        let row = self.input.next(context)?;
        let Some(row) = row else {
            return Ok(None);
        };
        let projected = self.projection.apply(row.doc(), context.now_ms)?;
        Ok(Some(Row::computed(projected)))
    }
}

/// `$count`: returns one document with the number of documents, or none if there are none.
pub struct Count {
    pub input: Option<Box<dyn Stage>>,
    pub field: String,
}

impl Stage for Count {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        let Some(mut input) = self.input.take() else {
            return Ok(None);
        };
        let mut count = 0;
        while input.next(context)?.is_some() {
            count += 1;
        }
        let document = Builder::new().count(&self.field, count).finish();
        Ok((count > 0).then(|| Row::computed(document)))
    }
}

fn replace_root(
    expression: &Expression,
    row: &Row,
    context: &Context,
) -> Result<Row, CommandError> {
    let scope = Scope::new(row.doc(), context.now_ms);
    match expression.evaluate(&scope)? {
        Value::Document(bytes) => Ok(Row::computed(bytes.into_owned())),
        other => Err(CommandError::location(
            40_228,
            format!(
                "'newRoot' expression must evaluate to an object, but resulting value was: \
                 {other}. Type of resulting value: '{}'",
                other.kind().alias()
            ),
        )),
    }
}

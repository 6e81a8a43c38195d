//! `$unionWith`: the documents of the pipeline, then those of another one.

use crate::aggregation::opener::OpenPipeline;
use crate::aggregation::spec::UnionSpec;
use crate::aggregation::stage::{Context, Stage};
use crate::engine::Row;
use crate::error::CommandError;

/// Returns the documents of its input, then those of another pipeline.
pub struct UnionWith {
    current: Box<dyn Stage>,
    /// The other pipeline, until it is opened.
    other: Option<UnionSpec>,
    open: OpenPipeline,
}

impl UnionWith {
    pub fn new(input: Box<dyn Stage>, spec: UnionSpec, open: OpenPipeline) -> Self {
        Self {
            current: input,
            other: Some(spec),
            open,
        }
    }
}

impl Stage for UnionWith {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        loop {
            if let Some(row) = self.current.next(context)? {
                return Ok(Some(row));
            }
            let Some(other) = self.other.take() else {
                return Ok(None);
            };
            self.current = (self.open)(context, &other.from, other.stages)?;
        }
    }
}

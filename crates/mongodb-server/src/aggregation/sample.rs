//! `$sample`: documents chosen at random.

use std::{iter, vec};

use bytes::Bytes;
use rand::seq::IteratorRandom as _;

use crate::aggregation::memory::{MEMORY_LIMIT, memory_exceeded};
use crate::aggregation::stage::{Context, Stage};
use crate::engine::Row;
use crate::error::CommandError;

/// Returns a number of documents, chosen at random.
pub struct Sample {
    input: Option<Box<dyn Stage>>,
    size: usize,
    chosen: vec::IntoIter<Row>,
}

impl Sample {
    pub fn new(input: Box<dyn Stage>, size: usize) -> Self {
        Self {
            input: Some(input),
            size,
            chosen: Vec::new().into_iter(),
        }
    }

    fn choose(
        &self,
        mut input: Box<dyn Stage>,
        context: &Context,
    ) -> Result<Vec<Row>, CommandError> {
        let mut failed = None;
        let rows = iter::from_fn(|| {
            input.next(context).unwrap_or_else(|error| {
                failed = Some(error);
                None
            })
        });
        // A copy does not keep the larger buffer alive that the document was read into.
        let rows = rows.map(|row| Row {
            document: Bytes::copy_from_slice(&row.document),
            origin: None,
        });
        let chosen = rows.sample(&mut rand::rng(), self.size);
        if let Some(error) = failed {
            return Err(error);
        }
        let memory: usize = chosen.iter().map(|row| row.document.len()).sum();
        if memory > MEMORY_LIMIT {
            return Err(memory_exceeded("$sample"));
        }
        Ok(chosen)
    }
}

impl Stage for Sample {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        if let Some(input) = self.input.take() {
            self.chosen = self.choose(input, context)?.into_iter();
        }
        Ok(self.chosen.next())
    }
}

//! Stages that return documents without reading a collection.

use std::vec;

use bytes::Bytes;

use crate::aggregation::held::Charge;
use crate::aggregation::memory::charge;
use crate::aggregation::stage::{Context, Stage};
use crate::bson::Doc;
use crate::engine::Row;
use crate::error::CommandError;

/// Returns empty documents, for pipelines that only count them.
pub struct EmptyDocuments {
    pub left: usize,
}

impl Stage for EmptyDocuments {
    fn next(&mut self, _context: &Context) -> Result<Option<Row>, CommandError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        Ok(Some(Row {
            document: Bytes::from_static(Doc::EMPTY.bytes()),
            origin: None,
        }))
    }
}

/// Returns the given documents.
pub struct GivenDocuments {
    pub rows: vec::IntoIter<Row>,
}

impl Stage for GivenDocuments {
    fn next(&mut self, _context: &Context) -> Result<Option<Row>, CommandError> {
        Ok(self.rows.next())
    }
}

/// Documents that a stage keeps in memory, and their share of the memory of all queries.
pub struct Kept {
    stage: &'static str,
    rows: Vec<Row>,
    bytes: usize,
    charge: Charge,
}

impl Kept {
    /// Returns an empty list for a stage.
    pub fn new(stage: &'static str) -> Self {
        Self {
            stage,
            rows: Vec::new(),
            bytes: 0,
            charge: Charge::default(),
        }
    }

    /// Reads all remaining documents of another stage.
    pub fn read(
        stage: &'static str,
        input: &mut dyn Stage,
        context: &Context,
    ) -> Result<Self, CommandError> {
        let mut kept = Self::new(stage);
        while let Some(row) = input.next(context)? {
            kept.push(row)?;
        }
        Ok(kept)
    }

    /// Adds a document, up to the limits.
    pub fn push(&mut self, row: Row) -> Result<(), CommandError> {
        self.bytes += size_of::<Row>() + row.document.len();
        self.rows.push(row);
        charge(self.stage, &mut self.charge, self.bytes)
    }

    /// Returns the documents.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Returns the documents, and what they count while it is not dropped.
    pub fn into_parts(self) -> (Vec<Row>, Charge) {
        (self.rows, self.charge)
    }
}

//! Stages that return documents without reading a collection.

use std::vec;

use bytes::Bytes;

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

//! Limits on the size and nesting of computed documents.

use crate::aggregation::stage::{Context, Stage};
use crate::bson::{MAX_DOCUMENT_BYTES, validate};
use crate::engine::Row;
use crate::error::{Code, CommandError};

/// Rejects computed documents that are too large, or nested deeper than other code can walk.
pub struct CheckSize {
    pub input: Box<dyn Stage>,
}

impl Stage for CheckSize {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        let Some(row) = self.input.next(context)? else {
            return Ok(None);
        };
        check_size(&row)?;
        Ok(Some(row))
    }
}

/// Rejects computed documents that are nested deeper than other code can walk. They may be larger
/// than a stored document, until the pipeline returns them.
pub struct CheckDepth {
    pub input: Box<dyn Stage>,
}

impl Stage for CheckDepth {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        let Some(row) = self.input.next(context)? else {
            return Ok(None);
        };
        check_depth(&row)?;
        Ok(Some(row))
    }
}

/// Rejects a document that is too large or nested too deep.
pub fn check_size(row: &Row) -> Result<(), CommandError> {
    if row.document.len() > MAX_DOCUMENT_BYTES {
        return Err(CommandError::new(
            Code::BSON_OBJECT_TOO_LARGE,
            format!(
                "BSONObj size: {} is invalid. Size must be between 0 and 16793600(16MB)",
                row.document.len()
            ),
        ));
    }
    check_depth(row)
}

fn check_depth(row: &Row) -> Result<(), CommandError> {
    validate::document(&row.document)
        .map_err(|invalid| CommandError::new(Code::OVERFLOW, invalid.to_string()))
}

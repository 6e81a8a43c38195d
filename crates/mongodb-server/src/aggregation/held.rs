//! Documents that a stage keeps until it has read its input.

use bytes::Bytes;

use crate::engine::{RecordId, Row, Stored};
use crate::error::CommandError;

/// A kept document. A stored document is read again; only a computed one is held in memory.
#[derive(Debug, Clone)]
pub enum Held {
    Stored(RecordId, Stored),
    Computed(Bytes),
}

impl Held {
    pub fn new(row: Row) -> Self {
        match row.origin {
            Some((id, stored)) => Self::Stored(id, stored),
            // A copy does not keep the larger buffer alive that the document was read into.
            None => Self::Computed(Bytes::copy_from_slice(&row.document)),
        }
    }

    /// Returns the bytes of the document that are held in memory.
    pub fn memory(&self) -> usize {
        match self {
            Self::Stored(..) => 0,
            Self::Computed(document) => document.len(),
        }
    }

    /// Returns the document.
    pub fn into_row(self) -> Result<Row, CommandError> {
        Ok(match self {
            Self::Computed(document) => Row {
                document,
                origin: None,
            },
            Self::Stored(id, stored) => Row {
                document: stored.read()?,
                origin: Some((id, stored)),
            },
        })
    }
}

//! Outcomes of commands.

use crate::cause::Cause;

/// How an insert ended.
#[derive(Debug)]
pub enum InsertOutcome {
    /// The server responded. Documents that are not listed are stored.
    Answered {
        /// Documents with a value that a unique index already has: their `_id`, or another field.
        taken: Vec<Refusal>,
        /// Documents that the server rejected for another reason.
        rejected: Vec<Refusal>,
    },
    /// Any document may be stored or not: retry the whole batch.
    Unknown(Cause),
}

/// A document that the server did not store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Index in the batch.
    pub index: usize,
    /// The server's reason.
    pub reason: String,
}

/// Coordinates and content hash of a stored document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredIdentity {
    /// Id of the document.
    pub id: [u8; 16],
    /// Kafka partition of its record.
    pub partition: i64,
    /// Kafka offset of its record.
    pub offset: i64,
    /// Hash of the payload.
    pub payload_hash: i64,
}

/// Whether an update may create its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upsert {
    /// Create it if none matches.
    Yes,
    /// Only change an existing one.
    No,
}

/// Whether an update changed or created a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// It did.
    Yes,
    /// No document matched, or the key exists but does not meet the filter.
    No,
}

//! How changes are written: to the log, and on a replica set to the oplog as well.

use std::io::IoSlice;

use crate::engine::error::Error;
use crate::engine::log::{Appended, Log, Record};
use crate::engine::namespace::Namespace;
use crate::engine::oplog::{Entry, Oplog, Retry, is_replicated};
use crate::engine::record::RecordKind;

/// How changes are written.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'e> {
    pub log: &'e Log,
    /// The oplog, on a replica set.
    pub oplog: Option<&'e Oplog>,
    /// The statements that the changes belong to, if they can be retried.
    pub retry: Option<Retry<'e>>,
    /// Whether validators are not asked.
    pub bypass: bool,
}

impl<'e> Writer<'e> {
    /// Returns the writer of a retryable write's statements.
    #[must_use]
    pub fn of(self, retry: Option<Retry<'e>>) -> Self {
        Self { retry, ..self }
    }

    /// Returns whether changes of a collection belong in the oplog.
    pub fn records(&self, namespace: &Namespace) -> bool {
        self.oplog.is_some() && is_replicated(namespace)
    }

    /// Appends a record to the log, with the entries that describe it.
    pub fn append(
        &self,
        kind: RecordKind,
        parts: &[IoSlice<'_>],
        entries: Vec<Entry>,
    ) -> Result<Appended, Error> {
        match self.oplog {
            Some(oplog) if !entries.is_empty() => {
                oplog.append(self.log, Some(Record { kind, parts }), entries)
            }
            _ => self.log.append(kind, parts),
        }
    }
}

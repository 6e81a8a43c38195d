//! Stands in for the module of JSON Schemas in a build without the feature `json-schema`.

use serde_json::Value;

use crate::checker::Deadline;
use crate::finding::Finding;
use crate::references::References;

const ABSENT: &str = "this registry was built without JSON Schema (feature `json-schema`)";

/// A schema with the documents it refers to.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "no schema is read")]
pub(super) struct Document<'a> {
    pub(super) schema: &'a Value,
    pub(super) references: &'a References,
}

/// Rejects every schema.
pub(super) fn check(_document: Document<'_>) -> Result<(), String> {
    Err(ABSENT.to_owned())
}

pub(super) fn findings(
    _reader: Document<'_>,
    _writer: Document<'_>,
    _deadline: &Deadline,
) -> Result<Vec<Finding>, String> {
    Err(ABSENT.to_owned())
}

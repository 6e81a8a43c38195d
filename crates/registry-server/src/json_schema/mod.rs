//! Compatibility of two JSON Schemas by the rules of Confluent's registry.
//!
//! The rules compare keywords, not sets of values. A schema is read into a graph of shapes; two
//! graphs are compared pair by pair:
//!
//! ```text
//!  text ─▶ graph (shapes, `$ref`s resolved) ─┐
//!                                            ├─▶ compare ─▶ findings, each with a path
//!  text ─▶ graph ────────────────────────────┘     ├─ content   objects and arrays
//!                                                  ├─ bounds    lengths, numbers, choices
//!                                                  └─ combined  allOf, anyOf, oneOf
//! ```
//!
//! As in Confluent's registry, `contains`, `propertyNames`, `if`, `format` and the schemas of
//! `patternProperties` are not compared on their own.
//!
//! # References
//!
//! - <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/serdes-json.html#json-schema-compatibility-rules>

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod bounds;
mod check;
mod combined;
mod compare;
mod content;
mod graph;
mod load;

use serde_json::Value;

use crate::checker::Deadline;
use crate::finding::Finding;
use crate::references::References;

pub(super) use check::check;

/// A schema with the documents it refers to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'a> {
    pub(super) schema: &'a Value,
    pub(super) references: &'a References,
}

/// Returns the reasons why a reader's schema cannot replace a writer's schema, if any. The error says
/// why the two cannot be compared.
pub(super) fn findings(
    reader: Document<'_>,
    writer: Document<'_>,
    deadline: &Deadline,
) -> Result<Vec<Finding>, String> {
    let writer = load::Source::new(writer)?;
    let reader = load::Source::new(reader)?;
    let (writer, reader) = (writer.graph()?, reader.graph()?);
    compare::findings(&writer, &reader, deadline)
}

#[cfg(test)]
mod tests;

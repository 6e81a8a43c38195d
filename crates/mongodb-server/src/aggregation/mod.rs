//! The aggregation pipeline: stages that pull documents from each other, one at a time.
//!
//! ```text
//!  BSON ─ parse ─▶ StageSpec ─ build ─▶ Stage
//!
//!  cursor ◀─ Project ◀─ Limit ◀─ Skip ◀─ Sort ◀─ Match ◀─ Scan ◀─ engine
//! ```
//!
//! A stage computes a document only when the next stage asks for it, so a cursor over millions of
//! documents holds one batch of them. Stages that need all documents, such as `$group`, `$sort` or
//! `$setWindowFields`, hold more, up to a limit.
//!
//! # References
//!
//! <https://www.mongodb.com/docs/manual/reference/operator/aggregation-pipeline/>

mod accumulator;
mod bucket_auto;
mod build;
mod check_size;
mod current_operations;
mod densify;
mod distinct;
mod granularity;
mod graph_lookup;
mod group;
mod held;
mod involved;
mod join;
mod lookup;
mod memory;
mod opener;
mod parse;
mod parse_gaps;
mod parse_lookup;
mod parse_output;
mod pipeline_scope;
mod put;
mod ranking;
mod redact;
mod rows;
mod sample;
mod selection;
mod shorthand;
mod sort;
mod spec;
mod spool;
mod stage;
mod stages;
mod union_with;
mod unwind;
mod window;

pub use build::{build, select};
pub use involved::involved;
pub use parse::parse_pipeline;
pub use pipeline_scope::PipelineScope;
pub use rows::{EmptyDocuments, GivenDocuments};
pub use selection::{Selection, push_down};
pub use spec::{MergeSpec, OutSpec, SourceSpec, StageSpec, WhenMatched, WhenUnmatched};
pub use spool::Spool;
pub use stage::{Context, Stage};
pub use stages::{Limit, Project, Skip};

#[cfg(test)]
mod tests;

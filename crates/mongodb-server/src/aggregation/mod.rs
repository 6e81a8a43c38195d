//! The aggregation pipeline: stages that pull documents from each other, one at a time.
//!
//! ```text
//!  BSON ─ parse ─▶ StageSpec ─ build ─▶ Stage
//!
//!  cursor ◀─ Project ◀─ Limit ◀─ Skip ◀─ Sort ◀─ Match ◀─ Scan ◀─ engine
//! ```
//!
//! A stage computes a document only when the next stage asks for it, so a cursor over millions of
//! documents holds one batch of them. `$group`, `$sort`, `$sample` and `$facet` hold more, up to a
//! limit.
//!
//! # References
//!
//! <https://www.mongodb.com/docs/manual/reference/operator/aggregation-pipeline/>

mod accumulator;
mod build;
mod check_size;
mod distinct;
mod group;
mod memory;
mod parse;
mod ranking;
mod rows;
mod sample;
mod shorthand;
mod sort;
mod spec;
mod stage;
mod stages;
mod unwind;

pub use build::build;
pub use parse::parse_pipeline;
pub use rows::{EmptyDocuments, GivenDocuments};
pub use sort::Sort;
pub use spec::{SourceSpec, StageSpec};
pub use stage::{Context, Stage};
pub use stages::{Limit, Project, Skip};

#[cfg(test)]
mod tests;

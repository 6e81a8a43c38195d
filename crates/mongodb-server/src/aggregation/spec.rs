//! Compiled stages.

use crate::aggregation::group::GroupSpec;
use crate::aggregation::unwind::UnwindSpec;
use crate::query::{Expression, Filter, Projection, SortSpec};

/// A compiled stage.
#[derive(Debug, Clone)]
pub enum StageSpec {
    /// `$match`
    Match(Filter),
    /// `$project`, `$addFields`, `$unset`
    Project(Projection),
    /// `$group`
    Group(GroupSpec),
    /// `$sort`
    Sort(SortSpec),
    /// `$limit`
    Limit(u64),
    /// `$skip`
    Skip(u64),
    /// `$count`
    Count(String),
    /// `$unwind`
    Unwind(UnwindSpec),
    /// `$sample`
    Sample(usize),
    /// `$replaceRoot`
    ReplaceRoot(Expression),
    /// A first stage that does not read a collection.
    Source(SourceSpec),
    /// `$facet`
    Facet(Vec<(String, Vec<Self>)>),
}

/// The source of documents that are not read from a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSpec {
    /// `$collStats`
    CollectionStats {
        /// Whether to return the number of documents.
        count: bool,
        /// The divisor of the sizes, if sizes are requested.
        storage_scale: Option<u64>,
    },
    /// `$indexStats`
    IndexStats,
    /// `$documents`
    Documents(Vec<Vec<u8>>),
    /// `$currentOp`
    CurrentOperations,
}

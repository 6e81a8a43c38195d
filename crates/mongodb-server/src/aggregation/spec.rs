//! Compiled stages.

use crate::aggregation::bucket_auto::BucketAutoSpec;
use crate::aggregation::densify::DensifySpec;
use crate::aggregation::group::GroupSpec;
use crate::aggregation::redact::RedactSpec;
use crate::aggregation::unwind::UnwindSpec;
use crate::aggregation::window::WindowSpec;
use crate::engine::Namespace;
use crate::query::{Environment, Expression, Filter, Path, Projection, SortSpec};

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
    /// `$redact`
    Redact(RedactSpec),
    /// A first stage that does not read a collection.
    Source(SourceSpec),
    /// `$facet`
    Facet(Vec<(String, Vec<Self>)>),
    /// `$lookup`
    Lookup(Box<LookupSpec>),
    /// `$graphLookup`
    GraphLookup(Box<GraphLookupSpec>),
    /// `$unionWith`
    UnionWith(UnionSpec),
    /// `$setWindowFields`
    SetWindowFields(Box<WindowSpec>),
    /// `$bucketAuto`
    BucketAuto(Box<BucketAutoSpec>),
    /// `$densify`
    Densify(Box<DensifySpec>),
    /// `$out`
    Out(OutSpec),
    /// `$merge`
    Merge(Box<MergeSpec>),
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

/// A compiled `$lookup`.
#[derive(Debug, Clone)]
pub struct LookupSpec {
    /// The collection to join with; without one, the pipeline begins with `$documents`.
    pub from: Namespace,
    /// The field for the array of joined documents.
    pub field: Path,
    /// The local and the foreign field whose values must be equal, if they are given.
    pub fields: Option<(Path, Path)>,
    /// Variables for the pipeline, computed from each local document.
    pub variables: Vec<(String, Expression)>,
    pub pipeline: Option<SubPipeline>,
}

/// A pipeline that is compiled again for each document, because it may use its values.
#[derive(Debug, Clone)]
pub struct SubPipeline {
    /// The array of stages.
    pub source: Vec<u8>,
    /// The stages, if none uses variables.
    pub stages: Vec<StageSpec>,
    pub database: String,
    /// The variables of the pipelines around.
    pub environment: Environment,
    pub depth: usize,
}

/// A compiled `$graphLookup`.
#[derive(Debug, Clone)]
pub struct GraphLookupSpec {
    pub from: Namespace,
    pub field: Path,
    pub start: Expression,
    pub connect_from: Path,
    pub connect_to: Path,
    pub max_depth: Option<u64>,
    pub depth_field: Option<Path>,
    pub restriction: Filter,
}

/// A compiled `$unionWith`.
#[derive(Debug, Clone)]
pub struct UnionSpec {
    pub from: Namespace,
    pub stages: Vec<StageSpec>,
}

/// A compiled `$out`.
#[derive(Debug, Clone)]
pub struct OutSpec {
    pub target: Namespace,
    /// Options of the time series collection to create, if the target is one.
    pub time_series: Option<Vec<u8>>,
}

/// A compiled `$merge`.
#[derive(Debug, Clone)]
pub struct MergeSpec {
    pub target: Namespace,
    /// The fields that identify a document; `_id` alone if they are not given.
    pub on: Vec<Path>,
    pub matched: WhenMatched,
    pub unmatched: WhenUnmatched,
    /// Variables for the pipeline of `whenMatched`, computed from each document.
    pub variables: Vec<(String, Expression)>,
    /// The variables of the command.
    pub environment: Environment,
}

/// What `$merge` does with a document that is in the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhenMatched {
    Replace,
    KeepExisting,
    Merge,
    Fail,
    /// An update pipeline: an array of stages.
    Pipeline(Vec<u8>),
}

/// What `$merge` does with a document that is not in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenUnmatched {
    Insert,
    Discard,
    Fail,
}

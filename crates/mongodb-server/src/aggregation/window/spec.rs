//! Compiled `$setWindowFields`.

use crate::aggregation::accumulator::Accumulator;
use crate::bson::Value;
use crate::query::{DateUnit, Expression, Path, SortSpec};

/// A compiled `$setWindowFields`.
#[derive(Debug, Clone)]
pub struct WindowSpec {
    /// The value that all documents of a partition have in common.
    pub partition: Option<Expression>,
    pub sort: SortSpec,
    pub outputs: Vec<Output>,
}

/// A computed field.
#[derive(Debug, Clone)]
pub struct Output {
    pub path: Path,
    pub function: WindowFunction,
}

/// How a field is computed.
#[derive(Debug, Clone)]
pub enum WindowFunction {
    /// An accumulator over a window.
    Accumulate(Accumulator, Bounds),
    /// `$covariancePop`, `$covarianceSamp` of two expressions over a window.
    Covariance {
        /// An array of two numbers.
        pair: Expression,
        sample: bool,
        bounds: Bounds,
    },
    /// `$rank`
    Rank,
    /// `$denseRank`
    DenseRank,
    /// `$documentNumber`
    DocumentNumber,
    /// `$shift`: the value of a document at a distance.
    Shift {
        output: Expression,
        by: i64,
        default: Value<'static>,
    },
    /// `$expMovingAvg`
    MovingAverage { input: Expression, alpha: Alpha },
    /// `$derivative`
    Derivative {
        input: Expression,
        unit: Option<Unit>,
        bounds: Bounds,
    },
    /// `$integral`
    Integral {
        input: Expression,
        unit: Option<Unit>,
        bounds: Bounds,
    },
    /// `$linearFill`
    LinearFill(Expression),
    /// `$locf`: the last value that is not null.
    LastObservation(Expression),
}

/// The weight of the newest value.
#[derive(Debug, Clone)]
pub enum Alpha {
    /// Two by this number more than one.
    Documents(i64),
    Weight(Value<'static>),
}

/// Milliseconds of a unit of time of constant length.
pub type Unit = i64;

/// The documents of a window, relative to each document.
#[derive(Debug, Clone)]
pub enum Bounds {
    /// By position.
    Documents(Edge<i64>, Edge<i64>),
    /// By the distance of the value to sort by.
    Range {
        lower: Edge<Value<'static>>,
        upper: Edge<Value<'static>>,
        /// The unit of the distance between dates.
        unit: Option<DateUnit>,
    },
}

/// One end of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edge<T> {
    Unbounded,
    At(T),
}

impl Bounds {
    /// Returns the bounds of a whole partition.
    pub fn all() -> Self {
        Self::Documents(Edge::Unbounded, Edge::Unbounded)
    }
}

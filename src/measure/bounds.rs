//! Bounds of the percentiles of one stage.

use serde::{Deserialize, Serialize};

/// Values between which a percentile is, with a confidence of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Lower bound, in microseconds.
    pub low_us: u64,
    /// Upper bound, in microseconds.
    pub high_us: u64,
    /// Number of independent samples that would have these bounds.
    pub effective_count: u64,
}

/// Bounds of each percentile of a stage; `None` if its samples are too few.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PercentileBounds {
    /// Of the median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<Bounds>,
    /// Of the 90th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90: Option<Bounds>,
    /// Of the 95th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<Bounds>,
    /// Of the 99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<Bounds>,
    /// Of the 99.9th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p999: Option<Bounds>,
}

impl PercentileBounds {
    /// Returns whether no percentile has bounds.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

//! Counts and latencies of one second of a run.

use serde::{Deserialize, Serialize};

/// One second of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Start, in seconds after the run's epoch.
    pub start_s: f64,
    /// Readings emitted.
    pub emitted: u64,
    /// Records acknowledged by the broker.
    pub acked: u64,
    /// Records fetched.
    pub fetched: u64,
    /// Records stored.
    pub stored: u64,
    /// Readings emitted but not stored at the end of the second.
    pub backlog: u64,
    /// Records of the owned partitions that are not stored at the end of the second; absent except in
    /// reports of consumers, and while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// End-to-end median of the records stored in this second.
    pub end_to_end_latency_p50_us: u64,
    /// End-to-end 99th percentile of the records stored in this second.
    pub end_to_end_latency_p99_us: u64,
    /// End-to-end maximum of the records stored in this second.
    pub end_to_end_latency_max_us: u64,
}
